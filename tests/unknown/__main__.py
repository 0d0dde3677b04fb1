"""``make report-unknown``: docs/reports/unknown.md, how well edged tells the unknown."""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt

from edged import paths
from edged.config.schema import Config, DecideConfig, ModelConfig
from edged.core import Pixels
from edged.evaluation.text import table
from edged.evaluation.unknown import Fit, Seen, auroc
from edged.files import write_atomically
from edged.perception import known, reference
from models.recipe import known as recipe
from models.recipe.pictures import SPLIT_SEED, VALIDATION_PER_CLASS, hold_out, read_zip
from tests.conftest import SHARED_DATA
from tests.unknown import sets
from tests.unknown.baselines import Baselines, Score

ABOUT = """\
# What models do not know

Made by `make report-unknown`: {limits}. How it works: [unknown.md](../unknown.md).

AUROC in per cent: the chance that a picture of a known thing looks more known than one of the set.
Layers and constants were chosen on CIFAR-10's training pictures and the sets shown here, so expect
one or two points less on others.
"""

IMAGENET_MODELS = (
    "tf2_mobilenet_v2_1.0_224_ptq",
    "mobilenet_v2_1.0_224_quant",
    "mobilenet_v1_0.75_192_quant",
    "mobilenet_v1_0.5_160_quant",
    "mobilenet_v1_0.25_128_quant",
)

ENTER = DecideConfig().enter
SHARE = DecideConfig().unknown_share


def bundled(limit: int | None = None) -> list[str]:
    """The tables of the bundled model, line by line."""
    model = paths.bundled_model()
    data = model.read_bytes()
    made = reference.read(reference.places(model)[1], data)
    training, _ = hold_out(
        read_zip(SHARED_DATA / "training/cifar10/train.zip"), VALIDATION_PER_CLASS, SPLIT_SEED
    )
    with Fit(Config()) as fit:
        cifar = sets.open_limited(sets.CIFAR10, limit)
        seen = fit.look(cifar)
        others = sets.unknown_to_cifar10(fit, limit)
        step = max(len(training) // 10_000, 1) if limit is None else len(training) // limit
        baselines = Baselines(data, fit.see(recipe.each(training, step)), fit.sizes[-1])
        scores: dict[str, Score] = {
            "edged": lambda one: fit.likeness(made, one),
            "greatest score": lambda one: one.score.astype(np.float64),
            "energy": baselines.energy,
            "Mahalanobis": baselines.mahalanobis,
            "ViM": baselines.vim,
            "500 neighbours": baselines.neighbours(500),
            "5,000 neighbours": baselines.neighbours(5000),
        }
        lines = ["## The bundled model", ""]
        lines += compared(seen, others, scores)
        lines += ["", *_cost(model), "", "### What rules do", ""]
        lines += _triggered(fit, made, seen, cifar, others)
        lines += ["", "### Known pictures as a camera may see them", ""]
        lines += _changed(fit, made, cifar)
    return lines


def imagenet(name: str, limit: int | None = None) -> tuple[list[str], float]:
    """The table of a model of ImageNet's classes, and its mean AUROC."""
    model = SHARED_DATA / f"models/{name}.tflite"
    data = model.read_bytes()
    made = reference.read(reference.places(model)[1], data)
    labels = SHARED_DATA / "labels/imagenet_labels.txt"
    with Fit(Config(model=ModelConfig(path=str(model), labels=str(labels)))) as fit:
        seen = fit.look(sets.open_limited(sets.IMAGENET, limit))
        others = sets.unknown_to_imagenet(fit, limit)
        baselines = Baselines(data, seen, fit.sizes[-1])
        scores: dict[str, Score] = {
            "edged": lambda one: fit.likeness(made, one),
            "greatest score": lambda one: one.score.astype(np.float64),
            "energy": baselines.energy,
        }
        lines = [f"### {name}", "", *compared(seen, others, scores)]
    return lines, mean(seen, others, scores["edged"])


def mean(seen: Seen, others: Mapping[str, Seen], score: Score) -> float:
    """The mean AUROC over all sets."""
    known_ = score(seen)
    return float(np.mean([auroc(known_, score(theirs)) for theirs in others.values()]))


def compared(seen: Seen, others: Mapping[str, Seen], scores: Mapping[str, Score]) -> Sequence[str]:
    """A row for each set, a column for each score."""
    columns = {}
    for name, score in scores.items():
        own = score(seen)
        columns[name] = [auroc(own, score(theirs)) for theirs in others.values()]
    rows = [
        [name, str(len(theirs.best)), *(f"{column[place]:.1%}" for column in columns.values())]
        for place, (name, theirs) in enumerate(others.items())
    ]
    rows.append(["**mean**", "", *(f"**{np.mean(column):.1%}**" for column in columns.values())])
    rows = [[cell.replace("%", "") for cell in row] for row in rows]
    return list(table(["set", "pictures", *columns], rows))


def _triggered(
    fit: Fit,
    made: reference.Reference,
    seen: Seen,
    cifar: sets.Dataset,
    others: Mapping[str, Seen],
) -> list[str]:
    truth = np.array([fit.labels.index(example.label) for example in cifar.examples])
    right = seen.best == truth
    rows = []
    for name, pictures, counted in (
        ("CIFAR-10 test, right", seen, right),
        ("CIFAR-10 test, wrong", seen, ~right),
        *((name, theirs, np.ones(len(theirs.best), np.bool_)) for name, theirs in others.items()),
    ):
        shares = _shares(fit, made, pictures)
        fires = (pictures.score >= ENTER) & counted
        higher = (pictures.score >= 0.8) & counted
        aware = fires & (shares >= SHARE)
        rows.append([name, *(f"{which.mean():.1%}" for which in (fires, higher, aware))])
    return [
        "The share of each set that makes a rule for its label active at once: with the default "
        "`enter`, with a higher one, and with the default and `known_only`.",
        "",
        *table(["set", "enter 0.6", "enter 0.8", "enter 0.6, known only"], rows),
    ]


def _shares(fit: Fit, made: reference.Reference, pictures: Seen) -> npt.NDArray[np.float64]:
    quantiles = list(made.quantiles)
    return np.array([known.share(quantiles, one) for one in fit.likeness(made, pictures)])


def _gain(factor: float) -> Callable[[Pixels], Pixels]:
    return lambda pixels: np.clip(pixels * factor, 0, 255).astype(np.uint8)


def _defocus(pixels: Pixels) -> Pixels:
    padded = np.pad(pixels.astype(np.float32), ((1, 1), (1, 1), (0, 0)), "edge")
    rows = (padded[:-2] + 2 * padded[1:-1] + padded[2:]) / 4
    return ((rows[:, :-2] + 2 * rows[:, 1:-1] + rows[:, 2:]) / 4).astype(np.uint8)


def _grain(pixels: Pixels) -> Pixels:
    rng = np.random.Generator(np.random.PCG64(int(pixels[:4, :4].sum())))
    return np.clip(pixels + rng.normal(0, 10, pixels.shape), 0, 255).astype(np.uint8)


def _far(pixels: Pixels) -> Pixels:
    border = pixels.shape[0] // 4
    return np.pad(pixels, ((border, border), (border, border), (0, 0)), "reflect")


def _warm(pixels: Pixels) -> Pixels:
    return np.clip(pixels * np.array([1.25, 1, 0.8]), 0, 255).astype(np.uint8)


CHANGES: dict[str, Callable[[Pixels], Pixels]] = {
    "as they are": lambda pixels: pixels,
    "0.5 times the light": _gain(0.5),
    "0.25 times the light": _gain(0.25),
    "1.5 times the light": _gain(1.5),
    "red 1.25, blue 0.8": _warm,
    "noise of deviation 10": _grain,
    "blurred": _defocus,
    "0.67 times as large, mirrored at the edge": _far,
}


def _changed(fit: Fit, made: reference.Reference, cifar: sets.Dataset) -> list[str]:
    some = cifar.limited(2000)
    rows = []
    for name, change in CHANGES.items():
        shares = _shares(fit, made, sets.changed(fit, some, change))
        rows.append([name, f"{(shares < SHARE).mean():.1%}"])
    return list(table(["CIFAR-10 test pictures", f"looked unknown at {SHARE:.0%}"], rows))


def _cost(model: Path) -> list[str]:
    """What a frame pays, against an invoke in the same minute: the least of many, in turns."""
    from edged.inference import tflite

    found = known.find(model)
    if found is None:
        raise ValueError("nothing is known of the bundled model")
    classifier = tflite.load(ModelConfig(threads=1), layers=found.layers)
    prediction = classifier.classify(np.zeros((32, 32, 3), np.uint8))
    best = {"share": np.inf, "invoke": np.inf}
    for _ in range(300):
        for name, call in (
            ("share", lambda: found.share(prediction)),
            ("invoke", classifier.invoke),
        ):
            began_s = time.perf_counter()
            call()
            best[name] = min(best[name], time.perf_counter() - began_s)
    size = reference.places(model)[1].stat().st_size
    share_us, invoke_us = best["share"] * 1e6, best["invoke"] * 1e6
    return [
        f"{size:,} bytes; {share_us:.0f} µs a frame beside {invoke_us:.0f} µs for an invoke (the "
        "least of 300, in turns)."
    ]


def main(arguments: Sequence[str] | None = None) -> int:
    """Write the report."""
    parser = argparse.ArgumentParser(prog="make report-unknown", description=__doc__)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--limit", type=int, help="pictures of each set, for a quick look")
    asked = parser.parse_args(arguments)
    if not (SHARED_DATA / "README.md").exists():
        print("make report-unknown: its pictures are not there: ../shared/data", file=sys.stderr)
        return 2
    limits = "all pictures of each set" if asked.limit is None else f"{asked.limit} of each set"
    lines = [ABOUT.format(limits=limits), *bundled(asked.limit), ""]
    lines += [
        "## Models of ImageNet's classes",
        "",
        "By the head, so with no pictures stored. Known are the 491 pictures of imagenet-sample. "
        "Some groceries are ImageNet classes, and CIFAR-10's pictures show things that ImageNet "
        "knows, at 32 pixels.",
        "",
    ]
    for name in IMAGENET_MODELS:
        lines += [*imagenet(name, asked.limit)[0], ""]
    write_atomically(asked.out, ("\n".join(lines).rstrip() + "\n").encode())
    return 0


if __name__ == "__main__":
    sys.exit(main())
