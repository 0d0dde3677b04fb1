"""``python -m edged.cameras.isolation``: started by `edged.cameras.isolation.process`."""

import sys

from edged.cameras.isolation.child import main

sys.exit(main())
