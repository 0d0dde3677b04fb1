"""Real brokers that refuse, and one that does not."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from edged.config.schema import Config, MqttConfig, TlsConfig
from edged.doctor import broker
from edged.messages.doctor import Finding
from tests.mosquitto import Broker, brokers, free_port, needs_mosquitto

__all__ = ["brokers"]

StartBroker = Callable[..., Broker]


def look(port: int, **options: Any) -> list[Finding]:
    mqtt = MqttConfig(enabled=True, host="127.0.0.1", port=port, **options)
    return [*broker.look(Config(device="porch", mqtt=mqtt), None)]


def kinds(findings: list[Finding]) -> list[tuple[str, str]]:
    return [(found.id, found.level) for found in findings]


@pytest.mark.parametrize("protocol", ["3.1.1", "5"])
def test_a_broker_that_lets_us_in_is_in_order(brokers: StartBroker, protocol: str) -> None:
    found = look(brokers().port, protocol=protocol)
    assert kinds(found) == [("broker", "ok"), ("broker-rights", "ok")]


def test_a_port_at_which_nothing_listens_is_told() -> None:
    [found] = look(free_port())
    assert (found.id, found.level) == ("broker", "error")
    assert "nothing listens there" in found.what
    assert found.advice.startswith("check mqtt.host and mqtt.port")
    assert "sudo apt install mosquitto" in found.advice


@needs_mosquitto("passwords")
def test_a_wrong_password_is_told(brokers: StartBroker) -> None:
    [found] = look(brokers("allow_anonymous false").port, username="ann")
    assert (found.id, found.level) == ("broker", "error")
    assert found.advice == "check mqtt.username and mqtt.password_file"


@needs_mosquitto("access lists")
@pytest.mark.parametrize("protocol", ["3.1.1", "5"])
@pytest.mark.parametrize("rights", ["topic read edged/porch/#", "topic write edged/porch/#", ""])
def test_a_missing_right_is_told(
    brokers: StartBroker,
    tmp_path: Path,
    rights: str,
    protocol: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(broker, "ANSWER_S", 0.5)
    acl = tmp_path / "acl"
    acl.write_text(f"{rights}\n")
    acl.chmod(0o644)
    found = look(brokers("allow_anonymous true", f"acl_file {acl}").port, protocol=protocol)
    assert kinds(found) == [("broker", "ok"), ("broker-rights", "error")]
    assert "allow this user edged/porch/#" in found[-1].advice


def test_another_host_without_tls_is_told() -> None:
    mqtt = MqttConfig(enabled=True, host="broker.invalid")
    found = [*broker.look(Config(mqtt=mqtt), None)]
    assert kinds(found) == [("broker-tls", "warning"), ("broker", "error")]
    assert "its name cannot be resolved" in found[-1].what
    assert found[-1].advice == "check mqtt.host"


def test_without_mqtt_and_with_the_demo_no_broker_is_looked_for() -> None:
    assert [*broker.look(Config(mqtt=MqttConfig(enabled=False)), None)] == []
    [found] = broker.look(Config(mqtt=MqttConfig(enabled=True, embedded=True)), None)
    assert found.level == "note"


def test_what_the_daemon_says_of_its_broker_is_told(brokers: StartBroker) -> None:
    mqtt = MqttConfig(enabled=True, host="127.0.0.1", port=brokers().port)
    status = {"broker_problems": ["it cuts each connection"]}
    found = [*broker.look(Config(mqtt=mqtt), status)]
    assert found[0] == Finding("broker", "error", "it cuts each connection")


@needs_mosquitto("TLS")
@pytest.mark.parametrize(("days", "level"), [(90, "ok"), (10, "warning")])
def test_a_certificate_that_expires_soon_is_told(
    brokers: StartBroker, tmp_path: Path, days: int, level: str
) -> None:
    cert, key = certificate(tmp_path, days)
    tls = TlsConfig(enabled=True, ca_file=str(cert))
    port = brokers("allow_anonymous true", f"certfile {cert}", f"keyfile {key}").port
    found = look(port, tls=tls)
    assert kinds(found) == [
        ("broker-certificate", level),
        ("broker", "ok"),
        ("broker-rights", "ok"),
    ]
    assert f"expires in {days} days" in found[0].what


@needs_mosquitto("TLS")
def test_a_certificate_of_a_stranger_is_told(brokers: StartBroker, tmp_path: Path) -> None:
    cert, key = certificate(tmp_path, 90)
    port = brokers("allow_anonymous true", f"certfile {cert}", f"keyfile {key}").port
    [found] = look(port, tls=TlsConfig(enabled=True))
    assert (found.id, found.level) == ("broker", "error")
    assert "its certificate is not trusted" in found.what


@needs_mosquitto("TLS")
def test_a_certificate_that_nobody_checks_is_told(brokers: StartBroker, tmp_path: Path) -> None:
    cert, key = certificate(tmp_path, 90)
    port = brokers("allow_anonymous true", f"certfile {cert}", f"keyfile {key}").port
    found = look(port, tls=TlsConfig(enabled=True, verify=False))
    assert kinds(found)[0] == ("broker-certificate", "warning")


def certificate(folder: Path, days: int) -> tuple[Path, Path]:
    """One for 127.0.0.1 that signs itself, and its key."""
    cert, key = folder / "cert.pem", folder / "key.pem"
    subprocess.run(
        [
            *("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt"),
            *("ec_paramgen_curve:prime256v1", "-nodes", "-subj", "/CN=edged"),
            *("-addext", "subjectAltName=IP:127.0.0.1", "-days", str(days)),
            *("-keyout", str(key), "-out", str(cert)),
        ],
        check=True,
        capture_output=True,
    )
    for file in (folder, cert, key):
        file.chmod(0o755)
    return cert, key
