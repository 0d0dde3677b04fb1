"""``edged watch``."""

from __future__ import annotations

import argparse
import json
from datetime import datetime
from typing import Any

from edged.cli.daemon_socket import running_daemon
from edged.cli.events import because
from edged.cli.status import level
from edged.printable import printable

THINNED_S = 1.0
"""Values of a dimmed output or a servo are shown at most once in this time."""


def run(arguments: argparse.Namespace) -> int:
    """Print each change of scene, each event and each output; with --json every message."""
    told = _Lines()
    for message in running_daemon(arguments).watch():
        if arguments.json:
            print(json.dumps(message, ensure_ascii=False), flush=True)
        elif line := told.line(message):
            print(line, flush=True)
    return 0


class _Lines:
    """Chooses which messages are printed."""

    def __init__(self) -> None:
        self._scene: str | None = None
        self._shown: dict[str, datetime] = {}

    def line(self, message: dict[str, Any]) -> str:
        """The time and what happened; empty for a message that is not printed."""
        at = datetime.fromisoformat(message["time"].replace("Z", "+00:00")).astimezone()
        text = self._text(message, at)
        subject = "scene" if message["type"] == "classification" else message["type"]
        return f"{at:%H:%M:%S}  {subject:6}  {printable(text)}" if text else ""

    def _text(self, message: dict[str, Any], at: datetime) -> str:
        match message["type"]:
            case "classification":
                if message["scene"] == self._scene:
                    return ""
                self._scene = message["scene"]
                best = message["results"][0]
                seen = f"{best['label']} {best['score']:.0%}"
                if self._scene == best["label"]:
                    return seen
                return f"{self._scene or 'undecided'} ({seen})"
            case "event":
                state = "on" if message["active"] else "off"
                why = because(message.get("reason"), message.get("cause"), message["score"])
                return f"{message['rule']} {state} ({why})"
            case "output":
                return self._output(message["output"], message["value"], at)
            case _:
                return ""

    def _output(self, name: str, value: float, at: datetime) -> str:
        shown = self._shown.get(name)
        if value not in (0.0, 1.0) and shown and (at - shown).total_seconds() < THINNED_S:
            return ""
        self._shown[name] = at
        return f"{name} {level(value)}"
