"""Films and streams in their own process: what they need is within its reach."""

from __future__ import annotations

import socket
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from edged import build
from edged.cameras.isolation.source import IsolatedSource
from edged.cameras.source import Capture, SourceEnded
from edged.config.schema import CameraConfig
from edged.errors import CameraError
from tests.cameras.scripted import eventually, next_frame
from tests.cameras.test_video import (  # noqa: F401 (fixtures)
    BLUE,
    GREEN,
    RED,
    WHITE,
    colour,
    encode,
    film,
    mjpeg,
    rtsp_server,
    serve,
)


def source(address: object, **options: object) -> IsolatedSource:
    settings = {"kind": "video", "fps": 50.0, "timeout_s": 20.0, "first_frame_s": 20.0, **options}
    return IsolatedSource(CameraConfig(source=str(address), **settings))  # type: ignore[arg-type]


def next_one(camera: IsolatedSource) -> tuple[Capture, tuple[int, int, int]]:
    capture = camera.grab()
    return capture, colour(capture)


def until_it_fails(camera: IsolatedSource) -> None:
    while True:
        camera.grab()


@pytest.mark.parametrize("codec", ["libx264", "mpeg4", "mjpeg"])
def test_a_film_is_played_to_its_end(tmp_path: Path, codec: str) -> None:
    path = tmp_path / "a film.mkv"
    encode(str(path), [RED, GREEN, BLUE, WHITE], codec=codec)
    with source(path, loop=False) as camera:
        seen = [next_one(camera) for _ in range(4)]
        with pytest.raises(SourceEnded):
            camera.grab()
    assert [colour for _, colour in seen] == [RED, GREEN, BLUE, WHITE]
    times_s = [capture.captured_s for capture, _ in seen]
    assert times_s == sorted(times_s)
    assert not any(capture.live for capture, _ in seen)


def test_the_last_frame_of_a_film_can_be_read_after_its_end(film: Path) -> None:  # noqa: F811
    camera = CameraConfig(kind="video", source=str(film), fps=50.0, loop=False)
    with build.camera(camera, None) as opened:
        eventually(lambda: opened.dropped == 3)
        # Until it has been read, its end is not known.
        frame = next_frame(opened)
        assert frame.number == 4
        eventually(lambda: opened.ended)


def test_a_film_is_played_again(film: Path) -> None:  # noqa: F811
    with source(film) as camera:
        assert [next_one(camera)[1] for _ in range(5)] == [RED, GREEN, BLUE, WHITE, RED]


def test_what_is_no_film_is_told_as_in_the_daemons_own_process(tmp_path: Path) -> None:
    for path, told in ((tmp_path / "none.mp4", "no such file"), (tmp_path, "it is a folder")):
        with pytest.raises(CameraError, match=told), source(path):
            pass


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
def test_a_stream_of_jpeg_is_shown(
    serve: Callable[..., str],  # noqa: F811
    host: str,
) -> None:
    def answer(connection: socket.socket) -> None:
        mjpeg(connection, [GREEN] * 3)
        time.sleep(0.1)

    port = serve(answer).rpartition(":")[2]
    with source(f"http://user:secret@{host}:{port}/video") as camera:
        capture, seen = next_one(camera)
        assert seen == GREEN
        assert capture.live
        assert "secret" not in camera.name
        with pytest.raises(CameraError, match=r"the (stream|connection) ended"):
            until_it_fails(camera)


def test_an_rtsp_camera_is_shown_until_it_dies(
    rtsp_server: tuple[subprocess.Popen[str], int],  # noqa: F811
) -> None:
    server, port = rtsp_server
    with source(f"rtsp://root:secret@127.0.0.1:{port}/live") as camera:
        assert next_one(camera)[1] == GREEN
        server.kill()
        with pytest.raises(CameraError, match="check the camera"):
            until_it_fails(camera)


def test_a_camera_that_nobody_is_at_is_told(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    with pytest.raises(CameraError, match="refused"), source(f"rtsp://127.0.0.1:{port}/live"):
        pass
