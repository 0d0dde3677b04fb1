"""MQTT as a port: every report becomes messages, and commands come back."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from edged.clock import read as read_clock
from edged.commands import Reply
from edged.config.schema import Config
from edged.core import (
    CameraChanged,
    CameraThere,
    Ended,
    Event,
    Health,
    OutputState,
    Report,
    Result,
    Snapshot,
    Undecided,
)
from edged.journal.journal import Journal
from edged.mailbox import Mailbox
from edged.messages import device as device_messages
from edged.messages import results
from edged.messages.message import Message, Moment
from edged.messages.replies import MqttMetrics
from edged.ports.mqtt import discovery
from edged.ports.mqtt.callbacks import Callbacks
from edged.ports.mqtt.commands import Commands, Return
from edged.ports.mqtt.connection import FAREWELL_S, Connection
from edged.ports.mqtt.delivery import Delivery
from edged.ports.mqtt.events import Events
from edged.ports.mqtt.feed import Feed
from edged.ports.mqtt.memory import Memory
from edged.ports.mqtt.newest import Newest
from edged.ports.mqtt.problems import Problems
from edged.ports.mqtt.receipts import Receipts
from edged.ports.mqtt.replies import Replies
from edged.ports.mqtt.retained import Payload, Retained
from edged.ports.mqtt.topics import Topics
from edged.redact import redacted

if TYPE_CHECKING:
    from paho.mqtt.client import MQTTMessage

log = logging.getLogger(__name__)

ONLINE, OFFLINE = b"online", b"offline"


class MqttPort:
    """Publishes reports under ``<prefix>/<device>``; docs/mqtt.md describes every message.

    Its threads: the connection's (and the network library's), and a worker for everything slow:
    pictures, events from the journal, and every message without urgency. Only new events go from
    `write` directly to the network's thread. Entering starts the threads without waiting: neither
    the broker nor the disk delays the start.
    """

    def __init__(
        self,
        config: Config,
        journal: Journal,
        mailbox: Mailbox,
        *,
        memory: Path | None = None,
        head_start_s: float = 0.0,
        clock: Callable[[], float] = time.monotonic,
        wall_clock: Callable[[], float] = time.time,
    ) -> None:
        """`head_start_s` is how long connecting waits for the first result, `memory` a file.

        ConfigError if a file that ``mqtt`` names is missing.
        """
        self._config = config
        self._mqtt = mqtt = config.mqtt
        self._clock = clock
        self._wall_clock = wall_clock
        self._topics = topics = Topics(mqtt, config.device)
        outputs = [output.name for output in config.output]
        self._commands = Commands(topics, mailbox, self._reply)
        self._commands.reconfigure(config)
        self._memory = Memory(memory, config.device)
        self._problems = Problems()
        self._retained = Retained(self._memory)
        self._births = {discovery.birth_topic(config)} if mqtt.home_assistant.enabled else set()
        self._health: Health | None = None
        self._work_due = threading.Event()
        states = (topics.state, topics.camera, *map(topics.output_state, outputs))
        self._empty_the_unwanted({*self._describe(), *states})
        self._memory.retain([topics.availability])
        asked = (topics.command, topics.any_output_set) if mqtt.commands else ()
        each = (topics.command, *map(topics.output_set, outputs)) if mqtt.commands else ()
        receipts = (topics.any_receipt,) if mqtt.receipts else ()
        self._connection = Connection(
            mqtt,
            mqtt.client_id or self._memory.client_id,
            topics.availability,
            (*asked, *receipts, *self._births),
            Callbacks(
                up=self._connected,
                down=self._disconnected,
                acknowledged=self._acknowledged,
                message=self._heard,
                stale=self._heard_late,
                refused=lambda packet, again: self._delivery.refused(packet, again),
                problem=self._tell_problem,
            ),
            without_wildcards=(*each, *self._births),
            heard_s=self._memory.heard_s,
            head_start_s=head_start_s,
        )
        self._newest = Newest(self._connection)
        self._replies = Replies(self._connection, topics.reply)
        self._feed = Feed(
            mqtt,
            topics,
            self._connection,
            self._newest,
            self._memory,
            self._work_due.set,
            self._now,
            self._health_message,
        )
        events = Events(mqtt, topics)
        self._delivery = Delivery(
            journal.consumer("mqtt", self._work_due.set),
            lambda payload: events.publish(self._connection.publish, payload),
            self._work_due.set,
            (mqtt.retry_min_s, mqtt.retry_max_s),
        )
        self._receipts = Receipts(self._delivery.resend_after, lambda: journal.last, clock)
        self._worker = threading.Thread(target=self._work, name="mqtt-worker", daemon=True)
        self._reading = read_clock(wall_clock)
        self._closing = self._working = False
        self._state_key: object = None
        self._camera = b""
        self._to_announce = self._to_describe = False
        self._connections = 0

    def __enter__(self) -> MqttPort:
        # Replaces what an earlier run left at the broker: nothing is known before the first frame.
        self._nothing_known("edged has just started")
        self._tell_camera(OFFLINE)
        self._worker.start()
        self._connection.start()
        return self

    def __exit__(self, *exception: object) -> None:
        """Wait briefly for acknowledgements, publish ``offline``."""
        give_up_s = time.monotonic() + FAREWELL_S
        while self._connection.up and time.monotonic() < give_up_s:
            if self._delivery.settled() and not self._left_to_do():
                break
            time.sleep(0.005)
        self._connection.stop()
        self._closing = True
        self._work_due.set()
        if self._worker.is_alive():
            self._worker.join(5.0)

    @property
    def live(self) -> bool:
        """Whether an event is sent at once: connected, and no older one is left."""
        return self._connection.up and self._delivery.live

    @property
    def state(self) -> str:
        """The broker and whether it is connected, for people."""
        state = "connected" if self._connection.up else "disconnected"
        return f"{redacted(self._connection.broker)} {state}"

    @property
    def error(self) -> str | None:
        """Why the broker is not connected; None if it is, or is not known yet."""
        return self._connection.error

    def metrics(self) -> MqttMetrics:
        """The counters since the start."""
        return MqttMetrics(
            connected=self._connection.up,
            connections=self._connections,
            events_dropped=self._delivery.dropped,
            events_refused=self._delivery.refused_events,
            messages_dropped=self._dropped(),
        )

    def _dropped(self) -> int:
        # Each counts its own: several threads that add to one number lose some.
        parts = (self._retained, self._newest, self._replies, self._feed)
        return sum(part.skipped for part in parts)

    def problems(self) -> list[str]:
        """What the broker refuses or lacks at present, one line each."""
        return self._problems.lines()

    def reconfigure(self, config: Config) -> None:
        """Apply rules, rates and picture options; the connection stays open."""
        self._config, self._mqtt = config, config.mqtt
        self._feed.mqtt = config.mqtt
        self._commands.reconfigure(config)
        if not config.mqtt.image_retain and self._topics.image in self._memory.retained:
            self._retain(self._topics.image, b"")
        self._to_describe = True
        self._work_due.set()
        # The rules may have changed, even if none has become active.
        self._state_key = None

    def write(self, report: Report) -> None:
        """Publish the messages of `report`; takes tens of microseconds at most."""
        match report:
            case Result():
                self._deliver(report.events)
                self._tell_camera(ONLINE)
                self._write_state(report)
                self._feed.offer(report)
                self._connection.first_done()
            case OutputState():
                topic = self._topics.output_state(report.name)
                self._retain_dated(topic, partial(device_messages.output, report))
            case Undecided():
                self._nothing_known(None)
            case Ended():
                self._deliver(report.events)
                if report.reason != "restart":
                    self._tell_camera(OFFLINE)
                    self._nothing_known(report.why)
            case Snapshot():
                self._feed.put_image(report.result)
            case Health():
                self._health = report
                self._feed.put(report)
            case CameraChanged():
                self._deliver(report.events)
            case CameraThere() if self._camera != ONLINE:
                # Its frames are not classified: paused or idle.
                self._tell_camera(ONLINE)
                self._nothing_known(None)

    def _deliver(self, events: Sequence[Event]) -> None:
        for event in events:
            self._delivery.put(event.number)

    def _describe(self) -> list[str]:
        """Retain the device's description before its states; returns the topics."""
        said = list(discovery.described(self._config, self._topics, self._memory, self._now()))
        for topic, payload in said:
            self._retain(topic, payload)
        return [topic for topic, _ in said]

    def _heard(self, message: MQTTMessage) -> None:
        if self._is_birth(message):
            if bytes(message.payload) == b"online" and not message.retain:
                # Home Assistant has restarted, and needs the discovery message.
                self._send_again()
                if self._health is not None:
                    self._feed.put(self._health)
        elif self._take_receipt(message):
            pass
        elif self._mqtt.commands:
            self._commands.take(message)

    def _heard_late(self, message: MQTTMessage) -> None:
        # Not needed for a birth message while we were disconnected: connecting sends everything.
        if self._is_birth(message) or self._take_receipt(message):
            return
        if self._mqtt.commands:
            self._commands.refuse_stale(message)

    def _take_receipt(self, message: MQTTMessage) -> bool:
        """Whether it is one. A retained one may be of a consumer that no longer exists."""
        try:
            name = self._topics.consumer_of(message.topic)
        except UnicodeDecodeError:
            return False
        if name is not None and not message.retain:
            self._receipts.take(name, bytes(message.payload))
        return name is not None

    def _is_birth(self, message: MQTTMessage) -> bool:
        try:
            return message.topic in self._births
        except UnicodeDecodeError:
            return False

    def _nothing_known(self, reason: str | None) -> None:
        self._state_key = None
        self._retain_dated(self._topics.state, partial(results.undecided, reason))

    def _tell_camera(self, availability: bytes) -> None:
        if availability != self._camera:
            self._camera = availability
            self._retain(self._topics.camera, availability)

    def _left_to_do(self) -> bool:
        waiting = self._retained or self._replies or self._feed
        return bool(self._working or waiting)

    def _write_state(self, result: Result) -> None:
        scene = result.scene
        key = (scene.name, scene.active)
        if key != self._state_key:
            self._state_key = key
            # Without the frame, whose pixels are no longer needed.
            state = partial(results.state, scene, result.frame.number)
            self._retain_dated(self._topics.state, state)

    def _retain(self, topic: str, payload: Payload) -> None:
        self._retained.put(topic, payload)
        self._work_due.set()

    def _retain_dated(self, topic: str, message: Callable[[Moment], Message]) -> None:
        """`message` is called each time it is sent: its dates are by the clock of that time."""
        made_s = self._clock()
        self._retain(topic, lambda: message(self._now()._replace(now_s=made_s)).json())

    def _connected(self, window: int) -> None:
        self._connections += 1
        self._send_again()
        self._delivery.connected(window)

    def _send_again(self) -> None:
        self._retained.send_again()
        self._to_announce = True
        self._work_due.set()

    def _disconnected(self) -> None:
        self._memory.heard(self._connection.heard_s)
        self._delivery.disconnected()

    def _acknowledged(self, packet: int) -> None:
        self._retained.acknowledged(packet)
        self._delivery.acknowledged(packet)

    def _tell_problem(self, about: str, problem: str | None) -> None:
        self._problems.tell(self._connection.broker, about, problem)

    def _empty_the_unwanted(self, wanted: set[str]) -> None:
        """Topics of removed outputs and options of an earlier run may still be retained."""
        wanted.add(self._topics.availability)
        if self._mqtt.image_retain:
            wanted.add(self._topics.image)
        for topic in self._memory.retained:
            if topic not in wanted:
                self._retained.put(topic, b"")

    def _reply(self, where: Return, reply: Reply) -> None:
        message = reply.message(
            self._now(), where.request, where.id, top=self._mqtt.classification_top
        )
        self._replies.put(where, message.json())

    def _work(self) -> None:
        while not self._closing:
            self._work_due.wait(self._delivery.due_in_s())
            # Before the first item is taken, so that a stop loses none in transit.
            self._working = True
            self._work_due.clear()
            if self._to_describe:
                # Not in the loop: for thousands of rules it takes tens of milliseconds.
                self._to_describe = False
                self._describe()
            self._retained.publish(self._connection.publish)
            if self._to_announce:
                # A subscriber that sees the device online must not read outdated states.
                self._to_announce = False
                self._connection.announce()
            self._replies.publish()
            self._delivery.work()
            self._feed.publish()
            self._working = False
        self._memory.save()

    def _health_message(self, report: Health) -> Message:
        self._look_at_clock()
        return device_messages.health(
            report,
            self._now(),
            events_dropped=self._delivery.dropped,
            events_refused=self._delivery.refused_events,
            messages_dropped=self._dropped(),
            broker_problems=self.problems(),
        )

    def _look_at_clock(self) -> None:
        """Retained messages are republished with the right time once the clock has been set."""
        before, self._reading = self._reading, read_clock(self._wall_clock)
        if before.correction_s(self._reading):
            self._retained.send_again()
            self._work_due.set()

    def _now(self) -> Moment:
        return Moment.now(self._config.device, self._clock, self._wall_clock)
