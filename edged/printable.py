"""Makes names from outside safe to print."""

from __future__ import annotations

import os
import unicodedata

_UNSEEN = {"Cc", "Cf", "Cs", "Zl", "Zp"}
"""Unicode categories of characters that move the cursor, hide or reverse text, or are invalid."""

_JOINERS = "\u200c\u200d"
"""They hide nothing, and several scripts need them."""


def printable(text: str | os.PathLike[str]) -> str:
    """`text`, usually a path, as one line of valid UTF-8 without control characters.

    A byte that is not UTF-8, in Python a lone surrogate, becomes ``\\xe9``; other invisible
    characters become Python's escapes: ``\\n``, ``\\x1b``, ``\\u202e``. The rest is unchanged.
    """
    text = os.fspath(text)
    return text if text.isprintable() else "".join(map(_seen, text))


def _seen(character: str) -> str:
    if unicodedata.category(character) not in _UNSEEN or character in _JOINERS:
        return character
    if "\udc80" <= character <= "\udcff":
        return f"\\x{ord(character) - 0xDC00:02x}"
    return character.encode("unicode_escape").decode()
