"""Pictures of a camera with buffers, asked for in three ways: was each exposed after that?"""

from __future__ import annotations

import random
import tempfile
import time
from pathlib import Path

from tests.mosquitto import Broker, free_port, mosquitto
from tests.torture.part import Part, Row, progress
from tests.triggers import BUFFERS, FPS, WAYS, asked


def run(seconds: float, seed: int) -> Part:
    """As many requests as the time allows, at moments by chance, in each of the ways as many."""
    chance = random.Random(seed)  # noqa: S311 (no secret)
    rows = {way: Row(f"a request by {way}, to the picture", [], None) for way in WAYS}
    part = Part(
        "A trigger gets a fresh frame",
        "From a request to its picture, whose exposure must have begun after the request: in a "
        f"whole daemon with a camera of {FPS:g} frames a second that holds back up to {BUFFERS} "
        "frames, stamps them as V4L2 drivers do and slows down in the dark. The pin is a mock "
        f"pin. The seed is {seed}.",
        list(rows.values()),
    )
    program = mosquitto()
    if program is None:
        part.failures.append("mosquitto is not installed")
        return part
    with tempfile.TemporaryDirectory() as name:
        folder, port = Path(name), free_port()
        config = folder / "mosquitto.conf"
        config.write_text(f"listener {port} 127.0.0.1\nuser root\nallow_anonymous true\n")
        broker = Broker(port, "5", [program, "-c", str(config)])
        broker.start()
        try:
            with asked(folder, port, seed) as daemon:
                began_s = time.monotonic()
                while (spent_s := time.monotonic() - began_s) < seconds:
                    requests = sum(len(row.took_ms) for row in rows.values())
                    progress(spent_s, seconds, f"{requests} requests, {len(part.failures)} stale")
                    for way in WAYS * 50:
                        time.sleep(chance.uniform(0.0, 4.0) / FPS)
                        answer = daemon.ask(way)
                        rows[way].took_ms.append(1e3 * (answer.came_s - answer.asked_s))
                        if not answer.is_fresh:
                            early_ms = 1e3 * (answer.asked_s - answer.began_s)
                            part.failures.append(f"{way}: exposed {early_ms:.1f} ms before")
        finally:
            broker.stop()
    return part
