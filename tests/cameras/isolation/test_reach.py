"""What a camera's process can reach: what it needs, and nothing that belongs to edged."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest

from edged.cameras.isolation.reach import Reach, reach_of
from edged.cameras.kinds import CameraKind
from edged.config.schema import CameraConfig

ROOT = Path(__file__).parents[3]

PROGRAM = """
import errno, json, os, socket, sys
from pathlib import Path
from edged.cameras.isolation.reach import reach_of, stay_within
from edged.config.schema import CameraConfig
kind, source, secret, control, broker, camera = json.load(sys.stdin)
landlock, seccomp = stay_within(reach_of(kind, CameraConfig(kind=kind, source=source)))
if not (landlock and seccomp):
    print("null")
    raise SystemExit
def outcome(attempt):
    try:
        attempt()
    except OSError as error:
        return errno.errorcode[error.errno]
    return "ok"
def connect(family, place):
    with socket.socket(family) as client:
        client.connect(place)
def late_import():
    import fractions, PIL.Image
print(json.dumps({
    "the source": outcome(lambda: open(source, "rb").close()),
    "a secret": outcome(lambda: open(secret).close()),
    "write": outcome(lambda: open(secret + ".new", "w").close()),
    "a chip of pins": outcome(lambda: open("/dev/full").close()),
    "edged's socket": outcome(lambda: connect(socket.AF_UNIX, control)),
    "the broker": outcome(lambda: connect(socket.AF_INET, ("127.0.0.1", broker))),
    "the camera": outcome(lambda: connect(socket.AF_INET, ("127.0.0.1", camera))),
    "the daemon": outcome(lambda: os.kill(os.getppid(), 0)),
    "its memory": outcome(lambda: open(f"/proc/{os.getppid()}/mem", "rb").close()),
    "a program": outcome(lambda: os.execv("/bin/true", ["true"])),
    "a module": outcome(late_import),
}))
"""
# Of devices that every machine has, /dev/full stands in for a chip of pins.

FORBIDDEN = {
    "a secret": "EACCES",
    "write": "EACCES",
    "a chip of pins": "EACCES",
    "edged's socket": "EAFNOSUPPORT",
    "the daemon": "EPERM",
    "its memory": "EACCES",
    "a program": "EPERM",
}


def found(folder: Path, kind: CameraKind, source: str) -> dict[str, str]:
    """What becomes of each attempt in a process that needs what this camera needs."""
    secret = folder / "password"
    secret.write_text("secret")
    with (
        closing(socket.create_server(("127.0.0.1", 0))) as broker,
        closing(socket.create_server(("127.0.0.1", 0))) as camera,
        closing(socket.socket(socket.AF_UNIX)) as control,
    ):
        control.bind(str(folder / "edged.sock"))
        control.listen()
        ports = [server.getsockname()[1] for server in (broker, camera)]
        source = source.format(port=ports[1], folder=folder)
        told = [kind, source, str(secret), control.getsockname(), *ports]
        done = subprocess.run(
            [sys.executable, "-c", PROGRAM],
            cwd=ROOT,
            input=json.dumps(told).encode(),
            capture_output=True,
            check=True,
            timeout=60,
        )
    outcomes: dict[str, str] | None = json.loads(done.stdout)
    if outcomes is None:
        pytest.skip("this system has no Landlock or no seccomp")
    assert outcomes.pop("a module") == "ok"
    return outcomes


def test_a_usb_camera_has_its_device_and_no_network(tmp_path: Path) -> None:
    no_network = {"the broker": "EAFNOSUPPORT", "the camera": "EAFNOSUPPORT"}
    # A device that every machine has.
    outcomes = found(tmp_path, "v4l2", "/dev/random")
    assert outcomes == {**FORBIDDEN, **no_network, "the source": "ok"}


def test_a_film_has_its_file_and_no_network(tmp_path: Path) -> None:
    folder = tmp_path / "films"
    folder.mkdir()
    (folder / "film.mp4").write_bytes(b"")
    expected = {
        **FORBIDDEN,
        "the source": "ok",
        "the broker": "EAFNOSUPPORT",
        "the camera": "EAFNOSUPPORT",
    }
    assert found(tmp_path, "video", f"{folder}/film.mp4") == expected


def test_a_stream_has_its_camera_in_the_network_and_no_broker(tmp_path: Path) -> None:
    outcomes = found(tmp_path, "video", "rtsp://127.0.0.1:{port}/live")
    outcomes.pop("the source")
    assert outcomes == {**FORBIDDEN, "the broker": "EACCES", "the camera": "ok"}


@pytest.mark.parametrize(
    ("source", "port"),
    [
        ("rtsp://camera/live", 554),
        ("rtsp://user:password@camera:8554/live", 8554),
        ("https://camera/live.mjpg", 443),
        ("rtsp://camera:no-port/live", 554),
    ],
)
def test_the_port_of_a_stream_is_open(source: str, port: int) -> None:
    ports = reach_of("video", CameraConfig(source=source)).tcp_ports
    assert port in ports
    assert 1883 not in ports


def test_a_raspberry_pi_camera_has_its_devices_and_no_internet() -> None:
    reach = reach_of("picamera2", CameraConfig())
    assert reach.families == {socket.AF_NETLINK}
    assert not reach.tcp_ports
    assert not any("gpio" in str(device) for device in reach.devices)


@pytest.mark.parametrize("kind", ["demo", "directory"])
def test_what_is_no_device_reaches_nothing(kind: CameraKind) -> None:
    assert reach_of(kind, CameraConfig()) == Reach()
