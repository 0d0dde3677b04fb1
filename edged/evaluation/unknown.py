"""What a model knows, fitted on pictures of it, and how well that tells what it does not know."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Literal, NamedTuple

import numpy as np
import numpy.typing as npt
from msgspec import Struct
from msgspec.msgpack import encode
from msgspec.structs import replace

from edged import build
from edged.config.schema import Config
from edged.core import Pixels
from edged.drift.look import statistics
from edged.drift.summary import Summary
from edged.errors import ModelError, PictureError
from edged.evaluation.dataset import DataError, Dataset, Example
from edged.imaging.picture import decode_picture
from edged.inference import layers as inner
from edged.inference import modelfile
from edged.messages.message import Document
from edged.perception import known
from edged.perception.known import ByMeans
from edged.perception.reference import SHARES, Floats, Means, Reference, Rows, Vectors
from edged.teaching.background import vectors_of
from edged.teaching.reading import Reading
from edged.teaching.teacher import readable

log = logging.getLogger(__name__)

PICTURES_MIN = 40
"""Fewer known pictures say nothing of a share of one in twenty."""

PICTURES_MAX = 10_000
"""More change nothing; they are taken from all over the data."""

PER_CLASS_MIN = 20
CLASSES_MAX = 64
"""Pictures a class from which on means are better than the head alone, and classes that fit."""

HOLD_OUT = 5
"""Every so manieth picture is held out of the fit, where no other pictures are."""

RANK = 64
SHRINKAGE = 1.0
"""Mean variances that are added to each direction's own."""

REFERENCE_BYTES = 90_000
"""What the rows of a reference may take."""

BACKGROUND_RANK, BACKGROUND_RANK_MIN = 32, 8
"""Directions in which vectors vary that are kept for taught labels, and how few are not worth it.

With 24 to 400, the bundled model's labels lose as much to taught groceries.
"""

REFUSED = 0.05
"""The share of known pictures at which the table says how many of others are refused."""


class UnknownSet(Struct, frozen=True):
    """Pictures of nothing that the model knows, against the held-out known ones.

    ``auroc`` is the chance that a known picture looks more known than one of these, ``auroc_score``
    the same of the greatest score. ``refused`` is the share of them that look less known than
    `REFUSED` of the known ones do.
    """

    name: str
    pictures: int
    auroc: float
    auroc_score: float
    refused: float


class KnownMessage(Document, frozen=True, kw_only=True):
    """What was fitted, where it is, and how it tells the sets of unknown pictures."""

    model: str
    path: str
    bytes: int
    method: Literal["means", "head", "score"]
    layers: list[int]
    pictures: int
    held_out: int
    unknown: list[UnknownSet]


class Seen(NamedTuple):
    """What a model said of some pictures: pooled layers side by side, best class, its score.

    And the ``vectors`` that taught labels are made from, of no length where it has none. ``looks``
    has the pictures' own statistics, by name.
    """

    values: Floats
    best: npt.NDArray[np.intp]
    score: Floats
    vectors: Floats
    looks: Mapping[str, Floats]

    def at(self, which: npt.NDArray[np.bool_]) -> Seen:
        """Those of the pictures at which `which` is true."""
        looks = {name: column[which] for name, column in self.looks.items()}
        best, score = self.best[which], self.score[which]
        return Seen(self.values[which], best, score, self.vectors[which], looks)


Followed = Callable[[Sequence[Example]], Iterable[Example]]


class Fit:
    """A model, the layers to look at, and what is fitted to its pictures. A context manager."""

    def __init__(self, config: Config) -> None:
        """ModelError."""
        self._model = build.admitted(config)
        self.path = self._model.file.path
        self._data = modelfile.content(self.path)
        found = inner.find(self._data)
        self._head = known.head(self._data)
        self._features = found.features
        self._wanted = [*blocks(found.maps)]
        if found.features is not None:
            self._wanted.append(found.features)
        self._reading = _reading(self.path)
        self._classifier = build.classifier(
            config, self._model, {*self._wanted, *self._reading.tensors}
        )
        self.labels = self._classifier.labels
        self.sizes: list[int] = []
        """How many values each layer has, of those that a `Seen` holds; the features come last."""

    def __enter__(self) -> Fit:
        return self

    def __exit__(self, *exception: object) -> None:
        self._classifier.__exit__(*exception)

    def look(self, dataset: Dataset, followed: Followed = iter) -> Seen:
        """The pictures of `dataset`, `PICTURES_MAX` at most. DataError if none can be read."""
        return self.see(self.pictures(dataset, followed))

    def pictures(self, dataset: Dataset, followed: Followed = iter) -> Iterator[Pixels]:
        """Those of `dataset` that can be read, `PICTURES_MAX` at most, large enough for the model.

        Each of the others is a line in the log.
        """
        step = -(-len(dataset.examples) // PICTURES_MAX)
        for example in followed(dataset.every(step, 0).examples):
            try:
                data = dataset.read(example)
                yield decode_picture(data, example.name, self._classifier.input_px)
            except PictureError as error:
                log.warning("%s; left out", error)

    def see(self, pictures: Iterable[Pixels]) -> Seen:
        """What the model says of each picture."""
        values, best, score, vectors, looks = [], [], [], [], []
        for pixels in pictures:
            prediction = self._classifier.classify(pixels)
            parts = [known.pooled(prediction.layers[layer]) for layer in self._wanted]
            self.sizes = [len(part) for part in parts]
            values.append(np.concatenate([*parts, np.empty(0, np.float32)]))
            best.append(int(prediction.scores.argmax()))
            score.append(float(prediction.scores.max()))
            vectors.append(self._reading.vector(prediction.layers).astype(np.float16))
            looks.append(statistics(pixels, self._classifier.input_px))
        if not values:
            raise DataError("none of the pictures can be read")
        return Seen(
            np.array(values),
            np.array(best, np.intp),
            np.array(score, np.float32),
            np.array(vectors),
            {name: np.array([look[name] for look in looks], np.float32) for name in looks[0]},
        )

    def fit(self, seen: Seen, held_out: Seen | None, data: str) -> tuple[Reference, Seen]:
        """The reference of pictures of known things, and those of them that it is not fitted on.

        Without `held_out` these are some of `seen`. By class means where there are enough pictures
        of each class, else by the model's head, or by the greatest score where it has none.
        """
        classes = len(self._classifier.labels)
        # What is held out must still be enough for a threshold.
        least = max(PER_CLASS_MIN * classes, HOLD_OUT * PICTURES_MIN if held_out is None else 0)
        if classes <= CLASSES_MAX and len(seen.best) >= least and self._wanted:
            if held_out is None:
                apart = np.arange(len(seen.best)) % HOLD_OUT == 0
                seen, held_out = seen.at(~apart), seen.at(apart)
            means = self._means(seen)
            layers = tuple(self._wanted)
            reference = self._calibrated(layers, means, seen, held_out, data)
            return replace(reference, vectors=self._vectors(reference, seen)), held_out
        # Nothing is fitted, so every picture may tell where the threshold is.
        layers = () if self._head is None or self._features is None else (self._features,)
        return self._calibrated(layers, None, seen, held_out or seen, data), held_out or seen

    def _calibrated(
        self,
        layers: tuple[int, ...],
        means: Means | None,
        seen: Seen,
        held_out: Seen,
        data: str,
    ) -> Reference:
        reference = Reference(
            model=self.path.name,
            sha256=hashlib.sha256(self._data).hexdigest(),
            data=data,
            pictures=0 if means is None else len(seen.best),
            held_out=len(held_out.best),
            layers=layers,
            quantiles=(0.0,) * len(SHARES),
            means=means,
        )
        likeness = self.likeness(reference, held_out)
        quantiles = np.maximum.accumulate(np.quantile(likeness, SHARES)).tolist()
        # On what it was trained on, a model is surer than it will be.
        answers = {
            "score": held_out.score,
            "known": np.array([known.share(quantiles, one) for one in likeness], np.float32),
        }
        summary = Summary.of({**seen.looks, **answers})
        return replace(reference, quantiles=tuple(quantiles), summary=summary)

    def likeness(self, reference: Reference, seen: Seen) -> npt.NDArray[np.float64]:
        """The likeness of each picture by `reference`, shape (pictures,)."""
        if not reference.layers:
            return seen.score.astype(np.float64)
        likeness = self._head if reference.means is None else ByMeans(reference.means)
        if likeness is None:
            raise ValueError("a reference without means needs a head")
        # The features are the last layer, and alone where there are no means.
        values = seen.values if reference.means else seen.values[:, -self.sizes[-1] :]
        return np.array(
            [likeness(row, int(best)) for row, best in zip(values, seen.best, strict=True)]
        )

    def table(
        self, reference: Reference, seen: Seen, others: Sequence[tuple[str, Seen]]
    ) -> list[UnknownSet]:
        """A row for each of `others` by its name, against the known pictures `seen`."""
        likeness = self.likeness(reference, seen)
        threshold = reference.quantiles[SHARES.index(REFUSED)]
        rows = []
        for name, theirs in others:
            found = self.likeness(reference, theirs)
            row = UnknownSet(
                name=name,
                pictures=len(found),
                auroc=round(auroc(likeness, found), 4),
                auroc_score=round(auroc(seen.score, theirs.score), 4),
                refused=round(float((found < threshold).mean()), 4),
            )
            rows.append(row)
        return rows

    def _vectors(self, reference: Reference, seen: Seen) -> Vectors | None:
        """What taught labels are told from, as far as there is room for it; None without."""
        size = self._reading.size
        room = REFERENCE_BYTES - len(encode(reference)) - 4 * size
        rank = min(BACKGROUND_RANK, room // (size + 4)) if size else 0
        if rank < BACKGROUND_RANK_MIN:
            return None
        return vectors_of(seen.vectors.astype(np.float32), tuple(self._reading.tensors), rank)

    def _means(self, seen: Seen) -> Means:
        sizes = np.repeat(self.sizes, self.sizes)
        deviation = _of_each(seen.values.std(0), self.sizes)
        # Layers weigh alike, however many values they have, and whatever these are.
        scale = (1 / (np.maximum(deviation, 1e-6) * np.sqrt(sizes))).astype(np.float32)
        centre = seen.values.mean(0)
        positions = (seen.values - centre) * scale
        # By the model's own answer, so that labels are not needed.
        used, place = np.unique(seen.best, return_inverse=True)
        of_class = np.array([positions[place == one].mean(0) for one in range(len(used))])
        within = positions - of_class[place]
        variance, axes = np.linalg.eigh(within.T.astype(np.float64) @ within / len(within))
        added = SHRINKAGE * variance.mean()
        columns = positions.shape[1]
        rank = max(min(RANK, columns, REFERENCE_BYTES // columns - 8 - len(used)), 0)
        order = np.argsort(-variance)
        basis = Rows.of(axes[:, order[:rank]].T.astype(np.float32))
        rounded = basis.matrix(columns)
        gain = 1 / (variance[order[:rank]] + added)
        rest = variance[order[rank:]]
        rest_gain = 1 / ((rest.mean() if rest.size else 0.0) + added)
        along = of_class @ rounded.T
        whitened = rest_gain * of_class + (along * (gain - rest_gain)) @ rounded
        length = np.sqrt(np.maximum((whitened * of_class).sum(1), 1e-12))
        return Means(
            centre=centre.astype("<f4").tobytes(),
            scale=scale.astype("<f4").tobytes(),
            basis=basis,
            gain=gain.astype("<f4").tobytes(),
            rest_gain=float(rest_gain),
            classes=Rows.of((whitened / length[:, None]).astype(np.float32)),
        )


def _reading(model: Path) -> Reading:
    try:
        return readable(model)
    except ModelError:
        return Reading(())


def _of_each(deviation: Floats, sizes: Sequence[int]) -> Floats:
    """The mean of `deviation` over each layer, for each of its values."""
    ends = np.cumsum(sizes)
    means = [part.mean() for part in np.split(deviation, ends[:-1])]
    return np.repeat(np.array(means, np.float32), sizes)


def blocks(maps: Sequence[inner.Map]) -> list[int]:
    """Of each of the two coarsest resolutions the last map of what a block hands on.

    That is one with few channels where blocks widen inside, else the last one; of the coarsest it
    is left out where only the map before the features is left.
    """
    sizes = sorted({one.shape[:2] for one in maps})[:2]
    chosen = []
    for size in sizes:
        of_size = [one for one in maps if one.shape[:2] == size]
        widest = max(one.shape[2] for one in of_size)
        narrow = [one for one in of_size if 2 * one.shape[2] < widest]
        chosen.append((narrow or of_size)[-1].tensor)
    return sorted(tensor for tensor in chosen if tensor != maps[-1].tensor)


def describe(
    reference: Reference, path: str, size_bytes: int, table: Sequence[UnknownSet]
) -> KnownMessage:
    """What was fitted, as it is told."""
    return KnownMessage(
        model=reference.model,
        path=path,
        bytes=size_bytes,
        method="means" if reference.means else "head" if reference.layers else "score",
        layers=list(reference.layers),
        pictures=reference.pictures,
        held_out=reference.held_out,
        unknown=list(table),
    )


def auroc(known_: npt.ArrayLike, unknown: npt.ArrayLike) -> float:
    """The chance that one of `known_` is greater than one of `unknown`; equal ones count half.

    By ranks: Hanley and McNeil, Radiology 143 (1982), 29-36.
    """
    more, less = np.asarray(known_, np.float64), np.asarray(unknown, np.float64)
    _, place, counts = np.unique(
        np.concatenate([more, less]), return_inverse=True, return_counts=True
    )
    rank = (np.cumsum(counts) - (counts - 1) / 2)[place]
    wins = rank[: len(more)].sum() - len(more) * (len(more) + 1) / 2
    return float(wins / (len(more) * len(less)))
