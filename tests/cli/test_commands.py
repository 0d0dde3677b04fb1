"""The smaller commands."""

from __future__ import annotations

import argparse
import grp
import json
import os
import re
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from edged import __version__
from edged.cli import main
from edged.cli.parser import make_parser
from tests.strangers import UID, as_stranger, commons

__all__ = ["commons"]

DOCUMENT = Path(__file__).parent.parent.parent / "docs" / "cli.md"


def test_version_names_edged_and_its_parts(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["version", "--json"]) == 0
    facts = json.loads(capsys.readouterr().out)
    assert facts["edged"] == __version__
    assert facts["numpy"] == np.__version__
    assert facts["paho-mqtt"]


def test_the_version_is_an_option_too(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["--version"])
    assert ended.value.code == 0
    assert capsys.readouterr().out == f"edged {__version__}\n"


def test_the_commands_are_there_without_docstrings() -> None:
    left = subprocess.run(
        [sys.executable, "-OO", "-m", "edged", "version"],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (left.returncode, left.stderr) == (0, "")
    assert left.stdout.startswith(f"edged {__version__}\n")


def _parsers(parser: argparse.ArgumentParser) -> Iterator[argparse.ArgumentParser]:
    yield parser
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            for below in action.choices.values():
                yield from _parsers(below)


def test_every_help_fits_80_columns_and_explains_each_argument(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    parsers = list(_parsers(make_parser()))
    assert len(parsers) > 30
    for parser in parsers:
        assert [line for line in parser.format_help().splitlines() if len(line) > 80] == []
        unexplained = [one.dest for one in parser._actions if not (one.help or one.choices)]
        assert unexplained == [], parser.prog


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


@pytest.mark.parametrize(
    ("words", "hint"),
    [
        (["chekc-config"], "no command is called chekc-config; did you mean check-config?"),
        (["check-config", "my.toml"], "arguments: my.toml; did you mean --config my.toml?"),
        (["run", "\x1b"], "unrecognized arguments: \\x1b\n"),
        (["version", "my.toml"], "unrecognized arguments: my.toml\n"),
    ],
)
def test_a_wrong_command_line_says_what_was_meant(
    words: list[str], hint: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit, match="2"):
        main(words)
    assert hint in capsys.readouterr().err


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
    path = tmp_path / "edged.sock"
    assert main([command, "--set", f"control.socket={path}"]) == 69
    assert f"edged: {path}: no daemon answers here" in capsys.readouterr().err


@pytest.mark.parametrize("command", ["status", "watch", "snapshot"])
@pytest.mark.parametrize("folder_mode", [0o750, 0o755])
def test_a_user_outside_of_the_daemons_group_is_told_how_to_come_in(
    command: str, folder_mode: int, commons: Path
) -> None:
    place = commons / "run"
    place.mkdir()
    with socket.socket(socket.AF_UNIX) as daemon:
        daemon.bind(str(place / "edged.sock"))
        for path, mode in ((place, folder_mode), (place / "edged.sock", 0o660)):
            os.chown(path, 0, 1)
            path.chmod(mode)
        said = as_stranger(
            "import edged.access, edged.paths\n"
            "from pathlib import Path\n"
            "from edged.cli import main\n"
            "edged.paths.SERVICE = Path(sys.argv[2])\n"
            # Fails as root too, as nobody listens, and imports all on the way.
            "sys.stderr = open(os.devnull, 'w')\n"
            "main(['status'])\n"
            "import edged.cli.ask, edged.cli.snapshot, edged.cli.watch\n"
            "sys.stderr = sys.stdout",
            "sys.exit(main([sys.argv[1]]))",
            command,
            str(place),
        )
    closed = place if folder_mode == 0o750 else place / "edged.sock"
    group = grp.getgrgid(1).gr_name
    assert said == (
        69,
        f"edged: {place}/edged.sock: not permitted; {closed} belongs to group {group}: "
        f"`sudo usermod -aG {group} {UID}`, then log in again\n",
    )


def test_models_that_a_user_may_not_see_are_spoken_of(commons: Path) -> None:
    place = commons / "models"
    place.mkdir()
    os.chown(place, 0, 1)
    place.chmod(0o750)
    status, said = as_stranger(
        "os.environ['EDGED_MODELS'] = sys.argv[1]\n"
        "import difflib\n"
        "from edged.cli import main\n"
        "sys.stderr = sys.stdout\n"
        "main(['models', 'list'])\n"
        "main(['models', 'info', 'nobody'])\n"
        "print('---')",
        "main(['models', 'list'])\nsys.exit(main(['models', 'info', 'nobody']))",
        str(place),
    )
    lines = said.partition("---\n")[2].splitlines()
    assert status == 65
    assert lines[0].startswith(f"edged: {place} belongs to group {grp.getgrgid(1).gr_name}: ")
    assert lines[-1].startswith("edged: no model is called nobody")
    assert f"; {place} belongs to group" in lines[-1]


def test_importing_edged_brings_nothing_heavy() -> None:
    code = "import sys, edged, edged.cli; print(*sys.modules)"
    loaded = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60
    ).stdout.split()
    heavy = {"numpy", "PIL", "ai_edge_litert", "gpiozero", "paho", "rich", "av", "sqlite3"}
    assert heavy.isdisjoint(loaded)
