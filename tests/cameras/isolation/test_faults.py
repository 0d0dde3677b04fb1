"""Whatever happens in a camera's process, its reader goes on, is told why, and has frames again."""

from __future__ import annotations

import os
import re
import signal
import time
from collections.abc import Callable

import pytest

from edged.cameras.isolation.source import IsolatedSource
from edged.cameras.newest import NewestFrame
from edged.core import Camera
from tests.cameras.isolation.conftest import CONFIG, WANTED_PX, opened
from tests.cameras.isolation.faulty import Switch
from tests.cameras.scripted import LIMIT_S, next_frame


def process_of(camera: Camera) -> int:
    assert isinstance(camera, NewestFrame)
    source = camera._scheduled
    assert isinstance(source, IsolatedSource)
    assert source._process is not None
    return source._process.pid


def found(told: str, camera: Camera) -> bool:
    return re.search(told, str(camera.error)) is not None


def read_until(camera: Camera, holds: Callable[[], bool]) -> list[float]:
    """Read on as the loop does; how long each reading took, in s."""
    took_s = []
    deadline_s = time.monotonic() + LIMIT_S
    while not holds():
        began_s = time.monotonic()
        assert began_s < deadline_s, f"it never came true; {camera.error}"
        camera.read(0.05, WANTED_PX)
        took_s.append(time.monotonic() - began_s)
    return took_s


@pytest.mark.parametrize(
    ("fault", "told"),
    [
        ("segfault", "SIGSEGV"),
        ("segfault in a decoder", "SIGSEGV"),
        ("abort", "SIGABRT"),
        ("bug", "exit status 1: KeyError: 'a bug in a source'"),
        ("hang", "no frame for 0.5 s, and no word why"),
        ("hang in a decoder", "does not decode a frame|no frame for 0.5 s, and no word why"),
        ("silent", "no frame for 0.5 s; check its cable"),
        ("unplugged", "plug it in"),
        ("damaged", "only damaged frames for 0.5 s"),
    ],
)
def test_a_camera_that_fails_is_told_with_its_reason_and_comes_again(
    camera: Camera, switch: Switch, fault: str, told: str
) -> None:
    next_frame(camera, WANTED_PX)
    switch.fault = fault
    took_s = read_until(camera, lambda: camera.fails and found(told, camera))
    # A loop that were to wait for a camera would leave pins and commands alone.
    assert max(took_s) < 0.4
    switch.fault = "none"
    read_until(camera, lambda: camera.error is None)
    assert next_frame(camera, WANTED_PX).pixels.shape == (224, 224, 3)


@pytest.mark.parametrize(
    ("fault", "told"),
    [
        ("frozen", "the picture has been frozen for 0.5 s"),
        ("black", "the picture has been frozen for 0.5 s"),
        ("clock back", "its clock is 3600.0 s slow; the time of arrival counts"),
    ],
)
def test_frames_that_are_odd_come_all_the_same_and_are_told_as_odd(
    camera: Camera, switch: Switch, fault: str, told: str
) -> None:
    next_frame(camera, WANTED_PX)
    switch.fault = fault
    read_until(camera, lambda: told in str(camera.error))
    assert not camera.fails
    frame = next_frame(camera, WANTED_PX)
    assert 0.0 <= time.monotonic() - frame.captured_s < 5.0
    switch.fault = "none"
    read_until(camera, lambda: camera.error is None)


@pytest.mark.parametrize("fault", ["fast", "other size", "chatter"])
def test_what_is_no_fault_for_a_reader_is_read(camera: Camera, switch: Switch, fault: str) -> None:
    first = next_frame(camera, WANTED_PX).number
    switch.fault = fault
    frames = [next_frame(camera, WANTED_PX) for _ in range(20)]
    assert camera.error is None
    numbers = [frame.number for frame in frames]
    assert first < numbers[0]
    assert numbers == sorted(set(numbers))
    assert all(frame.pixels.shape == (224, 224, 3) for frame in frames)


def test_a_frame_of_another_size_is_whole_for_people(camera: Camera, switch: Switch) -> None:
    next_frame(camera, WANTED_PX)
    switch.fault = "other size"
    sizes = set()
    while (240, 320, 3) not in sizes:
        frame = next_frame(camera, WANTED_PX)
        assert frame.full is not None
        sizes.add(frame.full().shape)
    assert sizes <= {(240, 320, 3), (480, 640, 3)}


def test_after_a_kill_frames_come_again_at_once(camera: Camera) -> None:
    for _ in range(3):
        began_s = time.monotonic()
        read_until(camera, lambda began_s=began_s: time.monotonic() > began_s + 0.6)
        pid = process_of(camera)
        os.kill(pid, signal.SIGKILL)
        read_until(camera, lambda: camera.error is not None)
        assert "SIGKILL" in str(camera.error)
        read_until(camera, lambda: camera.error is None)
        assert next_frame(camera, WANTED_PX)
        assert process_of(camera) != pid
        # The kernel has nothing left of it.
        with pytest.raises(ChildProcessError):
            os.waitpid(pid, os.WNOHANG)


def test_closing_ends_the_process_whatever_it_does(switch: Switch) -> None:
    for fault in ("none", "silent", "hang"):
        switch.fault = "none"
        with opened(CONFIG) as camera:
            next_frame(camera, WANTED_PX)
            pid = process_of(camera)
            switch.fault = fault
            time.sleep(0.1)
        with pytest.raises(ChildProcessError):
            os.waitpid(pid, os.WNOHANG)
