"""Runs models over labelled pictures as the daemon would, side by side."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from edged.core import Classifier, Pixels
from edged.drift.look import statistics
from edged.errors import PictureError
from edged.evaluation import metrics
from edged.evaluation.dataset import DataError, Dataset, Example, classes_of
from edged.evaluation.examples import Inspection, Inspector
from edged.evaluation.metrics import Flags, Integers
from edged.imaging.picture import TooLargeError, decode_picture


@dataclass(frozen=True)
class Outcomes:
    """One model's predictions; every array has one entry per readable picture.

    ``rank`` is the place of the label among the classes, 0 for the best; ``confidence`` the best
    class's score; ``stages_s`` the time of each stage and, as ``total``, of all.
    """

    labels: Sequence[str]
    truth: Integers
    predicted: Integers
    rank: Integers
    confidence: npt.NDArray[np.float32]
    stages_s: Mapping[str, npt.NDArray[np.float64]]

    @property
    def correct(self) -> Flags:
        right: Flags = self.rank == 0
        return right


class Run(NamedTuple):
    """Outcomes of each model, the cells to slice by, the inspection, and the hash of the pictures.

    ``examples`` are the readable pictures, and ``columns`` has one mapping for each. ``looks`` has
    the statistics of each that are compared with training pictures, by name, for the first model.
    ``sha256`` is over names, labels and contents of all pictures, in order.
    """

    outcomes: list[Outcomes]
    examples: list[Example]
    columns: list[dict[str, str]]
    inspection: Inspection
    sha256: str
    looks: dict[str, list[float]]


def evaluate(
    dataset: Dataset,
    classifiers: Sequence[Classifier],
    followed: Callable[[Sequence[Example]], Iterable[Example]] = iter,
) -> Run:
    """Every picture, decoded once, through each of `classifiers` in turn.

    `followed` passes the pictures on one by one, to show the progress.

    The order changes with each picture, so that a busy machine slows all models equally. The
    inspection uses the first model's predictions. DataError if no picture can be read, or a label
    is not among a model's.
    """
    truths = [classes_of(dataset, classifier.labels) for classifier in classifiers]
    records = [_Record() for _ in classifiers]
    first = classifiers[0]
    inspector = Inspector(*first.input_px)
    inputs_px = {classifier.input_px for classifier in classifiers}
    examples: list[Example] = []
    columns: list[dict[str, str]] = []
    looks: dict[str, list[float]] = {}
    digest = hashlib.sha256()
    for name, why in dataset.closed.items():
        inspector.unreadable(name, why)
    for position, example in enumerate(followed(dataset.examples)):
        try:
            data = dataset.read(example)
            digest.update(f"{example.name}\0{example.label}\0".encode())
            digest.update(hashlib.sha256(data).digest())
            # Each model gets what the daemon would decode for it, which may be reduced.
            seen = {px: decode_picture(data, example.name, px) for px in inputs_px}
        except PictureError as error:
            inspector.unreadable(example.name, error.reason)
            continue
        inspector.look(example, _whole(data, example, seen[first.input_px]))
        examples.append(example)
        columns.append({"label": example.label, **example.columns})
        order = range(len(classifiers))
        for which in order if position % 2 else reversed(order):
            classifier, truth = classifiers[which], int(truths[which][position])
            began_s = time.perf_counter()
            prediction = classifier.classify(seen[classifier.input_px])
            total_s = time.perf_counter() - began_s
            records[which].add(prediction.scores, truth, {**prediction.stages_s, "total": total_s})
            if which == 0:
                look = statistics(seen[classifier.input_px], classifier.input_px)
                look["score"] = float(prediction.scores.max())
                if prediction.known is not None:
                    look["known"] = prediction.known
                for name, value in look.items():
                    looks.setdefault(name, []).append(value)
                inspector.compare(classifier.labels, prediction.scores, truth, prediction.features)
    if not columns:
        raise DataError(f"{dataset.source}: none of {len(dataset.examples)} pictures can be read")
    counts = np.bincount(truths[0], minlength=len(first.labels)).tolist()
    return Run(
        [record.outcomes(c.labels) for record, c in zip(records, classifiers, strict=True)],
        examples,
        [measured | cells for measured, cells in zip(inspector.statistics, columns, strict=True)],
        inspector.findings(counts),
        digest.hexdigest(),
        looks,
    )


def _whole(data: bytes, example: Example, reduced: Pixels) -> Pixels:
    """All pixels, to compare pictures; reduced pixels for one that has too many."""
    try:
        return decode_picture(data, example.name)
    except TooLargeError:
        return reduced


class _Record:
    """Collects outcomes picture by picture; of the scores, it keeps only what metrics need."""

    def __init__(self) -> None:
        self._rows: list[tuple[int, int, int, float]] = []
        self._stages_s: dict[str, list[float]] = {}

    def add(
        self, scores: npt.NDArray[np.float32], truth: int, stages_s: Mapping[str, float]
    ) -> None:
        best = int(scores.argmax())
        self._rows.append((truth, best, metrics.ranks(scores, truth), float(scores[best])))
        for stage, duration_s in stages_s.items():
            self._stages_s.setdefault(stage, []).append(duration_s)

    def outcomes(self, labels: Sequence[str]) -> Outcomes:
        truth, predicted, rank, confidence = zip(*self._rows, strict=True)
        return Outcomes(
            labels,
            np.array(truth, np.int64),
            np.array(predicted, np.int64),
            np.array(rank, np.int64),
            np.array(confidence, np.float32),
            {stage: np.array(times) for stage, times in self._stages_s.items()},
        )
