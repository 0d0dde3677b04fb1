"""Small pictures for a report: confidently wrong predictions, and suspicious labels."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from edged.errors import PictureError
from edged.evaluation.dataset import Dataset
from edged.evaluation.evaluation import Run
from edged.imaging.picture import decode_picture, jpeg

SHOWN = 12
SIDE_PX = 112
QUALITY = 80


class Thumbnail(NamedTuple):
    """A picture: its name, why it is shown, and a JPEG as a ``data:`` address."""

    name: str
    why: str
    address: str


def mistakes(dataset: Dataset, run: Run) -> list[Thumbnail]:
    """The wrong answers with the highest scores, of the first model, highest first."""
    outcomes = run.outcomes[0]
    wrong = np.flatnonzero(~outcomes.correct)
    surest = wrong[np.argsort(-outcomes.confidence[wrong], kind="stable")][:SHOWN]
    whys = {
        run.examples[place].name: f"{outcomes.labels[outcomes.truth[place]]} predicted as "
        f"{outcomes.labels[outcomes.predicted[place]]} ({outcomes.confidence[place]:.0%})"
        for place in surest.tolist()
    }
    return list(_thumbnails(dataset, whys))


def doubts(dataset: Dataset, run: Run) -> list[Thumbnail]:
    """The first pictures whose labels look wrong."""
    findings = run.inspection.mislabelled.findings[:SHOWN]
    return list(_thumbnails(dataset, {found.picture: found.why for found in findings}))


def _thumbnails(dataset: Dataset, whys: dict[str, str]) -> Iterator[Thumbnail]:
    wanted = {example.name: example for example in dataset.examples if example.name in whys}
    for name, why in whys.items():
        try:
            data = dataset.read(wanted[name])
            pixels = decode_picture(data, name, (SIDE_PX, SIDE_PX))
        except PictureError:
            # It was readable before, and has been removed since.
            continue
        small = jpeg(pixels, QUALITY, SIDE_PX)
        yield Thumbnail(name, why, f"data:image/jpeg;base64,{b64encode(small).decode()}")
