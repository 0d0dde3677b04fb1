"""A classifier that also says how different a picture is from what is normal."""

from __future__ import annotations

import logging
import math
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Literal

import msgspec
import numpy as np
from msgspec.structs import replace

from edged.anomaly.detector import LIMIT, Detector, Floats, share_of
from edged.anomaly.normal import MOST_BYTES, Learned, Normal
from edged.anomaly.view import Fault
from edged.core import DIFFERENT, VIEW_LABELS, Classifier, Heat, Pixels, Prediction
from edged.files import open_regular, write_atomically
from edged.imaging.resample import resample
from edged.inference.tensors import centre

log = logging.getLogger(__name__)

QUIET_S = 60.0
"""Nothing is learned for so long after something was different."""

SAVED_S = 3600.0
"""How often what was learned is written."""

FAULT_S = 1.0
"""While something is different, it is found out once in this time whether it is the whole view."""

LONGEST_STEP_S = 60.0
"""A frame stands for so much time at most."""


class AnomalyClassifier:
    """A `Classifier` whose last labels are `VIEW_LABELS`, and whose predictions have the heat.

    It owns the `classifier`, whose predictions have the layer that `normal` names.
    """

    def __init__(
        self,
        classifier: Classifier,
        normal: Normal,
        fit: Literal["stretch", "crop"] = "stretch",
        learn_s: float = 0.0,
        learned: Path | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """`learn_s` is the time constant of learning, 0 for none; `learned` is where it is kept."""
        self._classifier = classifier
        self._detector = Detector(normal)
        self._crop = fit == "crop"
        self._learn_s = learn_s
        self._learned = learned if learn_s else None
        self._clock = clock
        self._writer: threading.Thread | None = None
        self._seen_s = self._saved_s = clock()
        self._different_s, self._fault_s = -math.inf, -math.inf
        self._fault: Fault | None = None
        self.labels = (*classifier.labels, *VIEW_LABELS)
        self._places = {label: i - len(VIEW_LABELS) for i, label in enumerate(VIEW_LABELS)}
        if self._learned is not None:
            self._detector.take_over(_read(self._learned))

    @property
    def name(self) -> str:
        """The model's name."""
        return self._classifier.name

    @property
    def input_px(self) -> tuple[int, int]:
        """See `edged.core.Classifier`."""
        return self._classifier.input_px

    @property
    def keeps_state(self) -> bool:
        """See `edged.core.Classifier`."""
        return self._classifier.keeps_state

    def __enter__(self) -> AnomalyClassifier:
        return self

    def __exit__(self, *exception: object) -> None:
        if self._writer is not None:
            self._writer.join()
        if self._learned is not None:
            _write(self._learned, self._detector.learned())
        self._classifier.__exit__(*exception)

    def classify(self, pixels: Pixels) -> Prediction:
        """As the classifier does, with one stage and `VIEW_LABELS` more."""
        prediction = self._classifier.classify(pixels)
        began_s = self._clock()
        detector = self._detector
        apart = detector.apart(prediction.layers[detector.normal.tensor])
        heat = detector.scores(apart)
        score = float(heat.max())
        if score >= LIMIT:
            self._different_s = began_s
        else:
            self._fault_s = -math.inf
            self._learn(began_s, apart)
        self._seen_s = began_s
        scores = np.zeros(len(self.labels), np.float32)
        scores[: len(prediction.scores)] = prediction.scores
        scores[self._places[DIFFERENT]] = score
        seen = self._seen(pixels)
        if score >= LIMIT and (fault := self._fault_of(seen, began_s)) is not None:
            scores[self._places[fault]] = score
        stages_s = {**prediction.stages_s, "different": self._clock() - began_s}
        return replace(
            prediction,
            scores=scores,
            labels=self.labels,
            stages_s=stages_s,
            heat=Heat(heat, _box(pixels, seen)),
        )

    def _seen(self, pixels: Pixels) -> Pixels:
        """The part that the model sees."""
        return centre(pixels, *self.input_px) if self._crop else pixels

    def _fault_of(self, seen: Pixels, now_s: float) -> Fault | None:
        if now_s >= self._fault_s + FAULT_S:
            picture = np.empty((*self.input_px, 3), np.uint8)
            resample(seen, picture)
            self._fault_s, self._fault = now_s, self._detector.normal.view.fault(picture)
        return self._fault

    def _learn(self, now_s: float, apart: Floats) -> None:
        if not self._learn_s or now_s < self._different_s + QUIET_S:
            return
        elapsed_s = min(now_s - self._seen_s, LONGEST_STEP_S)
        self._detector.learn(apart, share_of(elapsed_s, self._learn_s))
        if self._learned is not None and now_s >= self._saved_s + SAVED_S:
            self._saved_s = now_s
            # The loop does not wait for the disk.
            arguments = (self._learned, self._detector.learned())
            self._writer = threading.Thread(target=_write, args=arguments, name="learned")
            self._writer.start()


def _box(pixels: Pixels, seen: Pixels) -> tuple[float, float, float, float]:
    """Left, top, right and bottom of the part that is seen, as parts of the picture."""
    across, down = seen.shape[1] / pixels.shape[1], seen.shape[0] / pixels.shape[0]
    return (1 - across) / 2, (1 - down) / 2, (1 + across) / 2, (1 + down) / 2


def _read(path: Path) -> Learned:
    try:
        with open_regular(path) as file:
            return msgspec.msgpack.decode(file.read(MOST_BYTES), type=Learned)
    except FileNotFoundError:
        pass
    except (OSError, msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        log.error("%s cannot be read (%s); what is normal is as it was taught", path, error)
    return Learned("", b"")


def _write(path: Path, learned: Learned) -> None:
    try:
        write_atomically(path, msgspec.msgpack.encode(learned))
    except OSError as error:
        log.error(
            "%s cannot be written: %s; what was learned since is lost at a restart",
            path,
            error.strerror or error,
        )
