"""The pictures of a recording as a camera."""

from __future__ import annotations

import logging
from pathlib import Path

import numpy as np
import pytest

from edged.cameras.newest import NewestFrame, SourceEnded
from edged.cameras.recording import RecordingSource
from edged.config.schema import CameraConfig, RuleConfig
from edged.errors import CameraError
from edged.recording.records import Seen, Setup
from edged.recording.writer import Writer
from tests.cameras.scripted import next_frame
from tests.clocks import StandingClock
from tests.recording.made import Loop, waiting, written

SHADES = (10, 60, 110, 160)


def made(path: Path, *, pictures: bool = True, gaps_s: tuple[float, ...] = (0.5,) * 4) -> Path:
    """A recording of pictures of these shades."""
    loop = Loop([RuleConfig(name="cat", labels=["cat"])])
    lane = loop.lane(pictures=pictures)
    lane.offer(loop.deciding)
    for shade, gap_s in zip(SHADES, gaps_s, strict=True):
        loop.frame([0.0] * 4, gap_s, shade=shade)
    return written(path, lane)


def config(path: Path, **options: object) -> CameraConfig:
    return CameraConfig(**{"kind": "recording", "source": str(path), "fps": 1000.0, **options})


class Sleeping(StandingClock):
    """A clock that sleeping turns."""

    def sleep(self, for_s: float) -> None:
        self.now_s += for_s


def source(path: Path, **options: object) -> tuple[RecordingSource, Sleeping]:
    clock = Sleeping(50.0)
    return RecordingSource(config(path, **options), clock, clock.sleep), clock


def test_its_pictures_come_at_the_times_between_them(tmp_path: Path) -> None:
    path = made(tmp_path / "a.rec", gaps_s=(0.5, 0.2, 3.0, 0.1))
    camera, clock = source(path)
    found = []
    with camera:
        for _ in SHADES:
            capture = camera.grab()
            found.append((round(clock.now_s - 50.0, 6), int(capture.decode(None).mean())))
            assert not capture.live
    assert [at_s for at_s, _ in found] == [0.0, 0.2, 3.2, 3.3]
    assert [shade for _, shade in found] == pytest.approx(SHADES, abs=2)


def test_it_begins_again_where_it_loops_and_ends_where_not(tmp_path: Path) -> None:
    path = made(tmp_path / "a.rec")
    camera, _ = source(path)
    with camera:
        shades = [int(camera.grab().decode(None).mean()) for _ in range(6)]
    assert shades == pytest.approx([*SHADES, *SHADES[:2]], abs=2)
    camera, _ = source(path, loop=False)
    with camera:
        for _ in SHADES:
            camera.grab()
        with pytest.raises(SourceEnded):
            camera.grab()


def test_it_is_no_faster_than_the_rate_that_is_wanted(tmp_path: Path) -> None:
    path = made(tmp_path / "a.rec", gaps_s=(0.1,) * 4)
    camera, _ = source(path, fps=5.0)
    with camera:
        shades = [int(camera.grab().decode(None).mean()) for _ in range(2)]
    assert shades == pytest.approx([SHADES[0], SHADES[2]], abs=2)


def test_what_was_turned_cut_and_masked_is_not_again(tmp_path: Path) -> None:
    path = made(tmp_path / "a.rec")
    turned = config(
        path, rotate_deg=90, region=(0.0, 0.0, 0.5, 0.5), privacy=(((0.0, 0.0), (1.0, 1.0)),)
    )
    camera = NewestFrame(lambda: RecordingSource(turned), turned)
    with camera:
        frame = next_frame(camera)
    assert frame.pixels.shape == (12, 16, 3)
    assert frame.pixels.min() > 5


def test_a_frame_without_a_picture_is_passed_over(tmp_path: Path) -> None:
    loop = Loop([RuleConfig(name="cat", labels=["cat"])])
    lane = loop.lane(pictures=True)
    lane.offer(loop.deciding)
    for shade in SHADES:
        loop.frame([0.0] * 4, shade=shade)
    path = tmp_path / "a.rec"
    with Writer(path) as writer:
        writer.write(lane.header("porch"))
        for record in waiting(lane):
            if isinstance(record, Setup) or record.number % 2:  # type: ignore[union-attr]
                writer.write(record)
            elif isinstance(record, Seen):
                writer.write(Seen(record.number, record.captured_s, record.scores))
    camera, _ = source(path)
    with camera:
        assert int(camera.grab().decode(None).mean()) == pytest.approx(10, abs=2)
        assert int(camera.grab().decode(None).mean()) == pytest.approx(110, abs=2)


def test_one_that_is_cut_short_is_shown_as_far_as_it_goes_and_told_once(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = made(tmp_path / "a.rec")
    path.write_bytes(path.read_bytes()[:-80])
    camera, _ = source(path)
    with camera, caplog.at_level(logging.WARNING):
        shades = [int(camera.grab().decode(None).mean()) for _ in range(8)]
    assert set(shades) <= {*SHADES, *(shade + 1 for shade in SHADES)}
    assert len(caplog.messages) == 1
    assert "a.rec: cut short within a record" in caplog.messages[0]


@pytest.mark.parametrize(
    ("pictures", "content", "told"),
    [
        (False, None, "it was recorded without pictures; record with --frames"),
        (True, b"no recording", "not a recording of edged"),
        (True, b"", "not a recording of edged"),
    ],
)
def test_what_cannot_be_shown_is_one_line(
    pictures: bool, content: bytes | None, told: str, tmp_path: Path
) -> None:
    path = made(tmp_path / "a.rec", pictures=pictures)
    if content is not None:
        path.write_bytes(content)
    camera, _ = source(path)
    with pytest.raises(CameraError, match=told), camera:
        pass


def test_a_recording_with_no_picture_in_it_says_so(tmp_path: Path) -> None:
    loop = Loop([RuleConfig(name="cat", labels=["cat"])])
    lane = loop.lane(pictures=True)
    path = written(tmp_path / "a.rec", lane)
    camera, _ = source(path)
    with camera, pytest.raises(CameraError, match="no picture is in it; record with --frames"):
        camera.grab()


def test_a_damaged_picture_is_a_damaged_frame(tmp_path: Path) -> None:
    loop = Loop([RuleConfig(name="cat", labels=["cat"])])
    lane = loop.lane(pictures=True)
    loop.frames(0.1, 0.1)
    setup, seen = waiting(lane)
    assert isinstance(seen, Seen)
    path = tmp_path / "a.rec"
    with Writer(path) as writer:
        writer.write(lane.header("porch"))
        writer.write(setup)
        writer.write(Seen(2, seen.captured_s, seen.scores, jpeg=seen.jpeg[:100]))
    camera, _ = source(path)
    with camera:
        capture = camera.grab()
        with pytest.raises(CameraError, match=r"a\.rec: frame 2"):
            capture.decode(None)


def test_less_is_decoded_where_less_is_wanted(tmp_path: Path) -> None:
    path = tmp_path / "a.rec"
    loop = Loop([RuleConfig(name="cat", labels=["cat"])])
    lane = loop.lane(pictures=True)
    loop.frames(0.1, 0.1)
    setup, seen = waiting(lane)
    assert isinstance(seen, Seen)
    from edged.imaging.picture import jpeg

    big = jpeg(np.full((800, 1200, 3), 99, np.uint8), 90)
    with Writer(path) as writer:
        writer.write(lane.header("porch"))
        writer.write(setup)
        writer.write(Seen(2, seen.captured_s, seen.scores, jpeg=big))
    camera, _ = source(path)
    with camera:
        capture = camera.grab()
        assert capture.reduces
        assert capture.decode((96, 96)).shape[0] < 800
        assert capture.decode(None).shape == (800, 1200, 3)
