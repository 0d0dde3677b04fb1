"""Whether the compiled kernels are there and wanted."""

from __future__ import annotations

import os
from types import ModuleType

kernels: ModuleType | None
"""The extension module, or None: where no compiler was there at the install, and where the
environment variable ``EDGED_KERNELS`` is ``pillow``. Pillow and numpy then do the same work,
slower."""

if os.environ.get("EDGED_KERNELS") == "pillow":
    kernels = None
else:
    try:
        from edged.imaging import _kernels as kernels
    except ImportError:
        kernels = None
