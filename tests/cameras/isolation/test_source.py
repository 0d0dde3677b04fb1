"""A camera's process as its source in the daemon has it: started, heard, ended, not believed."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from edged.cameras.isolation import process
from edged.cameras.isolation import source as source_module
from edged.cameras.isolation.process import CameraProcess, is_isolated
from edged.cameras.isolation.source import IsolatedSource, IsolatedSources
from edged.cameras.pace import sleep_until
from edged.cameras.source import FrameMissing, SourceDied, SourceEnded
from edged.config.schema import CameraConfig
from edged.errors import CameraError
from tests.cameras.isolation.conftest import CONFIG
from tests.cameras.isolation.faulty import Switch

HEAD = """
import json, os, socket, sys, time
connection = socket.socket(fileno=os.dup(0))
order, fds, _, _ = socket.recv_fds(connection, 1 << 16, 2)
def tell(*words):
    connection.send(json.dumps(words).encode())
def ready():
    tell("ready", "v4l2", True, True)
    connection.recv(4096)
    tell("opened", "cam")
"""

Program = Callable[[str], None]


@pytest.fixture
def program(monkeypatch: pytest.MonkeyPatch) -> Program:
    """Lets the process of a camera run this instead."""

    def run(text: str) -> None:
        monkeypatch.setattr(process, "COMMAND", (sys.executable, "-S", "-c", HEAD + text))

    return run


@pytest.fixture(autouse=True)
def _no_stuck_ones() -> Iterator[None]:
    process._stuck.clear()
    yield
    process._stuck.clear()


def test_which_cameras_run_in_a_process_of_their_own() -> None:
    kinds = ("auto", "v4l2", "video", "picamera2", "gstreamer", "directory", "demo")
    isolated = [kind for kind in kinds if is_isolated(CameraConfig(kind=kind))]
    # GStreamer has one already; the rest reads no device and no network.
    assert isolated == ["auto", "v4l2", "video", "picamera2"]
    assert not is_isolated(CameraConfig(kind="v4l2", isolate=False))


def test_a_frame_has_the_time_that_can_be_whatever_its_process_says(program: Program) -> None:
    program(
        "ready()\n"
        "now_s = time.monotonic()\n"
        "for number, stamp_s in enumerate([now_s, 1e12, now_s - 60, -1e300]):\n"
        "    tell('frame', number, stamp_s, True, None, None)\n"
        "time.sleep(60)"
    )
    began_s = time.monotonic()
    with IsolatedSource(CONFIG) as source:
        times_s = [source.grab().captured_s for _ in range(4)]
    assert times_s == sorted(times_s)
    assert began_s < times_s[0] <= times_s[-1] <= time.monotonic()


@pytest.mark.parametrize(
    ("said", "error", "told"),
    [
        ("tell('failed', 'cam: it is gone; plug it in')", CameraError, "cam: it is gone; plug it"),
        ("tell('ended', 'cam: the film is over')", SourceEnded, "the film is over"),
        ("tell('missing', 'cam: waiting for a key frame')", FrameMissing, "a key frame"),
        ("tell('failed', 'cam\\x1b[2J\\n: gone')", CameraError, r"cam\\x1b\[2J\\n: gone"),
        ("connection.send(b'no JSON')", CameraError, "does not keep to the protocol"),
        ("connection.send(b'\\xff')", CameraError, "does not keep to the protocol"),
        ("tell('frame', 'one', 2, 3)", CameraError, "does not keep to the protocol"),
        ("tell('frame', 1, float('nan'), True, None, None)", CameraError, "does not keep to the"),
        ("tell('opened', 'cam again')", CameraError, "does not keep to the protocol"),
        ("tell('ready', 'v4l2', True, True)", CameraError, "does not keep to the protocol"),
        ("sys.exit('no luck')", CameraError, r"it has ended \(exit status 1: no luck\)"),
        ("print('x' * 100000, file=sys.stderr); sys.exit(2)", CameraError, "exit status 2: xxx"),
    ],
)
def test_what_ends_frames_is_told(
    program: Program, said: str, error: type[Exception], told: str
) -> None:
    program(f"ready()\n{said}\ntime.sleep(0 if 'failed' in {said!r} else 60)")
    with IsolatedSource(CONFIG) as source, pytest.raises(error, match=told):
        source.grab()


def test_a_process_that_says_nothing_at_all_is_ended(
    program: Program, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(source_module, "START_S", 0.2)
    program("time.sleep(60)")
    with pytest.raises(CameraError, match=r"v4l2: its process fails: no frame for 0\.2 s"):
        IsolatedSource(CONFIG).__enter__()


def test_what_a_process_logs_is_logged_and_does_not_fill_the_disk(
    program: Program, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    program(
        "ready()\n"
        "for number in range(100):\n"
        "    tell('log', 20, f'line {number}\\x07')\n"
        "tell('failed', 'cam: over')\n"
    )
    with IsolatedSource(CONFIG) as source, pytest.raises(CameraError, match="cam: over"):
        source.grab()
    assert caplog.messages[:2] == ["line 0\\x07", "line 1\\x07"]
    assert len(caplog.messages) == source_module.LINES


def test_that_this_system_confines_nothing_is_said_once(
    program: Program, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(source_module, "_told", set())
    caplog.set_level("INFO")
    program("tell('ready', 'v4l2', False, True); connection.recv(99); tell('opened', 'cam')")
    for _ in range(2):
        with IsolatedSource(CONFIG):
            pass
    line = "camera: its process is not confined by Landlock, which this system lacks"
    assert caplog.messages == [line]


def test_only_what_has_lived_is_opened_again_at_once(program: Program) -> None:
    program("ready()\ntell('frame', 1, 0.0, True, None, None)\ntime.sleep(0.6)")
    with IsolatedSource(CameraConfig(kind="v4l2")) as source:
        source.grab()
        with pytest.raises(SourceDied, match="exit status 0"):
            source.grab()
    program("ready()\ntell('frame', 1, 0.0, True, None, None)")
    with IsolatedSource(CONFIG) as source:
        source.grab()
        with pytest.raises(CameraError, match="exit status 0") as caught:
            source.grab()
    assert not isinstance(caught.value, SourceDied)


def test_a_process_that_sleeps_until_its_next_frame_is_waited_for(program: Program) -> None:
    program(
        "ready()\ntell('frame', 1, 0.0, False, None, None)\n"
        "tell('due', time.monotonic() + 1.0)\ntime.sleep(1.2)\n"
        "tell('frame', 2, 0.0, False, None, None)\ntime.sleep(60)"
    )
    with IsolatedSource(CONFIG) as source:
        source.grab()
        assert not source.grab().live


def test_processes_that_hang_in_the_kernel_are_counted_and_not_added_to_for_ever(
    program: Program, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    kill = process.os.kill
    # As in an uninterruptible sleep, where no signal arrives.
    monkeypatch.setattr(process.os, "kill", lambda *_: None)
    monkeypatch.setattr(process, "END_S", 0.02)
    program("time.sleep(60)")
    hanging = [CameraProcess(CONFIG) for _ in range(process.MOST_STUCK)]
    for one in hanging:
        assert one.end(kill=True) == "it hangs in the driver"
    assert "hangs in its driver; it is left behind" in caplog.messages[0]
    with pytest.raises(CameraError, match="4 processes hang in its driver; unplug the camera"):
        CameraProcess(CONFIG)
    for one in hanging:
        kill(one.pid, 9)
    # Once the driver lets them go, there is room again.
    deadline_s = time.monotonic() + 20.0
    while process._stuck and time.monotonic() < deadline_s:
        try:
            monkeypatch.undo()
            CameraProcess(CONFIG).end(kill=True)
        except CameraError:
            time.sleep(0.01)
    assert process._stuck == []


def test_a_process_that_cannot_be_started_is_an_error_of_the_camera(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(process, "COMMAND", ("/nowhere/python",))
    with pytest.raises(CameraError, match="v4l2: no process can be started"):
        CameraProcess(CONFIG)


def test_closing_wakes_who_waits_for_a_frame(program: Program) -> None:
    from threading import Event, Timer

    program("ready()\ntime.sleep(60)")
    closing = Event()
    with IsolatedSource(CameraConfig(kind="v4l2"), sleep=sleep_until(closing)) as source:
        Timer(0.1, closing.set).start()
        with pytest.raises(CameraError, match="the camera is closed"):
            source.grab()


def test_the_environment_of_the_process_holds_no_secret(
    program: Program, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("EDGED_MQTT__PASSWORD", "sesame")
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", "/run/credentials")
    program("ready()\ntell('failed', json.dumps(dict(os.environ)))")
    with IsolatedSource(CONFIG) as source, pytest.raises(CameraError) as caught:
        source.grab()
    assert "OPENBLAS" in str(caught.value)
    assert "sesame" not in str(caught.value)
    assert "/run/credentials" not in str(caught.value)


def test_the_password_of_a_camera_stands_in_no_list_of_processes(program: Program) -> None:
    program("ready()\ntime.sleep(60)")
    camera = CameraConfig(kind="video", source="rtsp://user:sesame@127.0.0.1/live")
    with IsolatedSource(camera) as source:
        assert source._process is not None
        folder = Path(f"/proc/{source._process.pid}")
        assert b"sesame" not in (folder / "cmdline").read_bytes()
        assert b"sesame" not in (folder / "environ").read_bytes()


def test_what_was_found_at_the_start_is_opened_from_then_on(switch: Switch) -> None:
    sources = IsolatedSources(CONFIG, time.sleep)
    first = sources()
    first.kind = "video"
    second = sources()
    assert second._camera.kind == "video"
    assert second._camera.fps == CONFIG.fps


def test_the_first_opening_takes_the_process_that_was_started_for_it(switch: Switch) -> None:
    begun = CameraProcess(CONFIG)
    with IsolatedSources(CONFIG, time.sleep, begun)() as source:
        assert source._process is begun
        source.grab()
    # Whoever started it may end it, too.
    assert begun.end() == begun.end()
