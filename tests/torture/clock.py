"""A clock that starts in 1970, jumps by a day and has a leap second."""

from __future__ import annotations

import random
import time

from tests.mosquitto import mosquitto
from tests.observed import quick_folder
from tests.torture.part import Part, progress
from tests.turned_clocks import check, turns


def run(seconds: float, seed: int) -> Part:
    """Each way at least once; more often as the time allows."""
    chance = random.Random(seed)  # noqa: S311 (no secret)
    part = Part("A clock that is wrong and set", "")
    if mosquitto() is None:
        part.failures.append("mosquitto is not installed")
        return part
    began_s, times, most = time.monotonic(), 0, 6
    while times == 0 or time.monotonic() - began_s < seconds:
        for name in chance.sample(sorted(turns()), len(turns())):
            spent_s = time.monotonic() - began_s
            progress(spent_s, max(seconds, 1.0), f"{name}, {len(part.failures)} failures")
            count = chance.randrange(3, most)
            try:
                with quick_folder() as folder:
                    check(folder, turns()[name], count)
            except AssertionError as failure:
                part.failures.append(f"{name}: {failure}")
            times += 1
        most = 40
    part.about = (
        f"{times} whole daemons whose wall clock is turned while they run, in {len(turns())} ways: "
        f"{', '.join(turns())}. The events must be those of a right clock; the duration of each "
        "must be that of the monotonic clock; its dates must be those of the clock at that moment, "
        "with `time_synced` as it was; and after a clock that was not synchronised has been set, "
        "`edged events` must tell the right dates, and the retained state must have them. The "
        f"seed is {seed}."
    )
    return part
