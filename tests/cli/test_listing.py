"""A document as lines for people."""

from __future__ import annotations

from edged.cli.listing import fact_lines


def test_each_fact_is_a_line_and_tables_have_dotted_names() -> None:
    document = {
        "rules": {"cat": {"labels": ["tabby", "tiger cat"], "saved": False}},
        "stages": [{"name": "decode"}, {"name": "invoke"}],
        "privacy": [],
        "undo": True,
        "temperature_c": None,
    }
    assert list(fact_lines(document)) == [
        "rules.cat.labels: tabby, tiger cat",
        "rules.cat.saved: no",
        "stages.0.name: decode",
        "stages.1.name: invoke",
        "privacy: -",
        "undo: yes",
    ]
