"""The evaluation of one model as a document: what ``--json`` prints, and the source of reports."""

from __future__ import annotations

import gzip
import hashlib
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

import numpy as np
from msgspec import Struct, field

from edged import __version__
from edged.drift.summary import Skew, Summary, skew
from edged.evaluation import metrics
from edged.evaluation.check import Check
from edged.evaluation.evaluation import Outcomes, Run
from edged.evaluation.examples import Inspection
from edged.evaluation.metrics import Integers
from edged.evaluation.probe import Footprint
from edged.evaluation.slices import slices
from edged.evaluation.suspicion import suspicions
from edged.inference import modelfile
from edged.inference.preprocessing import Preprocessing
from edged.inference.tflite import TfliteClassifier
from edged.messages.message import Document, Percentiles

CONFUSIONS_LISTED = 20
MATRIX_MAX = 50
"""Up to this many classes, the document has the whole confusion matrix."""


class Accuracy(Struct, frozen=True):
    """The accuracy on some pictures; shares in 0..1, None if undefined.

    ``top1_low`` and ``top1_high`` bound its 95 % interval. ``top5`` is None with five classes or
    fewer. ``macro_f1`` is the mean F1 of the classes that have pictures.
    """

    pictures: int
    top1: float | None
    top1_low: float | None
    top1_high: float | None
    top5: float | None
    macro_f1: float | None
    ece: float | None


class ClassRow(Struct, frozen=True):
    """One class against all others; None if undefined."""

    label: str
    pictures: int
    precision: float | None
    recall: float | None
    f1: float | None


class Confusion(Struct, frozen=True):
    """Pictures of one class that were predicted as another."""

    label: str
    taken_for: str
    pictures: int


class CalibrationBin(Struct, frozen=True):
    """Pictures with a confidence above ``low`` and up to ``high``."""

    low: float
    high: float
    pictures: int
    confidence: float | None
    accuracy: float | None


class Slice(Struct, frozen=True):
    """The pictures with one value in a column."""

    column: str
    value: str
    accuracy: Accuracy


class Model(Struct, frozen=True):
    """The file, and what it costs. ``footprint`` is measured in a process of its own.

    ``preprocessing`` is None in documents of older versions.
    """

    name: str
    sha256: str
    size_bytes: int
    gzip_bytes: int
    classes: int
    runtime: str
    footprint: Footprint
    preprocessing: Preprocessing | None = None


class Data(Struct, frozen=True):
    """The pictures; ``sha256`` is over their names, labels and contents."""

    name: str
    sha256: str
    pictures: int


class Evaluation(Document, frozen=True):
    """The document; ``schema`` is increased when a field changes its meaning or is removed.

    ``classes`` are those that have pictures or were predicted, in the model's order.
    ``suspicions`` has a line for each result whose cause is hardly the model itself.
    """

    model: Model
    data: Data
    overall: Accuracy
    classes: list[ClassRow]
    confusions: list[Confusion]
    confusion_matrix: list[list[int]] | None
    calibration: list[CalibrationBin]
    slices: list[Slice]
    time_ms: dict[str, Percentiles]
    inspection: Inspection
    conformance: list[Check]
    suspicions: list[str] = field(default_factory=list)
    skew: list[Skew] = field(default_factory=list)
    edged: str = __version__
    kind: Literal["evaluation"] = "evaluation"
    schema: Literal[1] = 1


def describe(classifier: TfliteClassifier, footprint: Footprint) -> Model:
    """The facts of a loaded model and its file."""
    data = modelfile.content(classifier.path)
    return Model(
        name=classifier.name,
        sha256=hashlib.sha256(data).hexdigest(),
        size_bytes=len(data),
        gzip_bytes=len(gzip.compress(data, 9, mtime=0)),
        classes=len(classifier.labels),
        runtime=classifier.runtime,
        preprocessing=classifier.preprocessing,
        footprint=footprint,
    )


def summarise(
    model: Model,
    data: str,
    run: Run,
    outcomes: Outcomes,
    columns: Sequence[str] = (),
    conformance: Sequence[Check] = (),
    training: Summary | None = None,
) -> Evaluation:
    """The document of one model's `outcomes` in `run`, sliced by `columns`. DataError.

    `training` is what the training pictures of the first model are like.
    """
    classes = len(outcomes.labels)
    labels = outcomes.labels
    scores = metrics.per_class(outcomes.truth, outcomes.predicted, classes)
    said = np.bincount(outcomes.predicted, minlength=classes)
    matrix = (
        metrics.confusion(outcomes.truth, outcomes.predicted, classes).tolist()
        if classes <= MATRIX_MAX
        else None
    )
    return Evaluation(
        model=model,
        data=Data(Path(data).name, run.sha256, len(outcomes.truth)),
        overall=accuracy(outcomes),
        classes=[
            ClassRow(
                label,
                int(scores.support[i]),
                share(scores.precision[i]),
                share(scores.recall[i]),
                share(scores.f1[i]),
            )
            for i, label in enumerate(labels)
            if scores.support[i] or said[i]
        ],
        confusions=_confusions(outcomes),
        confusion_matrix=matrix,
        calibration=_bins(outcomes),
        slices=[
            Slice(column, value, accuracy(outcomes, positions))
            for column in columns
            for value, positions in slices(run.columns, column).items()
        ],
        time_ms={stage: percentiles_ms(times) for stage, times in outcomes.stages_s.items()},
        inspection=run.inspection,
        conformance=list(conformance),
        suspicions=list(suspicions(outcomes)),
        skew=skew(training, run.looks) if training is not None else [],
    )


def accuracy(outcomes: Outcomes, positions: Integers | None = None) -> Accuracy:
    """The accuracy on all pictures, or on those at `positions`."""
    chosen = slice(None) if positions is None else positions
    rank, truth = outcomes.rank[chosen], outcomes.truth[chosen]
    confidence = outcomes.confidence[chosen]
    top1 = metrics.top(rank, 1)
    low, high = metrics.interval(top1, len(rank))
    scores = metrics.per_class(truth, outcomes.predicted[chosen], len(outcomes.labels))
    f1 = scores.f1[scores.support > 0]
    return Accuracy(
        pictures=len(rank),
        top1=share(top1),
        top1_low=share(low),
        top1_high=share(high),
        top5=share(metrics.top(rank, 5)) if len(outcomes.labels) > 5 else None,
        macro_f1=share(f1.mean()) if f1.size else None,
        ece=share(metrics.calibration(confidence, rank == 0).error),
    )


def percentiles_ms(
    times_s: Sequence[float] | np.ndarray[tuple[int], np.dtype[np.float64]],
) -> Percentiles:
    """Percentiles in milliseconds of durations in seconds."""
    p50, p99 = np.percentile(np.asarray(times_s), [50, 99]) * 1e3
    return Percentiles(round(float(p50), 4), round(float(p99), 4))


def share(value: float) -> float | None:
    """`value` for a document: rounded to a millionth, None for nan."""
    return None if math.isnan(value) else round(float(value), 6)


def _confusions(outcomes: Outcomes) -> list[Confusion]:
    wrong = ~outcomes.correct
    pairs = np.stack([outcomes.truth[wrong], outcomes.predicted[wrong]], axis=1)
    found, counts = np.unique(pairs, axis=0, return_counts=True)
    best = np.argsort(-counts, kind="stable")[:CONFUSIONS_LISTED]
    return [
        Confusion(outcomes.labels[found[i][0]], outcomes.labels[found[i][1]], int(counts[i]))
        for i in best
    ]


def _bins(outcomes: Outcomes) -> list[CalibrationBin]:
    found = metrics.calibration(outcomes.confidence, outcomes.correct)
    bins = len(found.counts)
    return [
        CalibrationBin(
            round(i / bins, 6),
            round((i + 1) / bins, 6),
            int(found.counts[i]),
            share(found.confidence[i]),
            share(found.accuracy[i]),
        )
        for i in range(bins)
    ]
