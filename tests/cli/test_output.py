"""What a command leaves, whatever stands at the other end."""

from __future__ import annotations

import logging
import os
import subprocess
import sys
from contextlib import nullcontext
from pathlib import Path

import pytest

from edged import build
from edged.cli import main
from edged.cli.output import OutputError, write_file

PICTURES = Path(__file__).parents[1] / "pictures"
PACKAGE = Path(__file__).parents[2]


def shell(script: str, *arguments: str | Path, **environment: str) -> tuple[int, str, str]:
    """Exit status of `script` and what it says, where ``edged`` is this package's."""
    done = subprocess.run(
        ["sh", "-c", f'edged() {{ "$PYTHON" -m edged "$@"; }}\n{script}', "sh", *arguments],
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": str(PACKAGE), "PYTHON": sys.executable, **environment},
        timeout=60,
        check=False,
    )
    return done.returncode, done.stdout, done.stderr


FULL = "edged: standard output cannot be written: No space left on device\n"


@pytest.mark.parametrize("command", ["version", "--help", "models list", f"classify {PICTURES}"])
@pytest.mark.parametrize("unbuffered", ["", "1"])
def test_a_full_disk_is_one_line(command: str, unbuffered: str) -> None:
    status, _, said = shell(f"edged {command} > /dev/full", PYTHONUNBUFFERED=unbuffered)
    assert (status, said) == (1, FULL)


def test_a_pipe_that_nobody_reads_does_not_turn_a_failure_into_a_success(tmp_path: Path) -> None:
    status, _, said = shell(
        'mkfifo "$1"; : < "$1" & exec 3> "$1"; wait; edged classify --json absent.jpg >&3',
        tmp_path / "pipe",
        # Unbuffered, it would end at the first word that nobody reads.
        PYTHONUNBUFFERED="",
    )
    assert (status, said) == (1, "")


@pytest.mark.parametrize("closed", ["2>&-", "2>/dev/full", "<&- 2>&-"])
def test_what_standard_error_cannot_take_holds_nothing_up(closed: str, tmp_path: Path) -> None:
    picture = PICTURES / "cat.jpg"
    status, out, said = shell(f'edged classify absent.jpg "$1" {closed}', picture)
    assert (status, said) == (1, "")
    assert out.startswith(f"{picture}: ")
    assert shell(f"edged check-config {closed}")[0] == 0
    # An error is not said where answers go.
    assert shell(f"edged status --set control.socket={tmp_path}/absent {closed}") == (69, "", "")


@pytest.mark.parametrize("closed", [">&-", "<&- >&- 2>&-"])
def test_without_a_standard_output_pictures_are_classified(closed: str) -> None:
    assert shell(f'edged classify "$1" {closed}', PICTURES / "cat.jpg") == (0, "", "")


@pytest.mark.parametrize("closed", ["2>&-", "2>/dev/full"])
def test_the_daemon_runs_where_its_log_cannot_be_written(closed: str, tmp_path: Path) -> None:
    status, out, said = shell(
        'set -- --set "control.socket=$1/edged.sock" --set mqtt.enabled=false'
        " --set camera.kind=demo\n"
        f'"$PYTHON" -m edged run "$@" {closed} &\n'
        'until edged status "$@" 2>&-; do kill -0 $! || exit 9; done\n'
        "kill $!; wait $!",
        tmp_path,
    )
    assert "camera   demo\n" in out
    assert (status, said) == (0, "")


@pytest.mark.parametrize("command", ["safe-outputs", "safe-outputs --config x.toml", "status"])
def test_a_working_directory_that_is_gone_is_one_line(command: str, tmp_path: Path) -> None:
    status, _, said = shell(f'cd "$1" && rmdir "$1" && edged {command}', tmp_path)
    expected = "edged: the working directory: No such file or directory; change to another\n"
    assert (status, said) == (78, expected)


def snapshot(out: Path) -> int:
    return main(["snapshot", "--json", "--set", "camera.kind=demo", "--out", str(out)])


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("absent/x.jpg", "No such file or directory; create its folder first"),
        (".", "Is a directory"),
    ],
)
def test_a_picture_that_cannot_be_written_is_one_line(
    name: str, says: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert snapshot(tmp_path / name) == 1
    assert capsys.readouterr().err == f"edged: {tmp_path / name}: cannot be written: {says}\n"


def test_a_picture_that_is_no_jpeg_by_its_name_is_not_written(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert snapshot(tmp_path / "x.bmp") == 2
    assert "x.bmp: the picture is a JPEG; name it FILE.jpg" in capsys.readouterr().err
    assert not (tmp_path / "x.bmp").exists()


def test_a_device_is_written_to_and_not_replaced(tmp_path: Path) -> None:
    # A link, so that it costs nobody the device where the test fails.
    device = tmp_path / "null"
    device.symlink_to("/dev/null")
    write_file(device, b"picture")
    assert device.is_char_device()
    device.unlink()
    device.symlink_to("/dev/full")
    with pytest.raises(OutputError, match="No space left on device"):
        write_file(device, b"picture")


def test_a_pipe_gets_what_was_asked_for() -> None:
    assert (
        "JFIF"
        in shell(
            "edged snapshot --json --set camera.kind=demo --out /proc/self/fd/3 3>&1 >&- | strings"
        )[1]
    )


@pytest.mark.parametrize("command", ["status", "watch", "snapshot"])
@pytest.mark.parametrize(
    ("path", "status", "says"),
    [
        ("/run/" + "x" * 108, 78, "a socket's path has at most 107 bytes"),
        ("/etc/passwd/x", 69, "the daemon does not answer: Not a directory"),
    ],
)
def test_a_socket_that_cannot_be_is_one_line(
    command: str, path: str, status: int, says: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([command, "--set", f"control.socket={path}"]) == status
    said = capsys.readouterr().err
    assert said.startswith(f"edged: {path}: {says}")
    assert said.count("\n") == 1


def test_a_socket_that_cannot_be_is_a_wrong_configuration(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert main(["check-config", "--set", f"control.socket=/run/{'x' * 108}"]) == 78
    assert "a socket's path has at most 107 bytes" in capsys.readouterr().err


def test_a_snapshot_of_an_absent_camera_is_one_line_and_silences_no_other(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert main(["snapshot", "--set", "camera.source=/nowhere/film.mp4"]) == 69
    assert capsys.readouterr().err.startswith("edged: /nowhere/film.mp4: there is no such file")
    assert logging.getLogger("edged.cameras").level == logging.NOTSET


def test_a_camera_that_stays_silent_is_told_with_what_to_do(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    class Silent:
        name, error = "gate", None

        def read(self, timeout_s: float, wanted_px: object) -> None:
            del timeout_s, wanted_px

    monkeypatch.setattr(build, "camera", lambda *_given: nullcontext(Silent()))
    short = ("--set", "camera.first_frame_s=0.01", "--set", "camera.timeout_s=0.01")
    socket = f"control.socket={tmp_path / 'edged.sock'}"
    assert main(["snapshot", *short, "--set", "camera.fps=200", "--set", socket]) == 69
    said = capsys.readouterr().err
    assert "gate: no frame within 0.01 s" in said
    assert "raise camera.first_frame_s" in said
