"""The daemon, others of its kind, and its unit."""

from __future__ import annotations

from pathlib import Path

import pytest

from edged.doctor import service

STATUS = {"version": "1.2.3", "uptime_s": 7200.0, "frames": 5, "webhook_problems": []}
UNIT = {
    "LoadState": "loaded",
    "UnitFileState": "enabled",
    "ActiveState": "active",
    "WatchdogUSec": "30s",
    "NRestarts": "0",
}


def shown(**changed: str) -> str:
    return "\n".join(f"{name}={value}" for name, value in {**UNIT, **changed}.items())


def process(root: Path, pid: int, *words: str) -> None:
    folder = root / "proc" / str(pid)
    folder.mkdir(parents=True)
    (folder / "cmdline").write_bytes(b"".join(word.encode() + b"\0" for word in words))


def test_a_daemon_that_answers_is_in_order() -> None:
    [found] = service.daemon(STATUS, "")
    assert (found.level, found.what) == ("ok", "edged 1.2.3 has run for 2.0 h, 5 frames")


def test_why_no_daemon_answers_is_told_and_what_to_do_once() -> None:
    [found] = service.daemon(None, "/run/edged/edged.sock: no daemon answers here; start it")
    told = ("note", "/run/edged/edged.sock: no daemon answers here", "start it")
    assert (found.level, found.what, found.advice) == told


def test_what_a_webhook_suffers_is_an_error_with_its_own_remedy() -> None:
    problem = "door: nothing listens there; check url"
    [_, found] = service.daemon({**STATUS, "webhook_problems": [problem]}, "")
    told = ("error", "door: nothing listens there", "check url")
    assert (found.level, found.what, found.advice) == told


def test_two_daemons_are_told_with_their_processes(tmp_path: Path) -> None:
    process(tmp_path, 7001, "/usr/bin/python3", "/usr/bin/edged", "run", "--config", "/a.toml")
    process(tmp_path, 7002, "/usr/bin/python3", "/usr/bin/edged", "run", "--config", "/b.toml")
    process(tmp_path, 7003, "/usr/bin/python3", "/usr/bin/edged", "web")
    [found] = service.others(tmp_path)
    assert found.id == "other-daemons"
    assert "7001" in found.what
    assert "/b.toml" in found.what
    assert "7003" not in found.what


@pytest.mark.parametrize(
    "words",
    [
        ("/opt/edged/bin/python3.11", "-m", "edged", "run"),
        ("python", "-X", "dev", "-I", "/usr/bin/edged", "run"),
        ("/usr/bin/python3", "/usr/bin/edged", "--camera", "garden", "run"),
        ("/usr/bin/python3", "/usr/bin/edged", "--camera=garden", "run"),
    ],
)
def test_every_way_to_run_a_daemon_is_known(tmp_path: Path, words: tuple[str, ...]) -> None:
    for pid in (7001, 7002):
        process(tmp_path, pid, *words)
    [found] = service.others(tmp_path)
    assert found.what.startswith("2 daemons run: ")


@pytest.mark.parametrize(
    "words",
    [
        ("timeout", "1200", "edged", "run"),
        ("timeout", "9", "/usr/bin/python3", "/usr/bin/edged", "run"),
        ("sudo", "-u", "edged", "edged", "run"),
        ("nice", "-n", "19", "edged", "run"),
        ("nice", "edged", "run"),
        ("systemd-run", "--pty", "edged", "run"),
        ("strace", "edged", "run"),
        ("/bin/sh", "-c", "edged run"),
        ("/usr/bin/python3", "/usr/bin/wrapper", "edged", "run"),
        ("/usr/bin/python3", "-c", "import edged", "run"),
        ("/usr/bin/python3", "/usr/bin/edged", "events", "run"),
        ("/usr/bin/python3",),
        ("",),
    ],
)
def test_what_starts_a_daemon_or_names_it_is_none(tmp_path: Path, words: tuple[str, ...]) -> None:
    process(tmp_path, 7001, *words)
    process(tmp_path, 7002, "/usr/bin/python3", "/usr/bin/edged", "run")
    assert [*service.others(tmp_path)] == []


def test_one_daemon_is_alone(tmp_path: Path) -> None:
    process(tmp_path, 7001, "/usr/bin/python3", "/usr/bin/edged", "run")
    assert [*service.others(tmp_path)] == []


@pytest.mark.parametrize(
    ("changed", "found"),
    [
        ({}, [("unit", "ok")]),
        ({"UnitFileState": "disabled"}, [("unit", "warning")]),
        ({"WatchdogUSec": "infinity"}, [("unit", "ok"), ("watchdog", "warning")]),
        ({"WatchdogUSec": "0"}, [("unit", "ok"), ("watchdog", "warning")]),
        ({"NRestarts": "4"}, [("unit", "ok"), ("restarts", "error")]),
        ({"NRestarts": "3"}, [("unit", "ok")]),
        ({"LoadState": "not-found"}, []),
    ],
)
def test_what_systemd_says_of_the_unit(
    changed: dict[str, str], found: list[tuple[str, str]]
) -> None:
    findings = service.unit(lambda _properties: shown(**changed))
    assert [(one.id, one.level) for one in findings] == found
