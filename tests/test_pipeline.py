"""The loop, run with a scripted camera and a model that sees the brightness of a frame."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from edged.config.schema import DecideConfig, RuleConfig
from edged.core import Frame, Health, OutputState, Pixels, Prediction, Report, Result, Snapshot
from edged.errors import CommandError
from edged.mailbox import Answer, Command, Mailbox
from edged.notify import Notifier
from edged.perception.rules import Decider
from edged.pipeline import Pipeline

LABELS = ("dark", "bright")


class ScriptedCamera:
    """Delivers one frame a read; each entry is a brightness, None for no frame, or a command."""

    name = "scripted"
    dropped = 0

    def __init__(self, script: Sequence[float | None | Command], mailbox: Mailbox) -> None:
        self.now_s = 0.0
        self.error: str | None = None
        self._script = iter([*script, Command("stop")])
        self._mailbox = mailbox
        self._number = 0

    def __enter__(self) -> ScriptedCamera:
        return self

    def __exit__(self, *exception: object) -> None:
        pass

    def read(self, timeout_s: float) -> Frame | None:
        entry = next(self._script)
        if isinstance(entry, Command):
            self._mailbox.post(entry)
            return None
        self.now_s += 0.1
        if entry is None:
            return None
        self._number += 1
        pixels = np.full((2, 2, 3), round(255 * entry), np.uint8)
        return Frame(pixels, self._number, self.now_s)

    def skip(self, timeout_s: float) -> bool:
        return self.read(timeout_s) is not None


class BrightnessClassifier:
    name = "brightness"
    labels = LABELS

    def __init__(self) -> None:
        self.classified = 0

    def classify(self, pixels: Pixels) -> Prediction:
        self.classified += 1
        bright = float(pixels.mean()) / 255
        return Prediction(np.array([1 - bright, bright], np.float32), LABELS, {"invoke": 0.001})

    def close(self) -> None:
        pass


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


class CountingNotifier(Notifier):
    def __init__(self) -> None:
        super().__init__()
        self.fed = 0
        self.said_ready = 0

    def watchdog(self) -> None:
        self.fed += 1

    def ready(self) -> None:
        self.said_ready += 1


class Run:
    """A pipeline over a script, run to its end."""

    def __init__(
        self,
        *script: float | None | Command,
        wake_s: float = 0.0,
        health_s: float = 0.0,
        camera_error: str | None = None,
    ) -> None:
        mailbox = Mailbox()
        self.mailbox = mailbox
        self.camera = ScriptedCamera(script, mailbox)
        self.camera.error = camera_error
        self.classifier = BrightnessClassifier()
        self.notebook = Notebook()
        self.notifier = CountingNotifier()
        rules = [RuleConfig(name="light", labels=["bright"])]
        self.pipeline = Pipeline(
            self.camera,
            self.classifier,
            Decider(rules, DecideConfig(smoothing_s=0.0), LABELS),
            [self.notebook],
            mailbox,
            notifier=self.notifier,
            wake_s=wake_s,
            health_s=health_s,
            handlers={"set-output": refuse},
            clock=lambda: self.camera.now_s,
        )
        self.pipeline.run()

    @property
    def results(self) -> list[Result]:
        return [report for report in self.notebook.reports if isinstance(report, Result)]


def refuse(command: Command) -> Mapping[str, object]:
    raise CommandError(f"no output {command.arguments['name']!r}")


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
    answers: list[Answer] = []
    run = Run(0.1, Command("snapshot", reply=answers.append), 0.9)
    assert answers[0].result is not None
    assert answers[0].result.frame.number == 2
    assert run.notebook.of(Snapshot) == []


def test_a_snapshot_to_publish_reaches_the_ports_with_who_asked() -> None:
    run = Run(Command("snapshot", {"publish": True}, asked_by="a button"), 0.9)
    (snapshot,) = run.notebook.of(Snapshot)
    assert isinstance(snapshot, Snapshot)
    assert snapshot.asked_by == "a button"


def test_a_snapshot_is_refused_with_the_reason_while_the_camera_is_away() -> None:
    answers: list[Answer] = []
    Run(Command("snapshot", reply=answers.append), None, camera_error="/dev/video0: unplugged")
    assert answers[0].error == "the camera delivers no picture: /dev/video0: unplugged"


def test_a_pause_stops_classification_until_the_resume() -> None:
    run = Run(0.1, Command("pause"), 0.9, 0.9, Command("resume"), 0.2)
    assert [result.frame.number for result in run.results] == [1, 4]


def test_a_snapshot_in_a_pause_sees_but_decides_nothing() -> None:
    answers: list[Answer] = []
    run = Run(0.1, Command("pause"), Command("snapshot", reply=answers.append), 0.9)
    assert answers[0].result is not None
    assert answers[0].result.prediction.top(1)[0].label == "bright"
    assert [result.frame.number for result in run.results] == [1]


def test_without_a_wake_the_loop_idles_and_a_wake_brings_it_back() -> None:
    run = Run(0.1, 0.1, 0.1, 0.1, 0.1, Command("wake"), 0.1, wake_s=0.35)
    assert [result.frame.number for result in run.results] == [1, 2, 3, 6]


def test_the_loop_does_not_fall_asleep_while_a_rule_holds() -> None:
    run = Run(0.9, 0.9, 0.9, 0.9, 0.9, 0.9, wake_s=0.35)
    assert len(run.results) == 6


def test_a_report_from_a_port_reaches_all_ports() -> None:
    mailbox_item = OutputState("lamp", 1.0, 0.0)
    run = Run(0.1)
    run.mailbox.post(mailbox_item)
    run.pipeline.obey()
    assert run.notebook.reports[-1] is mailbox_item


def test_a_refused_command_is_answered_with_the_reason() -> None:
    answers: list[Answer] = []
    Run(
        Command("set-output", {"name": "lamp"}, reply=answers.append),
        Command("dance", reply=answers.append),
        None,
    )
    assert [answer.error for answer in answers] == ["no output 'lamp'", "unknown command 'dance'"]


def test_the_status_tells_scene_rules_and_camera() -> None:
    answers: list[Answer] = []
    Run(0.9, Command("status", reply=answers.append), None)
    data = answers[0].data
    assert (data["scene"], data["camera"], data["frames"]) == ("light", "scripted", 1)
    assert isinstance(data["rules"], dict)
    assert data["rules"]["light"]["active"] is True


def test_health_is_told_at_its_interval() -> None:
    run = Run(*[0.1] * 10, health_s=0.45)
    assert len(run.notebook.of(Health)) == 2


def test_the_watchdog_is_fed_for_frames_and_known_outages_but_not_for_a_silent_camera() -> None:
    assert Run(0.1, 0.1, 0.1).notifier.fed == 3
    assert Run(None, None, None).notifier.fed == 0
    # The stop command's own turn of the loop feeds too: the outage is still known.
    assert Run(None, None, None, camera_error="unplugged").notifier.fed == 4


def test_readiness_is_said_once_with_the_first_frame() -> None:
    assert Run(None, 0.1, 0.1).notifier.said_ready == 1
    assert Run(None).notifier.said_ready == 0
