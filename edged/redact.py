"""Replaces secrets in text that leaves edged."""

from __future__ import annotations

import os
import re
import shlex
from collections.abc import Iterator
from functools import cache
from itertools import takewhile
from pathlib import Path
from typing import NamedTuple
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

_SIGNS = ("=", "://", "@")
_PARTS = (
    *("pass", "pw", "secret", "token", "psk", "credential", "key", "auth", "sig", "cookie", "jwt"),
    "bearer",
)
"""In small letters; a text with none of these and none of `_SIGNS` holds no secret."""

_QUOTED = r"""\\*"(?:\\.|[^"\\])*\\*"?|\\*'(?:\\.|[^'\\])*\\*'?"""
_BARE = r"""[^\s"']*[^\s"':;,.)\]}]"""
_VALUE = rf"(?:\(\w+\))?(?:{_QUOTED}|{_BARE})"
_SCHEMED = rf"(?:\(\w+\))?(?:{_QUOTED}|(?:(?:Basic|Bearer|Digest|Token|Negotiate)\s+)?{_BARE})"


class _Patterns(NamedTuple):
    """What finds secrets: ``address`` in addresses, ``secrets`` behind their names.

    ``property`` finds the properties of elements, ``plain`` those of their values that are no
    secret.
    """

    address: re.Pattern[str]
    secrets: tuple[re.Pattern[str], ...]
    user_alone: re.Pattern[str]
    property: re.Pattern[str]
    plain: re.Pattern[str]


@cache
def _patterns() -> _Patterns:
    """Compiled when the first is needed: that takes milliseconds, which a start shall not pay."""
    header = r"\b((?:authorization|cookie)\s*:\s*)(?!\*\*\*)([^\s][^\r\n]*)"
    # In an address without a scheme: user:password@host.
    user_alone = re.compile(r"""((?:^|[\s/"'=(\[{,]))([^\s/"'=(\[{,:]+:(?!//)\S+)(?=@)""")
    in_json = rf"""(\\*["']{_NAMED}\\*["']\s*:\s*)(?!\*\*\*)({_VALUE})"""
    # KEY=VALUE is the form of an override.
    assigned = rf"(?<![\w-])({_NAMED}\s*=\s*)(?!\*\*\*|(?-i:VALUE)\b)({_SCHEMED})"
    # A dotted name before a colon is an option in a message.
    told = rf"(?<![\w.-])({_NAMED}\s*:\s*)(?!\*\*\*|unknown key\b)({_SCHEMED})"
    bearer = r"\b(Bearer\s+)(?=\S*\d)([\w+/.~=-]{8,})"
    return _Patterns(
        # Its user, what may be told of it, and its query; a match is as long as the address. The
        # user goes to the last "@", wherever it is: a password may hold one, or a slash, unquoted.
        # Some cameras want /user=admin&password=secret&channel=1 as the path, which is like a
        # query.
        address=re.compile(
            rf"""://(\S*(?=@))?(@?[^\s/?#"']*(?:/[^\s/?#"'=]*(?=[\s/?#"']|\Z))*)"""
            rf"""((?:/[^\s/?#"'=]*=|[?#]){_BARE})?"""
        ),
        secrets=(
            re.compile(header, re.IGNORECASE),
            user_alone,
            re.compile(in_json, re.IGNORECASE),
            re.compile(assigned, re.IGNORECASE),
            re.compile(told, re.IGNORECASE),
            re.compile(rf"([?&][\w.-]+=)(?!\*\*\*)({_BARE})"),
            re.compile(bearer, re.IGNORECASE),
        ),
        user_alone=user_alone,
        property=re.compile(rf"(?<!\S)([\w.:-]+)(\s*=\s*)({_VALUE}\S*)"),
        plain=re.compile(
            r"(?:\(\w+\))?(?:[-+]?\d+(?:[./]\d+)?|true|false|/dev/[\w./:-]+)", re.IGNORECASE
        ),
    )


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
    if not any(sign in text for sign in _SIGNS):
        small = text.casefold()
        if not any(part in small for part in _PARTS):
            return text
    patterns = _patterns()
    text = patterns.address.sub(_public_address, text)
    for pattern in patterns.secrets:
        if pattern is not patterns.user_alone or "@" in text:
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
    scheme, user, public, _ = _public_parts(source)
    return scheme + public if scheme else user + public


def public_source(source: str) -> str:
    """As `public_name`, with ``***`` for each part that is left out."""
    return "".join(_public_parts(source))


def _public_parts(source: str) -> tuple[str, str, str, str]:
    """The scheme, the hidden user, what may be told, and the hidden rest."""
    scheme, slashes, rest = source.partition("://")
    # A file may have any name; other text may be an address without its scheme.
    if not slashes and os.path.lexists(source):
        return "", "", source, ""
    # The last "@", wherever it is: a password may contain one, or a slash, unquoted.
    _, at, rest = (rest if slashes else source).rpartition("@")
    public = re.split(r"[?#]", rest)[0]
    if "=" in public:
        # Some cameras require /user=admin&password=secret&channel=1 as the path.
        public = public.partition("=")[0].rpartition("/")[0].rstrip("/")
    hidden = rest[len(public) :]
    return (
        f"{scheme}://" if slashes else "",
        f"{MASK}@" if at else "",
        public,
        (hidden[0] if hidden[0] in "/?#" else "") + MASK if hidden else "",
    )


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
    public = _patterns().property.sub(
        lambda found: f"{found[1]}{found[2]}{_public(found)}", pipeline
    )
    return redacted(public)


def public_option(value: str) -> str:
    """The `value` of an option that only a library knows: numbers and booleans are not secrets."""
    return value if not value or _patterns().plain.fullmatch(value) else MASK


def secrets_in(pipeline: str) -> list[str]:
    """The texts that `public_pipeline` hides in `pipeline`, in each notation, longest first."""
    found = {
        secret
        for match in _patterns().property.finditer(pipeline)
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
    for address in _patterns().address.finditer(text):
        user, _, query = address.groups("")
        yield from (user, query[1:])
    for pattern in _patterns().secrets:
        yield from (_bare(match[2]) for match in pattern.finditer(text))


def _public(found: re.Match[str]) -> str:
    name, value = found[1], found[3]
    if name in _CAPABILITIES or _patterns().plain.fullmatch(value):
        return value
    return redacted(value) if name in _PLACES else MASK


def _bare(value: str) -> str:
    """A quoted `value` without its quotes."""
    try:
        return "".join(shlex.split(value))
    except ValueError:
        return value.strip("\"'")
