from __future__ import annotations

import csv
import re
from pathlib import Path
from xml.etree import ElementTree

from edged.evaluation import report, text
from edged.evaluation.document import Evaluation
from tests.evaluation.conftest import COLOURS, paint
from tests.evaluation.test_evaluation import evaluated

EVIL = "<script>alert('x')</script>&\"|\x1b[31m"


def evil(model: Path, data: Path) -> Evaluation:
    """Names of a file, a label and a cell that would be markup, columns or terminal codes."""
    name = EVIL.replace("/", "") + ".png"
    paint(data / name, COLOURS["red"], 50)
    paint(data / f"twin {name}", COLOURS["red"], 50)
    model.with_suffix(".txt").write_text("red\n<b>green|</b>\nblue\n")
    table = data / "t.csv"
    with table.open("w", newline="") as file:
        csv.writer(file).writerows(
            [
                ["file", "label", "light"],
                [name, "red", "<i>|</i>"],
                [f"twin {name}", "<b>green|</b>", "\x1b[31m"],
            ]
        )
    return evaluated(model, table, "light")


def test_the_page_needs_nothing_and_runs_nothing(model: Path, data: Path) -> None:
    page = report.html(evil(model, data))
    assert "<script" not in page
    assert "<b>green" not in page
    assert "&lt;script&gt;" in page
    assert not re.search(r'(src|href|url)\s*[=(](?!"data:)', page)
    assert "Content-Security-Policy" in page


def test_the_plots_are_well_formed(model: Path, data: Path) -> None:
    page = report.html(evaluated(model, data, "label"))
    drawings = re.findall(r"<svg.*?</svg>", page, re.S)
    assert len(drawings) == 4
    for drawing in drawings:
        ElementTree.fromstring(drawing)  # noqa: S314
    assert "83.33%" in page


def test_the_heat_map_shows_each_count_where_it_belongs(model: Path, data: Path) -> None:
    page = report.html(evaluated(model, data))
    assert re.findall(r"<title>(\w+ as \w+: \d+)</title>", page) == [
        "red as red: 3",
        "red as blue: 1",
        "green as green: 2",
    ]


def test_the_text_is_markdown_that_nothing_from_outside_breaks(model: Path, data: Path) -> None:
    shown = text.evaluation(evil(model, data))
    assert "\x1b" not in shown
    for line in shown.splitlines():
        if line.startswith("|"):
            assert line.endswith("|")
    assert "<i>\\|</i>" in shown


def test_tables_align_numbers_to_the_right() -> None:
    assert list(text.table(["class", "n"], [["a", "7"], ["long", "1,000"]])) == [
        "| class |     n |",
        "|-------|------:|",
        "| a     |     7 |",
        "| long  | 1,000 |",
    ]
