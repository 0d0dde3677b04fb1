"""Whether the compiled pixel loops are available and enabled."""

from __future__ import annotations

import os
from contextlib import suppress
from types import ModuleType

kernels: ModuleType | None = None
"""With the vectors of 64-bit Arm (NEON), or AVX2 where the processor has it, and without: the same
bytes; the environment variable ``EDGED_KERNELS`` set to ``any`` forbids vectors.

None where no compiler was there at the install, and where the variable is ``pillow``: Pillow and
numpy then do the same work, slower.
"""

_wanted = os.environ.get("EDGED_KERNELS")

if _wanted != "pillow":
    with suppress(ImportError):
        from edged.imaging import _kernels

        if _wanted == "any":
            _kernels.use_vectors(False)
        kernels = _kernels
