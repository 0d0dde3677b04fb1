"""What a camera does to a picture: point of view, optics, exposure, colour and sensor noise.

Every function takes and returns float32 RGB pictures ``[n, 3, height, width]`` in 0..1 and takes
one strength per picture (``[n]``), so that training draws the strengths at random and the
measurement sets them.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

DISPLAY_GAMMA = 2.2
LUMA = (0.299, 0.587, 0.114)  # ITU-R BT.601
KERNEL_RADIUS_PX = 4


def view(
    pictures: Tensor,
    *,
    size_px: int,
    zoom: Tensor,
    stretch: Tensor,
    tilt_rad: Tensor,
    shift: Tensor,
    mirror: Tensor,
) -> Tensor:
    """Look at the pictures again, from elsewhere, in ``size_px`` square.

    ``zoom`` > 1 enlarges the subject, ``stretch`` > 1 widens it and lowers it, ``shift`` ``[n, 2]``
    is in halves of a side, ``mirror`` is -1 or 1. The outside of a picture is its reflection.
    """
    wide, high = zoom * stretch.sqrt(), zoom / stretch.sqrt()
    cosine, sine = torch.cos(tilt_rad), torch.sin(tilt_rad)
    matrix = torch.stack(
        [
            torch.stack([mirror * cosine / wide, -sine / high, shift[:, 0]], 1),
            torch.stack([mirror * sine / wide, cosine / high, shift[:, 1]], 1),
        ],
        1,
    )
    grid = functional.affine_grid(matrix, [len(pictures), 3, size_px, size_px], align_corners=False)
    return functional.grid_sample(
        pictures, grid, mode="bilinear", padding_mode="reflection", align_corners=False
    )


def blur(pictures: Tensor, along_px: Tensor, across_px: Tensor, angle_rad: Tensor) -> Tensor:
    """Blur with an oriented Gaussian: equal deviations are defocus, unequal ones are motion."""
    count, channels, height, width = pictures.shape
    reach = torch.arange(-KERNEL_RADIUS_PX, KERNEL_RADIUS_PX + 1, device=pictures.device)
    y, x = torch.meshgrid(reach.float(), reach.float(), indexing="ij")
    cosine, sine = (part(angle_rad)[:, None, None] for part in (torch.cos, torch.sin))
    along, across = x * cosine + y * sine, y * cosine - x * sine
    kernels = torch.exp(
        -0.5 * (along / along_px[:, None, None]) ** 2
        - 0.5 * (across / across_px[:, None, None]) ** 2
    )
    kernels = kernels / kernels.sum((1, 2), keepdim=True)
    padded = functional.pad(pictures, (KERNEL_RADIUS_PX,) * 4, mode="reflect")
    blurred = functional.conv2d(
        padded.transpose(0, 1), kernels[:, None], groups=count
    )  # the pictures are the groups, the colours are the batch
    return blurred.transpose(0, 1).reshape(count, channels, height, width)


def expose(pictures: Tensor, stops: Tensor) -> Tensor:
    """Multiply the light by ``2 ** stops`` behind a display gamma of 2.2."""
    return (pictures * _each(2.0 ** (stops / DISPLAY_GAMMA))).clamp(0, 1)


def tone(pictures: Tensor, gamma: Tensor) -> Tensor:
    """Bend the tone curve: ``gamma`` > 1 darkens the middle tones."""
    return pictures.clamp(min=1e-4) ** _each(gamma)


def contrast(pictures: Tensor, factor: Tensor) -> Tensor:
    """Scale the distance of each pixel from the mean of its picture."""
    mean = pictures.mean((1, 2, 3), keepdim=True)
    return (mean + (pictures - mean) * _each(factor)).clamp(0, 1)


def warm(pictures: Tensor, amount: Tensor) -> Tensor:
    """Miss the white balance: red times ``1 + amount``, blue divided by it."""
    gains = torch.stack([1 + amount, torch.ones_like(amount), 1 / (1 + amount)], 1)
    return (pictures * gains[:, :, None, None]).clamp(0, 1)


def fade(pictures: Tensor, amount: Tensor) -> Tensor:
    """Lose colour: 0 keeps it, 1 leaves grey, below 0 adds colour."""
    weights = torch.tensor(LUMA, device=pictures.device)[None, :, None, None]
    grey = (pictures * weights).sum(1, keepdim=True)
    return (pictures + (grey - pictures) * _each(amount)).clamp(0, 1)


def sensor_noise(
    pictures: Tensor, shot: Tensor, read: Tensor, generator: torch.Generator
) -> Tensor:
    """Add noise of variance ``shot * signal + read ** 2``.

    Foi et al., "Practical Poissonian-Gaussian noise modeling and fitting for single-image
    raw-data", IEEE Transactions on Image Processing, 2008.
    """
    deviation = (_each(shot) * pictures + _each(read) ** 2).sqrt()
    noise = torch.randn(pictures.shape, generator=generator, device=pictures.device)
    return (pictures + deviation * noise).clamp(0, 1)


def _each(strength: Tensor) -> Tensor:
    return strength[:, None, None, None]
