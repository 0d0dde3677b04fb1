"""The whole daemon as a process: pictures in, a real broker and pins out."""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest
from PIL import Image

from edged.commands import Pause, Reload, Request
from edged.daemon import Daemon
from edged.mailbox import CONTROLS
from edged.opening import Opening
from edged.ports.gpio.mock_pins import MockPins
from edged.ports.mqtt.connection import Connection
from tests.guard.direct import on
from tests.mosquitto import LIMIT_S, Broker, Listener, broker, brokers, wait_until

__all__ = ["broker", "brokers"]

PICTURES = Path(__file__).parent / "pictures"

CONFIG = """
device = "test"

[camera]
kind = "directory"
source = "{pictures}"
fps = 5.0
retry_min_s = 0.05
retry_max_s = 0.1

[model]
threads = 1

[decide]
unknown_share = 0.0
smoothing_s = 0.0
enter = 0.3
exit = 0.1

[[rule]]
name = "cat"
labels = ["cat"]

[gpio]
factory = "mock"

[[output]]
name = "lamp"
pin = 17
device = "led"
rule = "cat"

[[output]]
name = "bell"
pin = 27
action = "manual"

[mqtt]
host = "127.0.0.1"
port = {port}
protocol = "{protocol}"
classification_hz = 100.0
health_s = 0.2

[journal]
path = "{folder}/events.sqlite"

[control]
socket = "{folder}/edged.sock"
"""


class Running:
    """One `edged run`, and the other commands with its configuration.

    ``module`` runs in place of edged, with `arguments` before edged's own.
    """

    def __init__(self, config: Path, module: str = "edged", *arguments: str) -> None:
        self.config = config
        self._program = [sys.executable, "-m", module, *arguments]
        self.log = config.with_suffix(".log")
        self._process: subprocess.Popen[bytes] | None = None

    def start(self, *options: str) -> None:
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                [*self._program, "run", "--config", str(self.config), *options],
                stderr=log,
                stdin=subprocess.DEVNULL,
            )

    def edged(self, command: str, *options: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "edged", command, "--config", str(self.config), *options],
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )

    def said(self, text: str) -> bool:
        return text in self.log.read_text()

    def send_signal(self, number: int) -> None:
        assert self._process is not None
        self._process.send_signal(number)

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    def status(self) -> int | None:
        assert self._process is not None
        return self._process.poll()

    def stop(self, number: int = signal.SIGTERM) -> int:
        assert self._process is not None
        if self._process.poll() is None:
            self._process.send_signal(number)
        try:
            return self._process.wait(LIMIT_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            raise


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    """A cat, a rocket, a cat, ...: the rule goes on and off for ever."""
    folder = tmp_path / "pictures"
    folder.mkdir()
    shutil.copy(PICTURES / "cat.jpg", folder / "a.jpg")
    shutil.copy(PICTURES / "rocket.jpg", folder / "b.jpg")
    return folder


@pytest.fixture
def config(pictures: Path, tmp_path: Path, broker: Broker) -> Path:
    path = tmp_path / "edged.toml"
    path.write_text(
        CONFIG.format(
            pictures=pictures,
            port=broker.port,
            protocol=broker.protocol,
            folder=tmp_path,
        )
    )
    return path


@pytest.fixture
def daemon(config: Path) -> Iterator[Running]:
    running = Running(config)
    running.start()
    yield running
    if running.status() is None:
        running.stop()


def port_of(config: Path) -> int:
    (line,) = (line for line in config.read_text().splitlines() if line.startswith("port"))
    return int(line.split("=")[1])


def test_frames_become_messages_and_levels(daemon: Running) -> None:
    with Listener(port_of(daemon.config), "edged/test/#") as listener:
        event = json.loads(listener.next("edged/test/event").payload)
        assert event["rule"] == "cat"
        state = json.loads(listener.next("edged/test/state").payload)
        assert state["scene"] in ("cat", "ship")
        lamp = {listener.next("edged/test/output/lamp/state").payload for _ in range(4)}
        assert len(lamp) == 4
        classification = json.loads(listener.next("edged/test/classification").payload)
        assert len(classification["results"]) == 3
        health = json.loads(listener.next("edged/test/health").payload)
        assert health["stages_ms"]["invoke"]
    with Listener(port_of(daemon.config), "edged/test/availability") as later:
        assert later.next("edged/test/availability").payload == b"online"


def test_the_command_line_asks_the_running_daemon(daemon: Running, tmp_path: Path) -> None:
    wait_until(lambda: daemon.edged("status").returncode == 0)
    status = json.loads(daemon.edged("status", "--json").stdout)["data"]
    assert status["model"] == "edged-cifar10-int8"
    out = tmp_path / "out.jpg"
    snapshot = daemon.edged("snapshot", "--json", "--out", str(out))
    assert (snapshot.returncode, snapshot.stderr) == (0, "")
    assert json.loads(snapshot.stdout)["results"][0]["score"] > 0
    with Image.open(out) as picture:
        assert picture.format == "JPEG"


def test_the_daemon_is_found_while_its_file_is_edited_badly(daemon: Running) -> None:
    wait_until(lambda: daemon.edged("status").returncode == 0)
    text = daemon.config.read_text()
    for fault, line in (("[camera\n", "toml:"), ('[log]\nlevel = "loud"\n', 'log.level = "loud"')):
        daemon.config.write_text(f"{text}\n{fault}")
        status = daemon.edged("status", "--json")
        assert status.returncode == 0
        assert line in status.stderr
        assert json.loads(status.stdout)["data"]["model"] == "edged-cifar10-int8"
    daemon.config.write_text(text.replace('device = "test"', "device = 3"))
    assert daemon.edged("status").returncode == 78


def test_a_snapshot_of_another_camera_is_not_the_running_daemons(
    daemon: Running, tmp_path: Path
) -> None:
    wait_until(lambda: daemon.edged("status").returncode == 0)
    Image.new("RGB", (77, 55)).save(tmp_path / "other.png")
    out = tmp_path / "out.jpg"
    asked = daemon.edged(
        "snapshot", "--set", f"camera.source={tmp_path / 'other.png'}", "--out", str(out)
    )
    assert asked.returncode == 0, asked.stderr
    with Image.open(out) as picture:
        assert picture.size == (77, 55)


def test_a_trace_shows_each_stage_of_each_frame(config: Path, tmp_path: Path) -> None:
    running = Running(config)
    running.start("--trace", str(tmp_path / "trace.json"))
    wait_until(lambda: running.edged("status").returncode == 0)
    wait_until(lambda: json.loads(running.edged("status", "--json").stdout)["data"]["frames"] > 2)
    assert running.stop() == 0
    events = json.loads((tmp_path / "trace.json").read_text())["traceEvents"]
    spans = [event for event in events if event["ph"] == "X"]
    names = {span["name"] for span in spans}
    assert {"decode", "resize", "invoke", "scores", "decide", "GpioPort", "MqttPort"} <= names
    invokes = [span for span in spans if span["name"] == "invoke"]
    assert all(0 < span["dur"] < 60e6 for span in invokes)
    assert len({span["args"]["frame"] for span in invokes}) == len(invokes) > 2


def test_watch_follows_until_the_daemon_stops(daemon: Running) -> None:
    wait_until(lambda: daemon.edged("status").returncode == 0)
    with subprocess.Popen(
        [sys.executable, "-m", "edged", "watch", "--json", "--config", str(daemon.config)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as watching:
        assert watching.stdout is not None
        assert watching.stderr is not None
        reports = [json.loads(watching.stdout.readline()) for _ in range(12)]
        kinds = {report["type"] for report in reports}
        assert kinds <= {"classification", "event", "output", "health"}
        scenes = {report["scene"] for report in reports if report["type"] == "classification"}
        assert "cat" in scenes
        daemon.stop()
        # To the end, or it would wait for its reader.
        watching.stdout.read()
        assert watching.wait(LIMIT_S) == 69
        assert "the daemon has stopped" in watching.stderr.read()


def test_an_order_to_stop_ends_it_cleanly(daemon: Running) -> None:
    with Listener(port_of(daemon.config), "edged/test/availability") as listener:
        assert listener.next().payload == b"online"
        assert daemon.stop() == 0
        assert listener.next().payload == b"offline"
    assert not (daemon.config.parent / "edged.sock").exists()
    assert daemon.said("stopped")


def test_the_last_will_speaks_for_a_killed_daemon(daemon: Running) -> None:
    with Listener(port_of(daemon.config), "edged/test/availability") as listener:
        assert listener.next().payload == b"online"
        daemon.stop(signal.SIGKILL)
        assert listener.next().payload == b"offline"


def test_a_reload_takes_over_new_rules_and_refuses_wrong_ones(daemon: Running) -> None:
    port = port_of(daemon.config)
    right = daemon.config.read_text()
    with Listener(port, "edged/test/event") as listener:
        assert json.loads(listener.next().payload)["rule"] == "cat"
        daemon.config.write_text(right.replace("enter = 0.3", "enter = 1.3"))
        daemon.send_signal(signal.SIGHUP)
        wait_until(lambda: daemon.said("decide.enter = 1.3"))
        assert json.loads(listener.next().payload)["rule"] == "cat"
        more = '[[rule]]\nname = "rocket"\nlabels = ["ship"]\n\n[gpio]'
        daemon.config.write_text(right.replace("[gpio]", more))
        daemon.send_signal(signal.SIGHUP)
        give_up_s = time.monotonic() + LIMIT_S
        while json.loads(listener.next().payload)["rule"] != "rocket":
            assert time.monotonic() < give_up_s


def refuse_reload(daemon: Running, says: str) -> None:
    done = daemon.edged("reload")
    assert done.returncode == 1
    assert says in done.stderr
    assert done.stderr.count("\n") == 1


def test_a_file_that_is_no_whole_configuration_is_refused_and_rules_stay(daemon: Running) -> None:
    wait_until(lambda: daemon.edged("status").returncode == 0)
    command_line = daemon.config.with_name("as-it-was.toml")
    command_line.write_text(daemon.config.read_text())
    running = Running(command_line)
    daemon.config.write_text("")
    refuse_reload(running, "sets no option")
    daemon.config.unlink()
    os.mkfifo(daemon.config)
    refuse_reload(running, "not a regular file")
    status = json.loads(running.edged("status", "--json").stdout)["data"]
    assert list(status["rules"]) == ["cat"]
    assert daemon.stop() == 0


def test_the_command_line_changes_what_the_running_daemon_does(daemon: Running) -> None:
    wait_until(lambda: daemon.edged("status").returncode == 0)
    assert "paused: yes" in daemon.edged("pause").stdout
    frames = json.loads(daemon.edged("status", "--json").stdout)["data"]["frames"]
    with Listener(port_of(daemon.config), "edged/test/output/bell/state") as listener:
        assert json.loads(listener.next().payload)["value"] == 0
        assert daemon.edged("set-output", "bell", "1").returncode == 0
        assert json.loads(listener.next().payload)["value"] == 1
    wrong = daemon.edged("set-output", "bel", "1")
    assert (wrong.returncode, wrong.stderr) == (
        1,
        'edged: no output is named "bel"; did you mean bell?\n',
    )
    wrong = daemon.edged("set-output", "bel", "1", "--json")
    reply = json.loads(wrong.stdout)
    assert (wrong.returncode, reply["ok"], reply["request"]) == (1, False, "set-output")
    assert f"edged: {reply['error']}\n" == wrong.stderr
    assert json.loads(daemon.edged("status", "--json").stdout)["data"]["frames"] == frames
    assert "paused: no" in daemon.edged("resume").stdout
    assert daemon.edged("wake").returncode == 0
    assert "restart_for: -" in daemon.edged("reload").stdout


class Outage:
    """A broker that answers CONNECT, and then nothing."""

    def __init__(self) -> None:
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self._connections: list[socket.socket] = []
        self._thread = threading.Thread(target=self._serve)

    def __enter__(self) -> Outage:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._thread.join(LIMIT_S)
        for opened in (self._listener, *self._connections):
            opened.close()

    def _serve(self) -> None:
        # A listener that is shut down accepts no more.
        with suppress(OSError):
            while True:
                connection, _ = self._listener.accept()
                self._connections.append(connection)
                connection.recv(4096)
                # CONNACK of MQTT 5: accepted, no properties.
                connection.sendall(b"\x20\x03\x00\x00\x00")


def test_pins_are_safe_before_any_farewell(config: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pins = MockPins()
    monkeypatch.setattr("edged.guard.process.GuardProcess", on(pins))
    lamp = pins.pin(17)
    ended: list[str] = []

    class Farewell(Connection):
        def stop(self) -> None:
            ended.append(f"farewell, lamp {lamp.state:g}")
            super().stop()

    monkeypatch.setattr("edged.ports.mqtt.port.Connection", Farewell)
    with Outage() as broker:
        mqtt = [f"mqtt.port={broker.port}", "mqtt.protocol=5"]
        daemon = Daemon(Opening(config, [*mqtt, "output.lamp.initial=1"]))
        thread = threading.Thread(target=daemon.run)
        thread.start()
        wait_until(lambda: (config.parent / "edged.sock").exists())
        daemon._ports.gpio.set("lamp", 1.0)  # type: ignore[union-attr]
        assert lamp.state == 1
        daemon.stop("a test")
        thread.join(LIMIT_S)
    assert ended == ["farewell, lamp 0"]


def test_pictures_that_come_later_are_seen(config: Path, pictures: Path) -> None:
    for picture in list(pictures.iterdir()):
        picture.rename(config.parent / picture.name)
    daemon = Running(config)
    daemon.start()
    try:
        wait_until(lambda: daemon.log.exists() and daemon.said(str(pictures)))
        assert daemon.status() is None
        (config.parent / "a.jpg").rename(pictures / "a.jpg")
        with Listener(port_of(config), "edged/test/event") as listener:
            assert json.loads(listener.next().payload)["active"] is True
    finally:
        daemon.stop()


def test_without_a_broker_it_goes_on_and_says_so_once(config: Path) -> None:
    daemon = Running(config)
    daemon.start("--set", "mqtt.port=1")
    try:
        wait_until(lambda: daemon.log.exists() and daemon.said("127.0.0.1:1"))
        wait_until(lambda: daemon.edged("status").returncode == 0)
    finally:
        assert daemon.stop() == 0
    assert daemon.log.read_text().count("127.0.0.1:1") == 1


def test_a_command_over_mqtt_sets_an_output(daemon: Running) -> None:
    with Listener(port_of(daemon.config), "edged/test/output/bell/state") as listener:
        assert json.loads(listener.next().payload)["value"] == 0
        listener.client.publish("edged/test/output/bell/set", "ON", qos=1)
        assert json.loads(listener.next().payload)["value"] == 1


@pytest.mark.parametrize(
    ("override", "status", "says"),
    [
        ("camera.fsp=3", 78, "did you mean fps?"),
        ("rule=[{name='x', labels=['dragon']}]", 78, "dragon"),
        ("model.path=/nowhere/model.tflite", 65, "/nowhere/model.tflite"),
        ("model.labels=/nowhere/labels.txt", 65, "/nowhere/labels.txt"),
    ],
)
def test_what_cannot_work_ends_at_once_with_one_line_and_its_status(
    config: Path, override: str, status: int, says: str
) -> None:
    done = Running(config).edged("run", "--set", override, "--set", "output=[]")
    assert done.returncode == status
    assert says in done.stderr
    assert "Traceback" not in done.stderr


def test_a_bug_in_any_thread_ends_it_and_is_not_hidden(config: Path) -> None:
    def bug() -> None:
        wait_until(lambda: (config.parent / "edged.sock").exists())
        raise ZeroDivisionError("a bug")

    daemon = Daemon(Opening(config, ["mqtt.enabled=false"]))
    thread = threading.Thread(target=bug)
    thread.start()
    with pytest.raises(ZeroDivisionError, match="a bug"):
        daemon.run()
    thread.join()
    assert not (config.parent / "edged.sock").exists()


def test_logs_are_json_where_asked(config: Path) -> None:
    daemon = Running(config)
    daemon.start("--log-json")
    try:
        wait_until(lambda: daemon.log.exists() and daemon.said("cat on"))
    finally:
        daemon.stop()
    for line in daemon.log.read_text().splitlines():
        assert {"time", "level", "logger", "message"} == set(json.loads(line))


def test_why_it_cannot_run_is_json_too_where_asked(config: Path) -> None:
    done = Running(config).edged("run", "--log-json", "--set", "output.lamp.pin=99")
    assert done.returncode == 78
    last = json.loads(done.stderr.splitlines()[-1])
    assert last["level"] == "error"
    assert 'output "lamp"' in last["message"]


def test_under_systemd_lines_carry_priorities_and_readiness_is_told(config: Path) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as systemd:
        systemd.bind(str(config.parent / "notify"))
        systemd.settimeout(LIMIT_S)
        environment = {
            **os.environ,
            "NOTIFY_SOCKET": str(config.parent / "notify"),
            "JOURNAL_STREAM": "1:2",
            "WATCHDOG_USEC": "200000",
        }
        log = config.parent / "journal.log"
        with log.open("wb") as stream:
            process = subprocess.Popen(
                [sys.executable, "-m", "edged", "run", "--config", str(config)],
                stderr=stream,
                env=environment,
            )
        try:
            heard = ""
            while "READY=1" not in heard or "WATCHDOG=1" not in heard:
                heard += systemd.recv(4096).decode()
            process.send_signal(signal.SIGTERM)
            while "STOPPING=1" not in heard:
                heard += systemd.recv(4096).decode()
        finally:
            process.terminate()
            assert process.wait(LIMIT_S) == 0
    assert all(line.startswith("<6>") for line in log.read_text().splitlines())


def test_a_hang_up_is_not_lost_in_a_flood_and_a_storm_of_them_is_one_reload(config: Path) -> None:
    daemon = Daemon(Opening(config))
    with daemon._signals:
        for _ in range(CONTROLS):
            daemon._mailbox.post(Request(Pause()))
        for _ in range(10):
            os.kill(os.getpid(), signal.SIGHUP)
        waiting = daemon._mailbox.take()
    assert [type(request.command) for request in waiting].count(Reload) == 1
    assert len(waiting) == CONTROLS + 1
