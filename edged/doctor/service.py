"""The daemon and its systemd unit."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from edged.doctor.remedy import parted
from edged.messages.doctor import Finding

UNIT = "edged.service"
SYSTEMCTL_S = 5.0
RESTARTS = 3
"""More restarts than this since the unit was started are no accident."""

_PROPERTIES = ("LoadState", "UnitFileState", "ActiveState", "WatchdogUSec", "NRestarts")


def daemon(status: Mapping[str, Any] | None, why: str) -> Iterator[Finding]:
    """Whether one runs with this configuration: its `status`, or `why` there is none."""
    if status is None:
        yield Finding("daemon", "note", *parted(why))
        return
    hours = status["uptime_s"] / 3600
    what = f"edged {status['version']} has run for {hours:.1f} h, {status['frames']} frames"
    yield Finding("daemon", "ok", what)
    for problem in status["webhook_problems"]:
        yield Finding("webhook", "error", *parted(problem))


def others(root: Path = Path("/")) -> Iterator[Finding]:
    """Whether several daemons run: two with one camera or one device name disturb each other."""
    running = []
    for file in sorted((root / "proc").glob("[0-9]*/cmdline")):
        try:
            words = [os.fsdecode(word) for word in file.read_bytes().split(b"\0")]
        except OSError:
            continue
        if _is_daemon(words) and int(file.parts[-2]) != os.getpid():
            running.append(f"{' '.join(filter(None, words))} (process {file.parts[-2]})")
    if len(running) > 1:
        what = f"{len(running)} daemons run: {'; '.join(running)}"
        do = "give each its own camera, device name and pins, or stop the others"
        yield Finding("other-daemons", "note", what, do)


def _is_daemon(words: Sequence[str]) -> bool:
    """Whether Python runs `edged run` itself: what starts it has these words as arguments."""
    if not Path(words[0]).name.startswith("python"):
        return False
    rest = _without_options(words[1:], ("-X", "-W"))
    if rest[:1] == ["-m"]:
        del rest[0]
    if not rest or Path(rest[0]).name != "edged":
        return False
    return _without_options(rest[1:], ("--camera",))[:1] == ["run"]


def _without_options(words: Sequence[str], with_value: Sequence[str]) -> list[str]:
    """`words` from the first on that is no option; ``-m`` and ``-c`` count as none."""
    rest = list(words)
    while rest and rest[0].startswith("-") and rest[0] not in ("-m", "-c"):
        del rest[: 2 if rest[0] in with_value else 1]
    return rest


def unit(show: Callable[[Sequence[str]], str] | None = None) -> Iterator[Finding]:
    """What systemd says of the unit; nothing where there is no such unit."""
    if show is None:
        if shutil.which("systemctl") is None:
            return
        show = _systemctl
    lines = (line.partition("=") for line in show(_PROPERTIES).splitlines())
    found = {name: value for name, _, value in lines}
    if found.get("LoadState") != "loaded":
        return
    if found.get("UnitFileState") == "disabled":
        do = f"sudo systemctl enable {UNIT}"
        yield Finding("unit", "warning", f"{UNIT} does not start at boot", do)
    else:
        yield Finding("unit", "ok", f"{UNIT} is {found.get('ActiveState', 'unknown')}")
    if found.get("WatchdogUSec") in ("0", "infinity"):
        do = "set WatchdogSec= in the unit again: systemctl edit edged"
        yield Finding("watchdog", "warning", "the watchdog is off: a hang would not be noticed", do)
    restarts = found.get("NRestarts", "0")
    if restarts.isdigit() and int(restarts) > RESTARTS:
        do = "look for the reason: journalctl -u edged -p warning"
        yield Finding("restarts", "error", f"systemd has restarted it {restarts} times", do)


def _systemctl(properties: Sequence[str]) -> str:
    command = ["systemctl", "show", UNIT, f"--property={','.join(properties)}"]
    try:
        asked = subprocess.run(  # noqa: S603 (a command of our own)
            command, capture_output=True, text=True, timeout=SYSTEMCTL_S, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return asked.stdout
