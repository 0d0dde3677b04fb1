"""Notifications to systemd, over a real datagram socket."""

from __future__ import annotations

import os
import socket
import time
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from edged.notify import Notifier


@pytest.fixture
def systemd(tmp_path: Path) -> Iterator[socket.socket]:
    """What systemd listens on; its address is tmp_path/notify."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listener:
        listener.bind(str(tmp_path / "notify"))
        listener.settimeout(0.0)
        yield listener


def heard(listener: socket.socket) -> list[str]:
    messages = []
    try:
        while True:
            messages.append(listener.recv(4096).decode())
    except BlockingIOError:
        return messages


def environment(listener: socket.socket, **more: str) -> dict[str, str]:
    return {"NOTIFY_SOCKET": listener.getsockname(), **more}


def test_the_life_of_a_service_is_told_in_order(systemd: socket.socket) -> None:
    notifier = Notifier(environment(systemd))
    notifier.starting(30.0)
    notifier.ready()
    notifier.status("12.5 frames/s")
    notifier.stopping()
    assert heard(systemd) == [
        "EXTEND_TIMEOUT_USEC=60000000",
        "READY=1",
        "STATUS=12.5 frames/s",
        "STOPPING=1",
    ]


def test_reloading_carries_the_monotonic_time(systemd: socket.socket) -> None:
    before_us = time.monotonic_ns() // 1000 - 1
    Notifier(environment(systemd)).reloading()
    first, second = heard(systemd)[0].split("\n")
    assert first == "RELOADING=1"
    assert before_us <= int(second.removeprefix("MONOTONIC_USEC=")) <= time.monotonic_ns() // 1000


def test_an_abstract_socket_is_reached() -> None:
    name = f"edged-{uuid.uuid4()}"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listener:
        listener.bind(f"\0{name}")
        listener.settimeout(0.0)
        Notifier({"NOTIFY_SOCKET": f"@{name}"}).ready()
        assert heard(listener) == ["READY=1"]


def test_the_watchdog_is_fed_well_in_time_but_not_for_each_frame(systemd: socket.socket) -> None:
    now_s = [100.0]
    notifier = Notifier(environment(systemd, WATCHDOG_USEC="4000000"), clock=lambda: now_s[0])
    assert notifier.watchdog_s == 4.0
    for _ in range(100):
        notifier.watchdog()
        now_s[0] += 0.1
    assert heard(systemd) == ["WATCHDOG=1"] * 10


@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"WATCHDOG_USEC": "0"},
        {"WATCHDOG_USEC": "-1"},
        {"WATCHDOG_USEC": "soon"},
        {"WATCHDOG_USEC": "4000000", "WATCHDOG_PID": "1"},
    ],
)
def test_without_a_watchdog_of_ours_none_is_fed(
    systemd: socket.socket, settings: dict[str, str]
) -> None:
    notifier = Notifier(environment(systemd, **settings))
    notifier.watchdog()
    assert notifier.watchdog_s is None
    assert heard(systemd) == []


def test_a_watchdog_for_this_process_is_fed(systemd: socket.socket) -> None:
    settings = {"WATCHDOG_USEC": "4000000", "WATCHDOG_PID": str(os.getpid())}
    Notifier(environment(systemd, **settings)).watchdog()
    assert heard(systemd) == ["WATCHDOG=1"]


def test_a_status_is_one_line_and_can_say_nothing_else(systemd: socket.socket) -> None:
    Notifier(environment(systemd)).status("bad\nSTOPPING=1")
    assert heard(systemd) == ["STATUS=bad STOPPING=1"]


@pytest.mark.parametrize("address", ["", "relative/path", "vsock:2:1234"])
def test_without_systemd_nothing_happens(address: str) -> None:
    notifier = Notifier({"NOTIFY_SOCKET": address, "WATCHDOG_USEC": "1000000"})
    notifier.ready()
    notifier.watchdog()
    assert notifier.watchdog_s is None


def test_a_socket_that_is_gone_is_logged_once_and_stops_nothing(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    notifier = Notifier({"NOTIFY_SOCKET": str(tmp_path / "gone")})
    notifier.ready()
    notifier.stopping()
    assert [record.getMessage().split(":")[0] for record in caplog.records] == [
        "systemd cannot be sent READY=1"
    ]


def test_a_systemd_that_does_not_listen_stops_nothing(
    systemd: socket.socket, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("edged.notify.SEND_LIMIT_S", 0.01)
    notifier = Notifier(environment(systemd))
    for _ in range(30):
        # The kernel queues ten or so; from then on each waits and is lost.
        notifier.status("busy")
    assert 0 < len(heard(systemd)) < 30
