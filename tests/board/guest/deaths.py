"""Kills a process with a guard of its pins in six ways, and times the lamp at the kernel's chip.

Run by the Python of an installed edged: ``deaths.py SECONDS SYSFS_VALUE``. The process is the pins'
part of the daemon, so that a death takes seconds to prepare and not half a minute. Prints one JSON
object: for each way the milliseconds until the lamp was off, after the signal, the end or the last
beat; and for what ends it also those after the end.
"""

from __future__ import annotations

import ctypes
import json
import os
import resource
import signal
import sys
import time
from pathlib import Path

from edged.config.schema import GpioConfig, OutputConfig
from edged.guard.process import GuardProcess
from edged.mailbox import Mailbox
from edged.ports.gpio.port import GpioPort

DEADMAN_S = 1.0
LIMIT_S = 60.0
CGROUP = Path("/sys/fs/cgroup/deaths")
MEMORY_BYTES = 96 << 20

ENDS = {"SIGKILL": signal.SIGKILL, "SIGSEGV": signal.SIGSEGV, "SIGABRT": signal.SIGABRT}
STALLS = {"SIGSTOP": signal.SIGSTOP, "hang in the loop": signal.SIGUSR1}
OOM, IMPORT = "out of memory", "import error"
WAYS = (*ENDS, OOM, *STALLS, IMPORT)
TIMED_FROM_THE_END = (*ENDS, IMPORT)


def victim(ready: int, way: str) -> None:
    """The process that dies."""
    # As the unit has it: a core dump delays the end.
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    if way == OOM:
        CGROUP.mkdir(exist_ok=True)
        (CGROUP / "memory.max").write_text(str(MEMORY_BYTES))
        (CGROUP / "memory.swap.max").write_text("0")
        (CGROUP / "cgroup.procs").write_text(str(os.getpid()))
    signal.signal(signal.SIGUSR1, lambda *_: ctypes.PyDLL(None).sleep(3600))
    lamp = OutputConfig(name="lamp", pin="edged-sim:LAMP", action="manual", initial=1.0)
    gpio = GpioConfig(factory="gpiod", deadman_s=DEADMAN_S)
    port = GpioPort(gpio, [lamp], [], Mailbox(), GuardProcess)
    port.__enter__()
    port.begin(lambda _: None)
    port.beat()
    os.write(ready, b"!")
    if way == IMPORT:
        os._exit(1)
    while True:
        port.beat()
        time.sleep(0.02)
        if way == OOM and time.monotonic() > victim.born_s + 0.5:
            hoard = []
            while True:
                hoard.append(bytes(1 << 16) * 16)
                port.beat()


def dies(way: str, value: int) -> tuple[float, float]:
    """Milliseconds until the lamp is off; and after the end, which the kernel tells last of all."""
    heard, ready = os.pipe()
    victim.born_s = time.monotonic()
    pid = os.fork()
    if pid == 0:
        victim(ready, way)
    os.close(ready)
    assert os.read(heard, 1), f"{way}: the process has ended early"
    os.close(heard)
    children = Path(f"/proc/{pid}/task/{pid}/children")
    guards = children.read_text().split() if children.exists() else []
    assert way == IMPORT or os.pread(value, 1, 0) == b"1", f"{way}: the lamp is not on"
    if way in ENDS or way in STALLS:
        time.sleep(0.3 + os.urandom(1)[0] / 512)
        began_s = time.monotonic()
        os.kill(pid, (ENDS | STALLS)[way])
    elif way == OOM:
        os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT)
        began_s = time.monotonic()
    else:
        began_s = time.monotonic()
    off_s = None
    ended_s = None if way in TIMED_FROM_THE_END else began_s
    while off_s is None or ended_s is None:
        assert time.monotonic() < began_s + LIMIT_S, f"{way}: the lamp stays on"
        if off_s is None and os.pread(value, 1, 0) == b"0":
            off_s = time.monotonic()
        if ended_s is None and os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT | os.WNOHANG):
            ended_s = time.monotonic()
    if way in STALLS:
        os.kill(pid, signal.SIGKILL)
    ended = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    assert way != OOM or ended == -signal.SIGKILL, f"{way}: it ended with {ended}"
    while any(Path(f"/proc/{guard}").exists() for guard in guards):
        time.sleep(0.01)
    return round((off_s - began_s) * 1e3, 3), round(max(0.0, off_s - ended_s) * 1e3, 3)


def main() -> None:
    give_up_s = time.monotonic() + float(sys.argv[1])
    value = os.open(sys.argv[2], os.O_RDONLY)
    took: dict[str, list[float]] = {way: [] for way in WAYS}
    after_end: dict[str, list[float]] = {way: [] for way in TIMED_FROM_THE_END}
    while time.monotonic() < give_up_s:
        for way in WAYS:
            took_ms, after_end_ms = dies(way, value)
            took[way].append(took_ms)
            if way in TIMED_FROM_THE_END:
                after_end[way].append(after_end_ms)
    print(json.dumps({"deadman_ms": DEADMAN_S * 1e3, "took_ms": took, "after_end_ms": after_end}))


main()
