"""The port without its threads and without a broker: what waits, what is skipped, how it ends."""

from __future__ import annotations

import json
import sqlite3
from collections import deque
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from edged.commands import Reply
from edged.config.schema import Config, JournalConfig, MqttConfig
from edged.core import Ended, OutputState, Result
from edged.errors import CameraError
from edged.journal.journal import Journal
from edged.mailbox import Mailbox
from edged.ports.mqtt import port as module
from edged.ports.mqtt.commands import Return
from edged.ports.mqtt.connection import FAREWELL_S
from edged.ports.mqtt.feed import PENDING_REPORTS, next_due_s
from edged.ports.mqtt.limits import TooLargeError
from edged.ports.mqtt.memory import Memory
from edged.ports.mqtt.newest import UNSENT_OF_A_KIND
from edged.ports.mqtt.port import MqttPort
from edged.ports.mqtt.replies import PENDING as PENDING_REPLIES
from tests.ports.mqtt.recorded import RecordedPort
from tests.ports.mqtt.reports import event, health, result

HEATER, IMAGE = "edged/porch/output/heater/state", "edged/porch/image"


class Wire:
    """A connection that remembers; what is sent goes out when the test says so.

    It takes nothing while it is not ``open``, and never what is ``too_large``.
    """

    heard_s = 0.0

    def __init__(self) -> None:
        self.up = self.open = True
        self.too_large: set[str] = set()
        self.steps: list[str] = []
        self.sent: list[tuple[str, bytes, int]] = []
        self.out = False
        self.before: Callable[[], object] = lambda: None

    def publish(self, topic: str, payload: bytes, qos: int = 0, **_: object) -> Any:
        self.before()
        if topic in self.too_large:
            raise TooLargeError(topic)
        if not self.open:
            return None
        self.sent.append((topic.removeprefix("edged/porch/"), payload, qos))
        return SimpleNamespace(mid=len(self.sent), is_published=lambda: self.out)

    def first_done(self) -> None:
        self.steps.append("first done")

    def announce(self) -> None:
        self.steps.append("announce")

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
        self.port._feed._connection = self.wire  # type: ignore[assignment]

    def turn(self) -> None:
        """One turn of the worker."""
        self.port._closing = False
        self.port._work_due = SimpleNamespace(  # type: ignore[assignment]
            wait=lambda _: setattr(self.port, "_closing", True),
            clear=lambda: None,
            set=lambda: None,
        )
        self.port._work()

    def dropped(self) -> int:
        """What the next health report says of skipped messages."""
        before = len(self.wire.sent)
        self.port._feed.publish_report(health())
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
        alone.port._feed.put(result(number))
    assert len(alone.port._feed.reports) == PENDING_REPORTS
    assert alone.dropped() == 0
    alone.port._feed.put(result(PENDING_REPORTS))
    assert [r.frame.number for r in alone.port._feed.reports] == list(range(1, PENDING_REPORTS + 1))  # type: ignore[union-attr]
    assert alone.dropped() == 1


def test_what_is_skipped_while_the_worker_sends_is_counted(alone: Alone) -> None:
    """The loop and the worker count at the same time, and neither loses what the other counts."""

    def too_many() -> None:
        alone.wire.before = lambda: None
        for number in range(PENDING_REPORTS + 1):
            alone.port._feed.put(result(number))

    alone.wire.out = True
    alone.wire.before = too_many
    alone.port._retain("edged/porch/large", b"x")
    alone.wire.too_large = {"edged/porch/large"}
    alone.turn()
    assert alone.dropped() == 2
    assert alone.port.metrics().messages_dropped == 2


def test_the_metrics_count_every_skipped_message(alone: Alone) -> None:
    for _ in range(UNSENT_OF_A_KIND + 3):
        alone.port._newest.publish("a", b"")
    for number in range(PENDING_REPORTS + 1):
        alone.port._feed.put(result(number))
    assert alone.port.metrics().messages_dropped == 4


def test_without_a_broker_no_classification_waits(alone: Alone) -> None:
    alone.wire.up = False
    alone.port._feed.offer(result())
    assert not alone.port._feed.reports
    assert not alone.port.live


def test_the_first_frame_has_its_classification_and_its_picture(tmp_path: Path) -> None:
    alone = Alone(tmp_path, image="interval", image_s=5.0)
    for captured_s in (0.5, 0.75):
        alone.port._feed.offer(result(captured_s=captured_s))
    assert len(alone.port._feed.reports) == 1
    assert len(alone.port._feed.images) == 1


@pytest.mark.parametrize(
    ("wanted", "pictures"), [("off", []), ("event", [2]), ("interval", [1, 3])]
)
def test_a_picture_waits_only_for_what_is_configured(
    tmp_path: Path, wanted: str, pictures: list[int]
) -> None:
    alone = Alone(tmp_path, image=wanted, image_s=2.0)
    for number in (1, 2, 3):
        events = (event(),) if number == 2 else ()
        alone.port._feed.offer(result(number, events=events, captured_s=1000.0 + number))
    assert [waiting.frame.number for waiting in alone.port._feed.images] == pictures


def test_a_picture_that_cannot_be_made_is_told_and_one_that_nobody_would_get_is_not_made(
    alone: Alone, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    snapshot = pytest.importorskip("edged.imaging.snapshot")
    made: list[int] = []

    def refuse(seen: Result, *_: object) -> bytes:
        made.append(seen.frame.number)
        raise CameraError("a picture of nothing")

    monkeypatch.setattr(snapshot, "snapshot_jpeg", refuse)
    alone.port._feed.publish_image(result(1))
    alone.wire.up = False
    alone.port._feed.publish_image(result(2))
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


def test_what_is_retained_is_dated_anew_once_the_clock_was_set(tmp_path: Path) -> None:
    wall_s = 30.0
    journal = Journal("porch", JournalConfig(path=str(tmp_path / "events.db")))
    port = MqttPort(
        Config(device="porch"),
        journal,
        Mailbox(),
        clock=lambda: 100.0,
        wall_clock=lambda: wall_s,
    )
    wire = Wire()
    port._connection = wire  # type: ignore[assignment]

    def dates() -> set[str]:
        told = [json.loads(payload) for _, payload, _ in wire.sent if payload[:1] == b"{"]
        wire.sent.clear()
        told = [one for one in told if one.get("type") in ("state", "output")]
        dates = [one["time"] for one in told]
        dates += [one["rules"]["cat"]["since"] for one in told if one["type"] == "state"]
        return {date[:16] for date in dates}

    port.write(result(1, captured_s=99.0))
    port.write(OutputState("lamp", 1.0, 99.0))
    port._retained.publish(wire.publish)
    assert dates() == {"1970-01-01T00:00"}
    port._feed.publish_report(health())
    port._retained.publish(wire.publish)
    assert dates() == set()
    wall_s = 1.8e9
    port._feed.publish_report(health())
    port._retained.publish(wire.publish)
    assert dates() == {"2027-01-15T07:59", "2027-01-15T08:00"}


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
    assert port.state == "hub:1884 disconnected"
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


@pytest.mark.parametrize("left", ["reports", "images", "_retained", "_working", "a reply"])
def test_at_the_end_what_the_worker_has_left_is_waited_for(
    alone: Alone, monkeypatch: pytest.MonkeyPatch, left: str
) -> None:
    patience = Patience(alone, monkeypatch)
    if left == "_retained":
        alone.port._retained.put("a", b"")
        patience.then = lambda: alone.port._retained.take() and None  # type: ignore[func-returns-value]
    elif left == "_working":
        alone.port._working = True
        patience.then = lambda: setattr(alone.port, left, False)
    elif left == "a reply":
        alone.wire.open = False
        alone.port._reply(Return("me/1", None), Reply())
        alone.wire.open = True
        patience.then = lambda: alone.port._reply(Return("me/2", None), Reply())
    else:
        getattr(alone.port._feed, left).append(result(events=(event(),)))
        patience.then = lambda: getattr(alone.port._feed, left).clear()
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
    alone.port._feed.publish_report(health())
    assert json.loads(alone.wire.sent[-1][1])["events_dropped"] == 3


@pytest.mark.parametrize(
    ("due_s", "now_s", "next_s"), [(10.0, 10.0, 11.0), (10.0, 10.5, 11.0), (0.0, 1.0, 2.0)]
)
def test_a_rate_holds_on_average_and_nothing_is_caught_up_with(
    due_s: float, now_s: float, next_s: float
) -> None:
    assert next_due_s(due_s, 1.0, now_s) == next_s


def test_an_event_goes_out_with_qos_1(alone: Alone) -> None:
    alone.port.journal.sync()
    alone.port._delivery.connected(1)
    alone.port._delivery.work()
    alone.port.write(result(events=(event(),)))
    assert [(topic, qos) for topic, _, qos in alone.wire.sent if topic == "event"] == [("event", 1)]


def test_after_the_connection_is_lost_nothing_is_live(alone: Alone) -> None:
    alone.port.journal.sync()
    alone.port._delivery.connected(1)
    alone.port._delivery.work()
    alone.port._disconnected()
    assert not alone.port.live


def test_what_an_earlier_run_left_open_says_nothing_of_the_camera_or_the_scene(
    alone: Alone,
) -> None:
    alone.port.write(result())
    alone.port._retained.take()
    alone.port.write(Ended("restart", "edged had ended unexpectedly"))
    assert alone.port._retained.take() == []


@pytest.mark.parametrize(("kept", "emptied"), [(True, [HEATER]), (False, [HEATER, IMAGE])])
def test_at_the_start_what_is_not_wanted_any_more_is_emptied(
    tmp_path: Path, kept: bool, emptied: list[str]
) -> None:
    memory = Memory(tmp_path / "events.db.mqtt", "porch")
    memory.retain([HEATER, "edged/porch/availability", "edged/porch/state", IMAGE])
    memory.save()
    port = Alone(tmp_path, image_retain=kept).port
    assert [topic for topic, payload in port._retained.take() if not payload] == emptied


def test_a_picture_that_is_still_to_be_kept_is_not_emptied_at_a_reload(tmp_path: Path) -> None:
    alone = Alone(tmp_path, image_retain=True)
    alone.port._memory.retain([IMAGE])
    alone.port.reconfigure(alone.port._config)
    assert IMAGE not in dict(alone.port._retained.take())


def test_what_is_retained_needs_no_acknowledgement_and_what_is_emptied_does(alone: Alone) -> None:
    alone.port._retained.put("a", b"1")
    alone.port._retained.put("b", b"")
    alone.turn()
    assert alone.wire.sent == [("a", b"1", 0), ("b", b"", 1)]


def test_a_topic_is_known_to_the_next_run_before_anything_is_retained_on_it(
    alone: Alone, tmp_path: Path
) -> None:
    known: list[list[str]] = []
    path = tmp_path / "events.db.mqtt"
    alone.wire.before = lambda: known.append(Memory(path, "porch").retained)
    alone.port._retained.put("a", b"1")
    alone.turn()
    assert known == [["edged/porch/availability", "a"]]


def test_what_is_retained_waits_while_the_broker_takes_nothing(alone: Alone) -> None:
    alone.wire.open = False
    alone.port._retained.put("a", b"1")
    alone.turn()
    assert alone.wire.sent == []
    alone.wire.open = True
    alone.turn()
    alone.turn()
    assert alone.wire.sent == [("a", b"1", 0)]


def test_what_is_in_the_worker_s_hands_is_left_to_do(alone: Alone) -> None:
    left: list[bool] = []
    alone.wire.before = lambda: left.append(alone.port._left_to_do())
    alone.port._retained.put("a", b"1")
    alone.turn()
    assert (left, alone.port._left_to_do()) == ([True], False)


def test_an_answer_and_a_state_that_are_too_large_are_counted_and_hold_nothing_up(
    alone: Alone,
) -> None:
    alone.wire.too_large = {"me/1", "a"}
    alone.port._reply(Return("me/1", None), Reply())
    assert alone.dropped() == 1
    alone.port._retained.put("a", b"1")
    alone.turn()
    assert alone.dropped() == 2
    assert not alone.port._left_to_do()


def test_the_oldest_answer_is_skipped_when_too_many_wait(alone: Alone) -> None:
    alone.wire.open = False
    for number in range(PENDING_REPLIES + 1):
        alone.port._reply(Return(f"me/{number}", None), Reply())
    alone.wire.open = True
    alone.turn()
    assert [topic for topic, _, _ in alone.wire.sent] == [
        f"me/{number}" for number in range(1, PENDING_REPLIES + 1)
    ]
    assert alone.dropped() == 1


def test_to_send_everything_again_the_worker_is_woken(alone: Alone) -> None:
    alone.port._work_due.clear()
    alone.port._send_again()
    assert alone.port._work_due.is_set()
