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

    A duty cycle needs a switching process: without one, only a full duty cycle is on.
    """
    return value >= 1.0 if output.device == "pwm" else value >= 0.5


def safe_value(output: OutputConfig) -> float | None:
    """The steady level for ``on_exit``; None for "keep"."""
    if output.on_exit == "keep":
        return None
    return float(full(output, 0.0 if output.on_exit == "off" else output.on_exit))


class Actuator:
    """A gpiozero device on its pin, driven by values in 0..1."""

    def __init__(self, output: OutputConfig, factory: Any, initial: float) -> None:
        """Opens the pin at the initial value.

        PortError if the pin is unavailable now, ConfigError if it does not exist.
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
                # PWMLED makes the pin an output at its present level, which may be on.
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
        """Go to the level of ``on_exit`` from `value`, the present one; returns the new value.

        `ends` says that no pulses follow. PortError if the chip refuses.
        """
        if self._output.device == "servo":
            # A servo without pulses keeps its position.
            self._put(None)
            return value
        wanted = safe_value(self._output)
        if wanted is None:
            wanted = float(full(self._output, value)) if ends else value
        self._put(wanted)
        return wanted

    def close(self) -> None:
        """Release the pin, even one that no longer answers."""
        with suppress(*self._errors):
            self._device.close()

    def _put(self, value: float | None) -> None:
        try:
            self._device.value = value
        except self._errors as error:
            raise PortError(f'output "{self._output.name}": {error}; check the chip') from error
