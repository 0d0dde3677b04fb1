"""The GPIO lines: whether they exist, may be used, and are free. None is driven."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from edged.config.schema import Config
from edged.doctor.remedy import parted
from edged.errors import EdgedError
from edged.messages.doctor import Finding
from edged.ports.gpio import factory

CONSUMERS = ("edged", "lg")
"""How edged's own use of a line is named: by libgpiod's pins and by lgpio's."""


def look(config: Config, *, runs: bool, pins_error: str | None = None) -> Iterator[Finding]:
    """`runs` is whether the daemon of this configuration, which then has the lines, answers."""
    if not (config.output or config.input):
        return
    if pins_error:
        yield Finding("pins", "error", *parted(pins_error))
    kind = factory.choose(config.gpio)
    if kind == "none":
        do = "remove [gpio] factory to drive them"
        yield Finding("pins-off", "note", '[gpio] factory = "none": no pin is used', do)
    elif kind == "mock":
        do = "remove [gpio] factory to drive real pins"
        yield Finding("pins-simulated", "warning", "pins are simulated", do)
    elif not pins_error:
        yield from _lines(config, runs=runs)


def _lines(config: Config, *, runs: bool) -> Iterator[Finding]:
    from edged.ports.gpio import chips as gpio_chips
    from edged.ports.gpio.gpiod_pins import GpiodFactory

    try:
        if not gpio_chips.device_paths():
            yield Finding("gpio-chip", "error", *parted(gpio_chips.NO_CHIP))
            return
        opened = GpiodFactory(config.gpio.chip)
    except EdgedError as error:
        yield Finding("gpio-chip", "error", *parted(str(error)))
        return
    good = []
    for role, name, pin in _pins(config):
        whose = f'{role} "{name}"'
        try:
            with factory.pin_errors(opened, whose, pin):
                pass
        except EdgedError as error:
            yield Finding("gpio-line", "error", *parted(str(error)))
            continue
        used_by = _consumer(opened, pin)
        if used_by is None or (runs and used_by in CONSUMERS):
            good.append(name)
        else:
            do = "free it, or use another pin"
            what = f'{whose}: pin "{pin}" is used by {used_by}'
            yield Finding("gpio-line", "error", what, do)
    opened.close()
    if good:
        used = "are edged's" if runs else "are free"
        yield Finding("pins", "ok", f"the lines of {', '.join(good)} {used}")


def _pins(config: Config) -> Sequence[tuple[str, str, int | str]]:
    return [
        *(("output", one.name, one.pin) for one in config.output),
        *(("input", one.name, one.pin) for one in config.input),
    ]


def _consumer(opened: Any, pin: int | str) -> str | None:
    """Who uses a line, by the name that the kernel has been told; None where nobody does."""
    import gpiod

    [info] = [info for _, info in opened.board_info.find_pin(pin)]
    name, _, offset = info.name.rpartition(":")
    [path] = [chip.path for chip in opened.chips if chip.names[0] == name]
    with gpiod.Chip(path) as found:
        line = found.get_line_info(int(offset))
    return (line.consumer or "the kernel") if line.used else None
