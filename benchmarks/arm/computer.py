"""The emulated computer, whose disk `image.mk` makes: one core, started once for all figures."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

from benchmarks.arm import MARK

QEMU = "qemu-system-aarch64"

LIMIT_S = 1800.0
"""It takes a minute or two; on a machine that has other work, longer."""


def cores() -> frozenset[str]:
    """The cores that this qemu knows."""
    asked = subprocess.run(
        (QEMU, "-M", "virt", "-cpu", "help"), check=True, capture_output=True, text=True
    )
    return frozenset(asked.stdout.split())


def version() -> str:
    """qemu's version."""
    asked = subprocess.run((QEMU, "--version"), check=True, capture_output=True, text=True)
    return asked.stdout.partition("version ")[2].split()[0]


def measured(image: Path, core: str) -> dict[str, Any]:
    """What the guest's program says: ``about``, ``features`` of the core, and ``figures``.

    `image` is a folder with ``vmlinuz``, ``initrd.img`` and ``disk.ext4``, which stays as it is.
    RuntimeError where the computer says nothing, or has no compiled kernels.
    """
    log = image / f"{core}.log"
    command = [
        QEMU,
        *("-M", "virt", "-cpu", core, "-smp", "1", "-m", "1500"),
        # One instruction is one nanosecond, and a core that sleeps goes on at its next timer.
        *("-icount", "shift=0,sleep=off"),
        *("-nodefaults", "-no-reboot", "-display", "none", "-nic", "none"),
        *("-serial", f"file:{log}"),
        *("-kernel", str(image / "vmlinuz"), "-initrd", str(image / "initrd.img")),
        "-append",
        "console=ttyAMA0 root=/dev/vda rw quiet loglevel=1 fsck.mode=skip "
        "init=/usr/src/edged/benchmarks/arm/init",
        "-drive",
        f"file={image / 'disk.ext4'},if=none,id=disk,format=raw,snapshot=on",
        *("-device", "virtio-blk-device,drive=disk"),
    ]
    try:
        subprocess.run(command, check=True, timeout=LIMIT_S)
    except (subprocess.CalledProcessError, subprocess.TimeoutExpired) as error:
        raise RuntimeError(f"{core}: {error}; see {log}") from error
    said = answer(log.read_text(errors="replace"))
    if said is None:
        raise RuntimeError(f"{core}: the program said nothing; see {log}")
    if not said["compiled"]:
        raise RuntimeError(f"{core}: edged was installed without its compiled kernels")
    return said


def answer(log: str) -> dict[str, Any] | None:
    """The program's line among what the serial line said; None where it is absent or torn."""
    for line in log.splitlines():
        if line.startswith(MARK):
            try:
                said: dict[str, Any] = json.loads(line[len(MARK) :])
            except ValueError:
                return None
            return said
    return None
