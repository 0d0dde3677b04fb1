"""A target that lacks a program says what to install, before anything else happens."""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SHELL = ("sh", "id", "uname")
"""What the check itself uses."""


def told(tmp_path: Path, target: str, **programs: str) -> subprocess.CompletedProcess[str]:
    """What `make` says where only `programs`, name to script, are installed beside a shell."""
    folder = tmp_path / "bin"
    folder.mkdir()
    for name in SHELL:
        (folder / name).symlink_to(f"/usr/bin/{name}")
    for name, script in programs.items():
        (folder / name).unlink(missing_ok=True)
        (folder / name).write_text(f"#!/bin/sh\n{script}\n")
        (folder / name).chmod(0o755)
    # Debian's folders for the administrator are looked through too; no program of ours lies there.
    return subprocess.run(
        (str(ROOT / "tests" / "need"), target),
        capture_output=True,
        text=True,
        env={**os.environ, "PATH": str(folder)},
    )


@pytest.mark.parametrize(
    ("target", "command", "package"),
    [
        ("arm", "arm", "mmdebstrap"),
        ("board-amd64", "board ARCH=amd64", "qemu-system-x86"),
        ("board-arm64", "board ARCH=arm64", "qemu-system-arm"),
        ("bench-arm", "bench-arm", "qemu-system-arm"),
        ("bench", "bench", "mosquitto-clients"),
        ("model", "model", "python3.11-venv"),
    ],
)
def test_what_is_missing_is_said_in_one_line(
    tmp_path: Path, target: str, command: str, package: str
) -> None:
    ran = told(tmp_path, target)
    assert ran.returncode == 1
    (line,) = ran.stderr.splitlines()
    assert line.startswith(f"make {command} needs more: sudo apt install ")
    assert package in line.split()


def test_nothing_is_said_where_all_is_there(tmp_path: Path) -> None:
    ran = told(tmp_path, "bench", mosquitto="", mosquitto_sub="")
    assert (ran.returncode, ran.stderr) == (0, "")


def test_a_processor_for_64_bit_arm_needs_no_emulator_of_one(tmp_path: Path) -> None:
    assert "qemu-user-static" not in told(tmp_path, "arm", uname="echo aarch64").stderr


def test_without_root_no_debian_is_made(tmp_path: Path) -> None:
    names = re.findall(r"^[a-z0-9,-]*\bboard-amd64\b[a-z0-9,-]* ([\w-]+) ", need(), re.M)
    ran = told(tmp_path, "board-amd64", **dict.fromkeys(names, ""), id="echo 1000")
    assert ran.returncode == 1
    assert "as root" in ran.stderr


def test_every_target_that_asks_is_in_the_list() -> None:
    (asked,) = re.findall(r"^NEEDS = (.*)$", (ROOT / "Makefile").read_text(), re.M)
    known = {
        target
        for line in re.findall(r"^([a-z0-9,-]+) \S+ \S+$", need(), re.M)
        for target in line.split(",")
    }
    assert {name.removeprefix("need-") for name in asked.split()} <= known


def need() -> str:
    return (ROOT / "tests" / "need").read_text()
