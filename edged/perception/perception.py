"""All that depends on the model, in one object that is replaced whole."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from msgspec.structs import replace

from edged.core import UNDECIDED, Classifier, Drift, Event, Frame, Prediction, Reason, Result
from edged.perception.rules import Decider

if TYPE_CHECKING:
    from edged.drift.summary import Summary
    from edged.drift.watch import Watch
    from edged.perception.still import StillScenes

log = logging.getLogger(__name__)

DOUBT = 0.15
"""Scores of frames that look the same differ by up to this; nearer to a threshold none is held."""


class Perception:
    """A model and the rules over its labels: a frame goes in, what is really there comes out.

    A context manager that owns the classifier. It may be made in any thread; `classify` and
    `decide` are the loop's.
    """

    def __init__(
        self,
        classifier: Classifier,
        decider: Decider,
        clock: Callable[[], float] = time.monotonic,
        still: StillScenes | None = None,
        watch: Watch | None = None,
        training: Summary | None = None,
    ) -> None:
        """`decider` holds rules over the labels of `classifier`.

        Without `still` every frame is classified; `watch` knows how frames usually look, and
        `training` is what the model's training pictures are like.
        """
        self._classifier = classifier
        self._decider = decider
        self._clock = clock
        self._still = still
        self._watch = watch
        self.training = training
        self._untold: tuple[Event, ...] = ()
        self._tells_endless = False
        self.scene = UNDECIDED
        """As of the last frame that was decided on."""

    def __enter__(self) -> Perception:
        return self

    def __exit__(self, *exception: object) -> None:
        if self._watch is not None:
            self._watch.close()
        self._classifier.__exit__(*exception)

    @property
    def model(self) -> str:
        """The model's name, for people."""
        return self._classifier.name

    @property
    def labels(self) -> Sequence[str]:
        """One label per class."""
        return self._classifier.labels

    @property
    def rules(self) -> Sequence[str]:
        """The names of the rules."""
        return self._decider.names

    @property
    def decider(self) -> Decider:
        """The rules, and what they hold."""
        return self._decider

    @property
    def drift(self) -> Drift | None:
        """Whether frames look as usual; None where nobody watches."""
        return self._watch.drift if self._watch is not None else None

    @property
    def wanted_px(self) -> tuple[int, int]:
        """(height, width) of a frame that has all that the model can see."""
        return self._classifier.input_px

    @property
    def keeps_state(self) -> bool:
        """Whether the model's scores depend on earlier pictures."""
        return self._classifier.keeps_state

    def shares_model(self, other: Perception) -> bool:
        """Whether both are of the same loaded model."""
        return self._classifier is other._classifier

    def with_rules(
        self, decider: Decider, still: StillScenes | None = None, watch: Watch | None = None
    ) -> Perception:
        """The same model under other rules. It has one owner: this, or what succeeds it."""
        return Perception(self._classifier, decider, self._clock, still, watch, self.training)

    def succeed(self, old: Perception) -> None:
        """Take over what `old` holds to be true, before the first frame; `old` is let go.

        Where labels or rules are others, the scene is undecided until that frame.
        """
        self._decider.succeed(old._decider)
        if list(self.labels) == list(old.labels) and self.rules == old.rules:
            self.scene = old.scene
        self._untold += old._untold
        watched, old._watch = old._watch, None
        if watched is not None and self._watch is not None:
            same_model = (self.model, self.training) == (old.model, old.training)
            self._watch.succeed(watched, same_model=same_model)
        elif watched is not None:
            self._untold += watched.end(self._clock())
            watched.close()
        if self._classifier is not old._classifier:
            old.__exit__()

    def classify(self, frame: Frame) -> Result:
        """What the model says of a frame. Decides nothing: the scene stays as it was."""
        prediction = self._classify(frame)
        stages_s = {"decode": frame.decode_s, **prediction.stages_s}
        return Result(frame, prediction, self.scene, (), stages_s, self._clock())

    def decide(self, frame: Frame, *, looked_at: bool = False) -> Result:
        """What a frame makes true; it is classified in any case where it is to be `looked_at`."""
        prediction = self._predict(frame, looked_at)
        drifted = self._drifted(frame, prediction)
        classified_s = self._clock()
        self.scene, events = self._decider.decide(
            prediction.scores, frame.captured_s, frame.number, prediction.known
        )
        decided_s = self._clock()
        stages_s = {
            "decode": frame.decode_s,
            **prediction.stages_s,
            "decide": decided_s - classified_s,
        }
        return Result(frame, prediction, self.scene, events + drifted, stages_s, decided_s)

    def end(self, now_s: float, reason: Reason) -> tuple[Event, ...]:
        """No frame shows any more what is there: nothing is held to be true until the next one."""
        self.scene = UNDECIDED
        if self._still is not None:
            self._still.forget()
        untold, self._untold = self._untold, ()
        drifted = self._watch.end(now_s, reason) if self._watch is not None else ()
        return (*self._decider.end(now_s, reason), *untold, *drifted)

    def _drifted(self, frame: Frame, prediction: Prediction) -> tuple[Event, ...]:
        """The events of the pictures, where they are watched."""
        if self._watch is None and not self._untold:
            return ()
        untold, self._untold = self._untold, ()
        return untold + (self._watch.watch(frame, prediction) if self._watch is not None else ())

    def _predict(self, frame: Frame, looked_at: bool) -> Prediction:
        if self._still is None:
            return self._classify(frame)
        began_s = self._clock()
        held = self._still.held(frame)
        if held is not None and not looked_at and not self._decider.doubts(DOUBT):
            return replace(held, stages_s={"still": self._clock() - began_s}, still=True)
        compared_s = self._clock() - began_s
        prediction = self._classify(frame)
        self._still.keep(prediction, frame)
        return replace(prediction, stages_s={"still": compared_s, **prediction.stages_s})

    def _classify(self, frame: Frame) -> Prediction:
        prediction = self._classifier.classify(frame.pixels)
        if prediction.finite == self._tells_endless:
            self._tells_endless = not prediction.finite
            if self._tells_endless:
                log.error(
                    "model %s: its output holds numbers that are not finite, which count as 0; "
                    "export it again, or use another",
                    self.model,
                )
        return prediction
