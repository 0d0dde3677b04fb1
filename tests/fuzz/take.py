"""Numbers from the bytes of a fuzzer, as many as are asked for."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt


class Take:
    """Reads bytes from the front; behind their end all are zero."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._at = 0

    def bytes(self, count: int) -> bytes:
        piece = self._data[self._at : self._at + count]
        self._at += count
        return piece.ljust(count, b"\0")

    def number(self, low: int, high: int) -> int:
        """From `low` to `high`, both included."""
        size = ((high - low).bit_length() + 7) // 8
        return low + int.from_bytes(self.bytes(size), "little") % (high - low + 1)

    def share(self) -> float:
        """From 0 to 1."""
        return self.number(0, 65535) / 65535

    def one_of(self, *choices: object) -> object:
        return choices[self.number(0, len(choices) - 1)]

    def noise(self, *shape: int) -> npt.NDArray[np.uint8]:
        """Levels of which a few bytes decide all."""
        kind = self.number(0, 3)
        if kind < 2:
            return np.full(shape, 255 * kind, np.uint8)
        seed = np.random.default_rng(self.number(0, 65535))
        if kind == 2:
            return seed.integers(0, 2, shape, np.uint8) * np.uint8(255)
        return seed.integers(0, 256, shape, np.uint8)

    @property
    def rest(self) -> bytes:
        return self._data[self._at :]
