"""The lgpio pins, over a stand-in for the lgpio package, which needs a board to run."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Iterator
from contextlib import nullcontext
from types import ModuleType
from typing import Any

import gpiozero
import pytest

from edged.config.schema import GpioConfig, OutputConfig
from edged.errors import PortError
from edged.mailbox import Mailbox
from edged.ports.gpio import factory
from edged.ports.gpio.factory import open_factory
from tests.guard.direct import opened_port

INPUT, OUTPUT, FREE = "input", "output", "free"


class FakeLgpio(ModuleType):
    """Claims, levels and PWM of one chip; ``history`` is what each GPIO was, in order."""

    BOTH_EDGES, RISING_EDGE, FALLING_EDGE = 3, 1, 2
    SET_PULL_NONE, SET_PULL_UP, SET_PULL_DOWN = 128, 32, 64

    class error(Exception):  # noqa: N801, N818
        pass

    def __init__(self) -> None:
        super().__init__("lgpio")
        self.history: dict[int, list[tuple[str, float]]] = {}
        self.busy: set[int] = set()
        self.opened: list[int] = []

    def _now(self, gpio: int) -> tuple[str, float]:
        return self.history.get(gpio, [(FREE, 0)])[-1]

    def _become(self, gpio: int, function: str, level: float) -> int:
        if gpio in self.busy:
            raise self.error("GPIO busy")
        self.history.setdefault(gpio, []).append((function, level))
        return 0

    def gpiochip_open(self, chip: int) -> int:
        if chip == 9:
            raise self.error("can not open gpiochip")
        self.opened.append(chip)
        return 0

    def gpiochip_close(self, handle: int) -> int:
        return 0

    def gpio_claim_input(self, handle: int, gpio: int, flags: int = 0) -> int:
        return self._become(gpio, INPUT, self._now(gpio)[1])

    def gpio_claim_output(self, handle: int, gpio: int, level: int = 0, flags: int = 0) -> int:
        return self._become(gpio, OUTPUT, level)

    def gpio_free(self, handle: int, gpio: int) -> int:
        if self._now(gpio)[0] == FREE:
            raise self.error("GPIO not allocated")
        return self._become(gpio, FREE, self._now(gpio)[1])

    def gpio_get_mode(self, handle: int, gpio: int) -> int:
        return 2 if self._now(gpio)[0] == OUTPUT else 0

    def gpio_read(self, handle: int, gpio: int) -> float:
        return self._now(gpio)[1]

    def gpio_write(self, handle: int, gpio: int, level: float) -> int:
        return self._become(gpio, OUTPUT, level)

    def tx_pwm(self, handle: int, gpio: int, frequency: float, duty: float) -> int:
        return self._become(gpio, OUTPUT, duty / 100 if frequency else 0)

    def level(self, gpio: int) -> tuple[str, float]:
        return self._now(gpio)


@pytest.fixture
def lgpio(monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeLgpio]:
    fake = FakeLgpio()
    names = ("gpiozero.pins.lgpio", "edged.ports.gpio.lgpio_pins")
    monkeypatch.setitem(sys.modules, "lgpio", fake)
    for name in names:
        monkeypatch.delitem(sys.modules, name, raising=False)
    monkeypatch.setattr(factory, "_installed", lambda _: True)
    module = importlib.import_module("edged.ports.gpio.lgpio_pins")
    monkeypatch.setattr(module.LgpioFactory, "_get_revision", lambda _: 0xC03111)
    yield fake
    for name in names:
        sys.modules.pop(name, None)


@pytest.fixture
def pins(lgpio: FakeLgpio) -> Iterator[Any]:
    with open_factory(GpioConfig(factory="lgpio")) as opened:
        yield opened


@pytest.mark.parametrize("active_high", [True, False])
@pytest.mark.parametrize("device", ["output", "pwm"])
def test_an_output_is_let_go_at_its_level(lgpio, pins, device, active_high) -> None:
    for on_exit, level in (("off", not active_high), (1.0, active_high)):
        config = OutputConfig(
            name="lamp",
            pin=17,
            device=device,
            action="manual",
            active_high=active_high,
            on_exit=on_exit,
        )
        with opened_port(lambda _gpio: nullcontext(pins), [config], (), Mailbox(), print) as port:
            port.set("lamp", 1.0)
            assert lgpio.level(17) == (OUTPUT, active_high)
        assert lgpio.level(17) == (FREE, level)


@pytest.mark.parametrize("device", ["output", "pwm"])
def test_an_active_low_output_is_never_on_before_it_should_be(lgpio, pins, device) -> None:
    lgpio.history[17] = [(INPUT, 1)]
    config = OutputConfig(name="lamp", pin=17, device=device, action="manual", active_high=False)
    with opened_port(lambda _gpio: nullcontext(pins), [config], (), Mailbox(), print):
        assert {level for _, level in lgpio.history[17]} == {1}


def test_a_servo_has_finer_positions_than_a_hundredth_of_its_period(lgpio, pins) -> None:
    with gpiozero.Servo(17, pin_factory=pins) as servo:
        servo.value = 0.25
        assert lgpio.level(17) == (OUTPUT, pytest.approx(0.08125))


def test_a_busy_pin_is_one_line(lgpio, pins) -> None:
    lgpio.busy.add(17)
    config = OutputConfig(name="lamp", pin=17, action="manual")
    with opened_port(lambda _gpio: nullcontext(pins), [config], (), Mailbox(), print) as port:
        assert port.error is not None
        assert port.error.startswith('output "lamp": pin "17": GPIO busy; ')


def test_a_chip_that_cannot_be_opened_is_one_line(lgpio, monkeypatch) -> None:
    monkeypatch.setattr(lgpio, "gpiochip_open", lambda _: FakeLgpio.gpiochip_open(lgpio, 9))
    with (
        pytest.raises(PortError, match="can not open gpiochip"),
        open_factory(GpioConfig(factory="lgpio")),
    ):
        raise AssertionError("the chip was opened")
