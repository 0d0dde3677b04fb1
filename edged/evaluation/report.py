"""The evaluation of a model as one HTML file, from the template report.html.jinja."""

from __future__ import annotations

import importlib.util
from collections.abc import Sequence
from pathlib import Path

from edged import install
from edged.errors import ConfigError
from edged.evaluation import plots
from edged.evaluation.document import ClassRow, Evaluation
from edged.evaluation.text import KINDS, percent, preprocessing, threads
from edged.evaluation.thumbnails import Thumbnail

BARS = 30
ROWS = 1000


def check() -> None:
    """ConfigError, with what to install, if `html` cannot work; called before the evaluation."""
    if importlib.util.find_spec("jinja2") is None:
        raise ConfigError(f"--html needs jinja2: {install.command('jinja2')}")


def html(
    document: Evaluation, mistakes: Sequence[Thumbnail] = (), doubts: Sequence[Thumbnail] = ()
) -> str:
    """The whole page, with pictures of wrong answers and of labels in doubt.

    Every text from outside is escaped. ImportError without jinja2.
    """
    from jinja2 import Environment, FileSystemLoader, StrictUndefined
    from markupsafe import Markup

    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent), autoescape=True, undefined=StrictUndefined
    )
    environment.filters.update(
        percent=percent, thousandths=_thousandths, preprocessing=preprocessing, threads=threads
    )
    bins = document.calibration
    worst = sorted(document.classes, key=_f1)[:BARS]
    title = "F1" if len(worst) == len(document.classes) else f"F1, the {BARS} worst classes"
    drawings = {
        "reliability": plots.reliability([(b.low, b.high, b.accuracy, b.pictures) for b in bins]),
        "histogram": plots.histogram([(b.low, b.high, b.pictures) for b in bins]),
        "worst_classes": plots.bars(title, [(row.label, row.f1) for row in worst]),
        "heat_map": _heat_map(document),
    }
    return environment.get_template("report.html.jinja").render(
        {name: getattr(document, name) for name in document.__struct_fields__},
        # The plots escape their texts themselves.
        **{name: Markup(drawing) for name, drawing in drawings.items()},  # noqa: S704
        kinds=KINDS,
        mistakes=mistakes,
        doubts=doubts,
        rows=ROWS,
    )


def _heat_map(document: Evaluation) -> str:
    if document.confusion_matrix is not None:
        # With few enough classes for a matrix, few classes have no pictures.
        labels = [row.label for row in document.classes]
        shown = [
            position
            for position, counts in enumerate(document.confusion_matrix)
            if sum(counts) or any(row[position] for row in document.confusion_matrix)
        ]
        matrix = [[document.confusion_matrix[i][j] for j in shown] for i in shown]
        return plots.heat_map("True class (rows) and predicted class (columns)", labels, matrix)
    labels = list(
        dict.fromkeys(name for c in document.confusions for name in (c.label, c.taken_for))
    )[:BARS]
    place = {label: position for position, label in enumerate(labels)}
    matrix = [[0] * len(labels) for _ in labels]
    for c in document.confusions:
        if c.label in place and c.taken_for in place:
            matrix[place[c.label]][place[c.taken_for]] = c.pictures
    return plots.heat_map(
        "The most frequent confusions: true class (rows) and predicted class (columns)",
        labels,
        matrix,
    )


def _thousandths(value: float | None) -> str:
    return "-" if value is None else f"{value:.3f}"


def _f1(row: ClassRow) -> float:
    return -1.0 if row.f1 is None else row.f1
