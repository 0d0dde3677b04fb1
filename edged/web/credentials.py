"""The token of the web page, and the files of it and of TLS."""

from __future__ import annotations

from edged.config.schema import WebConfig
from edged.credentials import must_be_there, secret
from edged.errors import ConfigError, PortError
from edged.paths import credential
from edged.redact import public_path

TOKEN_BYTES = 16
"""A shorter token can be guessed."""


def files(web: WebConfig) -> dict[str, str]:
    """The files that it names, by their options."""
    return {
        "web.token_file": web.token_file,
        "web.tls.cert_file": web.tls.cert_file,
        "web.tls.key_file": web.tls.key_file,
        "web.tls.client_ca_file": web.tls.client_ca_file,
    }


def check(web: WebConfig) -> None:
    """ConfigError for a missing file, or a token that can be guessed."""
    must_be_there(files(web))
    if web.token_file:
        read_token(web.token_file)


def read_token(file: str) -> str:
    """The token in a file. ConfigError if it cannot be read, or can be guessed."""
    try:
        token = (secret("web.token_file", file) or "").strip()
    except PortError as error:
        raise ConfigError(str(error)) from error
    if len(token) < TOKEN_BYTES or not token.isascii() or any(map(str.isspace, token)):
        raise ConfigError(
            f"web.token_file: {public_path(credential(file))}: expected a word of at least "
            f"{TOKEN_BYTES} ASCII characters, such as `openssl rand -hex 32` makes"
        )
    return token
