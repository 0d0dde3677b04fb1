"""What is wrong with pictures that are taught: refused where no head could be made, else told."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from edged.errors import CommandError
from edged.teaching import head
from edged.teaching.lessons import Example, Lessons

FEWEST = 3
"""Pictures of a label; with fewer nothing says how far its next picture may be from them."""

ENOUGH = 10

SAME = 1e-3
ALIKE = 0.02
"""Mean squared distance between the vectors of pictures that look the same, and nearly so; two
blocks without a common channel are 2 apart."""

CONFUSED = 0.25
"""The share of two labels' pictures that are taken for the other, from which they are told."""


def new(old: Lessons, examples: Sequence[Example]) -> tuple[list[Example], list[str]]:
    """Those that were not taught yet, and a remark on the others.

    CommandError where one was taught as another label.
    """
    taught = {example.sha256: example for example in old.examples}
    added: list[Example] = []
    for example in examples:
        other = taught.setdefault(example.sha256, example)
        if other.label != example.label:
            raise CommandError(
                f"{example.source} is the same picture as {other.source}, which was taught as "
                f"{other.label}: no picture can be both; nothing was taught"
            )
        if other is example:
            added.append(example)
    again = len(examples) - len(added)
    return added, [f"{again} of {len(examples)} pictures were taught before"] if again else []


def label(made: Lessons, name: str) -> list[str]:
    """Remarks on the pictures of one label. CommandError where they are too few or all the same."""
    pictures = made.of(name)
    if len(pictures) < FEWEST:
        raise CommandError(
            f"{name}: {_pictures(len(pictures))}; give at least {FEWEST} different ones, better "
            f"{ENOUGH}: nothing was taught"
        )
    remarks = []
    apart = _apart(made, pictures)
    if apart < SAME:
        raise CommandError(
            f"{name}: all {len(pictures)} pictures are the same; show it from other sides, at "
            "other places and in other light: nothing was taught"
        )
    if apart < ALIKE:
        remarks.append(
            f"{name}: its {len(pictures)} pictures are nearly alike; add some from other sides, at "
            "other places and in other light, or only this very view is recognised"
        )
    if len(pictures) < ENOUGH:
        remarks.append(f"{name}: {_pictures(len(pictures))}; {ENOUGH} or more do better")
    return remarks


def collisions(made: Lessons) -> list[str]:
    """A line for each two labels that cannot be told apart, with the two pictures most alike."""
    if len(made.labels) < 2:
        return []
    classes = made.classes()
    vectors = made.vectors()
    sizes = [block.channels for block in made.reading.blocks]
    found = head.left_out(vectors, classes, sizes)
    lines = []
    for one in range(len(made.labels)):
        for other in range(one):
            mixed = ((classes == one) & (found == other)) | ((classes == other) & (found == one))
            both = (classes == one) | (classes == other)
            if mixed.sum() < CONFUSED * both.sum():
                continue
            firsts, seconds = np.flatnonzero(classes == other), np.flatnonzero(classes == one)
            likeness = vectors[firsts] @ vectors[seconds].T
            row, column = np.unravel_index(int(likeness.argmax()), likeness.shape)
            first = made.examples[firsts[row]].source
            second = made.examples[seconds[column]].source
            lines.append(
                f"{made.labels[other]} and {made.labels[one]} can hardly be told apart: "
                f"{int(mixed.sum())} of {int(both.sum())} pictures, left out in turn, are taken "
                f"for the other label; most alike: {first} and {second}; take these out with "
                "`edged teach --undo`, or add pictures that show the difference"
            )
    return lines


def _apart(made: Lessons, pictures: Sequence[Example]) -> float:
    """The mean squared distance of two pictures, for each block of the vector."""
    rows = np.array([np.frombuffer(one.vector, np.float16) for one in pictures], np.float32)
    return float(2 * rows.var(0, ddof=1).sum() / len(made.reading.blocks))


def _pictures(count: int) -> str:
    return f"{count} picture{'' if count == 1 else 's'}"
