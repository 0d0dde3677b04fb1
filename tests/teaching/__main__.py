"""Writes docs/reports/teaching.md: ``python -m tests.teaching --out FILE``."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from pathlib import Path

from tests.conftest import SHARED_DATA
from tests.teaching import measure

TAUGHT = {"sign digits": "sign-digits.zip", "grocery": "grocery.zip"}
COUNTS = (1, 5, 10)
CIFAR = (Path(__file__).parents[2] / "models" / "edged-cifar10-int8.labels.txt").read_text().split()


HEAD = f"""\
# Teaching, measured

Made by `make report-teaching`. Of each class some pictures are drawn and taught; the other pictures
of the set are held out and measured. Means of {measure.DRAWS} draws, in per cent. The layers and
the constants of the head were chosen on these two sets, so expect less on others. How much it
counts that a picture lies away from what the model was made for was chosen with other draws of them
and with pictures of CIFAR-10 that were held out of training; those of CIFAR-10 below are from its
test set.

## Taught labels alone

Top-1 with 1 / 5 / 10 pictures of each of the ten classes.
"""

TOGETHER = """
## Together with the labels of the model

Ten pictures of each class are taught. *Old* is top-1 on pictures of what the model knows (CIFAR-10
for the bundled model, 491 pictures of ImageNet for MobileNetV2), before and after teaching; *new*
is top-1 on the held-out pictures of what was taught, among taught labels and among all labels.

| | old before | old after | lost | new alone | new among all | lost |
|---|---:|---:|---:|---:|---:|---:|"""

COST = """
## What it costs

On one core of the machine that made this report; the least of many runs.

| | a fit of 10 x 10 pictures | 100 pictures taught | a frame |
|---|---:|---:|---:|"""


def main() -> None:
    """The report, whole or not at all."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, required=True)
    arguments = parser.parse_args()
    text = "\n".join(report(SHARED_DATA)) + "\n"
    arguments.out.write_text(text)


def report(shared: Path) -> Iterator[str]:
    """The lines of the report."""
    training = shared / "training"
    seen: dict[tuple[str, str], measure.Set] = {}
    old: dict[str, measure.Set] = {}
    for model in measure.models(shared):
        for name, archive in TAUGHT.items():
            seen[model.title, name] = measure.look(model, measure.packed(training / archive))
        if model.title == "bundled model":
            known = measure.packed(training / "cifar10" / "test.zip", measure.LIMIT)
            old[model.title] = measure.look(model, known, CIFAR)
        else:
            known = measure.imagenet(shared / "imagenet-sample")
            classes = [str(number) for number in range(1001)]
            old[model.title] = measure.look(model, known, classes)
    yield HEAD
    yield "| | " + " | ".join(TAUGHT) + " |"
    yield "|---|" + "---|" * len(TAUGHT)
    first = next(iter(measure.models(shared))).title
    yield _row(
        "nearest mean of 16x16 pixels",
        [
            [
                measure.nearest(seen[first, name].pixels, seen[first, name].truth, count)
                for count in COUNTS
            ]
            for name in TAUGHT
        ],
    )
    for model in measure.models(shared):
        features = seen[model.title, "grocery"].reading.blocks[0].channels
        yield _row(
            f"{model.title}, nearest mean of its features",
            [
                [
                    measure.nearest(
                        seen[model.title, name].vectors[:, :features],
                        seen[model.title, name].truth,
                        count,
                    )
                    for count in COUNTS
                ]
                for name in TAUGHT
            ],
        )
        yield _row(
            f"**{model.title}, `edged teach`**",
            [
                [measure.closed(seen[model.title, name], count) for count in COUNTS]
                for name in TAUGHT
            ],
        )
    yield TOGETHER
    for model in measure.models(shared):
        for name in TAUGHT:
            both = measure.together(old[model.title], seen[model.title, name], 10)
            cells = [
                both.old_alone, both.old, both.old_alone - both.old,
                both.new_alone, both.new, both.new_alone - both.new,
            ]  # fmt: skip
            shown = " | ".join(f"{100 * cell:.1f}" for cell in cells)
            yield f"| {model.title}, {name} | {shown} |"
    yield COST
    for model in measure.models(shared):
        known_set = seen[model.title, "sign digits"]
        fit = measure.fit_ms(known_set)
        whole = min(measure.teach_s(model, training / TAUGHT["sign digits"]) for _ in range(3))
        frame = measure.frame_us(model, known_set)
        yield f"| {model.title} | {fit:.1f} ms | {whole:.2f} s | {frame:.0f} µs |"


def _row(title: str, columns: list[list[float]]) -> str:
    cells = (" / ".join(f"{100 * share:.1f}" for share in shares) for shares in columns)
    return f"| {title} | " + " | ".join(cells) + " |"


if __name__ == "__main__":
    main()
