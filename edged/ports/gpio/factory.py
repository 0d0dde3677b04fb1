"""Chooses the pin factory of this machine, and finds the configuration's pins in it."""

from __future__ import annotations

import errno
import importlib.util
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from edged.config.nearest import did_you_mean
from edged.errors import ConfigError, PortError
from edged.ports.gpio.chips import NO_CHIP, device_paths, find_chips, select_chip

if TYPE_CHECKING:
    from edged.config.schema import GpioConfig

MODEL = Path("/proc/device-tree/model")

Kind = Literal["lgpio", "gpiod", "mock", "none"]


def choose(gpio: GpioConfig) -> Kind:
    """The configured factory; for "auto" the one for this machine's pins.

    lgpio on a Raspberry Pi that has it (its PWM runs outside of Python) unless a chip is named,
    else gpiod. Never mock: simulated pins must be configured.
    """
    if gpio.factory != "auto":
        return gpio.factory
    if not gpio.chip and _is_raspberry_pi() and _installed("lgpio"):
        return "lgpio"
    return "gpiod"


def _is_raspberry_pi() -> bool:
    with suppress(OSError):
        return MODEL.read_text(errors="replace").startswith("Raspberry Pi")
    return False


def _installed(package: str) -> bool:
    return importlib.util.find_spec(package) is not None


def _open_lgpio(gpio: GpioConfig) -> Any:
    if not _installed("lgpio"):
        raise ConfigError(
            '[gpio] factory = "lgpio": the lgpio package is missing; install python3-lgpio '
            'or write factory = "gpiod"'
        )
    from edged.ports.gpio.lgpio_pins import LgpioFactory

    number = None
    if gpio.chip:
        number = int(select_chip(find_chips().found, gpio.chip).names[0].removeprefix("gpiochip"))
    return LgpioFactory(number)


def _open_gpiod(gpio: GpioConfig) -> Any:
    if not device_paths():
        raise PortError(NO_CHIP)
    from edged.ports.gpio.gpiod_pins import GpiodFactory

    return GpiodFactory(gpio.chip)


def _open_mock(_gpio: GpioConfig) -> Any:
    from edged.ports.gpio.mock_pins import MockPins

    return MockPins()


FACTORIES: dict[str, Callable[[GpioConfig], Any]] = {
    "lgpio": _open_lgpio,
    "gpiod": _open_gpiod,
    "mock": _open_mock,
}


@contextmanager
def open_factory(gpio: GpioConfig) -> Iterator[Any]:
    """A ``gpiozero.Factory`` for outputs and inputs alike, closed after use; not for "none".

    PortError while the chip cannot be used, ConfigError if it never can with this configuration.
    """
    kind = choose(gpio)
    from gpiozero import GPIOZeroError

    try:
        factory = FACTORIES[kind](gpio)
    except (GPIOZeroError, OSError) as error:
        raise PortError(
            f'[gpio] factory = "{kind}": {error}; check the chip and that the user is in group gpio'
        ) from error
    try:
        yield factory
    finally:
        factory.close()


@contextmanager
def pin_errors(factory: Any, where: str, pin: int | str) -> Iterator[None]:
    """Convert errors of creating a device on a pin into a line that says what to do.

    `where` is whose pin it is: ``output "lamp"``. PortError if the system or another program
    refuses the pin, or its chip is absent; ConfigError if the pin does not exist, or does not
    support the device.
    """
    from gpiozero import GPIOZeroError

    place = f'{where}: pin "{pin}"'
    _check(factory, place, pin)
    try:
        yield
    except GPIOZeroError as error:
        raise ConfigError(f"{place}: {error}; use another pin") from error
    except OSError as error:
        advice = "check that the chip exists and that this user may use it"
        if error.errno == errno.EBUSY:
            advice = "free it or use another pin"
        raise PortError(f"{place}: {error.strerror or error}; {advice}") from error


def _check(factory: Any, place: str, pin: int | str) -> None:
    board = factory.board_info
    found = {info.name for _, info in board.find_pin(pin) if "gpio" in info.interfaces}
    if len(found) == 1:
        return
    if found:
        ways = " or ".join(sorted(found)[:4])
        raise ConfigError(f"{place}: {len(found)} lines have this name; write {ways}")
    gpios = [
        info
        for header in board.headers.values()
        for info in header.pins.values()
        if "gpio" in info.interfaces
    ]
    names = [name for info in gpios for name in info.names if isinstance(name, str)]
    # The pins may be those of chips, one of which may be missing, or of a fixed header.
    denied: Sequence[str] | None = getattr(board, "denied", None)
    if denied:
        raise PortError(
            f"{place}: no such line on {board.description}, and no permission to look at "
            f"{', '.join(denied)}; add the user to the group that owns it"
        )
    chips = {name.rpartition(":")[0] for name in names} - {""}
    chip = pin.rpartition(":")[0] if isinstance(pin, str) else ""
    if denied is not None and chip and chip not in chips:
        advice = did_you_mean(chip, chips) or f"; there are: {', '.join(sorted(chips))}"
        raise PortError(f'{place}: no GPIO chip "{chip}" at present{advice}')
    advice = did_you_mean(pin, names) if isinstance(pin, str) else ""
    if not advice:
        last = max(
            (name for info in gpios for name in info.names if isinstance(name, int)), default=0
        )
        advice = f"; lines are 0 to {last}, and gpioinfo lists them"
    raise ConfigError(f"{place}: no such line on {board.description}{advice}")
