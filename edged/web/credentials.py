"""The files of the token and of TLS."""

from __future__ import annotations

from edged.config.schema import WebConfig
from edged.credentials import must_be_there


def files(web: WebConfig) -> dict[str, str]:
    """The files that it names, by their options."""
    return {
        "web.token_file": web.token_file,
        "web.tls.cert_file": web.tls.cert_file,
        "web.tls.key_file": web.tls.key_file,
        "web.tls.client_ca_file": web.tls.client_ca_file,
    }


def check(web: WebConfig) -> None:
    """ConfigError for a missing file."""
    must_be_there(files(web))
