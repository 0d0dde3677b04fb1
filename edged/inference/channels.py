"""Sums over a map of a model, by channel, and vectors made of them."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from edged.native import kernels

Floats = npt.NDArray[np.float32]

_SHORT = 128
"""So many bytes have a sum that fits into 16 bits."""

_TINY = np.float32(1e-30)
"""Is nothing beside any value but 0."""


def sums(values: npt.NDArray[Any], zero_point: int, out: Floats) -> int:
    """Write the sum of each channel over all positions, of what is above the zero point.

    `values` has the shape (..., channels), `out` (channels,). Returns how many positions these are.
    """
    rows = values.reshape(-1, len(out))
    if kernels is not None and rows.dtype.char in "bB" and rows.flags.c_contiguous:
        kernels.channel_sums(rows, zero_point, out)
        return len(rows)
    if len(rows) == 1:
        out[:] = rows[0]
    elif rows.itemsize == 1 and len(rows) <= _SHORT:
        out[:] = np.add.reduce(rows, 0, dtype=np.int16)
    else:
        # A product, since summing along the first axis takes numpy longer.
        np.matmul(np.ones(len(rows), np.float32), rows.astype(np.float32), out=out)
    if zero_point:
        out -= np.float32(len(rows) * zero_point)
    return len(rows)


def unit_roots(values: Floats) -> None:
    """Replace the values by their square roots, the sign kept, as a vector of length 1.

    Zeros stay zeros.
    """
    if kernels is not None:
        kernels.unit_roots(values)
        return
    # The sum of the values is the squared length of their roots.
    lengths = np.abs(values)
    lengths *= np.add.reduce(lengths)
    lengths += _TINY
    np.sqrt(lengths, out=lengths)
    values /= lengths
