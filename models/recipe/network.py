"""The network: MobileNetV2 inverted residuals on 32x32 pictures.

Sandler et al., "MobileNetV2: Inverted Residuals and Linear Bottlenecks", CVPR 2018. The stem keeps
the resolution because the pictures are small; the first block halves it.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

STEM_CHANNELS = 24
FEATURES = 256
PIXEL_MEAN = 128.0
PIXEL_STD = 128.0
BN_EPSILON = 1e-3


@dataclass(frozen=True)
class Block:
    """One inverted residual: expand the channels, filter in space, project to ``channels``."""

    expansion: int
    channels: int
    stride: int = 1


BLOCKS = (
    Block(3, 40, 2),
    *[Block(4, 40)] * 2,
    Block(4, 80, 2),
    *[Block(5, 80)] * 3,
    Block(5, 120, 2),
    *[Block(4, 120)] * 2,
)


class _HalvingFilter(torch.autograd.Function):
    """A depthwise 3x3 filter of stride 2 whose gradient runs as one of stride 1.

    oneDNN has a fast bfloat16 gradient for stride 1 only; the gradient of stride 2 is the same
    once it is spread over the full resolution.
    """

    @staticmethod
    def forward(ctx: torch.autograd.function.FunctionCtx, x: Tensor, weight: Tensor) -> Tensor:
        ctx.save_for_backward(x, weight)
        return _halve(x, weight)

    @staticmethod
    def backward(
        ctx: torch.autograd.function.FunctionCtx, *gradients: Tensor
    ) -> tuple[Tensor, Tensor]:
        x, weight = ctx.saved_tensors  # type: ignore[attr-defined]
        spread = torch.zeros_like(x)
        spread[:, :, 1::2, 1::2] = gradients[0]
        x_gradient, weight_gradient, _ = torch.ops.aten.convolution_backward(
            spread, x, weight, None, [1, 1], [1, 1], [1, 1], False, [0, 0], len(weight),
            [True, True, False],
        )  # fmt: skip
        return x_gradient, weight_gradient


class Depthwise(nn.Module):
    """A depthwise 3x3 filter with the padding that TensorFlow calls SAME on even sides."""

    def __init__(self, channels: int, stride: int) -> None:
        super().__init__()
        self.stride = stride
        self.weight = nn.Parameter(torch.empty(channels, 1, 3, 3))
        nn.init.kaiming_normal_(self.weight, mode="fan_in")

    def forward(self, x: Tensor) -> Tensor:
        if self.stride == 1:
            return functional.conv2d(x, self.weight, padding=1, groups=len(self.weight))
        if x.is_cuda:
            return _halve(x, self.weight)
        filtered: Tensor = _HalvingFilter.apply(  # type: ignore[no-untyped-call]
            x, self.weight.to(x.dtype)
        )
        return filtered


class Pointwise(nn.Module):
    """A 1x1 convolution whose weight is the matrix ``[outputs, inputs]`` that it is."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.empty(outputs, inputs))
        nn.init.kaiming_uniform_(self.weight, a=math.sqrt(5))

    def forward(self, x: Tensor) -> Tensor:
        return functional.conv2d(x, self.weight[:, :, None, None])


class InvertedResidual(nn.Module):
    """An inverted residual with ReLU6, and a shortcut where the shape allows it."""

    def __init__(self, inputs: int, block: Block) -> None:
        super().__init__()
        hidden = inputs * block.expansion
        self.expand = Pointwise(inputs, hidden)
        self.expand_norm = _norm(hidden)
        self.filter = Depthwise(hidden, block.stride)
        self.filter_norm = _norm(hidden)
        self.project = Pointwise(hidden, block.channels)
        self.project_norm = _norm(block.channels)
        self.shortcut = has_shortcut(inputs, block)

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = functional.relu6(self.expand_norm(self.expand(x)))
        y = functional.relu6(self.filter_norm(self.filter(y)))
        y = self.project_norm(self.project(y))
        return x + y if self.shortcut else y


class Network(nn.Module):
    """Pixels ``[n, 3, 32, 32]``, 0..255, to logits ``[n, classes]`` and features ``[n, 256]``."""

    def __init__(self, classes: int) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, STEM_CHANNELS, 3, padding=1, bias=False)
        self.stem_norm = _norm(STEM_CHANNELS)
        widths = [STEM_CHANNELS, *(block.channels for block in BLOCKS)]
        self.blocks = nn.Sequential(
            *(
                InvertedResidual(inputs, block)
                for inputs, block in zip(widths, BLOCKS, strict=False)
            )
        )
        self.head = Pointwise(widths[-1], FEATURES)
        self.head_norm = _norm(FEATURES)
        self.classifier = nn.Linear(FEATURES, classes)

    def inverted_residuals(self) -> list[InvertedResidual]:
        """Return the blocks, in order."""
        return [block for block in self.blocks if isinstance(block, InvertedResidual)]

    def forward(self, pixels: Tensor) -> tuple[Tensor, Tensor]:
        x = (pixels - PIXEL_MEAN) / PIXEL_STD
        x = self.stem(x.contiguous(memory_format=torch.channels_last))
        x = functional.relu6(self.stem_norm(x))
        x = self.head_norm(self.head(self.blocks(x)))
        features = functional.relu6(x).float().mean((2, 3))
        return self.classifier(features), features


def has_shortcut(inputs: int, block: Block) -> bool:
    """Tell whether a block adds its input to its output."""
    return block.stride == 1 and block.channels == inputs


def _halve(x: Tensor, weight: Tensor) -> Tensor:
    padded = functional.pad(x, (0, 1, 0, 1))
    return functional.conv2d(padded, weight, stride=2, groups=len(weight))


def _norm(channels: int) -> nn.BatchNorm2d:
    return nn.BatchNorm2d(channels, eps=BN_EPSILON)
