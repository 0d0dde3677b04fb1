"""Finds a model's preprocessing by trial, for models without metadata."""

from __future__ import annotations

import itertools
import logging
import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Literal, NamedTuple, TypeAlias

import numpy as np
import numpy.typing as npt
from msgspec import Struct, field
from msgspec.structs import replace

from edged import __version__, build
from edged.config import toml
from edged.config.schema import Config
from edged.core import Pixels
from edged.errors import PictureError
from edged.evaluation.dataset import DataError, Dataset, classes_of
from edged.evaluation.examples import Finding, Kind, kind_of
from edged.imaging.picture import decode_picture
from edged.imaging.resample import Box, resample
from edged.inference import tensors
from edged.inference.tflite import TfliteClassifier
from edged.messages.message import Document

PICTURES_MIN = 10
PICTURES = {True: 200, False: 100}
"""How many suffice, with labels and without: the latter are classified five times."""

SURE = 2.0
"""Standard errors by which another preprocessing must be better than the present one."""

STEADY_MIN = 0.2
"""Below this steadiness, answers have little to do with the picture."""

ONE_ANSWER = 0.95
"""If chance alone leaves more answers unchanged, nearly all are the same and mean nothing."""

INNER, DARKER = 0.8, 0.7
"""The fraction of the picture that the changes keep, and of its brightness."""

IMAGENET_MEAN = [123.675, 116.28, 103.53]
IMAGENET_STD = [58.395, 57.12, 57.375]
"""Of ImageNet's training pictures, red, green and blue, as in PyTorch's torchvision."""


Channels: TypeAlias = Literal["rgb", "bgr"]
Fit: TypeAlias = Literal["stretch", "crop"]


class Normalization(NamedTuple):
    """A usual normalisation, with its common name."""

    name: str
    mean: list[float]
    std: list[float]


NORMALIZATIONS = (
    Normalization("-1..1", [127.5], [127.5]),
    Normalization("0..1", [0.0], [255.0]),
    Normalization("0..255", [0.0], [1.0]),
    Normalization("ImageNet, mean and deviation", IMAGENET_MEAN, IMAGENET_STD),
    Normalization("ImageNet, mean alone", IMAGENET_MEAN, [1.0]),
)

Floats = npt.NDArray[np.float64]


class Candidate(Struct, frozen=True):
    """One preprocessing, and the model's results with it.

    ``mean`` and ``std`` are empty if neither is set. ``top1`` is None without labels.
    ``confidence`` is the mean score of the best class. ``steadiness``, None with labels, is the
    share of answers that small changes of a picture leave unchanged, corrected for chance (Cohen's
    kappa): 1 is all, 0 is chance. ``present`` marks the configured preprocessing, ``fits`` those
    than which none is clearly better.
    """

    normalization: str
    mean: list[float]
    std: list[float]
    channels: Channels
    fit: Fit
    top1: float | None
    confidence: float
    steadiness: float | None
    present: bool
    fits: bool


class Calibration(Document, frozen=True):
    """The document. ``candidates`` are in the order of trial, ``chosen`` is the place of one.

    ``lines`` are for the configuration; empty if the present preprocessing fits. ``guessing`` is
    true if the answers are no better than chance with each. ``unreadable`` includes closed folders.
    """

    model: str
    data: str
    pictures: int
    labelled: bool
    candidates: list[Candidate]
    chosen: int
    lines: list[str]
    guessing: bool
    unreadable: Kind = field(default_factory=lambda: Kind(0, []))
    edged: str = __version__
    kind: Literal["calibration"] = "calibration"
    schema: Literal[1] = 1


class _Way(NamedTuple):
    normalization: Normalization
    channels: Channels
    fit: Fit


def calibrate(
    config: Config,
    dataset: Dataset,
    followed: Callable[[Sequence[_Way]], Iterable[_Way]] = iter,
) -> Calibration:
    """Classify the pictures of `dataset` with the model of `config` and all usual preprocessings.

    Correct answers are known only if every example has a label. `followed` passes the candidates on
    one by one. ModelError, or DataError if the model lacks these labels, or too few pictures can be
    read.
    """
    labelled = all(example.label for example in dataset.examples)
    dataset = dataset.limited(PICTURES[labelled])
    with build.classifier(config) as present:
        ways = _ways(present, config)
        truth = _truth(dataset, present) if labelled else None
        inputs, kept, unreadable = _pictures(dataset, present.input_px, changed=not labelled)
        name = present.name
    with _quiet(logging.getLogger("edged.inference")):
        said = [_scores(config, way, inputs[way.fit]) for way in followed(ways)]
    right = None if truth is None else truth[kept]
    worth = [_steadiness(scores) if right is None else _hits(scores, right) for scores in said]
    means = [float(each.mean()) for each in worth]
    best = means.index(max(means))
    fits = [not _surely_better(worth[best], other) for other in worth]
    alike = [place for place, way in enumerate(ways) if _alike(way, ways[best]) and fits[place]]
    chosen = 0 if fits[0] else alike[0]
    least = STEADY_MIN if right is None else 1 / len(np.unique(right))
    return Calibration(
        model=name,
        data=Path(dataset.source).name,
        pictures=len(kept),
        labelled=labelled,
        candidates=[
            Candidate(
                normalization=way.normalization.name,
                mean=way.normalization.mean,
                std=way.normalization.std,
                channels=way.channels,
                fit=way.fit,
                top1=round(means[place], 6) if labelled else None,
                confidence=round(float(said[place][0].max(1).mean()), 6),
                steadiness=None if labelled else round(means[place], 6),
                present=place == 0,
                fits=fits[place],
            )
            for place, way in enumerate(ways)
        ],
        chosen=chosen,
        lines=_lines(ways[chosen], config) if chosen else [],
        guessing=means[best] <= least,
        unreadable=kind_of(unreadable),
    )


def _ways(present: TfliteClassifier, config: Config) -> list[_Way]:
    """The present one first, so that it wins a tie; then the usual ones."""
    model, image = config.model, present.image
    own = Normalization("as configured", model.mean, model.std)
    if not (model.mean or model.std):
        own = Normalization("as the file says", [], [])
    file_s = [Normalization("as the file says", [], [])] if own.mean or own.std else []
    if image.tensor.dtype.kind != "f":
        # The scale of an integer input defines the meaning of its values.
        normalizations: Sequence[Normalization] = [own, *file_s]
    elif image.guessed:
        # The default guess is the first of them.
        normalizations = NORMALIZATIONS
    else:
        normalizations = [own, *NORMALIZATIONS]
    channels: Sequence[Channels] = ["rgb", "bgr"] if image.channels == 3 else ["rgb"]
    fits: Sequence[Fit] = ["stretch", "crop"]
    ways = [
        _Way(normalization, order, fit)
        for normalization, order, fit in itertools.product(normalizations, channels, fits)
        if image.channels == 3 or len(normalization.mean) <= 1
    ]
    now = _Way(normalizations[0], model.channels, config.camera.fit)
    return sorted(ways, key=lambda way: way != now)


def _truth(dataset: Dataset, present: TfliteClassifier) -> npt.NDArray[np.int64]:
    try:
        return classes_of(dataset, present.labels)
    except DataError as error:
        raise DataError(
            f"{error}; or give pictures without folders, as of unknown class"
        ) from error


def _pictures(
    dataset: Dataset, input_px: tuple[int, int], *, changed: bool
) -> tuple[dict[Fit, list[list[Pixels]]], list[int], list[Finding]]:
    """The pictures at the size of the input, for each fit, their examples, and the unreadable ones.

    For each picture a list: itself, then its changed forms if requested.
    """
    inputs: dict[Fit, list[list[Pixels]]] = {"stretch": [], "crop": []}
    kept = []
    unreadable = [Finding(name, why) for name, why in dataset.closed.items()]
    for place, example in enumerate(dataset.examples):
        try:
            pixels = decode_picture(dataset.read(example), example.name, input_px)
        except PictureError as error:
            unreadable.append(Finding(example.name, error.reason))
            continue
        kept.append(place)
        for fit, forms in inputs.items():
            seen = tensors.centre(pixels, *input_px) if fit == "crop" else pixels
            whole = _resized(seen, input_px)
            forms.append([whole, *_changed(seen, whole)] if changed else [whole])
    if len(kept) < PICTURES_MIN:
        why = f" ({unreadable[0].picture}: {unreadable[0].why})" if unreadable else ""
        raise DataError(
            f"{dataset.source}: {len(kept)} pictures can be read{why}; give at least {PICTURES_MIN}"
        )
    return inputs, kept, unreadable


def _changed(pixels: Pixels, whole: Pixels) -> list[Pixels]:
    """Changes that keep the class: closer, shifted, darker, mirrored."""
    height, width = pixels.shape[:2]
    across, down = width * (1 - INNER) / 2, height * (1 - INNER) / 2
    nearer = (across, down, width - across, height - down)
    aside = (0.0, 0.0, width * INNER, height * INNER)
    size = whole.shape[0], whole.shape[1]
    return [
        _resized(pixels, size, nearer),
        _resized(pixels, size, aside),
        (whole * DARKER).astype(np.uint8),
        np.ascontiguousarray(whole[:, ::-1]),
    ]


def _resized(pixels: Pixels, size: tuple[int, int], box: Box | None = None) -> Pixels:
    out = np.empty((*size, 3), np.uint8)
    resample(pixels, out, box)
    return out


@contextmanager
def _quiet(logger: logging.Logger) -> Iterator[None]:
    """Suppress warnings: they were logged when the model was first loaded."""
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        yield
    finally:
        logger.setLevel(level)


def _scores(config: Config, way: _Way, inputs: Sequence[Sequence[Pixels]]) -> Floats:
    """Shape (forms, pictures, classes)."""
    mean, std = way.normalization.mean, way.normalization.std
    model = replace(config.model, mean=mean, std=std, channels=way.channels)
    with build.classifier(replace(config, model=model)) as classifier:
        scores = [[classifier.classify(form).scores for form in forms] for forms in inputs]
    return np.array(scores, np.float64).transpose(1, 0, 2)


def _hits(scores: Floats, truth: npt.NDArray[np.int64]) -> Floats:
    """For each picture, 1 if the answer is right."""
    hits: Floats = (scores[0].argmax(1) == truth).astype(np.float64)
    return hits


def _steadiness(scores: Floats) -> Floats:
    """For each picture, the share of its changed forms with the same answer, corrected for chance.

    The mean over the pictures is Cohen's kappa, averaged over the changes.
    """
    first, *others = scores.argmax(2)
    classes = scores.shape[2]
    often = np.bincount(first, minlength=classes) / len(first)
    each = []
    for other in others:
        chance = float(often @ (np.bincount(other, minlength=classes) / len(other)))
        same = (first == other) - chance
        each.append(same / (1 - chance) if chance < ONE_ANSWER else np.zeros(len(first)))
    steady: Floats = np.mean(each, axis=0)
    return steady


def _alike(way: _Way, other: _Way) -> bool:
    return way.normalization.name == other.normalization.name


def _surely_better(best: Floats, other: Floats) -> bool:
    ahead = best - other
    return float(ahead.mean()) > SURE * float(ahead.std()) / math.sqrt(len(ahead))


def _lines(way: _Way, config: Config) -> list[str]:
    """The configuration for this preprocessing, as TOML."""
    mean, std = way.normalization.mean, way.normalization.std
    changed = (mean, std) != (config.model.mean, config.model.std)
    model = [f"mean = {toml.value_text(mean)}", f"std = {toml.value_text(std)}"] if changed else []
    if way.channels != config.model.channels:
        model.append(f"channels = {toml.value_text(way.channels)}")
    camera = [] if way.fit == config.camera.fit else [f"fit = {toml.value_text(way.fit)}"]
    tables = {"[model]": model, "[camera]": camera}
    return [line for head, lines in tables.items() if lines for line in (head, *lines)]
