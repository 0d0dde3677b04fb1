"""The loop, run with a scripted camera and a model that sees the brightness of a frame."""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
from msgspec.structs import replace

from edged import commands
from edged.attention import Attention
from edged.commands import Pause, Reload, Reply, Request, Resume, SetOutput, TakeSnapshot, Wake
from edged.config.schema import CameraConfig, DecideConfig, RuleConfig
from edged.core import (
    UNDECIDED,
    CameraThere,
    Ended,
    Event,
    Frame,
    Health,
    Pixels,
    Prediction,
    Report,
    Result,
    Snapshot,
)
from edged.errors import CommandError
from edged.health import Vitals
from edged.mailbox import Mailbox
from edged.messages.replies import OutputAnswer
from edged.notify import Notifier
from edged.outage import Outage
from edged.perception.perception import Perception
from edged.perception.rules import Decider
from edged.perception.still import StillScenes
from edged.pipeline import Pipeline
from edged.snapshots import Snapshots
from edged.watchdog import Watchdog

LABELS = ("dark", "bright")
LOST_AFTER_S = 1.0
Entry = float | None | commands.Command | Request[Any]


class ScriptedCamera:
    """Delivers one frame a read; each entry is a brightness, None for no frame, or a request."""

    name = "scripted"
    dropped = 0
    failures = 0
    last_error = None
    fault = None
    due_s = 0.0

    def __init__(self, script: Sequence[Entry], mailbox: Mailbox) -> None:
        self.now_s = 0.0
        self.error: str | None = None
        self.fails = False
        self.wanted_px: list[tuple[int, int] | None] = []
        self.skipped = 0
        self._script = iter(script)
        self._mailbox = mailbox
        self._number = 0

    def __enter__(self) -> ScriptedCamera:
        return self

    def __exit__(self, *exception: object) -> None:
        pass

    def read(self, timeout_s: float, wanted_px: tuple[int, int] | None) -> Frame | None:
        self.wanted_px.append(wanted_px)
        return self._next()

    def skip(self, timeout_s: float) -> bool:
        self.skipped += 1
        return self._next() is not None

    def _next(self) -> Frame | None:
        try:
            entry = next(self._script)
        except StopIteration:
            self._mailbox.stop("the end of the script")
            return None
        if isinstance(entry, commands.Command):
            entry = Request(entry)
        if isinstance(entry, Request):
            self._mailbox.post(replace(entry, asked_s=self.now_s))
            return None
        self.now_s += 0.1
        if entry is None:
            return None
        self._number += 1
        pixels = np.full((2, 2, 3), round(255 * entry), np.uint8)
        return Frame(pixels, self._number, self.now_s)


class BrightnessClassifier:
    name = "brightness"

    def __init__(self, labels: Sequence[str] = LABELS, input_px: tuple[int, int] = (2, 2)) -> None:
        self.labels = labels
        self.input_px = input_px
        self.keeps_state = False
        self.closed = False
        self.finite = True

    def __enter__(self) -> BrightnessClassifier:
        return self

    def __exit__(self, *exception: object) -> None:
        self.closed = True

    def classify(self, pixels: Pixels) -> Prediction:
        bright = float(pixels.mean()) / 255
        scores = np.array([1 - bright, bright], np.float32)
        stages_s = {"invoke": 0.001}
        return Prediction(scores, self.labels, stages_s, self.name, finite=self.finite)


class Notebook:
    """A port that remembers."""

    def __init__(self) -> None:
        self.reports: list[Report] = []

    def __enter__(self) -> Notebook:
        return self

    def __exit__(self, *exception: object) -> None:
        pass

    def write(self, report: Report) -> None:
        self.reports.append(report)

    def of(self, kind: type) -> list[Report]:
        return [report for report in self.reports if isinstance(report, kind)]


class Numbers:
    """A journal that only counts."""

    def __init__(self, heard: list[str]) -> None:
        self.last = 0
        self._heard = heard

    def record(self, events: Sequence[Event]) -> tuple[Event, ...]:
        self._heard += ["journal"] * bool(events)
        first = self.last + 1
        self.last += len(events)
        return tuple(replace(event, number=n) for n, event in enumerate(events, first))


class Pins(Notebook):
    """The pins, and when they hear."""

    def __init__(self, heard: list[str]) -> None:
        super().__init__()
        self._heard = heard

    def write(self, report: Report) -> None:
        super().write(report)
        self._heard.append("pins")


class CountingNotifier(Notifier):
    def __init__(self) -> None:
        super().__init__()
        self.fed = 0
        self.said_ready = 0

    def watchdog(self) -> None:
        self.fed += 1

    def ready(self) -> None:
        self.said_ready += 1


def perception(
    labels: Sequence[str] = LABELS,
    rule: str = "light",
    input_px: tuple[int, int] = (2, 2),
    still: StillScenes | None = None,
) -> Perception:
    rules = [RuleConfig(name=rule, labels=[labels[1]])]
    decider = Decider(rules, DecideConfig(smoothing_s=0.0), labels)
    return Perception(BrightnessClassifier(labels, input_px), decider, still=still)


class Run:
    """A pipeline over a script, run to its end."""

    def __init__(
        self,
        *script: Entry,
        wake_s: float = 0.0,
        health_s: float = 0.0,
        camera_error: str | None = None,
        due_s: float = math.inf,
        odd: bool = False,
        still: StillScenes | None = None,
    ) -> None:
        self.mailbox = Mailbox()
        self.camera = ScriptedCamera(script, self.mailbox)
        self.camera.error = camera_error
        if camera_error is not None:
            # Until then it is being opened again.
            self.camera.due_s = due_s
        self.camera.fails = camera_error is not None and not odd
        self.notebook = Notebook()
        self.heard: list[str] = []
        self.notifier = CountingNotifier()
        attention = Attention(wake_s, lambda: self.camera.now_s)
        self.pipeline = Pipeline(
            self.camera,
            perception(still=still),
            Numbers(self.heard),
            Pins(self.heard),
            [self.notebook],
            self.mailbox,
            {
                Pause: attention.pause,
                Resume: attention.resume,
                Wake: attention.wake,
                SetOutput: refuse,
                Reload: self.replace_perception,
            },
            attention=attention,
            vitals=Vitals(0.0, health_s),
            watchdog=Watchdog(self.notifier),
            outage=Outage(CameraConfig(lost_after_s=LOST_AFTER_S), lambda: self.camera.now_s),
            snapshots=Snapshots(self.mailbox),
            clock=lambda: self.camera.now_s,
        )
        self.successor = perception(("night", "day"), "day", (4, 6))
        self.pipeline.run()

    def replace_perception(self, request: Request[Reload]) -> OutputAnswer:
        self.successor.succeed(self.pipeline.perception)
        self.pipeline.perception = self.successor
        return OutputAnswer(name="", value=0)

    @property
    def results(self) -> list[Result]:
        return [report for report in self.notebook.reports if isinstance(report, Result)]


def refuse(request: Request[SetOutput]) -> OutputAnswer:
    raise CommandError(f"no output {request.command.name!r}")


def test_each_frame_becomes_a_result_with_its_number_and_prediction() -> None:
    run = Run(0.1, 0.9)
    assert [result.frame.number for result in run.results] == [1, 2]
    assert [result.prediction.top(1)[0].label for result in run.results] == ["dark", "bright"]


def test_an_event_is_told_with_the_frame_that_decided_it() -> None:
    run = Run(0.1, 0.9, 0.9, 0.1)
    events = [
        (result.frame.number, event.rule, event.active)
        for result in run.results
        for event in result.events
    ]
    assert events == [(2, "light", True), (4, "light", False)]


def test_no_frame_means_no_result_and_the_loop_goes_on() -> None:
    run = Run(None, None, 0.5)
    assert len(run.results) == 1


def test_a_snapshot_is_answered_with_the_next_frame() -> None:
    replies: list[Reply] = []
    run = Run(0.1, Request(TakeSnapshot(), reply=replies.append), 0.9)
    assert replies[0].result is not None
    assert replies[0].result.frame.number == 2
    assert run.notebook.of(Snapshot) == []


def test_a_snapshot_of_a_still_scene_is_classified() -> None:
    replies: list[Reply] = []
    asked = Request(TakeSnapshot(), reply=replies.append)
    run = Run(*[0.9] * 10, asked, 0.9, 0.9, still=StillScenes(60.0, (2, 2)))
    held = [result.prediction.still for result in run.results]
    assert held[8:] == [True, True, False, True]
    assert replies[0].result is not None
    assert not replies[0].result.prediction.still


def test_a_snapshot_to_publish_reaches_the_ports_with_who_asked() -> None:
    run = Run(Request(TakeSnapshot(), "a button", publish=True), 0.9)
    (snapshot,) = run.notebook.of(Snapshot)
    assert isinstance(snapshot, Snapshot)
    assert snapshot.asked_by == "a button"


def test_a_snapshot_is_refused_with_the_reason_while_the_camera_is_away() -> None:
    replies: list[Reply] = []
    Run(Request(TakeSnapshot(), reply=replies.append), None, camera_error="/dev/video0: unplugged")
    assert replies[0].error == "the camera delivers no picture: /dev/video0: unplugged"


def test_a_snapshot_waits_for_the_next_frame_of_a_slow_camera_whose_frames_are_odd() -> None:
    replies: list[Reply] = []
    asked = Request(TakeSnapshot(), reply=replies.append)
    Run(asked, None, None, 0.9, camera_error="the picture has not changed by a bit", odd=True)
    assert [reply.error for reply in replies] == [None]
    assert replies[0].result is not None


def test_a_pause_stops_classification_until_the_resume() -> None:
    run = Run(0.1, Pause(), 0.9, 0.9, Resume(), 0.2)
    assert [result.frame.number for result in run.results] == [1, 4]


def test_a_snapshot_in_a_pause_sees_but_decides_nothing() -> None:
    replies: list[Reply] = []
    run = Run(0.1, Pause(), Request(TakeSnapshot(), reply=replies.append), 0.9)
    assert replies[0].result is not None
    assert replies[0].result.prediction.top(1)[0].label == "bright"
    assert [result.frame.number for result in run.results] == [1]


def test_without_a_wake_the_loop_idles_and_a_wake_brings_it_back() -> None:
    run = Run(0.1, 0.1, 0.1, 0.1, 0.1, Wake(), 0.1, wake_s=0.35)
    assert [result.frame.number for result in run.results] == [1, 2, 3, 4, 6]


def test_the_loop_does_not_fall_asleep_while_a_rule_holds() -> None:
    run = Run(0.9, 0.9, 0.9, 0.9, 0.9, 0.9, wake_s=0.35)
    assert len(run.results) == 6


def test_a_refused_request_is_answered_with_the_reason() -> None:
    replies: list[Reply] = []
    Run(Request(SetOutput(name="lamp", value=1.0), reply=replies.append), None)
    assert [reply.error for reply in replies] == ["no output 'lamp'"]


def test_events_are_numbered_before_anybody_hears_of_them() -> None:
    run = Run(0.1, 0.9, 0.1, 0.9)
    numbers = [event.number for result in run.results for event in result.events]
    assert numbers == [1, 2, 3]


def test_pins_are_driven_before_the_journal_has_the_events() -> None:
    run = Run(0.9, 0.1)
    assert run.heard == ["pins", "journal", "pins", "journal"]


def test_the_camera_is_told_what_the_present_model_needs() -> None:
    run = Run(0.1, Reload(), 0.9)
    assert run.camera.wanted_px == [(2, 2), (2, 2), (4, 6), (4, 6)]


def test_after_other_labels_nothing_is_decided_until_their_model_has_seen_a_frame() -> None:
    replies: list[Reply] = []
    snapshot = Request(TakeSnapshot(), reply=replies.append)
    run = Run(0.9, Pause(), Reload(), snapshot, 0.9, Resume(), 0.9)
    assert replies[0].result is not None
    assert replies[0].result.scene.name is None
    assert [result.scene.name for result in run.results] == ["light", "day"]


def test_a_stop_waits_behind_no_request() -> None:
    mailbox = Mailbox()
    for _ in range(1000):
        mailbox.post(Request(Pause()))
    mailbox.stop("SIGTERM")
    mailbox.stop("a second thought")
    assert mailbox.stopping == "SIGTERM"


@pytest.mark.parametrize("wake_s", [0.0, 0.05])
def test_frames_that_nobody_needs_are_let_go_undecoded(wake_s: float) -> None:
    paused = () if wake_s else (Pause(),)
    run = Run(0.1, *paused, 0.9, 0.9, wake_s=wake_s)
    assert run.camera.skipped >= 2
    assert len(run.results) == 1


def test_health_is_told_at_its_interval() -> None:
    run = Run(*[0.1] * 10, health_s=0.45)
    assert len(run.notebook.of(Health)) == 2


def test_the_watchdog_is_fed_for_frames_and_known_outages_but_not_for_a_silent_camera() -> None:
    assert Run(0.1, 0.1, 0.1).notifier.fed == 3
    assert Run(None, None, None).notifier.fed == 0
    # The stop command's own turn of the loop feeds too: the outage is still known.
    assert Run(None, None, None, camera_error="unplugged").notifier.fed == 4


def test_a_camera_that_hangs_while_it_is_opened_again_is_not_fed_for() -> None:
    run = Run(None, None, None, camera_error="unplugged", due_s=0.0)
    assert run.notifier.fed == 0


def test_the_watchdog_is_fed_until_the_next_frame_is_overdue(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(ScriptedCamera, "due_s", time.monotonic() + 1000.0)
    run = Run(None, None, None)
    assert (run.notifier.fed, run.notifier.said_ready) == (4, 0)


def test_a_frame_for_a_picture_alone_feeds_the_watchdog_too() -> None:
    run = Run(Pause(), Request(TakeSnapshot()), None, None, 0.9)
    assert (run.notifier.fed, run.notifier.said_ready) == (1, 1)


def test_readiness_is_said_once_with_the_first_frame() -> None:
    assert Run(None, 0.1, 0.1).notifier.said_ready == 1
    assert Run(None).notifier.said_ready == 0


# The script's None is a tenth of a second without a frame.
AWAY = [None] * 12


def test_rules_end_with_a_reason_when_the_camera_has_been_away_for_long() -> None:
    run = Run(1.0, *AWAY, camera_error="unplugged")
    [ended] = run.notebook.of(Ended)
    assert isinstance(ended, Ended)
    assert (ended.reason, ended.why) == ("camera", "the camera delivers no picture: unplugged")
    [event] = ended.events
    assert (event.rule, event.active, event.number, event.frame) == ("light", False, 2, 1)
    assert event.reason == "camera"
    assert run.pipeline.perception.scene is UNDECIDED


def test_a_short_outage_and_a_slow_camera_end_nothing() -> None:
    assert not Run(1.0, *AWAY[:9], 1.0, *AWAY[:9], camera_error="shaky").notebook.of(Ended)
    assert not Run(1.0, *AWAY * 3).notebook.of(Ended)


def test_each_outage_is_told_once_and_the_rules_begin_anew() -> None:
    run = Run(1.0, *AWAY * 2, 1.0, *AWAY, camera_error="unplugged")
    told = [
        (event.active, event.number)
        for report in run.notebook.reports
        if isinstance(report, Result | Ended)
        for event in report.events
    ]
    assert told == [(True, 1), (False, 2), (True, 3), (False, 4)]
    assert len(run.notebook.of(Ended)) == 2


def test_a_camera_that_never_came_is_told_too() -> None:
    [ended] = Run(*AWAY, camera_error="absent").notebook.of(Ended)
    assert isinstance(ended, Ended)
    assert ended.events == ()


def test_an_outage_lets_an_idle_loop_fall_asleep() -> None:
    run = Run(1.0, *AWAY, *AWAY, wake_s=0.5, camera_error="unplugged")
    assert run.pipeline.attention.idle


def test_a_camera_whose_frames_are_odd_is_not_lost() -> None:
    assert not Run(1.0, *AWAY, 1.0, camera_error="frozen", odd=True).notebook.of(Ended)


def test_that_frames_come_is_told_first_and_after_each_outage_also_while_nobody_decides() -> None:
    run = Run(1.0, 1.0, *AWAY, 1.0, 1.0, camera_error="unplugged")
    kinds = [type(r) for r in run.notebook.reports if isinstance(r, CameraThere | Ended)]
    assert kinds == [CameraThere, Ended, CameraThere]
    asleep = Run(None, Pause(), None, 1.0, 1.0, camera_error="unplugged")
    assert not asleep.notebook.of(Result)
    assert len(asleep.notebook.of(CameraThere)) == 1
