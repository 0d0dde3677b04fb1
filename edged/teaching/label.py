"""Which names a taught label may have. Imports nothing heavy: whoever names one asks."""

from __future__ import annotations

from edged.core import VIEW_LABELS

MOST_CHARACTERS = 64


def wrong_label(label: str) -> str | None:
    """What is wrong with a name for a label, None where nothing is."""
    if not label.strip():
        return "a label must not be empty: say what the pictures show"
    if label != label.strip():
        return f"{label!r} is not a valid label: write it without spaces around it"
    if len(label) > MOST_CHARACTERS or not label.isprintable():
        return (
            f"{label[:80]!r} is not a valid label: at most {MOST_CHARACTERS} printable characters"
        )
    if label.casefold() in VIEW_LABELS:
        return f"{label!r} is what `edged teach --normal` is for: choose another name"
    return None
