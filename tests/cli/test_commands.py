"""The smaller commands."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from edged import __version__
from edged.cli import main
from edged.cli.parser import make_parser

DOCUMENT = Path(__file__).parent.parent.parent / "docs" / "cli.md"


def test_version_names_edged_and_its_parts(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["version", "--json"]) == 0
    facts = json.loads(capsys.readouterr().out)
    assert facts["edged"] == __version__
    assert {"python", "numpy", "paho-mqtt"} <= set(facts)


def test_help_explains_the_exit_statuses(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["--help"])
    shown = capsys.readouterr().out
    documented = re.findall(r"^\| (\d+) \| (.+?) \|$", DOCUMENT.read_text(), re.M)
    assert len(documented) == 7
    for status, meaning in documented:
        line = next(line for line in shown.splitlines() if line.split()[:1] == [status])
        assert meaning.split(";")[0].split(",")[0] in line


def test_every_command_is_documented() -> None:
    text = DOCUMENT.read_text()
    (commands,) = (action for action in make_parser()._actions if action.choices)
    assert commands.choices
    for command in commands.choices:
        assert f"`edged {command}" in text


def test_completion_knows_every_command(capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("shtab", reason="the completion extra is not installed")
    assert main(["completion", "bash"]) == 0
    script = capsys.readouterr().out
    assert "safe-outputs" in script
    assert "--match" in script


@pytest.mark.parametrize("argument", ["version", "--help"])
def test_a_reader_that_leaves_a_pipe_is_no_error(argument: str) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    left = subprocess.run(
        [sys.executable, "-m", "edged", argument],
        stdout=writer,
        stderr=subprocess.PIPE,
        # Unbuffered, nothing would be left for the interpreter to write at exit.
        env={**os.environ, "PYTHONUNBUFFERED": ""},
        timeout=60,
        check=False,
    )
    os.close(writer)
    assert (left.returncode, left.stderr) == (0, b"")


def test_without_a_standard_output_a_command_ends_as_ever() -> None:
    left = subprocess.run(
        ["sh", "-c", 'exec "$0" -m edged version >&-', sys.executable],
        stderr=subprocess.PIPE,
        timeout=60,
        check=False,
    )
    assert (left.returncode, left.stderr) == (0, b"")


def test_an_error_is_logged_with_its_way_through_the_code_when_no_file_can_be_opened() -> None:
    code = (
        "import resource\n"
        "from edged.cli import main\n"
        "main(['run', '--set', 'camera.fps=0'])\n"
        "import logging\n"
        "resource.setrlimit(resource.RLIMIT_NOFILE, (3, 3))\n"
        "try:\n"
        "    1 / 0\n"
        "except ZeroDivisionError:\n"
        "    logging.exception('here')"
    )
    said = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True
    ).stderr
    assert "Traceback (most recent call last)" in said
    assert "ZeroDivisionError: division by zero" in said


@pytest.mark.parametrize("command", ["status", "watch"])
def test_without_a_daemon_the_socket_is_named(
    command: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    socket = tmp_path / "edged.sock"
    assert main([command, "--set", f"control.socket={socket}"]) == 69
    assert f"edged: {socket}: no daemon answers here" in capsys.readouterr().err


def test_importing_edged_brings_nothing_heavy() -> None:
    code = "import sys, edged, edged.cli; print(*sys.modules)"
    loaded = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60
    ).stdout.split()
    heavy = {"numpy", "PIL", "ai_edge_litert", "gpiozero", "paho", "rich", "av", "sqlite3"}
    assert heavy.isdisjoint(loaded)
