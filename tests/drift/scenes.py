"""Days and nights before a camera, made from one photograph; and what befalls cameras."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from typing import Literal, NamedTuple

import numpy as np
import numpy.typing as npt

from edged.core import Pixels, Prediction
from edged.imaging.resample import resample

HEIGHT_PX, WIDTH_PX = 72, 96
MARGIN_PX = 16
DAY_S = 86400.0

_GAMMA = (255 * np.linspace(0, 1, 1 << 14) ** (1 / 2.2)).astype(np.uint8)

Light = npt.NDArray[np.float32]
Night = Literal["dark", "lamp", "infrared", "room"]


class Moment(NamedTuple):
    """A frame of a simulated camera, and when."""

    pixels: Pixels
    at_s: float
    known: float


class Scene:
    """A view by day and by night: sun, clouds, shadows, passers-by, an exposure that follows.

    By night it is dark, or a lamp or infrared light shines; or it is a room, whose lamp is switched
    off at once in the evening and on in the morning.
    """

    size_px = HEIGHT_PX, WIDTH_PX

    def __init__(self, photograph: Pixels, night: Night = "lamp", seed: int = 0) -> None:
        self._rng = np.random.Generator(np.random.PCG64(seed))
        self._night = night
        whole = np.empty((HEIGHT_PX + 2 * MARGIN_PX, WIDTH_PX + 2 * MARGIN_PX, 3), np.uint8)
        resample(photograph, whole)
        # Light, in linear numbers.
        self._light: Light = (whole / np.float32(255)) ** np.float32(2.2)
        self._cloud = 0.0
        self._gain = 1.0
        self._guest: tuple[float, Light, int, int] | None = None
        self._guests_s = 0.0
        y, x = np.mgrid[0:HEIGHT_PX, 0:WIDTH_PX].astype(np.float32)
        self._x, self._y = x / WIDTH_PX, y / HEIGHT_PX
        spot = (self._x - 0.3) ** 2 / 0.03 + (self._y - 0.6) ** 2 / 0.06
        self._lamp = np.exp(-spot)[..., None] * np.array([1.0, 0.75, 0.5], np.float32)
        self._middle = np.exp(-((self._x - 0.5) ** 2 + (self._y - 0.5) ** 2) / 0.25)[..., None]

    def run(
        self,
        days: float,
        step_s: float = 20.0,
        start_s: float = 8 * 3600.0,
        fault: Callable[[Light, float], Light] = lambda light, _: light,
        shift_px: Callable[[float], tuple[int, int]] = lambda _: (0, 0),
    ) -> Iterator[Moment]:
        """Frames from `start_s` in the first day on, one each `step_s`.

        `fault` changes the light that comes through the lens at a time, `shift_px` moves the view.
        """
        for number in range(int(days * DAY_S / step_s)):
            at_s = start_s + number * step_s
            light = fault(self._seen(at_s, step_s, shift_px(at_s)), at_s)
            known = 0.25 + 0.15 * math.sin(at_s / 7000) + 0.2 * float(self._rng.random())
            yield Moment(self._exposed(light, at_s), at_s, known)

    def _sun(self, at_s: float) -> float:
        """The height of the sun as a part of noon's; negative by night."""
        return math.cos((at_s / DAY_S - 0.5) * 2 * math.pi) + 0.1

    def _seen(self, at_s: float, step_s: float, shift_px: tuple[int, int]) -> Light:
        rng = self._rng
        top, left = MARGIN_PX + shift_px[0], MARGIN_PX + shift_px[1]
        light = self._light[top : top + HEIGHT_PX, left : left + WIDTH_PX].copy()
        self._invite(at_s, step_s)
        if self._guest is not None:
            _, guest, y, x = self._guest
            light[y : y + guest.shape[0], x : x + guest.shape[1]] = guest
        self._cloud += -self._cloud * step_s / 3600 + rng.normal(0, 0.03 * math.sqrt(step_s / 20))
        sun = self._sun(at_s)
        if self._night == "room":
            on = 7.0 <= at_s % DAY_S / 3600 < 23.0
            day = max(sun, 0.0) * 0.5 * math.exp(self._cloud)
            return light * np.float32(day + (0.6 if on else 0.0) + 0.0005)
        low = math.exp(-max(sun, 0.0) * 4)
        colour = np.array([1 + 0.25 * low, 1.0, 1 - 0.2 * low], np.float32)
        strength = max(sun, 0.0) * math.exp(self._cloud) + 0.002 * max(min(sun + 0.3, 0.3), 0.0)
        edge = 0.5 + 0.4 * math.sin(at_s / DAY_S * 2 * math.pi)
        shadow = np.where(self._x + 0.3 * self._y < edge, 1.0, 0.55)[..., None]
        # Under clouds shadows are soft.
        depth = 1 / (1 + math.exp(-4 * self._cloud))
        shadow = (1 - depth) + depth * shadow
        found = light * colour * np.float32(strength) * shadow.astype(np.float32)
        if self._night == "lamp" and sun < 0.1:
            found = found + light * self._lamp * np.float32(0.05)
        if self._night == "infrared" and sun < 0.05:
            grey = light.mean(2, keepdims=True) * self._middle * np.float32(0.2)
            found = np.repeat(grey + found.mean(2, keepdims=True), 3, 2)
        return found.astype(np.float32)

    def _invite(self, at_s: float, step_s: float) -> None:
        rng = self._rng
        if self._guest is not None and at_s > self._guest[0]:
            self._guest = None
        if self._guest is None and rng.random() < step_s / 900:
            parks = rng.random() < 0.05
            stays_s = rng.uniform(1800, 4 * 3600) if parks else rng.exponential(40)
            height, width = int(rng.integers(8, 40)), int(rng.integers(8, 40))
            colour = rng.uniform(0, 0.6, 3)
            texture = rng.uniform(0.5, 1.5, (height, width, 1))
            place = int(rng.integers(0, HEIGHT_PX - height)), int(rng.integers(0, WIDTH_PX - width))
            self._guest = at_s + stays_s, (colour * texture).astype(np.float32), *place

    def _exposed(self, light: Light, at_s: float) -> Pixels:
        """As the sensor delivers it: exposure follows the mean as far as it can, noise comes up."""
        wanted = 0.2 / max(float(light.mean()), 1e-6)
        self._gain += 0.7 * (min(wanted, 60.0) - self._gain)
        noise = self._rng.standard_normal(light.shape, np.float32)
        noise *= np.float32(math.sqrt(self._gain) * 0.004)
        values = np.clip(light * np.float32(self._gain) + noise, 0, 1)
        shown: Pixels = _GAMMA[(values * (len(_GAMMA) - 1)).astype(np.intp)]
        return shown


def covered(dark: bool = True) -> Callable[[Light], Light]:
    """A hand or a cloth before the lens, or light paint on it."""
    return lambda light: light * np.float32(1e-4) if dark else np.full_like(light, light.mean())


def defocused(light: Light) -> Light:
    """Blurred over some five pixels."""
    for axis in (0, 1):
        padding = [(2, 2) if axis == one else (0, 0) for one in (0, 1, 2)]
        padded = np.pad(light, padding, "edge")
        parts = [np.take(padded, range(k, k + light.shape[axis]), axis) for k in range(5)]
        light = sum(parts[1:], parts[0]) / np.float32(5)
    return light


def tinted(light: Light) -> Light:
    """As without the filter that holds off infrared light: pink."""
    return light * np.array([1.6, 0.8, 1.3], np.float32)


def of(known: float) -> Prediction:
    """What a model says of a picture that it knows so well."""
    return Prediction(np.array([0.8, 0.2], np.float32), ("a", "b"), {}, "model", known=known)
