"""What pyproject.toml names for `make mutants` is there."""

from __future__ import annotations

import sys
from pathlib import Path

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

ROOT = Path(__file__).parent.parent.parent


def test_each_room_has_its_modules_and_tests() -> None:
    rooms = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["mutants"]["rooms"]
    assert rooms
    for room in rooms:
        for pattern in (*room["modules"], *room["tests"]):
            assert list(ROOT.glob(pattern)), pattern
