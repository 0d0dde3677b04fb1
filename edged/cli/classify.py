"""``edged classify``."""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from edged.cli.model import configured, loaded
from edged.cli.progress import followed
from edged.cli.standard_input import STANDARD_INPUT, standard_input
from edged.core import Pixels
from edged.errors import PictureError
from edged.imaging import folder
from edged.imaging.folder import UnreadableError
from edged.imaging.picture import read_picture
from edged.messages.results import PictureMessage, milliseconds, ranked
from edged.perception.labels import word
from edged.printable import printable


def run(arguments: argparse.Namespace) -> int:
    """Each picture, in the order given; folders are searched through and sorted by name."""
    classifier = loaded(configured(arguments, arguments.model))
    wanted_px = classifier.input_px
    wanted = word(arguments.match) if arguments.match else None
    failed = False
    pictures = list(_pictures(arguments.paths))
    # Answers that go to the terminal are progress enough, and a bar would tear them.
    for path in pictures if sys.stdout.isatty() else followed(pictures, "classify"):
        began_s = time.perf_counter()
        name = printable(_path(path))
        try:
            pixels = _read(path, wanted_px)
        except PictureError as error:
            failed = True
            _report_failure(error, name, classifier.name, as_json=arguments.json)
            continue
        decoded_s = time.perf_counter()
        prediction = classifier.classify(pixels)
        if not prediction.finite:
            failed = True
            endless = PictureError(name, "the model answers with numbers that are not finite")
            _report_failure(endless, name, classifier.name, as_json=arguments.json)
            continue
        best = prediction.top(arguments.top)
        if wanted and not any(wanted.search(ranked.label) for ranked in best):
            continue
        if arguments.json:
            stages_s = {"decode": decoded_s - began_s, **prediction.stages_s}
            _print_json(
                PictureMessage(
                    path=name,
                    model=classifier.name,
                    results=ranked(prediction, arguments.top),
                    stages_ms=milliseconds(stages_s),
                )
            )
        else:
            answers = "; ".join(f"{ranked.score:.1%} {ranked.label}" for ranked in best)
            print(f"{name}: {answers}")
    return 1 if failed else 0


def _pictures(paths: Sequence[Path]) -> Iterator[Path | UnreadableError]:
    for position, path in enumerate(paths):
        if path == STANDARD_INPUT and path in paths[:position]:
            yield UnreadableError(path, "there twice; standard input can be read once")
        elif path == STANDARD_INPUT or not folder.is_folder(path):
            yield path
        else:
            found = list(folder.search(path))
            yield from sorted(found, key=_path)
            if not found:
                yield folder.no_pictures(path)


def _path(found: Path | UnreadableError) -> Path:
    return found.path if isinstance(found, UnreadableError) else found


def _read(path: Path | UnreadableError, wanted_px: tuple[int, int]) -> Pixels:
    if isinstance(path, UnreadableError):
        raise path
    if path == STANDARD_INPUT:
        return standard_input(wanted_px)
    return read_picture(path, wanted_px)


def _report_failure(error: PictureError, name: str, model: str, *, as_json: bool) -> None:
    if as_json:
        _print_json(
            PictureMessage(path=name, model=model, results=[], stages_ms={}, error=str(error))
        )
    else:
        print(f"edged: {error}", file=sys.stderr)


def _print_json(message: PictureMessage) -> None:
    print(message.json().decode())
