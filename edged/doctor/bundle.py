"""A report to attach to a bug: one archive, without secrets and without pictures."""

from __future__ import annotations

import io
import json
import os
import subprocess
import tarfile
import time
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from edged.config.effective import effective
from edged.config.schema import Config
from edged.files import write_atomically
from edged.messages.doctor import DoctorMessage
from edged.printable import printable
from edged.redact import redacted

LOG_LINES = 1000
LOG_S = 10.0


def write(
    path: Path, found: DoctorMessage, config: Config, status: Mapping[str, Any] | None
) -> None:
    """Make `path` a gzipped tar archive that only this user can read. OSError."""
    parts = {
        "doctor.json": found.json().decode(),
        "configuration.toml": effective(config),
        "status.json": json.dumps(status, indent=2, ensure_ascii=False),
        "log.txt": _log(),
    }
    archive = io.BytesIO()
    with tarfile.open(fileobj=archive, mode="w:gz") as tar:
        for name, text in parts.items():
            clean = "\n".join(redacted(line) for line in text.splitlines()) + "\n"
            entry = tarfile.TarInfo(f"edged-doctor/{name}")
            data = clean.encode()
            entry.size, entry.mtime = len(data), int(time.time())
            tar.addfile(entry, io.BytesIO(data))
    write_atomically(path, archive.getvalue(), 0o600)


def _log() -> str:
    """The end of the service's log, as far as this user may read it."""
    command = ["journalctl", "-u", "edged*", "-n", str(LOG_LINES), "-o", "short-iso", "--no-pager"]
    with suppress(OSError, subprocess.TimeoutExpired):
        asked = subprocess.run(  # noqa: S603 (a command of our own)
            command,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=LOG_S,
            check=False,
            env={**os.environ, "LC_ALL": "C.UTF-8"},
        )
        return "\n".join(printable(line) for line in asked.stdout.splitlines())
    return ""
