"""A device in the field for tests: its daemon, its broker, what stands before its camera."""

from __future__ import annotations

import json
import shutil
import signal
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

from edged.errors import CommandError
from edged.paths import bundled_model
from edged.ports.control.client import ControlClient, DaemonError
from tests.daemon_model import LABELS, OTHER_LABEL, Wanted
from tests.mosquitto import LIMIT_S, Broker, Listener, wait_until
from tests.test_daemon import PICTURES, Running

CONFIG = """
device = "test"

[camera]
kind = "directory"
source = "{folder}/pictures"
fps = {fps}
lost_after_s = 3600.0
retry_min_s = 0.05
retry_max_s = 0.1

[model]
threads = {threads}
labels = "{labels}"

[decide]
smoothing_s = 0.0
# The rocket is no ship to the model.
unknown_share = 0.0
enter = {enter}
exit = {exit}

{rules}

[idle]
after_s = {idle_s}

[gpio]
factory = "mock"

[[output]]
name = "lamp"
pin = 17
{drive}

[[output]]
name = "bell"
pin = 27
action = "manual"
on_exit = "keep"

[mqtt]
host = "127.0.0.1"
port = {port}
retry_min_s = 0.05
retry_max_s = 0.1
health_s = 0.2
classification_hz = 10.0

[journal]
path = "{folder}/events.sqlite"
sync_s = {sync_s}

[control]
socket = "{folder}/edged.sock"
"""

RULE = """
[[rule]]
name = "{name}"
labels = ["{label}"]
"""

DAMAGE: dict[str, Callable[[str], str]] = {
    "empty": lambda text: text[:0],
    "half-written": lambda text: text[: text.index('name = "cat') + 8],
    "out of range": lambda text: text.replace("enter = ", "enter = 7"),
    "misspelt": lambda text: text.replace("fps = ", "fsp = "),
    "unknown label": lambda text: text.replace('["cat"]', '["dragon"]'),
    "no model": lambda text: text.replace("[model]", '[model]\npath = "/nowhere.tflite"'),
}
"""What a configuration becomes that is refused; beside these a file that is gone, and a FIFO."""


def write_labels(folder: Path) -> None:
    """The bundled model's, and the same without that of the rocket."""
    labels = bundled_model().with_suffix(".labels.txt").read_text()
    (folder / "labels.txt").write_text(labels)
    (folder / "other.txt").write_text(labels.replace(LABELS["rocket"], OTHER_LABEL))


def configuration(wanted: Wanted, folder: Path, idle_s: float, sync_s: float, port: int) -> str:
    """What the file of a daemon says that lives in `folder`, where the label files are."""
    names = [name for name in LABELS if getattr(wanted, name)]
    return CONFIG.format(
        folder=folder,
        fps=wanted.fps,
        threads=wanted.threads,
        labels=folder / ("other.txt" if wanted.other_labels else "labels.txt"),
        enter=1.0 if wanted.strict else 0.3,
        exit=1.0 if wanted.strict else 0.1,
        rules="".join(RULE.format(name=name, label=LABELS[name]) for name in names),
        idle_s=idle_s if wanted.idles else 0.0,
        drive='rule = "cat"' if wanted.cat else 'action = "manual"',
        port=port,
        sync_s=sync_s,
    )


def soon(get: Callable[[], Any], wanted: Any) -> None:
    """Fail where `get()` does not become `wanted` within the limit."""
    give_up_s = time.monotonic() + LIMIT_S
    while (found := get()) != wanted and time.monotonic() < give_up_s:
        time.sleep(0.01)
    assert found == wanted


class Subscriber:
    """Somebody whose session at the broker persists, and what of the daemon is known.

    ``known`` has the events, as the broker or the journal told them.
    """

    def __init__(self, port: int) -> None:
        self._port = port
        self._listener: Listener | None = None
        self.known: dict[int, dict[str, Any]] = {}
        self.heard: list[int] = []
        self.gaps: dict[tuple[int, int], str] = {}
        self.after = 0
        """The highest number of the runs before: what is new is higher."""
        self._newest: dict[str, bytes] = {}

    def connect(self) -> None:
        self._listener = Listener(self._port, "edged/test/#", client_id="subscriber")

    def part(self) -> None:
        if self._listener is not None:
            self._listener.__exit__()
            self.hear()
        self._listener = None

    def send(self, topic: str, payload: str) -> None:
        assert self._listener is not None
        self._listener.send(f"edged/test/{topic}", payload)

    def newest(self, topic: str) -> Any:
        """The newest message on a topic, which the broker retains."""
        self.hear()
        payload = self._newest.get(topic, b"null")
        return json.loads(payload) if payload[:1] in b"{n" else payload.decode()

    def retained(self, topic: str) -> bytes:
        """What somebody hears on a topic who comes only now."""
        with Listener(self._port, f"edged/test/{topic}") as late:
            return late.next().payload

    def hear(self) -> None:
        """Take in what has come."""
        while self._listener is not None and not self._listener.messages.empty():
            message = self._listener.messages.get()
            topic = message.topic.removeprefix("edged/test/")
            if topic == "event":
                self._take(json.loads(message.payload))
            elif topic != "image":
                self._newest[topic] = message.payload

    def _take(self, told: dict[str, Any]) -> None:
        if told["type"] == "gap":
            self.gaps[told["first"], told["last"]] = told["reason"]
            return
        number = told["number"]
        if number not in self.heard:
            assert not self.heard or number > self.heard[-1], "out of order"
            self.heard.append(number)
        self.know(told)

    def know(self, event: dict[str, Any]) -> None:
        """No number is ever two events."""
        number = event["number"]
        assert number in self.known or number > self.after, "a number of an earlier run"
        event["replayed"] = None
        assert self.known.setdefault(number, event) == event

    def run(self) -> list[tuple[str, bool]]:
        """The events of the present run, which no number may be missing between.

        Without those that end what the run before had left open.
        """
        numbers = sorted(number for number in self.known if number > self.after)
        assert not numbers or numbers == list(range(numbers[0], numbers[-1] + 1))
        told = [self.known[number] for number in numbers]
        return [(one["rule"], one["active"]) for one in told if one["reason"] != "restart"]

    def held(self) -> set[str]:
        """The rules that hold by the newest event of each."""
        newest = {one["rule"]: one["active"] for _, one in sorted(self.known.items())}
        return {rule for rule, active in newest.items() if active}


class Device:
    """The daemon as a process, and who talks to it."""

    def __init__(self, folder: Path, broker: Broker, idle_s: float) -> None:
        (folder / "pictures").mkdir(parents=True)
        write_labels(folder)
        self.folder = folder
        self.broker = broker
        self.broker_is_up = True
        self.daemon = Running(folder / "edged.toml")
        self.client = ControlClient(folder / "edged.sock")
        self.subscriber = Subscriber(broker.port)
        self.subscriber.connect()
        self.sync_s = 0.05
        self._idle_s = idle_s
        self._requests = 0

    def put(self, picture: str) -> None:
        """Before the camera, at once and whole."""
        place, beside = self.folder / "pictures" / "a.jpg", self.folder / "b.jpg"
        if picture == "none":
            place.unlink(missing_ok=True)
            return
        if picture == "damaged":
            beside.write_bytes((PICTURES / "cat.jpg").read_bytes()[:300])
        else:
            shutil.copy(PICTURES / f"{picture}.jpg", beside)
        beside.replace(place)

    def write(self, wanted: Wanted) -> str:
        """The configuration file."""
        text = configuration(wanted, self.folder, self._idle_s, self.sync_s, self.broker.port)
        self.daemon.config.write_text(text)
        return text

    def switch_broker(self) -> None:
        """Off or on; the subscriber's session outlives it."""
        if self.broker_is_up:
            self.subscriber.part()
            self.broker.stop()
        else:
            self.broker.start()
            self.subscriber.connect()
        self.broker_is_up = not self.broker_is_up

    def ask(self, command: str, **fields: object) -> dict[str, Any] | None:
        """What is answered over the socket; None refuses."""
        try:
            return self.client.ask(command, **fields)[0]
        except CommandError:
            return None

    def ask_over(self, way: str, command: str) -> dict[str, Any] | None:
        """The same, or over MQTT where the broker is up."""
        if way == "socket" or not self.broker_is_up:
            return self.ask(command)
        reply = self.reply_to(command)
        # One after the other: now the broker knows, too, that the command has come.
        self.reply_to("status")
        return reply if reply["ok"] else None

    def reply_to(self, command: str) -> dict[str, Any]:
        self._requests += 1
        request = {"command": command, "id": self._requests}
        self.subscriber.send("command", json.dumps(request))
        soon(lambda: (self.subscriber.newest("command/reply") or {}).get("id"), self._requests)
        reply: dict[str, Any] = self.subscriber.newest("command/reply")
        return reply

    def reload(self, *, by_signal: bool) -> list[str] | None:
        """What waits for a restart; None refuses. What a signal does is in the log alone."""
        if not by_signal:
            answer = self.ask("reload")
            return None if answer is None else sorted(answer["data"]["restart_for"])
        before = self._reloads()
        self.daemon.send_signal(signal.SIGHUP)
        wait_until(lambda: self._reloads() != before)
        return None if self._reloads()[1] != before[1] else []

    def _reloads(self) -> tuple[int, int]:
        log = self.daemon.log.read_text()
        return log.count("configuration reloaded"), log.count("refused; nothing has changed")

    def read_journal(self) -> list[int]:
        """The numbers of the events that `edged events` tells, where there are any."""
        done = self.daemon.edged("events", "--json")
        assert (done.returncode, done.stderr) == (0, ""), done
        told = [json.loads(line) for line in done.stdout.splitlines()]
        events = [one for one in told if one["type"] == "event"]
        for event in events:
            self.subscriber.know(event)
        return [event["number"] for event in events]

    def flood(self) -> None:
        """Ask until nobody answers any more."""
        with suppress(DaemonError):
            while True:
                for command in ("snapshot", "status", "status"):
                    with suppress(CommandError, ValueError):
                        self.client.ask(command)
