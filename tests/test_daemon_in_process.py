"""The whole daemon in a thread of this process: what changes while it runs, and how it ends."""

from __future__ import annotations

import gc
import io
import json
import logging
import os
import re
import shutil
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, suppress
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from PIL import Image

from edged import build, reload
from edged.commands import Reload, Request, Wake
from edged.config import saved
from edged.config.schema import JournalConfig
from edged.core import (
    UNDECIDED,
    CameraChanged,
    Deciding,
    Drift,
    Ended,
    Event,
    Report,
    Undecided,
)
from edged.daemon import Daemon, EndLeftOpen
from edged.errors import CommandError, ConfigError
from edged.journal.journal import Journal
from edged.journal.paths import journal_path
from edged.journal.reader import Reader
from edged.logs import TextFormat
from edged.mailbox import CONTROLS
from edged.notify import Notifier
from edged.opening import Opening
from edged.paths import bundled_model
from edged.perception.perception import Perception
from edged.ports.control.client import (
    ControlClient,
    DaemonAbsentError,
    DaemonError,
    RefusedError,
)
from edged.ports.gpio.port import GpioPort
from edged.ports.log import LogPort
from edged.ports.mqtt.connection import Connection
from tests.mosquitto import LIMIT_S, Broker, Listener, broker, brokers, free_port, wait_until
from tests.ports.webhook.strict_receiver import StrictReceiver
from tests.teaching.pictures import picture

__all__ = ["broker", "brokers"]

PICTURES = Path(__file__).parent / "pictures"

CONFIG = """
device = "test"

[camera]
kind = "directory"
source = "{picture}"
fps = 200.0

[model]
threads = 1

[decide]
smoothing_s = 0.0
enter = 0.3
exit = 0.1

[[rule]]
name = "cat"
labels = ["cat"]

[mqtt]
enabled = false
health_s = 0.0

[control]
socket = "{folder}/edged.sock"
"""

LAMP = """
[gpio]
factory = "mock"

[[output]]
name = "lamp"
pin = 17
rule = "cat"
"""


class Told(Notifier):
    """What systemd was told, without the watchdog's beat."""

    def __init__(self) -> None:
        super().__init__({})
        self.states: list[str] = []
        self.lines: list[str] = []

    def ready(self) -> None:
        self.states.append("ready")

    def reloading(self) -> None:
        self.states.append("reloading")

    def stopping(self) -> None:
        self.states.append("stopping")

    def status(self, text: str) -> None:
        self.lines.append(text)


class Living:
    """A daemon in a thread; ``log`` has what it said."""

    def __init__(self, folder: Path, picture: str = "cat.jpg") -> None:
        self.folder = folder
        self.path = folder / "edged.toml"
        self.told = Told()
        self.client = ControlClient(folder / "edged.sock")
        self.write(CONFIG.format(picture=PICTURES / picture, folder=folder))
        self.daemon: Daemon | None = None
        self.failure: BaseException | None = None
        self._thread: threading.Thread | None = None

    def write(self, text: str) -> None:
        """A new configuration, whole."""
        new = self.path.with_suffix(".new")
        new.write_text(text)
        new.replace(self.path)

    def change(self, before: str, after: str) -> None:
        text = self.path.read_text()
        assert before in text
        self.write(text.replace(before, after))

    def add(self, text: str) -> None:
        self.write(self.path.read_text() + text)

    def start(self, **options: Any) -> Living:
        """Until the first frame."""
        self.daemon = Daemon(Opening(self.path), notifier=self.told, **options)
        self._thread = threading.Thread(target=self._run)
        self._thread.start()
        wait_until(lambda: self.failure or self.told.states)
        assert self.failure is None
        return self

    def _run(self) -> None:
        assert self.daemon is not None
        try:
            self.daemon.run()
        except BaseException as error:
            self.failure = error

    def stop(self, reason: str = "the test") -> None:
        if self.daemon is not None and self._thread is not None:
            self.daemon.stop(reason)
            self._thread.join(LIMIT_S)
            assert not self._thread.is_alive()

    def ask(self, command: str, **fields: object) -> dict[str, Any]:
        reply, _ = self.client.ask(command, **fields)
        data: dict[str, Any] = reply["data"]
        return data

    def status(self) -> dict[str, Any]:
        return self.ask("status")

    def since_s(self, rule: str) -> float:
        """As the daemon holds it: what it tells goes through two clocks, and varies by a step."""
        assert self.daemon is not None
        (state,) = (r for r in self.daemon._pipeline.perception.scene.rules if r.rule == rule)
        return state.since_s

    def frames_more(self, count: int = 3) -> None:
        """Return when so many more frames were decided on."""
        seen = self.status()["frames"]
        wait_until(lambda: self.status()["frames"] >= seen + count)


class Watching:
    """What a watcher of the control socket is told."""

    def __init__(self, living: Living) -> None:
        self.messages: list[dict[str, Any]] = []
        self._client = living.client
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self._thread.start()

    def _watch(self) -> None:
        with suppress(DaemonError, CommandError):
            for message in self._client.watch():
                self.messages.append(message)

    def of(self, kind: str) -> list[dict[str, Any]]:
        return [message for message in self.messages if message["type"] == kind]


@pytest.fixture(autouse=True)
def as_it_was(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[None]:
    """The process is given back as it was."""
    monkeypatch.setattr(reload, "SETTLED_S", 0.0)
    monkeypatch.setenv("RUNTIME_DIRECTORY", str(tmp_path))
    monkeypatch.setenv("STATE_DIRECTORY", str(tmp_path))
    yield
    gc.enable()
    gc.unfreeze()


@pytest.fixture
def living(tmp_path: Path) -> Iterator[Living]:
    """Not started yet."""
    living = Living(tmp_path)
    yield living
    living.stop()


class Said:
    """The log of the daemon, as lines."""

    def __init__(self, capsys: pytest.CaptureFixture[str]) -> None:
        self._capsys = capsys
        self._text = ""

    def __contains__(self, text: str) -> bool:
        self._text += self._capsys.readouterr().err
        return text in self._text


@pytest.fixture
def said(capsys: pytest.CaptureFixture[str]) -> Said:
    return Said(capsys)


def test_what_the_camera_sees_is_what_the_daemon_tells(living: Living, said: Said) -> None:
    status = living.start().status()
    assert status["scene"] == "cat"
    assert status["rules"]["cat"]["active"] is True
    assert (status["model"], status["camera"]) == ("edged-cifar10-int8", str(PICTURES / "cat.jpg"))
    assert (status["paused"], status["idle"], status["camera_error"]) == (False, False, None)
    living.frames_more()
    assert "device test" in said


def test_without_a_chip_the_daemon_runs_and_says_that_the_lamp_is_not_driven(
    living: Living, said: Said, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr("edged.ports.gpio.chips.DEVICES", tmp_path)
    living.add(LAMP.replace("mock", "auto"))
    status = living.start().status()
    assert status["rules"]["cat"]["active"] is True
    assert status["outputs"] == {"lamp": 0.0}
    assert "no GPIO chip" in status["pins_error"]
    with pytest.raises(CommandError, match=r"not set: .*no GPIO chip"):
        living.ask("set-output", name="lamp", value=1.0)
    living.frames_more()
    assert "outputs are off" in said


def test_events_are_numbered_from_one_without_a_hole(tmp_path: Path) -> None:
    living = Living(tmp_path, picture="")
    living.change("fps = 200.0", "fps = 50.0")
    living.start()
    try:
        watching = Watching(living)
        wait_until(lambda: len(watching.of("event")) >= 4)
        numbers = [event["number"] for event in watching.of("event")]
        assert numbers == list(range(numbers[0], numbers[0] + len(numbers)))
        assert numbers[0] >= 1
    finally:
        living.stop()


def test_a_rule_that_holds_goes_on_holding_across_a_reload(living: Living) -> None:
    living.start()
    watching = Watching(living)
    wait_until(lambda: watching.messages)
    since_s = living.since_s("cat")
    living.change("exit = 0.1", "exit = 0.2")
    living.ask("reload")
    seen = len(watching.messages)
    wait_until(lambda: len(watching.messages) > seen + 5)
    assert living.status()["rules"]["cat"]["active"] is True
    assert living.since_s("cat") == since_s
    assert watching.of("event") == []


def test_a_reload_changes_what_the_rules_are(living: Living) -> None:
    living.start()
    living.change('name = "cat"', 'name = "pet"')
    answer = living.ask("reload")
    assert (answer["model"], answer["restart_for"]) == ("edged-cifar10-int8", [])
    wait_until(lambda: living.status()["scene"] == "pet")


@pytest.fixture
def changes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where the daemon keeps what is changed from the page."""
    monkeypatch.setenv("STATE_DIRECTORY", str(tmp_path / "state"))
    return tmp_path / "state"


def brightness(living: Living) -> float:
    _, jpeg = living.client.ask("snapshot")
    with Image.open(io.BytesIO(jpeg)) as picture:
        # The lower part says what is seen.
        grey = np.asarray(picture.convert("L"))
    return float(grey[: len(grey) // 3].mean())


def test_what_is_saved_comes_into_force_and_is_taken_back(changes: Path, living: Living) -> None:
    living.start()
    seen = brightness(living)
    assert seen > 30
    mask = [[[0.0, 0.0], [1.0, 1.0]]]
    made = living.ask("save", privacy=mask, rule={"name": "owl", "labels": ["bird"]})
    assert made["changed"] == ["rule owl", "camera.privacy"]
    again = living.ask("save", privacy=mask, rule={"name": "owl", "labels": ["bird"]})
    assert again["changed"] == []
    wait_until(lambda: brightness(living) < 2)
    setup = living.ask("setup")
    assert setup["privacy"] == [[[0.0, 0.0], [1.0, 1.0]]]
    assert setup["rules"]["owl"]["saved"]
    assert not setup["rules"]["cat"]["saved"]
    wait_until(lambda: "owl" in living.status()["rules"])
    assert living.ask("undo")["changed"] == ["rule owl", "camera.privacy"]
    wait_until(lambda: brightness(living) > 30)
    assert "owl" not in living.ask("setup")["rules"]


def test_undo_takes_back_a_damaged_file(changes: Path, living: Living) -> None:
    living.start()
    living.ask("save", region=[0.25, 0.25, 0.5, 0.5])
    saved.file(living.path).write_text("[camera")
    assert living.ask("undo")["changed"] == []
    assert living.ask("setup")["region"] == [0.0, 0.0, 1.0, 1.0]


def test_what_is_saved_holds_after_a_restart(changes: Path, living: Living) -> None:
    living.start()
    living.ask("save", region=[0.25, 0.25, 0.5, 0.5])
    living.stop()
    living.told = Told()
    living.start()
    assert living.ask("setup")["region"] == [0.25, 0.25, 0.5, 0.5]


@pytest.mark.parametrize(
    ("wrong", "reason"),
    [
        ({"region": [0.5, 0.5, 0.9, 0.9]}, "the region exceeds the picture"),
        ({"rule": {"name": "x", "labels": ["dragon"]}}, 'no label "dragon"'),
        ({"rule": {"name": "x", "labels": ["cat"], "enter": 0.1, "exit": 0.5}}, "at most enter"),
        ({"rule": {"name": "nothing", "labels": ["cat"]}}, "reserved for a scene"),
        ({"rule": {"name": "a b", "labels": ["cat"]}}, 'save: rule.name = "a b"'),
        ({"privacy": [[[0.0, 0.0]]]}, "of at least 2 points"),
        ({"privacy": [[[0.0, 2.0], [1.0, 1.0]]]}, "from 0 to 1"),
        ({"remove_rule": "cat"}, "the others are in the configuration file"),
    ],
)
def test_what_is_wrong_is_not_saved(
    changes: Path, living: Living, wrong: dict[str, Any], reason: str
) -> None:
    living.start()
    before = living.ask("setup")
    with pytest.raises(CommandError, match=re.escape(reason)):
        living.ask("save", **wrong)
    assert living.ask("setup") == before
    assert not changes.exists() or not list(changes.glob("changes-*"))


def test_a_place_that_cannot_be_written_refuses_the_change(changes: Path, living: Living) -> None:
    changes.write_text("no folder")
    living.start()
    with pytest.raises(CommandError, match="exists"):
        living.ask("save", privacy=[[[0.0, 0.0], [1.0, 1.0]]])
    assert living.ask("setup")["privacy"] == []


def test_a_reload_reaches_the_ports(living: Living, broker: Broker) -> None:
    mqtt = f'port = {broker.port}\nhost = "127.0.0.1"\nprotocol = "{broker.protocol}"\n'
    living.change("enabled = false", f"{mqtt}classification_hz = 0.0")
    living.start()
    with Listener(broker.port, "edged/test/#") as listener:
        assert listener.next("edged/test/availability").payload == b"online"
        living.change("classification_hz = 0.0", "classification_hz = 50.0")
        living.ask("reload")
        assert json.loads(listener.next("edged/test/classification").payload)["results"]


def test_who_asks_over_mqtt_is_named_in_the_log(living: Living, broker: Broker, said: Said) -> None:
    mqtt = f'port = {broker.port}\nhost = "127.0.0.1"\nprotocol = "{broker.protocol}"'
    living.change("enabled = false", mqtt)
    living.start()
    with Listener(broker.port, "edged/test/#") as listener:
        assert listener.next("edged/test/availability").payload == b"online"
        listener.send("edged/test/command", "pause")
        assert json.loads(listener.next("edged/test/command/reply").payload)["ok"] is True
    living.ask("resume")
    assert "paused by MQTT" in said
    assert "resumed by the control socket" in said


def test_other_rules_are_told_as_undecided_until_a_frame_and_another_threshold_is_not(
    living: Living, monkeypatch: pytest.MonkeyPatch
) -> None:
    told: list[Report] = []
    monkeypatch.setattr(LogPort, "write", lambda _port, report: told.append(report))
    living.start()
    living.ask("pause")
    living.change("exit = 0.1", "exit = 0.2")
    living.ask("reload")
    assert Undecided() not in told
    assert living.status()["scene"] == "cat"
    living.change('name = "cat"', 'name = "pet"')
    living.ask("reload")
    assert told[-1] == Undecided()
    assert living.status()["scene"] is None


def test_a_reload_takes_over_when_to_idle(tmp_path: Path) -> None:
    living = Living(tmp_path, "rocket.jpg")
    living.add("\n[idle]\nafter_s = 0.0\n")
    living.start()
    try:
        assert living.status()["idle"] is False
        living.change("after_s = 0.0", "after_s = 0.05")
        living.ask("reload")
        wait_until(lambda: living.status()["idle"])
        assert living.ask("wake")["idle"] is False
        living.change("after_s = 0.05", "after_s = 0.0")
        living.ask("reload")
        living.frames_more()
    finally:
        living.stop()


def test_when_to_idle_holds_from_the_start(tmp_path: Path) -> None:
    living = Living(tmp_path, "rocket.jpg")
    living.add("\n[idle]\nafter_s = 0.05\n")
    living.start()
    try:
        wait_until(lambda: living.status()["idle"])
    finally:
        living.stop()


def test_while_an_input_senses_somebody_it_is_awake(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sensed = threading.Event()
    sensed.set()
    monkeypatch.setattr(GpioPort, "sensed", lambda _: sensed.is_set())
    living = Living(tmp_path, "rocket.jpg")
    living.add("\n[idle]\nafter_s = 0.02\n")
    living.start()
    try:
        # Of 5 ms each: longer than it would be awake by itself.
        living.frames_more(10)
        assert living.status()["idle"] is False
        sensed.clear()
        wait_until(lambda: living.status()["idle"])
    finally:
        living.stop()


def test_a_reload_takes_over_how_often_health_is_told(living: Living) -> None:
    living.start()
    watching = Watching(living)
    wait_until(lambda: len(watching.messages) > 3)
    assert watching.of("health") == []
    living.change("health_s = 0.0", "health_s = 0.02")
    living.ask("reload")
    wait_until(lambda: watching.of("health"))
    health = watching.of("health")[0]
    assert health["model"] == "edged-cifar10-int8"
    wait_until(lambda: living.told.lines)
    assert living.told.lines[0].startswith("cat, ")


def test_health_is_told_from_the_start_where_that_is_wanted(living: Living) -> None:
    living.change("health_s = 0.0", "health_s = 0.02")
    living.start()
    watching = Watching(living)
    wait_until(lambda: watching.of("health"))


def test_systemd_hears_of_readiness_after_each_reload_and_of_the_end(
    living: Living, said: Said
) -> None:
    reloaded = ["reloading", "ready"]
    living.start()
    living.ask("reload")
    wait_until(lambda: living.told.states == ["ready", *reloaded])
    assert "configuration reloaded" in said
    living.change("enter = 0.3", "enter = 1.3")
    with pytest.raises(CommandError):
        living.ask("reload")
    wait_until(lambda: living.told.states == ["ready", *reloaded, *reloaded])
    living.stop("enough")
    assert living.told.states[-1] == "stopping"
    assert "stopping: enough" in said
    assert "stopped" in said


def test_a_reload_takes_over_the_level_of_the_log(living: Living) -> None:
    living.add('\n[log]\nlevel = "warning"\n')
    living.start()
    assert logging.getLogger().level == logging.WARNING
    living.change('level = "warning"', 'level = "debug"')
    living.ask("reload")
    assert logging.getLogger().level == logging.DEBUG


def test_who_reloads_is_told_what_holds_only_after_a_restart(living: Living, said: Said) -> None:
    living.start()
    living.change("fps = 200.0", "fps = 100.0")
    assert living.ask("reload")["restart_for"] == ["camera.fps"]
    assert "changed, but in effect only after a restart: camera.fps" in said


def test_a_reload_that_changes_nothing_asks_for_no_restart(living: Living, said: Said) -> None:
    living.start()
    assert living.ask("reload")["restart_for"] == []
    assert "configuration reloaded" in said
    assert "after a restart" not in said


def test_a_refused_reload_changes_nothing(living: Living, said: Said) -> None:
    living.start()
    watching = Watching(living)
    wait_until(lambda: watching.messages)
    text = living.path.read_text()
    living.write(text.replace('labels = ["cat"]', 'labels = ["dragon"]').replace("0.3", "0.9"))
    with pytest.raises(CommandError, match="dragon"):
        living.ask("reload")
    assert "requested by the control socket: refused; nothing has changed" in said
    living.frames_more()
    assert living.status()["rules"].keys() == {"cat"}
    assert watching.of("event") == []
    # The next one compares with what is in force, not with what was refused.
    living.write(text)
    assert living.ask("reload")["restart_for"] == []


def test_labels_that_were_replaced_under_the_same_name_are_read_at_a_reload(
    living: Living, tmp_path: Path
) -> None:
    model, labels = tmp_path / "model.tflite", tmp_path / "labels.txt"
    model.write_bytes(bundled_model().read_bytes())
    names = bundled_model().with_suffix(".labels.txt").read_text()
    labels.write_text(names)
    living.change("threads = 1", f'threads = 1\npath = "{model}"\nlabels = "{labels}"')
    living.change('[[rule]]\nname = "cat"\nlabels = ["cat"]\n', "")
    living.start()
    assert living.status()["scene"] == "cat"
    labels.with_suffix(".new").write_text(names.replace("cat", "tiger"))
    labels.with_suffix(".new").replace(labels)
    living.ask("reload")
    wait_until(lambda: living.status()["scene"] == "tiger")
    assert living.status()["model"] == "model"


def test_what_was_taken_over_is_what_the_next_reload_succeeds(
    living: Living, monkeypatch: pytest.MonkeyPatch
) -> None:
    loaded: list[object] = []
    load = build.classifier
    monkeypatch.setattr(build, "classifier", lambda *a: loaded.append(a) or load(*a))
    living.start()
    living.change("threads = 1", "threads = 2")
    living.ask("reload")
    living.ask("reload")
    assert len(loaded) == 2


def test_the_model_in_force_at_the_end_is_let_go_and_so_is_one_that_was_succeeded(
    living: Living, monkeypatch: pytest.MonkeyPatch
) -> None:
    gone: list[Perception] = []
    leave = Perception.__exit__
    monkeypatch.setattr(
        Perception, "__exit__", lambda self, *e: gone.append(self) or leave(self, *e)
    )
    living.start()
    living.change("threads = 1", "threads = 2")
    living.ask("reload")
    assert len(gone) == 1
    living.stop()
    assert len(gone) == len(set(map(id, gone))) == 2


def test_garbage_is_looked_for_while_frames_come_but_not_in_what_the_start_has_built(
    living: Living, monkeypatch: pytest.MonkeyPatch
) -> None:
    while_building: list[bool] = []
    camera = build.camera

    def building(*arguments: Any) -> Any:
        while_building.append(gc.isenabled())
        return camera(*arguments)

    monkeypatch.setattr(build, "camera", building)
    living.start()
    assert while_building == [False]
    assert gc.isenabled()
    assert gc.get_freeze_count() > 0


def test_garbage_is_looked_for_again_after_a_start_that_failed(living: Living) -> None:
    living.change('labels = ["cat"]', 'labels = ["dragon"]')
    with pytest.raises(ConfigError, match="dragon"):
        Daemon(Opening(living.path), notifier=living.told).run()
    assert gc.isenabled()
    assert not (living.folder / "edged.sock").exists()


def test_a_wrong_configuration_is_refused_before_anything_is_opened(living: Living) -> None:
    living.change("enter = 0.3", "enter = 1.3")
    with pytest.raises(ConfigError, match=r"decide\.enter"):
        Opening(living.path)
    living.change("enter = 1.3", "enter = 0.3")
    with pytest.raises(ConfigError, match=r"decide\.exit"):
        Opening(living.path, ["decide.exit=7"])


def test_outputs_are_at_their_safe_level_before_the_broker_is_told_goodbye(
    living: Living, broker: Broker, monkeypatch: pytest.MonkeyPatch
) -> None:
    steps: list[str] = []
    release, stop = GpioPort.release, Connection.stop

    def released(port: GpioPort) -> None:
        release(port)
        steps.append("pins")

    def stopped(connection: Connection) -> None:
        steps.append("farewell")
        stop(connection)

    monkeypatch.setattr(GpioPort, "release", released)
    monkeypatch.setattr(Connection, "stop", stopped)
    living.add(LAMP)
    living.change("enabled = false", f'host = "127.0.0.1"\nport = {broker.port}')
    living.start()
    living.stop()
    assert steps[0] == "pins"
    assert "farewell" in steps


def test_a_lamp_follows_its_rule_and_the_hand_and_goes_off_at_the_end(living: Living) -> None:
    living.add(LAMP)
    living.start()
    watching = Watching(living)
    wait_until(lambda: watching.messages)
    answer = living.ask("set-output", name="lamp", value=0)
    assert (answer["name"], answer["value"]) == ("lamp", 0.0)
    wait_until(lambda: watching.of("output"))
    living.ask("set-output", name="lamp", value=1)
    wait_until(lambda: len(watching.of("output")) == 2)
    living.stop()
    wait_until(lambda: len(watching.of("output")) == 3)
    assert [output["value"] for output in watching.of("output")] == [0, 1, 0]
    with pytest.raises(DaemonAbsentError):
        living.status()


def test_an_output_that_is_not_there_is_refused(living: Living) -> None:
    living.start()
    with pytest.raises(CommandError, match='no output is named "bell"; there are: none'):
        living.ask("set-output", name="bell", value=1)


def test_a_pause_lasts_until_the_resume(living: Living) -> None:
    living.start()
    assert living.ask("pause")["paused"] is True
    before = living.status()["frames"]
    reply, picture = living.client.ask("snapshot")
    assert picture.startswith(b"\xff\xd8")
    assert reply["classification"]["results"][0]["label"] == "cat"
    assert living.status()["frames"] == before
    assert living.ask("resume")["paused"] is False
    living.frames_more()


def test_a_trace_has_the_stages_of_the_frames(living: Living, tmp_path: Path) -> None:
    living.start(trace=tmp_path / "trace.json")
    living.frames_more()
    living.stop()
    events = json.loads((tmp_path / "trace.json").read_text())["traceEvents"]
    assert {"decode", "invoke", "decide", "LogPort"} <= {event["name"] for event in events}


def signalled(living: Living, when_ready: Callable[[], None]) -> Daemon:
    """Run in the main thread, as the command line does, and do `when_ready` beside it."""
    daemon = Daemon(Opening(living.path), notifier=living.told)

    def act() -> None:
        try:
            wait_until(lambda: living.told.states)
            when_ready()
        except BaseException:
            daemon.stop("the test failed")
            raise

    with ExitStack() as stack:
        helper = threading.Thread(target=act)
        helper.start()
        stack.callback(helper.join)
        daemon.run()
    return daemon


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_it_and_the_process_gets_its_handlers_back(
    living: Living, number: signal.Signals, said: Said
) -> None:
    before = [signal.getsignal(n) for n in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)]
    signalled(living, lambda: os.kill(os.getpid(), number))
    assert f"stopping: {number.name}" in said
    after = [signal.getsignal(n) for n in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)]
    assert after == before


def test_a_hangup_reloads(living: Living, said: Said) -> None:
    def act() -> None:
        living.change("enter = 0.3", "enter = 1.3")
        os.kill(os.getpid(), signal.SIGHUP)
        wait_until(lambda: "requested by SIGHUP: refused" in said)
        os.kill(os.getpid(), signal.SIGTERM)

    signalled(living, act)


def test_hang_ups_are_one_reload_until_it_begins_and_are_lost_in_no_flood(living: Living) -> None:
    daemon = Daemon(Opening(living.path))
    begun: list[Request[Any]] = []
    daemon._reloader = SimpleNamespace(begin=begun.append)  # type: ignore[assignment]
    with daemon._signals:
        for _ in range(CONTROLS):
            daemon._mailbox.post(Request(Wake()))
        for _ in range(2):
            for _ in range(3):
                signal.raise_signal(signal.SIGHUP)
            (asked,) = (r for r in daemon._mailbox.take() if isinstance(r.command, Reload))
            assert asked.asked_by == "SIGHUP"
            daemon._reload(asked)
    assert len(begun) == 2


def test_a_bug_in_a_thread_ends_it_and_is_raised(living: Living, said: Said) -> None:
    hook = threading.excepthook

    def act() -> None:
        def bug() -> None:
            raise ZeroDivisionError("a bug")

        threading.Thread(target=bug, name="camera").start()

    with pytest.raises(ZeroDivisionError, match="a bug"):
        signalled(living, act)
    assert "stopping: a bug in camera" in said
    assert threading.excepthook is hook


def test_a_file_that_is_emptied_is_refused_at_a_reload(living: Living) -> None:
    living.start()
    living.write("")
    with pytest.raises(CommandError):
        living.ask("reload")
    assert living.status()["rules"].keys() == {"cat"}


def test_without_systemd_it_runs_as_well(living: Living) -> None:
    daemon = Daemon(Opening(living.path))
    thread = threading.Thread(target=daemon.run)
    thread.start()
    try:
        wait_until(lambda: (living.folder / "edged.sock").exists())
        wait_until(lambda: living.status()["frames"])
    finally:
        daemon.stop("the test")
        thread.join(LIMIT_S)


def test_on_a_terminal_a_live_line_is_a_port_and_the_log_is_text(
    living: Living, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("rich")
    from edged.ports import live

    opened: list[str] = []

    class Line(LogPort):
        def __init__(self, broker: Callable[[], str]) -> None:
            opened.append(broker())

    monkeypatch.setattr(live, "LivePort", Line)
    living.start()
    assert opened == []
    living.stop()
    living.told.states.clear()
    living.add('\n[log]\nformat = "live"\n')
    living.start()
    assert opened == ["mqtt off"]
    (handler,) = logging.getLogger().handlers
    assert isinstance(handler.formatter, TextFormat)


def recorded(folder: Path) -> list[tuple[str, bool, str | None]]:
    """Rule, state and reason of each event in the journal of a daemon that has ended."""
    reader = Reader(journal_path(JournalConfig(), "test"), "test")
    events = [json.loads(entry.payload) for entry in reader.page()]
    return [(one["rule"], one["active"], one["reason"]) for one in events]


def test_at_a_stop_what_holds_ends_in_the_journal(living: Living, said: Said) -> None:
    living.start()
    living.stop()
    assert "cat off: edged stops" in said
    assert recorded(living.folder) == [("cat", True, None), ("cat", False, "stop")]


def test_what_an_earlier_run_left_open_is_ended_at_the_start(living: Living, said: Said) -> None:
    with Journal("test", JournalConfig()) as journal:
        journal.record([Event("dog", True, 0.9, 0.0, 0.0, 1)])
    living.start()
    wait_until(lambda: ("dog", False, "restart") in recorded(living.folder))
    wait_until(lambda: "dog off: edged had ended unexpectedly" in said)
    living.stop()
    assert [one for one in recorded(living.folder) if one[0] == "cat"] == [
        ("cat", True, None),
        ("cat", False, "stop"),
    ]


def test_the_end_of_what_was_left_open_is_seen_on_no_frame_and_says_nothing_of_now(
    living: Living, monkeypatch: pytest.MonkeyPatch
) -> None:
    told: list[Report] = []
    monkeypatch.setattr(LogPort, "write", lambda _port, report: told.append(report))
    with Journal("test", JournalConfig()) as journal:
        journal.record([Event("dog", True, 0.9, 0.0, 0.0, 1)])
    living.start()
    wait_until(lambda: any(isinstance(report, Ended) for report in told))
    (ended,) = (report for report in told if isinstance(report, Ended))
    (event,) = ended.events
    assert (ended.reason, event.reason) == ("restart", "restart")
    assert (event.rule, event.active, event.score, event.frame) == ("dog", False, 0.0, 0)


def test_faults_that_last_on_are_not_ended_for_an_earlier_run(living: Living) -> None:
    daemon = Daemon(Opening(living.path))
    recorded: list[str] = []
    perception = SimpleNamespace(scene=UNDECIDED, drift=Drift(1.0, "night"))
    daemon._pipeline = SimpleNamespace(  # type: ignore[assignment]
        perception=perception,
        outage=SimpleNamespace(fault="camera lost"),
        journal=SimpleNamespace(record=lambda events: recorded.extend(e.rule for e in events)),
        tell=lambda _report: None,
    )
    left_open = Request(EndLeftOpen(rules=["camera", "drift", "dog"]))
    daemon._end_left_open(left_open)
    assert recorded == ["dog"]
    perception.drift, daemon._pipeline.outage.fault = None, None
    daemon._end_left_open(left_open)
    assert recorded == ["dog", "camera", "drift", "dog"]


def test_what_was_left_open_is_ended_however_many_ask_for_something(living: Living) -> None:
    daemon = Daemon(Opening(living.path))
    for _ in range(CONTROLS):
        daemon._mailbox.post(Request(Wake()))
    daemon._post_left_open(["dog"])
    assert daemon._mailbox.take()[-1].command == EndLeftOpen(rules=["dog"])


def test_a_reload_tells_nothing_of_a_scene_while_the_camera_is_lost(
    living: Living, monkeypatch: pytest.MonkeyPatch
) -> None:
    told: list[Report] = []
    monkeypatch.setattr(LogPort, "write", lambda _port, report: told.append(report))
    picture = living.folder / "now.jpg"
    shutil.copy(PICTURES / "cat.jpg", picture)
    living.change(str(PICTURES / "cat.jpg"), str(picture))
    living.change("fps = 200.0", "fps = 200.0\nlost_after_s = 0.0")
    living.start()
    picture.unlink()
    wait_until(lambda: isinstance(told[-1], CameraChanged))
    assert isinstance(told[-2], Ended)
    living.change('name = "cat"', 'name = "pet"')
    living.ask("reload")
    assert isinstance(told.pop(), Deciding)
    assert isinstance(told[-1], CameraChanged), "the reason is not replaced"


def test_a_camera_that_is_lost_ends_its_rules_and_turns_the_lamp_off(living: Living) -> None:
    picture = living.folder / "now.jpg"
    shutil.copy(PICTURES / "cat.jpg", picture)
    living.change(str(PICTURES / "cat.jpg"), str(picture))
    living.change("fps = 200.0", "fps = 200.0\nlost_after_s = 0.1\nretry_max_s = 0.5")
    living.add(LAMP)
    watching = Watching(living.start())
    wait_until(lambda: living.status()["outputs"] == {"lamp": 1.0})
    picture.unlink()

    def events() -> list[tuple[str, bool, str | None]]:
        told = watching.of("event")
        return [(one["rule"], one["active"], one["reason"] or one["cause"]) for one in told]

    told = [("cat", False, "camera"), ("camera", True, "camera lost")]
    wait_until(lambda: events() == told)
    wait_until(lambda: living.status()["outputs"] == {"lamp": 0.0})
    assert living.status()["camera_failures"] == 1
    assert living.status()["scene"] is None
    assert living.status()["rules"] == {}
    shutil.copy(PICTURES / "cat.jpg", picture)
    wait_until(lambda: living.status()["outputs"] == {"lamp": 1.0})
    told += [("camera", False, "camera lost"), ("cat", True, None)]
    wait_until(lambda: sorted(events()[2:]) == sorted(told[2:]))
    assert living.status()["camera_error"] is None
    assert str(picture) in living.status()["camera_last_error"]


def test_a_threshold_by_command_decides_at_once_and_in_the_next_run(
    living: Living, said: Said
) -> None:
    living.change("enter = 0.3", "enter = 1.0")
    living.start()
    assert living.status()["rules"]["cat"]["active"] is False
    answer = living.ask("set-threshold", rule="cat", threshold="enter", value=0.3)
    assert answer == {"type": "threshold", "rule": "cat", "enter": 0.3, "exit": 0.1}
    wait_until(lambda: living.status()["rules"]["cat"]["active"])
    assert "rule cat: enter is 0.3, set by the control socket" in said
    with pytest.raises(CommandError, match="exit must be at most enter"):
        living.ask("set-threshold", rule="cat", threshold="exit", value=0.4)
    living.ask("reload")
    living.frames_more()
    assert living.status()["rules"]["cat"]["active"] is True
    living.stop()

    again = Living(living.folder)
    again.change("enter = 0.3", "enter = 1.0")
    again.start()
    try:
        wait_until(lambda: again.status()["rules"]["cat"]["active"])
        again.change("enter = 1.0", "enter = 0.9999")
        again.ask("reload")
        again.frames_more()
        assert "enter is 0.9999 from the configuration" in said
    finally:
        again.stop()


def test_the_number_in_home_assistant_changes_the_threshold_and_says_so(
    living: Living, broker: Broker
) -> None:
    living.change("enabled = false", f"port = {broker.port}")
    with Listener(broker.port, "edged/test/thresholds", "homeassistant/#") as home:
        living.start()
        described = json.loads(home.next("homeassistant/device/edged_test/config").payload)
        number = described["cmps"]["number.exit_cat"]
        assert json.loads(home.next(number["state_topic"]).payload)["rules"]["cat"]["exit"] == 0.1
        command = number["command_template"].replace("{{ value }}", "0.2")
        wait_until(lambda: living.status()["broker_problems"] == [])
        home.send(number["command_topic"], command)
        assert json.loads(home.next(number["state_topic"]).payload)["rules"]["cat"]["exit"] == 0.2


def test_the_daemon_posts_its_events_and_status_names_a_receiver_that_is_away(
    living: Living,
) -> None:
    with StrictReceiver() as receiver:
        living.add(f'[[webhook]]\nname = "here"\nurl = "{receiver.url}"\n')
        living.add(f'[[webhook]]\nname = "away"\nurl = "http://127.0.0.1:{free_port()}/"\n')
        living.start()
        wait_until(lambda: receiver.taken() == [1])
        wait_until(lambda: living.status()["webhook_problems"])
        (line,) = living.status()["webhook_problems"]
        assert line.startswith("webhook away ")
        living.stop()
        assert [got.json["reason"] for got in receiver.got] == [None, "stop"]


def test_what_is_taught_by_command_holds_until_it_is_taken_back(
    living: Living, tmp_path: Path, said: Said
) -> None:
    shown = tmp_path / "shown"
    shown.mkdir()
    for number in range(6):
        Image.fromarray(picture("disc", number)).save(shown / f"{number}.png")
    living.change(str(PICTURES / "cat.jpg"), str(shown))
    living.change("fps = 200.0", "fps = 20.0")
    living.start()

    taught = living.ask("teach", label="disc", shots=20, every_s=0.07)["labels"]
    assert taught["disc"] >= 3
    assert living.ask("taught")["labels"] == taught
    assert len(living.ask("taught-pictures", label="disc")["pictures"]) == taught["disc"]
    assert living.ask("forget", label="disc")["labels"] == {}
    assert living.ask("undo-teaching")["labels"] == taught
    for done in ('"disc" taught', '"disc" forgotten', "the last change of taught labels"):
        assert done in said

    for command in ("forget", "taught-pictures"):
        with pytest.raises(RefusedError, match="mug"):
            living.ask(command, label="mug")
        assert f"{command}, requested by the control socket: " in said
