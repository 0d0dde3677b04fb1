"""Makes events of pictures that are no longer what is usual before a camera.

A frame in `EVERY` is looked at. A cause is told when frames have spoken for it for some time, and
is over when they speak against it for half as long. While one is told, nothing is learned.
"""

from __future__ import annotations

import logging
import math
import threading
from pathlib import Path
from typing import get_args

from edged.core import DRIFT, Cause, Drift, Event, Frame, Prediction, Reason
from edged.drift.causes import MEANINGS, SPREADS, Judge, Recent, colours
from edged.drift.look import Look, Looker
from edged.drift.summary import Summary
from edged.drift.views import Stored, Views, read, write

log = logging.getLogger(__name__)

EVERY = 32
"""One frame of so many is looked at, so that the others cost nothing."""

LONGEST_STEP_S = 60.0
"""A frame speaks for so much time at most. After a longer gap nothing was seen lately."""

GAP_S = 600.0

ACCEPTED_S = 86400.0
"""What was told for so long is usual from then on; night and a blocked view are never."""

BRIGHTNESS_S, COLOUR_S, ANSWERS_S = 60.0, 600.0, 600.0
"""Time constants of what was seen lately."""

KNOWN_S = 86400.0
LESS_KNOWN = 0.15
"""The model's answers are compared after a day, half of which may have been dark, and must fall by
so much."""

WRITTEN_S = 6 * 3600.0
"""How often what was learned is stored."""


class Watch:
    """The state of the pictures of one camera. The loop's thread only."""

    def __init__(
        self,
        patience_s: float,
        camera: str = "",
        path: Path | None = None,
        training: Summary | None = None,
    ) -> None:
        """A cause is told after `patience_s`. `camera` tells one framing of it from another.

        `path` keeps what is usual; `training` is the summary of the model's training pictures.
        """
        self._patience_s = patience_s
        self._camera = camera
        self._path = path
        self._training = training
        self._views = read(path, camera) if path is not None else Views(Stored(camera))
        self._judge = Judge(self._views)
        self._looker = Looker()
        self._writer: threading.Thread | None = None
        self._count = 0
        self._at_s: float | None = None
        self._written_s: float | None = None
        self._untold: list[Event] = []
        self._forget_recent()

    def _forget_recent(self) -> None:
        self._cause: Cause | None = None
        self._told_s = 0.0
        self._evidence_s: dict[Cause, float] = dict.fromkeys(get_args(Cause), 0.0)
        self._recent = Recent()
        self._skew: dict[str, float] = {}

    @property
    def drift(self) -> Drift:
        """The present state."""
        score = min(max(self._evidence_s.values()) / self._patience_s, 1.0)
        return Drift(score, self._cause, dict(self._skew))

    def watch(self, frame: Frame, prediction: Prediction) -> tuple[Event, ...]:
        """Look at a frame, or not; what is to be told."""
        self._count += 1
        if self._count % EVERY == 1:
            return self.look(frame, prediction)
        return self._told() if self._untold else ()

    def look(self, frame: Frame, prediction: Prediction) -> tuple[Event, ...]:
        """Look at a frame; what is to be told."""
        self._look(frame, prediction)
        return self._told()

    def _told(self) -> tuple[Event, ...]:
        untold, self._untold = tuple(self._untold), []
        return untold

    def end(self, now_s: float, reason: Reason | None = None) -> tuple[Event, ...]:
        """No frame shows any more how the view looks; what is to be told."""
        event = Event(DRIFT, False, 0.0, now_s, now_s, 0, reason=reason, cause=self._cause)
        ended = () if self._cause is None else (event,)
        untold, self._untold = (*self._untold, *ended), []
        self._forget_recent()
        self._at_s = None
        return untold

    def succeed(self, old: Watch, *, same_model: bool) -> None:
        """Go on from where `old` was; what another model answered is learned again."""
        if self._camera != old._camera:
            self._untold = [*old._untold, *old.end(old._at_s or 0.0)]
            return
        for name in ("_views", "_judge", "_writer", "_count", "_at_s", "_written_s", "_untold",
                     "_cause", "_told_s", "_evidence_s", "_recent", "_skew"):  # fmt: skip
            setattr(self, name, getattr(old, name))
        if not same_model:
            self._skew = {}
            self._views.stored.model = ""

    def close(self) -> None:
        """Store what was learned."""
        if self._writer is not None:
            self._writer.join()
        if self._path is not None and self._written_s is not None:
            write(self._path, self._views.told())

    def _look(self, frame: Frame, prediction: Prediction) -> None:
        at_s = frame.captured_s
        gap_s = 0.0 if self._at_s is None else max(at_s - self._at_s, 0.0)
        elapsed_s = min(gap_s, LONGEST_STEP_S)
        if gap_s > GAP_S:
            self._recent = Recent()
        self._at_s = at_s
        look, sharpness = self._looker.look(frame.pixels)
        told = self._cause == "colour cast" or self._evidence_s["colour cast"] > 0
        cause, mode = self._judge.judge(look, sharpness, at_s, self._recent, cast=told)
        less_known = self._answers(prediction, elapsed_s)
        self._follow(look, elapsed_s)
        self._compare(look, prediction, elapsed_s)
        if cause is None and less_known:
            cause = "new kind of picture"
        self._weigh(cause, elapsed_s, frame)
        if cause in (None, "new kind of picture") and self._cause in (None, "new kind of picture"):
            (mode or self._views.add(look)).learn(look, sharpness, elapsed_s)
        self._keep(at_s)

    def _answers(self, prediction: Prediction, elapsed_s: float) -> bool:
        """Whether the model knows less of the pictures than usual."""
        stored = self._views.stored
        if stored.model != prediction.model:
            stored.model, stored.known = prediction.model, type(stored.known)()
            self._recent.forget("known")
        known = prediction.known
        if known is None:
            known = float(prediction.scores.max())
        lately = self._recent.follow("known", known, elapsed_s, ANSWERS_S)
        usually = stored.known
        less = max(LESS_KNOWN, SPREADS * usually.spread)
        stored.seen_s += elapsed_s
        fallen = min(stored.seen_s, 2 * usually.seen_s) >= KNOWN_S and lately < usually.mean - less
        if not fallen and self._cause is None:
            usually.learn(lately, elapsed_s)
        return fallen

    def _follow(self, look: Look, elapsed_s: float) -> None:
        self._recent.follow("brightness", look.brightness, elapsed_s, BRIGHTNESS_S)
        if self._cause != "colour cast":
            for name, value in colours(look).items():
                self._recent.follow(name, value, elapsed_s, COLOUR_S)

    def _compare(self, look: Look, prediction: Prediction, elapsed_s: float) -> None:
        """With the training pictures; their sharpness is that at the size of the model's input."""
        if self._training is None:
            return
        found = look.statistics() | {"score": float(prediction.scores.max())}
        if prediction.known is not None:
            found["known"] = prediction.known
        for name, value in found.items():
            if (outside := self._training.outside(name, value)) is not None:
                before = self._skew.get(name, float(outside))
                step = -math.expm1(-elapsed_s / ANSWERS_S)
                self._skew[name] = before + (outside - before) * step

    def _weigh(self, cause: Cause | None, elapsed_s: float, frame: Frame) -> None:
        for name, before_s in self._evidence_s.items():
            step_s = elapsed_s if name == cause else -2 * elapsed_s
            self._evidence_s[name] = min(max(before_s + step_s, 0.0), self._patience_s)
        if self._cause is not None and not self._evidence_s[self._cause]:
            self._tell(self._cause, frame, active=False)
        likeliest = max(self._evidence_s, key=lambda name: self._evidence_s[name])
        if self._cause is None and self._evidence_s[likeliest] >= self._patience_s:
            self._tell(likeliest, frame, active=True)
            level = logging.INFO if likeliest == "night" else logging.WARNING
            log.log(level, "pictures: %s: %s", likeliest, MEANINGS[likeliest])
        is_lasting = self._cause in ("night", "view blocked")
        if self._cause and not is_lasting and frame.captured_s >= self._told_s + ACCEPTED_S:
            log.info("pictures: taken for usual from now on (was: %s)", self._cause)
            self._tell(self._cause, frame, active=False)
            self._evidence_s = dict.fromkeys(self._evidence_s, 0.0)
            self._views.forget()

    def _tell(self, cause: Cause, frame: Frame, *, active: bool) -> None:
        at_s = frame.captured_s
        self._cause = cause if active else None
        self._told_s = at_s
        onset_s = at_s - (self._patience_s if active else self._patience_s / 2)
        score = self._evidence_s[cause] / self._patience_s
        self._untold.append(Event(DRIFT, active, score, onset_s, at_s, frame.number, cause=cause))

    def _keep(self, at_s: float) -> None:
        if self._written_s is None:
            self._written_s = at_s
        if self._path is None or at_s < self._written_s + WRITTEN_S:
            return
        self._written_s = at_s
        # The loop does not wait for the disk.
        arguments = (self._path, self._views.told())
        self._writer = threading.Thread(target=write, args=arguments, name="usual")
        self._writer.start()
