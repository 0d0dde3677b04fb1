"""A configuration read again: made ready in a thread, refused whole, taken over in the loop."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from edged import build, reload
from edged.commands import Command, Reload, Reply, Request, SetThreshold, Wake
from edged.config import saved
from edged.config.load import load
from edged.config.schema import Config, SwapConfig
from edged.config.thresholds import Thresholds
from edged.errors import CommandError, ConfigError, EdgedError, ModelError
from edged.mailbox import CONTROLS, Mailbox
from edged.messages.replies import ReloadAnswer, ThresholdAnswer
from edged.models.chosen import Chosen
from edged.notify import Notifier
from edged.perception.perception import Perception
from edged.reload import REQUESTS, InForce, Reloader, TakeOver, prepare
from tests.inference.builder import colours
from tests.mosquitto import LIMIT_S, wait_until

CAT = 'rule=[{name="cat", labels=["cat"]}]'
RELOAD = Reload()


class Told(Notifier):
    """What systemd was told."""

    def __init__(self) -> None:
        super().__init__({})
        self.states: list[str] = []

    def reloading(self) -> None:
        self.states.append("reloading")

    def ready(self) -> None:
        self.states.append("ready")


@pytest.fixture(autouse=True)
def no_wait_for_writers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reload, "SETTLED_S", 0.0)


@pytest.fixture
def in_force() -> Iterator[InForce]:
    config = load(None, [CAT, "model.threads=1"])
    model = build.admitted(config)
    perception = build.perception(config, model)
    with perception:
        yield InForce(config, perception, model)


class Desk:
    """A reloader, and a loop that takes over what it makes ready."""

    def __init__(self, in_force: InForce, read: Callable[[], Config]) -> None:
        self.mailbox = Mailbox()
        self.notifier = Told()
        self.replies: queue.Queue[Reply] = queue.Queue()
        self.thresholds = Thresholds(None)
        self.gates: list[EdgedError] = []
        """Why a model does not hold its gates."""
        self.reloader = Reloader(
            lambda _: read(),
            lambda: in_force,
            self.mailbox,
            self.notifier,
            self.thresholds,
            None,
            Chosen(None),
            self.check_in_shadow,
        )

    def check_in_shadow(self, old: InForce, new: Perception, limits: SwapConfig) -> None:
        assert limits.on_reload
        assert not new.shares_model(old.perception)
        if self.gates:
            raise self.gates[0]

    def ask(self, command: Command = RELOAD) -> None:
        self.reloader.begin(Request(command, "a test", self.replies.put))

    def prepared(self) -> Request[TakeOver]:
        taken: list[Request[Any]] = []

        def come() -> bool:
            taken.extend(self.mailbox.take())
            return bool(taken)

        wait_until(come)
        (request,) = taken
        assert isinstance(request.command, TakeOver)
        return request


def test_what_is_ready_waits_for_the_loop_and_its_reply_goes_to_who_asked(
    in_force: InForce,
) -> None:
    desk = Desk(in_force, lambda: load(None, [CAT, "model.threads=1", "rule.cat.enter=0.9"]))
    desk.ask()
    request = desk.prepared()
    assert desk.notifier.states == ["reloading"]
    assert request.command.prepared.next.config.rule[0].enter == 0.9
    request.reply(Reply(data=ReloadAnswer(model="m", restart_for=[])))
    assert desk.replies.get(timeout=LIMIT_S).error is None
    wait_until(lambda: desk.notifier.states == ["reloading", "ready"])


def test_what_is_ready_is_taken_over_however_many_requests_wait(in_force: InForce) -> None:
    desk = Desk(in_force, lambda: load(None, [CAT, "model.threads=1"]))
    for _ in range(CONTROLS):
        desk.mailbox.post(Request(Wake()))
    desk.ask()
    waiting: list[Request[Any]] = []

    def ready() -> bool:
        # None is taken before all of them wait.
        if len(desk.mailbox._controls) > CONTROLS:
            waiting.extend(desk.mailbox.take())
        return bool(waiting)

    wait_until(ready)
    assert isinstance(waiting[-1].command, TakeOver)
    waiting[-1].reply(Reply())


def test_what_is_wrong_is_refused_and_nothing_reaches_the_loop(in_force: InForce) -> None:
    desk = Desk(in_force, lambda: load(None, ["decide.enter=2"]))
    desk.ask()
    assert "decide.enter" in str(desk.replies.get(timeout=LIMIT_S).error)
    assert desk.mailbox.take() == []
    wait_until(lambda: desk.notifier.states == ["reloading", "ready"])


def test_damaged_changes_of_the_page_change_nothing_at_a_reload(
    in_force: InForce, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("STATE_DIRECTORY", str(tmp_path))
    path = tmp_path / "edged.toml"
    path.write_text('[[rule]]\nname = "cat"\nlabels = ["cat"]\n')
    desk = Desk(in_force, lambda: load(path))
    saved.file(path).write_text("[camera]\nprivacy = [[[0.1")
    desk.ask()
    assert "repair this file, or remove it" in str(desk.replies.get(timeout=LIMIT_S).error)
    assert desk.mailbox.take() == []


def test_who_asks_during_a_reload_is_answered_with_the_next(in_force: InForce) -> None:
    reading, go_on = threading.Event(), threading.Event()
    wanted = [0.7]

    def read() -> Config:
        enter = wanted[0]
        reading.set()
        assert go_on.wait(LIMIT_S)
        return load(None, [CAT, "model.threads=1", f"rule.cat.enter={enter}"])

    desk = Desk(in_force, read)
    desk.ask()
    assert reading.wait(LIMIT_S)
    wanted[0] = 0.8
    desk.ask()
    desk.ask()
    go_on.set()
    first = desk.prepared()
    # Settled: what the first reload saw was written over while it read.
    assert first.command.prepared.next.config.rule[0].enter == 0.8
    first.reply(Reply())
    desk.replies.get(timeout=LIMIT_S)
    desk.prepared().reply(Reply(error="a second answer"))
    late = [desk.replies.get(timeout=LIMIT_S).error for _ in range(2)]
    assert late == ["a second answer"] * 2
    wait_until(lambda: desk.notifier.states[-1] == "ready")
    assert desk.notifier.states.count("reloading") == 1


def test_a_file_that_never_answers_leaves_the_loop_alone_and_is_told(in_force: InForce) -> None:
    go_on = threading.Event()

    def read() -> Config:
        go_on.wait(LIMIT_S)
        raise ConfigError("at last")

    desk = Desk(in_force, read)
    desk.ask()
    wait_until(lambda: not desk.reloader._asked)
    for _ in range(REQUESTS):
        desk.ask()
    with pytest.raises(CommandError, match="an earlier reload hangs"):
        desk.ask()
    go_on.set()


def test_a_file_that_changes_all_the_time_is_refused(in_force: InForce) -> None:
    numbers = iter(range(1, 1000))
    desk = Desk(in_force, lambda: load(None, [f"mqtt.image_quality={next(numbers) % 90 + 1}"]))
    desk.ask()
    assert "keeps changing" in str(desk.replies.get(timeout=LIMIT_S).error)


def test_other_rules_keep_the_model_that_is_loaded(in_force: InForce) -> None:
    wanted = load(None, [CAT, "model.threads=1", "rule.cat.enter=0.9"])
    prepared = prepare(in_force, wanted)
    assert prepared.next.perception._classifier is in_force.perception._classifier
    assert prepared.restart_for == []


def test_another_model_is_loaded_beside_the_one_that_is_in_force(in_force: InForce) -> None:
    prepared = prepare(in_force, load(None, [CAT, "model.threads=2"]))
    with prepared.next.perception:
        assert prepared.next.perception._classifier is not in_force.perception._classifier
        assert prepared.next.config.model.threads == 2


def test_a_model_file_that_was_replaced_is_loaded_again(tmp_path: Path) -> None:
    from edged.paths import bundled_model

    path = tmp_path / "model.tflite"
    path.write_bytes(bundled_model().read_bytes())
    config = load(None, [CAT, f"model.path={path}", "model.threads=1"])
    model = build.admitted(config)
    with build.perception(config, model) as perception:
        old = InForce(config, perception, model)
        assert prepare(old, config).next.perception._classifier is perception._classifier
        other = tmp_path / "new"
        other.write_bytes(bundled_model().read_bytes())
        other.replace(path)
        with prepare(old, config).next.perception as new:
            assert new._classifier is not perception._classifier


def test_labels_that_were_found_beside_the_model_are_read_again(tmp_path: Path) -> None:
    file = colours(tmp_path / "colours.tflite", "uint8")
    (tmp_path / "labels.txt").write_text("red\ngreen\nblue\n")
    config = load(None, [f"model.path={file}"])
    model = build.admitted(config)
    with build.perception(config, model) as perception:
        old = InForce(config, perception, model)
        (tmp_path / "labels.txt").write_text("rouge\nvert\nbleu\n")
        assert list(prepare(old, config).next.perception.labels) == ["rouge", "vert", "bleu"]
        (tmp_path / "colours.txt").write_text("rosso\nverde\nblu\n")
        assert list(prepare(old, config).next.perception.labels) == ["rosso", "verde", "blu"]


def test_what_holds_only_after_a_restart_is_named(in_force: InForce) -> None:
    wanted = load(None, [CAT, "model.threads=1", "camera.fps=5"])
    prepared = prepare(in_force, wanted)
    assert prepared.restart_for == ["camera.fps"]
    assert prepared.next.config.camera.fps == in_force.config.camera.fps


def test_a_label_that_the_model_has_not_is_refused(in_force: InForce) -> None:
    with pytest.raises(ConfigError, match="dragon"):
        prepare(in_force, load(None, ['rule=[{name="x", labels=["dragon"]}]', "model.threads=1"]))


def test_what_the_world_refuses_is_no_bug(in_force: InForce) -> None:
    def read() -> Config:
        raise OSError(24, "Too many open files")

    desk = Desk(in_force, read)
    desk.ask()
    assert "Too many open files" in str(desk.replies.get(timeout=LIMIT_S).error)


def test_a_folder_that_changes_is_no_change_of_the_model(
    in_force: InForce, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    model = build.admitted(in_force.config)
    (tmp_path / "new").write_text("")
    assert build.admitted(in_force.config).stamp == model.stamp


def test_each_thing_that_is_wrong_is_a_line_of_the_log(
    in_force: InForce, caplog: pytest.LogCaptureFixture
) -> None:
    def read() -> Config:
        raise ConfigError("first\nsecond")

    desk = Desk(in_force, read)
    desk.ask()
    assert desk.replies.get(timeout=LIMIT_S).error == "first\nsecond"
    assert caplog.messages == [
        "reload: first",
        "reload: second",
        "reload, requested by a test: refused; nothing has changed",
    ]


def test_a_configuration_is_read_again_only_after_who_writes_it_had_time(
    in_force: InForce, monkeypatch: pytest.MonkeyPatch
) -> None:
    waits: list[float] = []
    monkeypatch.setattr(reload, "SETTLED_S", 0.125)
    monkeypatch.setattr(reload.time, "sleep", waits.append)
    config = load(None, [CAT, "model.threads=1"])
    assert Desk(in_force, lambda: config).reloader._settled(None) == config
    assert waits == [0.125]


def never() -> Config:
    raise AssertionError("a threshold needs no file")


def test_a_threshold_by_command_is_taken_over_and_holds_at_the_next_reload(
    in_force: InForce,
) -> None:
    desk = Desk(in_force, lambda: load(None, [CAT, "model.threads=1"]))
    desk.ask(SetThreshold(rule="cat", threshold="enter", value=0.9))
    request = desk.prepared()
    taken = request.command.prepared
    assert (taken.next.config.rule[0].enter, taken.restart_for) == (0.9, [])
    assert taken.next.perception._classifier is in_force.perception._classifier
    request.reply(Reply())
    answer = ThresholdAnswer(rule="cat", enter=0.9, exit=0.4)
    assert desk.replies.get(timeout=LIMIT_S).data == answer
    wait_until(lambda: desk.reloader._thread is None)
    assert desk.notifier.states == []
    desk.ask()
    reloaded = desk.prepared()
    assert reloaded.command.prepared.next.config.rule[0].enter == 0.9
    reloaded.reply(Reply())


@pytest.mark.parametrize(
    ("command", "told"),
    [
        (SetThreshold(rule="cta", threshold="exit", value=0.1), "no such rule; did you mean cat"),
        (SetThreshold(rule="cat", threshold="exit", value=0.7), "exit must be at most enter"),
        (SetThreshold(rule="cat", threshold="enter", value=0.3), "enter 0.3, exit 0.4"),
    ],
)
def test_a_threshold_that_does_not_fit_is_refused_and_nothing_changes(
    in_force: InForce, command: SetThreshold, told: str
) -> None:
    desk = Desk(in_force, never)
    desk.ask(command)
    assert told in str(desk.replies.get(timeout=LIMIT_S).error)
    assert desk.mailbox.take() == []
    assert desk.thresholds.applied(in_force.config) == in_force.config


GATES = [CAT, "swap.on_reload=true"]


def test_a_reload_may_ask_that_another_model_holds_its_gates(in_force: InForce) -> None:
    desk = Desk(in_force, lambda: load(None, [*GATES, "model.threads=2"]))
    desk.gates = [ModelError("it disagrees")]
    desk.ask()
    assert desk.replies.get(timeout=LIMIT_S).error == "it disagrees"
    assert desk.mailbox.take() == []
    desk.gates.clear()
    desk.ask()
    with desk.prepared().command.prepared.next.perception as taken:
        assert not taken.shares_model(in_force.perception)


def test_a_reload_of_the_same_model_needs_no_gates(in_force: InForce) -> None:
    desk = Desk(in_force, lambda: load(None, [*GATES, "model.threads=1", "rule.cat.enter=0.9"]))
    desk.gates = [ModelError("it disagrees")]
    desk.ask()
    desk.prepared().reply(Reply())


def test_a_reload_takes_another_model_at_once_unless_it_is_told_to_ask(in_force: InForce) -> None:
    desk = Desk(in_force, lambda: load(None, [CAT, "model.threads=2"]))
    desk.gates = [ModelError("it disagrees")]
    desk.ask()
    with desk.prepared().command.prepared.next.perception:
        pass


def test_watching_can_be_switched_off_and_on(in_force: InForce) -> None:
    off = prepare(in_force, load(None, [CAT, "model.threads=1", "drift.enabled=false"])).next
    off.perception.succeed(in_force.perception)
    assert off.perception.drift is None
    on = prepare(off, load(None, [CAT, "model.threads=1"])).next
    on.perception.succeed(off.perception)
    assert on.perception.drift is not None
    assert on.perception.training is in_force.perception.training is not None


def test_who_only_looks_at_pictures_teaches_nothing_of_the_view() -> None:
    config = build.unwatched(load(None, [CAT]))
    with build.perception(config) as perception:
        assert perception.drift is None


def test_another_region_is_another_framing_and_a_password_is_not_told() -> None:
    def framing(*overrides: str) -> str:
        return build._framing(load(None, [*overrides]).camera)

    assert framing() == framing("camera.fps=5") != framing("camera.region=[0, 0, 0.5, 0.5]")
    assert "secret" not in framing("camera.source=rtsp://me:secret@host/a")
