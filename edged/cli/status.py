"""``edged status``."""

from __future__ import annotations

import argparse
import json

from edged.cli.daemon_socket import configured, running_daemon


def run(arguments: argparse.Namespace) -> int:
    """What the daemon says of itself."""
    with running_daemon(configured(arguments)) as daemon:
        data, _ = daemon.ask("status")
    if arguments.json:
        print(json.dumps(data, ensure_ascii=False))
        return 0
    for name, value in data.items():
        if isinstance(value, dict):
            for key, detail in value.items():
                print(f"{name}.{key}: {_words(detail)}")
        else:
            print(f"{name}: {_words(value)}")
    return 0


def _words(value: object) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{key} {_words(detail)}" for key, detail in value.items())
    if isinstance(value, bool):
        return "yes" if value else "no"
    return "-" if value is None else str(value)
