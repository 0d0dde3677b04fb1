"""The port without its threads and without a broker: what waits, what is skipped, how it ends."""

from __future__ import annotations

import json
import sqlite3
from collections import deque
from contextlib import closing
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from edged.commands import Reply
from edged.config.schema import Config, JournalConfig, MqttConfig
from edged.core import OutputState, Result
from edged.errors import CameraError
from edged.journal.journal import Journal
from edged.mailbox import Mailbox
from edged.ports.mqtt import port as module
from edged.ports.mqtt.commands import Return
from edged.ports.mqtt.connection import FAREWELL_S
from edged.ports.mqtt.newest import UNSENT_OF_A_KIND
from edged.ports.mqtt.port import PENDING_REPORTS, MqttPort
from tests.ports.mqtt.recorded import RecordedPort
from tests.ports.mqtt.reports import event, health, result


class Wire:
    """A connection that remembers; what is sent goes out when the test says so."""

    def __init__(self) -> None:
        self.up = True
        self.steps: list[str] = []
        self.sent: list[tuple[str, bytes, int]] = []
        self.out = False

    def publish(self, topic: str, payload: bytes, qos: int = 0, **_: object) -> Any:
        self.sent.append((topic.removeprefix("edged/porch/"), payload, qos))
        return SimpleNamespace(mid=len(self.sent), is_published=lambda: self.out)

    def first_done(self) -> None:
        self.steps.append("first done")

    def stop(self) -> None:
        self.steps.append("stop")


class Alone:
    """A port on a wire; its worker works when it is told to."""

    def __init__(self, folder: Path, **mqtt: Any) -> None:
        config = MqttConfig(host="127.0.0.1", **mqtt)
        self.port = RecordedPort(config, folder, Mailbox())
        self.wire = Wire()
        self.port._connection = self.wire  # type: ignore[assignment]
        self.port._newest._connection = self.wire  # type: ignore[assignment]
        self.port._replies._connection = self.wire  # type: ignore[assignment]

    def dropped(self) -> int:
        """What the next health report says of skipped messages."""
        before = len(self.wire.sent)
        self.port._publish_report(health())
        ((_, payload, _),) = self.wire.sent[before:]
        return int(json.loads(payload)["messages_dropped"])


@pytest.fixture
def alone(tmp_path: Path) -> Alone:
    return Alone(tmp_path)


def test_what_the_network_cannot_send_in_time_is_skipped_and_counted(alone: Alone) -> None:
    for _ in range(UNSENT_OF_A_KIND + 2):
        alone.port._newest.publish("a", b"")
    assert len(alone.wire.sent) == UNSENT_OF_A_KIND
    assert alone.dropped() == 2
    alone.wire.out = True
    alone.port._newest.publish("a", b"")
    assert alone.wire.sent[-1][0] == "a"
    assert alone.dropped() == 2


def test_what_an_ended_connection_has_not_sent_holds_nothing_up(alone: Alone) -> None:
    for _ in range(UNSENT_OF_A_KIND):
        alone.port._newest.publish("a", b"")
    alone.wire.up = False
    alone.port._newest.publish("a", b"")
    assert len(alone.wire.sent) == UNSENT_OF_A_KIND + 1


def test_what_did_not_go_to_the_network_is_not_waited_for(alone: Alone) -> None:
    alone.wire.publish = lambda *_, **__: None  # type: ignore[method-assign]
    for _ in range(UNSENT_OF_A_KIND + 1):
        alone.port._newest.publish("a", b"")
    assert alone.port._newest._unsent == {"a": deque()}
    assert alone.port._newest.skipped == 0


def test_the_oldest_report_is_skipped_when_too_many_wait(alone: Alone) -> None:
    for number in range(PENDING_REPORTS):
        alone.port._hand_over(result(number))
    assert len(alone.port._reports) == PENDING_REPORTS
    assert alone.dropped() == 0
    alone.port._hand_over(result(PENDING_REPORTS))
    assert [r.frame.number for r in alone.port._reports] == list(range(1, PENDING_REPORTS + 1))  # type: ignore[union-attr]
    assert alone.dropped() == 1


def test_without_a_broker_no_classification_waits(alone: Alone) -> None:
    alone.wire.up = False
    alone.port._write_when_due(result())
    assert not alone.port._reports
    assert not alone.port.live


def test_the_first_frame_has_its_classification_and_its_picture(tmp_path: Path) -> None:
    alone = Alone(tmp_path, image="interval", image_s=5.0)
    for captured_s in (0.5, 0.75):
        alone.port._write_when_due(result(captured_s=captured_s))
    assert len(alone.port._reports) == 1
    assert len(alone.port._images) == 1


@pytest.mark.parametrize(
    ("wanted", "pictures"), [("off", []), ("event", [2]), ("interval", [1, 3])]
)
def test_a_picture_waits_only_for_what_is_configured(
    tmp_path: Path, wanted: str, pictures: list[int]
) -> None:
    alone = Alone(tmp_path, image=wanted, image_s=2.0)
    for number in (1, 2, 3):
        events = (event(),) if number == 2 else ()
        alone.port._write_when_due(result(number, events=events, captured_s=1000.0 + number))
    assert [waiting.frame.number for waiting in alone.port._images] == pictures


def test_a_picture_that_cannot_be_made_is_told_and_one_that_nobody_would_get_is_not_made(
    alone: Alone, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    snapshot = pytest.importorskip("edged.imaging.snapshot")
    made: list[int] = []

    def refuse(seen: Result, *_: object) -> bytes:
        made.append(seen.frame.number)
        raise CameraError("a picture of nothing")

    monkeypatch.setattr(snapshot, "snapshot_jpeg", refuse)
    alone.port._publish_image(result(1))
    alone.wire.up = False
    alone.port._publish_image(result(2))
    assert (made, alone.wire.sent) == ([1], [])
    assert caplog.messages == ["no picture is sent: a picture of nothing"]


def test_the_state_is_told_once_and_again_after_a_reload(alone: Alone) -> None:
    def told() -> list[str]:
        return [topic for topic, _ in alone.port._retained.take()]

    alone.port.write(result(1))
    assert told() == ["edged/porch/camera/availability", "edged/porch/state"]
    alone.port.write(result(2))
    assert told() == []
    alone.port.reconfigure(Config(device="porch", mqtt=alone.port._mqtt))
    alone.port.write(result(3))
    assert told() == ["edged/porch/state"]


def test_it_is_live_when_the_broker_is_there_and_nothing_older_is_left(alone: Alone) -> None:
    alone.port.journal.sync()
    assert not alone.port.live
    alone.port._delivery.connected(1)
    alone.port._delivery.work()
    assert alone.port.live
    alone.wire.up = False
    assert not alone.port.live


def test_the_journal_knows_it_by_a_name_that_an_update_keeps(alone: Alone, tmp_path: Path) -> None:
    alone.port.journal.sync()
    alone.port.journal.record([event()])
    alone.port._delivery._consumer.advance(1)
    alone.port.journal.close()
    with closing(sqlite3.connect(tmp_path / "events.db")) as database:
        assert database.execute("SELECT * FROM cursor").fetchall() == [("mqtt", 1)]


def test_connecting_waits_as_long_for_the_first_result_as_it_is_told(tmp_path: Path) -> None:
    journal = Journal("porch", JournalConfig(path=str(tmp_path / "events.db")))
    port = MqttPort(Config(device="porch"), journal, Mailbox(), head_start_s=7.0)
    waits: list[float | None] = []
    begun = SimpleNamespace(wait=waits.append)
    port._connection._first_done = begun  # type: ignore[assignment]
    port._connection._stopping.set()
    port._connection._run()
    assert waits == [7.0]


def test_for_people_it_says_which_broker_and_whether_it_is_reached(tmp_path: Path) -> None:
    port = RecordedPort(MqttConfig(host="hub", port=1884), tmp_path, Mailbox())
    assert port.state == "hub:1884 away"
    port._connection._session = object()  # type: ignore[assignment]
    assert port.state == "hub:1884 connected"


def test_the_first_result_lets_connecting_begin(alone: Alone) -> None:
    alone.port.write(OutputState("lamp", 1.0, 0.0))
    assert alone.wire.steps == []
    alone.port.write(result())
    assert alone.wire.steps == ["first done"]


def test_a_reply_has_as_many_classes_as_configured(tmp_path: Path) -> None:
    alone = Alone(tmp_path, classification_top=1)
    alone.port._reply(Return("me/1", None, "snapshot"), Reply(result=result()))
    ((topic, payload, qos),) = alone.wire.sent
    assert (topic, qos) == ("me/1", 1)
    assert len(json.loads(payload)["classification"]["results"]) == 1


def test_the_client_is_called_as_configured(tmp_path: Path) -> None:
    port = RecordedPort(MqttConfig(client_id="x"), tmp_path, Mailbox())
    assert port._connection._client_id == "x"


class Patience:
    """A clock that moves with each wait."""

    def __init__(self, alone: Alone, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now_s, self.waits = 100.0, 0
        self.then = lambda: None
        self._alone = alone
        alone.port._worker = SimpleNamespace(  # type: ignore[assignment]
            is_alive=lambda: True, join=lambda _: alone.wire.steps.append("join")
        )
        monkeypatch.setattr(
            module, "time", SimpleNamespace(monotonic=lambda: self.now_s, sleep=self._wait)
        )

    def _wait(self, seconds: float) -> None:
        assert 0.0 < seconds < 0.1
        self.now_s += FAREWELL_S / 4
        self.waits += 1
        self.then()


def leave(alone: Alone) -> None:
    module.MqttPort.__exit__(alone.port)


def test_at_the_end_what_is_unacknowledged_is_waited_for_but_not_for_ever(
    alone: Alone, monkeypatch: pytest.MonkeyPatch
) -> None:
    patience = Patience(alone, monkeypatch)
    alone.port._delivery._in_flight[1] = object()  # type: ignore[assignment]
    leave(alone)
    assert (patience.waits, alone.wire.steps) == (4, ["stop", "join"])


def test_at_the_end_nothing_is_waited_for_where_nothing_is_left(
    alone: Alone, monkeypatch: pytest.MonkeyPatch
) -> None:
    patience = Patience(alone, monkeypatch)
    leave(alone)
    assert (patience.waits, alone.wire.steps) == (0, ["stop", "join"])


@pytest.mark.parametrize("left", ["_reports", "_images", "_retained"])
def test_at_the_end_what_the_worker_has_left_is_waited_for(
    alone: Alone, monkeypatch: pytest.MonkeyPatch, left: str
) -> None:
    patience = Patience(alone, monkeypatch)
    if left == "_retained":
        alone.port._retained.put("a", b"")
        patience.then = lambda: alone.port._retained.take() and None  # type: ignore[func-returns-value]
    else:
        getattr(alone.port, left).append(result(events=(event(),)))
        patience.then = lambda: getattr(alone.port, left).clear()
    leave(alone)
    assert patience.waits == 1


def test_at_the_end_nobody_is_waited_for_without_a_broker(
    alone: Alone, monkeypatch: pytest.MonkeyPatch
) -> None:
    patience = Patience(alone, monkeypatch)
    alone.wire.up = False
    alone.port._retained.put("a", b"")
    leave(alone)
    assert patience.waits == 0


def test_events_that_were_lost_are_told_with_the_health(alone: Alone) -> None:
    alone.port._delivery._consumer.dropped = 3
    alone.port._publish_report(health())
    assert json.loads(alone.wire.sent[-1][1])["events_dropped"] == 3


@pytest.mark.parametrize(
    ("due_s", "now_s", "next_s"), [(10.0, 10.0, 11.0), (10.0, 10.5, 11.0), (0.0, 1.0, 2.0)]
)
def test_a_rate_holds_on_average_and_nothing_is_caught_up_with(
    due_s: float, now_s: float, next_s: float
) -> None:
    assert module._next_due_s(due_s, 1.0, now_s) == next_s
