"""What systemd's watchdog is told."""

from __future__ import annotations

import pytest

from edged.core import UNDECIDED, Scene
from edged.notify import Notifier
from edged.watchdog import Watchdog


class Told(Notifier):
    def __init__(self) -> None:
        super().__init__({})
        self.said: list[str] = []

    def ready(self) -> None:
        self.said.append("ready")

    def starting(self, for_s: float) -> None:
        self.said.append(f"starting {for_s:g}")

    def watchdog(self) -> None:
        self.said.append("alive")

    def status(self, text: str) -> None:
        self.said.append(text)


@pytest.mark.parametrize(
    ("frame_came", "error", "fed"),
    [(True, None, True), (True, "dark", True), (False, "unplugged", False), (False, None, False)],
)
def test_it_is_fed_for_frames_and_not_while_one_is_overdue(
    frame_came: bool, error: str | None, fed: bool
) -> None:
    told = Told()
    beats: list[None] = []
    Watchdog(told, beat=lambda: beats.append(None)).feed(frame_came=frame_came, camera_error=error)
    assert told.said == (["alive", "ready"] if fed else [])
    # The pin guard gets the same as systemd.
    assert len(beats) == fed


def test_it_is_fed_while_a_camera_that_is_away_is_tried_again() -> None:
    told = Told()
    Watchdog(told, clock=lambda: 99.0).feed(frame_came=False, camera_error="unplugged", due_s=100.0)
    assert told.said == ["alive", "ready"]


def test_ready_is_said_once() -> None:
    told = Told()
    watchdog = Watchdog(told)
    for _ in range(3):
        watchdog.feed(frame_came=True, camera_error=None)
    assert told.said == ["alive", "ready", "alive", "alive"]


def test_a_camera_whose_next_frame_is_not_due_is_no_hang() -> None:
    told = Told()
    now_s = [0.0]
    watchdog = Watchdog(told, clock=lambda: now_s[0])
    watchdog.feed(frame_came=True, camera_error=None, due_s=100.0)
    now_s[0] = 99.0
    watchdog.feed(frame_came=False, camera_error=None, due_s=100.0)
    assert told.said == ["alive", "ready", "alive"]
    now_s[0] = 100.0
    watchdog.feed(frame_came=False, camera_error=None, due_s=100.0)
    assert told.said == ["alive", "ready", "alive"]


def test_systemd_is_told_once_how_long_the_first_frame_may_take() -> None:
    told = Told()
    now_s = [10.0]
    watchdog = Watchdog(told, clock=lambda: now_s[0])
    for now_s[0] in (10.0, 20.0, 30.0):
        watchdog.feed(frame_came=False, camera_error=None, due_s=210.0)
    watchdog.feed(frame_came=True, camera_error=None, due_s=230.0)
    assert told.said == ["alive", "starting 200", "alive", "alive", "alive", "ready"]


def test_a_first_frame_that_is_due_within_a_second_is_waited_for_too() -> None:
    told = Told()
    watchdog = Watchdog(told, clock=lambda: 0.0)
    watchdog.feed(frame_came=False, camera_error=None, due_s=0.5)
    assert told.said == ["alive", "starting 0.5"]


def test_a_camera_is_due_at_once_where_nothing_else_is_said() -> None:
    told = Told()
    Watchdog(told, clock=lambda: 0.5).feed(frame_came=False, camera_error=None)
    assert told.said == []


def test_a_person_reads_the_scene_and_the_rate() -> None:
    told = Told()
    watchdog = Watchdog(told)
    watchdog.describe(UNDECIDED, 0.0)
    watchdog.describe(Scene("cat"), 14.96)
    assert told.said == ["undecided, 0.0 frames a second", "cat, 15.0 frames a second"]
