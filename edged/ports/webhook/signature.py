"""Signatures of messages: Standard Webhooks, signature version 1.

https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md
"""

from __future__ import annotations

import base64
import hashlib
import hmac

from edged.errors import PortError

PREFIX = "whsec_"


def key(where: str, secret: str) -> bytes:
    """The key in a secret, ``whsec_`` and base64. PortError with `where` and without the secret."""
    try:
        if not secret.startswith(PREFIX):
            raise ValueError
        decoded = base64.b64decode(secret.removeprefix(PREFIX), validate=True)
        if not decoded:
            raise ValueError
    except ValueError:
        raise PortError(
            f"{where} is not {PREFIX} and base64; make one with: "
            f"echo {PREFIX}$(head -c 24 /dev/urandom | base64)"
        ) from None
    return decoded


def headers(key: bytes | None, message_id: str, at_s: int, body: bytes) -> dict[str, str]:
    """The headers of a message sent at `at_s`, seconds since 1970."""
    said = {"webhook-id": message_id, "webhook-timestamp": str(at_s)}
    if key is not None:
        signed = f"{message_id}.{at_s}.".encode() + body
        digest = hmac.new(key, signed, hashlib.sha256).digest()
        said["webhook-signature"] = f"v1,{base64.b64encode(digest).decode()}"
    return said
