"""The state of every rule at one frame, as columns."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import overload

import numpy as np
import numpy.typing as npt

from edged.core import RuleState
from edged.perception.filter import Floats


class RuleStates(Sequence[RuleState]):
    """The state of every rule at one frame: columns, from which a row is created on access.

    The arrays, of shape (rules,), must not be written to afterwards; any thread may read.
    """

    __slots__ = ("_active", "_names", "_score", "_since_s")

    def __init__(
        self,
        names: Sequence[str],
        active: npt.NDArray[np.bool_],
        score: Floats,
        since_s: Floats,
    ) -> None:
        self._names = names
        self._active = active
        self._score = score
        self._since_s = since_s

    def __len__(self) -> int:
        return len(self._names)

    @overload
    def __getitem__(self, place: int) -> RuleState: ...

    @overload
    def __getitem__(self, place: slice) -> tuple[RuleState, ...]: ...

    def __getitem__(self, place: int | slice) -> RuleState | tuple[RuleState, ...]:
        if isinstance(place, slice):
            return tuple(self)[place]
        return RuleState(
            self._names[place],
            bool(self._active[place]),
            float(self._score[place]),
            float(self._since_s[place]),
        )

    def __iter__(self) -> Iterator[RuleState]:
        columns = (self._active.tolist(), self._score.tolist(), self._since_s.tolist())
        return map(RuleState, self._names, *columns)
