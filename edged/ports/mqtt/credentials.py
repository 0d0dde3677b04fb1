"""User and password for the broker, and their files."""

from __future__ import annotations

import ipaddress
from contextlib import suppress

from edged.config.schema import MqttConfig
from edged.credentials import must_be_there, secret


def files(mqtt: MqttConfig) -> dict[str, str]:
    """The files that it names, by their options."""
    return {
        "mqtt.username_file": mqtt.username_file,
        "mqtt.password_file": mqtt.password_file,
        "mqtt.tls.ca_file": mqtt.tls.ca_file,
        "mqtt.tls.cert_file": mqtt.tls.cert_file,
        "mqtt.tls.key_file": mqtt.tls.key_file,
    }


def check(mqtt: MqttConfig) -> None:
    """ConfigError for a missing file."""
    must_be_there(files(mqtt))


def user(mqtt: MqttConfig) -> tuple[str | None, str | None]:
    """User name and password, read now; None if not set. PortError."""
    name = mqtt.username or secret("mqtt.username_file", mqtt.username_file)
    return name or None, secret("mqtt.password_file", mqtt.password_file)


def exposed(mqtt: MqttConfig) -> str | None:
    """What anyone on the way to the broker can read; None with TLS, or on this machine."""
    if mqtt.tls.enabled or mqtt.embedded or is_here(mqtt.host):
        return None
    return (
        f"MQTT broker {mqtt.host}: no TLS: others in the network can read events, user and "
        "password, and send commands"
    )


def is_here(host: str) -> bool:
    """Whether `host` is this machine."""
    with suppress(ValueError):
        return ipaddress.ip_address(host).is_loopback
    return host == "localhost"
