"""Finds suspicious labelled pictures, which a person should check before trusting any number."""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from itertools import combinations

import numpy as np
import numpy.typing as npt
from msgspec import Struct

from edged.core import Pixels
from edged.evaluation.dataset import Example
from edged.evaluation.metrics import robust_z
from edged.imaging.resample import resample

CONFIDENT = 0.9
DOUBTED = 0.05
"""Scores from which a label looks wrong: another class's at least, and its own at most. A
disagreement of a confident model is how Northcutt et al., "Confident Learning", 2021, find them."""

NEAR_BITS = 2
"""Most bits in which the difference hashes of near duplicates differ."""

SIDE_MAX_PX = 8192
ASPECT_MAX = 4.0
OUTLIER_Z = 5.0
"""Iglewicz and Hoaglin suggest 3.5 for normal values; photographs have longer tails."""

BALANCE_MAX = 10.0
"""Largest class to smallest, above which the balance is called uneven."""

LISTED = 100
"""Findings of one kind that are listed; all are counted."""

MEASURED = ("height_px", "width_px", "brightness", "contrast")
"""Measurements of every picture: its size, and the mean and deviation of its grey, 0..255."""

_SMALL_PX = 32
_FEATURE_CLASS_MIN = 5


class Finding(Struct, frozen=True):
    """A picture, and why it is suspicious."""

    picture: str
    why: str


class Kind(Struct, frozen=True):
    """All findings of one kind: how many, and the first `LISTED` of them."""

    count: int
    findings: list[Finding]


class Balance(Struct, frozen=True):
    """Pictures by class. ``ratio`` is largest to smallest of the classes that have any."""

    classes: int
    without_pictures: int
    smallest: int
    largest: int
    ratio: float
    uneven: bool


class Inspection(Struct, frozen=True):
    """The findings of the inspection."""

    pictures: int
    unreadable: Kind
    duplicates: Kind
    near_duplicates: Kind
    mislabelled: Kind
    badly_sized: Kind
    off_distribution: Kind
    balance: Balance


@dataclass
class Inspector:
    """Collects data of each picture; `findings` then judges them together.

    Keeps a hash and a few numbers of each picture, and its features if the model has them.
    """

    input_height_px: int
    input_width_px: int
    _unreadable: list[Finding] = field(default_factory=list)
    _names: list[str] = field(default_factory=list)
    _labels: list[str] = field(default_factory=list)
    _digests: list[bytes] = field(default_factory=list)
    _hashes: list[int] = field(default_factory=list)
    _sizes_px: list[tuple[int, int]] = field(default_factory=list)
    _statistics: list[tuple[float, float]] = field(default_factory=list)
    _features: list[npt.NDArray[np.float16]] = field(default_factory=list)
    _doubts: list[Finding] = field(default_factory=list)

    def unreadable(self, name: str, why: str) -> None:
        """Record a picture that cannot be decoded, or a folder that may contain some."""
        self._unreadable.append(Finding(name, why))

    def look(self, example: Example, pixels: Pixels) -> None:
        """Record a fully decoded picture."""
        small = np.empty((_SMALL_PX, _SMALL_PX, 3), np.uint8)
        resample(pixels, small)
        grey = small.mean(axis=2)
        self._names.append(example.name)
        self._labels.append(example.label)
        shape = repr(pixels.shape).encode()
        content = np.ascontiguousarray(pixels).data
        self._digests.append(hashlib.sha256(shape + content).digest())
        self._hashes.append(difference_hash(small))
        self._sizes_px.append((pixels.shape[0], pixels.shape[1]))
        self._statistics.append((float(grey.mean()), float(grey.std())))

    def compare(
        self,
        labels: Sequence[str],
        scores: npt.NDArray[np.float32],
        truth: int,
        features: npt.NDArray[np.float32] | None,
    ) -> None:
        """Record a model's prediction for the latest picture."""
        best = int(scores.argmax())
        if best != truth and scores[best] >= CONFIDENT and scores[truth] <= DOUBTED:
            self._doubts.append(
                Finding(
                    self._names[-1],
                    f"labelled {labels[truth]} ({scores[truth]:.0%}), "
                    f"looks like {labels[best]} ({scores[best]:.0%})",
                )
            )
        if features is not None:
            self._features.append(features.astype(np.float16))

    @property
    def statistics(self) -> list[dict[str, str]]:
        """The columns `MEASURED` of each picture, to slice by."""
        return [
            dict(
                zip(
                    MEASURED,
                    (str(height), str(width), f"{mean:.4g}", f"{contrast:.4g}"),
                    strict=True,
                )
            )
            for (height, width), (mean, contrast) in zip(
                self._sizes_px, self._statistics, strict=True
            )
        ]

    def findings(self, counts: Sequence[int]) -> Inspection:
        """Everything found; `counts` are the labelled pictures by class of the model."""
        same, near = self._duplicates()
        return Inspection(
            pictures=len(self._names) + len(self._unreadable),
            unreadable=kind_of(self._unreadable),
            duplicates=kind_of(same),
            near_duplicates=kind_of(near),
            mislabelled=kind_of(self._doubts),
            badly_sized=kind_of(list(self._badly_sized())),
            off_distribution=kind_of(list(self._off_distribution())),
            balance=_balance(counts),
        )

    def _duplicates(self) -> tuple[list[Finding], list[Finding]]:
        groups: defaultdict[bytes, list[int]] = defaultdict(list)
        for position, digest in enumerate(self._digests):
            groups[digest].append(position)
        same = [
            self._twin(position, members[0], "the same pixels as")
            for members in groups.values()
            for position in members[1:]
        ]
        firsts = [members[0] for members in groups.values()]
        pairs = near_pairs([self._hashes[position] for position in firsts])
        near = [
            self._twin(firsts[right], firsts[left], "nearly the same as") for left, right in pairs
        ]
        return same, near

    def _twin(self, position: int, other: int, how: str) -> Finding:
        why = f"{how} {self._names[other]}"
        if self._labels[position] != self._labels[other]:
            why += f", but {self._labels[position]} and not {self._labels[other]}"
        return Finding(self._names[position], why)

    def _badly_sized(self) -> Iterable[Finding]:
        for name, (height, width) in zip(self._names, self._sizes_px, strict=True):
            size = f"{width}x{height} px"
            if height < self.input_height_px or width < self.input_width_px:
                wanted = f"{self.input_width_px}x{self.input_height_px}"
                yield Finding(name, f"{size}: smaller than the model's input of {wanted}")
            elif max(height, width) > SIDE_MAX_PX:
                yield Finding(name, f"{size}: a side of more than {SIDE_MAX_PX} px")
            elif max(height, width) > ASPECT_MAX * min(height, width):
                yield Finding(name, f"{size}: more than {ASPECT_MAX:g} times as long as wide")

    def _off_distribution(self) -> Iterable[Finding]:
        sizes = np.array(self._sizes_px, np.float64).reshape(-1, 2)
        statistics = np.array(self._statistics, np.float64).reshape(-1, 2)
        measured = {
            "brightness": statistics[:, 0],
            "contrast": statistics[:, 1],
            "aspect": np.log(sizes[:, 1] / sizes[:, 0]),
        }
        if self._features:
            measured["features, distance to the nearest class"] = self._distances()
        distances = {name: robust_z(values) for name, values in measured.items()}
        for position, picture in enumerate(self._names):
            odd = [
                f"{name} {z[position]:+.1f}"
                for name, z in distances.items()
                if abs(z[position]) > OUTLIER_Z
            ]
            if odd:
                yield Finding(picture, f"{', '.join(odd)} robust deviations from the median")

    def _distances(self) -> npt.NDArray[np.float64]:
        """1 minus the cosine to the nearest mean of a class, shape (pictures,)."""
        members = defaultdict(list)
        for position, label in enumerate(self._labels):
            members[label].append(position)
        features = np.stack(self._features).astype(np.float32)
        features /= np.linalg.norm(features, axis=1, keepdims=True) + 1e-9
        means = [
            features[positions].mean(axis=0)
            for positions in members.values()
            if len(positions) >= _FEATURE_CLASS_MIN
        ] or [features.mean(axis=0)]
        centres = np.stack(means)
        centres /= np.linalg.norm(centres, axis=1, keepdims=True) + 1e-9
        nearest: npt.NDArray[np.float64] = 1.0 - (features @ centres.T).max(axis=1).astype(float)
        return nearest


def difference_hash(pixels: Pixels) -> int:
    """64 bits, each whether brightness increases from one of 9 x 8 fields to its right neighbour.

    Krawetz, "Kind of Like That", 2013 (dHash).
    """
    fields = np.empty((8, 9, 3), np.uint8)
    resample(pixels, fields)
    grey = fields.astype(np.int32).sum(axis=2)
    bits = np.packbits(grey[:, 1:] > grey[:, :-1])
    return int.from_bytes(bits.tobytes(), "big")


def near_pairs(hashes: Sequence[int]) -> list[tuple[int, int]]:
    """Pairs of positions whose 64-bit hashes differ in `NEAR_BITS` at most, in order.

    Two bits cannot touch all of three parts, so only hashes that share a part are compared. Of
    equal hashes each is paired with the first only.
    """
    first: dict[int, int] = {}
    pairs: set[tuple[int, int]] = set()
    for position, value in enumerate(hashes):
        if first.setdefault(value, position) != position:
            pairs.add((first[value], position))
    for shift, width in ((0, 22), (22, 21), (43, 21)):
        buckets: defaultdict[int, list[int]] = defaultdict(list)
        for value in first:
            buckets[(value >> shift) & ((1 << width) - 1)].append(value)
        for bucket in buckets.values():
            pairs.update(
                (min(first[a], first[b]), max(first[a], first[b])) for a, b in _near(bucket)
            )
    return sorted(pairs)


def _near(values: Sequence[int]) -> Iterable[tuple[int, int]]:
    if len(values) < 16:
        yield from ((a, b) for a, b in combinations(values, 2) if (a ^ b).bit_count() <= NEAR_BITS)
        return
    array = np.array(values, np.uint64)
    one = np.uint64(1)
    for position, value in enumerate(values[:-1]):
        rest = array[position + 1 :] ^ array[position]
        for _ in range(NEAR_BITS):
            # Clears the lowest set bit; wraps harmlessly if there is none.
            rest &= rest - one
        for offset in np.flatnonzero(rest == 0):
            yield value, values[position + 1 + int(offset)]


def kind_of(findings: list[Finding]) -> Kind:
    """All counted, and the first `LISTED` of them listed."""
    return Kind(len(findings), findings[:LISTED])


def _balance(counts: Sequence[int]) -> Balance:
    used = sorted(count for count in counts if count)
    smallest, largest = (used[0], used[-1]) if used else (0, 0)
    ratio = round(largest / smallest, 3) if smallest else 0.0
    return Balance(
        classes=len(counts),
        without_pictures=len(counts) - len(used),
        smallest=smallest,
        largest=largest,
        ratio=ratio,
        uneven=ratio > BALANCE_MAX,
    )
