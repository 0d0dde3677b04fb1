"""From pixels to an input tensor and from an output tensor to scores: free functions on arrays."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec
import numpy as np
import numpy.typing as npt

from edged.core import Pixels, Scores

SPAN_MIN = 0.75
"""The least part of an integer's range that pixels fill if the metadata belongs to the tensor."""

Table = npt.NDArray[Any]
"""Shape (channels, 256): the tensor's value for each value of a pixel, in the tensor's type."""


class Tensor(msgspec.Struct, frozen=True):
    """A runtime's description of an input or an output.

    ``shape`` has -1 for a size that is not fixed. A real value is (q - ``zero_point``) * ``scale``;
    ``scale`` is 0 if the tensor is not quantised.
    """

    index: int
    name: str
    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    scale: float
    zero_point: int

    @classmethod
    def of(cls, details: Mapping[str, Any]) -> Tensor:
        """From an entry of ``get_input_details()`` or ``get_output_details()``."""
        shape, signature = details["shape"], details["shape_signature"]
        # A batch that is not fixed is one picture at a time; no other size can be guessed.
        sizes = [int(size) for size in (signature if len(signature) else shape)]
        if sizes and sizes[0] == -1:
            sizes[0] = int(shape[0])
        scale, zero_point = details["quantization"]
        return cls(
            index=int(details["index"]),
            # It comes from the model and goes into messages.
            name="".join(letter for letter in str(details["name"]) if letter.isprintable()),
            shape=tuple(sizes),
            dtype=np.dtype(details["dtype"]),
            scale=float(scale),
            zero_point=int(zero_point),
        )


def centre(pixels: Pixels, height_px: int, width_px: int) -> Pixels:
    """The largest part in the middle with the aspect of `height_px` to `width_px`: a view."""
    height, width = pixels.shape[:2]
    cut_height = min(height, max(1, round(width * height_px / width_px)))
    cut_width = min(width, max(1, round(height * width_px / height_px)))
    top, left = (height - cut_height) // 2, (width - cut_width) // 2
    return pixels[top : top + cut_height, left : left + cut_width]


def luma(pixels: Pixels, out: npt.NDArray[np.intp]) -> None:
    """ITU-R BT.601 luma of RGB, 0..255, into `out` of shape (height, width).

    Bit-exact with Pillow's conversion to ``L``, which training pipelines use: sums with 16
    fractional bits (``L24`` in src/libImaging/Convert.c).
    """
    weights = np.array([19595, 38470, 7471], np.intp)
    # Widened in blocks; a product of whole arrays would copy the picture first.
    np.einsum("hwc,c->hw", pixels, weights, out=out, dtype=np.intp, casting="unsafe")
    out += 0x8000
    out >>= 16


def round_half_away(values: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Nearest integers, halves away from 0, as TFLite quantises (``TfLiteRound``)."""
    return np.copysign(np.floor(np.abs(values) + 0.5), values)


def plain_table(tensor: Tensor, channels: int) -> Table:
    """The table for an unknown normalisation.

    An integer tensor takes the pixel itself, shifted to -128..127 for int8, the convention for
    quantised image models. A float tensor takes (pixel - 127.5) / 127.5, that is -1..1.
    """
    pixel = np.arange(256, dtype=np.float64)
    if tensor.dtype.kind == "f":
        values = (pixel - 127.5) / 127.5
    else:
        values = pixel + np.iinfo(tensor.dtype).min
    return np.tile(values.astype(tensor.dtype), (channels, 1))


def table(tensor: Tensor, channels: int, mean: Sequence[float], std: Sequence[float]) -> Table:
    """The table for (pixel - `mean`) / `std`, quantised as the tensor is.

    `mean` and `std` are as in `normalised`. ValueError.
    """
    values = normalised(channels, mean, std)
    if tensor.dtype.kind == "f":
        return values.astype(tensor.dtype)
    limits = np.iinfo(tensor.dtype)
    return _steps(tensor, values).clip(limits.min, limits.max).astype(tensor.dtype)


def fills_range(tensor: Tensor, channels: int, mean: Sequence[float], std: Sequence[float]) -> bool:
    """Whether the table of an integer tensor uses its range, and is not cut off at its ends.

    One step beyond an end is rounding: metadata says 127.5 and 127.5 where the tensor's scale is
    1/128. ValueError.
    """
    limits = np.iinfo(tensor.dtype)
    reached = _steps(tensor, normalised(channels, mean, std))
    least, most = float(reached.min()), float(reached.max())
    within = least >= limits.min - 1 and most <= limits.max + 1
    return within and most - least >= SPAN_MIN * (limits.max - limits.min)


def normalised(
    channels: int, mean: Sequence[float], std: Sequence[float]
) -> npt.NDArray[np.float64]:
    """(pixel - `mean`) / `std` for each pixel value, of shape (channels, 256).

    `mean` and `std` are in units of a pixel, one for all channels or one for each; empty is 0 and
    1. ValueError for any other number of them, or if a `std` is not above 0.
    """
    shifts, widths = (
        np.asarray(given or [neutral], np.float64) for given, neutral in ((mean, 0.0), (std, 1.0))
    )
    for given in (shifts, widths):
        if len(given) not in (1, channels):
            raise ValueError(f"{len(given)} values for {channels} channels")
    if not np.isfinite(shifts).all() or not (np.isfinite(widths) & (widths > 0)).all():
        raise ValueError("mean must be finite, and std finite and above 0")
    values = (np.arange(256) - shifts[:, np.newaxis]) / widths[:, np.newaxis]
    return np.broadcast_to(values, (channels, 256))


def same_but_for_rounding(table: Table, plain: Table) -> bool:
    """Whether two integer tables differ by at most one step.

    The plain pixel is then meant, which is also the fastest.
    """
    return bool((np.abs(table.astype(np.int64) - plain) <= 1).all())


def _steps(tensor: Tensor, values: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Real values in steps of an integer tensor, also beyond the range of its type."""
    return round_half_away(values / (tensor.scale or 1.0)) + tensor.zero_point


def look_up(table: Table, indices: npt.NDArray[np.intp], out: npt.NDArray[Any]) -> None:
    """Write ``table[channel, value]`` for `indices` of shape (height, width, channels).

    `indices` holds pixel values and is overwritten. Nothing is allocated.
    """
    indices += np.arange(0, table.size, 256, dtype=np.intp)
    # Every index is in range here; "wrap" avoids a copy of the output that "raise" makes.
    np.take(table.reshape(-1), indices, out=out, mode="wrap")


def dequantise(values: npt.NDArray[Any], scale: float, zero_point: int) -> npt.NDArray[np.float32]:
    """A float32 copy: (q - `zero_point`) * `scale`; `scale` 0 means not quantised.

    Widened before the subtraction, so that no integer wraps.
    """
    if not scale:
        return values.astype(np.float32)
    real: npt.NDArray[np.float32] = np.subtract(values, np.float32(zero_point), dtype=np.float32)
    real *= np.float32(scale)
    return real


def softmax(logits: npt.NDArray[np.float32]) -> None:
    """In place, over all values; shifted by the maximum so that nothing overflows."""
    logits -= logits.max()
    np.exp(logits, out=logits)
    logits /= logits.sum()


def logistic(logits: npt.NDArray[np.float32]) -> None:
    """In place, for each value; without overflow, because tanh is bounded."""
    logits *= 0.5
    np.tanh(logits, out=logits)
    logits += 1.0
    logits *= 0.5


def bound(scores: Scores) -> None:
    """Bound to 0..1 in place. NaN becomes 0, as it has no order, and no place in a message."""
    np.fmax(scores, 0.0, out=scores)
    np.minimum(scores, 1.0, out=scores)


def bounded_table(tensor: Tensor) -> npt.NDArray[np.float32] | None:
    """The bounded score of each byte, of shape (256,); None if values are not quantised bytes."""
    if tensor.dtype.itemsize != 1 or not tensor.scale:
        return None
    scores = dequantise(
        np.arange(256, dtype=np.uint8).view(tensor.dtype), tensor.scale, tensor.zero_point
    )
    bound(scores)
    return scores
