"""Downloads one file over HTTP, resuming where an earlier attempt stopped.

The received bytes are in a part file, and the server's validator of the version is next to it, so
that two versions are never joined: RFC 9110, sections 13.1.5 (If-Range) and 14.2 (Range).
"""

from __future__ import annotations

import http.client
import json
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import IO, TypeAlias
from urllib.parse import urlsplit

from edged import __version__
from edged.errors import EdgedError

Progress: TypeAlias = Callable[[int, int], None]
"""Called with the number of received bytes, and the total (0: unknown)."""

TIMEOUT_S = 30.0
"""The limit for each response of the server, not for the whole file."""

_PIECE_BYTES = 64 << 10


class TransferError(EdgedError):
    """A download failed; the received part stays for the next attempt."""

    exit_status = 69


def download(url: str, part: Path, limit_bytes: int, progress: Progress) -> None:
    """Download `url` to `part`, resuming if it has the beginning already.

    Retries while each attempt makes progress. TransferError, also beyond `limit_bytes`.
    """
    if urlsplit(url).scheme not in ("http", "https"):
        raise TransferError(f"{url} is not a web address: give one that begins with https://")
    while True:
        before = _size(part)
        try:
            if _get(url, part, limit_bytes, progress):
                _notes(part).unlink(missing_ok=True)
                return
            reason = "the connection broke off"
        except urllib.error.HTTPError as error:
            error.close()
            if error.code != http.HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE or not before:
                raise TransferError(f"{url}: the server says {error.code} {error.reason}") from None
            # The server's file is shorter than the received part: it is a different one.
            forget(part)
            continue
        except (OSError, http.client.HTTPException) as error:
            reason = str(getattr(error, "reason", error)) or type(error).__name__
        if _size(part) <= before:
            raise TransferError(f"{url} cannot be reached ({reason})")


def forget(part: Path) -> None:
    """Remove the received part."""
    part.unlink(missing_ok=True)
    _notes(part).unlink(missing_ok=True)


def _size(part: Path) -> int:
    return part.stat().st_size if part.exists() else 0


def _notes(part: Path) -> Path:
    return part.with_name(part.name + ".json")


def _validator(part: Path, url: str) -> str:
    """The validator of the version that `part` belongs to; empty if unknown."""
    try:
        notes = json.loads(_notes(part).read_text())
        return str(notes["validator"]) if notes["url"] == url else ""
    except (OSError, ValueError, KeyError, TypeError):
        return ""


def _get(url: str, part: Path, limit_bytes: int, progress: Progress) -> bool:
    """One attempt; whether the file is complete."""
    have = _size(part)
    headers = {"User-Agent": f"edged/{__version__}", "Accept-Encoding": "identity"}
    validator = _validator(part, url) if have else ""
    if validator:
        headers |= {"Range": f"bytes={have}-", "If-Range": validator}
    request = urllib.request.Request(url, headers=headers)  # noqa: S310 - checked by download
    opener = urllib.request.build_opener(_SafeRedirects)
    with opener.open(request, timeout=TIMEOUT_S) as response:
        resumed = response.status == http.HTTPStatus.PARTIAL_CONTENT
        if resumed and not response.headers.get("Content-Range", "").startswith(f"bytes {have}-"):
            raise TransferError(f"{url}: the server sent a different part than requested")
        if not resumed:
            have = 0
            _take_notes(part, url, response.headers)
        length = response.headers.get("Content-Length", "")
        total = have + int(length) if length.isdecimal() else 0
        with part.open("r+b" if resumed else "wb") as file:
            file.seek(have)
            while piece := response.read(_PIECE_BYTES):
                have += len(piece)
                if max(have, total) > limit_bytes:
                    raise TransferError(
                        f"{url} has over {limit_bytes} bytes, more than expected: check the address"
                    )
                file.write(piece)
                progress(have, total)
    return have >= total


def _take_notes(part: Path, url: str, headers: http.client.HTTPMessage) -> None:
    tag = headers.get("ETag", "")
    # A weak tag allows different bytes, so it is not suitable for joining.
    validator = tag if tag.startswith('"') else headers.get("Last-Modified", "")
    _notes(part).write_text(json.dumps({"url": url, "validator": validator}))


class _SafeRedirects(urllib.request.HTTPRedirectHandler):
    def redirect_request(
        self,
        req: urllib.request.Request,
        fp: IO[bytes],
        code: int,
        msg: str,
        headers: http.client.HTTPMessage,
        newurl: str,
    ) -> urllib.request.Request | None:
        allowed = ("https",) if urlsplit(req.full_url).scheme == "https" else ("http", "https")
        if urlsplit(newurl).scheme not in allowed:
            raise TransferError(f"{req.full_url} redirects to {newurl}, which is not encrypted")
        return super().redirect_request(req, fp, code, msg, headers, newurl)
