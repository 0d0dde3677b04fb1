"""Replaces secrets in text that leaves edged."""

from __future__ import annotations

import os
import re
import shlex
from collections.abc import Iterator
from itertools import takewhile
from pathlib import Path
from urllib.parse import unquote

MASK = "***"

_WORDS = (
    # Matched within longer words: these are part of no other word.
    r"[\w-]*(?:passw(?:or)?[dt]|passphrase|passcode|pwd|secret|token|psk|credential)s?",
    # The others are part of other words: monkey, compass, author, significant.
    r"(?:[\w-]*[-_])?(?:key|pass|pw|auth|authorization|sig|signature|cookie|jwt)s?",
    r"[\w-]*(?:api|access|private|shared|session|stream|license|account|encryption)key",
    r"[\w-]*(?:user|admin|root|db)pass",
    r"(?-i:[\w-]*[a-z](?:Key|Pass|Pw|Auth|Authorization|Sig|Signature)s?)",
)
_NAMED = rf"(?:{'|'.join(_WORDS)})(?:[-_](?!file\b)\w+)?"
"""A name whose value is a secret; not the name of a file that contains one."""

_QUOTED = r"""\\*"(?:\\.|[^"\\])*\\*"?|\\*'(?:\\.|[^'\\])*\\*'?"""
_BARE = r"""[^\s"']*[^\s"':;,.)\]}]"""
_VALUE = rf"(?:\(\w+\))?(?:{_QUOTED}|{_BARE})"
_SCHEMED = rf"(?:\(\w+\))?(?:{_QUOTED}|(?:(?:Basic|Bearer|Digest|Token|Negotiate)\s+)?{_BARE})"

_HEADER = re.compile(r"\b((?:authorization|cookie)\s*:\s*)(?!\*\*\*)([^\s][^\r\n]*)", re.IGNORECASE)
# KEY=VALUE is the form of an override.
_ASSIGNED = re.compile(
    rf"(?<![\w-])({_NAMED}\s*=\s*)(?!\*\*\*|(?-i:VALUE)\b)({_SCHEMED})", re.IGNORECASE
)
# A dotted name before a colon is an option in a message.
_TOLD = re.compile(
    rf"(?<![\w.-])({_NAMED}\s*:\s*)(?!\*\*\*|unknown key\b)({_SCHEMED})", re.IGNORECASE
)
_IN_JSON = re.compile(rf"""(\\*["']{_NAMED}\\*["']\s*:\s*)(?!\*\*\*)({_VALUE})""", re.IGNORECASE)
_BEARER = re.compile(r"\b(Bearer\s+)(?=\S*\d)([\w+/.~=-]{8,})", re.IGNORECASE)
_USER_ALONE = re.compile(r"""((?:^|[\s/"'=(\[{,]))([^\s/"'=(\[{,:]+:(?!//)\S+)(?=@)""")
"""In an address without a scheme: ``user:password@host``."""

_QUERY_ALONE = re.compile(rf"([?&][\w.-]+=)(?!\*\*\*)({_BARE})")

_PATTERNS = (_HEADER, _USER_ALONE, _IN_JSON, _ASSIGNED, _TOLD, _QUERY_ALONE, _BEARER)

_ADDRESS = re.compile(
    rf"""://(\S*(?=@))?(@?[^\s/?#"']*(?:/[^\s/?#"'=]*(?=[\s/?#"']|\Z))*)"""
    rf"""((?:/[^\s/?#"'=]*=|[?#]){_BARE})?"""
)
"""Its user, its public part, and its query; a match spans the address.

The user extends to the last ``@``, wherever it is: a password may contain one, or a slash,
unquoted. Some cameras require ``/user=admin&password=secret&channel=1`` as the path, which is like
a query.
"""

_PROPERTY = re.compile(rf"(?<!\S)([\w.:-]+)(\s*=\s*)({_VALUE}\S*)")
_PLAIN = re.compile(
    r"(?:\(\w+\))?(?:[-+]?\d+(?:[./]\d+)?|true|false|/dev/[\w./:-]+)", re.IGNORECASE
)
"""The value of an element's property that is not a secret."""

_TELLING = 4
"""A shorter text without the name of a secret is an ordinary word: tcp."""

_CAPABILITIES = {"format", "width", "height", "framerate"}
_PLACES = {"location", "uri", "filename"}


def is_secret(name: str) -> bool:
    """Whether a value with this name is secret."""
    return re.fullmatch(_NAMED, name, re.IGNORECASE) is not None


def names_file(name: str) -> bool:
    """Whether an option's value is the name of a file that may hold a secret."""
    return name.endswith("_file")


def redacted(text: str) -> str:
    """`text` with ``***`` for each value with a secret's name, and for the user of each address."""
    # Most texts contain none of these.
    if "=" not in text and ":" not in text and "bearer" not in text.lower():
        return text
    text = _ADDRESS.sub(_public_address, text)
    for pattern in _PATTERNS:
        if pattern is not _USER_ALONE or "@" in text:
            text = pattern.sub(rf"\1{MASK}", text)
    return text


def redacted_value(value: str) -> str:
    """`redacted` for a text that is one value: everything before its last ``@`` is removed."""
    scheme, _, rest = value.partition("://")
    if "@" in rest:
        return redacted(f"{scheme}://{MASK}@{rest.rpartition('@')[2]}")
    _, at, host = value.rpartition("@")
    return redacted(f"{MASK}@{host}" if at else value)


def origin(url: str) -> str:
    """Scheme, host and port of an address; the rest may contain a secret."""
    scheme, _, rest = url.partition("://")
    host, slash, path = re.split(r"[?#]", rest)[0].rpartition("@")[2].partition("/")
    return f"{scheme}://{host}" + (f"/{MASK}" if slash and (path or "?" in url) else "")


def public_name(source: str) -> str:
    """A camera's `source` without user, password, query and anything else that may be a secret."""
    scheme, slashes, rest = source.partition("://")
    # A file may have any name; other text may be an address without its scheme.
    if not slashes and os.path.lexists(source):
        return source
    # The last "@", wherever it is: a password may contain one, or a slash, unquoted.
    _, at, rest = (rest if slashes else source).rpartition("@")
    public = re.split(r"[?#]", rest)[0]
    if "=" in public:
        # Some cameras require /user=admin&password=secret&channel=1 as the path.
        public = public.partition("=")[0].rpartition("/")[0].rstrip("/")
    return f"{scheme}://{public}" if slashes else f"{MASK}@{public}" if at else public


def public_path(path: str | Path) -> str:
    """The existing part of the `path` of a file that may contain a secret.

    The rest is ``***``: it may be the secret itself, written in place of its file's name.
    """
    path = Path(path)
    way = [*[*path.parents][::-1], path]
    there = [*takewhile(os.path.lexists, way)]
    return str(path) if len(there) == len(way) else str(there[-1] / MASK)


def public_pipeline(pipeline: str) -> str:
    """A GStreamer `pipeline` with ``***`` for all texts except the names of elements."""
    return redacted(_PROPERTY.sub(lambda found: f"{found[1]}{found[2]}{_public(found)}", pipeline))


def public_option(value: str) -> str:
    """The `value` of an option that only a library knows: numbers and booleans are not secrets."""
    return value if not value or _PLAIN.fullmatch(value) else MASK


def secrets_in(pipeline: str) -> list[str]:
    """The texts that `public_pipeline` hides in `pipeline`, in each notation, longest first."""
    found = {
        secret
        for match in _PROPERTY.finditer(pipeline)
        if _public(match) != match[3]
        for secret in ([*_hidden(match[3])] if match[1] in _PLACES else [_bare(match[3])])
        if len(secret) >= _TELLING
    }
    found |= {*_hidden(pipeline)}
    found |= {secret.partition(":")[2] for secret in found}
    found |= {unquote(secret) for secret in found}
    return sorted(found - {""}, key=len, reverse=True)


def _public_address(found: re.Match[str]) -> str:
    user, public, query = found.groups("")
    return f"://{MASK if user else ''}{public}{query and query[0] + MASK}"


def _hidden(text: str) -> Iterator[str]:
    for address in _ADDRESS.finditer(text):
        user, _, query = address.groups("")
        yield from (user, query[1:])
    for pattern in _PATTERNS:
        yield from (_bare(match[2]) for match in pattern.finditer(text))


def _public(found: re.Match[str]) -> str:
    name, value = found[1], found[3]
    if name in _CAPABILITIES or _PLAIN.fullmatch(value):
        return value
    return redacted(value) if name in _PLACES else MASK


def _bare(value: str) -> str:
    """A quoted `value` without its quotes."""
    try:
        return "".join(shlex.split(value))
    except ValueError:
        return value.strip("\"'")
