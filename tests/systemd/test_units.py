"""The units, judged by systemd itself; nothing is installed."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from edged.errors import ConfigError

SYSTEMD = Path(__file__).parent.parent.parent / "systemd"
MOST_EXPOSURE = {"edged.service": 15, "edged@.service": 15, "edged-web.service": 12}
"""The limits of ``systemd-analyze security --threshold``, in tenths."""

UNITS = list(MOST_EXPOSURE)


def text(unit: str) -> str:
    return (SYSTEMD / unit).read_text()


def settings(unit: str, name: str) -> list[str]:
    return re.findall(rf"^{name}=(.*)$", text(unit), re.MULTILINE)


def analyze(*arguments: object) -> subprocess.CompletedProcess[str]:
    if shutil.which("systemd-analyze") is None:
        pytest.skip("systemd-analyze is not installed")
    return subprocess.run(
        ["systemd-analyze", *map(str, arguments)], capture_output=True, text=True, check=False
    )


@pytest.fixture
def units(tmp_path: Path) -> Path:
    """The units as they are installed, with a program that exists; one instance with them."""
    program = tmp_path / "edged"
    program.symlink_to(sys.executable)
    for unit in UNITS:
        (tmp_path / unit).write_text(text(unit).replace("/usr/bin/edged", str(program)))
    shutil.copy(tmp_path / "edged@.service", tmp_path / "edged@garden.service")
    return tmp_path


@pytest.mark.parametrize("unit", [*UNITS, "edged@garden.service"])
def test_systemd_finds_no_fault_with_the_units(units: Path, unit: str) -> None:
    verdict = analyze("verify", units / unit)
    if "Failed to" in verdict.stderr and str(units) not in verdict.stderr:
        pytest.skip(f"systemd-analyze cannot verify here: {verdict.stderr.strip()}")
    assert (verdict.returncode, verdict.stderr) == (0, "")


@pytest.mark.parametrize("unit", UNITS)
def test_the_services_are_little_exposed(units: Path, unit: str) -> None:
    if "--offline" not in analyze("--help").stdout:
        pytest.skip("this systemd-analyze cannot judge a file (before version 250)")
    verdict = analyze(
        "security",
        "--offline=true",
        f"--threshold={MOST_EXPOSURE[unit]}",
        "--no-pager",
        units / unit,
    )
    assert verdict.returncode == 0, verdict.stdout
    assert "Overall exposure level" in verdict.stdout


def test_the_template_differs_only_where_instances_must() -> None:
    one = set(text("edged.service").splitlines())
    many = set(text("edged@.service").splitlines())
    changed = {line for line in one ^ many if not line.startswith("#")}
    assert {line.partition("=")[0] for line in changed} == {
        "Description",
        "Environment",
        "ExecStart",
        "ExecStopPost",
        "StateDirectory",
        "WorkingDirectory",
    }
    assert all("%i" in line for line in many - one if not line.startswith("#"))


@pytest.mark.parametrize("unit", UNITS)
def test_a_wrong_configuration_is_not_started_again(unit: str) -> None:
    assert settings(unit, "Restart") == ["always"]
    assert str(ConfigError.exit_status) in settings(unit, "RestartPreventExitStatus")[0].split()


@pytest.mark.parametrize("unit", ["edged.service", "edged@.service"])
def test_no_directory_of_one_instance_goes_with_another(unit: str) -> None:
    assert settings(unit, "RuntimeDirectory") == ["edged"]
    assert settings(unit, "RuntimeDirectoryPreserve") == ["yes"]


def test_the_web_has_no_device_and_yields_to_the_frames() -> None:
    assert settings("edged-web.service", "DevicePolicy") == ["closed"]
    assert not settings("edged-web.service", "DeviceAllow")
    assert settings("edged-web.service", "User") != settings("edged.service", "User")
    assert int(settings("edged-web.service", "Nice")[0]) > 0
    assert int(settings("edged-web.service", "CPUWeight")[0]) < 100


def test_the_web_and_the_daemon_may_end_without_each_other() -> None:
    for unit in UNITS:
        assert not re.search(r"^(Requires|BindsTo|PartOf|Requisite|Upholds)=", text(unit), re.M)


def test_installing_can_replace_the_program_in_each_command() -> None:
    for unit in UNITS:
        commands = settings(unit, "ExecStart") + settings(unit, "ExecStopPost")
        assert {command.lstrip("-").split()[0] for command in commands} == {"/usr/bin/edged"}


@pytest.mark.parametrize("unit", UNITS)
def test_the_commands_of_the_units_are_understood(unit: str) -> None:
    from edged.cli.parser import make_parser

    for command in settings(unit, "ExecStart") + settings(unit, "ExecStopPost"):
        arguments = make_parser().parse_args(command.split()[1:])
        assert str(arguments.config).startswith("/etc/edged/")


def test_sysusers_makes_the_user_and_his_groups(tmp_path: Path) -> None:
    if shutil.which("systemd-sysusers") is None:
        pytest.skip("systemd-sysusers is not installed")
    (tmp_path / "etc").mkdir()
    made = subprocess.run(
        ["systemd-sysusers", f"--root={tmp_path}", SYSTEMD / "edged.sysusers"],
        capture_output=True,
        text=True,
        check=False,
    )
    if made.returncode and "Operation not permitted" in made.stderr:
        pytest.skip("only root may make users, even in a folder")
    assert made.returncode == 0, made.stderr
    users = (tmp_path / "etc" / "passwd").read_text()
    groups = {
        line.split(":")[0]: line.split(":")[3]
        for line in (tmp_path / "etc" / "group").read_text().splitlines()
    }
    assert re.search(r"^edged:x:\d+:\d+:edged vision sensor:/var/lib/edged:", users, re.MULTILINE)
    assert groups["video"] == groups["gpio"] == "edged"


def test_tmpfiles_keep_the_configuration_private(tmp_path: Path) -> None:
    if shutil.which("systemd-tmpfiles") is None:
        pytest.skip("systemd-tmpfiles is not installed")
    (tmp_path / "etc" / "edged").mkdir(parents=True)
    (tmp_path / "etc" / "passwd").write_text("root:x:0:0::/:/bin/sh\nedged:x:999:999::/:/bin/sh\n")
    (tmp_path / "etc" / "group").write_text("root:x:0:\nedged:x:999:\n")
    password = tmp_path / "etc" / "edged" / "mqtt-password"
    password.write_text("secret\n")
    password.chmod(0o644)
    made = subprocess.run(
        ["systemd-tmpfiles", f"--root={tmp_path}", "--create", SYSTEMD / "edged.tmpfiles"],
        capture_output=True,
        text=True,
        check=False,
    )
    if made.returncode and "Operation not permitted" in made.stderr:
        pytest.skip("only root may change owners, even in a folder")
    assert made.returncode == 0, made.stderr
    assert password.stat().st_mode & 0o777 == 0o600
    assert (tmp_path / "etc" / "edged").stat().st_mode & 0o777 == 0o750
    assert (tmp_path / "etc" / "edged").stat().st_gid == 999
