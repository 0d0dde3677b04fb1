"""GStreamer pipelines, run for real."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np
import pytest

from edged.cameras import gstreamer
from edged.cameras.gstreamer import GStreamerSource
from edged.cameras.newest import NewestFrame
from edged.cameras.pace import sleep_until
from edged.cameras.source import SourceEnded
from edged.config.schema import CameraConfig
from edged.core import Pixels
from edged.errors import CameraError
from tests.mosquitto import wait_until


def source(pipeline: str, **options: object) -> GStreamerSource:
    settings = {
        "width_px": 64,
        "height_px": 48,
        "timeout_s": 20.0,
        "first_frame_s": 20.0,
        **options,
    }
    return GStreamerSource(
        CameraConfig(kind="gstreamer", source=pipeline, **settings),  # type: ignore[arg-type]
    )


@pytest.fixture
def installed() -> None:
    if shutil.which("gst-launch-1.0") is None:
        pytest.skip("gst-launch-1.0 is not installed (gstreamer1.0-tools)")
    known = subprocess.run(
        [
            "gst-launch-1.0",
            "-q",
            "videotestsrc",
            "num-buffers=1",
            "!",
            "videoconvert",
            "!",
            "fakesink",
        ],
        capture_output=True,
        check=False,
    )
    if known.returncode:
        pytest.skip("GStreamer's test picture is not installed (gstreamer1.0-plugins-base)")


def children() -> list[str]:
    """The processes of pipelines that this process has started and not yet reaped."""
    found = []
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            name, _, rest = path.read_text().partition(" (")[2].rpartition(") ")
        except OSError:
            continue
        if rest.split()[1] == str(os.getpid()) and name == "edged-gst":
            found.append(path.parent.name)
    return found


def wait_for_child() -> int:
    deadline_s = time.monotonic() + 20.0
    while not (found := children()) and time.monotonic() < deadline_s:
        time.sleep(0.01)
    return int(found[0])


def bars(pixels: Pixels) -> list[tuple[int, ...]]:
    """The colours of the seven bars of the SMPTE picture, left to right, each 0, 180 or so."""
    width = pixels.shape[1]
    return [tuple((pixels[5, width * (2 * bar + 1) // 14] > 90).astype(int)) for bar in range(7)]


SMPTE_BARS = [(1, 1, 1), (1, 1, 0), (0, 1, 1), (0, 1, 0), (1, 0, 1), (1, 0, 0), (0, 0, 1)]


@pytest.mark.usefixtures("installed")
class TestPipeline:
    def test_colours_are_right(self) -> None:
        with source("videotestsrc pattern=red") as camera:
            pixels = camera.grab().decode(None)
        assert pixels.dtype == np.uint8
        assert pixels.shape == (48, 64, 3)
        assert np.abs(pixels.astype(int) - (255, 0, 0)).max() <= 3

    @pytest.mark.parametrize("width_px", [64, 65, 66, 67])
    def test_rows_do_not_shear_at_any_width(self, width_px: int) -> None:
        with source("videotestsrc pattern=smpte", width_px=width_px, height_px=49) as camera:
            camera.grab()
            pixels = camera.grab().decode(None)
        assert pixels.shape == (49, width_px, 3)
        assert bars(pixels) == SMPTE_BARS
        assert bars(pixels[25:]) == SMPTE_BARS

    def test_the_pipelines_own_size_is_scaled(self) -> None:
        pipeline = "videotestsrc pattern=smpte ! video/x-raw,width=320,height=240,format=NV12"
        with source(pipeline) as camera:
            pixels = camera.grab().decode(None)
        assert pixels.shape == (48, 64, 3)
        assert bars(pixels) == SMPTE_BARS

    def test_quoted_caps_and_an_appsink_at_the_end_are_understood(self) -> None:
        pipeline = (
            "videotestsrc pattern=blue ! 'video/x-raw, format=BGRx, width=(int)64' "
            "! videoconvert ! appsink drop=true max-buffers=1"
        )
        with source(pipeline) as camera:
            assert (camera.grab().decode(None).mean(axis=(0, 1)) > 127).tolist() == [
                False,
                False,
                True,
            ]

    def test_every_frame_is_its_own_memory_and_later_than_the_one_before(self) -> None:
        with source("videotestsrc pattern=snow is-live=true") as camera:
            captures = [camera.grab() for _ in range(3)]
        pixels = [capture.decode(None) for capture in captures]
        assert not np.array_equal(pixels[0], pixels[1])
        assert not np.array_equal(pixels[1], pixels[2])
        assert captures[0].captured_s < captures[1].captured_s < captures[2].captured_s

    def test_a_finite_pipeline_ends(self) -> None:
        with source("videotestsrc num-buffers=1", loop=False) as camera:
            camera.grab()
            with pytest.raises(SourceEnded):
                camera.grab()

    def test_a_camera_that_ends_is_tried_again(self) -> None:
        with source("videotestsrc num-buffers=1") as camera:
            camera.grab()
            with pytest.raises(CameraError, match="pipeline ended") as caught:
                camera.grab()
        assert not isinstance(caught.value, SourceEnded)

    @pytest.mark.parametrize(
        ("pipeline", "reason"),
        [
            ("nosuchcamera", 'no element "nosuchcamera"'),
            ("videotestsrc colour=red", 'no property "colour"'),
            ("videotestsrc ! video/x-raw,format=NONE", "could not link"),
            ("videotestsrc ! ! fakesink", "syntax error"),
            ("filesrc location=/nonexistent/film ! decodebin", "Resource not found"),
        ],
    )
    def test_a_pipeline_that_cannot_work_says_why(self, pipeline: str, reason: str) -> None:
        with source(pipeline) as camera, pytest.raises(CameraError, match=reason) as caught:
            camera.grab()
        assert "\n" not in str(caught.value)
        assert not isinstance(caught.value, SourceEnded)

    def test_a_password_in_the_pipeline_is_told_to_nobody(self) -> None:
        with source("filesrc location=rtsp://root:hidden@cam/x colour=://a:hidden@b") as camera:
            assert "hidden" not in camera.name
            with pytest.raises(CameraError) as caught:
                camera.grab()
        assert "hidden" not in str(caught.value)

    def test_nobody_reads_the_pipeline_in_the_list_of_processes(self) -> None:
        pipeline = "videotestsrc is-live=true ! identity name=hidden"
        with source(pipeline) as camera:
            camera.grab()
            process = Path(f"/proc/{wait_for_child()}")
            assert b"hidden" not in (process / "cmdline").read_bytes()
            assert b"hidden" not in (process / "environ").read_bytes()

    def test_a_hang_is_noticed(self) -> None:
        with (
            source("videotestsrc ! valve drop=true", timeout_s=0.3, first_frame_s=0.3) as camera,
            pytest.raises(CameraError, match=r"no frame within 0\.3 s"),
        ):
            camera.grab()
        assert children() == []

    def test_a_daemon_that_is_killed_leaves_no_pipeline_behind(self, tmp_path: Path) -> None:
        script = tmp_path / "parent.py"
        script.write_text(
            "from tests.cameras.test_gstreamer import source, wait_for_child\n"
            "with source('videotestsrc ! valve drop=true') as camera:\n"
            "    print(wait_for_child(), flush=True)\n"
            "    camera.grab()\n"
        )
        parent = subprocess.Popen(
            [sys.executable, str(script)],
            stdout=subprocess.PIPE,
            env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])},
        )
        assert parent.stdout is not None
        child = int(parent.stdout.readline())
        parent.kill()
        parent.communicate()
        wait_until(lambda: not alive(child))

    def test_a_picture_is_turned_as_its_orientation_says(self) -> None:
        turned = "taginject tags=image-orientation=rotate-90"
        pipeline = f"videotestsrc pattern=smpte ! {turned}"
        with source(pipeline, width_px=48, height_px=64) as camera:
            camera.grab()
            pixels = camera.grab().decode(None)
        assert pixels.shape == (64, 48, 3)
        # What was below is at the left.
        assert bars(pixels.transpose(1, 0, 2)[::-1]) == SMPTE_BARS

    def test_a_killed_child_is_noticed(self) -> None:
        with source("videotestsrc is-live=true") as camera:
            camera.grab()
            os.kill(wait_for_child(), signal.SIGKILL)
            with pytest.raises(CameraError, match="killed by signal 9"):
                list(iter(camera.grab, None))
        assert children() == []

    def test_closing_stops_a_child_that_waits_to_be_read(self) -> None:
        with source("videotestsrc", width_px=1920, height_px=1080) as camera:
            camera.grab()
        assert children() == []

    def test_it_opens_again_after_closing(self) -> None:
        for _ in range(2):
            with source("videotestsrc pattern=white") as camera:
                assert camera.grab().decode(None).min() > 250


def fake(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, script: str) -> None:
    """A program in the place of the one that runs pipelines."""
    program = tmp_path / "pipeline"
    program.write_text(f"#!/bin/sh\n{script}\n")
    program.chmod(0o755)
    monkeypatch.setattr(gstreamer, "CHILD", (str(program),))


def test_a_talkative_plugin_neither_blocks_nor_spoils_the_frames(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # 400 kB on standard output and error, then one frame of 48 rows of 192 bytes.
    script = """
    for fd; do :; done; fd=${fd#fd=}
    yes 'GST_ARGUS: Creating output stream' 2>&- | head -c 200000
    yes 'warning' 2>&- | head -c 200000 >&2
    head -c 9216 /dev/zero | tr '\\0' '\\7' > /proc/self/fd/$fd
    """
    fake(tmp_path, monkeypatch, script)
    with source("camerasrc") as camera:
        assert (camera.grab().decode(None) == 7).all()
        with pytest.raises(CameraError, match="warning"):
            camera.grab()


def test_the_first_frame_may_take_longer_than_the_next(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    script = """
    for fd; do :; done; fd=${fd#fd=}
    sleep 1
    head -c 9216 /dev/zero > /proc/self/fd/$fd
    sleep 60
    """
    fake(tmp_path, monkeypatch, script)
    with source("camerasrc", timeout_s=0.3) as camera:
        camera.grab()
        with pytest.raises(CameraError, match=r"no frame within 0\.3 s"):
            camera.grab()


def test_a_child_that_talks_and_sends_nothing_is_given_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fake(tmp_path, monkeypatch, "trap 'exit' INT; while :; do echo waiting; done")
    with (
        source("camerasrc", first_frame_s=0.5, timeout_s=0.5) as camera,
        pytest.raises(CameraError, match=r"no frame within 0\.5 s.*waiting"),
    ):
        camera.grab()


def test_a_child_that_does_not_stop_is_killed_with_its_children(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # The wish to stop is ignored; what is started inherits that.
    fake(tmp_path, monkeypatch, f"trap '' INT; sleep 60 & echo $! > {tmp_path}/child; wait; wait")
    with (
        source("camerasrc", timeout_s=0.5, first_frame_s=0.5) as camera,
        pytest.raises(CameraError, match="within"),
    ):
        camera.grab()
    child = int((tmp_path / "child").read_text())
    deadline_s = time.monotonic() + 20.0
    while alive(child) and time.monotonic() < deadline_s:
        time.sleep(0.01)
    assert not alive(child)


def test_closing_ends_a_child_that_sends_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fake(tmp_path, monkeypatch, f"echo $$ > {tmp_path}/child; sleep 60 & wait")
    closing = threading.Event()
    camera = CameraConfig(kind="gstreamer", source="camerasrc")
    sleep = sleep_until(closing)
    with NewestFrame(lambda: GStreamerSource(camera, sleep=sleep), camera, closing=closing) as it:
        wait_until(lambda: (tmp_path / "child").is_file() and (tmp_path / "child").read_text())
        assert it.read(0.0) is None
    assert not alive(int((tmp_path / "child").read_text()))


def alive(process: int) -> bool:
    try:
        return Path(f"/proc/{process}/stat").read_text().rpartition(") ")[2][0] not in "ZX"
    except OSError:
        return False


def test_without_gstreamer_the_package_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    child = Path(gstreamer.CHILD[-1])
    without = tmp_path / child.name
    without.write_text(child.read_text().replace("libgstreamer-1.0.so.0", "libabsent.so.0"))
    monkeypatch.setattr(gstreamer, "CHILD", (*gstreamer.CHILD[:-1], str(without)))
    with (
        source("videotestsrc") as camera,
        pytest.raises(CameraError, match=r"apt install gstreamer1\.0-tools"),
    ):
        camera.grab()


def test_a_process_that_cannot_be_started_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gstreamer, "CHILD", ("/nonexistent/python",))
    with pytest.raises(CameraError, match="cannot start a process"), source("videotestsrc"):
        pass


@pytest.mark.parametrize("pipeline", ["", "   ", "videotestsrc ! 'video/x-raw"])
def test_no_pipeline_is_an_error_that_names_the_option(pipeline: str) -> None:
    with pytest.raises(CameraError, match=r"camera\.source"), source(pipeline):
        pass


@pytest.mark.usefixtures("installed")
def test_what_is_secret_is_no_business_of_the_child(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EDGED_MQTT__PASSWORD_FILE", "hunter2x9")
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", "/run/credentials/hunter2x9")
    monkeypatch.setenv("GST_DEBUG_NO_COLOR", "1")
    with source("videotestsrc is-live=true name=hunter2x9") as camera:
        camera.grab()
        process = Path(f"/proc/{wait_for_child()}")
        told = process.joinpath("environ").read_bytes() + process.joinpath("cmdline").read_bytes()
    assert b"hunter2x9" not in told
    assert b"GST_DEBUG_NO_COLOR=1" in told


@pytest.mark.usefixtures("installed")
@pytest.mark.parametrize(
    "pipeline",
    [
        "rtspsrc location=rtsp://u:p%40hunter2x9@127.0.0.1:9/x",
        "souphttpsrc location=http://u:hunter2x9@127.0.0.1:9/x?sig=hunter2x9",
        'videotestsrc extra-headers="headers,Authorization=(string)\\"Bearer hunter2x9\\""',
        "videotestsrc pattern=hunter2x9",
        "videotestsrc ! hunter2x9=hunter2x9",
    ],
)
def test_the_last_words_of_a_pipeline_have_no_secret(pipeline: str) -> None:
    with source(pipeline) as camera, pytest.raises(CameraError) as failed:
        camera.grab()
    assert "hunter2x9" not in str(failed.value).replace("! hunter2x9", "")
    assert "gstreamer" in str(failed.value)
