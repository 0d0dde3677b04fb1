from __future__ import annotations

import json
from pathlib import Path

import pytest

from edged import trace
from edged.core import Result
from edged.errors import ConfigError
from edged.trace import LIGHT, LOOP, Span, Trace
from tests.ports.mqtt.reports import result
from tests.test_pipeline import Notebook


def test_the_spans_are_written_at_the_end_as_complete_events_in_microseconds(
    tmp_path: Path,
) -> None:
    with Trace(tmp_path / "out.json") as traced:
        traced.spans.append(Span("invoke", 1.5, 1.75, LOOP, 7))
        traced.spans.append(Span("cat", 1.0, 2.0, LIGHT, 7))
        assert not traced.path.exists()
    events = json.loads(traced.path.read_text())["traceEvents"]
    invoke, cat = (event for event in events if event["ph"] == "X")
    assert (invoke["name"], invoke["ts"], invoke["dur"]) == ("invoke", 1.5e6, 0.25e6)
    assert invoke["args"] == {"frame": 7}
    assert cat["tid"] != invoke["tid"]


def test_only_the_newest_spans_are_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(trace, "CAPACITY", 3)
    traced = Trace(tmp_path / "out.json")
    for number in range(5):
        traced.spans.append(Span("invoke", 0.0, 1.0, LOOP, number))
    assert [span.frame for span in traced.spans] == [2, 3, 4]


def test_a_file_that_cannot_be_written_is_told_at_the_start(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="--trace"):
        Trace(tmp_path / "absent" / "out.json")


def test_a_file_that_can_no_longer_be_written_is_told_and_breaks_nothing(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    folder = tmp_path / "gone"
    folder.mkdir()
    with Trace(folder / "out.json"):
        folder.rmdir()
    assert "the trace is lost" in caplog.text


def test_the_stages_of_a_frame_follow_each_other_and_end_with_the_decision(tmp_path: Path) -> None:
    traced = Trace(tmp_path / "out.json")
    notebook = Notebook()
    stages, wrapped = traced.around([notebook])
    seen = result(7, captured_s=1.0)
    report = Result(
        seen.frame, seen.prediction, seen.scene, (), {"decode": 0.5, "invoke": 0.25}, 2.0
    )
    stages.write(report)
    assert list(traced.spans) == [
        Span("decode", 1.25, 1.75, LOOP, 7),
        Span("invoke", 1.75, 2.0, LOOP, 7),
        Span("cat", 1.0, 2.0, LIGHT, 7),
    ]
    wrapped.write(report)
    assert notebook.reports == [report]
    assert (traced.spans[-1].name, traced.spans[-1].frame) == ("Notebook", 7)
