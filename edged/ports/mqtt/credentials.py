"""Who we are to the broker: user and password, and the files that must be there."""

from __future__ import annotations

import os

from edged import paths
from edged.config.schema import MqttConfig
from edged.errors import ConfigError, PortError
from edged.redact import public_path

SECRET_BYTES = 65535
"""The longest user name or password that MQTT can carry."""


def check(mqtt: MqttConfig) -> None:
    """ConfigError for a file that is not there.

    A file that cannot be read may become readable, so that is found at connecting.
    """
    tls = mqtt.tls
    files = {
        "mqtt.username_file": mqtt.username_file,
        "mqtt.password_file": mqtt.password_file,
        "mqtt.tls.ca_file": tls.ca_file,
        "mqtt.tls.cert_file": tls.cert_file,
        "mqtt.tls.key_file": tls.key_file,
    }
    for option, file in files.items():
        path = paths.credential(file)
        if file and not paths.may_exist(path):
            raise ConfigError(f"{option}: {public_path(path)} is not there; check the path")
        if file and os.path.isdir(path):  # noqa: PTH112 (that of pathlib raises)
            raise ConfigError(f"{option}: {path} is a folder; name the file in it")


def user(mqtt: MqttConfig) -> tuple[str | None, str | None]:
    """User name and password, read now; None where there is none. PortError."""
    name = mqtt.username or _secret("mqtt.username_file", mqtt.username_file)
    return name or None, _secret("mqtt.password_file", mqtt.password_file)


def _secret(option: str, file: str) -> str | None:
    if not file:
        return None
    path = paths.credential(file)
    try:
        with path.open(encoding="utf-8") as opened:
            text = opened.read(SECRET_BYTES + 1)
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "it is not UTF-8 text"
        raise PortError(f"{option}: {public_path(path)} cannot be read: {reason}") from error
    if len(text.encode()) > SECRET_BYTES:
        raise PortError(f"{option}: {path} is too long for a secret")
    return text.rstrip("\r\n")
