"""The capture thread: newest wins, comes back after failures, hides no bug, closes in time."""

from __future__ import annotations

import logging
import math
import threading
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from edged.cameras import newest
from edged.cameras.directory import DirectorySource
from edged.cameras.newest import NewestFrame
from edged.cameras.pace import sleep_until
from edged.cameras.source import Capture, DecodePending, FrameMissing, SourceDied, SourceEnded
from edged.config.schema import CameraConfig
from edged.core import Camera, Pixels
from edged.errors import CameraError
from tests.cameras.scripted import (
    LIMIT_S,
    Gate,
    ScriptedSource,
    Step,
    capture,
    eventually,
    next_frame,
    one_after_another,
    shade,
)

QUICK = CameraConfig(retry_min_s=0.001, retry_max_s=0.002)


@contextmanager
def camera_over(
    *sources: ScriptedSource,
    config: CameraConfig = QUICK,
    clock: Callable[[], float] = time.monotonic,
) -> Generator[NewestFrame, None, None]:
    with NewestFrame(one_after_another(sources), config, clock=clock) as camera:
        try:
            yield camera
        finally:
            for source in sources:
                source.release()


def damaged(reason: str) -> Capture:
    def decode(least_px: tuple[int, int] | None) -> Pixels:
        raise CameraError(reason)

    return Capture(0.0, decode)


def test_before_it_is_opened_nothing_is_wrong() -> None:
    camera: Camera = NewestFrame(ScriptedSource, QUICK)
    assert camera.error is None


def test_a_frame_has_its_pixels_its_time_and_its_number() -> None:
    with camera_over(ScriptedSource(capture(7))) as camera:
        frame = next_frame(camera)
    assert (frame.pixels == 7).all()
    assert frame.captured_s == 7.0
    assert frame.number == 1
    assert frame.full is None
    assert camera.name == "scripted"


def test_a_slow_reader_gets_the_newest_frame_and_the_rest_counts_as_dropped() -> None:
    source = ScriptedSource(*(capture(value) for value in range(1, 6)))
    with camera_over(source) as camera:
        assert source.exhausted.reached.wait(LIMIT_S)
        frame = next_frame(camera)
        assert frame.captured_s == 5.0
        assert frame.number == 5
        assert camera.dropped == 4
        assert camera.read(0.0, None) is None


def test_a_frame_that_is_read_is_not_dropped() -> None:
    gate = Gate()
    with camera_over(ScriptedSource(capture(1), gate, capture(2))) as camera:
        first = next_frame(camera)
        gate.open()
        second = next_frame(camera)
        assert (first.number, second.number) == (1, 2)
        assert camera.dropped == 0


def test_frames_that_nobody_reads_are_not_decoded() -> None:
    decoded: list[int] = []

    def counted(value: int) -> Capture:
        def decode(least_px: tuple[int, int] | None) -> Pixels:
            decoded.append(value)
            return shade(value)

        return Capture(0.0, decode)

    source = ScriptedSource(counted(1), counted(2), counted(3))
    with camera_over(source) as camera:
        assert source.exhausted.reached.wait(LIMIT_S)
        next_frame(camera)
    assert decoded == [3]


def test_a_frame_that_is_skipped_is_not_decoded_and_not_read_again() -> None:
    def decode(least_px: tuple[int, int] | None) -> Pixels:
        raise AssertionError("decoded")

    gate = Gate()
    source = ScriptedSource(Capture(0.0, decode), gate, capture(2))
    with camera_over(source) as camera:
        assert gate.reached.wait(LIMIT_S)
        assert camera.skip(LIMIT_S)
        assert not camera.skip(0.0)
        gate.open()
        assert next_frame(camera).number == 2
        assert camera.dropped == 0


def test_decoding_happens_in_the_readers_thread_and_the_device_belongs_to_another() -> None:
    decoded_in: list[int] = []

    def decode(least_px: tuple[int, int] | None) -> Pixels:
        decoded_in.append(threading.get_ident())
        return shade(1)

    source = ScriptedSource(Capture(0.0, decode))
    with camera_over(source) as camera:
        next_frame(camera)
    assert source.closed.wait(LIMIT_S)
    assert decoded_in == [threading.get_ident()]
    assert len(source.threads) == 1
    assert threading.get_ident() not in source.threads


def test_both_the_reduced_and_the_full_picture_are_turned_upright() -> None:
    turned = CameraConfig(rotate_deg=90, region=(0.0, 0.0, 1.0, 0.5))

    def decode(least_px: tuple[int, int] | None) -> Pixels:
        return shade(1, 2, 4) if least_px else shade(2, 20, 40)

    shot = Capture(0.0, decode, reduces=True)
    with camera_over(ScriptedSource(shot), config=turned) as camera:
        frame = next_frame(camera, (1, 1))
    assert frame.pixels.shape == (2, 2, 3)
    assert frame.full is not None
    assert frame.full().shape == (20, 20, 3)


def test_each_frame_is_as_large_as_its_reader_wants_it_where_the_region_is_cut() -> None:
    halved = CameraConfig(region=(0.0, 0.0, 0.5, 1.0))
    asked: list[tuple[int, int] | None] = []

    def decode(least_px: tuple[int, int] | None) -> Pixels:
        asked.append(least_px)
        return shade(1, 8, 8)

    gate = Gate()
    steps = (Capture(0.0, decode, reduces=True), gate, Capture(0.0, decode, reduces=True))
    with camera_over(ScriptedSource(*steps), config=halved) as camera:
        next_frame(camera, (32, 32))
        gate.open()
        next_frame(camera, (224, 224))
    assert asked == [(32, 66), (224, 450)]


def test_a_source_that_scales_is_told_what_is_enough_before_each_grab() -> None:
    class Scaling(ScriptedSource):
        least_px: tuple[int, int] | None = None

        def __init__(self, *steps: Step) -> None:
            super().__init__(*steps)
            self.told: list[tuple[int, int] | None] = []

        def grab(self) -> Capture:
            self.told.append(self.least_px)
            return super().grab()

    first, second = Gate(), Gate()
    source = Scaling(capture(1), first, capture(2), second, capture(3))
    with camera_over(source) as camera:
        next_frame(camera, (32, 32))
        first.open()
        assert second.reached.wait(LIMIT_S)
        next_frame(camera, (224, 224))
        second.open()
        assert source.exhausted.reached.wait(LIMIT_S)
    # The second grab may have begun before the first frame was read, or after.
    assert source.told[0] is None
    assert source.told[2:4] == [(32, 32), (224, 224)]


def test_a_lost_camera_is_opened_again_and_the_numbers_go_on(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.INFO)
    gate = Gate()
    first = ScriptedSource(capture(1), gate, CameraError("/dev/video0: unplugged"))
    absent = [ScriptedSource(opening=CameraError("/dev/video0: not there")) for _ in range(3)]
    again = ScriptedSource(capture(2), name="scripted again")
    with camera_over(first, *absent, again) as camera:
        assert next_frame(camera).number == 1
        assert camera.error is None
        gate.open()
        assert next_frame(camera).number == 2
        assert camera.error is None
        assert camera.name == "scripted again"
    assert first.closed.is_set()
    assert [record.levelname for record in caplog.records] == ["INFO", "WARNING", "WARNING", "INFO"]
    assert "unplugged" in caplog.text
    assert caplog.text.count("not there") == 1


def test_failures_are_counted_once_each_and_the_last_reason_stays() -> None:
    absent = [ScriptedSource(opening=CameraError("/dev/video0: not there")) for _ in range(3)]
    first = ScriptedSource(capture(1), CameraError("/dev/video0: unplugged"))
    second = ScriptedSource(capture(2), CameraError("/dev/video0: loose contact"))
    last, before = ScriptedSource(capture(3)), NewestFrame(ScriptedSource, QUICK)
    assert (before.failures, before.last_error) == (0, None)
    with camera_over(first, *absent, second, last) as camera:
        assert last.exhausted.reached.wait(LIMIT_S)
        assert camera.error is None
        assert (camera.failures, camera.last_error) == (2, "/dev/video0: loose contact")


def test_an_end_is_no_failure_and_damage_is_one() -> None:
    gate = Gate()
    source = ScriptedSource(damaged("bad JPEG"), gate, capture(2), SourceEnded("no more pictures"))
    with camera_over(source) as camera:
        assert gate.reached.wait(LIMIT_S)
        assert camera.read(0.0, None) is None
        gate.open()
        eventually(lambda: camera.ended)
        assert next_frame(camera).number == 2
        assert (camera.failures, camera.last_error) == (1, "bad JPEG")


def test_after_a_good_frame_the_next_attempt_comes_soon_again() -> None:
    # Without that the last of these waits would be longer than any test.
    soon = CameraConfig(retry_min_s=0.001, retry_max_s=86400.0)
    flaky = [ScriptedSource(capture(1), CameraError("loose contact")) for _ in range(40)]
    last = ScriptedSource(capture(2))
    with camera_over(*flaky, last, config=soon) as camera:
        assert last.exhausted.reached.wait(LIMIT_S)
        assert next_frame(camera).number == 41


def test_an_absent_camera_is_told_and_read_gives_nothing() -> None:
    absent = ScriptedSource(opening=CameraError("/dev/video9: not there"))
    with camera_over(absent) as camera:
        eventually(lambda: camera.error == "/dev/video9: not there")
        assert camera.read(0.0, None) is None


def test_a_source_that_cannot_even_be_made_is_tried_again() -> None:
    attempts: list[int] = []
    source = ScriptedSource(capture(1))

    def make() -> ScriptedSource:
        attempts.append(1)
        if len(attempts) < 3:
            raise CameraError("no such library")
        return source

    with NewestFrame(make, QUICK) as camera:
        assert next_frame(camera).number == 1
        source.release()
    assert len(attempts) == 3


def test_a_damaged_frame_is_left_out_and_logged_once_per_run(
    caplog: pytest.LogCaptureFixture,
) -> None:
    gates = [Gate() for _ in range(3)]
    source = ScriptedSource(
        damaged("bad JPEG"), gates[0], damaged("bad JPEG"), gates[1], capture(3), gates[2]
    )
    with camera_over(source) as camera:
        for gate in gates[:2]:
            assert gate.reached.wait(LIMIT_S)
            assert camera.read(0.0, None) is None
            assert camera.error == "bad JPEG"
            gate.open()
        assert next_frame(camera).number == 3
        assert camera.error is None
    assert caplog.text.count("bad JPEG") == 1


def test_damage_is_not_told_of_frames_that_came_after_it_and_were_skipped() -> None:
    gate = Gate()
    with camera_over(ScriptedSource(damaged("bad JPEG"), gate, capture(2))) as camera:
        assert gate.reached.wait(LIMIT_S)
        assert camera.read(0.0, None) is None
        assert camera.error == "bad JPEG"
        gate.open()
        assert camera.skip(LIMIT_S)
        assert camera.error is None


def test_reading_goes_on_after_a_damaged_frame_until_its_time_is_over() -> None:
    gate = Gate()
    source = ScriptedSource(damaged("bad JPEG"), gate, capture(2))

    def open_when_told() -> None:
        eventually(lambda: camera.error == "bad JPEG")
        gate.open()

    with camera_over(source) as camera:
        threading.Thread(target=open_when_told).start()
        assert next_frame(camera).number == 2


def test_a_finite_source_ends_once_and_its_last_frame_can_still_be_read() -> None:
    source = ScriptedSource(capture(1), SourceEnded("a: no more pictures"))
    with camera_over(source) as camera:
        eventually(lambda: camera.ended)
        assert camera.error == "a: no more pictures"
        assert next_frame(camera).number == 1
        assert camera.read(0.0, None) is None
    assert source.closed.is_set()


def test_a_bug_in_a_source_surfaces_where_frames_are_read() -> None:
    with (
        camera_over(ScriptedSource(ZeroDivisionError("bug"))) as camera,
        pytest.raises(ZeroDivisionError),
    ):
        camera.read(LIMIT_S, None)


def test_a_bug_while_decoding_surfaces_too() -> None:
    def decode(least_px: tuple[int, int] | None) -> Pixels:
        raise KeyError("bug")

    with (
        camera_over(ScriptedSource(Capture(0.0, decode))) as camera,
        pytest.raises(KeyError),
    ):
        camera.read(LIMIT_S, None)


def test_closing_does_not_wait_for_ever_for_a_source_that_blocks(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(newest, "CLOSE_LIMIT_S", 0.01)
    source = ScriptedSource()
    with NewestFrame(one_after_another([source]), QUICK):
        assert source.exhausted.reached.wait(LIMIT_S)
    assert not source.closed.is_set()
    source.release()
    assert source.closed.wait(LIMIT_S)


def test_closing_interrupts_the_wait_before_the_next_attempt() -> None:
    patient = CameraConfig(retry_min_s=3600.0, retry_max_s=3600.0)
    absent = ScriptedSource(opening=CameraError("not there"))
    with camera_over(absent, config=patient) as camera:
        eventually(lambda: camera.error == "not there")
    assert not camera._thread.is_alive()


class Time:
    """A clock that only the test moves."""

    def __init__(self) -> None:
        self.now_s = 1000.0

    def __call__(self) -> float:
        return self.now_s


def still(live: bool = True) -> Capture:
    return Capture(0.0, lambda _least_px: shade(7), live=live)


def played(
    *steps: Step | float, config: CameraConfig, caplog: pytest.LogCaptureFixture | None = None
) -> list[str | None]:
    """The camera's error after each capture that is read; a number lets so many seconds pass."""
    time = Time()
    if caplog is not None:
        caplog.set_level(logging.INFO)
    gated = [(Gate(), step) for step in steps]
    source = ScriptedSource(
        *(part for gate, step in gated if not isinstance(step, float) for part in (gate, step))
    )
    errors: list[str | None] = []
    with NewestFrame(one_after_another([source]), config, clock=time) as camera:
        for gate, step in gated:
            if isinstance(step, float):
                time.now_s += step
                continue
            gate.open()
            eventually(lambda: camera._worth_waking())
            camera.read(0.0, None)
            errors.append(camera.error)
        source.release()
    return errors


def test_what_a_source_waits_for_is_told_and_it_stays_open(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.INFO)
    gate = Gate()
    missing = FrameMissing("rtsp://cam: waiting for a key frame")
    source = ScriptedSource(missing, missing, gate, capture(1))
    with camera_over(source) as camera:
        assert gate.reached.wait(LIMIT_S)
        assert camera.error == "rtsp://cam: waiting for a key frame"
        assert not source.closed.is_set()
        gate.open()
        assert next_frame(camera).number == 1
        assert camera.error is None
    assert caplog.text.count("waiting for a key frame") == 1
    assert "trying again" not in caplog.text


def test_a_camera_of_nothing_but_damaged_frames_is_opened_again(
    caplog: pytest.LogCaptureFixture,
) -> None:
    time = Time()
    first_gate, second_gate = Gate(), Gate()
    bad = damaged("cam: bad JPEG")
    first = ScriptedSource(bad, first_gate, bad, second_gate, bad)
    again_gate, last_gate = Gate(), Gate()
    again = ScriptedSource(bad, again_gate, capture(2), last_gate, capture(3))
    with NewestFrame(one_after_another([first, again]), QUICK, clock=time) as camera:
        assert first_gate.reached.wait(LIMIT_S)
        assert camera.read(0.0, None) is None
        time.now_s += QUICK.timeout_s
        first_gate.open()
        assert second_gate.reached.wait(LIMIT_S)
        assert camera.read(0.0, None) is None
        second_gate.open()
        assert first.closed.wait(LIMIT_S)
        # Frames come again, and whether they are good nobody knows yet.
        assert again_gate.reached.wait(LIMIT_S)
        assert "only damaged frames for 5 s" in str(camera.error)
        assert (camera.fails, camera.fault) == (True, "frames damaged")
        again_gate.open()
        assert last_gate.reached.wait(LIMIT_S)
        assert next_frame(camera).number == 5
        last_gate.open()
        eventually(lambda: camera.error is None)
        assert camera.fault is None
        again.release()


def test_a_camera_of_damaged_frames_that_is_then_absent_is_lost() -> None:
    time = Time()
    first_gate, second_gate, third_gate = Gate(), Gate(), Gate()
    bad = damaged("cam: bad JPEG")
    first = ScriptedSource(bad, first_gate, bad, second_gate, bad)
    second = ScriptedSource(bad, third_gate, CameraError("cam: unplugged"))
    absent = ScriptedSource(opening=CameraError("cam: not there"))
    with NewestFrame(one_after_another([first, second, absent]), QUICK, clock=time) as camera:
        assert first_gate.reached.wait(LIMIT_S)
        assert camera.read(0.0, None) is None
        time.now_s += QUICK.timeout_s
        first_gate.open()
        assert second_gate.reached.wait(LIMIT_S)
        assert camera.read(0.0, None) is None
        second_gate.open()
        assert third_gate.reached.wait(LIMIT_S)
        assert camera.fault == "frames damaged"
        third_gate.open()
        eventually(lambda: camera.fault == "camera lost")


def test_damage_is_not_over_while_nobody_decodes() -> None:
    gates = [Gate() for _ in range(2)]
    source = ScriptedSource(damaged("bad JPEG"), gates[0], capture(2), gates[1], capture(3))
    with camera_over(source) as camera:
        assert gates[0].reached.wait(LIMIT_S)
        assert camera.read(0.0, None) is None
        assert camera.fault == "frames damaged"
        gates[0].open()
        assert camera.skip(LIMIT_S)
        assert (camera.error, camera.fault) == (None, "frames damaged")
        gates[1].open()
        assert next_frame(camera).number == 3
        assert camera.fault is None


def test_a_recording_is_not_opened_again_for_its_damaged_frames() -> None:
    bad = damaged("film: bad JPEG")._replace(live=False)
    errors = played(bad, 100.0, bad, 100.0, bad, capture(1), config=QUICK)
    assert errors == ["film: bad JPEG"] * 3 + [None]


def test_damage_now_and_then_is_told_once_a_minute(caplog: pytest.LogCaptureFixture) -> None:
    bad = damaged("cam: bad JPEG")
    errors = played(*[bad, 0.2, capture(1), 0.2] * 10, config=QUICK, caplog=caplog)
    assert errors == ["cam: bad JPEG", None] * 10
    assert caplog.text.count("bad JPEG") == 1


def test_after_a_minute_damage_is_told_again(caplog: pytest.LogCaptureFixture) -> None:
    bad = damaged("cam: bad JPEG")
    played(bad, 0.2, capture(1), 61.0, bad, 0.2, capture(1), config=QUICK, caplog=caplog)
    assert caplog.text.count("bad JPEG") == 2


def test_a_camera_that_comes_and_goes_is_told_once_a_minute(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.INFO)
    flaky = [ScriptedSource(capture(1), CameraError("cam: loose contact")) for _ in range(20)]
    absent = ScriptedSource(opening=CameraError("cam: gone"))
    with camera_over(*flaky, absent) as camera:
        eventually(lambda: camera.error == "cam: gone")
        eventually(lambda: "cam: gone" in caplog.text)
    assert caplog.text.count("loose contact") == 1
    assert caplog.text.count("delivers frames") <= 2


FREEZING = CameraConfig(frozen_s=60.0)


def test_a_picture_that_does_not_change_by_a_bit_is_told_until_it_does(
    caplog: pytest.LogCaptureFixture,
) -> None:
    errors = played(
        still(), 30.0, still(), 31.0, still(), 1.0, capture(8), config=FREEZING, caplog=caplog
    )
    assert errors[:2] == [None, None]
    assert "frozen for 60 s" in str(errors[2])
    assert errors[3] is None
    assert "delivers changing pictures again" in caplog.text


def test_one_bit_of_one_pixel_is_a_change() -> None:
    nearly = shade(7, 40, 40)
    nearly[3, 5, 1] ^= 1
    same, other = (
        Capture(0.0, lambda _least_px: shade(7, 40, 40)),
        Capture(0.0, lambda _least_px: nearly),
    )
    assert played(same, 50.0, other, 50.0, same, config=FREEZING) == [None] * 3


def test_a_picture_from_a_file_may_stand_still() -> None:
    folder = still(live=False)
    assert played(folder, 100.0, folder, config=FREEZING) == [None, None]


def test_frozen_s_of_zero_looks_at_nothing() -> None:
    never = CameraConfig(frozen_s=0.0)
    assert played(still(), 1e6, still(), config=never) == [None, None]


def test_what_was_skipped_may_have_changed() -> None:
    time = Time()
    gates = [Gate() for _ in range(2)]
    source = ScriptedSource(still(), gates[0], still(), gates[1], still())
    with NewestFrame(one_after_another([source]), FREEZING, clock=time) as camera:
        next_frame(camera)
        gates[0].open()
        assert gates[1].reached.wait(LIMIT_S)
        assert camera.skip(0.0)
        time.now_s += 100.0
        gates[1].open()
        eventually(lambda: camera._worth_waking())
        assert camera.read(0.0, None) is not None
        assert camera.error is None
        source.release()


def test_a_frozen_picture_stays_so_over_skipped_frames_until_it_changes() -> None:
    time = Time()
    gates = [Gate() for _ in range(4)]
    steps = (still(), still(), still(), still(), capture(8))
    source = ScriptedSource(
        steps[0], *(s for pair in zip(gates, steps[1:], strict=True) for s in pair)
    )
    with NewestFrame(one_after_another([source]), FREEZING, clock=time) as camera:

        def seen(gate: Gate) -> None:
            gate.open()
            eventually(lambda: camera._worth_waking())
            assert camera.read(0.0, None) is not None

        next_frame(camera)
        time.now_s += 61.0
        seen(gates[0])
        assert camera.fault == "picture frozen"
        gates[1].open()
        assert camera.skip(LIMIT_S)
        assert camera.fault == "picture frozen"
        # Whether it has changed meanwhile shows with the frame after the next.
        seen(gates[2])
        assert camera.fault == "picture frozen"
        seen(gates[3])
        assert (camera.error, camera.fault) == (None, None)
        source.release()


def test_a_frame_is_due_within_the_time_that_is_allowed() -> None:
    time = Time()
    slow = CameraConfig(fps=0.01, timeout_s=20.0, first_frame_s=40.0)
    quick = CameraConfig(fps=30.0, timeout_s=20.0, first_frame_s=40.0)
    for config, start_s, later_s in ((quick, 70.0, 20.0), (slow, 100.0, 100.0)):
        gate = Gate()
        source = ScriptedSource(gate, capture(1))
        with NewestFrame(one_after_another([source]), config, clock=time) as camera:
            assert gate.reached.wait(LIMIT_S)
            assert camera.due_s == time.now_s + start_s
            gate.open()
            assert source.exhausted.reached.wait(LIMIT_S)
            assert camera.due_s == time.now_s + later_s
            source.release()


def test_a_camera_that_is_away_is_due_when_its_next_attempt_should_be_over() -> None:
    time = Time()
    config = CameraConfig(retry_min_s=50.0, retry_max_s=50.0, first_frame_s=40.0)
    absent = ScriptedSource(opening=CameraError("not there"))
    with camera_over(absent, config=config, clock=time) as camera:
        eventually(lambda: camera.error == "not there")
        assert time.now_s + 70.0 < camera.due_s <= time.now_s + 120.0


def test_a_camera_that_has_ended_is_never_due() -> None:
    with camera_over(ScriptedSource(SourceEnded("over"))) as camera:
        eventually(lambda: camera.ended)
        assert camera.due_s == math.inf


def test_closing_wakes_a_source_that_sleeps_until_its_next_frame(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    Image.new("RGB", (20, 20)).save(tmp_path / "a.png")
    config = CameraConfig(kind="directory", source=str(tmp_path), fps=0.001)
    closing = threading.Event()
    source = DirectorySource(config, sleep_until(closing))
    with NewestFrame(lambda: source, config, closing=closing) as camera:
        assert camera.read(LIMIT_S, None) is not None
    assert not camera._thread.is_alive()
    assert not caplog.messages


def test_a_recording_may_be_silent_for_longer() -> None:
    class Recording(ScriptedSource):
        due_s = 9999.0

    source = Recording(capture(1))
    with NewestFrame(one_after_another([source]), QUICK, clock=Time()) as camera:
        assert source.exhausted.reached.wait(LIMIT_S)
        assert camera.due_s == 9999.0
        source.release()


def test_a_picture_that_takes_long_is_waited_for_and_lets_its_reader_go_on_meanwhile() -> None:
    pending = [DecodePending("not yet")] * 3

    def decode(least_px: tuple[int, int] | None) -> Pixels:
        if pending:
            raise pending.pop()
        return shade(1)

    gate = Gate()
    with camera_over(ScriptedSource(Capture(1.0, decode), gate, capture(2))) as camera:
        assert gate.reached.wait(LIMIT_S)
        assert camera.read(0.0, None) is None
        assert camera.error is None
        gate.open()
        frame = next_frame(camera)
        assert (frame.number, frame.captured_s) == (1, 1.0)
        assert next_frame(camera).number == 2


def test_a_picture_that_takes_long_is_given_up_for_a_pause() -> None:
    def decode(least_px: tuple[int, int] | None) -> Pixels:
        raise DecodePending("not yet")

    gate = Gate()
    with camera_over(ScriptedSource(Capture(1.0, decode), gate, capture(2))) as camera:
        assert gate.reached.wait(LIMIT_S)
        assert camera.read(0.0, None) is None
        assert not camera.skip(0.0)
        gate.open()
        assert next_frame(camera).number == 2


def test_a_capture_that_was_let_go_is_no_damage() -> None:
    def decode(least_px: tuple[int, int] | None) -> Pixels:
        raise FrameMissing("a newer frame has taken its place")

    gate = Gate()
    with camera_over(ScriptedSource(Capture(1.0, decode), gate, capture(2))) as camera:
        assert gate.reached.wait(LIMIT_S)
        assert camera.read(0.0, None) is None
        assert camera.error is None
        gate.open()
        assert next_frame(camera).number == 2


def test_what_has_died_after_a_good_while_is_opened_again_at_once() -> None:
    slow = CameraConfig(retry_min_s=60.0, retry_max_s=60.0)
    died = ScriptedSource(capture(1), SourceDied("its process fails: SIGKILL"))
    with camera_over(died, ScriptedSource(capture(2)), config=slow) as camera:
        eventually(lambda: camera._number == 2)
        assert next_frame(camera).captured_s == 2.0


def test_what_dies_again_and_again_is_waited_for_as_any_other() -> None:
    slow = CameraConfig(retry_min_s=60.0, retry_max_s=60.0)
    died = SourceDied("its process fails: SIGKILL")
    with camera_over(
        ScriptedSource(opening=died),
        ScriptedSource(opening=died),
        ScriptedSource(capture(1)),
        config=slow,
    ) as camera:
        eventually(lambda: camera.due_s > time.monotonic() + 60.0)
        assert camera.read(0.05, None) is None


def test_a_frame_with_something_odd_about_it_is_read_and_the_oddity_told(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level("INFO")
    odd = Capture(1.0, lambda _: shade(1), doubt="cam: its clock went back")
    gate = Gate()
    with camera_over(ScriptedSource(odd, gate, capture(2))) as camera:
        assert next_frame(camera).captured_s == 1.0
        assert camera.error == "cam: its clock went back"
        assert not camera.fails
        gate.open()
        next_frame(camera)
        assert camera.error is None
    assert "camera: cam: its clock went back" in caplog.messages
    assert "camera scripted: delivers frames with nothing odd about them" in caplog.messages


def test_a_source_that_can_decode_ahead_is_told_before_its_reader_waits() -> None:
    expected: list[object] = []

    class Decoding(ScriptedSource):
        def expect(self, least_px: tuple[int, int] | None) -> None:
            expected.append(least_px)

    gate = Gate()
    with camera_over(Decoding(gate, capture(1), Gate())) as camera:
        assert gate.reached.wait(LIMIT_S)
        assert camera.read(0.0, (20, 30)) is None
        gate.open()
        next_frame(camera, (20, 30))
    assert expected
    assert set(expected) == {(20, 30)}


def stamped(at_s: float, **more: Any) -> Capture:
    return Capture(at_s, lambda _least_px: shade(1), **more)


def exposures(*captures: Capture, **options: Any) -> list[float]:
    """How long before its time stamp the exposure of each frame may have begun."""
    camera = NewestFrame(ScriptedSource, CameraConfig(fps=10.0, **options))
    found = []
    for one in captures:
        camera._keep(one)
        frame = camera.read(0.0, None)
        assert frame is not None
        found.append(round(frame.exposure_s, 6))
    return found


def test_an_exposure_began_two_frame_times_before_the_time_stamp_at_most() -> None:
    # In the dark frames take longer; of the first nothing is known.
    frames = (stamped(100.0), stamped(100.1), stamped(100.4), stamped(100.41))
    assert exposures(*frames) == [1.0, 0.2, 0.6, 0.2]


def test_a_camera_that_tells_its_exposure_is_believed() -> None:
    assert exposures(stamped(100.0, exposure_s=0.01)) == [0.01]


def test_what_was_recorded_is_exposed_when_it_is_due() -> None:
    assert exposures(stamped(100.0, live=False)) == [0.0]


@pytest.mark.parametrize("kind", ["video", "gstreamer"])
def test_a_frame_that_is_stamped_on_arrival_may_have_been_on_its_way(kind: str) -> None:
    frames = (stamped(100.0), stamped(100.1))
    assert exposures(*frames, kind=kind, source="x", latency_s=0.5) == [1.5, 0.7]
