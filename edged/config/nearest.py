"""Suggestions for misspelt names."""

from __future__ import annotations

from collections.abc import Iterable

SHOWN = 20
"""The most names in a message; a model may have a thousand labels."""


def nearest(name: str, names: Iterable[str]) -> str | None:
    """The most similar of `names`, ignoring case; None if none is similar."""
    # Imported only after a mistake.
    import difflib

    by_fold = {candidate.casefold(): candidate for candidate in names}
    found = difflib.get_close_matches(name.casefold()[:80], by_fold, n=1, cutoff=0.6)
    return by_fold[found[0]] if found else None


def did_you_mean(name: str, names: Iterable[str]) -> str:
    """``; did you mean X?`` to add to a message, or nothing."""
    found = nearest(name, names)
    return f"; did you mean {found}?" if found else ""


def listed(names: Iterable[str]) -> str:
    """`names` separated by commas, shortened if there are too many."""
    names = list(names)
    more = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
    return (", ".join(names[:SHOWN]) or "none") + more
