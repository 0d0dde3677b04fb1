"""Who we are to the broker: user and password, and the files that must be there."""

from __future__ import annotations

from edged.config.schema import MqttConfig
from edged.credentials import must_be_there, secret


def check(mqtt: MqttConfig) -> None:
    """ConfigError for a file that is not there."""
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
    """User name and password, read now; None where there is none. PortError."""
    name = mqtt.username or secret("mqtt.username_file", mqtt.username_file)
    return name or None, secret("mqtt.password_file", mqtt.password_file)
