"""gpiozero's lgpio pins, but released without making an output an input first.

Imported only on a Raspberry Pi with lgpio.
"""

from __future__ import annotations

from contextlib import suppress

import lgpio
from gpiozero.pins.lgpio import LGPIOFactory, LGPIOPin


class LgpioPin(LGPIOPin):
    """A pin with the conventions of this package: OSError for a failure, release on close."""

    _pwm: tuple[float, float] | None

    def close(self) -> None:
        if self.factory._handle is None:
            return
        self.when_changed = None
        # gpiozero's own close makes the pin an input, so an output could not keep its level.
        with suppress(lgpio.error):
            lgpio.gpio_free(self.factory._handle, self._number)

    def _set_state(self, value: float) -> None:
        try:
            if self._pwm is not None:
                # gpiozero's own method rounds to percents, too coarse for a servo.
                self._pwm = (self._pwm[0], value * 100)
                lgpio.tx_pwm(self.factory._handle, self._number, *self._pwm)
            else:
                super()._set_state(value)
        except lgpio.error as error:
            raise OSError(f"{self!r}: {error}") from error

    def output_with_state(self, state: bool | float) -> None:
        # gpiozero's own method passes through low, which is on for an active-low device.
        try:
            lgpio.gpio_claim_output(self.factory._handle, self._number, int(bool(state)))
        except lgpio.error as error:
            raise OSError(str(error)) from error

    def _set_function(self, value: str) -> None:
        if value != "output" or self.function != "output":
            try:
                super()._set_function(value)
            except lgpio.error as error:
                raise OSError(str(error)) from error

    def _set_frequency(self, value: float | None) -> None:
        """PWM begins at the pin's level, and ends low except for a full duty cycle."""
        handle, number = self.factory._handle, self._number
        if value and self._pwm is None and self.function == "output":
            self._pwm = (value, 100.0 * lgpio.gpio_read(handle, number))
            lgpio.tx_pwm(handle, number, *self._pwm)
            return
        full = self._pwm is not None and self._pwm[1] >= 100
        super()._set_frequency(value)
        if full and not value:
            lgpio.gpio_write(handle, number, 1)


class LgpioFactory(LGPIOFactory):
    """Makes `LgpioPin`s. `chip` is the number of a gpiochip, None for that of the header."""

    def __init__(self, chip: int | None = None) -> None:
        try:
            super().__init__(chip)
        except lgpio.error as error:
            raise OSError(str(error)) from error
        self.pin_class = LgpioPin

    def pin(self, name: int | str) -> LgpioPin:
        try:
            pin: LgpioPin = super().pin(name)
        except lgpio.error as error:
            raise OSError(str(error)) from error
        return pin
