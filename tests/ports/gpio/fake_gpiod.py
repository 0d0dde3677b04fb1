"""GPIO chips without a kernel: what libgpiod's C extension does, over lines in memory.

Only ``gpiod._ext`` is replaced, so the Python of the real ``gpiod`` package runs: its chips,
requests, settings and errors are the real ones.
"""

from __future__ import annotations

import errno
import os
import time
from dataclasses import dataclass, field
from pathlib import Path

import gpiod
import pytest
from gpiod import _ext

from edged.ports.gpio import chips


@dataclass
class FakeLine:
    """One line. ``level`` is what a meter would show; ``levels`` every level it had in use."""

    name: str = ""
    level: int = 0
    direction: int = _ext.DIRECTION_INPUT
    consumer: str = ""
    used: bool = False
    edge: int = _ext.EDGE_NONE
    bias: int = _ext.BIAS_UNKNOWN
    debounce_us: int = 0
    levels: list[int] = field(default_factory=list)
    request: FakeRequest | None = None
    refuses: int = 0
    """The errno that setting its level fails with; True is EIO."""

    def put(self, level: int) -> None:
        """A meter sees the line change, and so does an edge detector."""
        if level == self.level:
            return
        self.level = level
        self.levels.append(level)
        wanted = {
            1: (_ext.EDGE_RISING, _ext.EDGE_BOTH),
            0: (_ext.EDGE_FALLING, _ext.EDGE_BOTH),
        }
        if self.request is not None and self.edge in wanted[level]:
            self.request.push(level)


@dataclass
class FakeChip:
    """One chip; ``keeps_released`` is whether its driver leaves a released output as it is."""

    label: str
    lines: list[FakeLine]
    keeps_released: bool = True

    def __getitem__(self, name: str | int) -> FakeLine:
        if isinstance(name, int):
            return self.lines[name]
        return next(line for line in self.lines if line.name == name)


class _Settings:
    def __init__(self, **settings: int) -> None:
        self.__dict__.update(settings)


class _Config:
    def __init__(self) -> None:
        self.settings: dict[int, _Settings] = {}

    def add_line_settings(self, offsets: list[int], settings: _Settings) -> None:
        self.settings.update(dict.fromkeys(offsets, settings))

    def set_output_values(self, values: list[gpiod.line.Value]) -> None:
        raise NotImplementedError


class FakeRequest:
    """What the kernel holds for one request: lines, and a descriptor that edges make readable."""

    def __init__(self, name: str, chip: FakeChip, config: _Config, consumer: str | None) -> None:
        self._chip = chip
        self.chip_name = name
        self.offsets = list(config.settings)
        for offset in self.offsets:
            if chip.lines[offset].used:
                raise OSError(errno.EBUSY, "Device or resource busy")
        self._events: list[gpiod.EdgeEvent] = []
        self.fd = os.eventfd(0, os.EFD_SEMAPHORE)
        for offset in self.offsets:
            line = chip.lines[offset]
            line.used, line.consumer, line.request = True, consumer or "?", self
        self.reconfigure_lines(config)

    @property
    def num_lines(self) -> int:
        return len(self.offsets)

    def reconfigure_lines(self, config: _Config) -> None:
        for offset, settings in config.settings.items():
            line = self._chip.lines[offset]
            if settings.direction == _ext.DIRECTION_AS_IS:
                continue
            if settings.direction == _ext.DIRECTION_OUTPUT and settings.edge_detection != (
                _ext.EDGE_NONE
            ):
                raise OSError(errno.EINVAL, "Invalid argument")
            line.direction = settings.direction
            line.edge = settings.edge_detection
            line.bias = settings.bias
            line.debounce_us = settings.debounce_period
            if line.direction == _ext.DIRECTION_OUTPUT:
                line.put(int(settings.output_value == _ext.VALUE_ACTIVE))
            elif line.bias in (_ext.BIAS_PULL_UP, _ext.BIAS_PULL_DOWN):
                line.put(int(line.bias == _ext.BIAS_PULL_UP))

    def release(self) -> None:
        os.close(self.fd)
        for offset in self.offsets:
            line = self._chip.lines[offset]
            line.used, line.consumer, line.request = False, "", None
            line.edge = _ext.EDGE_NONE
            if not self._chip.keeps_released:
                line.put(int(line.bias == _ext.BIAS_PULL_UP))

    def get_values(self, offsets: list[int], values: list[gpiod.line.Value]) -> None:
        values[:] = [gpiod.line.Value(self._chip.lines[offset].level) for offset in offsets]

    def set_values(self, values: dict[int, gpiod.line.Value]) -> None:
        for offset, value in values.items():
            line = self._chip.lines[offset]
            if line.refuses:
                number = errno.EIO if line.refuses is True else line.refuses
                raise OSError(number, os.strerror(number))
            if line.direction != _ext.DIRECTION_OUTPUT:
                raise OSError(errno.EPERM, "Operation not permitted")
            line.put(int(bool(value)))

    def push(self, level: int) -> None:
        kind = _ext.EDGE_EVENT_TYPE_RISING if level else _ext.EDGE_EVENT_TYPE_FALLING
        self._events.append(gpiod.EdgeEvent(kind, time.monotonic_ns(), self.offsets[0], 1, 1))
        os.eventfd_write(self.fd, 1)

    def lose(self) -> None:
        """The chip is pulled out."""
        os.eventfd_write(self.fd, 1)

    def read_edge_events(self, max_events: int | None) -> list[gpiod.EdgeEvent]:
        os.eventfd_read(self.fd)
        if not self._events:
            raise OSError(errno.ENODEV, "No such device")
        return [self._events.pop(0)]


class _ExtChip:
    """``gpiod._ext.Chip`` over the fakes of a directory."""

    known: dict[Path, FakeChip | OSError]

    def __init__(self, path: str) -> None:
        chip = self.known.get(Path(path).resolve())
        if chip is None:
            raise FileNotFoundError(errno.ENOENT, "No such file or directory")
        if isinstance(chip, OSError):
            raise chip
        self.path = path
        self.fd = -1
        self._chip = chip

    def close(self) -> None: ...

    def get_info(self) -> gpiod.ChipInfo:
        name = Path(self.path).resolve().name
        return gpiod.ChipInfo(name, self._chip.label, len(self._chip.lines))

    def line_offset_from_id(self, name: str) -> int:
        for offset, line in enumerate(self._chip.lines):
            if line.name == name:
                return offset
        raise FileNotFoundError(errno.ENOENT, "No such file or directory")

    def get_line_name(self, offset: int) -> str | None:
        return self._chip.lines[offset].name or None

    def get_line_info(self, offset: int, watch: bool) -> gpiod.LineInfo:
        line = self._chip.lines[offset]
        return gpiod.LineInfo(
            offset,
            line.name or None,
            line.used,
            line.consumer or None,
            line.direction,
            False,
            line.bias,
            _ext.DRIVE_PUSH_PULL,
            line.edge,
            _ext.CLOCK_MONOTONIC,
            line.debounce_us > 0,
            line.debounce_us,
        )

    def request_lines(
        self, config: _Config, consumer: str | None, event_buffer_size: int | None
    ) -> FakeRequest:
        return FakeRequest(self.get_info().name, self._chip, config, consumer)


def install(
    monkeypatch: pytest.MonkeyPatch, devices: Path, **fakes: FakeChip | OSError
) -> dict[str, FakeChip]:
    """Make /dev/gpiochip* be `fakes`, by name; an OSError is what opening that chip raises."""
    known = {}
    for name, chip in fakes.items():
        (devices / name).touch()
        known[(devices / name).resolve()] = chip
    monkeypatch.setattr(_ExtChip, "known", known, raising=False)
    monkeypatch.setattr(_ext, "Chip", _ExtChip)
    monkeypatch.setattr(_ext, "LineConfig", _Config)
    monkeypatch.setattr(_ext, "LineSettings", _Settings)
    monkeypatch.setattr(chips, "DEVICES", devices)
    return {name: chip for name, chip in fakes.items() if isinstance(chip, FakeChip)}
