"""Teaching: pictures become examples of a label, and what is wrong with them is told."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from edged.build import Admitted
from edged.config.schema import Config
from edged.core import Pixels, Prediction
from edged.errors import CommandError, ConfigError, ModelError
from edged.imaging.picture import jpeg
from edged.inference import layers, modelfile, tflite
from edged.inference.flatbuffer import root
from edged.models.naming import model_name
from edged.perception import known
from edged.printable import printable
from edged.teaching import checks, lessons, reading
from edged.teaching.label import wrong_label
from edged.teaching.lessons import Backbone, Example, Lessons
from edged.teaching.place import place

THUMBNAIL_PX = 96
THUMBNAIL_QUALITY = 80


class Picture(NamedTuple):
    """Pixels, and the file or camera that they are from."""

    pixels: Pixels
    source: str


class Taught(NamedTuple):
    """What is taught now, and remarks on it for people, one line each."""

    lessons: Lessons
    remarks: list[str]


def backbone(config: Config, model: Admitted) -> Backbone:
    """The model as a head is bound to it. ModelError where its file cannot be read."""
    settings = model.settings
    content = modelfile.content(model.file.path)
    return Backbone(
        printable(model_name(model.file.path)),
        hashlib.sha256(content).hexdigest(),
        tuple(settings.mean),
        tuple(settings.std),
        settings.channels,
        config.camera.fit,
    )


class Teacher:
    """Makes examples with one model. A context manager that owns the model's interpreter."""

    def __init__(self, config: Config, model: Admitted, within: Path | None = None) -> None:
        """Load the model. ModelError where it cannot be, or has nothing to teach on.

        `within` is the folder where a running daemon keeps what was taught.
        """
        self.backbone = backbone(config, model)
        self.place = place(config, self.backbone.sha256, within)
        self.reading = readable(model.file.path)
        self._known = known.find(model.file.path)
        layers = {*self.reading.tensors, *(self._known.layers if self._known else ())}
        [self._classifier] = tflite.load_alike(
            model.settings, config.camera.fit, model.file, layers=layers, told_in_log=False
        )

    def __enter__(self) -> Teacher:
        return self

    def __exit__(self, *exception: object) -> None:
        self._classifier.__exit__(*exception)

    @property
    def wanted_px(self) -> tuple[int, int]:
        """(height, width) of a picture that has all that the model can see."""
        return self._classifier.input_px

    @property
    def own_labels(self) -> Sequence[str]:
        """The labels of the model itself."""
        return self._classifier.labels

    def lessons(self) -> Lessons:
        """What was taught. ConfigError where the file cannot be read, or does not fit."""
        old = lessons.fitting(self.place, self.backbone) or Lessons(self.backbone, self.reading)
        if old.reading != self.reading:
            raise CommandError(
                f"{self.place}: another version of edged reads other tensors of the model; "
                "teach again under another teach.path"
            )
        return old

    def examples(self, label: str, pictures: Iterable[Picture], count: int) -> list[Example]:
        """The pictures, `count` of them, as examples of `label`.

        CommandError where it cannot be a label.
        ModelError where the model fails on a picture.
        """
        if wrong := wrong_label(label):
            raise CommandError(wrong)
        known = {name.strip().casefold(): name for name in self._classifier.labels}
        if (own := known.get(label.casefold())) is not None:
            raise CommandError(
                f"{own} is a label of model {self.backbone.name} already; choose another name, "
                f"such as 'my {own}'"
            )
        # Each look takes an invoke; with many pictures a second one is not worth it.
        twice = count <= lessons.CLOSER_LOOKS
        return [self._example(label, picture, twice=twice) for picture in pictures]

    def _example(self, label: str, picture: Picture, *, twice: bool) -> Example:
        vector, prediction = self._look(picture.pixels, picture.source)
        closer = self._look(middle(picture.pixels), picture.source)[0] if twice else b""
        height, width, _ = picture.pixels.shape
        digest = hashlib.sha256(f"{height}x{width}".encode())
        digest.update(picture.pixels.tobytes())
        return Example(
            label=label,
            closer=closer,
            vector=vector,
            sha256=digest.digest(),
            source=picture.source[:1024],
            taught_s=time.time(),
            known=None if self._known is None else self._known.share(prediction),
            thumbnail=jpeg(
                picture.pixels,
                THUMBNAIL_QUALITY,
                min(width, max(1, round(THUMBNAIL_PX * width / max(height, width)))),
            ),
        )

    def _look(self, pixels: Pixels, source: str) -> tuple[bytes, Prediction]:
        prediction = self._classifier.classify(pixels)
        vector = self.reading.vector(prediction.layers)
        if not prediction.finite or not np.isfinite(vector).all():
            raise ModelError(
                f"{source}: the model answers with numbers that are not finite; use another"
            )
        return vector.astype(np.float16).tobytes(), prediction

    def add(self, examples: Sequence[Example]) -> Taught:
        """Write the examples behind those that were taught. CommandError where they are refused.

        ConfigError where the file cannot be read or written. Nothing is changed then.
        """
        with lessons.locked(self.place):
            old = self.lessons()
            added, remarks = checks.new(old, examples)
            made = old.with_examples(added)
            for label in dict.fromkeys(example.label for example in examples):
                remarks += checks.label(made, label)
            lessons.write(self.place, made)
        return Taught(made, remarks + checks.collisions(made))

    def forget(self, label: str) -> Lessons:
        """Write what is left without `label`. CommandError where it was not taught."""
        with lessons.locked(self.place):
            old = lessons.fitting(self.place, self.backbone)
            made = (old or Lessons(self.backbone, self.reading)).without(label)
            lessons.write(self.place, made)
        return made

    def undo(self) -> Lessons:
        """Go back to what was taught before the last change. CommandError where there was none."""
        with lessons.locked(self.place):
            return lessons.undo(self.place)

    def replace(self, other: Lessons) -> Lessons:
        """Write `other` in place of what was taught. ConfigError where it does not fit."""
        if difference := other.backbone.difference(self.backbone):
            raise ConfigError(
                f"the labels do not fit model {self.backbone.name}: {difference}; nothing was "
                "changed"
            )
        with lessons.locked(self.place):
            lessons.write(self.place, other)
        return other


def middle(pixels: Pixels) -> Pixels:
    """A view of the middle 80 per cent, as if the camera were a little closer."""
    height, width, _ = pixels.shape
    top, left = height // 10, width // 10
    return pixels[top : height - top, left : width - left]


def readable(path: Path) -> reading.Reading:
    """What a head reads of the model in a file. ModelError where that is nothing."""
    data = modelfile.content(path)
    found = layers.find(data)
    if found.features is not None:
        tensors = list(next(root(data, b"TFL3").tables(2)).tables(0))
        count = tensors[found.features].integers(0)[-1]
        if (chosen := reading.choose(found, count)) is not None:
            return chosen
    raise ModelError(
        f"{path} has no features to teach on: give a classifier whose last layer is "
        "fully connected, such as the bundled one"
    )
