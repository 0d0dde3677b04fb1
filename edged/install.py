"""How a package is installed where this edged looks for it."""

from __future__ import annotations

import sys


def command(requirements: str) -> str:
    """What to type to install `requirements` for the Python that runs this."""
    return f"{sys.executable} -m pip install {requirements}"
