"""How to install a package into this edged's environment."""

from __future__ import annotations

import sys


def command(requirements: str) -> str:
    """The command that installs `requirements` for the running Python."""
    return f"{sys.executable} -m pip install {requirements}"
