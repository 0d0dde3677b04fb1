"""Which frames are kept for review, and for how long."""

from __future__ import annotations

import errno
import logging
import threading
import time
from pathlib import Path

import numpy as np
import pytest

from edged import files
from edged.commands import Review, ReviewDecide, ReviewPicture
from edged.config.schema import ReviewConfig
from edged.core import Frame, Pixels, Prediction, Result, Scene
from edged.errors import CameraError, CommandError
from edged.imaging import picture
from edged.imaging.picture import decode_picture, jpeg
from edged.messages.review import ReviewAnswer
from edged.review.folder import Folder
from edged.review.port import ReviewPort
from tests.mosquitto import wait_until
from tests.review.made import LABELS, SHA256, SURE, UNSURE, WALL_S, Keeping, names, noise


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "events.db.review"


@pytest.fixture
def keeping(path: Path) -> Keeping:
    return Keeping(path)


def told(keeping: Keeping) -> ReviewAnswer:
    answer = keeping.ask(Review()).data
    assert isinstance(answer, ReviewAnswer)
    return answer


def test_of_all_frames_of_some_time_the_one_of_most_doubt_is_kept(keeping: Keeping) -> None:
    for scores in (SURE, (0.6, 0.3, 0.1), (0.45, 0.44, 0.11), (0.5, 0.4, 0.1), SURE):
        keeping.frame(scores)
    assert keeping.numbers == []
    keeping.pass_s(10.0)
    (entry,) = keeping.folder.entries()
    assert entry.kept.best == (("cat", pytest.approx(0.45)), ("dog", pytest.approx(0.44)),
                               ("fox", pytest.approx(0.11)))  # fmt: skip
    assert (entry.kept.model, entry.kept.sha256, entry.kept.because) == ("m", SHA256, "margin")
    assert entry.kept.captured_s == WALL_S + 103.0
    shown = decode_picture(keeping.folder.picture(1), "x")
    assert np.abs(shown.astype(int) - noise(3)).mean() < 20


def test_where_the_model_is_sure_nothing_is_written(keeping: Keeping) -> None:
    for _ in range(50):
        keeping.frame(SURE)
    keeping.pass_s(100.0)
    assert not keeping.path.exists()


def test_where_it_is_off_nothing_is_looked_at(path: Path) -> None:
    keeping = Keeping(path, enabled=False)
    keeping.picture()
    assert not path.exists()
    assert keeping.port._doubts is None


def test_a_frame_that_shows_nothing_new_and_one_without_numbers_are_not_weighed(
    keeping: Keeping,
) -> None:
    keeping.picture(still=True)
    keeping.picture(finite=False)
    assert keeping.numbers == []


def test_at_most_one_picture_is_written_in_the_configured_time(keeping: Keeping) -> None:
    for _ in range(100):
        keeping.frame()
    assert len(keeping.numbers) <= 10


def test_of_frames_that_look_alike_one_is_kept(keeping: Keeping) -> None:
    for number in range(50):
        light = np.clip(noise(1).astype(int) + number % 5, 0, 255).astype(np.uint8)
        keeping.picture(pixels=light)
    assert keeping.numbers == [1]


def test_of_frames_that_look_alike_the_one_of_most_doubt_stays(keeping: Keeping) -> None:
    keeping.picture((0.6, 0.3, 0.1), noise(1))
    keeping.picture((0.45, 0.44, 0.11), noise(1))
    keeping.picture((0.5, 0.4, 0.1), noise(1))
    assert (keeping.numbers, keeping.doubts) == ([2], [0.99])


def test_the_same_place_taken_for_the_same_things_is_alike(keeping: Keeping) -> None:
    def with_thing(column: int) -> Pixels:
        pixels = noise(1)
        pixels[20:26, column : column + 6] = 255
        return pixels

    keeping.picture(pixels=with_thing(5))
    keeping.picture(pixels=with_thing(40))
    assert keeping.numbers == [1]
    keeping.picture((0.1, 0.45, 0.45), with_thing(40))
    assert keeping.numbers == [1, 2]


def test_a_full_ring_keeps_those_of_most_doubt(path: Path) -> None:
    keeping = Keeping(path, max_pictures=3)
    for second in (0.1, 0.3, 0.2, 0.15, 0.4):
        keeping.picture((0.45, second, 0.0))
    assert keeping.doubts == [0.85, 0.75, 0.95]


def test_the_ring_is_bounded_in_bytes(path: Path) -> None:
    keeping = Keeping(path, max_bytes=65536)
    for _ in range(30):
        keeping.picture(pixels=np.random.default_rng(keeping._number).integers(
            0, 256, (120, 160, 3), np.uint8))  # fmt: skip
    assert 0 < len(keeping.numbers) < 30
    assert sum(entry.size_bytes for entry in keeping.folder.entries()) <= 65536


def test_pictures_become_too_old(path: Path) -> None:
    keeping = Keeping(path, max_age_s=100.0)
    keeping.picture()
    keeping.pass_s(50.0)
    keeping.picture()
    assert keeping.numbers == [1, 2]
    keeping.pass_s(60.0)
    keeping.picture()
    assert keeping.numbers == [2, 3]
    # Also where no frame comes.
    keeping.pass_s(4000.0)
    assert keeping.numbers == []


def test_what_people_decided_on_is_not_pushed_out(path: Path) -> None:
    keeping = Keeping(path, max_pictures=2)
    keeping.picture((0.6, 0.3, 0.1))
    keeping.picture((0.6, 0.3, 0.1))
    assert keeping.ask(ReviewDecide(numbers=[1, 2], verdict="accept")).error is None
    keeping.picture((0.45, 0.45, 0.1))
    assert keeping.numbers == [1, 2]


def test_what_was_discarded_is_not_kept_again(keeping: Keeping) -> None:
    keeping.picture(pixels=noise(1))
    assert keeping.ask(ReviewDecide(numbers=[1], verdict="discard")).error is None
    keeping.picture((0.45, 0.45, 0.1), noise(1))
    assert keeping.numbers == []


def test_pictures_of_another_model_are_the_first_to_go(path: Path) -> None:
    keeping = Keeping(path, max_pictures=2)
    keeping.picture((0.45, 0.45, 0.1))
    keeping.use("other", "7a" * 32)
    keeping.picture((0.6, 0.3, 0.1))
    keeping.picture((0.55, 0.3, 0.15))
    assert [entry.kept.model for entry in keeping.folder.entries()] == ["other", "other"]


def test_all_of_the_picture_is_kept_where_the_model_needs_less(keeping: Keeping) -> None:
    keeping.picture(full=lambda: noise(7, 480, 640))
    assert decode_picture(keeping.folder.picture(1), "x").shape == (360, 480, 3)


def test_what_is_gone_in_full_is_kept_as_it_was_read_or_not_at_all(keeping: Keeping) -> None:
    def gone() -> Pixels:
        raise CameraError("its process is gone")

    keeping.picture(full=gone)
    assert keeping.numbers == []
    keeping.picture((0.6, 0.3, 0.1), noise(8, 240, 320), full=gone)
    assert keeping.numbers == [1]


def test_another_mask_removes_what_was_seen_without_it(path: Path) -> None:
    keeping = Keeping(path)
    keeping.picture()
    keeping.frame()
    mask = (((0.0, 0.0), (0.5, 0.5)),)
    keeping.port.reconfigure(mask)
    keeping.port.work()
    assert keeping.numbers == []
    # Nor is what waits to be written.
    keeping.pass_s(20.0)
    assert keeping.numbers == []
    keeping.picture()
    assert keeping.numbers != []
    numbers = keeping.numbers
    keeping.port.reconfigure(mask)
    keeping.port.work()
    assert keeping.numbers == numbers
    again = Keeping(path, mask)
    again.port.work()
    assert again.numbers == numbers
    unmasked = Keeping(path)
    unmasked.port._masked = True
    unmasked.port.work()
    assert unmasked.numbers == []


def test_torn_files_of_a_run_before_are_removed_and_told(
    path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    before = Keeping(path)
    before.picture()
    before.picture()
    (path / "1.jpg").write_bytes((path / "1.jpg").read_bytes()[:100])
    keeping = Keeping(path)
    assert told(keeping).damaged == 0
    keeping.picture()
    assert names(path) == [".lock", "2.jpg", "3.jpg"]
    assert [line for line in caplog.messages if "damaged" in line] == [
        f"{path}: 1 pictures are damaged and removed"
    ]


def test_a_full_disk_is_told_once_and_costs_pictures_only(
    keeping: Keeping, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    keeping.picture((0.6, 0.3, 0.1), noise(1))
    with monkeypatch.context() as patch, caplog.at_level(logging.INFO):
        patch.setattr(files.os, "fsync", full)
        # It would take the place of the first one.
        keeping.picture((0.45, 0.45, 0.1), noise(1))
        keeping.picture()
        assert keeping.numbers == [1]
        reply = keeping.ask(ReviewDecide(numbers=[1], verdict="accept"))
        assert "No space left on device" in str(reply.error)
    with caplog.at_level(logging.INFO):
        keeping.picture()
    assert keeping.numbers == [1, 2]
    assert [line for line in caplog.messages if "requested by" not in line] == [
        f"{keeping.path}: No space left on device; no pictures are kept for review meanwhile",
        f"{keeping.path}: pictures are kept again",
    ]


def test_people_are_told_what_is_kept(keeping: Keeping) -> None:
    keeping.picture(known=0.25)
    (one,) = told(keeping).pictures
    assert (one.number, one.model, one.known) == (1, "m", 0.25)
    assert [each.label for each in one.results] == ["cat", "dog", "fox"]
    assert (one.verdict, one.label, one.decided_by) == (None, None, None)
    reply = keeping.ask(ReviewDecide(numbers=[1], verdict="correct", label="bin", by="ann"))
    assert isinstance(reply.data, ReviewAnswer)
    (one,) = reply.data.pictures
    assert (one.verdict, one.label, one.decided_by) == ("corrected", "bin", "ann")
    shown = keeping.ask(ReviewPicture(number=1))
    assert decode_picture(shown.jpeg, "x").shape == (48, 64, 3)


def test_what_cannot_be_answered_is_one_line(keeping: Keeping) -> None:
    assert keeping.ask(ReviewPicture(number=4)).error == (
        "picture 4 is not kept; `edged review` lists those that are"
    )
    assert "no picture is named" in str(
        keeping.ask(ReviewDecide(numbers=[], verdict="accept")).error
    )


def test_only_so_many_wait_for_an_answer(keeping: Keeping, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ReviewPort, "_most_questions", 0)
    with pytest.raises(CommandError, match="others wait for an answer"):
        keeping.ask(Review())


def test_the_thread_of_the_loop_makes_no_picture_and_writes_none(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    writers: set[int] = set()

    def noted(pixels: Pixels, quality: int, width_px: int | None = None) -> bytes:
        writers.add(threading.get_ident())
        return jpeg(pixels, quality, width_px)

    monkeypatch.setattr(picture, "jpeg", noted)
    with ReviewPort(ReviewConfig(enabled=True, every_s=1.0), path, "porch") as port:
        frame = Frame(noise(1), 1, time.monotonic())
        said = Prediction(np.array(UNSURE, np.float32), LABELS, {}, "m")
        port.write(Result(frame, said, Scene(None)))
        wait_until(lambda: [entry.number for entry in Folder(path).entries()] == [1])
    assert len(writers) == 1
    assert threading.get_ident() not in writers
