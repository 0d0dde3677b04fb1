"""The last minute of scores, and the last events with scores and pictures, in bounded memory."""

from __future__ import annotations

import threading
from collections import deque
from datetime import datetime
from itertools import takewhile
from typing import Any

KEPT_S = 60.0
EVENTS = 40
THUMBNAILS = 2 * EVENTS
"""A page may request a picture after newer events have displaced its own."""
BEFORE_S, AFTER_S = 6.0, 3.0
"""The scores kept with an event: from before its onset until after its decision."""

SCORES = 1000
"""More than occur in that time; limits the number if the clock is set back."""

RULES = 64
"""The most rules whose scores are kept; a page shows no more."""

_LIVE = ("scene", "frame", "model", "results", "stages_ms", "captured")


class History:
    """Recent messages for new pages. One thread writes, others read."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._live: dict[str, Any] = {}
        self._rules: dict[str, Any] = {}
        self._outputs: dict[str, Any] = {}
        self._health: dict[str, Any] = {}
        self._scores: deque[tuple[float, dict[str, float]]] = deque(maxlen=SCORES)
        self._events: deque[dict[str, Any]] = deque(maxlen=EVENTS)
        self._thumbnails: dict[str, bytes] = {}

    def add(self, message: dict[str, Any]) -> None:
        """One message of the daemon, as decoded JSON."""
        with self._lock:
            match message["type"]:
                case "classification":
                    self._live = {key: message[key] for key in _LIVE}
                case "state":
                    self._rules = dict(list(message["rules"].items())[:RULES])
                    self._keep_scores(_s(message["time"]))
                case "event":
                    self._keep_event(message)
                case "output":
                    self._outputs[message["output"]] = message
                case "health":
                    self._health = message

    def add_thumbnail(self, frame: int, jpeg: bytes) -> None:
        """Add the picture of the frame whose events were added last."""
        with self._lock:
            # A restarted daemon counts frames from 1 again: earlier events do not match.
            of_frame = takewhile(
                lambda event: event["frame"] == frame and not event["thumbnail"],
                reversed(self._events),
            )
            for event in list(of_frame):
                event["thumbnail"] = True
                self._thumbnails[event["id"]] = jpeg
            while len(self._thumbnails) > THUMBNAILS:
                del self._thumbnails[next(iter(self._thumbnails))]

    def thumbnail(self, event: str) -> bytes | None:
        """The picture that led to an event, by its id; None if it is not stored."""
        with self._lock:
            return self._thumbnails.get(event)

    def present(self) -> dict[str, Any]:
        """The present state."""
        with self._lock:
            newest = self._events[-1]["id"] if self._events else None
            return {
                "live": self._live,
                "rules": self._rules,
                "outputs": dict(self._outputs),
                "event": newest,
            }

    def past(self) -> dict[str, Any]:
        """The last minute of scores, the events, newest first, and the health."""
        with self._lock:
            return {
                "scores": [{"t": at_s, "rules": scores} for at_s, scores in self._scores],
                "events": [dict(event) for event in reversed(self._events)],
                "health": self._health,
            }

    def _keep_scores(self, at_s: float) -> None:
        scores = {name: rule["score"] for name, rule in self._rules.items()}
        self._scores.append((at_s, scores))
        while self._scores[0][0] < at_s - KEPT_S:
            self._scores.popleft()
        for event in self._events:
            if at_s - event["decided_s"] <= AFTER_S and event["rule"] in scores:
                event["scores"].append([at_s, scores[event["rule"]]])

    def _keep_event(self, message: dict[str, Any]) -> None:
        rule, from_s = message["rule"], _s(message["onset"]) - BEFORE_S
        scores = [[t, kept[rule]] for t, kept in self._scores if t >= from_s and rule in kept]
        decided_s = _s(message["decided"])
        self._events.append(
            {**message, "decided_s": decided_s, "scores": scores, "thumbnail": False}
        )


def _s(time: str) -> float:
    return datetime.fromisoformat(time.replace("Z", "+00:00")).timestamp()
