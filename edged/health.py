"""The daemon's health: stage times, frame rate, memory, temperature."""

from __future__ import annotations

import os
from bisect import bisect_left
from collections import defaultdict, deque
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from edged import __version__
from edged.attention import Attention
from edged.core import Camera, Health, Result
from edged.messages.message import Moment
from edged.messages.replies import (
    Histogram,
    JournalMetrics,
    MetricsAnswer,
    MqttMetrics,
    StatusAnswer,
)
from edged.messages.results import drift, ranked, rules
from edged.perception.perception import Perception

TOP = 3
"""The number of classes in the status."""

RATE_S = 10.0
"""The time over which the present frame rate is measured, with at most `RATE_FRAMES` frames."""

RATE_FRAMES = 60

SAMPLES = 1024
"""The most frames of an interval whose stage times are kept."""

_THERMAL_ZONES = Path("/sys/class/thermal")
_PI_THROTTLED = Path("/sys/devices/platform/soc/soc:firmware/get_throttled")


class StageTimes:
    """The stage times of an interval, in bounded memory.

    Those of every frame at first; once `SAMPLES` are kept, only every second one, also of later
    frames, and so on: the samples are spread evenly over the interval, however long it is.
    """

    def __init__(self) -> None:
        self._kept: list[Mapping[str, float]] = []
        self._stride = 1
        self._seen = 0

    def add(self, stages_s: Mapping[str, float]) -> None:
        """Add those of one frame; the mapping is kept."""
        if self._seen % self._stride == 0:
            if len(self._kept) == SAMPLES:
                del self._kept[1::2]
                self._stride *= 2
            if self._seen % self._stride == 0:
                self._kept.append(stages_s)
        self._seen += 1

    def summary_ms(self) -> dict[str, tuple[float, float]]:
        """The median and the 99th percentile (nearest rank) of each stage, in milliseconds."""
        times_s: dict[str, list[float]] = {}
        for stages_s in self._kept:
            for stage, duration_s in stages_s.items():
                times_s.setdefault(stage, []).append(duration_s)
        return {stage: _summary_ms(times) for stage, times in times_s.items()}


BOUNDS_S = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5)
"""Upper bounds of the histograms: from a stage that copies to a frame on the slowest board."""


class Durations:
    """A histogram since the start."""

    def __init__(self) -> None:
        self._counts = [0] * (len(BOUNDS_S) + 1)
        self._sum_s = 0.0

    def add(self, duration_s: float) -> None:
        """Count one."""
        self._counts[bisect_left(BOUNDS_S, duration_s)] += 1
        self._sum_s += duration_s

    def told(self) -> Histogram:
        """As a reply."""
        return Histogram(list(self._counts), self._sum_s)


class Vitals:
    """Collects the durations of frames, and reports health. Used only by the loop's thread.

    ``health_s`` is the interval of `due`; 0 is never. `pins_error` returns why a pin is
    unavailable, `model_problem` why a chosen model is not in use.
    """

    def __init__(
        self,
        started_s: float,
        health_s: float = 0.0,
        pins_error: Callable[[], str | None] = lambda: None,
        model_problem: Callable[[], str | None] = lambda: None,
    ) -> None:
        self.health_s = health_s
        self._pins_error = pins_error
        self._model_problem = model_problem
        self.frames = 0
        self.still = 0
        self._started_s = started_s
        self._sampled_s = started_s
        self._frames_sampled = 0
        self._stages = StageTimes()
        self._durations: defaultdict[str, Durations] = defaultdict(Durations)
        self._latency = Durations()
        self._decided_s: deque[float] = deque(maxlen=RATE_FRAMES)
        self._newest: Result | None = None

    def record(self, result: Result) -> None:
        """Add one frame."""
        self.frames += 1
        self.still += result.prediction.still
        self._decided_s.append(result.decided_s)
        self._newest = result
        latency_s = result.decided_s - result.frame.captured_s
        self._stages.add({**result.stages_s, "latency": latency_s})
        for stage, duration_s in result.stages_s.items():
            self._durations[stage].add(duration_s)
        self._latency.add(latency_s)

    def due(self, now_s: float) -> bool:
        """Whether it is time for a `sample`."""
        return self.health_s > 0 and now_s >= self._sampled_s + self.health_s

    def sample(
        self, at_s: float, camera: Camera, perception: Perception, attention: Attention
    ) -> Health:
        """The state at `at_s`; frame rate and stage times are of the time since the last sample."""
        elapsed_s = at_s - self._sampled_s
        fps = (self.frames - self._frames_sampled) / elapsed_s if elapsed_s > 0 else 0.0
        stages_ms = self._stages.summary_ms()
        self._sampled_s = at_s
        self._frames_sampled = self.frames
        self._stages = StageTimes()
        return Health(
            at_s=at_s,
            version=__version__,
            uptime_s=at_s - self._started_s,
            fps=fps,
            frames=self.frames,
            dropped=camera.dropped,
            camera=camera.name,
            camera_error=camera.error,
            camera_failures=camera.failures,
            camera_last_error=camera.last_error,
            pins_error=self._pins_error(),
            paused=attention.paused,
            idle=attention.idle,
            model=perception.model,
            model_problem=self._model_problem(),
            memory_mb=memory_mb(),
            temperature_c=temperature_c(),
            throttled=throttled(),
            still=self.still,
            stages_ms=stages_ms,
            drift=perception.drift,
        )

    def status(
        self,
        at: Moment,
        camera: Camera,
        perception: Perception,
        attention: Attention,
        outputs: Mapping[str, float],
        broker_problems: Sequence[str] = (),
        broker: str | None = None,
        last_event: int = 0,
        webhook_problems: Sequence[str] = (),
        by_hand: Mapping[str, float | None] | None = None,
        model_chosen: bool = False,
        broker_error: str | None = None,
    ) -> StatusAnswer:
        """The present state, as a reply."""
        seen = self._newest if camera.error is None else None
        return StatusAnswer(
            version=__version__,
            uptime_s=round(at.now_s - self._started_s, 1),
            temperature_c=temperature_c(),
            scene=perception.scene.name,
            results=tuple(ranked(seen.prediction, TOP)) if seen else (),
            rules=rules(perception.scene, at),
            outputs=dict(outputs),
            camera=camera.name,
            camera_error=camera.error,
            camera_failures=camera.failures,
            camera_last_error=camera.last_error,
            pins_error=self._pins_error(),
            model=perception.model,
            model_chosen=model_chosen,
            model_problem=self._model_problem(),
            drift=drift(perception.drift),
            frames=self.frames,
            still=self.still,
            dropped=camera.dropped,
            fps=round(self._fps(at.now_s), 1),
            paused=attention.paused,
            idle=attention.idle,
            broker=broker,
            broker_error=broker_error,
            broker_problems=tuple(broker_problems),
            webhook_problems=tuple(webhook_problems),
            last_event=last_event,
            by_hand={
                name: None if left_s is None else round(left_s, 1)
                for name, left_s in (by_hand or {}).items()
            },
        )

    def metrics(
        self,
        now_s: float,
        status: StatusAnswer,
        events: Mapping[str, int],
        journal: JournalMetrics,
        mqtt: MqttMetrics | None,
    ) -> MetricsAnswer:
        """The counters since the start, as a reply; `events` are by rule."""
        return MetricsAnswer(
            version=__version__,
            uptime_s=now_s - self._started_s,
            memory_mb=memory_mb(),
            temperature_c=temperature_c(),
            throttled=throttled(),
            events=dict(events),
            bounds_s=list(BOUNDS_S),
            stages={stage: durations.told() for stage, durations in self._durations.items()},
            latency=self._latency.told(),
            journal=journal,
            mqtt=mqtt,
            status=status,
        )

    def _fps(self, now_s: float) -> float:
        times_s = [time_s for time_s in self._decided_s if time_s > now_s - RATE_S]
        if len(times_s) < 2 or times_s[-1] <= times_s[0]:
            return 0.0
        return (len(times_s) - 1) / (times_s[-1] - times_s[0])


def _summary_ms(times_s: Sequence[float]) -> tuple[float, float]:
    ordered = sorted(times_s)
    last = len(ordered) - 1
    return ordered[last // 2] * 1e3, ordered[round(last * 0.99)] * 1e3


def memory_mb(statm: Path = Path("/proc/self/statm")) -> float:
    """Resident memory of this process in MB (10^6 bytes); 0 if the kernel does not report it."""
    try:
        pages = int(statm.read_text().split()[1])
    except (OSError, ValueError, IndexError):
        return 0.0
    return pages * os.sysconf("SC_PAGE_SIZE") / 1e6


def temperature_c(zones: Path = _THERMAL_ZONES) -> float | None:
    """The hottest thermal zone of the board in degrees Celsius; None if it has none."""
    degrees = []
    for zone in zones.glob("thermal_zone*/temp"):
        try:
            degrees.append(int(zone.read_text()) / 1000)
        except (OSError, ValueError):
            # Reading a zone may fail while its device sleeps.
            continue
    return max(degrees, default=None)


def throttled(path: Path = _PI_THROTTLED) -> bool | None:
    """Whether a Raspberry Pi slows down now for heat or low voltage; None on other boards.

    The firmware's bits 0 to 3 are the present state: under-voltage, frequency capped, throttled,
    soft temperature limit (Raspberry Pi documentation, ``vcgencmd get_throttled``).
    """
    try:
        return bool(int(path.read_text(), 16) & 0xF)
    except (OSError, ValueError):
        return None
