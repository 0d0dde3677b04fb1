"""The run as a document for people, plain numbers for programs, and plots."""

from __future__ import annotations

import json
from pathlib import Path

from benchmarks.arm import report as arm
from benchmarks.results import Part, Row, Table
from benchmarks.svg import draw

HEAD = """\
# Benchmarks

This file is written by `make bench`, its last section by `make bench-arm`; what helped and what
did not is in [performance.md](performance.md). Everything before that section was measured in one
run on one machine, warmed up, in turns with the bare invoke that it is compared with. **Absolute
times are not promises**: ratios to the floor of the same run are. p50/p90/p99 are percentiles.
"""


def write(folder: Path, machine: dict[str, str], parts: dict[str, Part], took_s: float) -> None:
    """``benchmarks.md``, ``benchmarks.json`` and ``benchmarks/*.svg`` in `folder`."""
    plots = folder / "benchmarks"
    plots.mkdir(parents=True, exist_ok=True)
    lines = [HEAD, "## Machine", "", "| | |", "|---|---|"]
    lines += [f"| {key} | {value} |" for key, value in machine.items()]
    lines += [f"| the run took | {took_s / 60:.0f} min |", "", "## Targets", ""]
    rows = [row for part in parts.values() for row in part.rows]
    lines += ["| what | measured | target | |", "|---|---|---|---|", *map(_row, rows), ""]
    for part in parts.values():
        lines += [f"## {part.title}", ""]
        for table in part.tables:
            lines += [*_table(table), ""]
        for plot in part.plots:
            (plots / f"{plot.name}.svg").write_text(draw(plot))
            lines += [f"![{plot.title}](benchmarks/{plot.name}.svg)", ""]
            for name, points in plot.curves.items():
                values = ", ".join(f"{x:g}: {y:.3g}" for x, y in points)
                shown = points if len(points) <= 12 else []
                if shown:
                    lines += [f"{name}, {plot.y} by {plot.x}: {values}", ""]
        lines += [line for note in part.notes for line in (note, "")]
    lines.append(arm.section(arm.load()))
    (folder / "benchmarks.md").write_text("\n".join(lines))
    document = {
        "machine": machine,
        "parts": {
            name: {
                "figures": {key: round(value, 5) for key, value in part.figures.items()},
                "rows": [vars(row) for row in part.rows],
                "curves": {plot.name: plot.curves for plot in part.plots},
            }
            for name, part in parts.items()
        },
    }
    (folder / "benchmarks.json").write_text(json.dumps(document, indent=1, ensure_ascii=False))


def _row(row: Row) -> str:
    met = {True: "met", False: "**missed**", None: ""}[row.met]
    return f"| {row.what} | {row.measured} | {row.target} | {met} |"


def _table(table: Table) -> list[str]:
    rule = "|" + "---|" * len(table.head)
    lines = ["| " + " | ".join(cells) + " |" for cells in table.lines]
    return [f"{table.title}:", "", "| " + " | ".join(table.head) + " |", rule, *lines]
