"""A bar where somebody sees it, and the same pictures everywhere."""

from __future__ import annotations

import os
import pty
import subprocess
import sys
from pathlib import Path

import pytest

from edged.cli import progress

FEW, MANY = range(progress.WORTH_A_BAR - 1), range(progress.WORTH_A_BAR)


def test_without_a_terminal_there_is_no_bar(capfd: pytest.CaptureFixture[str]) -> None:
    assert list(progress.followed(MANY, "count")) == list(MANY)
    assert capfd.readouterr().err == ""


@pytest.mark.parametrize(("pictures", "seen"), [(FEW, False), (MANY, True)])
def test_a_terminal_shows_how_far_many_pictures_are(pictures: range, seen: bool) -> None:
    pytest.importorskip("rich")
    code = (
        "from edged.cli.progress import followed\n"
        f"assert list(followed({pictures}, 'count')) == list({pictures})"
    )
    ours, theirs = pty.openpty()
    with os.fdopen(ours, "rb") as terminal:
        subprocess.run(
            [sys.executable, "-c", code],
            stderr=theirs,
            check=True,
            timeout=60,
            cwd=Path(__file__).parents[2],
            env={**os.environ, "TERM": "xterm"},
        )
        os.write(theirs, b"\n")
        os.close(theirs)
        said = os.read(terminal.fileno(), 65536)

    assert (b"count" in said) is seen
