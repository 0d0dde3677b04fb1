"""Whether the compiled kernels are there and wanted."""

from __future__ import annotations

import os
from contextlib import suppress
from types import ModuleType

kernels: ModuleType | None = None
"""The extension module, or None: where no compiler was there at the install, and where the
environment variable ``EDGED_KERNELS`` is ``pillow``. Pillow and numpy then do the same work,
slower. The processor's widest vectors are used; ``avx2`` and ``any`` in the variable forbid the
wider ones."""

_wanted = os.environ.get("EDGED_KERNELS")

if _wanted != "pillow":
    with suppress(ImportError):
        from edged.imaging import _kernels

        if _wanted in ("avx2", "any"):
            _kernels.use_vectors(_wanted)
        kernels = _kernels
