"""All that a decider holds of the past, as a value that can be kept."""

from __future__ import annotations

from typing import Any

import msgspec
import numpy as np
import numpy.typing as npt


class State(msgspec.Struct, frozen=True, array_like=True):
    """With the same rules, labels and frames, a decider goes on from here exactly.

    ``now_s`` and ``number`` are those of the last frame, ``ended`` the rules that were removed and
    whose end is still to be told, with their scores. The others are arrays as bytes, little-endian:
    of rules ``wish``, ``active`` and ``unset`` (a byte each), ``score``, ``crossed_s``, ``since_s``
    and ``effect_s`` (float64); of classes their filtered scores (float32). ``known`` is filtered,
    too.
    """

    now_s: float | None
    number: int
    ended: tuple[tuple[str, float], ...]
    wish: bytes
    active: bytes
    unset: bytes
    score: bytes
    crossed_s: bytes
    since_s: bytes
    effect_s: bytes
    classes: bytes
    known: float | None = None


def packed(column: npt.NDArray[Any], kind: str) -> bytes:
    """An array as the bytes of numpy's type `kind`."""
    return column.astype(kind).tobytes()


def array(data: bytes, kind: str, count: int) -> npt.NDArray[Any]:
    """The array of `count` values that `packed` took, to be written to; ValueError."""
    found = np.frombuffer(data, kind)
    if len(found) != count:
        raise ValueError(f"{len(found)} values for {count}")
    return found.astype(found.dtype.newbyteorder("="))
