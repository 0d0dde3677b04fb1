"""Finds out that the pictures are no longer what is usual, and the likely cause.

A frame in `EVERY` is looked at. A cause is told when frames have spoken for it for `PATIENCE_S`,
and is over when they speak against it for half as long. While one is told, nothing is learned.
"""

from __future__ import annotations

import logging
import math
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Literal, TypeAlias, get_args

import numpy as np

from edged.anomaly.view import BETTER, SAME, SHIFTED, SIDE_PX, best_shifted, correlation
from edged.core import Frame, Pixels, Prediction
from edged.drift.summary import Summary
from edged.drift.usual import Memory, Mode, Sample, Vector, read, write
from edged.imaging.resample import Resampler

log = logging.getLogger(__name__)

Cause: TypeAlias = Literal[
    "night",
    "view blocked",
    "view out of focus",
    "view moved",
    "colour cast",
    "new kind of picture",
]

MEANINGS: Mapping[Cause, str] = {
    "night": "it is darker than anything that can be recognised",
    "view blocked": "the lens is covered or dirty, or the light went off at once",
    "view out of focus": "the picture is less sharp than usual: clean the lens, or focus it",
    "view moved": "the camera was moved or turned, or something large stands before it",
    "colour cast": "the colours are others than usual: a lamp, or the infrared filter of the lens",
    "new kind of picture": "the model knows less of what it sees than usual",
}
"""What each means, and where possible what to do."""

EVERY = 16
"""One frame of so many is looked at: it takes less than 20 µs of each then."""

PATIENCE_S = 120.0
LONGEST_STEP_S = 60.0
"""What a frame speaks for at most."""

ACCEPTED_S = 86400.0
"""What was told for so long is taken for usual from then on."""

SEARCHED_S = 20.0
"""A shifted view is searched for no more often: it takes milliseconds."""

FLAT, RECOGNISED = 0.4, 0.5
"""Part of the usual structure that remains before a covered lens, and the correlation with a usual
view from which on it is recognised all the same."""

DARK = 0.2
"""Brightness below which a flat picture is of the dark, and not of something before the lens."""

AT_ONCE = 3.0
AT_ONCE_S = 60.0
"""What was so many times brighter within so many seconds became dark at once."""

ELSEWHERE = 0.3
"""Correlation with every usual view, in the same light, below which the view is another one."""

LEVELS = 1.0
"""Stops of brightness within which it is the same light."""

BLURRED, CAST = 0.6, 0.25
"""Part of the usual sharpness, and logarithms of a colour's share, that count; or `SPREADS` mean
deviations of what is usual, if that is more."""

SPREADS = 5.0

SLOW_S = 600.0
"""Time constant of the colours and of the model's answers that are compared."""

KNOWN_S = 86400.0
LESS_KNOWN = 0.15
"""The model's answers are compared when they were seen for a day, and must fall by so much."""


class Watch:
    """The state of what comes from one camera. The loop's thread only.

    ``cause`` is what is told at present and ``score`` how much speaks for it, or for the likeliest
    cause: 0 where all is usual, 1 where it is told. ``skew`` is, for each statistic, the share of
    the frames of the last minutes that are outside of what training pictures were like.
    """

    def __init__(self, path: Path | None = None, summary: Summary | None = None) -> None:
        """`path` keeps what is usual; `summary` is of the model's training pictures."""
        self.cause: Cause | None = None
        self.skew: dict[str, float] = {}
        self._path = path
        self._summary = summary
        self._memory = read(path) if path is not None else Memory()
        self._writer: threading.Thread | None = None
        self._resample = Resampler()
        self._picture = np.empty((2 * SIDE_PX, 2 * SIDE_PX, 3), np.uint8)
        self._count = 0
        self._at_s: float | None = None
        self._written_s: float | None = None
        self._told_s = 0.0
        self._evidence_s: dict[Cause, float] = dict.fromkeys(get_args(Cause), 0.0)
        self._dark: Cause | None = None
        self._lately: dict[str, float] = {}
        self._searched_s = -math.inf
        self._shifted = False

    @property
    def score(self) -> float:
        """See the class."""
        return min(max(self._evidence_s.values()) / PATIENCE_S, 1.0)

    def watch(self, frame: Frame, prediction: Prediction) -> None:
        """Look at a frame, or not."""
        self._count += 1
        if self._count % EVERY == 1:
            self.look(frame.pixels, frame.captured_s, prediction)

    def look(self, pixels: Pixels, at_s: float, prediction: Prediction) -> None:
        """A frame captured at `at_s` that the model said `prediction` of."""
        elapsed_s = 0.0 if self._at_s is None else min(max(at_s - self._at_s, 0.0), LONGEST_STEP_S)
        self._at_s = at_s
        self._resample(pixels, self._picture)
        sample = Sample.of(self._picture)
        cause, place = self._judge(sample, at_s)
        less_known = self._answers(prediction, elapsed_s)
        self._follow(sample, elapsed_s)
        self._compare(sample, prediction, elapsed_s)
        self._weigh(cause, less_known, elapsed_s, at_s)
        if cause is None and self.cause in (None, "new kind of picture"):
            self._memory.learn(place, sample, elapsed_s)
        self._keep(at_s)

    def succeed(self, old: Watch) -> None:
        """Go on from where `old` was; what another model answered is learned again."""
        for name in ("cause", "_memory", "_at_s", "_written_s", "_told_s", "_evidence_s", "_dark",
                     "_lately", "_writer"):  # fmt: skip
            setattr(self, name, getattr(old, name))

    def close(self) -> None:
        """Store what was learned."""
        if self._writer is not None:
            self._writer.join()
        if self._path is not None and self._at_s is not None:
            write(self._path, self._memory.told())

    def _judge(self, sample: Sample, at_s: float) -> tuple[Cause | None, int | None]:
        """What the picture itself speaks for, and the mode that it is of, None for a new one."""
        modes = self._memory.usual.modes
        likeness = self._memory.likenesses(sample)
        usual = [place for place, mode in enumerate(modes) if mode.established]
        if covered := self._covered(sample, likeness, usual):
            return covered, None
        nearest = int(likeness.argmax()) if len(likeness) else None
        if nearest is not None and likeness[nearest] >= SAME:
            cause = self._compared(sample, modes[nearest]) if nearest in usual else None
            return cause, nearest
        alike = [
            place
            for place in usual
            if modes[place].colourless == sample.colourless
            and abs(modes[place].level - sample.level) <= LEVELS
        ]
        if alike:
            best = max(alike, key=lambda place: float(likeness[place]))
            if likeness[best] < ELSEWHERE or self._moved(sample, best, at_s):
                return "view moved", None
        return None, None

    def _covered(self, sample: Sample, likeness: Vector, usual: Sequence[int]) -> Cause | None:
        """Night, or blocked: also where it became dark at once and never did before."""
        modes = self._memory.usual.modes
        least = FLAT * min((modes[place].usually("structure")[0] for place in usual), default=1.0)
        alike = max((float(likeness[place]) for place in usual), default=0.0)
        brightness = sample.statistics.brightness
        if sample.structure >= least or alike >= RECOGNISED or (not usual and brightness >= DARK):
            if self._dark == "view blocked":
                self._memory.usual.dark_at_once = True
            self._dark = None
            return None
        if brightness >= DARK:
            return "view blocked"
        if self._dark is None:
            before = self._lately.get("brightness", brightness)
            at_once = before > max(AT_ONCE * brightness, DARK)
            blocked = at_once and usual and not self._memory.usual.dark_at_once
            self._dark = "view blocked" if blocked else "night"
        return self._dark

    def _compared(self, sample: Sample, mode: Mode) -> Cause | None:
        """What the same view, as it looks now, differs in."""
        sharpness, spread = mode.usually("sharpness")
        if sample.statistics.sharpness < min(BLURRED * sharpness, sharpness - SPREADS * spread):
            return "view out of focus"
        for name, value in (("red", sample.statistics.red), ("blue", sample.statistics.blue)):
            usual, spread = mode.usually("red" if name == "red" else "blue")
            away = abs(value - usual)
            # As evening comes slowly, what is compared comes along.
            lately = abs(value - self._lately.get(name, value))
            told = self.cause == "colour cast" or self._evidence_s["colour cast"] > 0
            if away > max(CAST, SPREADS * spread) and (told or lately > away / 2):
                return "colour cast"
        return None

    def _moved(self, sample: Sample, place: int, at_s: float) -> bool:
        """Whether the view is that of a mode, shifted."""
        if at_s >= self._searched_s + SEARCHED_S:
            self._searched_s = at_s
            usual = self._memory.picture(place)
            least = max(SHIFTED, correlation(usual, sample.small) + BETTER)
            self._shifted = best_shifted(usual, sample.small) >= least
        return self._shifted

    def _answers(self, prediction: Prediction, elapsed_s: float) -> bool:
        """Whether the model knows less of the pictures than usual."""
        usual = self._memory.usual
        if usual.model != prediction.model:
            usual.model, usual.known = prediction.model, type(usual.known)()
            self._lately.pop("known", None)
        known = prediction.known
        if known is None:
            known = float(prediction.scores.max())
        lately = self._toward("known", known, elapsed_s, SLOW_S)
        course = usual.known
        less = max(LESS_KNOWN, SPREADS * course.spread)
        fallen = course.seen_s >= KNOWN_S and lately < course.mean - less
        if not fallen and self.cause is None:
            course.learn(lately, elapsed_s)
        return fallen

    def _follow(self, sample: Sample, elapsed_s: float) -> None:
        self._toward("brightness", sample.statistics.brightness, elapsed_s, AT_ONCE_S)
        if self.cause != "colour cast":
            self._toward("red", sample.statistics.red, elapsed_s, SLOW_S)
            self._toward("blue", sample.statistics.blue, elapsed_s, SLOW_S)

    def _toward(self, name: str, value: float, elapsed_s: float, constant_s: float) -> float:
        before = self._lately.get(name, value)
        self._lately[name] = before - math.expm1(-elapsed_s / constant_s) * (value - before)
        return self._lately[name]

    def _compare(self, sample: Sample, prediction: Prediction, elapsed_s: float) -> None:
        """With the training pictures; sharpness depends on the size that the model sees."""
        if self._summary is None:
            return
        found = {
            "brightness": sample.statistics.brightness,
            "contrast": sample.statistics.contrast,
            "red": sample.statistics.red,
            "blue": sample.statistics.blue,
            "score": float(prediction.scores.max()),
            "known": prediction.known,
        }
        for name, value in found.items():
            if value is not None and name in self._summary.quantiles:
                outside = float(self._summary.outside(name, value))
                before = self.skew.get(name, outside)
                self.skew[name] = before - math.expm1(-elapsed_s / SLOW_S) * (outside - before)

    def _weigh(self, cause: Cause | None, less_known: bool, elapsed_s: float, at_s: float) -> None:
        for name, before_s in self._evidence_s.items():
            speaks = name == cause or (name == "new kind of picture" and less_known and not cause)
            step_s = elapsed_s if speaks else -2 * elapsed_s
            self._evidence_s[name] = min(max(before_s + step_s, 0.0), PATIENCE_S)
        if self.cause is not None and not self._evidence_s[self.cause]:
            log.info("pictures: as usual again (was: %s)", self.cause)
            self.cause = None
        likeliest = max(self._evidence_s, key=lambda name: self._evidence_s[name])
        if self.cause is None and self._evidence_s[likeliest] >= PATIENCE_S:
            self.cause, self._told_s = likeliest, at_s
            level = logging.INFO if likeliest == "night" else logging.WARNING
            log.log(level, "pictures: %s: %s", likeliest, MEANINGS[likeliest])
        if self.cause not in (None, "night") and at_s >= self._told_s + ACCEPTED_S:
            log.info("pictures: taken for usual from now on (was: %s)", self.cause)
            self._memory.forget()
            self._memory.usual.known = type(self._memory.usual.known)()
            self._evidence_s = dict.fromkeys(self._evidence_s, 0.0)
            self.cause = None

    def _keep(self, at_s: float) -> None:
        if self._written_s is None:
            self._written_s = at_s
        if self._path is None or at_s < self._written_s + WRITTEN_S:
            return
        self._written_s = at_s
        # The loop does not wait for the disk.
        arguments = (self._path, self._memory.told())
        self._writer = threading.Thread(target=write, args=arguments, name="usual")
        self._writer.start()


WRITTEN_S = 6 * 3600.0
"""How often what was learned is stored."""
