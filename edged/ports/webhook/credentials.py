"""The secret that signs a webhook's messages, and its file."""

from __future__ import annotations

from edged import paths
from edged.config.schema import WebhookConfig
from edged.credentials import must_be_there, secret
from edged.errors import ConfigError, PortError
from edged.ports.webhook import signature


def files(webhook: WebhookConfig) -> dict[str, str]:
    """The files that it names, by their options."""
    return {
        _secret_option(webhook): webhook.secret_file,
        f"webhook {webhook.name}: ca_file": webhook.ca_file,
    }


def check(webhook: WebhookConfig) -> None:
    """ConfigError if a file is missing, or contains no secret."""
    must_be_there(files(webhook))
    try:
        key(webhook)
    except PortError as error:
        raise ConfigError(str(error)) from error


def key(webhook: WebhookConfig) -> bytes | None:
    """What signs its messages, read now; None if nothing does. PortError."""
    option, file = _secret_option(webhook), webhook.secret_file
    found = secret(option, file)
    return None if found is None else signature.key(f"{option}: {paths.credential(file)}", found)


def _secret_option(webhook: WebhookConfig) -> str:
    return f"webhook {webhook.name}: secret_file"
