"""Pins as a port: a rule's decision becomes a level at once, by the guard that owns the pins."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Sequence
from typing import Any, Protocol

import msgspec

from edged.commands import Asker, Reply, Request, open_to
from edged.config.nearest import did_you_mean, listed
from edged.config.schema import GpioConfig, InputConfig, OutputConfig
from edged.config.toml import shown
from edged.core import Ended, OutputState, Report, Result, RuleState
from edged.errors import CommandError, ConfigError
from edged.mailbox import Mailbox
from edged.ports.gpio.drive import Drive, on_device

logger = logging.getLogger(__name__)

START_S = 10.0
"""The longest wait of the loop for the pins before its first iteration."""

ANSWER_S = 1.0
"""The longest wait of the loop for a value set by hand."""

BEATS = 4
"""Heartbeats per dead-man time: three may be late."""


class Guard(Protocol):
    """The connection to the process that owns the pins."""

    def send(self, *message: Any) -> bool:
        """Whether the message is accepted; never blocks."""
        ...

    def end(self) -> None:
        """Set the outputs to their safe levels; returns when they are."""
        ...


class _Output(msgspec.Struct):
    """One output: ``drive`` determines its value, ``state`` is the guard's last report.

    ``sent`` is what the guard has of the drive.
    """

    config: OutputConfig
    drive: Drive
    state: OutputState
    sent: tuple[float, float | None] | None = None


class GpioPort:
    """Drives the outputs by rules and by hand, and passes on the commands of the inputs.

    The loop decides, and the guard acts: it has the pins, ends pulses, blinks, and opens late pins.
    One lock separates the loop from the guard's thread, held for microseconds.
    """

    def __init__(
        self,
        gpio: GpioConfig,
        outputs: Sequence[OutputConfig],
        inputs: Sequence[InputConfig],
        mailbox: Mailbox,
        start: Callable[[Callable[[], object], Callable[..., None]], Guard],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """`start` starts a guard, as `edged.guard.process.GuardProcess` does."""
        self._gpio = gpio
        self._mailbox = mailbox
        self._start = start
        self._clock = clock
        self._undriven = gpio.factory == "none"
        if self._undriven:
            if outputs:
                logger.info('[gpio] factory = "none": %d outputs stay off', len(outputs))
            outputs = inputs = ()
        self._outputs = [_Output(o, Drive(o), OutputState(o.name, 0.0, clock())) for o in outputs]
        self._inputs = list(inputs)
        self._active = [False] * len(inputs)
        self._errors: list[str] = []
        self._gone: str | None = None
        self._wrong: str | None = None
        self._answer: str | None = None
        self._question = 0
        self._ready, self._answered = threading.Event(), threading.Event()
        self._positions: dict[str, int | None] = {}
        self._changed = threading.RLock()
        self._guard: Guard | None = None
        self._tell: Callable[[OutputState], None] | None = None
        self._beat_s = 0.0

    def __enter__(self) -> GpioPort:
        """Start the guard, which opens the pins, outputs at their initial values."""
        if self._outputs or self._inputs:
            self._guard = self._start(self._opening, self.hear)
        return self

    def __exit__(self, *exception: object) -> None:
        self.release()

    def begin(self, tell: Callable[[OutputState], None]) -> None:
        """Wait until the pins are open, or known not to be.

        `tell` gets every output's value now, and each later change; it must not block. ConfigError
        for a pin that does not exist.
        """
        if self._guard is None:
            return
        if not self._ready.wait(START_S):
            self.hear("gone", f"the pin guard has not opened the pins within {START_S:g} s")
        if self._wrong is not None:
            raise ConfigError(self._wrong)
        with self._changed:
            self._tell = tell
            for output in self._outputs:
                tell(output.state)

    def beat(self) -> None:
        """Send a heartbeat: the loop runs. Without it, the guard sets the safe levels."""
        now_s = self._clock()
        if self._guard is not None and now_s >= self._beat_s + self._gpio.deadman_s / BEATS:
            self._beat_s = now_s
            self._guard.send("beat")
            with self._changed:
                for output in self._outputs:
                    output.drive.let_go(now_s)
                self._send_levels()

    @property
    def error(self) -> str | None:
        """Why a pin does not work, the first reason; None if all do."""
        with self._changed:
            if self._gone is not None:
                return self._gone
            errors = [output.state.error for output in self._outputs if output.state.error]
            return next(iter([*errors, *self._errors]), None)

    def sensed(self) -> bool:
        """Whether an input that wakes is active now."""
        pairs = zip(self._inputs, self._active, strict=True)
        return any(active for one, active in pairs if one.action == "wake")

    def release(self) -> None:
        """Set every output to its ``on_exit`` level and release it. May be called again."""
        guard, self._guard = self._guard, None
        if guard is not None:
            self._active = [False] * len(self._inputs)
            guard.end()

    def write(self, report: Report) -> None:
        """Drive the outputs by a result's rules and events, or by the lack of frames."""
        if not isinstance(report, Result | Ended) or self._guard is None:
            return
        now_s = self._clock()
        with self._changed:
            followers = [output for output in self._outputs if output.config.rule]
            match report:
                case Result():
                    for output in followers:
                        state = self._state(report.scene.rules, output.config.rule)
                        active = state is not None and state.active
                        score = state.score if state is not None else 0.0
                        output.drive.follow(active, score, report.events, now_s)
                case Ended(reason="camera"):
                    for output in followers:
                        output.drive.lose()
                case _:
                    return
            self._send_levels()

    def values(self) -> dict[str, float]:
        """The value of each output."""
        with self._changed:
            return {output.config.name: output.state.value for output in self._outputs}

    def by_hand(self) -> dict[str, float | None]:
        """The seconds until the end for each output set by hand; None: no time limit."""
        now_s = self._clock()
        with self._changed:
            return {
                output.config.name: output.drive.held_for_s(now_s)
                for output in self._outputs
                if output.drive.held
            }

    def set(self, name: str, value: float, for_s: float = 0.0) -> float:
        """Set an output by hand to a value in 0..1, until its rule changes. CommandError.

        It stays for at most `for_s`, if that is not 0; the end may be one heartbeat late.
        Returns the value. A digital output has only 0 and 1.
        """
        if not 0.0 <= value <= 1.0:
            raise CommandError(f"{shown(name)}: expected a number from 0 to 1, not {value:g}")
        for place, output in enumerate(self._outputs):
            if output.config.name == name:
                if on_device(output.config, value) != value:
                    raise CommandError(
                        f"{shown(name)}: expected 0 or 1, not {value:g}; "
                        f'device = "{output.config.device}" is on or off, "pwm" is also between'
                    )
                return self._set(place, output, value, for_s)
        if self._undriven:
            raise CommandError(f'output {shown(name)} is not driven: [gpio] factory = "none"')
        known = [output.config.name for output in self._outputs]
        advice = did_you_mean(name, known) or f"; there are: {listed(known)}"
        raise CommandError(f"no output is named {shown(name)}{advice}")

    def _set(self, place: int, output: _Output, value: float, for_s: float) -> float:
        self._question += 1
        self._answered.clear()
        asked = self._guard is not None and self._guard.send("set", self._question, place, value)
        if not (asked and self._answered.wait(ANSWER_S)):
            # If it is carried out late, the rules' level follows with the next heartbeat.
            output.sent = None
            raise CommandError(f"not set: {self._gone or 'the pin guard does not answer'}")
        if self._answer is not None:
            raise CommandError(self._answer)
        with self._changed:
            output.drive.hold(value, self._clock() + for_s if for_s else None)
            output.sent = (value, None)
        return value

    def hear(self, verb: str, *words: Any) -> None:
        """Receive a message from the guard, in its thread."""
        with self._changed:
            match (verb, *words):
                case ("output", place, value, at_s, error):
                    self._note(self._outputs[place], value, at_s, error)
                case ("input", place, active, edge):
                    self._sense(place, active=active, edge=edge)
                case ("errors", errors):
                    self._errors = errors
                case ("answer", question, error) if question == self._question:
                    self._answer = error
                    self._answered.set()
                case ("ready",):
                    self._gone = None
                    self._ready.set()
                case ("wrong", why):
                    self._wrong = why
                    self._ready.set()
                case ("gone", why):
                    self._lose_guard(why)
                case ("log", level, text):
                    logger.log(level, "%s", text)

    def _opening(self) -> object:
        """The first message for a guard, also after a restart."""
        with self._changed:
            for output in self._outputs:
                output.sent = (output.drive.value, output.drive.due_s)
            return {
                "gpio": self._gpio,
                "outputs": [output.config for output in self._outputs],
                "inputs": self._inputs,
                "levels": [(place, *o.sent) for place, o in enumerate(self._outputs) if o.sent],
                "at_start": not self._ready.is_set(),
            }

    def _send_levels(self) -> None:
        """Send the guard what it does not have; the lock is held."""
        changed = [
            (place, output, (output.drive.value, output.drive.due_s))
            for place, output in enumerate(self._outputs)
            if output.sent != (output.drive.value, output.drive.due_s)
        ]
        levels = [(place, *wanted) for place, _, wanted in changed]
        # What a hanging guard does not accept is sent again with the next frame or heartbeat.
        if levels and self._guard is not None and self._guard.send("levels", levels):
            for _, output, wanted in changed:
                output.sent = wanted

    def _note(self, output: _Output, value: float, at_s: float, error: str | None) -> None:
        output.state = OutputState(output.config.name, value, at_s, error)
        if self._tell is not None:
            self._tell(output.state)

    def _sense(self, place: int, *, active: bool, edge: bool) -> None:
        self._active[place] = active
        if active and edge and self._guard is not None:
            _ask(self._inputs[place], self._mailbox)

    def _lose_guard(self, why: str) -> None:
        logger.error("%s", why)
        self._gone = why
        self._answer = f"not set: {why}"
        self._answered.set()
        self._active = [False] * len(self._inputs)
        for output in self._outputs:
            # Its pin's level is unknown, and must not be reported as on forever.
            self._note(output, 0.0, self._clock(), why)
        self._ready.set()

    def _state(self, rules: Sequence[RuleState], name: str) -> RuleState | None:
        """The state of the rule with this name: by its position, since there may be thousands."""
        position = self._positions.get(name, -1)
        if position is None or not rules:
            return None
        if not 0 <= position < len(rules) or rules[position].rule != name:
            position = next((i for i, state in enumerate(rules) if state.rule == name), None)
            self._positions[name] = position
            if position is None:
                logger.error('no rule is named "%s": its outputs stay off', name)
                return None
        return rules[position]


def _ask(config: InputConfig, mailbox: Mailbox) -> None:
    who = f"input {config.name}"

    def log_refusal(reply: Reply) -> None:
        if reply.error is not None:
            logger.warning("%s: %s: %s", who, config.action, reply.error)

    command = open_to(Asker.INPUT)[config.action]()
    mailbox.post(Request(command, who, log_refusal, publish=True))
