"""One side of the comparison in a process of its own, which a bad model may end.

usage: python -m tests.conformance.child edged|reference. A `Job` in JSON comes on standard input;
a line of JSON, an `Answer`, goes out for every case, or for a way in which the model was refused.
"""

from __future__ import annotations

import json
import os
import resource
import sys
from collections.abc import Callable, Iterator
from functools import lru_cache
from pathlib import Path
from typing import Any, TypedDict

import numpy as np
import numpy.typing as npt

MEMORY_BYTES = 4 << 30
DISTURBED = 4
"""So many copies of a picture for each way to run a model, with values moved by a level at most."""

PICTURES_KEPT = 256
"""For the next way to run the model."""

MODULES = {"litert": "ai_edge_litert.interpreter", "tflite": "tflite_runtime.interpreter"}
PACKAGES = {"litert": "ai_edge_litert", "tflite": "tflite_runtime"}


class Way(TypedDict):
    """How a model is run: the runtime by edged's name, and the camera's fit."""

    runtime: str
    xnnpack: bool
    fit: str


class Job(TypedDict):
    """A model, what is told of it (keys of edged's section [model]), the ways and the pictures."""

    model: str
    told: dict[str, Any]
    ways: list[Way]
    pictures: list[str]


class Answer(TypedDict, total=False):
    """Of the way and the picture with these numbers; without a picture, of the whole way.

    ``moved`` is how far the reference's own scores move when the input does by a level, or when
    the decoder reduces the picture first; ``step`` how far with a step of a quantised output.
    ``refused`` is one line.
    """

    way: int
    picture: int
    scores: list[float]
    moved: float
    step: float
    refused: str


Classify = Callable[[Path], Answer]
"""Scores of a picture, and of the reference how far they move."""


@lru_cache(PICTURES_KEPT)
def edged_reads(path: Path, wanted_px: tuple[int, int]) -> npt.NDArray[Any]:
    from edged.imaging.picture import read_picture

    return read_picture(path, wanted_px)


@lru_cache(PICTURES_KEPT)
def pillow_reads(path: Path, least_px: int | None = None) -> Any:
    from tests.conformance.reference import upright

    return upright(path, least_px)


def edged(job: Job, way: Way) -> Classify:
    """As `edged classify` does."""
    from edged.config.schema import ModelConfig
    from edged.errors import ModelError
    from edged.inference import tflite

    how: dict[str, Any] = {"runtime": way["runtime"], "xnnpack": way["xnnpack"], "threads": 1}
    classifier = tflite.load(
        ModelConfig(path=job["model"], **how, **job["told"]),
        "crop" if way["fit"] == "crop" else "stretch",
    )

    def classify(path: Path) -> Answer:
        prediction = classifier.classify(edged_reads(path, classifier.input_px))
        if not prediction.finite:
            raise ModelError("its output is not finite")
        return {"scores": listed(prediction.scores)}

    return classify


def reference(job: Job, way: Way) -> Classify:
    """As `tests.conformance.reference` does, and how sure of it one may be."""
    from tests.conformance.reference import Reference, resized

    model = Reference(Path(job["model"]), job["told"], MODULES[way["runtime"]], way["xnnpack"])
    size_px = (model.height_px, model.width_px)

    # The other kernels move other copies of a picture.
    number = job["ways"].index(way)

    def classify(path: Path) -> Answer:
        pixels = resized(pillow_reads(path), *size_px, way["fit"])
        scores = model.classify(pixels)
        # Pillow's own Image.thumbnail has JPEG reduced to twice the size wanted.
        reduced = resized(pillow_reads(path, 2 * max(size_px)), *size_px, way["fit"])
        others = [] if np.array_equal(reduced, pixels) else [reduced]
        # Moved one by one, the colours of a pixel would hardly move the luma of a grey model.
        shape = (*pixels.shape[:2], model.channels)
        for copy in range(DISTURBED):
            levels = np.random.default_rng([number, copy]).integers(-1, 2, shape)
            others.append((pixels + levels).clip(0, 255).astype(np.uint8))
        moved = max(float(abs(model.classify(other) - scores).max()) for other in others)
        return {"scores": listed(scores), "moved": moved, "step": model.step(scores)}

    return classify


def answers(side: Callable[[Job, Way], Classify], job: Job) -> Iterator[Answer]:
    for number, way in enumerate(job["ways"]):
        try:
            classify = side(job, way)
        except Exception as error:
            yield {"way": number, "refused": one_line(error)}
            continue
        for place, picture in enumerate(job["pictures"]):
            try:
                answer = classify(Path(picture))
            except Exception as error:
                answer = {"refused": one_line(error)}
            yield {"way": number, "picture": place, **answer}


def listed(scores: npt.NDArray[Any]) -> list[float]:
    return [float(score) for score in scores]


def one_line(error: Exception) -> str:
    return " ".join(str(error).split())[:300] or type(error).__name__


def main() -> None:
    job: Job = json.load(sys.stdin)
    # The runtimes write to standard output too.
    with os.fdopen(os.dup(1), "w") as out:
        os.dup2(2, 1)
        resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES, MEMORY_BYTES))
        for answer in answers({"edged": edged, "reference": reference}[sys.argv[1]], job):
            print(json.dumps(answer), file=out, flush=True)


if __name__ == "__main__":
    main()
