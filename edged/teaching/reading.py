"""What of a model a taught head reads: its features, and maps before them, as one vector.

The last features of a model tell its own classes apart and have forgotten much else; maps of an
earlier stage have not. Which of the two is better depends on the model and on what is taught, so
both are read, and `head` weighs them by the pictures.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import groupby
from typing import TYPE_CHECKING

import msgspec
import numpy as np
import numpy.typing as npt

from edged.core import Layer
from edged.inference.layers import Layers

if TYPE_CHECKING:
    from edged.inference.layers import Map

Floats = npt.NDArray[np.float32]

MAP_VALUES = 1 << 15
"""Values of one map that are read of each frame; a larger map is read at every second position, or
third."""

VALUES = 52_000
"""Values of all maps together: reading them takes about ten microseconds."""

MAPS = 2
"""Maps that are read at most."""


class Block(msgspec.Struct, frozen=True):
    """One tensor that is read: its index in the graph, its channels, each how many-th position."""

    tensor: int
    channels: int
    step: int = 1


class Reading(msgspec.Struct, frozen=True):
    """The tensors that make a vector, the features first."""

    blocks: tuple[Block, ...]

    @property
    def tensors(self) -> list[int]:
        """What the classifier is to be asked for."""
        return [block.tensor for block in self.blocks]

    @property
    def size(self) -> int:
        """The length of a vector."""
        return sum(block.channels for block in self.blocks)

    def vector(self, layers: Mapping[int, Layer]) -> Floats:
        """The square roots of the pooled activations, shape (size,), each block of length 1.

        The root (with the sign kept) brings the few great activations closer to the many small
        ones, and the length takes out contrast.
        """
        vector = np.empty(self.size, np.float32)
        start = 0
        for block in self.blocks:
            part = vector[start : start + block.channels]
            start += block.channels
            _pool(layers[block.tensor], block, part)
            root = np.sqrt(np.abs(part))
            length = float(np.sqrt(root @ root))
            if length:
                root /= np.float32(length)
            np.copysign(root, part, out=part)
        return vector


def choose(layers: Layers, features: int) -> Reading | None:
    """What to read of a model whose list of features has that many entries.

    Of the maps those before the last that halves: the widest of the second smallest resolution,
    the last ones. None where the model has no features.
    """
    if layers.features is None:
        return None
    blocks = [Block(layers.features, features)]
    stages = [list(stage) for _, stage in groupby(layers.maps, key=lambda found: found.shape[:2])]
    if len(stages) > 1:
        blocks += _last(stages[-2])
    return Reading(tuple(blocks))


def _last(stage: Sequence[Map]) -> list[Block]:
    widest = max(found.shape[2] for found in stage)
    chosen: list[Block] = []
    values = 0
    for found in reversed([found for found in stage if found.shape[2] == widest]):
        height, width, channels = found.shape
        step = 1
        while _positions(height, width, step) * channels > MAP_VALUES and step < min(height, width):
            step += 1
        values += _positions(height, width, step) * channels
        if chosen and (values > VALUES or len(chosen) == MAPS):
            break
        chosen.append(Block(found.tensor, channels, step))
    return chosen


def _positions(height: int, width: int, step: int) -> int:
    return -(-height // step) * -(-width // step)


def _pool(layer: Layer, block: Block, out: Floats) -> None:
    """The mean over the positions, as a real number but for a factor that all channels share."""
    values = layer.values
    if values.ndim == 3:
        values = values[:: block.step, :: block.step]
    rows = values.reshape(-1, block.channels)
    if len(rows) == 1:
        out[:] = rows[0]
    else:
        # A product, since summing along the first axis takes numpy longer.
        np.matmul(np.full(len(rows), 1 / len(rows), np.float32), rows.astype(np.float32), out=out)
    if layer.scale:
        out -= np.float32(layer.zero_point)
