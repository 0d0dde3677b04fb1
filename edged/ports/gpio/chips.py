"""The GPIO chips of this machine and their lines, as the kernel names them."""

from __future__ import annotations

import errno
from collections.abc import Sequence
from pathlib import Path

import msgspec

from edged.errors import ConfigError

DEVICES = Path("/dev")

HEADER_LABELS = ("pinctrl-bcm2", "pinctrl-rp1")
"""How the labels of the chips begin whose line N is GPIO N of the Raspberry Pi's header."""


class Chip(msgspec.Struct, frozen=True):
    """One gpiochip. ``names`` are those of its device files: a symbolic link adds a name."""

    path: str
    names: tuple[str, ...]
    label: str
    lines: tuple[str, ...]
    """The name of each line, by offset; empty where the line has none."""

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


def find_chips() -> list[Chip]:
    """All chips that may be opened. ConfigError if there are some, but none may be."""
    import gpiod

    found: dict[Path, Chip] = {}
    denied: Path | None = None
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
            # A chip on a bus may go between the listing and the opening; the others count.
            if error.errno in (errno.EACCES, errno.EPERM):
                denied = path
            continue
        found[real] = Chip(str(path), (path.name,), info.label, lines)
    if denied and not found:
        raise ConfigError(
            f"{denied}: no permission to use the pins; add the user to the group that owns it "
            "(group gpio on most boards) and log in again"
        )
    return list(found.values())


def select_chip(chips: Sequence[Chip], wanted: str) -> Chip:
    """The chip of this path, name, number or label. ConfigError if it is not exactly one."""
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
    raise ConfigError(f'[gpio] chip = "{wanted}": no such GPIO chip; there are: {there}')
