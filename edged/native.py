"""Which compiled loops are there and wanted.

Each is None where no compiler was there at the install, and where the environment variable
``EDGED_KERNELS`` is ``pillow``: Pillow and numpy then do the same work, slower.
"""

from __future__ import annotations

import os
from contextlib import suppress
from types import ModuleType

kernels: ModuleType | None = None
"""The loops over every pixel. The processor's widest vectors are used; ``avx2`` and ``any`` in the
variable forbid the wider ones."""

scores: ModuleType | None = None
"""The loops over every score."""

_wanted = os.environ.get("EDGED_KERNELS")

if _wanted != "pillow":
    with suppress(ImportError):
        from edged.imaging import _kernels

        if _wanted in ("avx2", "any"):
            _kernels.use_vectors(_wanted)
        kernels = _kernels
    with suppress(ImportError):
        from edged import _scores

        scores = _scores
