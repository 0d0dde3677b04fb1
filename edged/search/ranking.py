"""Scores of pictures for a search, 0..1."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
import numpy.typing as npt

from edged.search.index import Known

_AT_ONCE = 2048
"""Pictures whose features are compared together: 10 MB with those of MobileNetV2."""


def by_classes(
    known: Sequence[Known], classes: Iterable[int]
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.int64]]:
    """For each picture the sum of the scores of `classes`, and the best of them; -1 for none."""
    counts = [len(one.classes) for one in known]
    owners = np.repeat(np.arange(len(known)), counts)
    best = np.full(len(known), -1, np.int64)
    if not owners.size:
        return np.zeros(len(known)), best
    # As bytes: numpy would otherwise compare the fields of each array with those of all others.
    every = np.frombuffer(
        b"".join([one.classes.tobytes() for one in known]), known[0].classes.dtype
    )
    indices, scores = every["index"], every["score"]
    fits = np.isin(indices, list(classes))
    owners, indices, scores = owners[fits], indices[fits], scores[fits]
    # The best class of each picture comes first.
    first, places = np.unique(owners, return_index=True)
    best[first] = indices[places]
    return np.minimum(np.bincount(owners, scores, len(known)), 1.0), best


def by_likeness(known: Sequence[Known], wanted: Known) -> npt.NDArray[np.float64]:
    """The cosine of each picture's features and those of `wanted`; 0 if it has none."""
    one = wanted.features.astype(np.float32)
    likeness = np.zeros(len(known))
    for start in range(0, len(known), _AT_ONCE):
        some = known[start : start + _AT_ONCE]
        fit = [place for place, other in enumerate(some, start) if len(other.features) == len(one)]
        if not fit or not len(one):
            continue
        others = np.stack([known[place].features for place in fit]).astype(np.float32)
        lengths = np.linalg.norm(others, axis=1) * np.linalg.norm(one)
        likeness[fit] = (others @ one) / np.maximum(lengths, 1e-9)
    return np.minimum(likeness, 1.0)


def order(scores: npt.NDArray[np.float64]) -> list[int]:
    """The positions of the scores, highest first, equal ones in their order."""
    return [int(place) for place in np.argsort(-scores, kind="stable")]
