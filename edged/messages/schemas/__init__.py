"""The JSON Schema (2020-12) of every message, as files in the package.

``python -m edged.messages.schemas`` generates the files from the types, and a test keeps the two
equal.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

VERSION = 1


def path(name: str) -> Path:
    """The file of one message's schema; `name` is ``state``, ``event``, ``command``, ..."""
    return Path(__file__).parent / f"{name}.v{VERSION}.json"


def load(name: str) -> dict[str, Any]:
    """One message's schema."""
    schema: dict[str, Any] = json.loads(path(name).read_text(encoding="utf-8"))
    return schema
