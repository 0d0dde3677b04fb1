"""``edged search``."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Iterable, Mapping, Sequence
from itertools import islice
from pathlib import Path

from edged import paths
from edged.batch import Answer, pictures
from edged.cli.model import configured, labelled
from edged.cli.progress import followed
from edged.errors import CommandError, UsageError
from edged.imaging.standard_input import STANDARD_INPUT
from edged.messages.message import bounded
from edged.messages.results import FoundMessage
from edged.printable import printable
from edged.search.index import NAME, Identity, Known
from edged.search.search import ALIKE, LEAST, Search, identities_of


def run(arguments: argparse.Namespace) -> int:
    """The pictures that match the search, best first."""
    like = arguments.like
    words, places = _terms(arguments.terms, like)
    config = configured(arguments, arguments.model)
    directory = None if arguments.no_index else paths.cache_directory()
    search = Search(config, *labelled(config), directory and directory / NAME)
    classes = search.classes(words)
    searched = list(pictures(places))
    every = searched if like is None else [like, *searched]
    identities = identities_of(every)
    known = dict(search.look(every, identities, places, _follow, features=like is not None))
    if like is not None and known[like].error is not None:
        raise CommandError(f"--like {_error(like, known[like])}")
    failed = _report_failures(known, search.model, as_json=arguments.json)
    itself = set() if like is None else {like, *_same_file(like, identities)}
    others = {path: one for path, one in known.items() if one.error is None and path not in itself}
    if like is None:
        found, least, limit = search.with_labels(others, classes), LEAST, None
    else:
        found, least, limit = search.alike(others, known[like]), 0.0, ALIKE
    least = least if arguments.least is None else arguments.least
    # Compared as written.
    best = (hit for hit in found if bounded(hit.score) >= least)
    for path, score, label in islice(best, arguments.limit or limit):
        message = FoundMessage(
            path=printable(path), model=search.model, score=bounded(score), label=label
        )
        shown = "" if label is None else f": {label}"
        told = f"{message.score:6.1%} {message.path}{shown}"
        print(message.json().decode() if arguments.json else told)
    return 1 if failed else 0


def _follow(answers: Iterable[Answer], count: int) -> Iterable[Answer]:
    return followed(answers, "search", count)


def _terms(terms: Sequence[str], like: Path | None) -> tuple[list[str], list[Path]]:
    """The words, and where to search; every word but the first that exists as a path is a place."""
    words = [] if like is not None else list(terms[:1])
    places: list[Path] = []
    for term in terms[len(words) :]:
        if Path(term) == STANDARD_INPUT or os.sep in term or os.path.lexists(term):
            places.append(Path(term))
        elif like is not None:
            raise UsageError(f"{term}: no such file or folder; --like takes no words")
        else:
            words.append(term)
    if not words and like is None:
        raise UsageError("nothing to search for: give a word, or --like PICTURE")
    return words, places or [Path()]


def _same_file(picture: Path, identities: Mapping[Path, Identity]) -> set[Path]:
    """The names of this file, including links."""
    file = identities.get(picture)
    return {path for path, identity in identities.items() if identity == file}


def _report_failures(known: Mapping[Path, Known], model: str, *, as_json: bool) -> bool:
    """Report the failures; whether there were any."""
    failed = [path for path, one in sorted(known.items()) if one.error is not None]
    for path in failed:
        error = _error(path, known[path])
        if as_json:
            message = FoundMessage(path=printable(path), model=model, score=0.0, error=error)
            print(message.json().decode())
        else:
            print(f"edged: {error}", file=sys.stderr)
    return bool(failed)


def _error(path: Path, one: Known) -> str:
    return f"{'standard input' if path == STANDARD_INPUT else printable(path)}: {one.error}"
