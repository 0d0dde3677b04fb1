"""An output: what its rule wants of it over time, and the gpiozero device that does it."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from typing import Any

from edged.config.schema import OutputConfig
from edged.core import Event
from edged.errors import PortError
from edged.ports.gpio.factory import pin_errors


def full(output: OutputConfig, value: float) -> bool:
    """True if a steady level for `value` is the active one.

    A duty cycle needs somebody who switches: where nobody does, only a full one is on.
    """
    return value >= 1.0 if output.device == "pwm" else value >= 0.5


def shown(output: OutputConfig, value: float) -> float:
    """What the device makes of a value: a digital one knows only 0 and 1."""
    if output.device in ("pwm", "servo"):
        return value
    return 1.0 if value >= 0.5 else 0.0


class Actuator:
    """A gpiozero device on its pin, driven by values in 0..1."""

    def __init__(self, output: OutputConfig, factory: Any, initial: float) -> None:
        """Opens the pin at the initial value.

        PortError where the pin cannot be had now, ConfigError where it is none.
        """
        import gpiozero

        self._output = output
        self._errors = (gpiozero.GPIOZeroError, OSError)
        with pin_errors(factory, f'output "{output.name}"', output.pin):
            if output.device == "servo":
                self._device = gpiozero.Servo(
                    output.pin, initial_value=2 * initial - 1, pin_factory=factory
                )
                return
            if output.device == "pwm":
                # PWMLED makes an output of the pin as it stands, which may be on.
                factory.pin(output.pin).output_with_state(not output.active_high)
            kinds = {
                "led": gpiozero.LED,
                "pwm": gpiozero.PWMLED,
                "buzzer": gpiozero.Buzzer,
                "output": gpiozero.OutputDevice,
            }
            self._device = kinds[output.device](
                output.pin,
                active_high=output.active_high,
                initial_value=initial,
                pin_factory=factory,
            )

    def put(self, value: float) -> None:
        """Drive the pin; microseconds. PortError if the chip refuses."""
        try:
            self._device.value = 2 * value - 1 if self._output.device == "servo" else value
        except self._errors as error:
            raise PortError(f'output "{self._output.name}": {error}; check the chip') from error

    def close(self) -> None:
        """Let go of a pin that does not answer any more."""
        with suppress(*self._errors):
            self._device.close()

    def leave(self, value: float) -> float:
        """Go to the level of ``on_exit``, where `value` is the present one, and let go.

        The value that the output is left at. PortError if the chip refuses.
        """
        wanted = self._output.on_exit
        if wanted == "keep":
            wanted = value
        try:
            if self._output.device == "servo":
                # A servo that gets no pulses stays where it is.
                self._device.value = None
                return value
            left = float(full(self._output, 0.0 if wanted == "off" else wanted))
            self.put(left)
            return left
        finally:
            self._device.close()


class Drive:
    """What an output should be: its rule, a pulse or blink under way, a value set by hand.

    Pure: times are ``time.monotonic()`` seconds given by the caller. ``due_s`` is when `tick` has
    something to do, None if nothing is under way.
    """

    def __init__(self, output: OutputConfig, value: float) -> None:
        self.value = value
        self.due_s: float | None = None
        self._output = output
        self._active: bool | None = None
        self._held = False
        self._before = value
        self._no_pictures = False

    def follow(self, active: bool, score: float, events: Sequence[Event], now_s: float) -> None:
        """Take what the rule holds at this frame, and the frame's events of all rules."""
        output = self._output
        if output.action == "pulse":
            if self._no_pictures and not self._held:
                self.value = 0.0
            self._no_pictures, self._active = False, active
            if any(self._starts_pulse(event) for event in events):
                self.value = 1.0
                self.due_s = now_s + output.pulse_s
            return
        changed = active != self._active or (self._no_pictures and not self._held)
        self._no_pictures, self._active = False, active
        if changed and self._held:
            self._held, self.due_s = False, None
        if self._held or output.action == "manual":
            return
        if output.action == "score":
            # A hundredth is what software PWM resolves; finer would only make messages.
            self.value = round(score, 2) if active else 0.0
        elif changed:
            self.value = 1.0 if active else 0.0
            blinks = active and output.action == "blink"
            self.due_s = now_s + output.blink_on_s if blinks else None

    def lose(self) -> None:
        """No picture comes any more: do as ``on_lost`` says until one does.

        What was set by hand while the rule did not hold stays.
        """
        wanted = self._output.on_lost
        if wanted == "keep" or self._output.action == "manual":
            return
        if self._held and not self._active:
            self._no_pictures = True
            return
        self.value = 0.0 if wanted == "off" else wanted
        self.due_s = None
        self._active = self._held = False
        self._no_pictures = True

    def hold(self, value: float, until_s: float | None = None) -> None:
        """A value set by hand: it ends a pulse or a blink, and stays until the rule changes.

        Or until `until_s`: then the output is what its rule asks for, or what it was before where
        it has none.
        """
        if not (self._held and self.due_s is not None):
            self._before = self.value
        self.value = value
        self.due_s = until_s
        self._held = True

    @property
    def held(self) -> bool:
        """Whether its value was set by hand."""
        return self._held

    def tick(self, now_s: float) -> None:
        """End a pulse or a hold, or change a blink's phase, if it is due."""
        if self.due_s is None or now_s < self.due_s:
            return
        if self._held:
            self._let_go()
            return
        if self._output.action == "pulse":
            self.value, self.due_s = 0.0, None
            return
        # The grid of the phases stays, however late this is and however long the machine slept.
        phases = (self._output.blink_off_s, self._output.blink_on_s)
        self.due_s += (now_s - self.due_s) // sum(phases) * sum(phases)
        while self.due_s <= now_s:
            self.value = 1.0 - self.value
            self.due_s += phases[int(self.value)]

    def _let_go(self) -> None:
        self._held, self.due_s = False, None
        if self._output.action == "manual":
            self.value = self._before
        elif self._no_pictures:
            self.lose()
        else:
            follows = self._output.action != "pulse" and self._active
            self.value = 1.0 if follows else 0.0
            # The next frame begins a blink, or sets a score.
            self._active = None

    def _starts_pulse(self, event: Event) -> bool:
        output = self._output
        return event.rule == output.rule and (
            output.on == "both" or (output.on == "enter") == event.active
        )
