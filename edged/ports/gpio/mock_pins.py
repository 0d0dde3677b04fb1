"""gpiozero's mock pins with the rules of real ones: a released pin keeps its level."""

from __future__ import annotations

from gpiozero.pins.mock import MockFactory, MockPWMPin


class MockPin(MockPWMPin):
    """A simulated pin, digital or PWM; its ``states`` record every level."""

    _frequency: float | None
    _function: str

    def close(self) -> None:
        self.when_changed = None
        self._set_frequency(None)
        self._function = "input"

    def _set_frequency(self, value: float | None) -> None:
        if value is not None:
            super()._set_frequency(value)
        elif self._frequency is not None:
            # As GpiodPin: stopped PWM rests low, except for a full duty cycle.
            self._frequency = None
            self._change_state(1.0 if self.state == 1.0 else 0.0)


class MockPins(MockFactory):
    """Makes `MockPin`s on the header of a Raspberry Pi."""

    def __init__(self) -> None:
        super().__init__(pin_class=MockPin)
