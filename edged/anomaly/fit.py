"""Learns what is normal from pictures of a view."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timezone
from typing import NamedTuple, Protocol

import numpy as np
import numpy.typing as npt

from edged.anomaly.light import COPIES, copies
from edged.anomaly.normal import FORMAT, Normal
from edged.anomaly.view import View
from edged.core import Layer, Pixels, Prediction
from edged.errors import ModelError
from edged.imaging.resample import resample
from edged.inference.tensors import centre
from edged.perception.still import MOST_CHANGE, StillScenes, change

LEAST_FRAMES = 5
FRAMES = 20

SHRINKAGE = 0.05
"""Of the covariance towards the same variance in all directions."""

QUANTILE, MARGIN = 0.98, 1.2
"""The limit is so many times the distance that this part of the pictures left out stays under."""

USUAL_QUANTILE, LEAST_USUAL = 0.99, 0.5
"""The usual distance of a position, and its least as a part of the median of all."""

MOVED = 2 * MOST_CHANGE
"""Levels by which a cell of a picture may differ from the median of all pictures."""

FLAT = 6.0
"""Levels: the contrast of a picture that shows nothing."""

Floats = npt.NDArray[np.float32]


class Model(Protocol):
    """What is asked of a classifier."""

    @property
    def input_px(self) -> tuple[int, int]:
        """See `edged.core.Classifier`."""
        ...

    def classify(self, pixels: Pixels) -> Prediction:
        """See `edged.core.Classifier`."""
        ...


class _Fitted(NamedTuple):
    whitening: Floats
    means: Floats
    limits: Floats


def learn(
    frames: Sequence[Pixels],
    model: Model,
    tensor: int,
    sha256: str,
    *,
    crop: bool = False,
) -> Normal:
    """What is normal in the view of `frames`, `LEAST_FRAMES` at least.

    The predictions of `model`, whose file has `sha256`, have the layer `tensor`; with `crop` it
    sees the middle of a frame. ModelError, also where something moves in the frames.
    """
    _check(frames)
    rng = np.random.default_rng(0)
    height, width = model.input_px
    maps: list[Layer] = []
    picture = np.empty((height, width, 3), np.uint8)
    for frame in frames:
        resample(centre(frame, height, width) if crop else frame, picture)
        maps.append(model.classify(frame).layers[tensor])
        maps += [model.classify(copy).layers[tensor] for copy in copies(picture, rng)]
    shape = maps[0].values.shape
    values = np.stack([one.real().reshape(-1, shape[-1]) for one in maps])
    fitted = fit(values.reshape(len(frames), 1 + COPIES, *values.shape[1:]))
    return Normal(
        FORMAT,
        datetime.now(timezone.utc).isoformat(),
        len(frames),
        sha256,
        tensor,
        (shape[0], shape[1], shape[2]),
        fitted.whitening.tobytes(),
        fitted.means.tobytes(),
        fitted.limits.tobytes(),
        View.of(picture),
    )


def fit(values: Floats) -> _Fitted:
    """Whitening, whitened means and limits of maps, shape (frames, views, positions, channels).

    The distances that limits are made from are those of each frame, with all its copies, from the
    mean of the others.
    """
    frames, views, positions, channels = values.shape
    means = values.mean(axis=(0, 1))
    whitening = _whitening((values - means).reshape(-1, channels))
    white = (values.reshape(-1, channels) @ whitening).reshape(values.shape)
    total = white.sum(axis=(0, 1))
    distances = np.empty((frames, views, positions), np.float32)
    for frame in range(frames):
        others = (total - white[frame].sum(axis=0)) / ((frames - 1) * views)
        distances[frame] = np.sqrt(np.square(white[frame] - others).sum(axis=-1))
    every = distances.reshape(-1, positions)
    usual = np.quantile(every, USUAL_QUANTILE, axis=0)
    least = LEAST_USUAL * float(np.median(usual)) + 1e-6
    usual = np.maximum(usual, least)
    farthest = float(np.quantile((every / usual).max(axis=1), QUANTILE))
    limits: Floats = (usual * farthest * MARGIN).astype(np.float32)
    whitened_means: Floats = total / (frames * views)
    return _Fitted(whitening, whitened_means, limits)


def _whitening(apart: Floats) -> Floats:
    """The matrix that gives rows of mean 0 the unit covariance."""
    covariance = apart.T @ apart / len(apart)
    channels = len(covariance)
    covariance += (SHRINKAGE * np.trace(covariance) / channels + 1e-9) * np.eye(channels)
    variances, directions = np.linalg.eigh(covariance)
    whitening: Floats = (directions / np.sqrt(variances)).astype(np.float32)
    return whitening


def _check(frames: Sequence[Pixels]) -> None:
    """ModelError where `frames` do not show what is normal."""
    if len(frames) < LEAST_FRAMES:
        raise ModelError(f"{len(frames)} pictures are too few: give {LEAST_FRAMES} or more")
    if len({frame.shape for frame in frames}) > 1:
        raise ModelError("the pictures have different sizes: give pictures of one view")
    comparer = StillScenes(1.0, (1, 1))
    cells = np.array([comparer.reduce(frame).copy() for frame in frames])
    middle = np.median(cells, axis=0)
    if middle.std() < FLAT:
        raise ModelError("the pictures show nothing: is the lens covered, or the light off?")
    for number, grid in enumerate(cells, 1):
        if change(grid, middle.astype(np.uint8)) > MOVED:
            raise ModelError(
                f"picture {number} of {len(cells)} differs from the others: something moved, or "
                "the light was switched; teach again while nothing happens"
            )
