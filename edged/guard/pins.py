"""All pins of a daemon: opening, retrying unavailable ones, driving, and safe levels."""

from __future__ import annotations

import errno
import logging
import math
import time
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, ExitStack
from typing import TYPE_CHECKING, Any, TypeAlias

from edged.backoff import backoff_s
from edged.errors import ConfigError, EdgedError, PortError
from edged.ports.gpio.drive import Course
from edged.ports.gpio.inputs import Input
from edged.ports.gpio.outputs import Actuator

if TYPE_CHECKING:
    from edged.config.schema import InputConfig, OutputConfig

logger = logging.getLogger(__name__)

RETRY_S = 0.5
"""The wait before a level that an open pin refused is retried."""

OPEN_MIN_S, OPEN_MAX_S = 0.5, 30.0
"""The wait between two attempts to open an unavailable pin: first and longest."""

Level: TypeAlias = "tuple[int, float, float | None]"
"""An output by its position, its value, and when its pulse or blink changes that."""

Tell: TypeAlias = Callable[..., None]
"""Sends a message's fields to the daemon; from any thread, and it never blocks."""


class _Output:
    """One output: ``value`` is its pin's level, ``course.value`` the intended one.

    ``actuator`` is None while the pin is unavailable, ``error`` is why its level is not the
    intended one.
    """

    def __init__(self, place: int, config: OutputConfig) -> None:
        self.place = place
        self.config = config
        self.course = Course(config, 0.0)
        self.value = 0.0
        self.actuator: Actuator | None = None
        self.error: str | None = None


class Pins:
    """Used only by the guard's thread, except for messages from the threads of inputs.

    An unavailable pin is retried with back-off while everything else works; once available, it gets
    its intended level.
    """

    def __init__(
        self,
        pins: Callable[[], AbstractContextManager[Any]],
        outputs: Sequence[OutputConfig],
        inputs: Sequence[InputConfig],
        tell: Tell,
        wake: Callable[[], None] = lambda: None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """`pins` opens the factory as `edged.ports.gpio.factory.open_factory` does.

        It is called for each attempt to open missing pins. `wake` is called, from any thread,
        when there is something for `advance` to do.
        """
        self._pins = pins
        self._tell = tell
        self._wake = wake
        self._clock = clock
        self._outputs = [_Output(place, config) for place, config in enumerate(outputs)]
        self._missing = dict(enumerate(inputs))
        self._inputs: dict[int, Input] = {}
        self._lost: deque[tuple[int, str]] = deque()
        self._factories = ExitStack()
        self._failures = 0
        self._open_s = math.inf
        self._errors: list[str] = []
        self.stalled: str | None = None
        """Why the outputs are at their safe levels although they should have others."""

    def open(self, levels: Sequence[Level], *, at_start: bool) -> None:
        """Open all pins, outputs at these levels, which are reported.

        Unavailable pins are retried later; with `at_start`, a pin that does not exist is a
        ConfigError.
        """
        self._take(levels)
        for output in self._outputs:
            output.course.tick(self._clock())
        self._open(at_start=at_start)
        for output in self._outputs:
            self._tell_of(output)

    def drive(self, levels: Sequence[Level]) -> None:
        """Apply new levels at once; while ``stalled``, store them for later."""
        self._take(levels)
        self._settle()

    def set(self, place: int, value: float) -> str | None:
        """Apply a level now or not at all: why not, else None."""
        output = self._outputs[place]
        if output.actuator is None or self.stalled:
            return f"not set: {output.error or self.stalled}"
        before, output.course = output.course, Course(output.config, value)
        self._settle()
        if output.error is None:
            return None
        # A refused level is not applied later, when the pin comes back.
        output.course = before
        return f'output "{output.config.name}" does not answer; see the log'

    def stall(self, why: str) -> None:
        """Set every output to its safe level until `resume`."""
        logger.error("%s", why)
        self.stalled = why
        for output in self._outputs:
            if output.actuator is not None:
                self._put(output, output.actuator)
            else:
                self._tell_of(output)

    def resume(self) -> None:
        """Set the outputs to the levels that they should have by now."""
        self.stalled = None
        logger.info("edged's loop runs again: outputs are back at their levels")
        now_s = self._clock()
        for output in self._outputs:
            output.course.tick(now_s)
            if output.actuator is not None:
                self._put(output, output.actuator)
            else:
                self._tell_of(output)

    def release(self) -> None:
        """Set every output to its safe level, then release all pins."""
        left = []
        for output in self._outputs:
            value, reason = 0.0, output.error
            if output.actuator is not None:
                try:
                    value, reason = output.actuator.put_safe(output.value, ends=True), None
                except PortError as error:
                    logger.error("%s", error)
                    reason = str(error)
            # The level of an undriven output is unknown, and must not be reported as on forever.
            left.append((output.place, value, self._clock(), reason))
        # All are safe before the first is reported or released, which may take long.
        for told in left:
            self._tell("output", *told)
        for output in self._outputs:
            if output.actuator is not None:
                output.actuator.close()
        for one in self._inputs.values():
            one.close()
        self._outputs.clear()
        self._inputs.clear()
        self._factories.close()

    def advance(self) -> float | None:
        """Carry out what is due; seconds until the next is due, None for never."""
        while self._lost:
            self._lose(*self._lost.popleft())
        now_s = self._clock()
        for output in self._outputs:
            output.course.tick(now_s)
        self._settle()
        # Nothing is switched on while the daemon stalls.
        if now_s >= self._open_s and not self.stalled:
            self._open()
        next_s = self._next_s()
        return None if next_s == math.inf else max(0.0, next_s - self._clock())

    def _take(self, levels: Sequence[Level]) -> None:
        for place, value, due_s in levels:
            output = self._outputs[place]
            output.course = Course(output.config, value, due_s)

    def _next_s(self) -> float:
        times_s = [o.course.due_s for o in self._outputs if o.course.due_s is not None]
        if any(output.actuator is not None and output.error for output in self._outputs):
            times_s.append(self._clock() + RETRY_S)
        return min([*times_s, math.inf if self.stalled else self._open_s])

    def _open(self, *, at_start: bool = False) -> None:
        """Open missing pins; a failure is logged once, and retried later.

        At the start, ConfigError propagates.
        """
        with ExitStack() as attempt:
            try:
                factory = attempt.enter_context(self._pins())
            except EdgedError as error:
                if at_start and isinstance(error, ConfigError):
                    raise
                errors = [str(error)]
                for output in self._outputs:
                    if output.actuator is None:
                        self._put_off(output, errors[0])
            else:
                opened = True
                try:
                    opened, errors = self._open_on(factory, at_start=at_start)
                finally:
                    # Kept after an error, too: opened pins go to their safe levels.
                    if opened:
                        self._factories.push(attempt.pop_all())
        self._failures = self._failures + 1 if errors else 0
        wait_s = backoff_s(self._failures, OPEN_MIN_S, OPEN_MAX_S) if errors else math.inf
        self._open_s = self._clock() + wait_s
        for text in errors:
            if text not in self._errors:
                logger.error("%s; retrying", text)
        self._tell_errors(errors)

    def _open_on(self, factory: Any, *, at_start: bool) -> tuple[bool, list[str]]:
        """Whether something was opened, and why something was not."""
        opened, errors = False, []
        refused = PortError if at_start else EdgedError
        for output in self._outputs:
            if output.actuator is not None:
                continue
            value = output.course.value
            try:
                output.actuator = Actuator(output.config, factory, value)
            except refused as error:
                errors.append(str(error))
                self._put_off(output, errors[-1])
                continue
            opened = True
            output.value, output.error = value, None
            if not at_start:
                logger.info('output "%s" is driven', output.config.name)
                self._tell_of(output)
        for place, config in list(self._missing.items()):
            try:
                one = self._watch(place, config, factory)
            except refused as error:
                errors.append(str(error))
                continue
            opened = True
            self._inputs[place] = one
            del self._missing[place]
            if not at_start:
                logger.info('input "%s" is watched', config.name)
        return opened, errors

    def _watch(self, place: int, config: InputConfig, factory: Any) -> Input:
        def changed(active: bool, edge: bool) -> None:
            self._tell("input", place, active, edge)

        def lost(one: Input, error: str) -> None:
            del one
            self._lost.append((place, error))
            self._wake()

        return Input(config, factory, changed, lost)

    def _lose(self, place: int, error: str) -> None:
        if one := self._inputs.pop(place, None):
            logger.error("%s; retrying", error)
            one.close()
            self._missing[place] = one.config
            self._tell("input", place, False, False)
            self._tell_errors([*self._errors, error])
            self._try_soon()

    def _try_soon(self) -> None:
        self._open_s = min(self._open_s, self._clock() + OPEN_MIN_S)

    def _tell_errors(self, errors: list[str]) -> None:
        if errors != self._errors:
            self._errors = errors
            self._tell("errors", errors)

    def _put_off(self, output: _Output, error: str) -> None:
        if error != output.error:
            output.error = error
            self._tell_of(output)

    def _tell_of(self, output: _Output) -> None:
        reason = output.error or self.stalled
        self._tell("output", output.place, output.value, self._clock(), reason)

    def _settle(self) -> None:
        """Set the pins to the levels of their courses."""
        for output in self._outputs:
            if output.actuator is None:
                continue
            differs = output.course.value != output.value and not self.stalled
            if differs or output.error is not None:
                self._put(output, output.actuator)

    def _put(self, output: _Output, actuator: Actuator) -> None:
        value = output.course.value
        try:
            if self.stalled:
                value = actuator.put_safe(output.value, ends=False)
            else:
                actuator.put(value)
        except PortError as error:
            if output.error is None:
                logger.error("%s", error)
            self._put_off(output, str(error))
            if getattr(error.__cause__, "errno", None) == errno.ENODEV:
                # The chip is gone; a new one is a different device.
                actuator.close()
                output.actuator = None
                self._try_soon()
            return
        if output.error is not None:
            logger.info('output "%s" answers again', output.config.name)
        output.error = None
        output.value = value
        self._tell_of(output)
