"""The demonstration's broker: it comes up, carries messages and ends with its parent."""

from __future__ import annotations

import logging
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from edged import broker
from edged.broker import ensure_broker
from edged.errors import ConfigError
from tests.mosquitto import Listener, free_port, wait_until


def test_it_carries_messages_and_is_gone_afterwards() -> None:
    pytest.importorskip("amqtt")
    port = free_port()
    with ensure_broker("localhost", port), Listener(port, "a/#") as listener:
        listener.send("a/b", "hello")
        assert listener.next().payload == b"hello"
    assert not broker._listens(port)


def test_a_broker_that_is_there_is_used(caplog: pytest.LogCaptureFixture) -> None:
    pytest.importorskip("amqtt")
    caplog.set_level(logging.INFO)
    port = free_port()
    with ensure_broker("localhost", port):
        with ensure_broker("127.0.0.1", port):
            pass
        assert broker._listens(port)
    assert "no broker is started" in caplog.text


def test_it_ends_when_its_parent_is_killed(tmp_path: Path) -> None:
    pytest.importorskip("amqtt")
    port = free_port()
    code = (
        "import time\nfrom edged.broker import ensure_broker\n"
        f"with ensure_broker('localhost', {port}): time.sleep(600)"
    )
    with subprocess.Popen([sys.executable, "-c", code]) as parent:
        wait_until(lambda: broker._listens(port))
        parent.send_signal(signal.SIGKILL)
    wait_until(lambda: not broker._listens(port))


def test_another_machine_is_refused() -> None:
    with pytest.raises(ConfigError, match="localhost"), ensure_broker("192.0.2.1", 1883):
        pass


def test_without_amqtt_the_error_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(broker, "find_spec", lambda _: None)
    with (
        pytest.raises(ConfigError, match="'demo'"),
        ensure_broker("localhost", free_port()),
    ):
        pass
