"""The virtual computer: qemu, started on a disk of its own, obeying commands, cut off at will."""

from __future__ import annotations

import json
import shlex
import socket
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

BOOT_LIMIT_S = 240.0
"""Emulated, and on a machine that has other work."""


CORES = ("cortex-a72", "cortex-a76")
"""Of a Raspberry Pi 4 and 5."""

X86 = (
    *("qemu-system-x86_64", "-M", "q35"),
    # With five levels of page tables this kernel cannot print where things are mounted, and systemd
    # fails at everything. With AVX, numpy dies of SIGSEGV in a daemon that was started again.
    *("-cpu", "max,-svm,-la57,-avx,-avx2"),
)


class Outcome(NamedTuple):
    """What a command said (both its streams) and its exit status."""

    status: int
    output: str


class Machine:
    """One computer with the disk `image`, which stays as it is; changes go to a file of `folder`.

    `image` is a folder with ``vmlinuz``, ``initrd.img`` and ``disk.ext4``. The computer is fully
    emulated: slow, but it needs nothing of the host's processor. `core` is that of an image for
    64-bit Arm, or empty.
    """

    def __init__(self, image: Path, folder: Path, core: str = "") -> None:
        self._image = image
        self._computer = ("qemu-system-aarch64", "-M", "virt", "-cpu", core) if core else X86
        self._console = "ttyAMA0" if core else "ttyS0"
        self._folder = folder
        self._disk = folder / "disk.qcow2"
        self._qemu: subprocess.Popen[bytes] | None = None
        self._port: socket.socket | None = None
        self._received = b""
        subprocess.run(
            [
                *("qemu-img", "create", "-q", "-f", "qcow2", "-F", "raw"),
                *("-b", str((image / "disk.ext4").resolve()), str(self._disk)),
            ],
            check=True,
        )

    def start(self) -> float:
        """Switch on, and wait until commands are obeyed; the seconds that took."""
        began_s = time.monotonic()
        door = self._folder / "port"
        door.unlink(missing_ok=True)
        console = (self._folder / "console.log").open("ab")
        self._qemu = subprocess.Popen(
            [
                *self._computer,
                *("-accel", "tcg,thread=multi", "-smp", "2", "-m", "1024"),
                *("-nodefaults", "-no-reboot", "-display", "none", "-serial", "stdio"),
                *("-nic", "none", "-device", "virtio-serial-pci"),
                *("-kernel", str(self._image / "vmlinuz")),
                *("-initrd", str(self._image / "initrd.img")),
                "-append",
                f"console={self._console} root=/dev/vda rw quiet net.ifnames=0",
                *("-drive", f"file={self._disk},if=virtio,format=qcow2,cache=none"),
                *("-chardev", f"socket,id=board,path={door},server=on,wait=off"),
                *("-device", "virtserialport,chardev=board,name=board"),
            ],
            stdin=subprocess.DEVNULL,
            stdout=console,
            stderr=console,
        )
        console.close()
        while not door.exists():
            if self._qemu.poll() is not None:
                raise RuntimeError(f"qemu ended at once; see {console.name}")
            time.sleep(0.05)
        self._port = socket.socket(socket.AF_UNIX)
        self._port.connect(str(door))
        self._received = b""
        self.run("true", BOOT_LIMIT_S)
        return time.monotonic() - began_s

    def run(self, command: str, limit_s: float = 120.0) -> Outcome:
        """Let root's shell run it."""
        port = self._port
        assert port is not None, "the machine is off"
        port.sendall(json.dumps({"command": command, "limit_s": limit_s}).encode() + b"\n")
        # The other end keeps the limit; this one is for a machine that is stuck.
        port.settimeout(limit_s + 60.0)
        while b"\n" not in self._received:
            received = port.recv(65536)
            if not received:
                raise RuntimeError(f"the machine went off during: {command}")
            self._received += received
        line, _, self._received = self._received.partition(b"\n")
        return Outcome(**json.loads(line))

    def tell(self, command: str, limit_s: float = 120.0) -> str:
        """What a command says that must succeed."""
        status, output = self.run(command, limit_s)
        assert status == 0, f"{command!r} ended with {status}: {output.strip()[-2000:]}"
        return output.strip()

    def wait(
        self, command: str, wanted: Callable[[str], object] = bool, limit_s: float = 120.0
    ) -> str:
        """What the command says once it succeeds and says what is `wanted`."""
        give_up_s = time.monotonic() + limit_s
        while True:
            status, output = self.run(command)
            if status == 0 and wanted(output.strip()):
                return output.strip()
            assert time.monotonic() < give_up_s, (
                f"waited {limit_s:g} s in vain for {command!r}; at last: {output.strip()[-500:]}"
            )
            time.sleep(0.3)

    def write(self, path: str, text: str) -> None:
        """Make a file."""
        self.tell(f"printf %s {shlex.quote(text)} > {shlex.quote(path)}")

    def cut(self) -> None:
        """Take the power away: nothing is flushed, nobody is told."""
        if self._qemu is not None:
            self._qemu.kill()
            self._qemu.wait()
        if self._port is not None:
            self._port.close()
        self._qemu = self._port = None
