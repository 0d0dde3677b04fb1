"""Secrets in text: what leaves edged says that one stood there, and not which."""

from __future__ import annotations

import os
import re

MASK = "***"

_NAMED = r"(?:[\w-]*(?:pass|secret|token|key|pwd)(?![\w-]*_file\b)[\w-]*|(?:[\w-]*[-_])?pw)"
"""A name that says that its value is a secret; that of a file in which one stands does not."""

_VALUE = r"""(?:"[^"]*"|'[^']*'|[^\s"'&;,!)\]}]+)"""
_ASSIGNED = re.compile(rf"\b({_NAMED}\s*=\s*)(?!\*\*\*)({_VALUE})", re.IGNORECASE)
_IN_JSON = re.compile(rf"""(["']{_NAMED}["']\s*:\s*)({_VALUE})""", re.IGNORECASE)
_USER = re.compile(r"(://)(\S*)(?=@)")
"""To the last ``@``, wherever it is: a password may hold one, or a slash, unquoted."""

_USER_ALONE = re.compile(r"""((?:^|[\s/"'=(\[{,]))([^\s/"'=(\[{,:]+:(?!//)\S+)(?=@)""")
"""Of an address whose scheme somebody forgot: ``user:password@host``."""

_PATTERNS = (_IN_JSON, _ASSIGNED, _USER, _USER_ALONE)


def is_secret(name: str) -> bool:
    """Whether a value of this name is one that nobody should read."""
    return re.fullmatch(_NAMED, name, re.IGNORECASE) is not None


def redacted(text: str) -> str:
    """`text` with ``***`` for each value of a secret's name and for the user of each address."""
    # Most texts hold neither.
    if "=" not in text and "@" not in text and ":" not in text:
        return text
    for pattern in _PATTERNS:
        text = pattern.sub(rf"\1{MASK}", text)
    return text


def redacted_value(value: str) -> str:
    """`redacted`, of a text that is one value: whatever stands before its last ``@`` goes."""
    scheme, _, rest = value.partition("://")
    if "@" in rest:
        return redacted(f"{scheme}://{MASK}@{rest.rpartition('@')[2]}")
    _, at, host = value.rpartition("@")
    return redacted(f"{MASK}@{host}" if at else value)


def secrets_in(text: str) -> list[str]:
    """What `redacted` would hide in `text`, the longest first, and the passwords in it alone."""
    found = {match[2].strip("\"'") for pattern in _PATTERNS for match in pattern.finditer(text)}
    found |= {secret.partition(":")[2] for secret in found}
    return sorted(found - {""}, key=len, reverse=True)


def origin(url: str) -> str:
    """Scheme, host and port of an address; whatever comes after may hold a secret."""
    scheme, _, rest = url.partition("://")
    host, slash, path = re.split(r"[?#]", rest)[0].rpartition("@")[2].partition("/")
    return f"{scheme}://{host}" + (f"/{MASK}" if slash and (path or "?" in url) else "")


def public_name(source: str) -> str:
    """A camera's `source` without user, password, query and whatever else may hold a secret."""
    scheme, slashes, rest = source.partition("://")
    if not slashes:
        # A file may have an "@" in its name; what is no file is an address without its scheme.
        if "@" not in source or os.path.lexists(source):
            return source
        return f"{MASK}@{source.rpartition('@')[2]}"
    # The last "@", wherever it is: a password may hold one, or a slash, unquoted.
    rest = re.split(r"[?#]", rest.rpartition("@")[2])[0]
    if "=" in rest:
        # Some cameras want /user=admin&password=secret&channel=1 as the path.
        rest = rest[: rest.rfind("/", 0, rest.index("=")) + 1].rstrip("/")
    return f"{scheme}://{rest}"
