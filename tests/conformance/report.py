"""What became of the cases: for the terminal, and as docs/reports/conformance.md."""

from __future__ import annotations

import statistics
from collections import Counter, defaultdict
from collections.abc import Sequence

from tests.conformance.child import DISTURBED, Way
from tests.conformance.compare import STEP, TIMES_MOVED, Case

MOST_LISTED = 5
"""Of the disagreements of one model; the farthest first."""

HEAD = """# Does edged read models and pictures as others do?

Written by `make conformance`. Every model answers every picture twice: through edged, as
`edged classify` does, and through a [reference](../../tests/conformance/reference.py) of Pillow and
a bare interpreter, which shares no code with edged. Both use the same runtime; the picture is
stretched to the input or cropped to its aspect.

{material}

Versions: {versions}. Machine: {machine}.{absent}

"""

TOLERANCE = f"""
A case agrees if no score differs by more than its tolerance. Where the best class is another one
then, it is a tie: one of the sides has both classes no farther apart than the tolerance.

Why there is a tolerance: a resize may round a pixel to the level above or below, and edged has
libjpeg reduce a large JPEG first, as Pillow's `thumbnail` does. A network may answer such a small
change with a large one, a quantised network more than others, and only it can say how large. So the
reference also answers the picture as Pillow's own decoder reduces it, and copies of each input
whose values are moved by -1, 0 or 1 by chance, {DISTURBED} for each way to run the model. \
The tolerance
is one step of a quantised output, {STEP:.4f} at least, and {TIMES_MOVED:g} times \
the farthest that any score
moves then, on this picture or, where that is more, on half of the model's pictures; \
{TIMES_MOVED:g} times,
as a few copies do not find the farthest. "Of tolerance" is the greatest part of its tolerance that
a case uses up.
"""


def document(
    cases: Sequence[Case], material: str, versions: str, machine: str, absent: Sequence[str]
) -> str:
    """The whole report. `absent` names what was not run, a line each."""
    left_out = "".join(f"\n{line}" for line in absent)
    text = HEAD.format(material=material, versions=versions, machine=machine, absent=left_out)
    text += _summary(cases) + TOLERANCE + _models(cases)
    text += _disagreements([case for case in cases if case.verdict == "disagrees"])
    text += _refusals(
        "Refused by edged alone",
        "The reference runs these.",
        [case for case in cases if case.verdict == "refused by edged"],
    )
    text += _refusals(
        "Refused by the reference alone",
        "edged answers these.",
        [case for case in cases if case.verdict == "refused by reference"],
    )
    return text + _refusals(
        "Refused by both",
        "In the words of edged.",
        [case for case in cases if case.verdict == "refused by both"],
    )


def _table(head: Sequence[str], rows: Sequence[Sequence[object]], left: int = 1) -> str:
    """The first `left` columns are text, the others numbers."""
    lines = [head, ["---"] * left + ["---:"] * (len(head) - left), *rows]
    return "\n".join(f"| {' | '.join(map(str, line))} |" for line in lines) + "\n"


def _summary(cases: Sequence[Case]) -> str:
    head = ["way", "cases", "agree", "disagree", "edged alone", "reference alone", "both"]
    ways = list(dict.fromkeys(way_name(case.way) for case in cases))
    rows = [_counts(way, [c for c in cases if way_name(c.way) == way]) for way in ways]
    note = "\nThe last three columns are cases that were refused, with one line that says why.\n"
    return "## Summary\n\n" + _table(head, [*rows, _counts("all", cases)]) + note


def _counts(title: str, cases: Sequence[Case]) -> list[object]:
    of = Counter(case.verdict for case in cases)
    refused = [of[f"refused by {side}"] for side in ("edged", "reference", "both")]  # type: ignore[index]
    return [title, len(cases), of["agrees"], of["disagrees"], *refused]


def _models(cases: Sequence[Case]) -> str:
    head = [
        "model", "pictures × ways", "same best class", "ties", "disagree", "refused",
        "greatest difference", "median tolerance", "of tolerance",
    ]  # fmt: skip
    by_model: defaultdict[str, list[Case]] = defaultdict(list)
    for case in cases:
        by_model[case.model].append(case)
    rows = []
    for model, of_model in by_model.items():
        pictures = len({case.picture for case in of_model})
        product = f"{pictures} × {len(of_model) // pictures}"
        answered = [case for case in of_model if case.verdict in ("agrees", "disagrees")]
        refused = len(of_model) - len(answered)
        if not answered:
            rows.append([model, product, "", "", "", refused, "", "", ""])
            continue
        same = sum(case.same_top for case in answered)
        wrong = sum(case.verdict == "disagrees" for case in answered)
        ties = sum(not c.same_top for c in answered if c.verdict == "agrees")
        rows.append(
            [
                model,
                product,
                f"{same} of {len(answered)}",
                ties or "",
                wrong or "",
                refused or "",
                f"{max(case.difference for case in answered):.4f}",
                f"{statistics.median(case.tolerance for case in answered):.4f}",
                f"{max(case.difference / case.tolerance for case in answered):.2f}",
            ]
        )
    return "\n## Models\n\n" + _table(head, rows)


def _disagreements(cases: Sequence[Case]) -> str:
    text = f"\n## Disagreements\n\n{len(cases)} cases.\n"
    head = ["model", "way", "picture", "edged", "reference", "difference", "tolerance"]
    rows: list[list[object]] = []
    by_model: defaultdict[str, list[Case]] = defaultdict(list)
    for case in sorted(cases, key=lambda case: -case.difference):
        by_model[case.model].append(case)
    for model, of_model in sorted(by_model.items()):
        for case in of_model[:MOST_LISTED]:
            sides = case.said if any(case.said) else [f"class {top}" for top in case.tops]
            figures = [f"{case.difference:.4f}", f"{case.tolerance:.4f}"]
            rows.append([model, way_name(case.way), case.picture, *sides, *figures])
        if len(of_model) > MOST_LISTED:
            rows.append([model, f"and {len(of_model) - MOST_LISTED} more", *[""] * 5])
    return text + ("\n" + _table(head, rows, left=5) if rows else "")


def _refusals(title: str, note: str, cases: Sequence[Case]) -> str:
    """Grouped by what is said: of a picture by all models, or of a model on all pictures."""
    groups: defaultdict[str, list[Case]] = defaultdict(list)
    for case in cases:
        groups[case.said[0] or case.said[1]].append(case)
    text = f"\n## {title}\n\n{note} {len(cases)} cases.\n"
    rows = [
        [
            _one_or_count([case.model for case in group], "models"),
            _one_or_count([case.picture for case in group], "pictures"),
            line.replace("|", "\\|"),
            len(group),
        ]
        for line, group in groups.items()
    ]
    head = ["model", "picture", "line", "cases"]
    return text + ("\n" + _table(head, rows, left=3) if rows else "")


def _one_or_count(names: Sequence[str], kind: str) -> str:
    different = set(names)
    return names[0] if len(different) == 1 else f"{len(different)} {kind}"


def way_name(way: Way) -> str:
    kernels = "" if way["xnnpack"] else " without XNNPACK"
    return f"{way['runtime']}{kernels}, {way['fit']}"
