"""A file system whose power is cut at any moment, and a process that swaps models on it.

A cut is ext4's own (EXT4_IOC_SHUTDOWN without a flush of its journal): from then on nothing reaches
the disk any more, and what was not there is lost. Needs root, a loop device and ext4.
"""

from __future__ import annotations

import ctypes
import fcntl
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

from msgspec.structs import replace

from edged.config.load import load
from edged.models import slots
from edged.models.chosen import Chosen

ROOT = Path(__file__).parent.parent

DISK_BYTES = 24 << 20
MODEL_BYTES = 300_000

_SHUTDOWN = 0x8004587D
_WITHOUT_FLUSH = 2
_FREEZE, _THAW = 0xC0045877, 0xC0045878


class Disk:
    """A file system in a file of `folder`, mounted in another.

    Its blocks are those of an SD card's; ext4 makes smaller ones below 512 MB.
    """

    def __init__(self, folder: Path, block_bytes: int = 4096) -> None:
        self._image = folder / "disk"
        self.place = folder / "mounted"
        self.place.mkdir()
        with self._image.open("wb") as file:
            file.truncate(DISK_BYTES)
        make = ["mkfs.ext4", "-q", "-b", str(block_bytes), str(self._image)]
        subprocess.run(make, check=True)

    def __enter__(self) -> Disk:
        self.mount()
        return self

    def mount(self, options: str = "rw") -> None:
        """As entering does; with ``ro`` nothing can be written."""
        options = f"loop,errors=remount-ro,{options}"
        subprocess.run(["mount", "-o", options, str(self._image), str(self.place)], check=True)

    def __exit__(self, *exception: object) -> None:
        self.unmount()

    def unmount(self) -> None:
        """As leaving does."""
        subprocess.run(["umount", str(self.place)], check=True)
        # A process elsewhere that has copied the mounts keeps the file system alive, and a mount of
        # the same file would be the same file system, without power.
        copy = self._image.with_name("copy")
        shutil.copyfile(self._image, copy)
        copy.replace(self._image)

    def cut(self) -> None:
        """Let the power fail."""
        self._control(_SHUTDOWN, _WITHOUT_FLUSH)

    def freeze(self) -> None:
        """Let every write wait, until `thaw`; whoever waits cannot be killed."""
        self._control(_FREEZE, 0)

    def thaw(self) -> None:
        """Let what waits go on."""
        self._control(_THAW, 0)

    def break_down(self) -> None:
        """Let the kernel find an error, after which it writes nothing until the next mount."""
        (Path("/sys/fs/ext4") / self._device.name / "trigger_fs_error").write_text("1")

    def written_bytes(self) -> int:
        """What has been written to the device since it was mounted, all included."""
        folder = os.open(self.place, os.O_RDONLY)
        try:
            ctypes.CDLL(None).syncfs(folder)
        finally:
            os.close(folder)
        statistics = Path("/sys/block") / self._device.name / "stat"
        # Sectors of 512 bytes, the seventh field (Documentation/block/stat.rst).
        return 512 * int(statistics.read_text().split()[6])

    @property
    def _device(self) -> Path:
        mounts = [line.split() for line in Path("/proc/self/mounts").read_text().splitlines()]
        return next(Path(device) for device, place, *_ in mounts if place == str(self.place))

    def _control(self, request: int, value: int) -> None:
        folder = os.open(self.place, os.O_RDONLY)
        try:
            fcntl.ioctl(folder, request, ctypes.c_uint32(value))
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
        # It complains of a disk that is gone.
        self._process = subprocess.Popen(
            command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
        )

    def cut_after(self, seconds: float, cut: Callable[[], None]) -> int:
        """So long after its first swap `cut` happens; how many swaps it had finished by then."""
        said = self._process.stdout
        assert said is not None
        with said:
            finished = [int(said.readline())]
            time.sleep(seconds)
            cut()
            self._process.kill()
            finished += map(int, said.read().split())
        self._process.wait()
        return finished[-1]

    def kill(self) -> None:
        """As the kernel does it."""
        self._process.kill()


def check_whole(place: Path, finished: int) -> None:
    """The current model is whole, and that of the last finished swap, or of the one after it.

    AssertionError where it is not, or where a slot is reported as damaged.
    """
    chosen = Chosen(place)
    config = chosen.applied(load(None))
    assert chosen.problem is None, chosen.problem
    found = Path(config.model.path)
    assert found.stem in (name_of(finished), name_of(finished + 1)), f"{found.stem} is in use"
    assert found.read_bytes() == content_of(found.stem), f"{found} is damaged"
    assert Path(config.model.labels).read_text() == "cat\n"
    if (good := chosen.choice.good) is not None:
        slots.read(place, good)


def name_of(number: int) -> str:
    """The name of the model of a swap."""
    return f"model{number % 7}"


def content_of(name: str) -> bytes:
    """Of the model of this name."""
    return name.encode().ljust(20) * (MODEL_BYTES // 20)


def main() -> None:
    place = Path(sys.argv[1])
    sources = place.parent / "sources"
    sources.mkdir(exist_ok=True)
    config = load(None)
    chosen = Chosen(place)
    chosen.begin(config)
    number = 0
    while True:
        number += 1
        path = sources / f"{name_of(number)}.tflite"
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
