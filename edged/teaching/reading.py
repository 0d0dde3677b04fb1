"""What of a model a taught head reads: its features, and maps before them, as one vector.

The last features of a model tell its own classes apart and have forgotten much else; maps of an
earlier stage have not. Which of the two is better depends on the model and on what is taught, so
both are read, and `head` weighs them by the pictures.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from itertools import groupby
from typing import TYPE_CHECKING

import msgspec
import numpy as np
import numpy.typing as npt

from edged.core import Layer
from edged.inference import channels
from edged.inference.layers import Layers

if TYPE_CHECKING:
    from edged.inference.layers import Map

Floats = npt.NDArray[np.float32]

VALUES = 64_000
"""Values of all maps together that are read of each frame, which takes a few microseconds."""


class Block(msgspec.Struct, frozen=True):
    """One tensor that is read: its index in the graph, and its channels."""

    tensor: int
    channels: int


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
            layer = layers[block.tensor]
            channels.sums(layer.values, layer.zero_point if layer.scale else 0, part)
            channels.unit_roots(part)
        return vector


def choose(layers: Layers, features: int) -> Reading | None:
    """What to read of a model whose list of features has that many entries.

    A map of each of the last two resolutions, one of the widest: of the last the second one, of the
    one before the last but one. In blocks that widen, filter and narrow, these are what the first
    block and the last block filter. None where the model has no features.
    """
    if layers.features is None:
        return None
    # The features are the means of the last map.
    stages = [list(stage) for _, stage in groupby(layers.maps[:-1], key=lambda one: one.shape[:2])]
    wide = [_widest(stage) for stage in stages[-2:]]
    wanted = wide[-1][1:2] or wide[-1] if wide else []
    if len(wide) > 1:
        wanted = [*wanted, *wide[0][-2:][:1]]
    blocks = [Block(layers.features, features)]
    values = 0
    for found in wanted:
        values += math.prod(found.shape)
        if values <= VALUES:
            blocks.append(Block(found.tensor, found.shape[2]))
    return Reading(tuple(blocks))


def _widest(stage: Sequence[Map]) -> list[Map]:
    channels = max(found.shape[2] for found in stage)
    return [found for found in stage if found.shape[2] == channels]
