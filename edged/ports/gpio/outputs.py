"""An output: the gpiozero device on its pin, and the level that is safe for it."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Any

from edged.errors import PortError
from edged.ports.gpio.factory import pin_errors

if TYPE_CHECKING:
    from edged.config.schema import OutputConfig


def full(output: OutputConfig, value: float) -> bool:
    """True if a steady level for `value` is the active one.

    A duty cycle needs somebody who switches: where nobody does, only a full one is on.
    """
    return value >= 1.0 if output.device == "pwm" else value >= 0.5


def safe_value(output: OutputConfig) -> float | None:
    """What ``on_exit`` says, as a steady level; None for "keep"."""
    if output.on_exit == "keep":
        return None
    return float(full(output, 0.0 if output.on_exit == "off" else output.on_exit))


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
        self._put(2 * value - 1 if self._output.device == "servo" else value)

    def put_safe(self, value: float, *, ends: bool) -> float:
        """Go to the level of ``on_exit``, where `value` is the present one; the value then.

        `ends` is whether nobody makes pulses any more. PortError if the chip refuses.
        """
        if self._output.device == "servo":
            # A servo that gets no pulses stays where it is.
            self._put(None)
            return value
        wanted = safe_value(self._output)
        if wanted is None:
            wanted = float(full(self._output, value)) if ends else value
        self._put(wanted)
        return wanted

    def close(self) -> None:
        """Let go of the pin, also of one that does not answer any more."""
        with suppress(*self._errors):
            self._device.close()

    def _put(self, value: float | None) -> None:
        try:
            self._device.value = value
        except self._errors as error:
            raise PortError(f'output "{self._output.name}": {error}; check the chip') from error
