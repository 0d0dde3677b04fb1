"""The hand-over from the loop to who records."""

from __future__ import annotations

import numpy as np
import pytest
from msgspec.structs import replace

from edged import __version__
from edged.config.schema import DecideConfig, RuleConfig
from edged.core import Ended, Frame, Prediction, Result, Scene
from edged.errors import CameraError
from edged.imaging.picture import decode_jpeg
from edged.recording.lane import BACKLOG, PICTURES_BACKLOG, Lane
from edged.recording.records import Header, Over, Seen, Setup
from tests.ports.mqtt.reports import health
from tests.recording.made import LABELS, SHA256, Loop, waiting

CAT = RuleConfig(name="cat", labels=["cat"])
PLAIN = DecideConfig(enter=0.6, exit=0.4, smoothing_s=0.0)


@pytest.fixture
def loop() -> Loop:
    return Loop([CAT], PLAIN)


def numbers(records: list[Setup | Seen | Over]) -> list[int | str]:
    """Frame numbers, and what else comes, by name."""
    return [one.number if isinstance(one, Seen) else type(one).__name__ for one in records]


def test_it_begins_with_what_decides_after_the_first_frame(loop: Loop) -> None:
    lane = loop.lane()
    loop.frames(0.9, 0.1)
    setup, first = waiting(lane)
    assert isinstance(setup, Setup)
    assert (setup.model, setup.sha256, setup.labels) == ("m", SHA256, LABELS)
    assert (setup.rules, setup.decide, setup.lost) == ((CAT,), PLAIN, 0)
    assert (setup.state.number, setup.state.active) == (1, b"\x01")
    assert isinstance(first, Seen)
    assert (first.number, first.captured_s) == (2, loop.now_s)
    assert np.frombuffer(first.scores, "<f4").tolist() == pytest.approx([0.0, 0.1, 0.0, 0.0])
    assert [event.active for event in first.events] == [False]
    assert first.events == (loop.events[-1],)


def test_its_header_says_what_it_has() -> None:
    lane = Lane(lambda: None, features=True, pictures=True)
    assert lane.header("porch") == Header(1, __version__, "porch", features=True, pictures=True)


def test_nothing_comes_while_nothing_decides() -> None:
    loop = Loop([CAT])
    lane = Lane(lambda: None, features=False, pictures=False)
    loop.lanes.append(lane)
    loop.frames(0.9, 0.9)
    loop.end()
    assert waiting(lane) == []


def test_a_reload_between_two_frames_begins_again_and_loses_nothing(loop: Loop) -> None:
    lane = loop.lane()
    loop.frames(0.1, 0.5)
    loop.reload([replace(CAT, enter=0.5)])
    loop.frames(0.5, 0.1)
    records = waiting(lane)
    assert numbers(records) == ["Setup", 2, "Setup", 3, 4]
    setup = records[2]
    assert isinstance(setup, Setup)
    assert (setup.rules[0].enter, setup.lost, setup.state.number) == (0.5, 0, 2)
    assert [event.decided_s for event in records[3].events] == [pytest.approx(100.3)]


def test_an_end_without_a_frame_says_when_and_why(loop: Loop) -> None:
    lane = loop.lane()
    loop.frames(0.1, 0.9)
    loop.end()
    over = waiting(lane)[-1]
    assert isinstance(over, Over)
    assert (over.at_s, over.reason) == (loop.now_s, "camera")
    assert over.why == "the camera delivers no picture"
    assert [(event.rule, event.active) for event in over.events] == [("cat", False)]


def test_what_an_earlier_run_left_open_is_no_decision(loop: Loop) -> None:
    lane = loop.lane()
    loop.frames(0.1, 0.9)
    loop.tell(Ended("restart", "edged ended without a word before", ()))
    assert numbers(waiting(lane)) == ["Setup", 2]


def test_other_reports_leave_no_trace(loop: Loop) -> None:
    lane = loop.lane()
    loop.frames(0.1)
    loop.tell(health())
    assert numbers(waiting(lane)) == ["Setup"]


def test_frames_that_have_no_room_are_lost_and_counted(loop: Loop) -> None:
    lane = loop.lane()
    loop.frames(*[0.1] * (1 + BACKLOG + 5))
    records = waiting(lane)
    # The beginning takes a place.
    assert numbers(records) == ["Setup", *range(2, BACKLOG + 1)]
    loop.frames(0.9, 0.9)
    setup, seen = waiting(lane)
    assert isinstance(setup, Setup)
    assert (setup.lost, setup.state.active) == (7, b"\x01")
    assert seen == Seen(BACKLOG + 8, loop.now_s, seen.scores)


def test_it_begins_again_only_where_there_is_room_for_more_than_a_frame(loop: Loop) -> None:
    lane = loop.lane()
    loop.frames(*[0.1] * (BACKLOG + 5))
    records = lane.records("porch", 0.0)
    for _ in range(BACKLOG // 2 - 1):
        next(records)
    loop.frames(0.1)
    next(records)
    loop.frames(0.1, 0.1)
    rest = [record for record in iter(lambda: next(records), None) if record is not None]
    assert numbers(rest)[-2:] == ["Setup", BACKLOG + 8]
    assert rest[-2].lost == 7


def test_reloads_without_end_have_no_room_either(loop: Loop) -> None:
    lane = loop.lane()
    loop.frames(0.1)
    for _ in range(2 * BACKLOG):
        loop.reload([CAT])
    assert len(waiting(lane)) == BACKLOG
    loop.frames(0.1)
    (setup,) = waiting(lane)
    assert isinstance(setup, Setup)
    assert setup.lost > 0


def test_scores_that_are_held_are_not_repeated() -> None:
    lane = Loop([CAT]).lane()
    scores = np.array([0.0, 0.5, 0.0, 0.0], np.float32)
    loop = Loop([CAT])
    loop.lanes.append(lane := Lane(lambda: loop.deciding, features=False, pictures=False))
    loop.frames(0.1)
    for number in (2, 3):
        frame = Frame(np.zeros((2, 2, 3), np.uint8), number, 100.0 + number)
        loop.tell(Result(frame, Prediction(scores, LABELS, {}, "m"), Scene(None)))
    _, first, second = waiting(lane)
    assert isinstance(first, Seen)
    assert isinstance(second, Seen)
    assert (len(first.scores), len(second.scores)) == (16, 0)


def test_features_are_kept_where_they_are_wanted(loop: Loop) -> None:
    features = np.array([0.25, 4.0], np.float32)
    lanes = loop.lane(features=True), loop.lane()
    for _ in range(2):
        loop.frame([0.0] * 4, features=features)
    kept, left = (waiting(lane)[1] for lane in lanes)
    assert isinstance(kept, Seen)
    assert isinstance(left, Seen)
    assert (kept.features, left.features) == (features.tobytes(), b"")


def test_pictures_are_kept_where_they_are_wanted_and_fewer_wait(loop: Loop) -> None:
    lanes = loop.lane(pictures=True), loop.lane()
    for shade in range(PICTURES_BACKLOG + 4):
        loop.frame([0.0] * 4, shade=10 * shade)
    kept, left = map(waiting, lanes)
    assert len(kept) == PICTURES_BACKLOG
    seen = kept[3]
    assert isinstance(seen, Seen)
    picture = decode_jpeg(seen.jpeg, "a test")
    assert picture.shape == (12, 16, 3)
    assert abs(int(picture.mean()) - 30) <= 2
    assert all(not one.jpeg for one in left if isinstance(one, Seen))


def test_the_whole_picture_is_kept_where_the_model_needs_less(loop: Loop) -> None:
    lane = loop.lane(pictures=True)
    loop.frames(0.0)
    pixels = np.zeros((2, 2, 3), np.uint8)
    scores = Prediction(np.zeros(4, np.float32), LABELS, {}, "m")

    def damaged() -> np.ndarray:
        raise CameraError("it is damaged where the model did not look")

    for number, full in ((2, lambda: np.zeros((20, 30, 3), np.uint8)), (3, damaged)):
        frame = Frame(pixels, number, 100.0 + number, full=full)
        loop.tell(Result(frame, scores, Scene(None)))
    _, whole, without = waiting(lane)
    assert isinstance(whole, Seen)
    assert isinstance(without, Seen)
    assert decode_jpeg(whole.jpeg, "a test").shape == (20, 30, 3)
    assert without.jpeg == b""


def test_it_ends_when_the_daemon_does(loop: Loop) -> None:
    lane = loop.lane()
    loop.frames(0.1, 0.1)
    lane.offer(None)
    assert numbers(list(lane.records("porch", 5.0))) == ["Setup", 2]
