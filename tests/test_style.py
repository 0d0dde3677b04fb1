"""The words that docs/style.md rules out are found where they are written."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests import style

PHRASES = {"to be had": "available", "anew": "again"}


def test_the_style_guide_lists_what_it_rules_out() -> None:
    phrases = style.ruled_out(style.STYLE.read_text())
    assert phrases["to be had"] == "available"
    assert phrases["hear of"] == phrases["hears of"]


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("one\nis Not to be had", [(2, "to be had")]),
        ("# is not to\n    # be had", [(1, "to be had")]),
        ('"is not to be "\n    "had"', [(1, "to be had")]),
        ("begun anew, to be had", [(1, "anew"), (1, "to be had")]),
        ("a new one, renewed, to be hadron", []),
    ],
)
def test_a_phrase_is_found_in_any_case_and_across_lines(
    text: str, found: list[tuple[int, str]]
) -> None:
    assert list(style.faults(text, PHRASES)) == found


def test_everything_that_people_read_is_looked_at() -> None:
    found = set(style.pages(style.ROOT))
    expected = ["README.md", "Makefile", "docs/cli.md", "config/edged.toml", "edged/cli/parser.py"]
    assert {style.ROOT / name for name in expected} <= found
    assert style.STYLE not in found


def test_a_fault_names_its_place_and_the_remedy(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(style, "ROOT", tmp_path)
    (tmp_path / "README.md").write_text("edged\n\nA model is not to be had.\n")
    assert style.main() == 1
    assert capsys.readouterr().out == 'README.md:3: "to be had": write: available\n'
