"""Pictures of nothing at all: what every model should find unknown, and no one has to collect."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
import numpy.typing as npt

from edged.core import Pixels

SIDE_PX = 64
COUNT = 200

Reals = npt.NDArray[np.float64]


def sets(seed: int = 0, count: int = COUNT) -> Iterator[tuple[str, list[Pixels]]]:
    """Each kind by its name, `count` pictures of it; the same for the same `seed`."""
    for name, paint in KINDS.items():
        rng = np.random.Generator(np.random.PCG64(seed))
        yield name, [np.clip(paint(rng), 0, 255).astype(np.uint8) for _ in range(count)]


def _noise(rng: np.random.Generator) -> Reals:
    return rng.integers(0, 256, (SIDE_PX, SIDE_PX, 3)).astype(float)


def _grain(rng: np.random.Generator) -> Reals:
    """As of a camera in the dark, or one with a lamp before it."""
    return rng.normal(rng.uniform(60, 200), rng.uniform(5, 60), (SIDE_PX, SIDE_PX, 3))


def _flat(rng: np.random.Generator) -> Reals:
    return rng.integers(0, 256, 3) + rng.normal(0, rng.uniform(0, 3), (SIDE_PX, SIDE_PX, 3))


def _slope(rng: np.random.Generator) -> Reals:
    angle = rng.uniform(0, 2 * np.pi)
    y, x = np.mgrid[:SIDE_PX, :SIDE_PX] / SIDE_PX - 0.5
    way = np.clip(x * np.cos(angle) + y * np.sin(angle) + 0.5, 0, 1)
    return _between(rng, way)


def _stripes(rng: np.random.Generator) -> Reals:
    """Waves and stripes, and chequers of both, of any direction and width."""
    y, x = np.mgrid[:SIDE_PX, :SIDE_PX]
    angle, pace = rng.uniform(0, np.pi), np.pi * rng.uniform(0.05, 0.5)
    wave = np.sin(pace * (x * np.cos(angle) + y * np.sin(angle)))
    if rng.random() < 0.5:
        wave = wave * np.sin(pace * (y * np.cos(angle) - x * np.sin(angle)))
    if rng.random() < 0.5:
        wave = np.sign(wave)
    return _between(rng, (wave + 1) / 2)


def _clouds(rng: np.random.Generator) -> Reals:
    """Noise with the spectrum of photographs: Field, J. Opt. Soc. Am. A 4 (1987), 2379-2394."""
    frequency = np.fft.fftfreq(SIDE_PX)
    radius = np.hypot(frequency[:, None], frequency[None])
    radius[0, 0] = 1 / SIDE_PX
    fall = radius ** -rng.uniform(0.8, 2)
    spectra = np.fft.fft2(rng.normal(size=(3, SIDE_PX, SIDE_PX))) * fall
    planes = np.fft.ifft2(spectra).real.transpose(1, 2, 0)
    colour = rng.uniform()
    planes = planes * colour + planes.mean(-1, keepdims=True) * (1 - colour)
    planes = (planes - planes.mean()) / planes.std()
    return np.asarray(planes * rng.uniform(20, 70) + rng.uniform(60, 190))


def _between(rng: np.random.Generator, way: Reals) -> Reals:
    start, end = rng.uniform(0, 255, (2, 3))
    return np.asarray(start + (end - start) * way[..., None])


KINDS: dict[str, Callable[[np.random.Generator], Reals]] = {
    "noise": _noise,
    "grain": _grain,
    "flat": _flat,
    "slope": _slope,
    "stripes": _stripes,
    "clouds": _clouds,
}
