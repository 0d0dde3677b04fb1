"""From the trained network to an int8 TFLite graph: weights per channel, activations per tensor.

Jacob et al., "Quantization and Training of Neural Networks for Efficient Integer-Arithmetic-Only
Inference", CVPR 2018.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import tensorflow as tf
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from models.recipe.augment import Augmentation
from models.recipe.network import (
    PIXEL_MEAN,
    PIXEL_STD,
    InvertedResidual,
    Network,
)
from models.recipe.pictures import SIDE_PX, Pictures

CALIBRATION_PICTURES = 500

Float = NDArray[np.float32]


def convert(network: Network, calibration: Pictures, seed: int) -> bytes:
    """Return the network as a full-integer TFLite flatbuffer.

    Input ``pixels`` is uint8 ``[1, 32, 32, 3]``; outputs are int8 ``scores`` ``[1, classes]`` and
    ``features`` ``[1, 256]``, named by the signature ``serving_default``. The activation ranges
    come from ``calibration``, half of it through the camera effects of the training.
    """
    graph = Graph(network.cpu().eval())
    function = graph.__call__.get_concrete_function()
    converter = tf.lite.TFLiteConverter.from_concrete_functions([function], graph)
    converter.optimizations = [tf.lite.Optimize.DEFAULT]
    converter.representative_dataset = lambda: _calibration(calibration, seed)
    converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]
    converter.inference_input_type = tf.uint8
    converter.inference_output_type = tf.int8
    return bytes(converter.convert())


def normalise(pixels: NDArray[Any]) -> Float:
    """Return pixels ``[n, 3, 32, 32]``, 0..255, as the graph takes them: ``[n, 32, 32, 3]``."""
    scaled = (pixels.astype(np.float32) - PIXEL_MEAN) / PIXEL_STD
    return np.ascontiguousarray(scaled.transpose(0, 2, 3, 1))


def _calibration(pictures: Pictures, seed: int) -> Iterator[list[Float]]:
    order = np.random.default_rng(seed).permutation(len(pictures))[:CALIBRATION_PICTURES]
    pixels = torch.from_numpy(pictures.pixels[order])
    half = len(order) // 2
    augment = Augmentation(torch.Generator().manual_seed(seed), effort=1.0)
    seen = augment(pixels[:half], SIDE_PX).numpy() * 255
    for part in (seen, pixels[half:].numpy()):
        for picture in normalise(part):
            yield [picture[None]]
    # The ends of the range, so that one step of the input is exactly one step of a pixel.
    yield [normalise(np.zeros((1, 3, SIDE_PX, SIDE_PX)))]
    yield [normalise(np.full((1, 3, SIDE_PX, SIDE_PX), 255))]


class Graph(tf.Module):  # type: ignore[misc]
    """The network in TensorFlow, each norm folded into the filter before it."""

    def __init__(self, network: Network) -> None:
        super().__init__()
        self.stem = _fold(network.stem.weight, network.stem_norm)
        self.blocks = [_FoldedBlock(block) for block in network.inverted_residuals()]
        self.head = _fold(network.head.weight, network.head_norm)
        self.classifier = (
            network.classifier.weight.detach().numpy().T.copy(),
            network.classifier.bias.detach().numpy(),
        )

    @tf.function(  # type: ignore[untyped-decorator]
        input_signature=[tf.TensorSpec([1, SIDE_PX, SIDE_PX, 3], tf.float32, name="pixels")]
    )
    def __call__(self, pixels: tf.Tensor) -> dict[str, tf.Tensor]:
        x = tf.nn.relu6(_dense(pixels, *self.stem))
        for block in self.blocks:
            x = block(x)
        x = tf.nn.relu6(_dense(x, *self.head))
        features = tf.reduce_mean(x, [1, 2])
        weight, bias = self.classifier
        scores = tf.nn.softmax(tf.matmul(features, weight) + bias)
        return {"scores": scores, "features": features}


class _FoldedBlock:
    def __init__(self, block: InvertedResidual) -> None:
        self.expand = _fold(block.expand.weight, block.expand_norm)
        self.filter = _fold(block.filter.weight, block.filter_norm)
        self.project = _fold(block.project.weight, block.project_norm)
        self.stride = block.filter.stride
        self.shortcut = block.shortcut

    def __call__(self, x: tf.Tensor) -> tf.Tensor:
        y = tf.nn.relu6(_dense(x, *self.expand))
        weight, bias = self.filter
        weight = weight.transpose(0, 1, 3, 2)  # TensorFlow puts the channels before the multiplier
        y = tf.nn.depthwise_conv2d(y, weight, [1, self.stride, self.stride, 1], "SAME")
        y = _dense(tf.nn.relu6(tf.nn.bias_add(y, bias)), *self.project)
        return x + y if self.shortcut else y


def _dense(x: tf.Tensor, weight: Float, bias: Float) -> tf.Tensor:
    return tf.nn.bias_add(tf.nn.conv2d(x, weight, 1, "SAME"), bias)


def _fold(weight: Tensor, norm: nn.BatchNorm2d) -> tuple[Float, Float]:
    """Return a filter ``[height, width, inputs, outputs]`` and its bias with the norm inside."""
    mean, variance = norm.get_buffer("running_mean"), norm.get_buffer("running_var")
    gain = norm.weight.detach() / torch.sqrt(variance + norm.eps)
    filters = weight.detach() if weight.ndim == 4 else weight.detach()[:, :, None, None]
    folded = filters * gain[:, None, None, None]
    bias = norm.bias.detach() - mean * gain
    return folded.permute(2, 3, 1, 0).contiguous().numpy(), bias.numpy()
