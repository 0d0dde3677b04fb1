"""The daemon's loop, decisions, pins and reloads against the plain model, in haste.

All in this process, turn by turn and with a clock of its own: thousands of steps in the time in
which `tests.test_whole_daemon` does a hundred, without its processes, broker and socket.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from unittest.mock import patch

import numpy as np
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule
from msgspec.structs import replace
from PIL import Image

from edged import build, commands
from edged.attention import Attention
from edged.commands import Reply, Request
from edged.config.thresholds import Thresholds
from edged.core import Event, Frame
from edged.daemon import Daemon
from edged.models.chosen import Chosen
from edged.opening import Opening
from edged.ports.gpio.mock_pins import MockPins
from tests.clocks import StandingClock
from tests.daemon_model import LABELS, Model, Wanted
from tests.device import configuration, write_labels
from tests.guard.direct import on
from tests.mosquitto import wait_until
from tests.test_daemon import PICTURES

IDLE_S = 2.0
PICTURE = st.sampled_from(["cat", "rocket", "none"])
PIXELS = {
    name: np.asarray(Image.open(PICTURES / f"{name}.jpg").resize((64, 64))) for name in LABELS
}


class Scene:
    """A camera before which a picture stands, or none."""

    name = "scene"
    dropped = 0
    due_s = 0.0
    error: str | None = None
    last_error = fault = None
    failures = 0
    fails = False

    def __init__(self, clock: StandingClock) -> None:
        self.picture = "none"
        self._clock = clock
        self._number = 0

    def __enter__(self) -> Scene:
        return self

    def __exit__(self, *exception: object) -> None:
        pass

    def read(self, timeout_s: float, wanted_px: tuple[int, int] | None) -> Frame | None:
        if self.picture == "none":
            return None
        self._number += 1
        self._clock.now_s += 0.01
        return Frame(PIXELS[self.picture], self._number, self._clock.now_s)

    def skip(self, timeout_s: float) -> bool:
        return self.picture != "none"


class Numbers:
    """A journal that keeps them in memory."""

    def __init__(self) -> None:
        self.events: list[Event] = []

    def record(self, events: Sequence[Event]) -> tuple[Event, ...]:
        first = len(self.events) + 1
        numbered = tuple(replace(event, number=n) for n, event in enumerate(events, first))
        self.events += numbered
        return numbered


class DaemonMachine(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.stack = ExitStack()
        self.folder = Path(self.stack.enter_context(TemporaryDirectory()))
        self.clock = StandingClock()
        self.camera = Scene(self.clock)
        self.pins = MockPins()
        self.journal = Numbers()
        self.wanted = Wanted()
        write_labels(self.folder)
        self.stack.enter_context(patch.dict(os.environ, RUNTIME_DIRECTORY=str(self.folder)))
        for name, stand_in in {
            "edged.guard.process.GuardProcess": on(self.pins),
            "edged.daemon.Attention": partial(Attention, clock=self.clock),
            "edged.reload.SETTLED_S": 0.0,
            "edged.build.camera": lambda *_: self.camera,
        }.items():
            self.stack.enter_context(patch(name, stand_in))

    @initialize(
        picture=PICTURE, wanted=st.builds(Wanted, strict=st.booleans(), idles=st.booleans())
    )
    def begin(self, picture: str, wanted: Wanted) -> None:
        """As `Daemon.run`, but for the ports beside the pins, and for the loop's own pace."""
        self.wanted = wanted
        self.camera.picture = picture
        self.write(wanted)
        opening = self.stack.enter_context(Opening(self.folder / "edged.toml"))
        self.daemon = daemon = Daemon(opening)
        daemon._thresholds = Thresholds(None)
        daemon._chosen = Chosen(None)
        daemon._ports = build.Ports(self.stack, opening.pins)
        daemon._build(daemon._config, self.journal, self.stack)  # type: ignore[arg-type]
        daemon._ports.await_pins()
        daemon._pipeline.clock = self.clock
        self.model = Model(wanted, picture)
        self.turn()

    def write(self, wanted: Wanted) -> None:
        text = configuration(wanted, self.folder, IDLE_S, 0.05, 1)
        (self.folder / "edged.toml").write_text(text)

    def turn(self) -> None:
        """Twice around, for what is asked in the first; then so long that it may fall asleep."""
        for _ in range(2):
            self.daemon._pipeline.turn()
        self.clock.now_s += 2 * IDLE_S

    def ask(self, command: commands.Command) -> Reply:
        replies: list[Reply] = []
        self.daemon._mailbox.post(Request(command, "a test", replies.append))
        self.turn()
        if isinstance(command, commands.Reload):
            # It is made ready in a thread of its own, and taken over in the loop.
            wait_until(lambda: self.daemon._pipeline.turn() or replies)
            self.turn()
        (reply,) = replies
        return reply

    @rule(picture=PICTURE)
    def another_picture(self, picture: str) -> None:
        self.camera.picture = picture
        self.model.show(picture)
        self.turn()

    @rule(command=st.sampled_from([commands.Pause, commands.Resume, commands.Wake]))
    def somebody_commands(self, command: type[commands.Command]) -> None:
        assert self.ask(command()).error is None
        getattr(self.model, commands.name_of(command))()

    @rule(name=st.sampled_from(["lamp", "bell"]), value=st.sampled_from([0.0, 1.0]))
    def somebody_sets_an_output(self, name: str, value: float) -> None:
        assert self.ask(commands.SetOutput(name=name, value=value)).error is None
        self.model.set_output(name, value)

    @rule(option=st.sampled_from(["strict", "rocket", "idles", "other_labels", "fps", "cat"]))
    def an_option_is_changed_and_reloaded(self, option: str) -> None:
        value: Any = 110 - self.wanted.fps if option == "fps" else not getattr(self.wanted, option)
        wanted = replace(self.wanted, **{option: value})
        self.write(wanted)
        reply, expected = self.ask(commands.Reload()), self.model.reload(wanted)
        assert (reply.error is not None) == (expected is None)
        if expected is not None:
            assert sorted(reply.data.restart_for) == expected  # type: ignore[union-attr]
        if expected is not None and wanted.cat:
            self.wanted = wanted
        self.write(self.wanted)

    @rule(nothing=st.sampled_from(["", "[[rule]]\nname = ", "decide = { enter = 7 }"]))
    def a_reload_is_refused(self, nothing: str) -> None:
        (self.folder / "edged.toml").write_text(nothing)
        assert self.ask(commands.Reload()).error is not None
        self.write(self.wanted)

    @rule()
    def the_camera_is_lost(self) -> None:
        self.daemon._pipeline.end_rules("camera", "unplugged")
        self.model.lose()
        self.turn()

    @invariant()
    def it_is_as_the_model_says(self) -> None:
        model, attention = self.model, self.daemon._attention
        scene = self.daemon._pipeline.perception.scene
        assert scene.name == model.seen.scene
        assert {state.rule: state.active for state in scene.rules} == model.seen.rules
        assert [(event.rule, event.active) for event in self.journal.events] == model.events
        assert (attention.paused, attention.idle) == (model.paused, model.idle)
        assert (self.pins.pin(17).state, self.pins.pin(27).state) == (model.lamp, model.bell)

    def teardown(self) -> None:
        with self.stack:
            if hasattr(self, "model"):
                self.daemon._ports.gpio.release()
                left = {"lamp": self.pins.pin(17).state, "bell": self.pins.pin(27).state}
                assert left == self.model.left_at()


TestTheDaemon = DaemonMachine.TestCase
TestTheDaemon.settings = settings(
    max_examples=40,
    stateful_step_count=30,
    derandomize=True,
    phases=[Phase.generate, Phase.shrink],
    suppress_health_check=list(HealthCheck),
)
