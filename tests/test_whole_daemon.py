"""Whatever happens to the whole daemon, in whatever order: it is what a plain model says.

The daemon is a process, the broker mosquitto. `tests.daemon_model` says what must hold after each
step, and the machine waits until it does. How many examples of how many steps are tried is in the
environment, ``TEST_WHOLE_DAEMON=100x50``; these are then others each time. Without it they are the
same few always.
"""

from __future__ import annotations

import json
import os
import signal
import socket
import sys
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)
from msgspec.structs import replace

from edged.ports.control.client import DaemonError
from tests.daemon_model import NOTHING_YET, Model, Wanted
from tests.device import DAMAGE, Device, soon
from tests.mosquitto import LIMIT_S, Broker, brokers, needs_mosquitto, wait_until

__all__ = ["brokers"]

EXAMPLES = os.environ.get("TEST_WHOLE_DAEMON")
"""How many, of how many steps."""

IDLE_S = 0.3

WAYS = st.sampled_from(["socket", "MQTT"])
PICTURE = st.sampled_from(["cat", "rocket", "damaged", "none"])


class WholeDaemon(RuleBasedStateMachine):
    """A device in the field, beside the model of it. ``model`` is None while no daemon runs."""

    def __init__(self, folder: Path, broker: Broker) -> None:
        super().__init__()
        self.device = Device(folder, broker, IDLE_S)
        self.wanted = Wanted()
        self.picture = "none"
        self.model: Model | None = None
        self.looks = 0
        self.woken = False
        self.kills = 0

    @initialize(sync_s=st.sampled_from([0.0, 0.05]), picture=PICTURE)
    def begin(self, sync_s: float, picture: str) -> None:
        self.device.sync_s = sync_s
        self.another_picture(picture)
        self.device.write(self.wanted)
        self.launch()

    # What is done.

    def launch(self) -> None:
        self.device.daemon.start()
        self.model = Model(self.wanted, self.picture)
        self.looks = 0
        self.woken = True

    def end(self, *, whole: bool, at_least: int = 0) -> None:
        """The daemon has ended: its events are all the model's, or the first ones of them."""
        model, self.model = self.model, None
        assert model is not None
        self.device.subscriber.hear()
        self.device.read_journal()
        events = self.device.subscriber.run()
        if whole:
            assert events == model.events
        else:
            assert events == model.events[: len(events)]
            assert len(events) >= at_least
        self.device.subscriber.after = max(self.device.subscriber.known, default=0)

    # What happens.

    @rule(picture=PICTURE)
    def another_picture(self, picture: str) -> None:
        self.picture = picture
        self.device.put(picture)
        if self.model is not None:
            self.model.show(picture)

    @precondition(lambda self: self.model is not None)
    @rule(
        option=st.sampled_from(["strict", "rocket", "idles", "other_labels", "threads", "fps"]),
        by_signal=st.booleans(),
    )
    def an_option_is_changed_and_reloaded(self, option: str, by_signal: bool) -> None:
        other = {"threads": 3 - self.wanted.threads, "fps": 110 - self.wanted.fps}
        value = other.get(option, not getattr(self.wanted, option))
        wanted = replace(self.wanted, **{option: value})
        self.device.write(wanted)
        answer, expected = self.device.reload(by_signal=by_signal), self.model.reload(wanted)
        if expected is None:
            assert answer is None
            self.device.write(self.wanted)
            return
        assert answer is not None
        if not by_signal:
            assert answer == expected
        self.wanted = wanted

    @precondition(lambda self: self.model is not None)
    @rule()
    def the_rule_of_the_lamp_is_gone_from_the_file(self) -> None:
        wanted = replace(self.wanted, cat=False, strict=not self.wanted.strict)
        self.device.write(wanted)
        assert self.device.reload(by_signal=False) == self.model.reload(wanted)
        self.device.write(self.wanted)

    @precondition(lambda self: self.model is not None)
    @rule(damage=st.sampled_from([*DAMAGE, "gone", "FIFO"]), by_signal=st.booleans())
    def a_reload_is_refused(self, damage: str, by_signal: bool) -> None:
        config = self.device.daemon.config
        if damage in DAMAGE:
            config.write_text(DAMAGE[damage](self.device.write(self.wanted)))
        else:
            config.unlink()
            if damage == "FIFO":
                os.mkfifo(config)
        assert self.device.reload(by_signal=by_signal) is None
        config.unlink(missing_ok=True)
        self.device.write(self.wanted)

    @precondition(lambda self: self.model is not None)
    @rule(command=st.sampled_from(["pause", "resume", "wake"]), way=WAYS)
    def somebody_commands(self, command: str, way: str) -> None:
        assert self.device.ask_over(way, command) is not None
        getattr(self.model, command)()
        self.woken = command != "pause"

    @precondition(lambda self: self.model is not None)
    @rule(way=WAYS)
    def somebody_wants_a_picture(self, way: str) -> None:
        reply = self.device.ask_over(way, "snapshot")
        assert (reply is not None) == self.model.sound
        if reply is not None:
            label = reply["classification"]["results"][0]["label"]
            assert label == self.model.label

    @precondition(lambda self: self.model is not None)
    @rule(name=st.sampled_from(["lamp", "bell"]), value=st.sampled_from([0.0, 1.0]), way=WAYS)
    def somebody_sets_an_output(self, name: str, value: float, way: str) -> None:
        if way == "socket" or not self.device.broker_is_up:
            assert self.device.ask("set-output", name=name, value=value) is not None
        else:
            self.device.subscriber.send(f"output/{name}/set", f"{value:g}")
            self.device.reply_to("status")
        self.model.set_output(name, value)

    @rule(meanwhile=st.none() | PICTURE)
    def the_broker_goes_or_comes(self, meanwhile: str | None) -> None:
        if meanwhile is not None:
            self.another_picture(meanwhile)
        self.device.switch_broker()

    @precondition(lambda self: self.model is not None)
    @rule(flooded=st.booleans(), reloading=st.booleans())
    def it_is_told_to_stop(self, flooded: bool, reloading: bool) -> None:
        flood = [threading.Thread(target=self.device.flood) for _ in range(4 if flooded else 0)]
        for thread in flood:
            thread.start()
        if flooded and self.device.broker_is_up:
            for _ in range(30):
                self.device.subscriber.send("command", "snapshot")
        if reloading:
            self.device.daemon.send_signal(signal.SIGHUP)
        assert self.device.daemon.stop() == 0
        for thread in flood:
            thread.join()
        if self.device.broker_is_up:
            soon(lambda: self.device.subscriber.newest("availability"), "offline")
            assert self.device.subscriber.retained("availability") == b"offline"
            left_at = self.model.left_at()
            soon(lambda: {name: self._retained_value(name) for name in left_at}, left_at)
        self.model.stop()
        self.end(whole=True)

    def _retained_value(self, output: str) -> Any:
        return json.loads(self.device.subscriber.retained(f"output/{output}/state"))["value"]

    @precondition(lambda self: self.model is not None)
    @rule(meanwhile=st.none() | PICTURE)
    def it_is_killed(self, meanwhile: str | None) -> None:
        # Told, or on disk before it is told.
        sure = self.device.broker_is_up or self.device.sync_s == 0.0
        at_least = len(self.model.events) if sure else 0
        if meanwhile is not None:
            self.another_picture(meanwhile)
        self.kills += 1
        self.device.daemon.stop(signal.SIGKILL)
        if self.device.broker_is_up:
            soon(lambda: self.device.subscriber.newest("availability"), "offline")
            assert self.device.subscriber.retained("availability") == b"offline"
        self.end(whole=False, at_least=at_least)

    @precondition(lambda self: self.model is None)
    @rule(stopped_at_once=st.sampled_from([False, False, False, True]))
    def it_is_started(self, stopped_at_once: bool) -> None:
        self.launch()
        if stopped_at_once:
            wait_until(self._listens)
            assert self.device.daemon.stop() == 0
            self.end(whole=False)

    def _listens(self) -> bool:
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
            return probe.connect_ex(str(self.device.client.path)) == 0

    # What holds.

    @invariant()
    def it_is_as_the_model_says(self) -> None:
        if self.model is None:
            return
        wait_until(self._listens_still)
        if self.looks != self.model.looks:
            self._let_it_look()
        self.looks, self.woken = self.model.looks, False
        soon(self.status, self.expected_status())
        if self.device.broker_is_up:
            soon(self.published, self.expected_messages())
            soon(self._events, self.model.events)
            if self.device.sync_s == 0.0 or not self.kills:
                # Else what was told may never have come to disk.
                soon(self.device.subscriber.held, self.model.held)

    def _listens_still(self) -> bool:
        assert self.device.daemon.status() is None, self.device.daemon.log.read_text()
        with suppress(DaemonError):
            return self.device.ask("status") is not None
        return False

    def _frames(self) -> int:
        status = self.device.ask("status")
        assert status is not None
        return int(status["data"]["frames"])

    def _let_it_look(self) -> None:
        """Until it has decided on a frame that is newer than all that was done."""
        assert self.model is not None
        if not (self.woken or self.model.awake):
            # It has fallen asleep after such a frame.
            return
        before, give_up_s = self._frames(), time.monotonic() + LIMIT_S
        while self._frames() < before + 2:
            assert time.monotonic() < give_up_s, "it does not look"
            if self.woken and self.model.in_force.idles:
                # On a busy machine the first wake may be over before a frame has come.
                self.device.ask("wake")

    def _events(self) -> list[tuple[str, bool]]:
        self.device.subscriber.hear()
        return self.device.subscriber.run()

    def status(self) -> dict[str, Any]:
        """What it says of itself."""
        answer = self.device.ask("status")
        assert answer is not None
        told = answer["data"]
        status = {name: told[name] for name in ("scene", "paused", "idle", "model")}
        status["rules"] = {name: one["active"] for name, one in told["rules"].items()}
        # Nobody looks at a damaged picture while it is not awake.
        unseen = self.picture == "damaged" and not self.model.awake
        status["camera fails"] = unseen or told["camera_error"] is not None
        return status

    def expected_status(self) -> dict[str, Any]:
        model = self.model
        assert model is not None
        return {
            "scene": model.seen.scene,
            "paused": model.paused,
            "idle": model.idle,
            "model": "edged-cifar10-int8",
            "rules": model.seen.rules,
            "camera fails": not model.sound,
        }

    def published(self) -> dict[str, Any]:
        """What the broker retains."""
        newest = self.device.subscriber.newest
        state = newest("state") or {"scene": None, "rules": {}}
        return {
            "availability": newest("availability"),
            "lamp": (newest("output/lamp/state") or {}).get("value"),
            "bell": (newest("output/bell/state") or {}).get("value"),
            "scene": state["scene"],
            "rules": {name: one["active"] for name, one in state["rules"].items()},
        }

    def expected_messages(self) -> dict[str, Any]:
        model = self.model
        assert model is not None
        told = (model.told or NOTHING_YET)._asdict()
        return {
            "availability": "online",
            "lamp": model.lamp,
            "bell": model.bell,
            "scene": told["scene"],
            "rules": told["rules"],
        }

    # What holds in the end.

    def teardown(self) -> None:
        """Let everything come that is under way, and end it; or only that after a failure."""
        try:
            if sys.exc_info()[0] is None:
                self._all_is_accounted_for()
        finally:
            self.device.subscriber.part()
            self.device.broker.stop()
            if self.device.daemon.status() is None:
                self.device.daemon.stop(signal.SIGKILL)

    def _all_is_accounted_for(self) -> None:
        if not self.device.broker_is_up:
            self.device.switch_broker()
        if self.model is None:
            self.launch()
        self.it_is_as_the_model_says()
        if self.wanted.strict:
            self.an_option_is_changed_and_reloaded(option="strict", by_signal=False)
            self.it_is_as_the_model_says()
        # Something new comes after all that is old.
        for picture in ("rocket", "cat"):
            self.another_picture(picture)
            self.somebody_commands("resume", "socket")
            self.it_is_as_the_model_says()
        # Other rules are told, though nothing else changes.
        self.an_option_is_changed_and_reloaded(option="rocket", by_signal=True)
        self.it_is_as_the_model_says()
        self.it_is_told_to_stop(flooded=False, reloading=False)
        on_disk, heard = self.device.read_journal(), self.device.subscriber.heard
        assert heard
        gaps = self.device.subscriber.gaps
        missing = {number for first, last in gaps for number in range(first, last + 1)}
        assert set(on_disk) <= set(heard)
        assert set(heard) - set(on_disk) <= (missing if self.device.sync_s else set())
        assert set(heard) | missing == set(range(1, max(heard) + 1))
        assert set(gaps.values()) <= ({"crash"} if self.kills else set())


def examples_and_steps() -> settings:
    quiet = settings(
        max_examples=5,
        stateful_step_count=30,
        derandomize=True,
        database=None,
        # A step takes a tenth of a second: no time to look for a shorter example.
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    if EXAMPLES is None:
        return quiet
    examples, steps = map(int, EXAMPLES.split("x"))
    return settings(
        quiet,
        max_examples=examples,
        stateful_step_count=steps,
        derandomize=False,
    )


@needs_mosquitto("sessions that outlive the broker")
@pytest.mark.timeout(0)
def test_whatever_happens_it_is_as_the_model_says(
    tmp_path: Path, brokers: Callable[..., Broker]
) -> None:
    made: list[Path] = []

    def machine() -> WholeDaemon:
        folder = tmp_path / str(len(made))
        made.append(folder)
        lines = ("persistence true", f"persistence_file {folder.name}.db")
        location = f"persistence_location {tmp_path}/"
        return WholeDaemon(folder, brokers("allow_anonymous true", *lines, location))

    began_s = time.monotonic()
    run_state_machine_as_test(machine, settings=examples_and_steps())
    print(f"{len(made)} examples in {time.monotonic() - began_s:.1f} s")
