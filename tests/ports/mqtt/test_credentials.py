"""User and password: where they come from, and what no secret is."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from edged.config.schema import MqttConfig, TlsConfig
from edged.errors import ConfigError, PortError
from edged.ports.mqtt import credentials

LONGEST = 65535
"""Bytes of a text in MQTT, whose length takes two."""


@pytest.mark.parametrize("name", ["username_file", "password_file"])
def test_a_file_of_ours_must_be_there_and_be_no_folder(tmp_path: Path, name: str) -> None:
    credentials.check(MqttConfig(**{name: __file__}))
    with pytest.raises(ConfigError, match=f"mqtt.{name}: .* does not exist; check the path"):
        credentials.check(MqttConfig(**{name: str(tmp_path / "none")}))
    with pytest.raises(ConfigError, match=f"mqtt.{name}: .* is a folder; name the file in it"):
        credentials.check(MqttConfig(**{name: str(tmp_path)}))


@pytest.mark.parametrize("name", ["ca_file", "cert_file", "key_file"])
def test_a_file_of_tls_must_be_there_and_be_no_folder(tmp_path: Path, name: str) -> None:
    credentials.check(MqttConfig(tls=TlsConfig(**{name: __file__})))
    with pytest.raises(ConfigError, match=f"mqtt.tls.{name}: .* does not exist; check the path"):
        credentials.check(MqttConfig(tls=TlsConfig(**{name: str(tmp_path / "none")})))
    with pytest.raises(ConfigError, match=f"mqtt.tls.{name}: .* is a folder; name the file in it"):
        credentials.check(MqttConfig(tls=TlsConfig(**{name: str(tmp_path)})))


@pytest.mark.parametrize("name", ["password_file", "ca_file"])
def test_a_file_that_nobody_writes_to_is_not_waited_for(tmp_path: Path, name: str) -> None:
    file = tmp_path / "fifo"
    os.mkfifo(file)
    tls = TlsConfig(**({name: str(file)} if name == "ca_file" else {}))
    mqtt = MqttConfig(tls=tls, **({} if name == "ca_file" else {name: str(file)}))
    with pytest.raises(ConfigError, match=rf"mqtt.*{name}: .* is not a regular file; name one"):
        credentials.check(mqtt)


def test_a_secret_that_becomes_a_fifo_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "user")
    mqtt = MqttConfig(username_file=str(tmp_path / "user"))
    # Without a writer, opening it would last for ever.
    with pytest.raises(PortError, match=r"username_file: .* cannot be read: not a regular file"):
        credentials.user(mqtt)


def test_without_any_there_is_neither_a_user_nor_a_password() -> None:
    assert credentials.user(MqttConfig()) == (None, None)


def test_a_user_has_a_name_from_a_file_unless_it_is_configured(tmp_path: Path) -> None:
    file = tmp_path / "user"
    file.write_text("porch \r\n")
    assert credentials.user(MqttConfig(username_file=str(file))) == ("porch ", None)
    assert credentials.user(MqttConfig(username="ali", username_file=str(file))) == ("ali", None)
    file.write_text("\n")
    assert credentials.user(MqttConfig(username_file=str(file))) == (None, None)


@pytest.mark.parametrize("letter", ["x", "é"])
def test_a_password_is_as_long_as_mqtt_can_carry_and_no_longer(tmp_path: Path, letter: str) -> None:
    file = tmp_path / "password"
    mqtt = MqttConfig(username="ali", password_file=str(file))
    file.write_bytes((letter.encode() * LONGEST)[: LONGEST - 1] + b"x" * (letter == "x"))
    assert credentials.user(mqtt)[1] == file.read_text()
    file.write_bytes(letter.encode() * LONGEST + b"x")
    with pytest.raises(PortError, match=r"mqtt.password_file: .* is too long for a secret"):
        credentials.user(mqtt)


def test_what_cannot_be_read_is_told_with_its_option(tmp_path: Path) -> None:
    file = tmp_path / "user"
    with pytest.raises(PortError, match=r"mqtt.username_file: .* does not exist; check the path"):
        credentials.user(MqttConfig(username_file=str(file)))
    file.write_bytes(b"\xff")
    with pytest.raises(PortError, match=r"mqtt.username_file: .* cannot be read: it is not UTF-8"):
        credentials.user(MqttConfig(username_file=str(file)))


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1", "127.9.9.9", "::1"])
def test_a_broker_on_this_machine_needs_no_tls(host: str) -> None:
    assert credentials.exposed(MqttConfig(host=host)) is None


@pytest.mark.parametrize("host", ["192.168.1.5", "broker", "broker.example", "localhost.example"])
def test_a_broker_elsewhere_without_tls_is_told(host: str) -> None:
    said = credentials.exposed(MqttConfig(host=host))
    assert said is not None
    assert said.startswith(f"MQTT broker {host}: no TLS")
    assert credentials.exposed(MqttConfig(host=host, tls=TlsConfig(enabled=True))) is None
    assert credentials.exposed(MqttConfig(host=host, embedded=True)) is None
