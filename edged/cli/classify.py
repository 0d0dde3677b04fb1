"""``edged classify``."""

from __future__ import annotations

import argparse
import re
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from edged.cli.progress import followed
from edged.config.schema import ModelConfig
from edged.errors import PictureError
from edged.imaging.picture import PICTURE_SUFFIXES, read_picture
from edged.inference import tflite
from edged.messages.results import PictureMessage, milliseconds, ranked


def run(arguments: argparse.Namespace) -> int:
    """Each picture, in the order given; folders are searched through and sorted by name."""
    model = ""
    if arguments.model:
        from edged.models import library

        model = str(library.resolve(arguments.model))
    classifier = tflite.load(
        ModelConfig(path=model, labels=arguments.labels, threads=arguments.threads)
    )
    found = classifier.found_labels
    if found.guessed:
        print(f"edged: labels from {found.source}, found beside the model", file=sys.stderr)
    wanted_px = classifier.input_px
    word = re.compile(rf"\b{re.escape(arguments.match)}\b", re.I) if arguments.match else None
    failed = False
    pictures = list(_pictures(arguments.paths))
    # Answers that go to the terminal are progress enough, and a bar would tear them.
    for path in pictures if sys.stdout.isatty() else followed(pictures, "classify"):
        began_s = time.perf_counter()
        try:
            if isinstance(path, PictureError):
                raise path
            pixels = read_picture(path, wanted_px)
        except PictureError as error:
            failed = True
            _report_failure(error, path, classifier.name, as_json=arguments.json)
            continue
        decoded_s = time.perf_counter()
        prediction = classifier.classify(pixels)
        best = prediction.top(arguments.top)
        if word and not any(word.search(ranked.label) for ranked in best):
            continue
        if arguments.json:
            stages_s = {"decode": decoded_s - began_s, **prediction.stages_s}
            _print_json(
                PictureMessage(
                    path=str(path),
                    model=classifier.name,
                    results=ranked(prediction, arguments.top),
                    stages_ms=milliseconds(stages_s),
                )
            )
        else:
            answers = "; ".join(f"{ranked.score:.1%} {ranked.label}" for ranked in best)
            print(f"{path}: {answers}")
    return 1 if failed else 0


class _EmptyFolderError(PictureError):
    """A folder that was named holds no picture."""

    def __init__(self, folder: Path) -> None:
        super().__init__(f"{folder}: no pictures in this folder ({', '.join(_SUFFIXES)})")
        self.folder = folder


_SUFFIXES = sorted(PICTURE_SUFFIXES)


def _pictures(paths: Sequence[Path]) -> Iterator[Path | _EmptyFolderError]:
    for path in paths:
        if not path.is_dir():
            yield path
            continue
        found = sorted(
            file
            for file in path.rglob("*")
            if file.suffix.lower() in PICTURE_SUFFIXES and file.is_file()
        )
        if found:
            yield from found
        else:
            yield _EmptyFolderError(path)


def _report_failure(
    error: PictureError, path: Path | _EmptyFolderError, model: str, *, as_json: bool
) -> None:
    if as_json:
        where = path.folder if isinstance(path, _EmptyFolderError) else path
        _print_json(
            PictureMessage(path=str(where), model=model, results=[], stages_ms={}, error=str(error))
        )
    else:
        print(f"edged: {error}", file=sys.stderr)


def _print_json(message: PictureMessage) -> None:
    print(message.json().decode())
