"""Whether a device's time stamps can be trusted."""

from __future__ import annotations

import math


class Stamps:
    """The capture times of one device, which must not be odd: some cameras' clocks are wild."""

    def __init__(self, name: str, most_age_s: float) -> None:
        """`name` is the device's, for people; no frame is older than `most_age_s`."""
        self._name = name
        self._most_age_s = most_age_s
        self._latest_s = -math.inf

    def trusted(self, stamp_s: float, now_s: float) -> tuple[float, str | None]:
        """The time of a frame that arrives now, and what is odd about its stamp, if anything.

        Where it is odd, the time of arrival counts. Both are on the same clock, in s.
        """
        age_s = now_s - stamp_s
        if not 0.0 <= age_s <= self._most_age_s:
            doubt = f"its clock is {abs(age_s):.1f} s {'fast' if age_s < 0 else 'slow'}"
        elif stamp_s < self._latest_s:
            doubt = "its clock went back"
        else:
            self._latest_s = stamp_s
            return stamp_s, None
        self._latest_s = now_s
        return now_s, f"{self._name}: {doubt}; the time of arrival counts"
