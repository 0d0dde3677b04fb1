"""A board whose files under /sys and /proc say what is wrong with it."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path

import pytest

from edged import clock
from edged.doctor import board
from edged.messages.doctor import Finding

THROTTLED = "sys/devices/platform/soc/soc:firmware/get_throttled"


def put(root: Path, name: str, text: str) -> Path:
    path = root / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return root


def kinds(findings: Iterable[Finding]) -> list[tuple[str, str]]:
    return [(found.id, found.level) for found in findings]


@pytest.mark.parametrize(
    ("state", "found"),
    [
        ("0", [("power", "ok")]),
        ("1", [("undervoltage", "error")]),
        ("10000", [("undervoltage", "warning")]),
        ("10001", [("undervoltage", "error")]),
        ("4", [("throttled", "error")]),
        ("80000", [("throttled", "warning")]),
        ("50005", [("undervoltage", "error"), ("throttled", "error")]),
    ],
)
def test_what_the_firmware_says_of_the_power(
    tmp_path: Path, state: str, found: list[tuple[str, str]]
) -> None:
    root = put(tmp_path, THROTTLED, f"{state}\n")
    findings = [*board.power(root)]
    assert kinds(findings) == found
    assert all(one.advice for one in findings if one.level != "ok")


def test_a_board_without_that_firmware_says_nothing_of_its_power(tmp_path: Path) -> None:
    assert [*board.power(tmp_path)] == []
    assert [*board.power(put(tmp_path, THROTTLED, "?"))] == []


@pytest.mark.parametrize(
    ("degrees_c", "level"), [(45.0, "ok"), (69.9, "ok"), (70.0, "warning"), (80.0, "error")]
)
def test_heat_is_judged_by_what_the_board_bears(degrees_c: float, level: str) -> None:
    assert kinds(board.temperature(degrees_c)) == [("temperature", level)]


def test_a_board_without_a_sensor_has_no_temperature() -> None:
    assert [*board.temperature(None)] == []


@pytest.mark.parametrize(
    ("free_kb", "level"), [(900_000, "ok"), (149_000, "warning"), (59_000, "error")]
)
def test_little_memory_is_told(tmp_path: Path, free_kb: int, level: str) -> None:
    root = put(tmp_path, "proc/meminfo", f"MemTotal: 1 kB\nMemAvailable:   {free_kb} kB\n")
    assert kinds(board.memory(root)) == [("memory", level)]


@pytest.mark.parametrize(
    ("life", "level"), [("0x01 0x02", "ok"), ("0x01 0x09", "warning"), ("0x0b 0x01", "error")]
)
def test_a_worn_card_is_told(tmp_path: Path, life: str, level: str) -> None:
    root = put(tmp_path, "sys/block/mmcblk0/device/life_time", f"{life}\n")
    [found] = board.wear(root)
    assert (found.id, found.level) == ("card-wear", level)
    assert "mmcblk0" in found.what


def test_an_sd_card_which_tells_nothing_is_not_judged(tmp_path: Path) -> None:
    assert [*board.wear(put(tmp_path, "sys/block/mmcblk0/device/life_time", "?"))] == []


def test_the_state_directory_is_looked_at_where_it_will_be(tmp_path: Path) -> None:
    found = kinds(board.disk(tmp_path / "not" / "there"))
    assert [name for name, _ in found] == ["state-directory", "disk-space"]
    assert found[0] == ("state-directory", "ok")


def test_a_state_directory_of_somebody_else_is_an_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "access", lambda _path, mode: not mode & os.W_OK)
    [found, *_] = board.disk(tmp_path)
    assert (found.id, found.level) == ("state-directory", "error")
    assert str(tmp_path) in found.advice


class _Disk:
    f_flag, f_frsize = 0, 1000

    def __init__(self, free_mb: float, flag: int = 0) -> None:
        self.f_bavail = int(free_mb * 1000)
        self.f_flag = flag


@pytest.mark.parametrize(("free_mb", "level"), [(501, "ok"), (499, "warning"), (49, "error")])
def test_a_full_disk_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, free_mb: float, level: str
) -> None:
    monkeypatch.setattr(os, "statvfs", lambda _path: _Disk(free_mb))
    assert kinds(board.disk(tmp_path))[-1] == ("disk-space", level)


def test_a_read_only_disk_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "statvfs", lambda _path: _Disk(1000, os.ST_RDONLY))
    [found] = board.disk(tmp_path)
    assert found.level == "error"
    assert "read-only" in found.what


@pytest.mark.parametrize(
    ("trust", "level"),
    [(clock.UNSET, "error"), (clock.SET, "warning"), (clock.SYNCHRONIZED, "ok")],
)
def test_a_clock_is_judged_by_who_has_set_it(
    monkeypatch: pytest.MonkeyPatch, trust: int, level: str
) -> None:
    monkeypatch.setattr(clock, "trust", lambda _now: trust)
    [found] = board.wall_clock(lambda: 0.0)
    assert (found.id, found.level) == ("clock", level)
    assert "1970-01-01 00:00:00 UTC" in found.what
