"""``edged models labels``."""

from __future__ import annotations

import argparse
from pathlib import Path

from edged.cli.model import configured, labelled
from edged.core import Ranked
from edged.errors import ModelError
from edged.imaging.picture import read_picture
from edged.imaging.standard_input import STANDARD_INPUT, standard_input
from edged.inference.tflite import TfliteClassifier, load_alike
from edged.messages.message import bounded
from edged.messages.models import LabelMessage
from edged.models import catalog, library
from edged.models.naming import is_name
from edged.perception.labels import word
from edged.printable import printable


def run(arguments: argparse.Namespace) -> int:
    """Each class with its label, in order, or by their scores on a picture."""
    model, wanted = arguments.model or "", arguments.word
    if model and wanted is None and _is_no_model(model):
        # A single argument may also be the word.
        model, wanted = "", model
    config = configured(arguments, model)
    admitted, labels = labelled(config)
    [classifier] = load_alike(admitted.settings, config.camera.fit, admitted.file, labels=labels)
    pattern = None if wanted is None else word(wanted)
    found = [
        message
        for message in _messages(classifier, arguments.picture)
        if pattern is None or pattern.search(message.label)
    ]
    if not found:
        neither = "" if arguments.word else f"no model is called {printable(wanted)}, and "
        raise ModelError(
            f"{neither}no label of {classifier.name} has the word {printable(wanted)}; "
            "`edged models list` shows the models"
        )
    for message in found:
        if arguments.json:
            print(message.json().decode())
        else:
            score = "" if message.score is None else f"{message.score:6.1%}  "
            print(f"{message.index:5}  {score}{message.label}")
    return 0


def _is_no_model(text: str) -> bool:
    return is_name(text) and library.find(text) is None and catalog.load().meant(text) is None


def _messages(classifier: TfliteClassifier, picture: Path | None) -> list[LabelMessage]:
    if picture is None:
        return [
            LabelMessage(model=classifier.name, index=index, label=label)
            for index, label in enumerate(classifier.labels)
        ]
    return [
        LabelMessage(
            model=classifier.name, index=best.index, label=best.label, score=bounded(best.score)
        )
        for best in _ranked(classifier, picture)
    ]


def _ranked(classifier: TfliteClassifier, picture: Path) -> list[Ranked]:
    wanted_px = classifier.input_px
    read = (
        standard_input(wanted_px) if picture == STANDARD_INPUT else read_picture(picture, wanted_px)
    )
    return classifier.classify(read).top(len(classifier.labels))
