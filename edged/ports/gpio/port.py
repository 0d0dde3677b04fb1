"""Pins as a port: a rule's decision becomes a level in the loop's thread, at once."""

from __future__ import annotations

import errno
import logging
import math
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, ExitStack, suppress
from copy import copy
from typing import Any

import msgspec

from edged.backoff import backoff_s
from edged.config.nearest import did_you_mean
from edged.config.schema import InputConfig, OutputConfig
from edged.core import Ended, OutputState, Report, Result, RuleState
from edged.errors import CommandError, ConfigError, EdgedError, PortError
from edged.mailbox import Mailbox
from edged.ports.gpio.inputs import Input
from edged.ports.gpio.outputs import Actuator, Drive, shown

logger = logging.getLogger(__name__)

RETRY_S = 0.5
"""An open pin that refuses a level is tried again after this time."""

OPEN_MIN_S, OPEN_MAX_S = 0.5, 30.0
"""The wait between two attempts to open a pin that is not there: first and longest."""

JOIN_S = 2.0


class _Output(msgspec.Struct):
    """One output: ``value`` is what its pin has, ``drive.value`` what it should have.

    ``actuator`` is None while the pin is not there, ``error`` why the pin is not as it should be.
    """

    config: OutputConfig
    drive: Drive
    value: float = 0.0
    actuator: Actuator | None = None
    error: str | None = None


class GpioPort:
    """Drives the outputs by rules and by hand, and passes on what the inputs ask for.

    A pin that cannot be had is tried again, with back-off, while all else works; when it comes it
    has the level that its rule asks for by then. One thread opens such pins, ends pulses and
    changes the phases of blinks; one lock keeps it and the loop apart, held for the microseconds
    of a few pin levels.
    """

    def __init__(
        self,
        pins: Callable[[], AbstractContextManager[Any]],
        outputs: Sequence[OutputConfig],
        inputs: Sequence[InputConfig],
        mailbox: Mailbox,
        tell: Callable[[OutputState], None],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """`pins` opens the factory as `edged.ports.gpio.factory.open_factory` does.

        It is called for each attempt to open what is not open. `tell` hears of each change of an
        output, in the thread that made it; it must not block.
        """
        self._pins = pins
        self._mailbox = mailbox
        self._tell = tell
        self._clock = clock
        self._outputs = [_Output(o, Drive(o, shown(o, o.initial))) for o in outputs]
        self._missing = list(inputs)
        self._inputs: list[Input] = []
        self._factories = ExitStack()
        self._undriven = False
        self._failures = 0
        self._open_s = math.inf
        self._errors: list[str] = []
        self._positions: dict[str, int | None] = {}
        self._changed = threading.Condition()
        self._closing = False
        self._wake_s = math.inf
        self._crash: BaseException | None = None
        self._thread: threading.Thread | None = None

    def __enter__(self) -> GpioPort:
        """Open all pins, outputs at their initial values.

        What cannot be had now is tried again later. ConfigError for a pin that there is not.
        """
        with ExitStack() as unless_opened:
            unless_opened.push(self)
            self._open(at_start=True)
            unless_opened.pop_all()
        if self._outputs or self._inputs or self._missing:
            self._thread = threading.Thread(target=self._run, name="gpio-timer", daemon=True)
            self._thread.start()
        return self

    def __exit__(self, *exception: object) -> None:
        self.release()
        self._factories.close()

    @property
    def error(self) -> str | None:
        """Why a pin is not as it should be, the first one's reason; None where all are."""
        with self._changed:
            errors = [output.error for output in self._outputs if output.error is not None]
            errors += [error for error in self._errors if error not in errors]
        return errors[0] if errors else None

    def sensed(self) -> bool:
        """Whether an input that wakes is active now."""
        return any(one.active for one in self._inputs if one.config.action == "wake")

    def release(self) -> None:
        """Every output goes to its ``on_exit`` level and is let go. May be called again."""
        with self._changed:
            self._closing = True
            self._changed.notify()
            inputs, self._inputs = self._inputs, []
        for one in inputs:
            one.close()
        if self._thread is not None:
            self._thread.join(JOIN_S)
        for output in self._outputs:
            value, reason = 0.0, output.error
            if output.actuator is not None:
                try:
                    value, reason = output.actuator.leave(output.value), None
                except PortError as error:
                    logger.error("%s", error)
                    reason = str(error)
            # Of one that nobody drives nothing is known, and it shall not be told as on for ever.
            self._tell(OutputState(output.config.name, value, self._clock(), reason))
        self._outputs.clear()

    def tell_all(self) -> None:
        """Tell every output's value again: somebody has come who has not heard it."""
        with self._changed:
            for output in self._outputs:
                self._tell_of(output)

    def write(self, report: Report) -> None:
        """Drive the outputs by a result's rules and events, or for want of pictures."""
        if not isinstance(report, Result | Ended) or not self._outputs:
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

    def by_hand(self) -> dict[str, float | None]:
        """Of each output that was set by hand the seconds until that ends; None: with its rule."""
        now_s = self._clock()
        with self._changed:
            return {
                output.config.name: None if (due_s := output.drive.due_s) is None else due_s - now_s
                for output in self._outputs
                if output.drive.held
            }

    def set(self, name: str, value: float, for_s: float = 0.0) -> float:
        """Set an output by hand to a value in 0..1, until its rule changes. CommandError.

        It stays for `for_s` at most, if that is not 0.
        The value that it has then: a lamp knows only on and off.
        """
        if not 0.0 <= value <= 1.0:
            raise CommandError(f"{name}: the value must be in 0..1, not {value:g}")
        with self._changed:
            for output in self._outputs:
                if output.config.name == name:
                    if output.actuator is None:
                        raise CommandError(f"not set: {output.error}")
                    before = copy(output.drive)
                    now_s = self._clock()
                    output.drive.hold(shown(output.config, value), now_s + for_s if for_s else None)
                    self._settle(now_s)
                    if output.error is not None:
                        # What is refused now is not done later, when the pin comes back.
                        output.drive = before
                        raise CommandError(f'output "{name}" does not answer; see the log')
                    return output.value
        if self._undriven:
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
        # Without the lock: looking for chips takes milliseconds, which the loop has not.
        if now_s >= self._open_s:
            self._open()
        return self._wait_s()

    def _wait_s(self) -> float | None:
        with self._changed:
            now_s = self._clock()
            self._wake_s = self._next_s(now_s)
            return None if self._wake_s == math.inf else max(0.0, self._wake_s - now_s)

    def _run(self) -> None:
        try:
            while True:
                self.advance()
                with self._changed:
                    if self._closing:
                        return
                    self._changed.wait(self._wait_s())
        except BaseException as error:
            # Nobody would end a pulse any more: everything off, and `write` ends the process.
            self._crash = error
            for output in self._outputs:
                with suppress(PortError):
                    if output.actuator is not None:
                        output.actuator.put(0.0)
            raise

    def _open(self, *, at_start: bool = False) -> None:
        """Open what is not open; what cannot be is told, once, and has its next time.

        At the start ConfigError goes on to the caller.
        """
        with ExitStack() as attempt:
            try:
                factory = attempt.enter_context(self._pins())
            except EdgedError as error:
                if at_start and isinstance(error, ConfigError):
                    raise
                errors = [str(error)]
                with self._changed:
                    for output in self._outputs:
                        if output.actuator is None:
                            self._put_off(output, errors[0])
            else:
                if factory is None:
                    self._drive_nothing()
                    return
                opened = True
                try:
                    opened, errors = self._open_on(factory, at_start=at_start)
                finally:
                    # Kept after an error, too: what is open goes to its safe level.
                    if opened:
                        self._factories.push(attempt.pop_all())
        self._failures = self._failures + 1 if errors else 0
        wait_s = backoff_s(self._failures, OPEN_MIN_S, OPEN_MAX_S) if errors else math.inf
        self._open_s = self._clock() + wait_s
        for text in errors:
            if text not in self._errors:
                logger.error("%s; it is tried again", text)
        self._errors = errors

    def _open_on(self, factory: Any, *, at_start: bool) -> tuple[bool, list[str]]:
        """Whether something was opened, and why something was not."""
        opened, errors = False, []
        refused = PortError if at_start else EdgedError
        for output in self._outputs:
            with self._changed:
                if output.actuator is not None or self._closing:
                    continue
                try:
                    output.actuator = Actuator(output.config, factory, output.drive.value)
                except refused as error:
                    errors.append(str(error))
                    self._put_off(output, errors[-1])
                    continue
                opened = True
                output.value, output.error = output.drive.value, None
                if not at_start:
                    logger.info('output "%s" is driven', output.config.name)
                    self._tell_of(output)
        for config in list(self._missing):
            try:
                one = Input(config, factory, self._mailbox, self._lost)
            except refused as error:
                errors.append(str(error))
                continue
            opened = True
            with self._changed:
                if self._closing:
                    one.close()
                    break
                self._missing.remove(config)
                self._inputs.append(one)
            if not at_start:
                logger.info('input "%s" is watched', config.name)
        return opened, errors

    def _lost(self, one: Input, error: str) -> None:
        logger.error("%s; it is tried again", error)
        with self._changed:
            if one in self._inputs:
                self._inputs.remove(one)
                self._missing.append(one.config)
                self._errors = [*self._errors, error]
                self._try_soon()
        one.close()

    def _try_soon(self) -> None:
        self._open_s = min(self._open_s, self._clock() + OPEN_MIN_S)
        self._changed.notify()

    def _drive_nothing(self) -> None:
        self._undriven = True
        if self._outputs:
            logger.info('[gpio] factory = "none": %d outputs stay off', len(self._outputs))
        self._outputs.clear()
        self._missing.clear()

    def _put_off(self, output: _Output, error: str) -> None:
        if error != output.error:
            output.error = error
            self._tell_of(output)

    def _tell_of(self, output: _Output) -> None:
        state = OutputState(output.config.name, output.value, self._clock(), output.error)
        self._tell(state)

    def _settle(self, now_s: float) -> None:
        """Make the pins what the drives say; the lock is held."""
        for output in self._outputs:
            if output.actuator is None:
                continue
            wanted = output.drive.value
            if wanted != output.value or output.error is not None:
                self._put(output, output.actuator, wanted)
        # Waking the thread for nothing would make it compete with the loop for the interpreter.
        if self._next_s(now_s) < self._wake_s:
            self._changed.notify()

    def _next_s(self, now_s: float) -> float:
        times_s = [o.drive.due_s for o in self._outputs if o.drive.due_s is not None]
        if any(output.actuator is not None and output.error for output in self._outputs):
            times_s.append(now_s + RETRY_S)
        return min([*times_s, self._open_s])

    def _put(self, output: _Output, actuator: Actuator, value: float) -> None:
        try:
            actuator.put(value)
        except PortError as error:
            if output.error is None:
                logger.error("%s", error)
            self._put_off(output, str(error))
            if getattr(error.__cause__, "errno", None) == errno.ENODEV:
                # The chip is gone, and a new one is another.
                actuator.close()
                output.actuator = None
                self._try_soon()
            return
        if output.error is not None:
            logger.info('output "%s" answers again', output.config.name)
        output.error = None
        output.value = value
        self._tell_of(output)

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
