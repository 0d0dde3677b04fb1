"""How the daemon itself is: stage times, frame rate, memory, temperature."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Mapping, Sequence
from pathlib import Path

from edged.core import Camera, Health

WINDOW = 512
"""Frames over which stage times are summarised."""

_THERMAL_ZONES = Path("/sys/class/thermal")
_PI_THROTTLED = Path("/sys/devices/platform/soc/soc:firmware/get_throttled")


class Vitals:
    """Collects what each frame cost and answers how things are. The loop's thread only."""

    def __init__(self, started_s: float) -> None:
        self._started_s = started_s
        self._sampled_s = started_s
        self._frames_sampled = 0
        self._frames_stages_s: deque[Mapping[str, float]] = deque(maxlen=WINDOW)
        self.frames = 0

    def record(self, stages_s: Mapping[str, float]) -> None:
        """Add one frame's stage durations; the mapping is kept."""
        self.frames += 1
        self._frames_stages_s.append(stages_s)

    def sample(
        self, at_s: float, camera: Camera, model: str, *, paused: bool, idle: bool
    ) -> Health:
        """The state at `at_s`; the frame rate is over the time since the last sample."""
        elapsed_s = at_s - self._sampled_s
        fps = (self.frames - self._frames_sampled) / elapsed_s if elapsed_s > 0 else 0.0
        self._sampled_s = at_s
        self._frames_sampled = self.frames
        return Health(
            at_s=at_s,
            uptime_s=at_s - self._started_s,
            fps=fps,
            frames=self.frames,
            dropped=camera.dropped,
            camera=camera.name,
            camera_error=camera.error,
            paused=paused,
            idle=idle,
            model=model,
            memory_mb=memory_mb(),
            temperature_c=temperature_c(),
            throttled=throttled(),
            stages_ms={stage: _summary_ms(times) for stage, times in self._times_s().items()},
        )

    def _times_s(self) -> dict[str, list[float]]:
        times_s: dict[str, list[float]] = {}
        for stages_s in self._frames_stages_s:
            for stage, duration_s in stages_s.items():
                times_s.setdefault(stage, []).append(duration_s)
        return times_s


def _summary_ms(times_s: Sequence[float]) -> tuple[float, float]:
    """Median and 99th percentile (nearest rank), in milliseconds."""
    ordered = sorted(times_s)
    last = len(ordered) - 1
    return ordered[last // 2] * 1e3, ordered[round(last * 0.99)] * 1e3


def memory_mb(statm: Path = Path("/proc/self/statm")) -> float:
    """Resident memory of this process in MB (10^6 bytes); 0 where the kernel does not tell."""
    try:
        pages = int(statm.read_text().split()[1])
    except (OSError, ValueError, IndexError):
        return 0.0
    return pages * os.sysconf("SC_PAGE_SIZE") / 1e6


def temperature_c(zones: Path = _THERMAL_ZONES) -> float | None:
    """The hottest thermal zone of the board in degrees Celsius; None where it has none."""
    degrees = []
    for zone in zones.glob("thermal_zone*/temp"):
        try:
            degrees.append(int(zone.read_text()) / 1000)
        except (OSError, ValueError):
            # A zone may refuse to be read while its device sleeps.
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
