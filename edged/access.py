"""Why a user has no access to a file, and how to get it."""

from __future__ import annotations

import grp
import os
import pwd
from collections.abc import Callable
from pathlib import Path
from typing import Any


def advice(path: Path, mode: int) -> str:
    """Which part of `path` denies this user the access `mode` (as in `os.access`), and what to do.

    For example: /run/edged belongs to group edged: `sudo usermod -aG edged ann`, then log in again.
    """
    # A link's target may be in a folder that this user cannot enter.
    path = Path(os.path.realpath(path))
    place = next((folder for folder in path.parents[::-1] if not os.access(folder, os.X_OK)), path)
    try:
        found = place.stat()
    except OSError as error:
        return f"{place}: {error.strerror}"
    needed = (mode if place == path else os.X_OK) << 3
    if found.st_mode & needed == needed and found.st_gid:
        group, user = _name(grp.getgrgid, found.st_gid), _name(pwd.getpwuid, os.getuid())
        advice = f"`sudo usermod -aG {group} {user}`, then log in again"
        return f"{place} belongs to group {group}: {advice}"
    owner = _name(pwd.getpwuid, found.st_uid)
    return f"{place} belongs to user {owner}: `sudo -u {owner} edged ...`"


def _name(look_up: Callable[[int], Any], number: int) -> str:
    try:
        return str(look_up(number)[0])
    except KeyError:
        return str(number)
