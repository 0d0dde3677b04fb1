"""The GPIO chips of this machine and their lines, as the kernel names them."""

from __future__ import annotations

import errno
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from edged.errors import ConfigError, PortError

DEVICES = Path("/dev")

NO_CHIP = (
    "this machine has no GPIO chip (/dev/gpiochip*) at present: outputs are off, inputs are not "
    'watched; load its driver, or simulate pins with [gpio] factory = "mock"'
)

HEADER_LABELS = ("pinctrl-bcm2", "pinctrl-rp1")
"""The label prefixes of the chips whose line N is GPIO N of the Raspberry Pi's header."""


class Chip(NamedTuple):
    """One gpiochip. ``names`` are those of its device files: a symbolic link adds a name."""

    path: str
    names: tuple[str, ...]
    label: str
    lines: tuple[str, ...]
    """The name of each line, by offset; empty if the line has none."""

    def __str__(self) -> str:
        return f"{self.names[0]} ({self.label})"

    @property
    def is_header(self) -> bool:
        """True if its line numbers are the GPIO numbers of a Raspberry Pi's header."""
        return self.label.startswith(HEADER_LABELS)


def device_paths() -> list[Path]:
    """The device files of GPIO chips, by number; symbolic links to another come last."""
    paths = [p for p in DEVICES.glob("gpiochip*") if p.name.removeprefix("gpiochip").isdigit()]
    return sorted(paths, key=lambda p: (p.is_symlink(), int(p.name.removeprefix("gpiochip"))))


class Chips(NamedTuple):
    """The accessible chips, and the device files of those without permission."""

    found: Sequence[Chip]
    denied: Sequence[str] = ()


def find_chips() -> Chips:
    """All chips. PortError if none can be opened."""
    import gpiod

    found: dict[Path, Chip] = {}
    denied: list[str] = []
    for path in device_paths():
        real = path.resolve()
        if known := found.get(real):
            found[real] = Chip(known.path, (*known.names, path.name), known.label, known.lines)
            continue
        try:
            with gpiod.Chip(str(path)) as chip:
                info = chip.get_info()
                lines = tuple(chip.get_line_info(n).name or "" for n in range(info.num_lines))
        except OSError as error:
            # A chip on a bus may disappear between listing and opening; the others count.
            if error.errno in (errno.EACCES, errno.EPERM):
                denied.append(str(path))
            continue
        found[real] = Chip(str(path), (path.name,), info.label, lines)
    if denied and not found:
        raise PortError(
            f"{denied[-1]}: no permission to use the pins; add the user to the group that owns it "
            "(group gpio on most boards) and start edged again"
        )
    if not found:
        raise PortError(NO_CHIP)
    return Chips(list(found.values()), denied)


def select_chip(chips: Sequence[Chip], wanted: str) -> Chip:
    """The chip of this path, name, number or label.

    PortError if there is none, as it may appear later; ConfigError if several match.
    """
    name = Path(wanted).name if wanted.startswith("/") else wanted
    name = f"gpiochip{name}" if name.isdigit() else name
    matches = [chip for chip in chips if name in chip.names] or [
        chip for chip in chips if wanted == chip.label
    ]
    if len(matches) == 1:
        return matches[0]
    there = ", ".join(map(str, matches or chips)) or "none"
    if matches:
        raise ConfigError(
            f'[gpio] chip = "{wanted}": several chips have this label ({there}); '
            "write a name such as gpiochip0"
        )
    raise PortError(f'[gpio] chip = "{wanted}": no such GPIO chip at present; there are: {there}')
