"""Progress bars for long commands."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Sized
from typing import TypeVar

T = TypeVar("T")

WORTH_A_BAR = 20
"""Fewer pictures than this are done before anyone could read a progress bar."""


def followed(pictures: Iterable[T], what: str, count: int = 0) -> Iterable[T]:
    """The same pictures, with a bar on a terminal if there are many and rich is installed.

    `count` is their number if they have no length.
    """
    total = len(pictures) if isinstance(pictures, Sized) else count
    if total < WORTH_A_BAR or not sys.stderr.isatty():
        return pictures
    try:
        from rich.console import Console
        from rich.progress import track
    except ImportError:
        return pictures
    return track(
        pictures, description=what, total=total, console=Console(stderr=True), transient=True
    )
