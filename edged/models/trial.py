"""A new model beside the one in use: in the shadow of live frames, and what it must hold.

The shadow is a port of the loop. It takes a frame when it has time for one, so the loop never waits
for it, and classifies that frame in another thread, which rests most of the time.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator

from msgspec import Struct, field
from msgspec.structs import replace

from edged.config.schema import SwapConfig
from edged.core import Pixels, Report, Result
from edged.evaluation.check import Check
from edged.perception.perception import Perception

FRAMES = 3
"""Frames that the shadow must have seen at least."""

PATIENCE_S = 30.0
"""How much longer than asked the shadow waits for these frames."""

REST = 3.0
"""How long the shadow rests after a frame, as a multiple of the time that the frame took. A low
priority would not do: a thread that has to wait for the processor while it holds the interpreter's
lock stops the loop, too."""


class Seen(Struct):
    """What the shadow saw: of each frame whether both models agree, and the seconds it took both.

    ``top1`` is empty where the labels differ, ``rules`` where there are none. The new model's time
    is that of the processor, since the shadow often waits for one; the old one's is that of the
    loop. ``frame_s`` is the camera's time for a frame.
    """

    frames: int = 0
    rules: list[bool] = field(default_factory=list)
    top1: list[bool] = field(default_factory=list)
    new_s: list[float] = field(default_factory=list)
    old_s: list[float] = field(default_factory=list)
    frame_s: float = 0.0
    finite: bool = True


class Shadow:
    """A port that keeps one frame at a time for whoever takes it."""

    def __init__(self) -> None:
        self._newest: Result | None = None
        self._there = threading.Event()

    def __enter__(self) -> Shadow:
        return self

    def __exit__(self, *exception: object) -> None:
        self._newest = None

    def write(self, report: Report) -> None:
        """Keep a frame where none waits."""
        if isinstance(report, Result) and self._newest is None:
            self._newest = report
            self._there.set()

    def take(self, timeout_s: float) -> Result | None:
        """The next frame; None where none comes in time."""
        self._newest = None
        self._there.clear()
        self._there.wait(timeout_s)
        return self._newest


def watch(
    new: Perception,
    old_labels: list[str],
    shadow: Shadow,
    shadow_s: float,
    stopping: Callable[[], bool],
) -> Seen:
    """Compare `new` for `shadow_s` with what the loop decides of the same frames."""
    seen = Seen()
    first: Result | None = None
    same_labels = list(new.labels) == old_labels
    began_s = time.monotonic()
    while (spent_s := time.monotonic() - began_s) < shadow_s + PATIENCE_S and not stopping():
        if spent_s >= shadow_s and seen.frames >= FRAMES:
            break
        result = shadow.take(0.2)
        if result is None:
            continue
        first = first or result
        _compare(new, result, seen, same_labels)
        number = result.frame.number - first.frame.number
        if number > 0:
            seen.frame_s = (result.frame.captured_s - first.frame.captured_s) / number
        time.sleep(min(REST * seen.new_s[-1], 1.0))
    return seen


def _compare(new: Perception, result: Result, seen: Seen, same_labels: bool) -> None:
    frame = replace(result.frame, pixels=_pixels(new, result), full=None)
    began_s = time.thread_time()
    mine = new.decide(frame)
    seen.new_s.append(time.thread_time() - began_s)
    if not result.prediction.still:
        # Else the model in use did not run.
        seen.old_s.append(sum(result.prediction.stages_s.values()))
    seen.frames += 1
    seen.finite &= mine.prediction.finite
    if new.rules:
        seen.rules.append(mine.scene.active == result.scene.active)
    if same_labels:
        both = (mine.prediction.scores, result.prediction.scores)
        seen.top1.append(len({int(scores.argmax()) for scores in both}) == 1)


def _pixels(new: Perception, result: Result) -> Pixels:
    """The frame's pixels; all of them where the new model needs more than the old one."""
    pixels, full = result.frame.pixels, result.frame.full
    wanted_px = new.wanted_px
    enough = pixels.shape[0] >= wanted_px[0] and pixels.shape[1] >= wanted_px[1]
    return pixels if enough or full is None else full()


def checks(seen: Seen, limits: SwapConfig) -> Iterator[Check]:
    """What `seen` must hold."""
    frames = f"{seen.frames}: is edged awake, and its camera on?"
    yield Check(f"frames in the shadow >= {FRAMES}", seen.frames >= FRAMES, frames)
    if not seen.frames:
        return
    yield Check("outputs are finite", seen.finite, "yes" if seen.finite else "no")
    for what, agreed, least in (
        ("rules as with the model in use", seen.rules, limits.agreement_min),
        ("best class as with the model in use", seen.top1, limits.best_class_min),
    ):
        if agreed:
            share = sum(agreed) / len(agreed)
            yield Check(f"{what} >= {least:g}", share >= least, f"{share:.3g}")
    new_ms, old_ms = _median_ms(seen.new_s), _median_ms(seen.old_s)
    # A slower model is good enough while it keeps up with the camera.
    most_ms = max(limits.time_max * old_ms, 1e3 * seen.frame_s)
    yield Check(f"ms per frame <= {most_ms:.3g}", new_ms <= most_ms, f"{new_ms:.3g}")


def _median_ms(times_s: list[float]) -> float:
    return 1e3 * sorted(times_s)[len(times_s) // 2] if times_s else 0.0
