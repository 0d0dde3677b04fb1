"""What speaks for a picture not being what is usual before its camera: one cause, or none."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Mapping

import numpy as np

from edged.anomaly.view import (
    BETTER,
    LITTLE_CONTRAST,
    LITTLE_DETAIL,
    SAME,
    SHIFTED,
    best_shifted,
    correlation,
)
from edged.core import Cause
from edged.drift.look import Look
from edged.drift.views import Mode, Views

MEANINGS: Mapping[str, str] = {
    "night": "it is too dark to recognise anything",
    "view blocked": "the lens is covered or dirty, or the light went off at once",
    "view out of focus": "the picture is less sharp than usual: clean the lens, or focus it",
    "view moved": "the camera was moved or turned, or something large stands before it",
    "colour cast": "the colours are others than usual: a lamp, or the lens's infrared filter",
    "new kind of picture": "the model knows less of what it sees than usual",
}
"""What each means, and where possible what to do."""

RECOGNISED = 0.5
"""A picture of little contrast that correlates so with a usual view is not covered."""

AGAIN = 1.5
"""By how much both must be exceeded to see again."""

DARK = 0.2
"""Brightness below which a flat picture is of the dark, and not of something before the lens."""

AT_ONCE = 3.0
"""What was so many times brighter a minute ago became dark at once."""

DAY_S = 86400.0
NIGHT_S = EVENING_S = 3 * 3600.0
"""Dark for so long is a night; and how far its beginning may be from that of the night before."""

ELSEWHERE = 0.3
"""Correlation with every usual view, in the same light, below which the view is another one."""

SAME_STOPS = 1.0
"""Stops of brightness within which it is the same light."""

CAST = 0.25
"""Logarithms of a colour over green by which most of a view must differ."""

COLOURLESS = 0.03
"""Logarithms by which red and blue of a grey picture differ in the mean, as by infrared light."""

SPREADS = 3.0
"""Mean deviations that a number must be away from its mean."""

SEARCHED_S = 20.0
"""A shifted view is searched for no more often: it takes milliseconds."""


class Recent:
    """Means of what was seen lately, each with its own time constant."""

    def __init__(self) -> None:
        self._values: dict[str, float] = {}

    def get(self, name: str, otherwise: float) -> float:
        """The mean; `otherwise` if nothing was seen."""
        return self._values.get(name, otherwise)

    def follow(self, name: str, value: float, elapsed_s: float, constant_s: float) -> float:
        """The mean, with what was seen for `elapsed_s`."""
        before = self._values.get(name, value)
        self._values[name] = before - math.expm1(-elapsed_s / constant_s) * (value - before)
        return self._values[name]

    def forget(self, name: str) -> None:
        """It was not seen."""
        self._values.pop(name, None)


class Judge:
    """Says what a picture speaks for, compared with `views` and with what was seen lately."""

    def __init__(self, views: Views) -> None:
        self._views = views
        self._dark: Cause | None = None
        self._dark_s = 0.0
        self._evenings_s: deque[float] = deque(maxlen=7)
        self._searched_s, self._shifted = -math.inf, False

    def judge(
        self, look: Look, sharpness: float, at_s: float, recent: Recent, *, cast: bool
    ) -> tuple[Cause | None, Mode | None]:
        """The cause, and the mode that the picture is of; None for a new one.

        `cast` says whether the colours were already wrong: what is new must have come quickly, or
        it is the evening.
        """
        views = self._views
        if (covered := self._covered(look, at_s, recent)) is not None:
            return covered, None
        alike = [(float(mode.look.view @ look.view), mode) for mode in views.modes]
        alike.sort(key=lambda one: -one[0])
        same = [mode for likeness, mode in alike if likeness >= SAME]
        usual = [mode for mode in same if mode.usual and _grey(mode.look) == _grey(look)]
        for mode in usual:
            if mode.cast(look) <= CAST:
                return _blurred(mode, sharpness), mode
        if usual and (cast or _sudden(look, recent)):
            return "colour cast", None
        if same:
            return None, next((mode for mode in same if mode.cast(look) <= CAST), None)
        if self._moved(look, alike, at_s):
            return "view moved", None
        return None, None

    def _covered(self, look: Look, at_s: float, recent: Recent) -> Cause | None:
        """Night, or blocked: also where it became dark at once and does not do so every evening."""
        usual = [*self._views.usual()]
        least = LITTLE_CONTRAST * min((mode.look.structure for mode in usual), default=1.0)
        alike = max((float(mode.look.view @ look.view) for mode in usual), default=0.0)
        dark = look.brightness < DARK
        # Whoever sees little sees it in one frame and not in the next.
        again = 1.0 if self._dark is None else AGAIN
        recognised = look.structure >= again * least or alike >= again * RECOGNISED
        if recognised or not (usual or dark):
            if self._dark == "view blocked" and at_s >= self._dark_s + NIGHT_S:
                self._views.stored.dark_at_once = True
                self._evenings_s.append(self._dark_s)
            self._dark = None
            return None
        if not dark:
            return "view blocked"
        if self._dark is None:
            before = recent.get("brightness", 0.0)
            at_once = usual and before > max(AT_ONCE * look.brightness, DARK)
            self._dark = "view blocked" if at_once and not self._evening(at_s) else "night"
            self._dark_s = at_s
        return self._dark

    def _evening(self, at_s: float) -> bool:
        """Whether somebody switches the light off at this time of the day."""
        if not self._evenings_s:
            return self._views.stored.dark_at_once
        apart_s = ((at_s - one_s + DAY_S / 2) % DAY_S - DAY_S / 2 for one_s in self._evenings_s)
        return min(map(abs, apart_s)) <= EVENING_S

    def _moved(self, look: Look, alike: list[tuple[float, Mode]], at_s: float) -> bool:
        """Whether the view is another one, or that of a mode, shifted."""
        lit = [
            (likeness, mode)
            for likeness, mode in alike
            if mode.usual
            and _grey(mode.look) == _grey(look)
            and abs(mode.look.stops - look.stops) <= SAME_STOPS
        ]
        if not lit:
            return False
        likeness, nearest = lit[0]
        if likeness < ELSEWHERE:
            return True
        if at_s >= self._searched_s + SEARCHED_S:
            self._searched_s = at_s
            usual, now = nearest.look.grey, look.grey
            least = max(SHIFTED, correlation(usual, now) + BETTER)
            self._shifted = best_shifted(usual, now) >= least
        return self._shifted


def _grey(look: Look) -> bool:
    """Whether a picture has no colours."""
    return float(np.abs(look.colours).mean()) < COLOURLESS


def _blurred(mode: Mode, sharpness: float) -> Cause | None:
    usually = mode.sharpness
    least = min(LITTLE_DETAIL * usually.mean, usually.mean - SPREADS * usually.spread)
    return "view out of focus" if sharpness < least else None


def _sudden(look: Look, recent: Recent) -> bool:
    away = (recent.get(name, value) - value for name, value in colours(look).items())
    return max(map(abs, away)) > CAST / 2


def colours(look: Look) -> dict[str, float]:
    """Those that are followed."""
    return {"red": look.red, "blue": look.blue}
