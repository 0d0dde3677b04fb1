"""The screens of ``edged status`` and ``edged watch``, 80 columns wide."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from typing import Any

import pytest

from edged.cli.status import lines
from edged.cli.watch import _Lines

SINCE = datetime.now().astimezone().replace(hour=0, minute=0, second=1)


def rule(*, active: bool, score: float, since: datetime = SINCE) -> dict[str, Any]:
    return {
        "active": active,
        "score": score,
        "since": since.astimezone(timezone.utc).isoformat().replace("+00:00", "Z"),
    }


def reply(**changes: Any) -> dict[str, Any]:
    data = {
        "type": "status",
        "version": "1.2.3",
        "uptime_s": 7384.2,
        "temperature_c": 48.31,
        "scene": "visitor",
        "results": [{"label": "person", "score": 0.931}, {"label": "no person", "score": 0.069}],
        "rules": {
            "dog": rule(active=False, score=0.01),
            "visitor": rule(active=True, score=0.93),
        },
        "outputs": {"lamp": 1.0, "meter": 0.5, "bell": 0.0},
        "camera": "/dev/video0 (USB Camera)",
        "camera_error": None,
        "camera_failures": 0,
        "camera_last_error": None,
        "drift": None,
        "pins_error": None,
        "model": "vww_96_int8",
        "model_chosen": False,
        "model_problem": None,
        "frames": 2143,
        "still": 1900,
        "dropped": 3,
        "fps": 15.04,
        "paused": False,
        "idle": False,
        "broker": "broker.local:1883 connected",
        "broker_error": None,
        "broker_problems": [],
        "webhook_problems": [],
        "last_event": 42,
    }
    return {"type": "reply", "device": "porch", "data": data | changes}


def test_the_status_is_one_screen() -> None:
    assert list(lines(reply())) == [
        "device   porch: edged 1.2.3, up 2 h 3 min, 48 °C",
        "scene    visitor",
        "seen     person 93%, no person 7%",
        "rules    visitor                  on    93%  since 00:00:01",
        "         dog                      off    1%  since 00:00:01",
        "outputs  lamp on, meter 50%, bell off",
        "camera   /dev/video0 (USB Camera)",
        "         15.0 frames/s; 243 classified, 1900 still, 3 unused",
        "model    vww_96_int8",
        "broker   broker.local:1883 connected",
        "journal  42 events so far; edged events lists them",
    ]


def test_what_is_wrong_stands_where_it_belongs_and_no_line_is_wider_than_the_screen() -> None:
    screen = list(
        lines(
            reply(
                paused=True,
                scene=None,
                results=[],
                rules={},
                outputs={},
                temperature_c=None,
                uptime_s=0.2,
                broker=None,
                camera="rtsp://camera.example.org:554/" + "stream/" * 20,
                camera_error="no connection; check host name and network " * 3,
                pins_error="lamp: pin 17 is in use; free it",
                model_chosen=True,
                model_problem="model birds was set aside: edged died 2 times " + "of it " * 20,
                broker_problems=["it does not support retained: " + "availability is lost, " * 6],
                webhook_problems=["webhook alarm (http://hub/***): nothing listens there"],
            )
        )
    )
    assert all(len(line) <= 80 for line in screen)
    text = "\n".join(screen)
    assert "device   porch: edged 1.2.3, up 0 s\nstate    paused: edged resume\n" in text
    assert "scene    undecided\nseen     -\noutputs  none\n         lamp: pin 17 is in use" in text
    assert "         no connection; check host" in text
    assert "chosen by command; back with edged models use" in text
    assert "         model birds was set aside: edged died 2 times" in text
    assert "broker   MQTT is off\n         it does not support retained" in text
    assert "\nwebhook  alarm (http://hub/***): nothing listens there\n" in text


def test_a_broker_that_cannot_be_reached_is_told_with_the_reason() -> None:
    why = "nothing listens there; check mqtt.host and mqtt.port"
    screen = list(lines(reply(broker="localhost:18884 disconnected", broker_error=why)))
    place = screen.index("broker   localhost:18884 disconnected")
    assert screen[place + 1] == f"         {why}"


def test_a_camera_that_has_failed_and_is_back_is_told_with_its_last_reason() -> None:
    once, often = (
        "\n".join(lines(reply(camera_failures=times, camera_last_error="/dev/video0: no frame")))
        for times in (1, 12)
    )
    assert "         failed 1 time; the last time: /dev/video0: no frame\n" in once
    assert "         failed 12 times; the last time: /dev/video0: no frame\n" in often
    now = "\n".join(
        lines(reply(camera_failures=2, camera_error="absent", camera_last_error="absent"))
    )
    assert "         absent\n         failed 2 times\n" in now


def test_of_many_rules_the_active_ones_come_first_and_the_rest_is_counted() -> None:
    rules = {f"rule-{n}": rule(active=n == 500, score=0.5) for n in range(1000)}
    screen = list(lines(reply(rules=rules)))
    (first,) = (line for line in screen if line.startswith("rules"))
    assert first.split()[1:3] == ["rule-500", "on"]
    assert "         and 990 more: edged status --json" in screen


def test_a_rule_of_another_day_has_its_date() -> None:
    old = {"dog": rule(active=True, score=1.0, since=SINCE - timedelta(days=3))}
    (line,) = (line for line in lines(reply(rules=old)) if line.startswith("rules"))
    assert line.endswith(f"since {SINCE - timedelta(days=3):%Y-%m-%d} 00:00:01")


def said(kind: str, second: float = 0.0, **fields: Any) -> dict[str, Any]:
    at = SINCE + timedelta(seconds=second)
    return {"type": kind, "time": at.astimezone(timezone.utc).isoformat()} | fields


def seen(scene: str | None, second: float = 0.0) -> dict[str, Any]:
    best = {"label": "cat", "score": 0.912}
    return said("classification", second, scene=scene, results=[best])


def test_watch_tells_each_thing_once_with_its_time() -> None:
    told = _Lines()
    messages = [
        seen("cat"),
        seen("cat", 1.0),
        seen("pets", 1.0),
        said("event", 1.0, rule="visitor", active=True, score=0.7),
        said("output", 1.0, output="lamp", value=1.0),
        seen(None, 2.0),
        said("health", 3.0),
    ]
    assert [told.line(message) for message in messages] == [
        "00:00:01  scene   cat 91%",
        "",
        "00:00:02  scene   pets (cat 91%)",
        "00:00:02  event   visitor on (70%)",
        "00:00:02  output  lamp on",
        "00:00:03  scene   undecided (cat 91%)",
        "",
    ]


@pytest.mark.parametrize("end", [0.0, 1.0])
def test_a_dimmed_output_is_told_once_a_second_and_its_end_always(end: float) -> None:
    told = _Lines()
    values = [(0.0, 0.2), (0.1, 0.3), (0.9, 0.4), (1.0, 0.5), (1.1, end)]
    lines = [told.line(said("output", at, output="meter", value=value)) for at, value in values]
    assert [bool(line) for line in lines] == [True, False, False, True, True]
    assert told.line(said("output", 1.2, output="other", value=0.5))


def test_a_picture_that_is_not_as_usual_is_told() -> None:
    drift = {"score": 1.0, "cause": "view moved", "skew": {}}
    assert any("pictures: view moved" in line for line in lines(reply(drift=drift)))
