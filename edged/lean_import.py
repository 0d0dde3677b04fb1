"""Imports of packages without what they would load and edged never uses: a tenth of its start.

In each case here the package has a second choice for a module, and that choice serves us.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from types import ModuleType
from typing import Any


@contextmanager
def without_typing_extensions() -> Iterator[None]:
    """For msgspec, which then takes the same from typing; the other loads inspect."""
    with _standing_in("typing_extensions", None):
        yield


@contextmanager
def without_package_metadata() -> Iterator[None]:
    """For gpiozero: metadata are loaded when it looks for a plug-in, and not before.

    edged chooses the pin factory itself, so it never looks; and importlib.metadata loads half of
    what the standard library has for e-mail.
    """

    def entry_points(**selection: Any) -> Any:
        from importlib import metadata

        return metadata.entry_points(**selection)

    backport = ModuleType("importlib_metadata")
    backport.entry_points = entry_points  # type: ignore[attr-defined]
    with _standing_in("importlib_metadata", backport):
        yield


@contextmanager
def _standing_in(name: str, module: ModuleType | None) -> Iterator[None]:
    """`module` as the one of that `name`, unless it is there; None is one that is absent."""
    if name in sys.modules:
        yield
        return
    sys.modules[name] = module  # type: ignore[assignment]
    try:
        yield
    finally:
        del sys.modules[name]
