"""User and password for the broker, and their files."""

from __future__ import annotations

from edged.config.schema import MqttConfig
from edged.credentials import must_be_there, secret


def check(mqtt: MqttConfig) -> None:
    """ConfigError for a missing file."""
    must_be_there(
        {
            "mqtt.username_file": mqtt.username_file,
            "mqtt.password_file": mqtt.password_file,
            "mqtt.tls.ca_file": mqtt.tls.ca_file,
            "mqtt.tls.cert_file": mqtt.tls.cert_file,
            "mqtt.tls.key_file": mqtt.tls.key_file,
        }
    )


def user(mqtt: MqttConfig) -> tuple[str | None, str | None]:
    """User name and password, read now; None if not set. PortError."""
    name = mqtt.username or secret("mqtt.username_file", mqtt.username_file)
    return name or None, secret("mqtt.password_file", mqtt.password_file)
