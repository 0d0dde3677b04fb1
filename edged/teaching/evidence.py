"""What it says about a picture being a taught one that it looks known, or not, to the model.

Of pictures of what the model was made for, the share that look less known is by its definition
anything from 0 to 1, all alike. Of taught pictures it may be anything else, mostly close to 0: its
distribution is fitted to theirs, and the logarithm of its density is the evidence.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

PRIOR = 4.0
"""Pictures by which the fit starts: spread evenly, which is no evidence."""

LEAST, MOST = 0.01, 0.99
"""The ends of the scale, where densities may be endless."""

STRONGEST = 6.0
"""Evidence counts this much at most, either way."""


class Evidence:
    """A beta distribution with the moments of the taught pictures' shares and `PRIOR` others."""

    def __init__(self, shares: Sequence[float]) -> None:
        """Of few pictures, or of none, there is little evidence, or none."""
        self._shape: tuple[float, float] | None = None
        if not shares:
            return
        count = len(shares)
        squares = sum(share * share for share in shares)
        mean = (sum(shares) + PRIOR / 2) / (count + PRIOR)
        variance = (squares + PRIOR / 3) / (count + PRIOR) - mean * mean
        both = mean * (1 - mean) / max(variance, 1e-4) - 1
        first, second = max(mean * both, 0.1), max((1 - mean) * both, 0.1)
        self._scale = math.lgamma(first + second) - math.lgamma(first) - math.lgamma(second)
        self._shape = (first - 1, second - 1)

    def of(self, share: float | None) -> float:
        """The evidence of a picture, as the logarithm of a ratio; 0 where there is none."""
        if share is None or self._shape is None:
            return 0.0
        share = min(max(share, LEAST), MOST)
        low, high = self._shape
        found = self._scale + low * math.log(share) + high * math.log(1 - share)
        return min(max(found, -STRONGEST), STRONGEST)
