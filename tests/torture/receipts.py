"""A broker that is killed and forgets all: has a consumer with receipts every event?"""

from __future__ import annotations

import random
import tempfile
import time
from pathlib import Path

from tests.mosquitto import mosquitto
from tests.receipts import scene, torment
from tests.torture.part import Part, Row, progress

KILLS = 200


def run(seconds: float, seed: int) -> Part:
    """`KILLS` kills among events, or as many as the time allows."""
    chance = random.Random(seed)  # noqa: S311 (no secret)
    whole = Row("from the last kill until the consumer has every event", [], None)
    part = Part("A broker that loses its memory", "", [whole])
    if mosquitto() is None:
        part.failures.append("mosquitto is not installed")
        return part
    with tempfile.TemporaryDirectory() as folder, scene(Path(folder)) as made:
        began_s, kills = time.monotonic(), 0
        for kills in torment(made, KILLS, chance):
            spent_s = time.monotonic() - began_s
            progress(spent_s, seconds, f"{kills} kills, {made.made} events")
            if spent_s > seconds:
                break
        killed_s = time.monotonic()
        came = made.all_came()
        whole.took_ms.append(1e3 * (time.monotonic() - killed_s))
        if not came:
            missing = sorted({*range(1, made.made + 1)} - {*made.got})
            part.failures.append(f"missing: {missing}; twice or out of order: {made.got}")
        part.about = (
            f"mosquitto without persistence, killed {kills} times with SIGKILL while "
            f"{made.made} events were made. The consumer is docs/examples/consumer.py, with its "
            f"times shortened; it must have each event once and in order. Lost: "
            f"{made.made - len({*made.got})}. The seed is {seed}."
        )
    return part
