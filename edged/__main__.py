"""``python -m edged`` is ``edged``."""

from edged.cli import main

raise SystemExit(main())
