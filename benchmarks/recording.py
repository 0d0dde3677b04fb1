"""What a frame pays for being kept, and what it costs to decide on it again."""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np

from benchmarks.results import Part, Table, Times
from edged.config.schema import DecideConfig, RuleConfig, WhyConfig
from edged.core import Deciding, Frame, Prediction, Report, Result
from edged.perception.rules import Decider
from edged.recording.lane import Lane
from edged.recording.reader import Recording
from edged.recording.replay import Comparison, replay
from edged.recording.writer import Writer
from edged.why.port import WhyPort

FRAMES = 3000
FPS = 30.0
RULES = 10


def measure(folder: Path) -> Part:
    """Models of ten and of a thousand classes, ten rules."""
    part = Part("Scores around events, and recordings")
    lines = []
    for classes in (10, 1001):
        made, deciding = _results(classes)
        why = WhyPort(WhyConfig(), folder / f"{classes}.why", "bench")
        why.write(deciding)
        lane = Lane(partial(_same, deciding), features=False, pictures=False)
        records = lane.records("bench", 0.0)

        kept = Times.of_seconds(_each_s(why.write, made))
        path = folder / f"{classes}.rec"
        offered: list[float] = []
        with Writer(path) as writer:
            writer.write(lane.header("bench"))
            for start in range(0, FRAMES, 500):
                offered += _each_s(lane.offer, made[start : start + 500])
                for record in iter(partial(next, records), None):
                    if record is not None:
                        writer.write(record)
            writer.end("")
        began_s = time.perf_counter()
        comparison = Comparison()
        with Recording(path) as recording:
            for step in replay(recording, recording.name):
                comparison.add(step)
        replay_us = (time.perf_counter() - began_s) / comparison.frames * 1e6
        given = Times.of_seconds(offered)
        for what, name, taken in (
            ("kept for `edged why`", "why", kept),
            ("given to `edged record`", "record", given),
        ):
            p50_us = taken.p50 * 1e3
            part.judge(f"scores {what}, {classes} classes, p50", p50_us, " µs", 20.0)
            part.figures[f"{name}_{classes}_us"] = p50_us
        size = f"{path.stat().st_size / comparison.frames:.0f}"
        lines.append((str(classes), _us(kept), _us(given), f"{replay_us:.0f}", size))
    head = ("classes", "why p50/p90/p99 µs", "record p50/p90/p99 µs", "replay µs", "bytes a frame")
    part.tables.append(Table("A frame, ten rules", head, lines))
    part.notes.append(
        "With `why.enabled = false`, and while nobody records, a frame pays nothing: there is no "
        "port and no lane. Scores are random here; those of a quantised model take fewer bytes."
    )
    return part


def _results(classes: int) -> tuple[list[Result], Deciding]:
    rng = np.random.default_rng(0)
    labels = [f"class {number}" for number in range(classes)]
    rules = [RuleConfig(name=f"r{n}", labels=[labels[n % classes]]) for n in range(RULES)]
    decider = Decider(rules, DecideConfig(), labels)
    pixels = np.zeros((4, 4, 3), np.uint8)
    start_s = time.monotonic()
    made = []
    for number in range(FRAMES):
        at_s = start_s + number / FPS
        scores = (rng.random(classes) / 2).astype(np.float32)
        scene, events = decider.decide(scores, at_s, number)
        made.append(Result(Frame(pixels, number, at_s), Prediction(scores, labels, {}, "m"), scene))
        assert not events
    return made, Deciding(decider, "bench", lambda: "")


def _same(deciding: Deciding) -> Deciding:
    return deciding


def _each_s(write: Callable[[Report], None], reports: list[Result]) -> list[float]:
    took_s = []
    for report in reports:
        began_s = time.perf_counter()
        write(report)
        took_s.append(time.perf_counter() - began_s)
    return took_s


def _us(times: Times) -> str:
    return " / ".join(f"{times.at(percent) * 1e3:.1f}" for percent in (50, 90, 99))
