"""How well labels are taught, on sets of pictures that are beside the checkout.

Of each class some pictures are drawn and taught, all others are asked about; ten times over.
"""

from __future__ import annotations

import time
import zipfile
from collections.abc import Iterator, Sequence
from csv import DictReader
from pathlib import Path
from typing import NamedTuple

import numpy as np

from edged import build, paths
from edged.config.load import load
from edged.imaging.picture import decode_picture
from edged.imaging.resample import resample
from edged.inference import tflite
from edged.inference.labels import numbers
from edged.perception import known as known_files
from edged.teaching import background, head
from edged.teaching.background import Background
from edged.teaching.classifier import joined
from edged.teaching.evidence import Evidence
from edged.teaching.head import Floats, Integers, Material
from edged.teaching.lessons import CLOSER_LOOKS
from edged.teaching.reading import Reading
from edged.teaching.teacher import middle, readable

DRAWS = 10
PIXELS_PX = 16
LIMIT = 1500
"""Pictures of a set of what the model knows already."""


class Set(NamedTuple):
    """Pictures that went through a model; a row each.

    ``pixels`` are small copies for the comparison without a model, ``truth`` the class in the set,
    or in the model where it knows the set, ``known`` how known each picture looks to the model.
    """

    reading: Reading
    vectors: Floats
    closer: Floats
    scores: Floats
    pixels: Floats
    truth: Integers
    known: Floats
    background: Background | None = None


class Model(NamedTuple):
    """A model that is taught: its name in the report and its file."""

    title: str
    path: Path


def models(shared: Path) -> list[Model]:
    """Those of the report."""
    mobilenet = shared / "models" / "tf2_mobilenet_v2_1.0_224_ptq.tflite"
    return [Model("MobileNetV2 int8", mobilenet), Model("bundled model", paths.bundled_model())]


def packed(archive: Path, limit: int | None = None) -> Iterator[tuple[str, bytes]]:
    """The class and the content of each picture, or of `limit` of them, drawn once for all."""
    with zipfile.ZipFile(archive) as file:
        names = [name for name in file.namelist() if name.lower().endswith(".jpg")]
        for place in np.random.default_rng(0).permutation(len(names))[:limit]:
            yield Path(names[place]).parent.name, file.read(names[place])


def imagenet(folder: Path) -> Iterator[tuple[str, bytes]]:
    """The index of the class in models of 1001 classes, and the content of each picture."""
    with (folder / "labels.csv").open() as lines:
        for row in DictReader(lines):
            yield row["index1001"], (folder / row["file"]).read_bytes()


def look(model: Model, pictures: Iterator[tuple[str, bytes]], known: Sequence[str] = ()) -> Set:
    """All pictures through a model; `known` are its classes in their order, if it has those."""
    config = load(None, [f"model.path={model.path}", "model.threads=1"])
    file = tflite.read(config.model)
    reading = readable(model.path)
    reference = known_files.find(model.path)
    [classifier] = tflite.load_alike(
        config.model,
        "stretch",
        file,
        labels=numbers(file),
        layers={*reading.tensors, *(reference.layers if reference else ())},
    )
    names, vectors, closer, scores, small, shares = [], [], [], [], [], []
    for name, content in pictures:
        pixels = decode_picture(content, name, classifier.input_px)
        prediction = classifier.classify(pixels)
        # As the file of taught labels keeps them.
        vectors.append(reading.vector(prediction.layers).astype(np.float16))
        looked = classifier.classify(middle(pixels))
        closer.append(reading.vector(looked.layers).astype(np.float16))
        scores.append(prediction.scores)
        out = np.empty((PIXELS_PX, PIXELS_PX, 3), np.uint8)
        resample(pixels, out)
        small.append(out.reshape(-1))
        names.append(name)
        shares.append(np.nan if reference is None else reference.share(prediction))
    order = list(known) or sorted(set(names))
    truth = np.array([order.index(name) for name in names], np.int64)
    return Set(
        reading,
        np.array(vectors, np.float32),
        np.array(closer, np.float32),
        np.array(scores),
        np.array(small, np.float32),
        truth,
        np.array(shares, np.float32),
        background.find(model.path, reading),
    )


def draw(truth: Integers, count: int, seed: int) -> tuple[Integers, Integers]:
    """The places of `count` pictures of each class, and those of all others."""
    rng = np.random.default_rng([seed, count])
    taken = np.concatenate(
        [rng.permutation(np.flatnonzero(truth == one))[:count] for one in np.unique(truth)]
    )
    return taken, np.setdiff1d(np.arange(len(truth)), taken)


def fitted(known: Set, taken: Integers) -> head.Head:
    """The head of some pictures, as `edged teach` fits it."""
    vectors, pictures = known.vectors[taken], np.arange(len(taken))
    if len(taken) <= CLOSER_LOOKS:
        vectors = np.concatenate([vectors, known.closer[taken]])
        pictures = np.concatenate([pictures, pictures])
    sizes = [block.channels for block in known.reading.blocks]
    return head.fit(Material(vectors, known.truth[taken], pictures, sizes), known.background)


def closed(known: Set, count: int, draws: int = DRAWS) -> float:
    """Top-1 among the taught labels alone, 0..1."""
    shares = []
    for seed in range(draws):
        taken, others = draw(known.truth, count, seed)
        made = fitted(known, taken)
        classes = made.classes
        found = known.vectors[others] @ made.matrix[:classes].T + made.offset[:classes]
        shares.append((found.argmax(1) == known.truth[others]).mean())
    return float(np.mean(shares))


def nearest(rows: Floats, truth: Integers, count: int, draws: int = DRAWS) -> float:
    """Top-1 by the nearest mean of a class, to compare with."""
    shares = []
    for seed in range(draws):
        taken, others = draw(truth, count, seed)
        means = np.array(
            [rows[taken][truth[taken] == one].mean(0) for one in range(truth.max() + 1)]
        )
        apart = ((rows[others][:, None] - means[None]) ** 2).sum(2)
        shares.append((apart.argmin(1) == truth[others]).mean())
    return float(np.mean(shares))


class Both(NamedTuple):
    """Top-1 with all labels, the model's and the taught ones, and what that costs; 0..1.

    ``old`` is of the pictures of what the model knows, ``old_alone`` without taught labels;
    ``new`` of held-out pictures of what was taught, ``new_alone`` among taught labels alone.
    """

    old: float
    old_alone: float
    new: float
    new_alone: float


def together(old: Set, new: Set, count: int, draws: int = DRAWS) -> Both:
    """What is lost where a label may be one of the model's or a taught one."""
    rows = []
    for seed in range(draws):
        taken, others = draw(new.truth, count, seed)
        made = fitted(new, taken)
        evidence = Evidence([share for share in new.known[taken].tolist() if not np.isnan(share)])
        before = old.scores.argmax(1) == old.truth
        after = np.array(
            [_best(made, evidence, old, one) == old.truth[one] for one in range(len(before))]
        )
        first = old.scores.shape[1]
        found = [_best(made, evidence, new, one) for one in others]
        alone = [int(made.scores(new.vectors[one])[0].argmax()) for one in others]
        truth = new.truth[others]
        rows.append(
            (
                after.mean(),
                before.mean(),
                (np.array(found) == truth + first).mean(),
                (np.array(alone) == truth).mean(),
            )
        )
    return Both(*map(float, np.mean(rows, 0)))


def _best(made: head.Head, evidence: Evidence, known: Set, one: int) -> int:
    share, scores = float(known.known[one]), known.scores[one]
    told = evidence.of(None if np.isnan(share) else share)
    classes, taught = made.scores(known.vectors[one], told)
    return int(joined(scores, classes, taught).argmax())


def fit_ms(known: Set, count: int = 10, runs: int = 20) -> float:
    """The least processor time of a fit, in milliseconds."""
    taken, _ = draw(known.truth, count, 0)
    spent = []
    for _ in range(runs):
        began_s = time.process_time()
        fitted(known, taken)
        spent.append(time.process_time() - began_s)
    return 1000 * min(spent)


def frame_us(model: Model, known: Set, runs: int = 2000) -> float:
    """The least time that taught labels add to a frame, in microseconds."""
    config = load(None, [f"model.path={model.path}", "model.threads=1"])
    file = tflite.read(config.model)
    [classifier] = tflite.load_alike(
        config.model, "stretch", file, labels=numbers(file), layers=known.reading.tensors
    )
    taken, _ = draw(known.truth, 10, 0)
    made = fitted(known, taken)
    prediction = classifier.classify(np.zeros((*classifier.input_px, 3), np.uint8))
    spent = []
    for _ in range(runs):
        began_ns = time.perf_counter_ns()
        classes, taught = made.scores(known.reading.vector(prediction.layers))
        joined(prediction.scores, classes, taught)
        spent.append(time.perf_counter_ns() - began_ns)
    return min(spent) / 1000


def teach_s(model: Model, archive: Path, count: int = 100) -> float:
    """Processor time of teaching so many pictures, from their files to the written head."""
    import tempfile

    from edged.teaching.teacher import Picture, Teacher

    contents = [content for _, content in packed(archive, count)]
    with tempfile.TemporaryDirectory() as folder:
        labels = Path(folder) / "labels.txt"
        config = load(
            None,
            [
                f"model.path={model.path}",
                "model.threads=1",
                f"teach.path={folder}/taught",
                *([f"model.labels={labels}"] if model.path != paths.bundled_model() else []),
            ],
        )
        names = numbers(tflite.read(config.model)).names
        labels.write_text("\n".join(f"class {name}" for name in names))
        admitted = build.admitted(config)
        began_s = time.process_time()
        with Teacher(config, admitted) as teacher:
            decoded = (
                Picture(decode_picture(content, "", teacher.wanted_px), str(place))
                for place, content in enumerate(contents)
            )
            teacher.add(teacher.examples("taught", decoded, count))
        return time.process_time() - began_s
