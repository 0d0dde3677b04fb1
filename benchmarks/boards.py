"""Reports that people send from their boards: ``python -m benchmarks.boards report.json…`` takes
them into docs/boards and the table of docs/benchmarks.md.

`tests/board/on-a-pi` makes such a report. It comes from outside: what is no report is refused.
"""

from __future__ import annotations

import argparse
import math
import re
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Annotated

import msgspec

ROOT = Path(__file__).parents[1]
FOLDER = ROOT / "docs" / "boards"
PAGE = ROOT / "docs" / "benchmarks.md"

MODELS = {"mobilenet": "MobileNetV2 1.0 224 int8", "bundled": "edged-cifar10-int8"}

Name = Annotated[str, msgspec.Meta(min_length=1, max_length=100, pattern=r"^[\w .,:+()/#-]+$")]


class Finding(msgspec.Struct, frozen=True):
    """One of `edged doctor`."""

    id: Name
    level: Name


class Report(msgspec.Struct, frozen=True, tag_field="type", tag="board"):
    """What a board says of itself; `figures` are in ms, by the names of `benchmarks.arm.guest`."""

    board: Name
    system: Name
    kernel: Name
    python: Name
    edged: Name
    runtime: Name
    features: Annotated[str, msgspec.Meta(max_length=1000)]
    figures: Annotated[dict[Name, float], msgspec.Meta(min_length=1, max_length=500)]
    findings: Annotated[list[Finding], msgspec.Meta(max_length=200)]


def decoded(data: bytes) -> Report:
    """A report; ValueError where it is none."""
    report = msgspec.json.decode(data, type=Report)
    if not all(math.isfinite(figure) and figure >= 0 for figure in report.figures.values()):
        raise ValueError("a figure is no duration")
    return report


def kept(folder: Path = FOLDER) -> list[Report]:
    """All that were taken in, by file name."""
    return [decoded(file.read_bytes()) for file in sorted(folder.glob("*.json"))]


TABLE = "| board | model | invoke p50 | frame → decision p50 | start | decision → pin | source |"

PUBLISHED_MS = {"Raspberry Pi 4 (64-bit)": 17.0, "Raspberry Pi 3+": 30.0}
"""The invoke of MobileNetV2 1.0 224 int8, as XNNPACK's README has it."""


def section(reports: Iterable[Report]) -> str:
    """The table of boards, with what was published elsewhere at its end."""
    rows = [row for report in reports for row in _rows(report)]
    begin = "On boards, in milliseconds." if rows else "On boards nothing was timed yet."
    return (
        f"{begin} From a checkout, `tests/board/on-a-pi` prints a report of a Raspberry Pi or a\n"
        "Jetson; elsewhere `edged bench --report` prints a row for this table. Please send it.\n\n"
        f"{TABLE}\n|---|---|---|---|---|---|---|\n{''.join([*rows, *_published()])}"
    )


def _rows(report: Report) -> Iterable[str]:
    figures = report.figures
    # Daemons run with the best model that is there.
    best = next((m for m in MODELS if f"frame/{m}/vga/whole" in figures), "")
    for model, name in MODELS.items():
        here = f"frame/{model}/vga"
        if f"{here}/whole" not in figures:
            continue
        cells = [_ms(figures.get(f"{here}/{what}")) for what in ("invoke alone", "whole")]
        for what in ("start/edged run", "way/decision to pin"):
            cells.append(_ms(figures.get(what)) if model == best else "-")
        source = f"edged {report.edged}, Python {report.python}, {report.runtime}"
        yield f"| {report.board} | {name} | {' | '.join(cells)} | {source} |\n"


def _published() -> Iterable[str]:
    for board, invoke_ms in PUBLISHED_MS.items():
        cells = f"{_ms(invoke_ms)} | - | - | - | XNNPACK's README; not ours"
        yield f"| {board} | {MODELS['mobilenet']} | {cells} |\n"


def _ms(figure: float | None) -> str:
    return "-" if figure is None else f"{figure:.4g} ms"


def put(page: str, reports: Iterable[Report]) -> str:
    """`page` with the table of `reports` in place of its last part, which is that table."""
    before, mark, _ = page.partition("\nOn boards")
    assert mark, "the page has no table of boards"
    return f"{before}\n{section(reports)}"


def main() -> int:
    """1 where one was refused."""
    parser = argparse.ArgumentParser(prog="benchmarks.boards")
    parser.add_argument("reports", nargs="*", type=Path, metavar="report.json")
    refused = 0
    for file in parser.parse_args().reports:
        try:
            data = file.read_bytes()
            report = decoded(data)
        except (OSError, ValueError) as error:
            print(f"{file}: no report of a board: {error}", file=sys.stderr)
            refused = 1
            continue
        name = re.sub(r"\W+", "-", f"{report.board} {report.edged}".lower()).strip("-")
        FOLDER.mkdir(exist_ok=True)
        (FOLDER / f"{name}.json").write_bytes(msgspec.json.format(msgspec.json.encode(report)))
    PAGE.write_text(put(PAGE.read_text(), kept()))
    return refused


if __name__ == "__main__":
    raise SystemExit(main())
