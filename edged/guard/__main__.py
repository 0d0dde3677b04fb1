"""``python -m edged.guard``: started by `edged.guard.process`."""

import sys

from edged.guard.guard import main

sys.exit(main())
