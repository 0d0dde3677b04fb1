"""Score streams with truth: a cat that flickers, and what is now and then taken for it."""

from __future__ import annotations

import random
from pathlib import Path

from edged.config.schema import DecideConfig, RuleConfig
from edged.recording.writer import Writer
from tests.recording.made import Loop, waiting

CAT = RuleConfig(name="cat", labels=["cat"])
FPS = 5.0


def stream(seed: int, minutes: float) -> tuple[list[float], list[tuple[float, float]]]:
    """A cat's score for each frame, and from when until when there was one, in seconds."""
    chance = random.Random(seed)  # noqa: S311
    scores: list[float] = []
    marks = []
    while len(scores) < minutes * 60 * FPS:
        scores += [chance.uniform(0.0, 0.2) for _ in range(chance.randint(15, 60))]
        if chance.random() < 0.4:
            start_s = len(scores) / FPS
            stay = chance.randint(15, 60)
            scores += [
                0.2 if chance.random() < 0.15 else chance.uniform(0.75, 1.0) for _ in range(stay)
            ]
            marks.append((start_s, len(scores) / FPS))
        else:
            # For a frame or three, and seldom for longer, something is taken for a cat.
            longest = 12 if chance.random() < 0.05 else 3
            scores += [chance.uniform(0.7, 1.0) for _ in range(chance.randint(1, longest))]
    return [*scores, 0.0, 0.0], marks


def recorded(folder: Path, name: str, seed: int, minutes: float = 10.0) -> tuple[Path, Path]:
    """A recording, and the table of its marks."""
    path, table = folder / f"{name}.rec", folder / f"{name}.csv"
    scores, marks = stream(seed, minutes)
    loop = Loop([CAT], DecideConfig())
    lane = loop.lane()
    lane.offer(loop.deciding)
    with Writer(path) as writer:
        writer.write(lane.header("porch"))
        for score in scores:
            loop.frame([0.0, score, 0.0, 0.0], 1 / FPS)
            for record in waiting(lane):
                writer.write(record)
        writer.end("it was asked to")
    # The recording begins with the first frame.
    lines = [f"{start_s:.2f},{end_s:.2f},cat" for start_s, end_s in marks]
    table.write_text("\n".join(["start,end,label", *lines, ""]))
    return path, table
