"""A file system whose power is cut at any moment, and a process that swaps models on it.

A cut is ext4's own (EXT4_IOC_SHUTDOWN without a flush of its journal): from then on nothing reaches
the disk any more, and what was not there is lost. Needs root, a loop device and ext4.
"""

from __future__ import annotations

import ctypes
import fcntl
import os
import subprocess
import sys
import time
from pathlib import Path

from edged.config.load import load
from edged.models import slots
from edged.models.chosen import Chosen

ROOT = Path(__file__).parent.parent

DISK_BYTES = 24 << 20
MODEL_BYTES = 300_000

_SHUTDOWN = 0x8004587D
_WITHOUT_FLUSH = 2


class Disk:
    """A file system in a file of `folder`, mounted in another."""

    def __init__(self, folder: Path) -> None:
        self._image = folder / "disk"
        self.place = folder / "mounted"
        self.place.mkdir()
        with self._image.open("wb") as file:
            file.truncate(DISK_BYTES)
        subprocess.run(["mkfs.ext4", "-q", str(self._image)], check=True)

    def __enter__(self) -> Disk:
        subprocess.run(["mount", "-o", "loop", str(self._image), str(self.place)], check=True)
        return self

    def __exit__(self, *exception: object) -> None:
        subprocess.run(["umount", str(self.place)], check=True)

    def cut(self) -> None:
        """Let the power fail."""
        flags = ctypes.c_uint32(_WITHOUT_FLUSH)
        folder = os.open(self.place, os.O_RDONLY)
        try:
            fcntl.ioctl(folder, _SHUTDOWN, flags)
        finally:
            os.close(folder)


def available(folder: Path) -> bool:
    """Whether there can be such a disk here."""
    if os.geteuid() != 0 or not Path("/dev/loop-control").exists():
        return False
    folder.mkdir()
    try:
        with Disk(folder):
            pass
    except (OSError, subprocess.CalledProcessError):
        return False
    return True


class Swapping:
    """A process that chooses one model after the other, until it is killed."""

    def __init__(self, place: Path) -> None:
        command = [sys.executable, "-m", "tests.power", str(place)]
        self._process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE)
        assert self._process.stdout is not None
        self._said = self._process.stdout

    def run_for(self, seconds: float) -> int:
        """From its first swap on; how many it had finished by then, by what it said."""
        count = int(self._said.readline())
        time.sleep(seconds)
        self._process.kill()
        rest = self._said.read().split()
        self._process.wait()
        return int(rest[-1]) if rest else count


def whole(place: Path) -> str | None:
    """The name of the current model, by a start of edged on this disk; None: the configuration's.

    AssertionError where it is not whole, or a slot is reported as damaged.
    """
    # A start that is none of the model's business: deaths are not counted here.
    chosen = Chosen(place)
    assert chosen.problem is None, chosen.problem
    config = chosen.applied(load(None))
    assert chosen.problem is None, chosen.problem
    current = chosen.choice.current
    if current is None:
        return None
    slot = slots.read(place, current)
    content = Path(config.model.path).read_bytes()
    assert content == content_of(slot.name), f"{slot.name} is another model"
    return slot.name


def content_of(name: str) -> bytes:
    """Of the model of this name."""
    return name.encode().ljust(20) * (MODEL_BYTES // 20)


def main() -> None:
    from msgspec.structs import replace

    place = Path(sys.argv[1])
    sources = place.parent / "sources"
    sources.mkdir(exist_ok=True)
    config = load(None)
    chosen = Chosen(place)
    chosen.begin(config)
    number = 0
    while True:
        number += 1
        path = sources / f"model{number % 7}.tflite"
        path.write_bytes(content_of(path.stem))
        labels = path.with_suffix(".txt")
        labels.write_text("cat\n")
        slot = chosen.stage(replace(config.model, path=str(path)), labels, {})
        chosen.switch_to(slot)
        chosen.unstage(slot)
        if number % 3 == 0:
            chosen.prove()
        print(number, flush=True)


if __name__ == "__main__":
    main()
