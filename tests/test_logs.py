"""What is written to standard error."""

from __future__ import annotations

import io
import json
import logging
import os
import sys

import pytest

from edged import logs
from edged.logs import style as log_style
from edged.ports import log as log_port
from tests.clocks import StandingClock


def written(style: str, level: str = "info") -> io.StringIO:
    stream = io.StringIO()
    logs.start(level, style, stream)
    return stream


def test_the_journal_gets_a_priority_on_every_line() -> None:
    stream = written("journal")
    log = logging.getLogger("edged.test")
    log.info("seen")
    log.warning("camera %s: unplugged", "x")
    log.error("first\nsecond")
    assert stream.getvalue() == "<6>seen\n<4>camera x: unplugged\n<3>first\n<3>second\n"


def test_json_is_one_document_a_line_whatever_the_message() -> None:
    stream = written("json")
    logging.getLogger("edged.test").warning('a "quoted"\nline')
    (line,) = stream.getvalue().splitlines()
    document = json.loads(line)
    assert (document["level"], document["logger"]) == ("warning", "edged.test")
    assert document["message"] == 'a "quoted"\nline'


def test_a_person_reads_the_time_and_the_level_only_where_it_matters() -> None:
    stream = written("text")
    logging.getLogger("edged.test").info("seen")
    logging.getLogger("edged.test").error("broken")
    seen, broken = stream.getvalue().splitlines()
    assert seen[8:] == " seen"
    assert broken[8:] == " error: broken"


@pytest.mark.parametrize("style", ["journal", "json", "text"])
def test_what_a_terminal_would_act_on_is_escaped(style: str) -> None:
    stream = written(style)
    logging.getLogger("edged.test").warning("%s: damaged", os.fsdecode(b"caf\xe9\x1b[31m"))
    (line,) = stream.getvalue().splitlines()
    said = json.loads(line)["message"] if style == "json" else line
    assert said.endswith(r"caf\xe9\x1b[31m: damaged")


def test_a_traceback_is_kept_in_every_style() -> None:
    for style in ("journal", "json", "text"):
        stream = written(style)
        try:
            raise ValueError("bug")
        except ValueError:
            logging.getLogger("edged.test").exception("it failed")
        assert "ValueError: bug" in stream.getvalue()


def test_records_below_the_level_are_left_out() -> None:
    stream = written("text", "warning")
    logging.getLogger("edged.test").info("seen")
    assert stream.getvalue() == ""


@pytest.mark.parametrize(
    ("terminal", "journal", "style"),
    [(True, None, "live"), (False, None, "text"), (False, "8:1", "journal")],
)
def test_auto_is_what_stands_at_the_other_end(
    terminal: bool, journal: str | None, style: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("rich")
    monkeypatch.delenv("JOURNAL_STREAM", raising=False)
    if journal:
        monkeypatch.setenv("JOURNAL_STREAM", journal)
    monkeypatch.setattr(sys.stderr, "isatty", lambda: terminal, raising=False)
    assert log_style("auto") == style
    assert log_style("json") == "json"


@pytest.mark.parametrize(
    ("configured", "terminal", "style"),
    [("live", False, "text"), ("auto", True, "text"), ("json", True, "json")],
)
def test_without_the_library_of_the_live_line_the_log_is_text(
    configured: str, terminal: bool, style: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []
    monkeypatch.setattr(logs, "find_spec", asked.append)
    monkeypatch.setattr(sys.stderr, "isatty", lambda: terminal, raising=False)
    assert log_style(configured) == style
    assert set(asked) <= {"rich"}


def test_a_flood_of_lines_is_limited_and_counted_and_what_is_rare_is_logged_meanwhile() -> None:
    now = StandingClock()
    stream = written("text")
    (handler,) = logging.getLogger().handlers
    handler.addFilter(logs.Limit(now))

    def nonsense() -> None:
        logging.getLogger("edged.test").warning("%s is nonsense", "this")

    for _ in range(1000):
        nonsense()
    logging.getLogger("edged.test").warning("rare")
    *lines, last, rare = stream.getvalue().splitlines()
    assert len(lines) == logs.LINES - 1
    assert {line[8:] for line in lines} == {" warning: this is nonsense"}
    assert last.endswith("this is nonsense (more lines like this are left out for a minute)")
    assert rare.endswith("rare")
    now.now_s = 60.0
    nonsense()
    nonsense()
    *_, told, after = stream.getvalue().splitlines()
    left_out = 1000 - logs.LINES
    assert told.endswith(f"nonsense (before this, {left_out} lines like it were left out)")
    assert after.endswith("this is nonsense")


def test_events_are_logged_however_many_there_are() -> None:
    stream = written("text")
    (handler,) = logging.getLogger().handlers
    handler.addFilter(logs.Limit(StandingClock()))
    for _ in range(2 * logs.LINES):
        log_port.log.info("cat on")
    assert len(stream.getvalue().splitlines()) == 2 * logs.LINES
