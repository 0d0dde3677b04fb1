"""Which classes of a model a configured label means."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence

from edged.config.nearest import did_you_mean
from edged.config.toml import shown
from edged.errors import ConfigError

CANDIDATES_SHOWN = 8


class LabelIndex:
    """The labels of a model, to look up what people write.

    A label is looked for as it is written, then without regard to case, then as one of the
    comma-separated names of a label: "tabby" finds "tabby, tabby cat".
    """

    def __init__(self, labels: Sequence[str]) -> None:
        self.labels = labels
        self._ways = [
            _index(labels, lambda label: iter((label.strip(),))),
            _index(labels, lambda label: iter((label.strip().casefold(),))),
            _index(labels, _names),
        ]

    def __contains__(self, wanted: str) -> bool:
        return bool(self._found(wanted))

    def find(self, wanted: str) -> int:
        """The class; ConfigError where there is none, or where there are several."""
        found = self._found(wanted)
        if len(found) == 1:
            return found[0]
        if not found:
            names = (name for label in self.labels for name in (label, *_names(label)))
            raise ConfigError(
                f"the model has no label {shown(wanted)}{did_you_mean(wanted, names)}"
            )
        candidates = [f"{shown(self.labels[i])} (class {i})" for i in found[:CANDIDATES_SHOWN]]
        raise ConfigError(
            f"label {shown(wanted)} means several classes: {', '.join(candidates)}; "
            "write one in full, or tell equal ones apart in model.labels"
        )

    def _found(self, wanted: str) -> list[int]:
        exact, folded, named = self._ways
        key = wanted.strip()
        return exact.get(key) or folded.get(key.casefold()) or named.get(key.casefold()) or []


def _names(label: str) -> Iterator[str]:
    return (name.strip().casefold() for name in label.split(",") if name.strip())


def _index(labels: Sequence[str], keys: Callable[[str], Iterator[str]]) -> dict[str, list[int]]:
    index: defaultdict[str, list[int]] = defaultdict(list)
    for position, label in enumerate(labels):
        for key in dict.fromkeys(keys(label)):
            index[key].append(position)
    return index
