"""The evaluation of a model as one HTML file that needs nothing else: no script, no network."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from html import escape

from edged.evaluation import plots
from edged.evaluation.document import ClassRow, Evaluation
from edged.evaluation.text import KINDS, percent

BARS = 30
ROWS = 1000
_STYLE = """\
:root { color-scheme: light dark; --ink: #1c2126; --paper: #fff; --soft: #687480; --line: #d5dbe1;
  --bar: #2f6fbd; --right: #2f8f5b; --wrong: #c2483d; }
@media (prefers-color-scheme: dark) { :root { --ink: #e4e8ec; --paper: #15191d; --soft: #93a0ac;
  --line: #39424b; --bar: #6ea8ec; --right: #5cc28b; --wrong: #ec7d72; } }
body { font: 15px/1.5 system-ui, sans-serif; color: var(--ink); background: var(--paper);
  max-width: 68rem; margin: 2rem auto; padding: 0 1rem; overflow-wrap: anywhere; }
h1 { font-size: 1.5rem; } h2 { font-size: 1.15rem; margin-top: 2.2rem; }
.note { color: var(--soft); }
.facts { display: flex; flex-wrap: wrap; gap: .5rem 2.2rem; padding: 0; list-style: none; }
.facts b { display: block; font-size: 1.35rem; font-weight: 600; }
.plots { display: flex; flex-wrap: wrap; gap: 1.5rem; align-items: flex-start; }
.wide { overflow-x: auto; }
figure { margin: 0; } figcaption { font-weight: 600; margin-bottom: .3rem; }
svg { max-width: none; font: 11px system-ui, sans-serif; }
svg text { fill: var(--ink); } .bar { fill: var(--bar); } .right { fill: var(--right); }
.wrong { fill: var(--wrong); } .frame { fill: none; stroke: var(--line); }
.guide { stroke: var(--soft); stroke-dasharray: 4 4; }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; }
th, td { text-align: left; padding: .2rem .9rem .2rem 0; border-bottom: 1px solid var(--line); }
td.n, th.n { text-align: right; } .fails { color: var(--wrong); font-weight: 600; }
"""


def html(document: Evaluation) -> str:
    """The whole page. Every text from outside is escaped."""
    title = escape(f"{document.model.name} on {document.data.name}")
    body = "\n".join(_body(document))
    # Should an escape ever be missed, the policy still lets nothing run or load.
    policy = "default-src 'none'; style-src 'unsafe-inline'"
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{policy}">\n'
        '<meta name="viewport" content="width=device-width">\n'
        f"<title>{title}</title>\n<style>\n{_STYLE}</style>\n</head>\n<body>\n<h1>{title}</h1>\n"
        f"{body}\n</body>\n</html>\n"
    )


def _body(document: Evaluation) -> Iterator[str]:
    model, cost, scores = document.model, document.model.footprint, document.overall
    yield _facts(
        ("top-1", percent(scores.top1)),
        ("top-5", percent(scores.top5)),
        ("macro F1", percent(scores.macro_f1)),
        ("ECE", "-" if scores.ece is None else f"{scores.ece:.3f}"),
        ("invoke", f"{cost.invoke_ms:.2f} ms"),
        ("memory", f"{cost.rss_mb:.0f} MB"),
        ("size", f"{model.size_bytes / 1e6:.2f} MB"),
        ("delegated", percent(cost.delegated)),
    )
    yield (
        f'<p class="note">{document.data.pictures} pictures, {model.classes} classes; top-1 is '
        f"{percent(scores.top1_low)} to {percent(scores.top1_high)} with 95 % confidence. "
        f"{escape(model.runtime)}, {cost.threads} thread(s), edged {escape(document.edged)}.<br>"
        f"Model SHA-256 {escape(model.sha256)}<br>Data SHA-256 {escape(document.data.sha256)}</p>"
    )
    yield "<h2>Confidence</h2>"
    bins = document.calibration
    reliability = plots.reliability([(b.low, b.high, b.accuracy, b.pictures) for b in bins])
    histogram = plots.histogram([(b.low, b.high, b.pictures) for b in bins])
    yield f'<div class="plots">{reliability}{histogram}</div>'
    yield "<h2>Classes</h2>"
    worst = sorted(document.classes, key=_f1)[:BARS]
    title = "F1" if len(worst) == len(document.classes) else f"F1, the {BARS} worst classes"
    yield f'<div class="wide">{plots.bars(title, [(row.label, row.f1) for row in worst])}</div>'
    yield "<h2>Confusion</h2>"
    yield f'<div class="wide">{_heat_map(document)}</div>'
    yield _table(
        ["class", "taken for", "#pictures"],
        ([c.label, c.taken_for, str(c.pictures)] for c in document.confusions),
    )
    if document.slices:
        yield "<h2>Slices</h2>"
        yield _table(
            ["column", "value", "#pictures", "#top-1", "#top-5", "#macro F1", "#ECE"],
            (
                [
                    s.column, s.value, str(s.accuracy.pictures), percent(s.accuracy.top1),
                    percent(s.accuracy.top5), percent(s.accuracy.macro_f1),
                    "-" if s.accuracy.ece is None else f"{s.accuracy.ece:.3f}",
                ]
                for s in document.slices[:ROWS]
            ),
        )  # fmt: skip
    yield "<h2>Pictures</h2>"
    yield from _inspection(document)
    yield "<h2>Every class</h2>"
    yield _table(
        ["class", "#pictures", "#precision", "#recall", "#F1"],
        (
            [r.label, str(r.pictures), percent(r.precision), percent(r.recall), percent(r.f1)]
            for r in document.classes[:ROWS]
        ),
    )
    yield "<h2>Time of a picture</h2>"
    yield _table(
        ["stage", "#p50 ms", "#p99 ms"],
        ([stage, f"{t.p50:.3f}", f"{t.p99:.3f}"] for stage, t in document.time_ms.items()),
    )
    yield "<h2>Tests of the model</h2>"
    yield _table(
        ["", "what", "found"],
        (["holds" if c.holds else "FAILS", c.name, c.found] for c in document.conformance),
    )


def _heat_map(document: Evaluation) -> str:
    if document.confusion_matrix is not None:
        # Below the size up to which there is a matrix, classes without pictures are few.
        labels = [row.label for row in document.classes]
        shown = [
            position
            for position, counts in enumerate(document.confusion_matrix)
            if sum(counts) or any(row[position] for row in document.confusion_matrix)
        ]
        matrix = [[document.confusion_matrix[i][j] for j in shown] for i in shown]
        return plots.heat_map("True class (rows) and answer (columns)", labels, matrix)
    labels = list(
        dict.fromkeys(name for c in document.confusions for name in (c.label, c.taken_for))
    )[:BARS]
    place = {label: position for position, label in enumerate(labels)}
    matrix = [[0] * len(labels) for _ in labels]
    for c in document.confusions:
        if c.label in place and c.taken_for in place:
            matrix[place[c.label]][place[c.taken_for]] = c.pictures
    return plots.heat_map(
        "The most frequent confusions: true class (rows) and answer (columns)", labels, matrix
    )


def _inspection(document: Evaluation) -> Iterator[str]:
    found, balance = document.inspection, document.inspection.balance
    yield (
        f"<p>{balance.smallest} to {balance.largest} pictures a class"
        f"{', uneven' if balance.uneven else ''}; {balance.without_pictures} of "
        f"{balance.classes} classes have none.</p>"
    )
    for kind, name in KINDS.items():
        some = getattr(found, kind)
        if not some.count:
            yield f"<p>{name}: none</p>"
            continue
        rows = _table(["picture", "why"], ([f.picture, f.why] for f in some.findings))
        yield f"<details><summary>{name}: {some.count}</summary>{rows}</details>"


def _facts(*facts: tuple[str, str]) -> str:
    items = "".join(f"<li><b>{escape(value)}</b>{escape(name)}</li>" for name, value in facts)
    return f'<ul class="facts">{items}</ul>'


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A head that begins with # stands over numbers."""
    numbers = [name.startswith("#") for name in head]

    def line(tag: str, cells: Sequence[str]) -> str:
        return "".join(
            f"<{tag}{' class=n' if number else ' class=fails' if cell == 'FAILS' else ''}>"
            f"{escape(cell)}</{tag}>"
            for cell, number in zip(cells, numbers, strict=True)
        )

    lines = "".join(f"<tr>{line('td', row)}</tr>\n" for row in rows)
    top = line("th", [name.lstrip("#") for name in head])
    return f'<div class="wide"><table><tr>{top}</tr>\n{lines}</table></div>'


def _f1(row: ClassRow) -> float:
    return -1.0 if row.f1 is None else row.f1
