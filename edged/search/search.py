"""Classifies one's pictures, and finds those that match a search."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import msgspec
from msgspec.structs import replace

from edged import __version__
from edged.batch import Answer, Batch, Found, path_of
from edged.build import Admitted
from edged.config.schema import Config
from edged.errors import CommandError, ModelError
from edged.imaging.folder import is_folder
from edged.imaging.standard_input import STANDARD_INPUT
from edged.inference import modelfile
from edged.inference.labels import Labels
from edged.models.naming import model_name
from edged.perception.labels import LabelIndex
from edged.printable import printable
from edged.search import ranking
from edged.search.index import Identity, Index, Known, said

LEAST = 0.2
"""The least sum of the matching labels' scores for a picture to be found."""

ALIKE = 20
"""How many similar pictures are shown."""

NO_FEATURES = (
    "has no features to compare pictures by: give a classifier whose last layer is fully connected"
)

Follow = Callable[[Iterable[Answer], int], Iterable[Answer]]


class Hit(NamedTuple):
    """A picture, its score, 0..1, and the best of the matching labels."""

    path: Path
    score: float
    label: str | None


class Search:
    """One model over any pictures; ``model`` is its name."""

    def __init__(
        self, config: Config, model: Admitted, labels: Labels, index: Path | None = None
    ) -> None:
        """The file `index` stores the answers for the next search."""
        self.model = printable(model_name(model.file.path))
        self._admitted = model
        self._labels = labels
        self._fit = config.camera.fit
        self._index = index

    def classes(self, words: Sequence[str]) -> set[int]:
        """The classes whose label contains one of `words`. CommandError for a word in no label."""
        classes, wrong = LabelIndex(self._labels.names).classes([], words)
        if wrong:
            raise CommandError(f"{self._labels.source}: {'; '.join(wrong)}")
        return classes

    def look(
        self,
        found: Sequence[Found],
        identities: Mapping[Path, Identity],
        places: Iterable[Path] = (),
        follow: Follow | None = None,
        *,
        features: bool = True,
    ) -> Iterator[tuple[Path, Known]]:
        """The model's answer for each picture, those in the index first. ModelError.

        `identities` are those of `found`. Without `features`, these are not read from the index,
        which is slow. Pictures that have gone from the folders in `places` are forgotten. `follow`
        wraps the answers for the others, with their number.
        """
        with Index(self._index, self._digest()) as index:
            indexed = index.known(identities.values(), features=features)
            known = {
                path: indexed[identity]
                for path, identity in identities.items()
                if identity in indexed
            }
            yield from known.items()
            unknown = [one for one in found if path_of(one) not in known]
            if unknown:
                batch = Batch(self._admitted, self._labels, self._fit, len(unknown), features=True)
                answers: Iterable[Answer] = batch.answers(unknown)
                if follow is not None:
                    answers = follow(answers, len(unknown))
                for answer in answers:
                    one = said(answer.prediction, answer.error)
                    identity = identities.get(answer.path)
                    # An inaccessible file may become accessible without changing.
                    lasting = answer.error is None or not isinstance(
                        answer.error.__cause__, OSError
                    )
                    if identity is not None and lasting and identity.settled(time.time()):
                        index.keep(answer.path.absolute(), identity, one)
                    yield answer.path, one
            for folder in filter(is_folder, places):
                index.forget(folder.absolute(), identities.values())

    def _digest(self) -> bytes:
        """The digest of everything that determines the answers."""
        settings = replace(self._admitted.settings, path="", labels="", threads=0)
        parts = [
            modelfile.content(self._admitted.file.path),
            "\n".join(self._labels.names).encode(),
            msgspec.json.encode([__version__, settings, self._fit]),
        ]
        return hashlib.sha256(b"".join(hashlib.sha256(part).digest() for part in parts)).digest()

    def with_labels(self, known: Mapping[Path, Known], classes: set[int]) -> list[Hit]:
        """The pictures with one of `classes`, best first."""
        scores, best = ranking.by_classes(list(known.values()), classes)
        every = list(known)
        return [
            Hit(every[place], float(scores[place]), self._labels.names[best[place]])
            for place in ranking.order(scores)
            if best[place] >= 0
        ]

    def alike(self, known: Mapping[Path, Known], wanted: Known) -> list[Hit]:
        """All pictures, the most similar first. ModelError without features."""
        if not wanted.features.size:
            raise ModelError(f"{self._admitted.file.path} {NO_FEATURES}")
        likeness = ranking.by_likeness(list(known.values()), wanted)
        every = list(known)
        return [
            Hit(every[place], float(likeness[place]), None) for place in ranking.order(likeness)
        ]


def identities_of(found: Sequence[Found]) -> dict[Path, Identity]:
    """The identities of the existing files."""
    return {
        path: identity
        for path in map(path_of, found)
        if path != STANDARD_INPUT and (identity := Identity.of(path)) is not None
    }
