"""Pictures through shared memory: whole, kept as long as somebody has them, and never trusted."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edged.cameras.isolation.captures import UNREAD, Captures
from edged.cameras.isolation.pictures import SLOTS, Pictures
from edged.cameras.isolation.server import PictureServer
from edged.cameras.raw import RawFrame
from edged.cameras.source import Capture, DecodePending, FrameMissing
from edged.core import Pixels
from edged.errors import CameraError
from tests.cameras.scripted import capture, shade

LEAST_PX = (2, 3)


class Ends:
    """Both ends of a connection: the daemon's, and a server in a thread."""

    def __init__(self, slots: int = SLOTS) -> None:
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.captures = Captures()
        self.pictures = Pictures(ours, 10.0, slots)
        self._theirs = theirs
        self.server = PictureServer(theirs, self.captures, lambda px, _least: px)
        self._thread = threading.Thread(target=self.server.serve)
        self._thread.start()

    def decoded(self, taken: Capture, least_px: tuple[int, int] | None = LEAST_PX) -> Pixels:
        return self.pictures.decode(self.captures.keep(taken), least_px)

    def close(self) -> None:
        self.pictures.close()
        self._thread.join()
        self._theirs.close()


@pytest.fixture
def ends() -> Iterator[Ends]:
    made = Ends()
    yield made
    made.close()


def sized(height_px: int, width_px: int, value: int = 7) -> Capture:
    return Capture(0.0, lambda _least_px: shade(value, height_px, width_px))


def test_a_picture_comes_as_it_was_decoded(ends: Ends) -> None:
    for value in range(2 * SLOTS):
        assert (ends.decoded(capture(value)) == value).all()


def raw_capture(data: bytes) -> Capture:
    raw = RawFrame("the camera", "YUYV", data, 6, 4, 12)
    return Capture(0.0, lambda _least_px: raw.pixels(), raw=raw)


def test_an_uncompressed_frame_is_converted_where_the_daemon_reads_it(ends: Ends) -> None:
    noise = np.random.default_rng(0).integers(0, 256, 48, np.uint8).tobytes()
    for _ in range(2):
        taken = raw_capture(noise)
        assert (ends.decoded(taken) == taken.decode(None)).all()


def test_an_uncompressed_frame_that_is_cut_short_is_damaged(ends: Ends) -> None:
    for _ in range(2):
        with pytest.raises(CameraError, match="the camera: part of the YUYV frame is missing"):
            ends.decoded(raw_capture(bytes(47)))
    taken = raw_capture(bytes(48))
    assert (ends.decoded(taken) == taken.decode(None)).all()


def test_what_was_wanted_comes_to_the_decoder(ends: Ends) -> None:
    wanted: list[object] = []

    def decode(least_px: tuple[int, int] | None) -> Pixels:
        wanted.append(least_px)
        return shade(1)

    ends.decoded(Capture(0.0, decode))
    ends.decoded(Capture(0.0, decode), None)
    assert wanted == [LEAST_PX, None]


def test_a_picture_stays_as_it_is_as_long_as_somebody_has_it(ends: Ends) -> None:
    kept = [ends.decoded(capture(value)) for value in range(3 * SLOTS)]
    for value, pixels in enumerate(kept):
        assert (pixels == value).all()


def test_a_view_keeps_the_picture_too(ends: Ends) -> None:
    # Upright and cut, as the loop has it.
    kept = [ends.decoded(capture(value))[::-1, 1:] for value in range(3 * SLOTS)]
    for value, pixels in enumerate(kept):
        assert (pixels == value).all()


def rooms() -> int:
    """How many memories of pictures this process has mapped, at both ends."""
    return Path("/proc/self/maps").read_text().count("edged-picture")


def test_pictures_that_nobody_keeps_take_no_more_memory(ends: Ends) -> None:
    before = rooms()
    for value in range(20 * SLOTS):
        ends.decoded(sized(100, 100, value % 255))
    assert rooms() <= before + 2 * SLOTS


@pytest.mark.parametrize("slots", [SLOTS, 0])
def test_pictures_of_all_sizes_follow_each_other(slots: int) -> None:
    ends = Ends(slots)
    try:
        for size in [(2, 3), (480, 640), (1, 1), (1080, 1920), (17, 3)]:
            assert ends.decoded(sized(*size)).shape == (*size, 3)
    finally:
        ends.close()


def test_a_picture_cannot_be_written_to(ends: Ends) -> None:
    with pytest.raises(ValueError, match="read-only"):
        ends.decoded(capture(1))[0, 0, 0] = 2


def test_a_damaged_frame_is_told_in_the_words_of_its_decoder(ends: Ends) -> None:
    def decode(least_px: tuple[int, int] | None) -> Pixels:
        raise CameraError("cam: damaged JPEG frame; check the cable\x1b[2J")

    with pytest.raises(CameraError, match=r"cam: damaged JPEG frame; check the cable\\x1b\[2J"):
        ends.decoded(Capture(0.0, decode))
    assert (ends.decoded(capture(3)) == 3).all()


def test_of_captures_that_nobody_asks_for_the_newest_stay(ends: Ends) -> None:
    numbers = [ends.captures.keep(capture(value)) for value in range(10)]
    with pytest.raises(FrameMissing):
        ends.pictures.decode(numbers[0], LEAST_PX)
    assert (ends.pictures.decode(numbers[10 - UNREAD], LEAST_PX) == 10 - UNREAD).all()


def test_a_capture_that_was_asked_for_stays_until_it_is_freed(ends: Ends) -> None:
    number = ends.captures.keep(capture(1))
    ends.pictures.decode(number, LEAST_PX)
    for value in range(10):
        ends.decoded(capture(value))
    assert (ends.pictures.decode(number, None) == 1).all()
    ends.pictures.free(number)
    with pytest.raises(FrameMissing):
        ends.pictures.decode(number, None)


def test_the_next_capture_is_decoded_before_it_is_asked_for(ends: Ends) -> None:
    decoded = threading.Event()

    def decode(least_px: tuple[int, int] | None) -> Pixels:
        decoded.set()
        return shade(9)

    ends.pictures.expect(0, LEAST_PX)
    number = ends.captures.keep(Capture(0.0, decode))
    # As soon as it is known there that it is wanted.
    while not decoded.is_set():
        ends.server.captured(number)
    assert (ends.pictures.decode(number, LEAST_PX) == 9).all()


def test_a_capture_that_came_before_it_was_known_to_be_wanted_is_decoded(ends: Ends) -> None:
    number = ends.captures.keep(capture(5))
    ends.pictures.expect(number - 1, LEAST_PX)
    assert (ends.pictures.decode(number, LEAST_PX) == 5).all()


def test_who_takes_a_newer_capture_than_was_expected_gets_that(ends: Ends) -> None:
    ends.pictures.expect(0, LEAST_PX)
    first = ends.captures.keep(capture(1))
    ends.server.captured(first)
    for value in range(2, 2 + SLOTS):
        number = ends.captures.keep(capture(value))
        assert (ends.pictures.decode(number, LEAST_PX) == value).all()


def test_a_capture_expected_for_another_model_is_decoded_for_this_one(ends: Ends) -> None:
    wanted: list[object] = []

    def decode(least_px: tuple[int, int] | None) -> Pixels:
        wanted.append(least_px)
        return shade(1)

    number = ends.captures.keep(Capture(0.0, decode))
    ends.pictures.expect(0, LEAST_PX)
    ends.pictures.decode(number, (20, 30))
    assert wanted == [LEAST_PX, (20, 30)]


def test_a_slow_decoder_keeps_nobody_waiting_and_its_picture_comes_later() -> None:
    gate = threading.Event()

    def decode(least_px: tuple[int, int] | None) -> Pixels:
        gate.wait(60)
        return shade(4)

    ends = Ends()
    ends.pictures._patience_s = 0.001
    try:
        number = ends.captures.keep(Capture(0.0, decode))
        for _ in range(3):
            with pytest.raises(DecodePending):
                ends.pictures.decode(number, LEAST_PX)
        assert ends.pictures.asked_s is not None
        gate.set()
        ends.pictures._patience_s = 60.0
        assert (ends.pictures.decode(number, LEAST_PX) == 4).all()
        assert ends.pictures.asked_s is None
    finally:
        gate.set()
        ends.close()


class Hostile:
    """An end that answers to each question what it wants."""

    def __init__(self, *answers: object) -> None:
        self.ours, self._theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self._answers = list(answers)
        self._thread = threading.Thread(target=self._serve)
        self._thread.start()

    def _serve(self) -> None:
        while message := self._theirs.recv(4096):
            if self._answers:
                _, request, *_ = json.loads(message)
                answer = self._answers.pop(0)
                words = [request if word == "request" else word for word in answer]  # type: ignore
                raw = answer if isinstance(answer, bytes) else json.dumps(words).encode()
                self._theirs.send(raw)

    def close(self) -> None:
        self.ours.close()
        self._thread.join()
        self._theirs.close()


@pytest.fixture
def hostile() -> Iterator[Callable[..., Pictures]]:
    made: list[tuple[Hostile, Pictures]] = []

    def answering(*answers: object) -> Pictures:
        end = Hostile(*answers)
        pictures = Pictures(end.ours, 10.0)
        made.append((end, pictures))
        return pictures

    yield answering
    for end, pictures in made:
        pictures.close()
        end.close()


def needs(size_bytes: Any) -> list[Any]:
    return ["needs", "request", 1, size_bytes]


def picture(height_px: Any, width_px: Any) -> list[Any]:
    return ["picture", "request", 1, height_px, width_px]


@pytest.mark.parametrize(
    "answers",
    [
        [b"no JSON"],
        [b"\xff\xfe"],
        [b"[]"],
        [["picture"]],
        [["picture", "request", 1, "2", 3]],
        [["shell", "request", 1, "rm -rf /"]],
        [picture(2, 3)],
        [needs(0)],
        [needs(-1)],
        [needs(1 << 40)],
        [needs(18), picture(0, 0)],
        [needs(18), picture(-2, -3)],
        [needs(18), picture(-2, 3)],
        [needs(18), picture(1000, 1000)],
        [needs(18), picture(1 << 62, 1 << 62)],
        [needs(18), picture(1 << 70, 3)],
    ],
)
def test_what_a_process_answers_that_was_taken_over_is_an_error_of_the_camera(
    hostile: Callable[..., Pictures], answers: list[Any]
) -> None:
    with pytest.raises(CameraError, match=r"its process (asks|gives|does not keep)"):
        hostile(*answers).decode(1, LEAST_PX)


def test_a_picture_that_has_room_is_taken_however_it_came(
    hostile: Callable[..., Pictures],
) -> None:
    pixels = hostile(needs(18), picture(2, 3)).decode(1, LEAST_PX)
    # Nobody has written to it.
    assert np.array_equal(pixels, np.zeros((2, 3, 3)))


@pytest.mark.parametrize("expected", [True, False])
def test_who_asks_when_the_process_has_ended_is_told_that_no_picture_comes(
    ends: Ends, expected: bool
) -> None:
    if expected:
        ends.pictures.expect(0, LEAST_PX)
    ends.pictures.close()
    for least_px in (LEAST_PX, None):
        with pytest.raises(FrameMissing, match="its process has ended"):
            ends.pictures.decode(1, least_px)
    ends.pictures.expect(1, LEAST_PX)
    ends.pictures.free(1)
