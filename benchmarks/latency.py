"""From the light to the pin and to a subscriber: a camera whose picture changes at known moments.

There is no camera here whose light can be switched, so the source is one of stamped frames: what a
grabbed frame shows depends on the moment of its capture, and the moment of each change is known.
"""

from __future__ import annotations

import json
import random
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import pairwise
from pathlib import Path
from unittest.mock import patch

from benchmarks import material
from benchmarks.broker import Listener
from benchmarks.configuration import lamp
from benchmarks.results import Part, Plot, Times
from benchmarks.rig import Rig, rig, still
from benchmarks.watched_guard import Changes
from edged.cameras.newest import NewestFrame
from edged.cameras.source import Capture, SourceEnded
from edged.config.schema import CameraConfig
from edged.core import Pixels
from edged.guard import process
from edged.ports.control.client import ControlClient

CHANGES = 250
SECONDS_A_RATE = 3
TRIGGERS = 200


class StampedSource:
    """Frames at a fixed rate, whose picture changes at moments between them; it ends after those.

    They are spread evenly over the time of a frame, in an order by chance: a percentile is then
    that of every moment, and not of the moments that a few hundred draws happened to hit.
    """

    name = "stamped"

    def __init__(
        self, pictures: tuple[Pixels, Pixels], fps: float, changes: int, frames_each: int
    ) -> None:
        self.changed_s: list[float] = []
        self._pictures = pictures
        self._period_s = 1.0 / fps
        self._changes = changes
        self._frames_each = frames_each
        self._places = [(place + 0.5) / changes for place in range(changes)]
        random.Random(0).shuffle(self._places)  # noqa: S311 (no secret)

    def __enter__(self) -> StampedSource:
        self._due_s = time.monotonic() + 0.5
        self._change_s = self._due_s + 1.5
        return self

    def __exit__(self, *exception: object) -> None:
        pass

    def grab(self) -> Capture:
        """The next frame at its time."""
        self._due_s += self._period_s
        wait_s = self._due_s - time.monotonic()
        if wait_s > 0:
            time.sleep(wait_s)
        captured_s = time.monotonic()
        if captured_s >= self._change_s:
            if len(self.changed_s) >= self._changes:
                raise SourceEnded("stamped: ended")
            self.changed_s.append(self._change_s)
            place = self._places[len(self.changed_s) % len(self._places)]
            self._change_s = self._due_s + (self._frames_each - 1 + place) * self._period_s
        return Capture(captured_s, still(self._pictures[len(self.changed_s) % 2]))


def measure(folder: Path, port: int) -> Part:
    """All four distances in one run."""
    fps = 30.0
    model, labels = material.reference()
    source = StampedSource(material.two_scenes()[::-1], fps, CHANGES, 5)
    camera = camera_of(source)
    listener = Listener(port, "edged/bench/event")
    with (
        watched_pins(folder) as changes,
        rig(folder, model, labels, port, text=lamp(model), camera=camera, keep=None) as bench,
    ):
        at_once = Times.of_seconds(bench.floor_s() for _ in range(50))
        paced = Times.of_seconds(_paced_floor_s(bench, 1 / fps) for _ in range(50))
        changes.clear()
        run_to_end(bench, camera)
        time.sleep(0.3)
    heard = listener.stop()
    pins = changes.seconds()
    decided_s = [result.decided_s for result in bench.results if result.events]
    part = Part("Light, decision, pin, subscriber")
    messages_s = [at_s for at_s, payload in heard if not json.loads(payload)["replayed"]]
    count = min(len(decided_s), len(pins), len(messages_s), len(source.changed_s))
    # The first is skipped: only from there on is every way warm.
    to_pin = Times.of_seconds(between(decided_s, pins)[1:])
    to_subscriber = Times.of_seconds(between(decided_s, messages_s)[1:])
    photon_pin = Times.of_seconds(between(source.changed_s, pins)[1:])
    photon_subscriber = Times.of_seconds(between(source.changed_s, messages_s)[1:])
    part.judge("decision → pin, p50", to_pin.p50, " ms", 0.2)
    part.judge("decision → pin, p99", to_pin.p99, " ms", 1.0)
    part.judge("decision → subscriber, p50", to_subscriber.p50, " ms", 1.0)
    part.judge("decision → subscriber, p99", to_subscriber.p99, " ms", 5.0)
    most_ms = round(1e3 / fps + paced.p50 + 2.0, 1)
    for what, times in (("pin", photon_pin), ("subscriber", photon_subscriber)):
        more = f"p50/p90/p99 {times}; {count} changes"
        part.judge(f"photon → {what}, p99", times.p99, " ms", most_ms, more)
    part.figures.update(
        decision_to_pin_p50_ms=to_pin.p50,
        decision_to_subscriber_p50_ms=to_subscriber.p50,
        photon_to_pin_p50_ms=photon_pin.p50,
        photon_to_subscriber_p50_ms=photon_subscriber.p50,
    )
    part.notes.append(
        f"{fps:g} frames a second; limit: one frame time + the invoke + 2 ms. The invoke is the "
        f"bare one at that rate, {paced.p50:.2f} ms: after a pause it takes longer than one after "
        f"the other, {at_once.p50:.2f} ms, as the frames here do too. The observer of the "
        "pin sits at the mock chip, in the process of the guard; the subscriber is mosquitto_sub. "
        "A change waits half a frame time on average until a frame shows it; changes are spread "
        "evenly over the time of a frame."
    )
    return part


def triggers(folder: Path) -> Part:
    """From a request over the control socket to its picture, which was exposed after it."""
    fps = 30.0
    part = Part("Trigger to picture")
    model, labels = material.reference()
    # More frames than even a slow machine lets pass meanwhile.
    source = StampedSource(material.two_scenes(), fps, 4 * TRIGGERS, 5)
    camera = camera_of(source)
    took_s: list[float] = []
    with rig(folder, model, labels, text=lamp(model), camera=camera) as bench:
        client = ControlClient(folder / "bench.sock")
        chance = random.Random(0)  # noqa: S311 (no secret)

        def ask() -> None:
            try:
                while len(took_s) < TRIGGERS:
                    time.sleep(chance.uniform(0.0, 2.0) / fps)
                    asked_s = time.monotonic()
                    client.ask("snapshot")
                    took_s.append(time.monotonic() - asked_s)
            finally:
                bench.pipeline.mailbox.stop("all is asked")

        asking = threading.Thread(target=ask, daemon=True)
        asking.start()
        bench.pipeline.run()
        asking.join()
    times = Times.of_seconds(took_s)
    # The request, the two frames that its frame may take, that frame's rest, and the JPEG.
    part.judge(
        "trigger → picture, p99",
        times.p99,
        " ms",
        round(4e3 / fps, 1),
        f"p50/p90/p99 {times}; {len(took_s)} requests",
    )
    part.figures["trigger_to_picture_p50_ms"] = times.p50
    part.notes.append(
        f"{fps:g} frames a second; limit: four frame times. edged counts two of them for the "
        "exposure and the read-out, as for a USB camera, and the request comes in the middle of a "
        "third. The picture is the JPEG at the end of the control socket's client."
    )
    return part


def _paced_floor_s(bench: Rig, pause_s: float) -> float:
    time.sleep(pause_s)
    return bench.floor_s()


def rates(folder: Path) -> Part:
    """1 to 240 frames a second: more than the model can do are skipped, and none waits."""
    part = Part("Frame rate")
    model, labels = material.reference()
    ages: list[tuple[float, float]] = []
    used: list[tuple[float, float]] = []
    scenes = material.two_scenes()
    for fps in (1.0, 5.0, 15.0, 30.0, 60.0, 120.0, 240.0, 480.0):
        source = StampedSource(scenes, fps, SECONDS_A_RATE, round(fps))
        camera = camera_of(source)
        with rig(folder, model, labels, text=lamp(model), camera=camera, keep=None) as bench:
            for _ in range(10):
                bench.floor_s()
            run_to_end(bench, camera)
        seen = [result.decided_s - result.frame.captured_s for result in bench.results]
        ages.append((fps, Times.of_seconds(seen).p50))
        used.append((fps, len(seen) / max(len(seen) + camera.dropped, 1) * fps))
    part.plots += [
        Plot("rate-latency", "Capture to decision", "frames a second", "ms", {"p50": ages}, True),
        Plot(
            "rate-used",
            "Frames classified",
            "frames a second that come",
            "classified a second",
            {"classified": used},
            True,
        ),
    ]
    part.figures["age_at_240_over_30"] = dict(ages)[240.0] / dict(ages)[30.0]
    return part


def camera_of(source: StampedSource) -> NewestFrame:
    """A camera of the frames that `source` stamps."""
    return NewestFrame(lambda: source, CameraConfig())


def run_to_end(bench: Rig, camera: NewestFrame) -> None:
    """Let the loop run until the camera has ended."""

    def stop() -> None:
        while not camera.ended:
            time.sleep(0.05)
        time.sleep(0.2)
        bench.pipeline.mailbox.stop("the camera has ended")

    waiter = threading.Thread(target=stop, daemon=True)
    waiter.start()
    bench.pipeline.run()
    waiter.join()


def between(starts_s: list[float], ends_s: list[float]) -> list[float]:
    """From each start to the first end after it, as long as no other start comes before."""
    found = []
    ends = iter(sorted(ends_s))
    end_s = next(ends, None)
    for start_s, next_s in pairwise([*starts_s, float("inf")]):
        while end_s is not None and end_s < start_s:
            end_s = next(ends, None)
        if end_s is not None and end_s < next_s:
            found.append(end_s - start_s)
    return found


@contextmanager
def watched_pins(folder: Path) -> Iterator[Changes]:
    """When a level at the mock chip changed, which is the guard's."""
    file = folder / "changes"
    command = (sys.executable, "-m", "benchmarks.watched_guard", str(file))
    with patch.object(process, "COMMAND", command):
        yield Changes(file)
