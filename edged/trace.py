"""Where a frame's time goes: the loop's stages as spans, for Perfetto or chrome://tracing.

The format is Google's *Trace Event Format*, complete events (``"ph": "X"``) in microseconds. Who
does not trace pays nothing: tracing is one more port, and a shell around each other one.
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
"""Spans that are kept, the newest: some minutes of them, in some ten megabytes."""

LOOP, LIGHT = 1, 2
"""Tracks: what the loop does, and how old what it looks at is."""


class Span(NamedTuple):
    """Something that took time; seconds of ``time.monotonic()``."""

    name: str
    began_s: float
    ended_s: float
    track: int
    frame: int


class Trace:
    """Collects spans and writes them when it closes. The loop's thread only."""

    def __init__(self, path: Path) -> None:
        """ConfigError where the file could not be written in the end."""
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
        """`ports`, traced; they stay their owner's to close."""
        return [StagesPort(self), *(TracedPort(port, self) for port in ports)]

    def document(self) -> dict[str, Any]:
        """Everything as the JSON object that viewers open."""
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
    """Leaves the stages of each frame in a trace."""

    def __init__(self, trace: Trace) -> None:
        self._trace = trace

    def __enter__(self) -> StagesPort:
        return self

    def __exit__(self, *exception: object) -> None:
        pass

    def write(self, report: Report) -> None:
        """The stages follow each other without a gap, and end with the decision."""
        if not isinstance(report, Result):
            return
        spans, number, decided_s = self._trace.spans, report.frame.number, report.decided_s
        at_s = decided_s - sum(report.stages_s.values())
        for stage, duration_s in report.stages_s.items():
            spans.append(Span(stage, at_s, at_s + duration_s, LOOP, number))
            at_s += duration_s
        seen = report.scene.name or "undecided"
        spans.append(Span(seen, report.frame.captured_s, decided_s, LIGHT, number))
