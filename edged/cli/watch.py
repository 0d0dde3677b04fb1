"""``edged watch``."""

from __future__ import annotations

import argparse
import json
from typing import Any

from edged.cli.daemon_socket import configured, running_daemon


def run(arguments: argparse.Namespace) -> int:
    """Each frame's best label as it changes, each event, each output; with --json every report."""
    last_scene = None
    with running_daemon(configured(arguments)) as daemon:
        for report in daemon.watch():
            if arguments.json:
                print(json.dumps(report, ensure_ascii=False), flush=True)
            elif report["type"] == "result":
                if report["scene"] != last_scene or report["events"]:
                    last_scene = report["scene"]
                    print(_line(report), flush=True)
            elif report["type"] == "output":
                print(f"output {report['name']} {report['value']:g}", flush=True)
    return 0


def _line(report: dict[str, Any]) -> str:
    best = report["results"][0]
    events = "".join(
        f"  {event['rule']} {'on' if event['active'] else 'off'}" for event in report["events"]
    )
    return f"{report['scene']}  {best['score']:.0%} {best['label']}{events}"
