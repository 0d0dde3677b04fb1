"""``edged watch``."""

from __future__ import annotations

import argparse
import json
from typing import Any

from edged.cli.daemon_socket import running_daemon


def run(arguments: argparse.Namespace) -> int:
    """Each scene as it changes, each event, each output; with --json every message."""
    last_scene = None
    for message in running_daemon(arguments).watch():
        if arguments.json:
            print(json.dumps(message, ensure_ascii=False), flush=True)
        elif message["type"] != "classification" or message["scene"] != last_scene:
            last_scene = message.get("scene", last_scene)
            if line := _line(message):
                print(line, flush=True)
    return 0


def _line(message: dict[str, Any]) -> str:
    match message["type"]:
        case "classification":
            best = message["results"][0]
            return f"{message['scene']} (best class: {best['label']}, {best['score']:.0%})"
        case "event":
            return f"{message['rule']} {'on' if message['active'] else 'off'}"
        case "output":
            return f"output {message['output']} {message['value']:g}"
        case _:
            return ""
