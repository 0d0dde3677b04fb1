"""The libgpiod pins, over the real gpiod package and chips in memory."""

from __future__ import annotations

import errno
import threading
import time
from pathlib import Path

import gpiozero
import pytest
from gpiod import _ext

from edged.config.schema import GpioConfig
from edged.errors import ConfigError, PortError
from edged.ports.gpio.factory import open_factory, pin_errors
from edged.ports.gpio.gpiod_pins import GpiodFactory
from tests.ports.gpio.fake_gpiod import FakeChip, FakeLine, install

PATIENCE_S = 20.0


def becomes_true(condition) -> bool:
    deadline_s = time.monotonic() + PATIENCE_S
    while not condition():
        if time.monotonic() > deadline_s:
            return False
        time.sleep(0.002)
    return True


@pytest.mark.parametrize(
    "pin", ["RELAY", 0, "0", "gpiochip0:0", "gpiochip0:RELAY", "pinctrl-test:RELAY"]
)
def test_a_line_is_found_by_number_and_by_name(board: FakeChip, pin: int | str) -> None:
    with GpiodFactory() as factory, gpiozero.LED(pin, pin_factory=factory) as led:
        led.on()
        assert board["RELAY"].level == 1
        assert board["RELAY"].consumer == "edged"


def test_an_active_low_output_starts_without_a_glitch(board: FakeChip) -> None:
    board["RELAY"].level = 1
    with GpiodFactory() as factory:
        with gpiozero.LED("RELAY", active_high=False, pin_factory=factory) as led:
            led.on()
            led.off()
        assert board["RELAY"].levels == [0, 1]


def test_an_output_taken_as_it_stands_keeps_its_level(board: FakeChip) -> None:
    board["RELAY"].level = 1
    with GpiodFactory() as factory:
        device = gpiozero.OutputDevice("RELAY", initial_value=None, pin_factory=factory)
        assert device.value == 1
        assert board["RELAY"].levels == []
        device.close()


def test_closing_releases_the_line_and_another_may_have_it(board: FakeChip) -> None:
    with GpiodFactory() as factory:
        gpiozero.LED("RELAY", pin_factory=factory).close()
        assert not board["RELAY"].used
        with gpiozero.LED("RELAY", pin_factory=factory) as led:
            led.on()
            assert board["RELAY"].level == 1
    assert not board["RELAY"].used


def test_closing_the_factory_releases_what_is_still_open(board: FakeChip) -> None:
    factory = GpiodFactory()
    led = gpiozero.LED("RELAY", pin_factory=factory)
    button = gpiozero.DigitalInputDevice("BUTTON", pull_up=True, pin_factory=factory)
    factory.close()
    assert not board["RELAY"].used
    assert not board["BUTTON"].used
    led.close()
    button.close()


def test_two_devices_cannot_share_a_pin(board: FakeChip) -> None:
    with (
        GpiodFactory() as factory,
        gpiozero.LED("RELAY", pin_factory=factory),
        pytest.raises(gpiozero.GPIOPinInUse),
    ):
        gpiozero.LED(0, pin_factory=factory)


def test_an_input_is_pulled_debounced_and_seen_at_its_edges(board: FakeChip) -> None:
    line = board["BUTTON"]
    pressed, released = threading.Event(), threading.Event()
    with GpiodFactory() as factory:
        button = gpiozero.Button("BUTTON", bounce_time=0.05, pin_factory=factory)
        button.when_pressed = pressed.set
        button.when_released = released.set
        assert line.bias == _ext.BIAS_PULL_UP
        assert line.debounce_us == 50_000
        assert not button.is_pressed
        line.put(0)
        assert pressed.wait(PATIENCE_S)
        assert button.is_pressed
        line.put(1)
        assert released.wait(PATIENCE_S)
        button.close()
    assert not line.used


def test_pwm_switches_between_both_levels_and_rests_at_the_full_ones(board: FakeChip) -> None:
    line = board["LAMP"]
    with GpiodFactory() as factory:
        lamp = gpiozero.PWMLED("LAMP", pin_factory=factory)
        lamp.value = 0.5
        assert lamp.value == 0.5
        assert becomes_true(lambda: line.levels.count(1) > 3)
        lamp.value = 1.0
        assert line.level == 1
        lamp.value = 0.3
        seen = len(line.levels)
        assert becomes_true(lambda: len(line.levels) > seen + 4)
        lamp.value = 0.0
        assert line.level == 0
        switched = len(line.levels)
        time.sleep(0.05)
        assert len(line.levels) == switched
        lamp.close()
    assert not line.used


def test_pwm_that_is_closed_leaves_the_line_low(board: FakeChip) -> None:
    with GpiodFactory() as factory:
        for _ in range(5):
            lamp = gpiozero.PWMLED("LAMP", frequency=1000, pin_factory=factory)
            lamp.value = 0.9
            lamp.close()
            assert board["LAMP"].level == 0


def test_a_servo_gets_pulses_until_it_is_detached(board: FakeChip) -> None:
    with GpiodFactory() as factory:
        servo = gpiozero.Servo("FAN", pin_factory=factory)
        assert becomes_true(lambda: board["FAN"].levels.count(1) > 2)
        servo.value = None
        assert board["FAN"].level == 0
        servo.close()


def test_an_unknown_line_names_the_chip_and_the_nearest_line(board: FakeChip) -> None:
    with (
        GpiodFactory() as factory,
        pytest.raises(ConfigError) as raised,
        pin_errors(factory, 'output "lamp"', "RELAI"),
    ):
        raise AssertionError("the pin was taken")
    assert str(raised.value) == (
        'output "lamp": pin "RELAI": no such line on gpiochip0 (pinctrl-test); did you mean RELAY?'
    )


def test_a_number_beyond_the_chip_tells_the_last_one(board: FakeChip) -> None:
    with (
        GpiodFactory() as factory,
        pytest.raises(ConfigError, match="lines are 0 to 7"),
        pin_errors(factory, 'output "lamp"', 8),
    ):
        raise AssertionError("the pin was taken")


def test_a_busy_line_names_its_consumer(board: FakeChip) -> None:
    board["RELAY"].used, board["RELAY"].consumer = True, "spi0 CS0"
    with (
        GpiodFactory() as factory,
        pytest.raises(PortError, match=r'output "lamp": pin "RELAY": in use by spi0 CS0; free it'),
        pin_errors(factory, 'output "lamp"', "RELAY"),
    ):
        gpiozero.LED("RELAY", pin_factory=factory)


def two_chips(monkeypatch: pytest.MonkeyPatch, devices: Path, first: str, second: str):
    return install(
        monkeypatch,
        devices,
        gpiochip0=FakeChip(first, [FakeLine("RELAY"), FakeLine("A")]),
        gpiochip10=FakeChip(second, [FakeLine("RELAY"), FakeLine("B")]),
    )


def test_a_line_that_two_chips_have_must_be_told_apart(monkeypatch, tmp_path) -> None:
    two_chips(monkeypatch, tmp_path, "one", "two")
    with GpiodFactory() as factory:
        for pin in ("RELAY", 0):
            with (
                pytest.raises(ConfigError, match=r"2 lines .* write gpiochip0:0 or gpiochip10:0"),
                pin_errors(factory, 'output "lamp"', pin),
            ):
                raise AssertionError("the pin was taken")


def test_a_line_of_any_chip_is_found_by_its_own_name(monkeypatch, tmp_path) -> None:
    chips = two_chips(monkeypatch, tmp_path, "one", "two")
    with GpiodFactory() as factory, gpiozero.LED("B", pin_factory=factory) as led:
        led.on()
        assert chips["gpiochip10"]["B"].level == 1


@pytest.mark.parametrize("chip", ["two", "gpiochip10", "10", "/dev/gpiochip10"])
def test_a_chosen_chip_is_where_bare_lines_are(monkeypatch, tmp_path, chip: str) -> None:
    chips = two_chips(monkeypatch, tmp_path, "one", "two")
    with GpiodFactory(chip) as factory:
        with gpiozero.LED("RELAY", pin_factory=factory) as led:
            led.on()
            assert chips["gpiochip10"]["RELAY"].level == 1
        with gpiozero.LED("one:RELAY", pin_factory=factory) as led:
            led.on()
            assert chips["gpiochip0"]["RELAY"].level == 1


def test_the_header_of_a_raspberry_pi_goes_before_its_other_chips(monkeypatch, tmp_path) -> None:
    chips = two_chips(monkeypatch, tmp_path, "gpio-brcmstb@107d508500", "pinctrl-rp1")
    with GpiodFactory() as factory, gpiozero.LED("GPIO1", pin_factory=factory) as led:
        led.on()
        assert chips["gpiochip10"]["B"].level == 1


def test_a_symbolic_link_is_another_name_of_its_chip(monkeypatch, tmp_path, board) -> None:
    (tmp_path / "gpiochip4").symlink_to("gpiochip0")
    with GpiodFactory("gpiochip4") as factory, gpiozero.LED("RELAY", pin_factory=factory) as led:
        led.on()
        assert board["RELAY"].level == 1


def test_an_unknown_chip_lists_those_that_are_there(monkeypatch, tmp_path) -> None:
    two_chips(monkeypatch, tmp_path, "one", "two")
    with pytest.raises(PortError) as raised, open_factory(GpioConfig(chip="three")):
        raise AssertionError("the chip was opened")
    assert str(raised.value) == (
        '[gpio] chip = "three": no such GPIO chip at present; '
        "there are: gpiochip0 (one), gpiochip10 (two)"
    )


def test_a_pin_of_a_chip_that_is_not_there_may_come(board: FakeChip) -> None:
    with (
        GpiodFactory() as factory,
        pytest.raises(PortError, match='no GPIO chip "pinctrl-tset" at present; did you mean pin'),
        pin_errors(factory, 'output "lamp"', "pinctrl-tset:RELAY"),
    ):
        raise AssertionError("the pin was taken")


def test_a_pin_that_may_be_one_of_a_chip_without_permission_is_not_called_wrong(
    monkeypatch, tmp_path
) -> None:
    denied = PermissionError(errno.EACCES, "Permission denied")
    chip = FakeChip("one", [FakeLine("A")])
    install(monkeypatch, tmp_path, gpiochip0=chip, gpiochip1=denied)
    with (
        GpiodFactory() as factory,
        pytest.raises(PortError, match=r"no permission to look at .*gpiochip1"),
        pin_errors(factory, 'output "lamp"', "B"),
    ):
        raise AssertionError("the pin was taken")


def test_chips_with_one_label_must_be_named(monkeypatch, tmp_path) -> None:
    two_chips(monkeypatch, tmp_path, "same", "same")
    with pytest.raises(ConfigError, match="several chips have this label"):
        GpiodFactory("same")


def test_a_chip_that_may_not_be_opened_tells_the_group(monkeypatch, tmp_path) -> None:
    denied = PermissionError(errno.EACCES, "Permission denied")
    install(monkeypatch, tmp_path, gpiochip0=denied)
    with pytest.raises(PortError, match="group gpio"), open_factory(GpioConfig()):
        raise AssertionError("the chip was opened")


def test_a_machine_without_chips_says_so(monkeypatch, tmp_path) -> None:
    install(monkeypatch, tmp_path)
    with (
        pytest.raises(PortError, match="has no GPIO chip"),
        open_factory(GpioConfig(factory="gpiod")),
    ):
        raise AssertionError("a chip was opened")
