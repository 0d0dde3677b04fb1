"""Pins as a port: a rule's decision becomes a level in the loop's thread, at once."""

from __future__ import annotations

import logging
import math
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack, suppress
from typing import Any

import msgspec

from edged.config.nearest import did_you_mean
from edged.config.schema import InputConfig, OutputConfig
from edged.core import Ended, OutputState, Report, Result, RuleState
from edged.errors import CommandError, PortError
from edged.mailbox import Mailbox
from edged.ports.gpio.inputs import GpioInputs
from edged.ports.gpio.outputs import Actuator, Drive

logger = logging.getLogger(__name__)

RETRY_S = 0.5
JOIN_S = 2.0


class _Output(msgspec.Struct):
    """One output: ``value`` is what its pin has, ``drive.value`` what it should have."""

    config: OutputConfig
    actuator: Actuator
    drive: Drive
    value: float
    failed: bool = False


class GpioPort:
    """Drives the outputs by rules and by hand, and passes on what the inputs ask for.

    One thread ends pulses and changes the phases of blinks; one lock keeps it and the loop apart,
    held for the microseconds of a few pin levels.
    """

    def __init__(
        self,
        factory: Any,
        outputs: Sequence[OutputConfig],
        inputs: Sequence[InputConfig],
        mailbox: Mailbox,
        tell: Callable[[OutputState], None],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """`factory` is that of `edged.ports.gpio.factory.open_factory`; None drives nothing.

        `tell` hears of each change of an output, in the thread that made it; it must not block.
        """
        self._factory = factory
        self._configs = outputs
        self._inputs = GpioInputs(factory, inputs, mailbox)
        self._tell = tell
        self._clock = clock
        self._outputs: list[_Output] = []
        self._positions: dict[str, int | None] = {}
        self._changed = threading.Condition()
        self._closing = False
        self._wake_s = math.inf
        self._crash: BaseException | None = None
        self._thread: threading.Thread | None = None

    def __enter__(self) -> GpioPort:
        """Open all pins, outputs at their initial values. ConfigError if one cannot be used."""
        if self._factory is None:
            if self._configs:
                logger.info('[gpio] factory = "none": %d outputs stay off', len(self._configs))
            return self
        with ExitStack() as opened:
            for config in self._configs:
                actuator = Actuator(config, self._factory)
                value = actuator.shown(config.initial)
                opened.callback(actuator.leave, value)
                self._outputs.append(_Output(config, actuator, Drive(config, value), value))
            opened.enter_context(self._inputs)
            opened.pop_all()
        if self._outputs:
            self._thread = threading.Thread(target=self._run, name="gpio-timer", daemon=True)
            self._thread.start()
        return self

    def __exit__(self, *exception: object) -> None:
        self.release()

    def release(self) -> None:
        """Every output goes to its ``on_exit`` level and is let go. May be called again."""
        self._inputs.__exit__()
        with self._changed:
            self._closing = True
            self._changed.notify()
        if self._thread is not None:
            self._thread.join(JOIN_S)
        for output in self._outputs:
            try:
                value = output.actuator.leave(output.value)
            except PortError as error:
                logger.error("%s", error)
            else:
                self._tell(OutputState(output.config.name, value, self._clock()))
        self._outputs.clear()

    def tell_all(self) -> None:
        """Tell every output's value again: somebody has come who has not heard it."""
        with self._changed:
            for output in self._outputs:
                self._tell(OutputState(output.config.name, output.value, self._clock()))

    def write(self, report: Report) -> None:
        """Drive the outputs by a result's rules and events, or for want of pictures."""
        if not self._outputs:
            return
        now_s = self._clock()
        with self._changed:
            if self._crash is not None:
                raise RuntimeError("the thread that times the outputs has died") from self._crash
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
            self._settle(now_s)

    def values(self) -> dict[str, float]:
        """What each output has."""
        with self._changed:
            return {output.config.name: output.value for output in self._outputs}

    def set(self, name: str, value: float) -> float:
        """Set an output by hand to a value in 0..1, until its rule changes. CommandError.

        The value that it has then: a lamp knows only on and off.
        """
        if not 0.0 <= value <= 1.0:
            raise CommandError(f"{name}: the value must be in 0..1, not {value:g}")
        with self._changed:
            for output in self._outputs:
                if output.config.name == name:
                    output.drive.hold(output.actuator.shown(value))
                    self._settle(self._clock())
                    if output.failed:
                        raise CommandError(f'output "{name}" does not answer; see the log')
                    return output.value
        if self._factory is None:
            raise CommandError(f'output "{name}" is not driven: [gpio] factory = "none"')
        known = [output.config.name for output in self._outputs]
        advice = did_you_mean(name, known) or f"; there are: {', '.join(known)}"
        raise CommandError(f'no output is named "{name}"{advice}')

    def advance(self) -> float | None:
        """Carry out what is due; the seconds until something will be, None for never."""
        with self._changed:
            now_s = self._clock()
            for output in self._outputs:
                output.drive.tick(now_s)
            self._settle(now_s)
            self._wake_s = self._next_s(now_s)
            return None if self._wake_s == math.inf else max(0.0, self._wake_s - now_s)

    def _run(self) -> None:
        try:
            with self._changed:
                while not self._closing:
                    self._changed.wait(self.advance())
        except BaseException as error:
            # Nobody would end a pulse any more: everything off, and `write` ends the process.
            self._crash = error
            for output in self._outputs:
                with suppress(PortError):
                    output.actuator.put(0.0)
            raise

    def _settle(self, now_s: float) -> None:
        """Make the pins what the drives say; the lock is held."""
        for output in self._outputs:
            wanted = output.drive.value
            if wanted != output.value or output.failed:
                self._put(output, wanted)
                if not output.failed:
                    self._tell(OutputState(output.config.name, output.value, now_s))
        # Waking the thread for nothing would make it compete with the loop for the interpreter.
        if self._next_s(now_s) < self._wake_s:
            self._changed.notify()

    def _next_s(self, now_s: float) -> float:
        times_s = [o.drive.due_s for o in self._outputs if o.drive.due_s is not None]
        if any(output.failed for output in self._outputs):
            times_s.append(now_s + RETRY_S)
        return min(times_s, default=math.inf)

    def _put(self, output: _Output, value: float) -> None:
        try:
            output.actuator.put(value)
        except PortError as error:
            if not output.failed:
                logger.error("%s", error)
            output.failed = True
            return
        if output.failed:
            logger.info('output "%s" answers again', output.config.name)
        output.failed = False
        output.value = value

    def _state(self, rules: Sequence[RuleState], name: str) -> RuleState | None:
        """What the rule of this name holds: by its place, since there may be thousands."""
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
