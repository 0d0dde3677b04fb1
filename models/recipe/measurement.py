"""What the converted model is worth: accuracy, corruptions, photographs, size and speed."""

from __future__ import annotations

import platform
from collections.abc import Sequence
from dataclasses import dataclass
from importlib import metadata, resources
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from models.recipe.corruption import CORRUPTIONS
from models.recipe.network import Network
from models.recipe.pictures import SIDE_PX, Pictures
from models.recipe.runtime import Runtime, Tensor
from models.recipe.training import Say, accuracy

# What scikit-image carries inside its wheel and a camera took; the class is None where CIFAR-10
# has no word for the subject.
PHOTOGRAPHS: tuple[tuple[str, str, str | None], ...] = (
    ("chelsea.png", "a cat's face", "cat"),
    ("astronaut.png", "an astronaut", None),
    ("camera.png", "a man with a camera, grey", None),
    ("coffee.png", "a cup of coffee", None),
    ("coins.png", "coins, grey", None),
    ("motorcycle_left.png", "a motorcycle in a garage", None),
    ("rocket.jpg", "a rocket at its launch", None),
    ("brick.png", "a brick wall, grey", None),
    ("grass.png", "grass, grey", None),
    ("gravel.png", "gravel, grey", None),
    ("hubble_deep_field.jpg", "galaxies", None),
    ("moon.png", "the surface of the Moon, grey", None),
    ("retina.jpg", "a retina", None),
)
PACKAGES = ("torch", "tensorflow", "ai-edge-litert", "numpy", "pillow", "scikit-image")
KNOWN_SHARE = 0.95
ROUNDS = 20
CALLS = 20


@dataclass(frozen=True)
class Corrupted:
    """The accuracy under one effect at its three strengths."""

    name: str
    unit: str
    strengths: tuple[float, float, float]
    accuracies: tuple[float, float, float]


@dataclass(frozen=True)
class Photograph:
    """The answer to one photograph; ``similarity`` is to the nearest class mean."""

    name: str
    subject: str
    truth: str | None
    label: str
    score: float
    similarity: float


@dataclass(frozen=True)
class Speed:
    """Median invoke times on one thread, taken in turns with the model compared with."""

    model_ms: float
    reference_ms: float
    reference: str


@dataclass(frozen=True)
class Measured:
    """Everything the model card says in numbers; accuracies and shares are 0..1."""

    int8: float
    float32: float
    validation_int8: float
    validation_float32: float
    test_pictures: int
    validation_pictures: int
    per_class: dict[str, float]
    corrupted: list[Corrupted]
    photographs: list[Photograph]
    known_score: float
    known_similarity: float
    size_bytes: int
    inputs: list[Tensor]
    outputs: list[Tensor]
    operators: int
    left_operators: list[str]
    speed: Speed
    processor: str
    packages: dict[str, str]


def measure(
    path: Path,
    network: Network,
    validation: Pictures,
    test: Pictures,
    reference: Path,
    say: Say,
) -> Measured:
    """Measure the model at ``path`` against its float32 parent and the ``reference`` model."""
    runtime = Runtime(path)
    say("measuring: speed")
    speed = _speed(runtime, reference)
    say("measuring: accuracy")
    scores, _ = runtime.run(test.pixels)
    correct = scores.argmax(1) == test.classes
    validation_scores, validation_features = runtime.run(validation.pixels)
    means = np.stack(
        [
            _unit(validation_features[validation.classes == index]).mean(0)
            for index in range(len(validation.labels))
        ]
    )
    similarities = (_unit(validation_features) @ _unit(means).T).max(1)
    corrupted = []
    for corruption in CORRUPTIONS:
        say(f"measuring: {corruption.name.lower()}")
        first, second, third = (
            top1(runtime, Pictures(corruption.apply(test.pixels, s), test.classes, test.labels))
            for s in corruption.strengths
        )
        corrupted.append(
            Corrupted(corruption.name, corruption.unit, corruption.strengths,
                      (first, second, third))
        )  # fmt: skip
    say("measuring: photographs")
    taken, left = runtime.delegated()
    inputs, outputs = runtime.tensors()
    return Measured(
        int8=float(correct.mean()),
        float32=accuracy(network, test),
        validation_int8=float((validation_scores.argmax(1) == validation.classes).mean()),
        validation_float32=accuracy(network, validation),
        test_pictures=len(test),
        validation_pictures=len(validation),
        per_class={
            label: float(correct[test.classes == index].mean())
            for index, label in enumerate(test.labels)
        },
        corrupted=corrupted,
        photographs=_photographs(runtime, test.labels, means),
        known_score=float(np.quantile(validation_scores.max(1), 1 - KNOWN_SHARE)),
        known_similarity=float(np.quantile(similarities, 1 - KNOWN_SHARE)),
        size_bytes=path.stat().st_size,
        inputs=inputs,
        outputs=outputs,
        operators=taken + len(left),
        left_operators=left,
        speed=speed,
        processor=_processor(),
        packages={name: metadata.version(name) for name in PACKAGES},
    )


def top1(runtime: Runtime, pictures: Pictures) -> float:
    """Return the top-1 accuracy of the converted model."""
    return float((runtime.run(pictures.pixels)[0].argmax(1) == pictures.classes).mean())


def _photographs(
    runtime: Runtime, labels: Sequence[str], means: NDArray[np.float32]
) -> list[Photograph]:
    found = []
    for name, subject, truth in PHOTOGRAPHS:
        with (
            resources.as_file(resources.files("skimage") / "data" / name) as path,
            Image.open(path) as picture,
        ):
            small = picture.convert("RGB").resize((SIDE_PX, SIDE_PX), Image.Resampling.BILINEAR)
        scores, features = runtime.run(np.asarray(small).transpose(2, 0, 1)[None])
        best = int(scores[0].argmax())
        similarity = float((_unit(features) @ _unit(means).T).max())
        found.append(
            Photograph(name, subject, truth, labels[best], float(scores[0, best]), similarity)
        )
    return found


def _speed(runtime: Runtime, reference: Path) -> Speed:
    other = Runtime(reference)
    mine: list[NDArray[Any]] = []
    theirs: list[NDArray[Any]] = []
    for _ in range(ROUNDS):
        mine.append(runtime.invoke_ms(CALLS))
        theirs.append(other.invoke_ms(CALLS))
    return Speed(float(np.median(mine)), float(np.median(theirs)), reference.name)


def _unit(vectors: NDArray[Any]) -> NDArray[Any]:
    lengths: NDArray[Any] = np.linalg.norm(vectors, axis=-1, keepdims=True)
    unit: NDArray[Any] = vectors / (lengths + 1e-9)
    return unit


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    names = [line.split(":")[1].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine()
