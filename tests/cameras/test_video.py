"""Video files, HTTP streams and a real RTSP server, through PyAV."""

from __future__ import annotations

import contextlib
import io
import itertools
import socket
import struct
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from fractions import Fraction
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from edged.cameras.pace import Schedule
from edged.cameras.source import Capture, FrameMissing, SourceEnded
from edged.cameras.video import VideoSource
from edged.config.schema import CameraConfig
from edged.errors import CameraError
from edged.redact import public_name

av = pytest.importorskip("av", reason="PyAV is not installed")

RED, GREEN, BLUE, WHITE = (255, 0, 0), (0, 255, 0), (0, 0, 255), (255, 255, 255)


class Time:
    """A clock that only sleeping moves."""

    def __init__(self) -> None:
        self.now_s = 1000.0

    def clock(self) -> float:
        return self.now_s

    def sleep(self, duration_s: float) -> None:
        self.now_s += duration_s


def encode(
    target: object,
    colours: list[tuple[int, int, int]],
    *,
    fps: int = 10,
    size_px: tuple[int, int] = (48, 64),
    codec: str = "libx264",
    container: str | None = None,
    stamps: list[int] | None = None,
) -> None:
    with av.open(target, "w", format=container) as output:
        stream = output.add_stream(codec, rate=fps)
        stream.height, stream.width = size_px
        stream.pix_fmt = "yuvj420p" if codec == "mjpeg" else "yuv420p"
        stream.codec_context.time_base = Fraction(1, fps)
        if codec == "libx264":
            stream.options = {"tune": "zerolatency", "g": "5"}
        for number, colour in enumerate(colours):
            pixels = np.full((*size_px, 3), colour, np.uint8)
            frame = av.VideoFrame.from_ndarray(pixels, format="rgb24")
            frame.pts = stamps[number] if stamps else number
            frame.time_base = Fraction(1, fps)
            output.mux(stream.encode(frame))
        output.mux(stream.encode(None))


def encoded(
    colours: list[tuple[int, int, int]],
    codec: str,
    container: str,
    size_px: tuple[int, int] = (48, 64),
) -> bytes:
    target = io.BytesIO()
    encode(target, colours, codec=codec, container=container, size_px=size_px)
    return target.getvalue()


def source(
    path: object,
    time: Time | None = None,
    **options: object,
) -> VideoSource:
    camera = CameraConfig(kind="video", source=str(path), **options)  # type: ignore[arg-type]
    time = time or Time()
    return VideoSource(camera, time.clock, time.sleep)


def live(address: str, timeout_s: float = 20.0, first_frame_s: float = 20.0) -> VideoSource:
    return VideoSource(
        CameraConfig(kind="video", source=address, timeout_s=timeout_s, first_frame_s=first_frame_s)
    )


def colour(capture: Capture) -> tuple[int, int, int]:
    """The primary colour that the picture is closest to."""
    mean = capture.decode(None).reshape(-1, 3).mean(axis=0)
    return tuple(255 if channel > 127 else 0 for channel in mean)  # type: ignore[return-value]


def until_it_fails(video: VideoSource, reason: str = ".") -> list[Capture]:
    """What comes before the error, whose message must match `reason` and tell no password."""
    captures: list[Capture] = []
    with pytest.raises(CameraError, match=reason) as caught:
        captures.extend(iter(video.grab, None))
    assert "secret" not in str(caught.value)
    return captures


@pytest.fixture
def film(tmp_path: Path) -> Path:
    """Four frames at 10 fps."""
    path = tmp_path / "12:30 film.mp4"
    encode(f"file:{path}", [RED, GREEN, BLUE, WHITE])
    return path


def test_a_file_is_played_in_order_and_ends(film: Path) -> None:
    with source(film, loop=False) as video:
        seen = [colour(video.grab()) for _ in range(4)]
        with pytest.raises(
            SourceEnded, match=r"film\.mp4: the video has ended; camera\.loop = true"
        ):
            video.grab()
    assert seen == [RED, GREEN, BLUE, WHITE]


def test_colours_are_right_within_what_the_codec_loses(film: Path) -> None:
    with source(film) as video:
        pixels = video.grab().decode(None)
    assert pixels.dtype == np.uint8
    assert pixels.shape == (48, 64, 3)
    assert np.abs(pixels.astype(int) - RED).max() <= 12


def test_frames_are_due_by_their_time_stamps(tmp_path: Path) -> None:
    path = tmp_path / "uneven.mkv"
    encode(str(path), [RED, GREEN, BLUE, WHITE], stamps=[0, 1, 5, 6])
    time = Time()
    with source(path, time=time, fps=30.0) as video:
        due_s = [video.grab().captured_s for _ in range(4)]
    assert np.diff(due_s) == pytest.approx([0.1, 0.4, 0.1], abs=0.002)
    assert due_s[0] == 1000.0
    assert time.now_s == pytest.approx(due_s[-1])


def test_a_loop_goes_on_one_frame_after_the_last(film: Path) -> None:
    with source(film) as video:
        captures = [video.grab() for _ in range(9)]
        seen = [colour(capture) for capture in captures]
    assert seen == [RED, GREEN, BLUE, WHITE] * 2 + [RED]
    assert np.diff([capture.captured_s for capture in captures]) == pytest.approx([0.1] * 8)


def test_fps_caps_the_frames_of_a_file(tmp_path: Path) -> None:
    path = tmp_path / "fast.mp4"
    encode(str(path), [RED, GREEN, BLUE] * 10, fps=30)
    with source(path, fps=10.0, loop=False) as video:
        captures = [video.grab() for _ in range(10)]
        with pytest.raises(SourceEnded):
            video.grab()
        assert {colour(capture) for capture in captures} == {RED}
    assert np.diff([capture.captured_s for capture in captures]) == pytest.approx(
        [0.1] * 9, abs=1e-3
    )


def test_a_stream_without_time_stamps_is_played_at_its_frame_rate(tmp_path: Path) -> None:
    path = tmp_path / "raw.h264"
    path.write_bytes(encoded([RED, GREEN, BLUE, WHITE], "libx264", "h264"))
    with source(path) as video:
        captures = [video.grab() for _ in range(8)]
        assert [colour(capture) for capture in captures] == [RED, GREEN, BLUE, WHITE] * 2
    assert (np.diff([capture.captured_s for capture in captures]) > 0).all()


def test_mpeg4_and_mjpeg_play_too(tmp_path: Path) -> None:
    for codec, name in (("mpeg4", "a.avi"), ("mjpeg", "b.avi")):
        encode(str(tmp_path / name), [RED, BLUE], codec=codec)
        with source(tmp_path / name) as video:
            assert [colour(video.grab()), colour(video.grab())] == [RED, BLUE]


def test_decoding_reduces_to_what_the_model_needs(tmp_path: Path) -> None:
    path = tmp_path / "large.mp4"
    encode(str(path), [GREEN], size_px=(480, 640))
    with source(path) as video:
        capture = video.grab()
    assert capture.decode((48, 48)).shape == (96, 128, 3)
    assert capture.reduces
    assert capture.decode(None).shape == (480, 640, 3)


def test_a_captured_frame_outlives_its_source(film: Path) -> None:
    with source(film) as video:
        first = video.grab()
        for _ in range(6):
            video.grab()
    assert first.reduces
    assert np.abs(first.decode(None).astype(int) - RED).max() <= 12
    assert colour(first) == RED


def test_a_damaged_part_is_left_out_and_the_rest_is_played(tmp_path: Path) -> None:
    data = bytearray(encoded([RED, GREEN, BLUE, WHITE] * 10, "libx264", "mpegts"))
    for packet in range(len(data) // 188 // 3, len(data) // 188 // 2):
        data[packet * 188 + 4 : packet * 188 + 188] = bytes(184)
    path = tmp_path / "damaged.ts"
    path.write_bytes(data)
    with source(path, loop=False) as video:
        seen = [colour(capture) for capture in until_it_fails(video)]
    assert 5 <= len(seen) < 40
    assert seen[:2] == [RED, GREEN]
    assert seen[-1] == WHITE


def test_what_cannot_be_played_says_why(tmp_path: Path) -> None:
    (tmp_path / "junk.mp4").write_bytes(b"junk" * 1000)
    (tmp_path / "empty.mp4").write_bytes(b"")
    for path, reason in (
        (tmp_path / "none.mp4", "no such file"),
        (tmp_path / "junk.mp4", "cannot be decoded"),
        (tmp_path / "empty.mp4", "cannot be decoded"),
        (tmp_path, "folder"),
        ("", r"set camera\.source"),
        ("foo://camera/", "unknown"),
    ):
        with pytest.raises(CameraError, match=reason) as caught, source(path):
            pass
        assert "\n" not in str(caught.value)


def test_pictures_that_are_too_large_are_refused(
    film: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("edged.cameras.video.MAX_PIXELS", 64 * 47)
    with pytest.raises(CameraError, match="too large"), source(film) as video:
        video.grab()


def test_a_file_opens_nothing_in_the_network(serve: Callable[..., str], tmp_path: Path) -> None:
    asked = threading.Event()
    path = tmp_path / "list.m3u8"
    address = serve(lambda _: asked.set())
    path.write_text(f"#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\nhttp://{address}/a.ts\n")
    with pytest.raises(CameraError), source(path, first_frame_s=1.0) as video:
        video.grab()
    assert not asked.is_set()


def test_a_file_that_holds_no_whole_frame_is_an_error_and_no_endless_loop(tmp_path: Path) -> None:
    data = bytearray(encoded([RED] * 10, "libx264", "avi"))
    start = data.index(b"movi") + 4
    data[start + 8 : -400] = bytes(len(data) - 408 - start)
    path = tmp_path / "hollow.avi"
    path.write_bytes(data)
    with pytest.raises(CameraError), source(path) as video:
        video.grab()


def test_sound_alone_is_no_video(tmp_path: Path) -> None:
    path = tmp_path / "sound.wav"
    with av.open(str(path), "w") as output:
        stream = output.add_stream("pcm_s16le", rate=8000)
        stream.layout = "mono"
        frame = av.AudioFrame.from_ndarray(np.zeros((1, 800), np.int16), "s16", "mono")
        frame.sample_rate = 8000
        output.mux(stream.encode(frame))
    with pytest.raises(CameraError, match="no video"), source(path):
        pass


def test_without_pyav_the_command_that_installs_it_is_named(
    film: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "av", None)
    with pytest.raises(CameraError, match="-m pip install av"), source(film):
        pass


class TestSchedule:
    def test_who_is_late_goes_on_from_now(self) -> None:
        time = Time()
        schedule = Schedule(100.0, 5.0, time.clock, time.sleep)
        assert schedule.wait(0.0) == 1000.0
        time.now_s += 2.0
        assert schedule.wait(0.1) == pytest.approx(1002.0)
        assert schedule.wait(0.2) == pytest.approx(1002.1)

    def test_a_small_lag_is_caught_up_with(self) -> None:
        time = Time()
        schedule = Schedule(100.0, 5.0, time.clock, time.sleep)
        schedule.wait(0.0)
        time.now_s += 0.2
        assert schedule.wait(0.1) == pytest.approx(1000.1)
        assert schedule.wait(0.3) == pytest.approx(1000.3)

    def test_a_jump_of_the_time_stamps_is_no_long_sleep(self) -> None:
        time = Time()
        schedule = Schedule(100.0, 5.0, time.clock, time.sleep)
        schedule.wait(0.0)
        schedule.wait(0.1)
        assert schedule.wait(90000.0) == pytest.approx(1000.2)
        assert schedule.wait(3.0) == pytest.approx(1000.3)

    def test_a_long_gap_is_told_and_a_slow_recording_is_not(
        self, caplog: pytest.LogCaptureFixture
    ) -> None:
        caplog.set_level("INFO")
        time = Time()
        schedule = Schedule(100.0, 3600.0, time.clock, time.sleep)
        for shown_s in (0.0, 60.0, 120.0, 180.0):
            schedule.wait(shown_s)
        assert caplog.text == ""
        schedule.wait(480.0)
        assert "no picture for 300 s of the recording" in caplog.text


@pytest.mark.parametrize(
    ("address", "name"),
    [
        ("rtsp://cam.local/live", "rtsp://cam.local/live"),
        ("rtsp://root:secret@cam.local:8554/live", "rtsp://cam.local:8554/live"),
        ("rtsp://root:sec/ret@secret@cam/live", "rtsp://cam/live"),
        ("http://cam/video.cgi?user=root&pwd=secret", "http://cam/video.cgi"),
        ("http://cam/video#secret", "http://cam/video"),
        ("rtsp://cam:554/user=root&password=secret&channel=1", "rtsp://cam:554"),
        ("https://root:secret@[fe80::1]:443/a/b", "https://[fe80::1]:443/a/b"),
    ],
)
def test_no_secret_is_in_the_name(address: str, name: str) -> None:
    assert public_name(address) == name
    assert source(address).name == name


@pytest.fixture
def serve() -> Iterator[Callable[..., str]]:
    """Starts a server on 127.0.0.1, of one connection at a time, and returns its address."""
    with contextlib.ExitStack() as stack:
        threads = []

        def start(answer: Callable[[socket.socket], None]) -> str:
            listener = stack.enter_context(socket.create_server(("127.0.0.1", 0)))

            def run() -> None:
                while True:
                    try:
                        connection, _ = listener.accept()
                    except OSError:
                        return
                    with connection, contextlib.suppress(OSError):
                        connection.recv(65536)
                        answer(connection)

            # Wakes a thread that nobody connected to.
            stack.callback(listener.shutdown, socket.SHUT_RDWR)
            threads.append(threading.Thread(target=run, daemon=True))
            threads[-1].start()
            return f"127.0.0.1:{listener.getsockname()[1]}"

        yield start
        stack.close()
        for thread in threads:
            thread.join(10.0)


LOGIN = b"<!DOCTYPE html>\n<html><style>\n--ink: #111\n</style>Please log in</html>"


@pytest.mark.parametrize(
    ("kind", "body", "reason"),
    [
        (b"text/html", LOGIN, "a web page .* user, password and path"),
        (b"text/html", b"\r\n<!-- v2 -->\r\n<HTML lang=en>" + LOGIN, "a web page"),
        (b"application/json", b'{"error": "busy"}', "check that it is video"),
        (b"multipart/x-mixed-replace", b"", "ends before its first frame"),
    ],
)
@pytest.mark.parametrize("tells_length", [True, False])
def test_an_answer_over_http_that_is_no_video_is_told_as_what_it_is(
    serve: Callable[..., str], kind: bytes, body: bytes, reason: str, tells_length: bool
) -> None:
    length = b"Content-Length: %d\r\n" % len(body) if tells_length else b""
    head = b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Type: " + kind + b"\r\n" + length
    address = serve(lambda connection: connection.sendall(head + b"\r\n" + body))
    with pytest.raises(CameraError, match=reason), live(f"http://{address}/cgi"):
        pass


def test_a_stream_over_http_may_take_its_first_frame_s_though_it_is_asked_twice(
    serve: Callable[..., str],
) -> None:
    time, film = Time(), encoded([RED, GREEN] * 10, "libx264", "mpegts")

    def answer_late(connection: socket.socket) -> None:
        time.now_s += 80.0
        connection.sendall(b"HTTP/1.0 200 OK\r\nContent-Type: video/mp2t\r\n\r\n" + film)

    address = serve(answer_late)
    with source(f"http://{address}/a.ts", time, first_frame_s=100.0) as video:
        assert colour(video.grab()) == RED
        # What waits for it knows.
        assert video.due_s == 1000.0 + 80.0 + 100.0


def mjpeg(connection: socket.socket, colours: list[tuple[int, int, int]]) -> None:
    connection.sendall(
        b"HTTP/1.0 200 OK\r\nContent-Type: multipart/x-mixed-replace; boundary=frame\r\n\r\n"
    )
    for one in colours:
        picture = encoded([one], "mjpeg", "mjpeg", (480, 640))
        connection.sendall(
            b"--frame\r\nContent-Type: image/jpeg\r\nContent-Length: %d\r\n\r\n" % len(picture)
            + picture
            + b"\r\n"
        )


def test_an_mjpeg_stream_is_shown_until_it_is_cut(serve: Callable[..., str]) -> None:
    def answer(connection: socket.socket) -> None:
        mjpeg(connection, [RED, GREEN, BLUE])

    with live(f"http://user:secret@{serve(answer)}/video") as video:
        seen = [colour(capture) for capture in until_it_fails(video, "broke|ended")]
    assert seen == [RED, GREEN, BLUE]


@pytest.mark.parametrize("container", ["mpegts", "matroska"])
def test_a_stream_that_is_cut_says_that_the_connection_ended(
    serve: Callable[..., str], container: str
) -> None:
    data = encoded([RED, GREEN, BLUE] * 20, "mpeg4", container, (480, 640))

    def answer(connection: socket.socket) -> None:
        connection.sendall(b"HTTP/1.0 200 OK\r\n\r\n" + data[: len(data) // 2])

    with live(f"http://{serve(answer)}/video") as video:
        assert until_it_fails(video, "the connection ended")


def test_data_that_ends_in_the_middle_of_a_stream_is_a_connection_that_ended(
    serve: Callable[..., str], monkeypatch: pytest.MonkeyPatch
) -> None:
    import av

    def cut(*_: object) -> Iterator[object]:
        raise av.error.InvalidDataError(1, "Invalid data found when processing input")
        yield

    with live(f"http://{serve(lambda connection: mjpeg(connection, [RED] * 3))}/video") as video:
        assert colour(video.grab()) == RED
        monkeypatch.setattr(video, "_container", SimpleNamespace(demux=cut, close=lambda: None))
        monkeypatch.setattr(video, "_frames", video._packets())
        until_it_fails(video, "the connection ended")


def test_a_live_jpeg_is_reduced_and_damage_is_told_when_it_is_read(
    serve: Callable[..., str],
) -> None:
    def answer(connection: socket.socket) -> None:
        mjpeg(connection, [RED, GREEN])
        connection.sendall(
            b"--frame\r\nContent-Type: image/jpeg\r\nContent-Length: 800\r\n\r\n"
            + b"\xff\xd8damage" * 100
            + b"\r\n--frame\r\n"
        )

    camera = CameraConfig(kind="video", source=f"http://{serve(answer)}/video", timeout_s=20.0)
    with VideoSource(camera) as video:
        captures = until_it_fails(video)
    assert captures[0].decode((60, 60)).shape == (120, 160, 3)
    assert captures[0].reduces
    assert captures[0].decode(None).shape == (480, 640, 3)
    assert colour(captures[1]) == GREEN
    with pytest.raises(CameraError, match="damaged JPEG"):
        captures[2].decode(None)


def test_a_stream_that_falls_silent_is_noticed(serve: Callable[..., str]) -> None:
    silent = threading.Event()

    def answer(connection: socket.socket) -> None:
        mjpeg(connection, [RED, GREEN])
        silent.wait(60.0)

    try:
        with live(f"http://{serve(answer)}/video", timeout_s=1.0) as video:
            assert len(until_it_fails(video, "within 1 s")) == 2
    finally:
        silent.set()


def test_a_live_mpeg_transport_stream_is_shown(serve: Callable[..., str]) -> None:
    data = encoded([RED] * 5 + [BLUE] * 10, "libx264", "mpegts")

    def answer(connection: socket.socket) -> None:
        connection.sendall(b"HTTP/1.0 200 OK\r\nContent-Type: video/mp2t\r\n\r\n" + data)

    with live(f"http://{serve(answer)}/") as video:
        seen = [colour(capture) for capture in until_it_fails(video, "broke|ended")]
    assert seen == [RED] * 5 + [BLUE] * 10


def test_a_recording_over_http_is_played_like_a_file(
    serve: Callable[..., str], tmp_path: Path
) -> None:
    path = tmp_path / "film.avi"
    encode(str(path), [RED, GREEN, BLUE], codec="mpeg4")
    data = path.read_bytes()

    def answer(connection: socket.socket) -> None:
        connection.sendall(
            b"HTTP/1.0 200 OK\r\nContent-Type: video/avi\r\nContent-Length: %d\r\n\r\n" % len(data)
            + data
        )

    time = Time()
    with source(f"http://{serve(answer)}/film.avi", time=time, loop=False) as video:
        captures = [video.grab() for _ in range(3)]
        with pytest.raises(SourceEnded):
            video.grab()
    assert np.diff([capture.captured_s for capture in captures]) == pytest.approx([0.1, 0.1])


def test_why_there_is_no_stream_is_said_without_secrets(serve: Callable[..., str]) -> None:
    def status(line: bytes) -> str:
        return serve(lambda connection: connection.sendall(b"HTTP/1.0 " + line + b"\r\n\r\n"))

    with socket.create_server(("127.0.0.1", 0)) as closed:
        nobody = f"127.0.0.1:{closed.getsockname()[1]}"
    for address, reason in (
        (nobody, "refused"),
        (status(b"401 Unauthorized"), "user or password"),
        (status(b"404 Not Found"), "no such stream"),
        (status(b"500 Broken"), "internal error .*5xx"),
        ("camera.invalid", "check host name"),
    ):
        with (
            pytest.raises(CameraError, match=reason) as caught,
            live(f"http://root:hidden@{address}/video?token=hidden"),
        ):
            pass
        assert "\n" not in str(caught.value)
        assert "hidden" not in str(caught.value)
        assert caught.value.__suppress_context__


@pytest.mark.parametrize("scheme", ["rtsp", "http"])
def test_a_camera_that_accepts_and_says_nothing_is_noticed(scheme: str) -> None:
    with (
        socket.create_server(("127.0.0.1", 0)) as mute,
        pytest.raises(CameraError, match=r"within 0\.5 s"),
        live(f"{scheme}://127.0.0.1:{mute.getsockname()[1]}/live", 0.5, first_frame_s=0.5),
    ):
        pass


def test_a_play_list_from_the_network_opens_no_local_file(
    serve: Callable[..., str], film: Path
) -> None:
    text = f"#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\nfile:{film}\n#EXT-X-ENDLIST\n".encode()

    def answer(connection: socket.socket) -> None:
        connection.sendall(
            b"HTTP/1.0 200 OK\r\nContent-Type: application/vnd.apple.mpegurl\r\n"
            b"Content-Length: %d\r\n\r\n" % len(text) + text
        )

    with (
        pytest.raises(CameraError),
        live(f"http://{serve(answer)}/live.m3u8", timeout_s=5.0) as video,
    ):
        video.grab()


RTSP_SERVER = """
import gi, sys
gi.require_version("Gst", "1.0"); gi.require_version("GstRtspServer", "1.0")
from gi.repository import GLib, Gst, GstRtspServer as rtsp
Gst.init(None)
if Gst.ElementFactory.find("x264enc"):
    encoder = "x264enc tune=zerolatency key-int-max=5 ! rtph264pay name=pay0"
else:
    encoder = "video/x-raw,format=I420 ! jpegenc ! rtpjpegpay name=pay0"
# A key frame every four seconds, and whoever comes in between waits for it.
rare = "openh264enc gop-size=80 complexity=low ! h264parse ! rtph264pay name=pay0"
server = rtsp.RTSPServer(service="0", address="127.0.0.1")
auth = rtsp.RTSPAuth()
token = rtsp.RTSPToken()
token.set_string("media.factory.role", "viewer")
auth.add_basic(rtsp.RTSPAuth.make_basic("root", "secret"), token)
server.set_auth(auth)
for path, payloader in (("/live", encoder), ("/rare", rare)):
    factory = rtsp.RTSPMediaFactory()
    factory.set_shared(True)
    factory.set_launch("( videotestsrc is-live=true pattern=green "
        "! video/x-raw,width=64,height=48,framerate=20/1 ! videoconvert ! " + payloader + " )")
    permissions = rtsp.RTSPPermissions()
    permissions.add_permission_for_role("viewer", "media.factory.access", True)
    permissions.add_permission_for_role("viewer", "media.factory.construct", True)
    factory.set_permissions(permissions)
    server.get_mount_points().add_factory(path, factory)
server.attach(None)
print(server.get_bound_port(), flush=True)
GLib.MainLoop().run()
"""


@pytest.fixture
def rtsp_server() -> Iterator[tuple[subprocess.Popen[str], int]]:
    """GStreamer's RTSP server with a green camera at /live for root:secret, and its port."""
    python = "/usr/bin/python3"
    if not Path(python).exists():
        pytest.skip("no system Python, so no RTSP server")
    with subprocess.Popen(
        [python, "-c", RTSP_SERVER],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        stdin=subprocess.DEVNULL,
        text=True,
    ) as server:
        assert server.stdout is not None
        line = server.stdout.readline()
        try:
            if not line:
                pytest.skip("GStreamer's RTSP server is not installed (gir1.2-gst-rtsp-server-1.0)")
            yield server, int(line)
        finally:
            server.kill()


def test_an_rtsp_camera_is_shown_until_it_dies(
    rtsp_server: tuple[subprocess.Popen[str], int],
) -> None:
    server, port = rtsp_server
    with live(f"rtsp://root:secret@127.0.0.1:{port}/live") as video:
        first, second = video.grab(), video.grab()
        assert colour(first) == colour(second) == GREEN
        assert first.decode(None).shape == (48, 64, 3)
        assert second.captured_s >= first.captured_s
        server.kill()
        until_it_fails(video)


def test_an_rtsp_camera_without_the_password_says_so(
    rtsp_server: tuple[subprocess.Popen[str], int],
) -> None:
    with (
        pytest.raises(CameraError, match="user or password"),
        live(f"rtsp://127.0.0.1:{rtsp_server[1]}/live"),
    ):
        pass


@pytest.fixture
def rare_key_frames(rtsp_server: tuple[subprocess.Popen[str], int]) -> Iterator[str]:
    """A stream that runs already, has just sent a key frame, and sends the next in four seconds."""
    plugin = subprocess.run(["gst-inspect-1.0", "openh264enc"], capture_output=True, check=False)
    if plugin.returncode:
        pytest.skip("GStreamer's openh264enc is not installed (gstreamer1.0-plugins-bad)")
    address = f"rtsp://root:secret@127.0.0.1:{rtsp_server[1]}/rare"
    over = threading.Event()
    with live(address) as first:
        first.grab()

        def watch() -> None:
            with contextlib.suppress(CameraError):
                while not over.is_set():
                    first.grab()

        watching = threading.Thread(target=watch)
        watching.start()
        yield address
        over.set()
        watching.join()


def first_of(video: VideoSource, waited: list[str]) -> Capture:
    """The first frame; what the stream waits for until then is added to `waited`."""
    while True:
        try:
            return video.grab()
        except FrameMissing as missing:
            waited.append(str(missing))


def test_a_stream_is_not_opened_again_while_its_key_frame_is_awaited(rare_key_frames: str) -> None:
    waited: list[str] = []
    with live(rare_key_frames, timeout_s=0.5, first_frame_s=5.0) as video:
        assert colour(first_of(video, waited)) == GREEN
    assert len(set(waited)) == 1
    assert "waiting for a key frame" in waited[0]
    assert "secret" not in waited[0]


def slices(count: int, gop: int) -> list[bytes]:
    """An MPEG transport stream, cut before its frames; tables come with key frames.

    Of noise where each frame is a key frame: then it is large.
    """
    target = io.BytesIO()
    found: list[bytes] = []
    noise = np.random.default_rng(1)
    with av.open(target, "w", format="mpegts", options={"flush_packets": "1"}) as output:
        stream = output.add_stream("libx264", rate=10)
        stream.height, stream.width, stream.pix_fmt = 48, 64, "yuv420p"
        stream.options = {"tune": "zerolatency", "g": str(gop)}
        for number in range(count):
            pixels = noise.integers(0, 255 if gop == 1 else 1, (48, 64, 3), np.uint8)
            frame = av.VideoFrame.from_ndarray(pixels, format="rgb24")
            frame.pts, frame.time_base = number, Fraction(1, 10)
            output.mux(stream.encode(frame))
            found.append(target.getvalue()[sum(map(len, found)) :])
    return found


def test_a_stream_whose_key_frame_never_comes_is_given_up_at_last(
    serve: Callable[..., str],
) -> None:
    key, *others = slices(250, gop=1000)

    def answer(connection: socket.socket) -> None:
        connection.sendall(b"HTTP/1.0 200 OK\r\nContent-Type: video/mp2t\r\n\r\n" + key[: 3 * 188])
        for part in itertools.cycle(others):
            connection.sendall(part)
            time.sleep(0.01)

    waited: list[str] = []
    with (
        live(f"http://{serve(answer)}/", timeout_s=0.2, first_frame_s=1.0) as video,
        pytest.raises(CameraError, match="no key frame within 4 s"),
    ):
        first_of(video, waited)
    assert waited


DIALECTS = {
    "standard": (
        b"Content-Type: multipart/x-mixed-replace; boundary=frame",
        b"--frame\r\nContent-Type: image/jpeg\r\nContent-Length: %d\r\n\r\n",
        b"\r\n",
    ),
    "quoted boundary, odd case, no length": (
        b'content-type: Multipart/X-Mixed-Replace;Boundary="--frame"',
        b"--frame\r\ncontent-type: IMAGE/JPEG\r\n\r\n",
        b"\r\n",
    ),
    "headers before the first boundary": (
        b"Content-Type: multipart/x-mixed-replace;boundary=123456789000000000000987654321",
        b"Content-Type: image/jpeg\r\nContent-Length: %d\r\n\r\n",
        b"\r\n--123456789000000000000987654321\r\n",
    ),
    "length before type, and more": (
        b"Content-Type: multipart/x-mixed-replace; boundary=frame",
        b"--frame\r\nX-Timestamp: 1.2\r\nContent-Length: %d\r\nContent-Type: image/jpeg\r\n\r\n",
        b"\r\n",
    ),
    "boundary without dashes, lines that end in LF": (
        b"Content-Type: multipart/x-mixed-replace; boundary=frame",
        b"frame\nContent-type: image/jpeg\n\n",
        b"\n",
    ),
    "another boundary than was said": (
        b"Content-Type: multipart/x-mixed-replace; boundary=frame",
        b"--other\r\nContent-Type: image/jpg\r\n\r\n",
        b"\r\n",
    ),
    "no type at all": (b"Server: camera", b"--frame\r\n\r\n", b"\r\n"),
    "called a picture": (b"Content-Type: image/jpeg", b"", b""),
    "no end of the picture": (
        b"Content-Type: multipart/x-mixed-replace; boundary=frame",
        b"--frame\r\nContent-Type: image/jpeg\r\nContent-Length: %d\r\n\r\n",
        b"\r\n--frame\r\n",
    ),
    "parts that are no pictures": (
        b"Content-Type: multipart/x-mixed-replace; boundary=frame",
        b"--frame\r\nContent-Type: audio/basic\r\nContent-Length: 96\r\n\r\n"
        + bytes(range(96))
        + b"\r\n--frame\r\nContent-Type: text/plain\r\n\r\nmotion\r\n"
        b"--frame\r\nContent-Type: image/jpeg\r\n\r\n",
        b"\r\n",
    ),
    "a preamble": (
        b"Content-Type: multipart/x-mixed-replace; boundary=frame",
        b"\r\nThis is a camera.\r\n--frame\r\nContent-Type: image/jpeg\r\n\r\n",
        b"\r\n",
    ),
}


@pytest.mark.parametrize("chunked", [False, True])
@pytest.mark.parametrize("dialect", DIALECTS)
def test_pictures_over_http_are_shown_in_every_dialect(
    serve: Callable[..., str], dialect: str, chunked: bool
) -> None:
    header, before, after = DIALECTS[dialect]

    def answer(connection: socket.socket) -> None:
        def send(data: bytes) -> None:
            connection.sendall(b"%x\r\n%b\r\n" % (len(data), data) if chunked else data)

        coding = b"Transfer-Encoding: chunked\r\n" if chunked else b""
        connection.sendall(b"HTTP/1.1 200 OK\r\n" + coding + header + b"\r\n\r\n")
        for one in (RED, GREEN, BLUE):
            picture = encoded([one], "mjpeg", "mjpeg")
            if dialect == "no end of the picture":
                picture = picture.removesuffix(b"\xff\xd9")
            send((before % len(picture) if b"%d" in before else before) + picture[:100])
            send(picture[100:] + after)
        if chunked:
            connection.sendall(b"0\r\n\r\n")

    with live(f"http://user:secret@{serve(answer)}/video") as video:
        seen = [colour(capture) for capture in until_it_fails(video, "broke|ended")]
    assert seen == [RED, GREEN, BLUE]


def test_a_picture_over_http_is_shown_before_the_next_byte_comes(
    serve: Callable[..., str],
) -> None:
    shown = threading.Event()

    def answer(connection: socket.socket) -> None:
        connection.sendall(b"HTTP/1.0 200 OK\r\nContent-Type: multipart/x-mixed-replace\r\n\r\n")
        connection.sendall(b"--frame\r\n\r\n" + encoded([RED], "mjpeg", "mjpeg"))
        shown.wait(20.0)

    with live(f"http://{serve(answer)}/video") as video:
        assert colour(video.grab()) == RED
        shown.set()


@pytest.mark.parametrize("end", [b"", b"\xff\xd9", b"\xff\xd9\r\n"])
def test_a_single_picture_is_asked_for_again_and_again(
    serve: Callable[..., str], end: bytes
) -> None:
    answers = iter([RED, GREEN, BLUE])

    def answer(connection: socket.socket) -> None:
        picture = encoded([next(answers)], "mjpeg", "mjpeg").removesuffix(b"\xff\xd9") + end
        connection.sendall(
            b"HTTP/1.1 200 OK\r\nContent-Type: image/jpeg\r\nContent-Length: %d\r\n\r\n"
            % len(picture)
            + picture
        )

    time = Time()
    with source(f"http://{serve(answer)}/still.jpg", time=time, fps=0.5) as video:
        seen = [colour(video.grab()) for _ in range(3)]
    assert seen == [RED, GREEN, BLUE]
    assert time.now_s == pytest.approx(1004.0)


def spoilt(part: bytes) -> bytes:
    """A slice of a stream of which most of the picture is gone; tables and times stay."""
    packets = [part[at : at + 188] for at in range(0, len(part), 188)]
    return b"".join(
        packet[:8] + b"\xa5" * 180 if number > 5 and packet[1] & 0x1F == 1 else packet
        for number, packet in enumerate(packets)
    )


@pytest.mark.parametrize(
    ("begin", "reason"),
    [("good frames", r"within 0\.5 s"), ("no key frame", "only damaged frames")],
)
def test_a_stream_of_nothing_but_damage_is_given_up_after_timeout_s(
    serve: Callable[..., str], begin: str, reason: str
) -> None:
    keys = slices(30, gop=1)
    key, *others = slices(100, gop=1000)
    first = keys[:15] if begin == "good frames" else [key[: 3 * 188], *others]

    def answer(connection: socket.socket) -> None:
        connection.sendall(b"HTTP/1.0 200 OK\r\nContent-Type: video/mp2t\r\n\r\n")
        # It ends with the connection, when the test has what it wants.
        for part in itertools.chain(first, itertools.cycle(map(spoilt, keys[15:]))):
            connection.sendall(part)
            time.sleep(0.01)

    def until_given_up() -> None:
        while True:
            seen.append(first_of(video, waited))

    seen: list[Capture] = []
    waited: list[str] = []
    with (
        live(f"http://{serve(answer)}/", timeout_s=0.5, first_frame_s=3.0) as video,
        pytest.raises(CameraError, match=reason),
    ):
        until_given_up()
    assert len(seen) == (15 if begin == "good frames" else 0)


def turned_film(path: Path, matrix: tuple[int, int, int, int]) -> None:
    """A film whose picture is red at the left and blue below, with (a, b, c, d) in its header."""
    pixels = np.zeros((48, 64, 3), np.uint8)
    pixels[:, :32] = RED
    pixels[24:, 32:] = BLUE
    with av.open(str(path), "w") as output:
        stream = output.add_stream("libx264", rate=10)
        stream.height, stream.width, stream.pix_fmt = 48, 64, "yuv444p"
        frame = av.VideoFrame.from_ndarray(pixels, format="rgb24")
        for number in range(2):
            frame.pts, frame.time_base = number, Fraction(1, 10)
            output.mux(stream.encode(frame))
        output.mux(stream.encode(None))
    data = bytearray(path.read_bytes())
    # Version and flags, times, track, duration, layer, volume: then the matrix, in 16.16.
    at = data.index(b"tkhd") + 4 + 40
    a, b, c, d = (value << 16 for value in matrix)
    data[at : at + 36] = struct.pack(">9i", a, b, 0, c, d, 0, 0, 0, 1 << 30)
    path.write_bytes(data)


@pytest.mark.parametrize(
    ("matrix", "corners"),
    [
        ((1, 0, 0, 1), "R.RB"),
        ((0, 1, -1, 0), "RRB."),
        ((-1, 0, 0, -1), "BR.R"),
        ((0, -1, 1, 0), ".BRR"),
        ((-1, 0, 0, 1), ".RBR"),
        ((1, 0, 0, -1), "RBR."),
        ((0, 1, 1, 0), "RR.B"),
        ((0, -1, -1, 0), "B.RR"),
    ],
)
def test_a_film_is_turned_as_its_display_matrix_says(
    tmp_path: Path, matrix: tuple[int, int, int, int], corners: str
) -> None:
    path = tmp_path / "phone.mp4"
    turned_film(path, matrix)
    with source(path) as video:
        capture = video.grab()
    whole, reduced = capture.decode(None), capture.decode((12, 9))
    assert whole.shape == ((64, 48, 3) if matrix[0] == 0 else (48, 64, 3))
    assert reduced.shape[0] >= 24
    assert reduced.shape[1] >= 18
    for pixels in (whole, reduced):
        height, width = pixels.shape[:2]
        found = [
            tuple(pixels[y, x] > 127)
            for y in (height // 4, height * 3 // 4)
            for x in (width // 4, width * 3 // 4)
        ]
        names = {(1, 0, 0): "R", (0, 0, 1): "B", (0, 0, 0): "."}
        assert "".join(names[one] for one in found) == corners


def test_a_stream_stays_turned_until_its_next_key_frame(serve: Callable[..., str]) -> None:
    target = io.BytesIO()
    with av.open(target, "w", format="mpegts") as output:
        stream = output.add_stream("libx264", rate=10)
        stream.height, stream.width, stream.pix_fmt = 48, 64, "yuv420p"
        stream.options = {"tune": "zerolatency", "g": "4"}
        turning = None
        for number in range(8):
            frame = av.VideoFrame.from_ndarray(np.zeros((48, 64, 3), np.uint8), format="rgb24")
            frame.pts, frame.time_base = number, Fraction(1, 10)
            for packet in stream.encode(frame):
                turning = turning or av.bitstream.BitStreamFilterContext(
                    "h264_metadata=display_orientation=insert:rotate=90", in_stream=stream
                )
                output.mux(turning.filter(packet) if number < 4 else [packet])

    def answer(connection: socket.socket) -> None:
        connection.sendall(
            b"HTTP/1.0 200 OK\r\nContent-Type: video/mp2t\r\n\r\n" + target.getvalue()
        )

    with live(f"http://{serve(answer)}/") as video:
        shapes = [capture.decode(None).shape for capture in until_it_fails(video)]
    assert shapes == [(64, 48, 3)] * 4 + [(48, 64, 3)] * 4


def test_a_gap_in_a_recording_is_kept(tmp_path: Path) -> None:
    path = tmp_path / "gap.mp4"
    encode(str(path), [RED, GREEN, BLUE, WHITE], stamps=[0, 1, 101, 102])
    time = Time()
    with source(path, time=time, timeout_s=5.0) as video:
        captures = [video.grab() for _ in range(5)]
    assert np.diff([one.captured_s for one in captures]) == pytest.approx(
        [0.1, 10.0, 0.1, 0.1], abs=0.02
    )
    assert not captures[0].live


def test_while_a_recording_is_silent_its_next_frame_is_due(tmp_path: Path) -> None:
    path = tmp_path / "gap.mp4"
    encode(str(path), [RED, GREEN], stamps=[0, 600])
    time = Time()
    due_s: list[float] = []

    def sleep(duration_s: float) -> None:
        due_s.append(video.due_s)
        time.sleep(duration_s)

    video = VideoSource(CameraConfig(kind="video", source=str(path)), time.clock, sleep)
    with video:
        video.grab()
        video.grab()
    assert due_s == [pytest.approx(1060.0, abs=0.1)]
