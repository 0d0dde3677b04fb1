"""``edged search``."""

from __future__ import annotations

import argparse
import hashlib
import os
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from itertools import islice
from pathlib import Path

import msgspec
from msgspec.structs import replace

from edged import __version__, paths
from edged.build import Admitted
from edged.cli.batch import Batch, Found, path_of, pictures
from edged.cli.model import configured, labelled
from edged.cli.progress import followed
from edged.cli.standard_input import STANDARD_INPUT
from edged.config.schema import Config
from edged.errors import CommandError, ModelError
from edged.imaging.folder import is_folder
from edged.inference import modelfile
from edged.inference.labels import Labels
from edged.messages.message import bounded
from edged.messages.results import FoundMessage
from edged.perception.labels import LabelIndex
from edged.printable import printable
from edged.search import ranking
from edged.search.index import NAME, Identity, Index, Known, said

LEAST = 0.2
"""What the scores of the labels that are meant sum up to, at least, on a picture that is listed."""

ALIKE = 20
"""How many pictures are listed as like another one."""

NO_FEATURES = (
    "has no features to compare pictures by: give a classifier whose last layer is fully connected"
)


def run(arguments: argparse.Namespace) -> int:
    """The pictures on which the model sees what is searched for, best first."""
    like = arguments.like
    words, places = _terms(arguments.terms, like)
    config = configured(arguments, arguments.model)
    model, labels = labelled(config)
    classes = _classes(words, labels)
    searched = list(pictures(places))
    every = searched if like is None else [like, *searched]
    directory = None if arguments.no_index else paths.cache_directory()
    with Index(directory and directory / NAME, _digest(model, labels, config)) as index:
        identities = _identities(every)
        known = _looked_at(
            every, identities, index, partial(Batch, model, labels, config.camera.fit)
        )
        for folder in filter(is_folder, places):
            index.forget(folder.absolute(), identities.values())
    name = printable(model.file.path.stem)
    failed = _report_failures(known, like, name, as_json=arguments.json)
    itself = {like, *_names(like, identities)}
    others = {path: one for path, one in known.items() if one.error is None and path not in itself}
    if like is None:
        found = _with_labels(others, classes, labels, name)
        least, limit = LEAST, None
    elif known[like].features.size:
        found = _alike(others, known[like], name)
        least, limit = 0.0, ALIKE
    else:
        raise ModelError(f"{model.file.path} {NO_FEATURES}")
    least = least if arguments.least is None else arguments.least
    best = (message for message in found if message.score >= least)
    for message in islice(best, arguments.limit or limit):
        label = "" if message.label is None else f": {message.label}"
        told = f"{message.score:6.1%} {message.path}{label}"
        print(message.json().decode() if arguments.json else told)
    return 1 if failed else 0


def _terms(terms: Sequence[str], like: Path | None) -> tuple[list[str], list[Path]]:
    """The words, and where to search; what is there is a place, but for the first word."""
    words = [] if like is not None else list(terms[:1])
    places: list[Path] = []
    for term in terms[len(words) :]:
        if Path(term) == STANDARD_INPUT or os.sep in term or os.path.lexists(term):
            places.append(Path(term))
        elif like is not None:
            raise CommandError(f"{term}: nothing of this name is here, and --like takes no words")
        else:
            words.append(term)
    if not words and like is None:
        raise CommandError("nothing to search for: give a word, or --like PICTURE")
    return words, places or [Path()]


def _classes(words: Sequence[str], labels: Labels) -> set[int]:
    classes, wrong = LabelIndex(labels.names).classes([], words)
    if wrong:
        raise CommandError(f"{labels.source}: {'; '.join(wrong)}")
    return classes


def _digest(model: Admitted, labels: Labels, config: Config) -> bytes:
    """Of all that makes what is said of a picture."""
    settings = replace(model.settings, path="", labels="", threads=0)
    parts = [
        modelfile.content(model.file.path),
        "\n".join(labels.names).encode(),
        msgspec.json.encode([__version__, settings, config.camera.fit]),
    ]
    return hashlib.sha256(b"".join(hashlib.sha256(part).digest() for part in parts)).digest()


def _identities(found: Sequence[Found]) -> dict[Path, Identity]:
    """Of the files that are there."""
    return {
        path: identity
        for path in map(path_of, found)
        if path != STANDARD_INPUT and (identity := Identity.of(path)) is not None
    }


def _names(picture: Path | None, identities: Mapping[Path, Identity]) -> set[Path | None]:
    """What the same file was found as; links are further names."""
    file = None if picture is None else identities.get(picture)
    return {picture, *(path for path, identity in identities.items() if identity == file)}


def _looked_at(
    found: Sequence[Found],
    identities: Mapping[Path, Identity],
    index: Index,
    make_batch: Callable[..., Batch],
) -> dict[Path, Known]:
    """What the model says of each picture: from the index, or after a look at it. ModelError."""
    indexed = index.known(identities.values())
    known = {
        path: indexed[identity] for path, identity in identities.items() if identity in indexed
    }
    unknown = [one for one in found if path_of(one) not in known]
    if unknown:
        batch = make_batch(len(unknown), features=True)
        for answer in followed(batch.answers(unknown), "search", len(unknown)):
            known[answer.path] = one = said(answer.prediction, answer.error)
            identity = identities.get(answer.path)
            # What cannot be opened may be opened another time without a change of the file.
            lasting = answer.error is None or not isinstance(answer.error.__cause__, OSError)
            if identity is not None and lasting and identity.settled(time.time()):
                index.keep(answer.path.absolute(), identity, one)
    return {path: known[path] for path in map(path_of, found)}


def _report_failures(
    known: Mapping[Path, Known], like: Path | None, model: str, *, as_json: bool
) -> bool:
    """Whether there were any. CommandError where it is the picture that others should be like."""
    failed = False
    for path, one in known.items():
        if one.error is None:
            continue
        name = "standard input" if path == STANDARD_INPUT else printable(path)
        error = f"{name}: {one.error}"
        if path == like:
            raise CommandError(f"--like {error}")
        failed = True
        if as_json:
            message = FoundMessage(path=printable(path), model=model, score=0.0, error=error)
            print(message.json().decode())
        else:
            print(f"edged: {error}", file=sys.stderr)
    return failed


def _with_labels(
    known: Mapping[Path, Known], classes: set[int], labels: Labels, model: str
) -> Iterator[FoundMessage]:
    """Those with a label that is meant, best first."""
    scores, best = ranking.by_classes(list(known.values()), classes)
    every = list(known)
    for place in ranking.order(scores):
        if best[place] >= 0:
            yield FoundMessage(
                path=printable(every[place]),
                model=model,
                score=bounded(scores[place]),
                label=labels.names[best[place]],
            )


def _alike(known: Mapping[Path, Known], wanted: Known, model: str) -> Iterator[FoundMessage]:
    """All, the most alike first."""
    likeness = ranking.by_likeness(list(known.values()), wanted)
    every = list(known)
    for place in ranking.order(likeness):
        yield FoundMessage(
            path=printable(every[place]), model=model, score=bounded(likeness[place])
        )
