"""Names from outside as people may see them."""

from __future__ import annotations

import os
import unicodedata

_UNSEEN = {"Cc", "Cf", "Cs", "Zl", "Zp"}
"""Unicode's categories of what moves the cursor, hides or turns text, or is no character at all."""

_JOINERS = "\u200c\u200d"
"""They hide nothing, and words of several scripts are written with them."""


def printable(text: str | os.PathLike[str]) -> str:
    """`text`, a path in most cases, in one line that no terminal acts upon and UTF-8 can hold.

    A byte that is no UTF-8, which Python has as a lone surrogate, becomes ``\\xe9``; other
    characters that cannot be seen become what Python writes for them: ``\\n``, ``\\x1b``,
    ``\\u202e``. Anything else stays as it is.
    """
    text = os.fspath(text)
    return text if text.isprintable() else "".join(map(_seen, text))


def _seen(character: str) -> str:
    if unicodedata.category(character) not in _UNSEEN or character in _JOINERS:
        return character
    if "\udc80" <= character <= "\udcff":
        return f"\\x{ord(character) - 0xDC00:02x}"
    return character.encode("unicode_escape").decode()
