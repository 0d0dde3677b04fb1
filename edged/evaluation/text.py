"""Documents as Markdown: what commands print, and reports in a repository."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Iterable, Iterator, Sequence

from edged.drift.summary import Skew
from edged.evaluation.calibrate import Calibration
from edged.evaluation.check import Check
from edged.evaluation.document import Accuracy, Evaluation, Model
from edged.evaluation.examples import Inspection, Kind
from edged.evaluation.quantization import Quantization
from edged.evaluation.unknown import KnownMessage

KINDS = {
    "unreadable": "unreadable",
    "duplicates": "the same pixels twice",
    "near_duplicates": "nearly the same",
    "mislabelled": "labels that look wrong",
    "badly_sized": "badly sized",
    "off_distribution": "unlike the others",
}
"""Fields of an `Inspection`, for people."""

WIDTH = 80
FINDINGS_SHOWN = 5
CLASSES_SHOWN = 50


def evaluation(document: Evaluation) -> str:
    """A summary of the document."""
    return "\n".join(_evaluation(document))


def footprints(documents: Sequence[Evaluation], names: Sequence[str] = ()) -> str:
    """One row for each model: accuracy on the same pictures, and what the model costs.

    Sizes are compared with the first. `names` replace the models' own.
    """
    first = documents[0].model
    rows = []
    for document, name in zip(documents, names or [d.model.name for d in documents], strict=True):
        model, cost, scores = document.model, document.model.footprint, document.overall
        rows.append(
            [
                name,
                percent(scores.top1),
                percent(scores.top5),
                f"{scores.ece:.3f}" if scores.ece is not None else "-",
                f"{model.size_bytes:,}",
                f"{model.gzip_bytes:,}",
                f"{model.size_bytes / first.size_bytes:.2f}",
                f"{cost.invoke_ms:.3f}",
                f"{cost.rss_mb:.0f}",
                percent(cost.delegated),
            ]
        )
    head = ["model", "top-1", "top-5", "ECE", "bytes", "gzip bytes", "size ratio"]
    return "\n".join(table([*head, "invoke ms", "RSS MB", "XNNPACK operators"], rows))


def measures(documents: Sequence[Evaluation], names: Sequence[str]) -> str:
    """The contents of `footprints`, one measure per row, to fit a terminal for two models."""
    models = [document.model for document in documents]
    scores = [document.overall for document in documents]
    costs = [model.footprint for model in models]
    rows = [
        ["top-1", *(percent(s.top1) for s in scores)],
        ["top-1, 95 % interval", *(_interval(s) for s in scores)],
        ["top-5", *(percent(s.top5) for s in scores)],
        ["macro F1", *(percent(s.macro_f1) for s in scores)],
        ["expected calibration error", *("-" if s.ece is None else f"{s.ece:.3f}" for s in scores)],
        ["file, bytes", *(f"{model.size_bytes:,}" for model in models)],
        ["file, bytes after gzip -9", *(f"{model.gzip_bytes:,}" for model in models)],
        ["invoke, median, ms", *(f"{cost.invoke_ms:.3f}" for cost in costs)],
        ["resident memory, MB", *(f"{cost.rss_mb:.0f}" for cost in costs)],
        ["operators run by XNNPACK", *(percent(cost.delegated) for cost in costs)],
    ]
    return "\n".join(table(["measure", *names], rows))


def _interval(scores: Accuracy) -> str:
    return f"{percent(scores.top1_low)} to {percent(scores.top1_high)}"


def threads(model: Model) -> str:
    """The number of threads that ran the model."""
    count = model.footprint.threads
    return f"{count} thread{'' if count == 1 else 's'}"


def preprocessing(model: Model) -> str:
    """A sentence on the preprocessing, to append to another; empty if unknown."""
    how = model.preprocessing
    if how is None:
        return ""
    fitted = {"stretch": "stretched", "crop": "cropped to the middle"}[how.fit]
    return f" Pictures {fitted}, {how.channels}, {how.pixels}; outputs are {how.scores}."


def unknown(document: KnownMessage) -> str:
    """What was fitted, and how it tells each set of unknown pictures."""
    return "\n".join(_unknown(document))


def _unknown(document: KnownMessage) -> Iterator[str]:
    yield f"# {_line(document.model)}: what it knows"
    yield ""
    yield (
        f"{_line(document.path)}: {document.bytes:,} bytes, by {_BY[document.method]}; "
        f"{document.pictures} pictures fitted, {document.held_out} others for the threshold."
    )
    yield ""
    yield from table(
        ["unknown pictures", "number", "AUROC", "AUROC of the score", "refused at 5 %"],
        (
            [
                _line(row.name),
                str(row.pictures),
                percent(row.auroc),
                percent(row.auroc_score),
                percent(row.refused),
            ]
            for row in document.unknown
        ),
    )


_BY = {
    "means": "the means of its classes",
    "head": "the weights of its last layer",
    "score": "the greatest score",
}


def calibration(document: Calibration) -> str:
    """Every candidate, and the lines for the configuration."""
    return "\n".join(_calibration(document))


def _calibration(document: Calibration) -> Iterator[str]:
    known = "with labels" if document.labelled else "without labels"
    yield f"# {_line(document.model)}: which preprocessing it expects"
    yield ""
    yield f"{document.pictures} pictures of {_line(document.data)}, {known}."
    yield from _told("unreadable", document.unreadable)
    yield ""
    yield from table(
        [
            "",
            "pixels",
            "colours",
            "fit",
            "steadiness" if not document.labelled else "top-1",
            "confidence",
        ],
        (
            [
                "*" if place == document.chosen else "fits" if way.fits else "",
                f"{way.normalization} (current)" if way.present else way.normalization,
                way.channels,
                way.fit,
                percent(way.top1 if document.labelled else way.steadiness),
                percent(way.confidence),
            ]
            for place, way in enumerate(document.candidates)
        ),
    )
    yield ""
    if document.guessing:
        yield (
            "Nothing is better than guessing: give pictures of classes that the model knows, and "
            "check the order of its labels."
        )
    elif not document.lines:
        yield "The current preprocessing is right: no other is clearly better."
    else:
        if not document.labelled:
            yield "Without labels, only the stability of the answers is known: check some of them."
        yield "Add this to the configuration:"
        yield ""
        yield from document.lines


def quantization(document: Quantization) -> str:
    """The table of all variants."""
    evaluations = [variant.evaluation for variant in document.variants]
    first = evaluations[0]
    return "\n".join(
        [
            f"# {_line(document.source)}, quantised, on {_line(first.data.name)}",
            "",
            f"{first.data.pictures} pictures, {first.model.classes} classes, "
            f"{document.calibration_pictures} other pictures to calibrate int8, "
            f"{first.model.runtime}, {threads(first.model)}."
            f"{preprocessing(first.model)}",
            "",
            footprints(evaluations, [variant.name for variant in document.variants]),
            *_told("unreadable", first.inspection.unreadable),
            *_told("unreadable, to calibrate int8", document.unreadable),
        ]
    )


def checks(results: Sequence[Check]) -> str:
    """Tests and gates, one per item."""
    return "\n".join(
        textwrap.fill(
            f"- {'holds' if c.holds else 'FAILS'}: {_line(c.name)}: {_line(c.found)}",
            WIDTH,
            subsequent_indent="  ",
            break_on_hyphens=False,
            break_long_words=False,
        )
        for c in results
    )


def unreadable(some: Kind) -> str:
    """The unreadable pictures, as in `evaluation`."""
    return "\n".join(_kind(KINDS["unreadable"], some))


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> Iterator[str]:
    """A Markdown table, aligned for reading as plain text; number columns to the right."""
    cells = [[_cell(cell) for cell in row] for row in rows]
    widths = [max(map(len, column)) for column in zip(head, *cells, strict=True)]
    right = [bool(cells) and all(_is_number(row[i]) for row in cells) for i in range(len(head))]

    def line(row: Sequence[str]) -> str:
        aligned = (
            cell.rjust(width) if flush else cell.ljust(width)
            for cell, width, flush in zip(row, widths, right, strict=True)
        )
        return f"| {' | '.join(aligned)} |"

    yield line(head)
    dashes = (
        "-" * (width + 1) + ":" if flush else "-" * (width + 2)
        for width, flush in zip(widths, right, strict=True)
    )
    yield f"|{'|'.join(dashes)}|"
    yield from map(line, cells)


def percent(share: float | None) -> str:
    """A share of 0..1, or a dash for none."""
    return "-" if share is None else f"{share:.2%}"


def _evaluation(document: Evaluation) -> Iterator[str]:
    yield f"# {_line(document.model.name)} on {_line(document.data.name)}"
    yield ""
    yield from _paragraph(
        f"{document.data.pictures} pictures, {document.model.classes} classes, "
        f"{document.model.runtime}, {threads(document.model)}."
        f"{preprocessing(document.model)}"
    )
    yield ""
    yield measures([document], ["value"])
    for line in document.suspicions:
        yield ""
        yield from _paragraph(f"Suspicious: {_line(line)}.")
    yield from _title("Pictures")
    yield from _inspection(document.inspection)
    if document.skew:
        yield from _title("Skew against the training pictures")
        yield from table(
            ["median of", "training", "98 % of it", "here", "outside", "PSI"],
            (_skew(one) for one in document.skew),
        )
    if document.slices:
        yield from _title("Slices")
        yield from table(
            ["column", "value", *_ACCURACY_HEAD],
            ([s.column, _short(s.value, 20), *_accuracy(s.accuracy)] for s in document.slices),
        )
    yield from _title("Classes")
    shown = sorted(document.classes, key=lambda row: -row.pictures)[:CLASSES_SHOWN]
    yield from table(
        ["class", "pictures", "precision", "recall", "F1"],
        (
            [
                _short(r.label),
                str(r.pictures),
                percent(r.precision),
                percent(r.recall),
                percent(r.f1),
            ]
            for r in shown
        ),
    )
    if len(document.classes) > len(shown):
        yield ""
        yield f"And {len(document.classes) - len(shown)} more classes: see the JSON document."
    if document.confusions:
        yield from _title("Most frequent confusions")
        yield from table(
            ["class", "predicted", "pictures"],
            ([_short(c.label), _short(c.taken_for), str(c.pictures)] for c in document.confusions),
        )
    yield from _title("Time per picture")
    yield from table(
        ["stage", "p50 ms", "p99 ms"],
        ([stage, f"{t.p50:.3f}", f"{t.p99:.3f}"] for stage, t in document.time_ms.items()),
    )
    yield from _title("Tests of the model")
    yield checks(document.conformance)


def _inspection(found: Inspection) -> Iterator[str]:
    balance = found.balance
    yield from _paragraph(
        f"{balance.smallest} to {balance.largest} pictures per class"
        f"{', uneven' if balance.uneven else ''}; {balance.without_pictures} of "
        f"{balance.classes} classes have none."
    )
    for kind, name in KINDS.items():
        yield ""
        yield from _kind(name, getattr(found, kind))


def _skew(one: Skew) -> list[str]:
    usual = f"{one.low:.3f} to {one.high:.3f}"
    here = (f"{one.median_there:.3f}", percent(one.outside), f"{one.psi:.2f}")
    return [one.statistic, f"{one.median:.3f}", usual, *here]


def _told(name: str, some: Kind) -> Iterator[str]:
    """An empty line and the kind, if there are findings."""
    if some.count:
        yield from ("", *_kind(name, some))


def _kind(name: str, some: Kind) -> Iterator[str]:
    yield f"- {name}: {some.count}"
    for finding in some.findings[:FINDINGS_SHOWN]:
        yield f"  - {_line(finding.picture)}: {_line(finding.why)}"
    if some.count > FINDINGS_SHOWN:
        yield f"  - and {some.count - FINDINGS_SHOWN} more"


_ACCURACY_HEAD = ["pictures", "top-1", "top-5", "F1", "ECE"]


def _accuracy(a: Accuracy) -> list[str]:
    error = "-" if a.ece is None else f"{a.ece:.3f}"
    return [str(a.pictures), percent(a.top1), percent(a.top5), percent(a.macro_f1), error]


def _paragraph(text: str) -> Iterator[str]:
    yield from textwrap.wrap(text, WIDTH, break_on_hyphens=False, break_long_words=False)


def _short(text: str, length: int = 30) -> str:
    """A label's first names, enough to recognise it; the JSON document has the whole label."""
    return text if len(text) <= length else f"{text[: length - 1]}…"


def _title(text: str) -> Iterator[str]:
    yield from ("", f"## {text}", "")


def _line(text: str) -> str:
    """Printable and on one line: names of files and labels come from outside."""
    return "".join(c if c.isprintable() else "?" for c in text)


def _cell(text: str) -> str:
    return _line(text).replace("|", "\\|")


def _is_number(cell: str) -> bool:
    return re.fullmatch(r"-|[-+]?[0-9][0-9,.]*%?", cell) is not None
