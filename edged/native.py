"""Which compiled loops are there and wanted.

Each is None where no compiler was there at the install, and where the environment variable
``EDGED_KERNELS`` is ``pillow``: Pillow and numpy then do the same work, slower.
"""

from __future__ import annotations

import os
from contextlib import suppress
from types import ModuleType

kernels: ModuleType | None = None
"""The loops over every pixel, with the vectors of 64-bit Arm (NEON) or AVX2 where the processor has
them, and the same bytes without; ``any`` in the variable forbids them."""

scores: ModuleType | None = None
"""The loops over every score."""

_wanted = os.environ.get("EDGED_KERNELS")

if _wanted != "pillow":
    with suppress(ImportError):
        from edged.imaging import _kernels

        if _wanted == "any":
            _kernels.use_vectors(False)
        kernels = _kernels
    with suppress(ImportError):
        from edged import _scores

        scores = _scores
