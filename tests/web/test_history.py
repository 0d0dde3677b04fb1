"""The last minute, and the last events with what led to them."""

from __future__ import annotations

from datetime import datetime, timezone
from typing import Any

import pytest

from edged.web.history import AFTER_S, BEFORE_S, EVENTS, KEPT_S, RULES, History


def at(s: float) -> str:
    return datetime.fromtimestamp(s, timezone.utc).isoformat().replace("+00:00", "Z")


def state(s: float, **scores: float) -> dict[str, Any]:
    rules = {
        name: {"active": False, "score": score, "since": at(0)} for name, score in scores.items()
    }
    return {"type": "state", "time": at(s), "rules": rules}


def event(s: float, number: int = 1, rule: str = "cat") -> dict[str, Any]:
    return {
        "type": "event",
        "id": f"porch-{number}",
        "rule": rule,
        "active": True,
        "score": 0.7,
        "onset": at(s - 0.1),
        "decided": at(s),
        "frame": number,
    }


@pytest.fixture
def history() -> History:
    return History()


def test_scores_are_kept_for_a_minute(history: History) -> None:
    for s in range(100):
        history.add(state(s, cat=0.5))
    assert [entry["t"] for entry in history.past()["scores"]] == list(range(99 - int(KEPT_S), 100))


def test_no_more_rules_are_kept_than_a_page_shows(history: History) -> None:
    history.add(state(1, **{f"r{number}": 0.1 for number in range(RULES + 5)}))
    assert len(history.present()["rules"]) == RULES
    assert len(history.past()["scores"][0]) == RULES + 1


def test_an_event_has_the_scores_around_it(history: History) -> None:
    for s in range(10):
        history.add(state(s, cat=s / 10, dog=0.0))
    history.add(event(9.5))
    for s in range(10, 20):
        history.add(state(s, cat=s / 20))
    (shown,) = history.past()["events"]
    times = [s for s, _ in shown["scores"]]
    assert times[0] == pytest.approx(9.4 - BEFORE_S, abs=1)
    assert times[-1] == 9.5 + AFTER_S - 0.5
    assert dict(shown["scores"])[5] == 0.5


def test_the_newest_event_comes_first_and_the_oldest_go(history: History) -> None:
    for number in range(EVENTS + 3):
        history.add(event(number, number))
        history.add_thumbnail(number, b"jpeg %d" % number)
    numbers = [shown["frame"] for shown in history.past()["events"]]
    assert numbers == list(range(EVENTS + 2, 2, -1))
    assert history.present()["event"] == f"porch-{EVENTS + 2}"
    assert history.thumbnail(0) is None
    assert history.thumbnail(EVENTS + 2) == b"jpeg %d" % (EVENTS + 2)


def test_an_event_says_whether_there_is_a_picture_of_it(history: History) -> None:
    history.add(event(1, 1))
    history.add(event(2, 2))
    history.add_thumbnail(2, b"jpeg")
    assert [shown["thumbnail"] for shown in history.past()["events"]] == [True, False]


def test_a_picture_of_no_event_is_not_kept(history: History) -> None:
    history.add_thumbnail(7, b"jpeg")
    assert history.thumbnail(7) is None


def test_what_is_seen_now_is_the_newest(history: History) -> None:
    assert history.present() == {"live": {}, "rules": {}, "outputs": {}, "event": None}
    told = {"scene": "cat", "frame": 3, "model": "m", "results": [], "stages_ms": {}}
    history.add({"type": "classification", "captured": at(1), **told})
    history.add({"type": "output", "output": "lamp", "value": 1.0, "error": None})
    history.add({"type": "health", "fps": 30.0})
    history.add({"type": "following"})
    assert history.present()["live"]["scene"] == "cat"
    assert history.present()["outputs"]["lamp"]["value"] == 1.0
    assert history.past()["health"]["fps"] == 30.0
