"""Records the loop's stages as spans, for Perfetto or chrome://tracing.

The format is Google's *Trace Event Format*, complete events (``"ph": "X"``) in microseconds. It
costs nothing when off: tracing is one more port, and a wrapper around every other.
"""

from __future__ import annotations

import json
import logging
import os
import time
from collections import deque
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

from edged.core import Port, Report, Result
from edged.errors import ConfigError
from edged.files import write_atomically

log = logging.getLogger(__name__)

CAPACITY = 100_000
"""The newest spans are kept: some minutes, in about ten megabytes."""

LOOP, LIGHT = 1, 2
"""Tracks: the loop's work, and the age of its frame."""


class Span(NamedTuple):
    """A time span; seconds of ``time.monotonic()``."""

    name: str
    began_s: float
    ended_s: float
    track: int
    frame: int


class Trace:
    """Collects spans and writes them when it closes. The loop's thread only."""

    def __init__(self, path: Path) -> None:
        """ConfigError if the file could not be written at the end."""
        if not os.access(path.parent, os.W_OK):
            raise ConfigError(f"--trace {path}: its folder cannot be written; name another file")
        self.path = path
        self.spans: deque[Span] = deque(maxlen=CAPACITY)

    def __enter__(self) -> Trace:
        return self

    def __exit__(self, *exception: object) -> None:
        try:
            write_atomically(self.path, json.dumps(self.document()).encode())
        except OSError as error:
            log.error("trace: %s: %s; the trace is lost", self.path, error.strerror or error)
        else:
            log.info("trace: %d spans are in %s", len(self.spans), self.path)

    def around(self, ports: Sequence[Port]) -> list[Port]:
        """`ports` with tracing; their owner still closes them."""
        return [StagesPort(self), *(TracedPort(port, self) for port in ports)]

    def document(self) -> dict[str, Any]:
        """All spans as the JSON object for viewers."""
        process = os.getpid()
        names = [
            {"ph": "M", "pid": process, "tid": track, "name": "thread_name", "args": {"name": name}}
            for track, name in ((LOOP, "loop"), (LIGHT, "capture to decision"))
        ]
        spans = [
            {
                "ph": "X",
                "pid": process,
                "tid": span.track,
                "name": span.name,
                "ts": round(span.began_s * 1e6, 1),
                "dur": round((span.ended_s - span.began_s) * 1e6, 1),
                "args": {"frame": span.frame},
            }
            for span in self.spans
        ]
        return {"traceEvents": [*names, *spans], "displayTimeUnit": "ms"}


class TracedPort:
    """A port whose writes are spans."""

    def __init__(self, port: Port, trace: Trace) -> None:
        self._port = port
        self._trace = trace
        self._name = type(port).__name__

    def __enter__(self) -> TracedPort:
        return self

    def __exit__(self, *exception: object) -> None:
        """Left to the port's owner."""

    def write(self, report: Report) -> None:
        """Passes the report on."""
        began_s = time.monotonic()
        self._port.write(report)
        number = report.frame.number if isinstance(report, Result) else 0
        self._trace.spans.append(Span(self._name, began_s, time.monotonic(), LOOP, number))


class StagesPort:
    """Adds the stages of each frame to a trace."""

    def __init__(self, trace: Trace) -> None:
        self._trace = trace

    def __enter__(self) -> StagesPort:
        return self

    def __exit__(self, *exception: object) -> None:
        pass

    def write(self, report: Report) -> None:
        """The stages are contiguous, and end with the decision."""
        if not isinstance(report, Result):
            return
        spans, number, decided_s = self._trace.spans, report.frame.number, report.decided_s
        at_s = decided_s - sum(report.stages_s.values())
        for stage, duration_s in report.stages_s.items():
            spans.append(Span(stage, at_s, at_s + duration_s, LOOP, number))
            at_s += duration_s
        seen = report.scene.name or "undecided"
        spans.append(Span(seen, report.frame.captured_s, decided_s, LIGHT, number))
