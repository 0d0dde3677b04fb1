"""The result of one check: a test of a model, or a gate."""

from __future__ import annotations

from msgspec import Struct


class Check(Struct, frozen=True):
    """What must hold, whether it does, and what was found."""

    name: str
    holds: bool
    found: str
