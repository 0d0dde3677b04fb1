"""Which pin factory serves a machine."""

from __future__ import annotations

from pathlib import Path

import pytest

from edged.config.schema import GpioConfig
from edged.errors import ConfigError, PortError
from edged.ports.gpio import chips, factory
from edged.ports.gpio.factory import choose, open_factory, pin_errors
from tests.ports.gpio.fake_gpiod import FakeChip


@pytest.fixture
def machine(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    """A machine of a given model with given device files and packages."""

    def make(model: str = "", devices: tuple[str, ...] = (), packages: tuple[str, ...] = ()):
        (tmp_path / "model").write_text(f"{model}\0")
        for device in devices:
            (tmp_path / device).touch()
        monkeypatch.setattr(factory, "MODEL", tmp_path / "model")
        monkeypatch.setattr(chips, "DEVICES", tmp_path)
        monkeypatch.setattr(factory, "_installed", lambda name: name in packages)

    return make


PI = "Raspberry Pi 5 Model B Rev 1.0"


@pytest.mark.parametrize(
    ("model", "devices", "packages", "gpio", "expected"),
    [
        (PI, ("gpiochip0",), ("lgpio",), GpioConfig(), "lgpio"),
        (PI, ("gpiochip0",), (), GpioConfig(), "gpiod"),
        (PI, ("gpiochip0",), ("lgpio",), GpioConfig(chip="gpiochip0"), "gpiod"),
        ("NVIDIA Jetson Orin Nano", ("gpiochip0",), ("lgpio",), GpioConfig(), "gpiod"),
        ("", ("gpiochip-other",), (), GpioConfig(), "gpiod"),
        ("", (), (), GpioConfig(), "gpiod"),
        ("", ("gpiochip0",), (), GpioConfig(factory="mock"), "mock"),
        ("", ("gpiochip0",), (), GpioConfig(factory="none"), "none"),
    ],
)
def test_the_factory_is_that_of_the_machine(machine, model, devices, packages, gpio, expected):
    machine(model, devices, packages)
    assert choose(gpio) == expected


@pytest.mark.parametrize("wanted", ["auto", "gpiod"])
def test_a_machine_without_a_chip_never_pretends_that_it_has_one(machine, wanted) -> None:
    machine()
    with (
        pytest.raises(PortError, match=r"no GPIO chip .*: outputs are off, inputs are not watched"),
        open_factory(GpioConfig(factory=wanted)),
    ):
        raise AssertionError("the factory was opened")


def test_lgpio_that_is_not_installed_is_told(machine) -> None:
    machine(PI, ("gpiochip0",))
    with (
        pytest.raises(ConfigError, match="install python3-lgpio"),
        open_factory(GpioConfig(factory="lgpio")),
    ):
        raise AssertionError("the factory was opened")


@pytest.mark.parametrize("pin", [99, "GND", "RELAY", "gpiochip0:4"])
def test_a_pin_that_the_header_has_not_is_refused(mock_pins, pin) -> None:
    with (
        pytest.raises(ConfigError, match=rf'output "lamp": pin "{pin}": no such line on Raspberry'),
        pin_errors(mock_pins, 'output "lamp"', pin),
    ):
        raise AssertionError("the pin was taken")


def test_the_factory_is_closed_after_use(board: FakeChip) -> None:
    with open_factory(GpioConfig()) as pins:
        pins.pin("RELAY").output_with_state(1)
        assert board["RELAY"].used
    assert not board["RELAY"].used
