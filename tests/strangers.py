"""Code that a user runs who has no home, no name and no groups."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

UID = 12345


def close(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Make `folder` one that this user may not look into, also for root."""
    scandir = os.scandir

    def refusing(path: Path) -> Any:
        if path == folder:
            raise PermissionError(13, "Permission denied")
        return scandir(path)

    monkeypatch.setattr(os, "scandir", refusing)


@pytest.fixture
def commons() -> Iterator[Path]:
    """A folder that every user may look into, other than those of pytest."""
    if os.geteuid() != 0:
        pytest.skip("only root can become another user")
    folder = Path(tempfile.mkdtemp(prefix="edged-"))
    folder.chmod(0o755)
    yield folder
    shutil.rmtree(folder)


def as_stranger(before: str, code: str, *arguments: str) -> tuple[int, str]:
    """Exit status of `code` and what it says, both streams, by a user that has nothing.

    `before` is run as root and must import all that `code` needs: the interpreter itself may lie
    where a stranger has no way to. `arguments` are in ``sys.argv``.
    """
    drop = f"os.setgroups([]); os.setgid({UID}); os.setuid({UID})"
    names = (
        "RUNTIME_DIRECTORY",
        "XDG_RUNTIME_DIR",
        "XDG_STATE_HOME",
        "XDG_DATA_HOME",
        "STATE_DIRECTORY",
        "HOME",
    )
    environment = {name: value for name, value in os.environ.items() if name not in names}
    done = subprocess.run(
        [sys.executable, "-c", f"import os, sys\n{before}\n{drop}\n{code}", *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        env=environment,
        text=True,
        timeout=60,
        check=False,
    )
    return done.returncode, done.stdout
