"""The file of a kept frame: a JPEG that any viewer shows, with what edged knows of it inside.

The first segment of the JPEG is a comment: `MAGIC`, the SHA-256 of all that follows in hex, a line
feed, and a `Kept` as JSON. The rest is the picture. So there is one file for each picture, which is
replaced as a whole, and a damaged one is found out.
"""

from __future__ import annotations

import hashlib
from typing import Annotated, Literal

from msgspec import Meta, MsgspecError, Struct, json

from edged.messages.message import Score
from edged.messages.review import Because

MAGIC = b"edged-review 1 "

MOST_BYTES = 1 << 20
"""Of a file; those that edged writes have a tenth of it."""

MOST_COMMENT_BYTES = 65533

BEST = 5
"""The classes that are kept with their scores."""

_SOI, _COM = b"\xff\xd8", b"\xff\xfe"

Text = Annotated[str, Meta(max_length=512)]
Seconds = Annotated[float, Meta(ge=-1e11, le=1e11)]


class Decision(Struct, frozen=True):
    """What a person said that a picture shows: ``label``; ``by`` whom, and when (since 1970)."""

    verdict: Literal["accepted", "corrected"]
    label: Text
    by: Text
    at_s: Seconds


class Kept(Struct, frozen=True):
    """What edged knows of a frame.

    ``captured_s`` is seconds since 1970, by a clock that was ``synced`` or not. ``sha256`` is that
    of the model's file, ``best`` are its best classes with their scores, and ``mask`` says which
    privacy mask is painted in. ``known`` and ``taught`` are those of the `Prediction`.
    """

    device: Text
    captured_s: Seconds
    synced: bool
    model: Text
    sha256: Text
    best: Annotated[tuple[tuple[Text, Score], ...], Meta(min_length=1, max_length=BEST)]
    doubt: Score
    because: Because
    known: Score | None
    taught: Score | None
    mask: Text
    decision: Decision | None = None


def packed(kept: Kept, jpeg: bytes) -> bytes:
    """The content of a file; `jpeg` may be one of `parsed` again. ValueError if it is too long."""
    told = json.encode(kept)
    picture = jpeg[len(_SOI) :]
    digest = hashlib.sha256(told + picture).hexdigest().encode()
    comment = MAGIC + digest + b"\n" + told
    if jpeg[: len(_SOI)] != _SOI or len(comment) > MOST_COMMENT_BYTES:
        raise ValueError("it is no JPEG, or too much is known of it")
    return _SOI + _COM + (len(comment) + 2).to_bytes(2, "big") + comment + picture


def parsed(content: bytes) -> tuple[Kept, bytes]:
    """What a file says, and its picture without that. ValueError if it is damaged or another's."""
    start = len(_SOI + _COM) + 2
    length = int.from_bytes(content[start - 2 : start], "big") - 2
    comment, picture = content[start : start + length], content[start + length :]
    line, _, told = comment.partition(b"\n")
    if content[: len(_SOI + _COM)] != _SOI + _COM or not line.startswith(MAGIC):
        raise ValueError("it is not a picture that edged kept")
    if line[len(MAGIC) :] != hashlib.sha256(told + picture).hexdigest().encode():
        raise ValueError("it is damaged or cut short")
    try:
        return json.decode(told, type=Kept), _SOI + picture
    except MsgspecError as error:
        raise ValueError("another version of edged wrote it") from error
