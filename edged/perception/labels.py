"""Finds the classes of a model for a configured label."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from functools import cached_property
from unicodedata import normalize

from edged.config.nearest import did_you_mean
from edged.config.toml import shown
from edged.core import VIEW_LABELS
from edged.errors import ConfigError

CANDIDATES_SHOWN = 8

_ACCENT = "[\u0300-\u036f]"
"""Combining characters, which belong to the letter before them."""


class LabelIndex:
    """Looks up configured labels among those of a model.

    A label is looked up exactly, then ignoring case, then as one of the comma-separated names of a
    label: "tabby" finds "tabby, tabby cat".
    """

    def __init__(self, labels: Sequence[str]) -> None:
        self.labels = labels

    def __contains__(self, wanted: str) -> bool:
        return bool(self._found(wanted))

    def find(self, wanted: str) -> int:
        """The class; ConfigError if there is none, or several."""
        found = self._found(wanted)
        if len(found) == 1:
            return found[0]
        if not found:
            raise ConfigError(f"the model has no label {shown(wanted)}{self._meant(wanted)}")
        raise ConfigError(
            f"label {shown(wanted)} matches several classes: {self._listed(found)}; "
            "write one in full, or rename equal ones in model.labels"
        )

    def classes(self, labels: Sequence[str], words: Sequence[str]) -> tuple[set[int], list[str]]:
        """The class of each of `labels` and all with one of `words`; what is wrong, line by line.

        A word matches as a whole, ignoring case.
        """
        found, wrong = set(), []
        for label in labels:
            try:
                found.add(self.find(label))
            except ConfigError as error:
                wrong.append(str(error))
        for wanted in words:
            with_word = self._with_word(wanted)
            found.update(with_word)
            if not with_word:
                wrong.append(f"no label of the model has the word {shown(wanted)}")
        return found, wrong

    def _with_word(self, wanted: str) -> list[int]:
        pattern = word(wanted)
        return [i for i, label in enumerate(self.labels) if pattern.search(label)]

    def _meant(self, wanted: str) -> str:
        if wanted.strip() and (with_word := self._with_word(wanted)):
            listed = self._listed(with_word)
            return f"; labels with this word: {listed}; match = [{shown(wanted)}] takes all of them"
        names = (name for label in self.labels for name in (label, *_names(_folded(label))))
        return did_you_mean(wanted, names)

    def _listed(self, classes: Sequence[int]) -> str:
        candidates = [f"{shown(self.labels[i])} (class {i})" for i in classes[:CANDIDATES_SHOWN]]
        more = len(classes) - CANDIDATES_SHOWN
        return ", ".join(candidates) + (f" and {more} more" if more > 0 else "")

    def _found(self, wanted: str) -> list[int]:
        key = wanted.strip()
        if exact := self._exact.get(key):
            return exact
        key = _folded(key)
        if same := self._folded.get(key):
            return same
        # Few are looked up by one of their names: a third index would take longer.
        named = (label for label in self._folded if key in label and key in _names(label))
        return sorted(place for label in named for place in self._folded[label])

    @cached_property
    def _exact(self) -> dict[str, list[int]]:
        return _index(label.strip() for label in self.labels)

    @cached_property
    def _folded(self) -> dict[str, list[int]]:
        return _index(map(_folded, self.labels))


def word(wanted: str) -> re.Pattern[str]:
    """A pattern for the whole word or words `wanted`, ignoring case: "cat" is not in "crate".

    Spaces, ``_`` and ``-`` separate words. A letter and its accent may be one character or two.
    """
    parts = [part for part in re.split(r"[\s_-]+", wanted) if part]
    if not parts:
        return re.compile(r"(?!)")
    forms = {
        r"[\s_-]+".join(re.escape(normalize(form, part)) for part in parts)
        for form in ("NFC", "NFD")
    }
    words = "|".join(sorted(forms))
    return re.compile(rf"(?<![^\W_])(?:{words})(?![^\W_]|{_ACCENT})", re.IGNORECASE)


def _folded(label: str) -> str:
    return normalize("NFC", label).strip().casefold()


def _names(label: str) -> list[str]:
    return [name for name in map(str.strip, label.split(",")) if name]


def _index(labels: Iterable[str]) -> dict[str, list[int]]:
    index: dict[str, list[int]] = {}
    for place, label in enumerate(labels):
        index.setdefault(label, []).append(place)
    return index


def has_view_labels(labels: Sequence[str]) -> bool:
    """Whether the last of `labels` are those of the whole view."""
    return tuple(labels[-len(VIEW_LABELS) :]) == VIEW_LABELS
