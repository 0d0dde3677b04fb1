"""Which labels a word means."""

from __future__ import annotations

import re
from collections.abc import Sequence


def meant(phrase: str, labels: Sequence[str]) -> list[int]:
    """The classes whose label has the words of `phrase` in it, whole and one after another.

    A label file may give a class several names ("tabby, tabby cat"): each counts. Upper and lower
    case are alike, and so are spaces, ``_`` and ``-``.
    """
    words = r"[\s_-]+".join(map(re.escape, re.split(r"[\s_-]+", phrase.strip())))
    # What \b takes for a part of a word, but for the underscore, which parts words in label files.
    found = re.compile(rf"(?<![^\W_]){words}(?![^\W_])", re.IGNORECASE)
    return [index for index, label in enumerate(labels) if found.search(label)]


def containing(phrase: str, labels: Sequence[str]) -> list[str]:
    """The labels with `phrase` anywhere in them."""
    return [label for label in labels if phrase.casefold() in label.casefold()]
