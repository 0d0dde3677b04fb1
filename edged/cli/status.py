"""The daemon's status, for a terminal of 80 columns."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any

from edged.printable import printable

WIDTH = 80
MARGIN = 9
RULES = 10
"""The number of shown rules; active ones come first."""


def lines(reply: Mapping[str, Any]) -> Iterator[str]:
    """The daemon's reply to ``status``, one subject per line."""
    data = reply["data"]
    for subject, text in _facts(reply["device"], data):
        yield from textwrap.wrap(
            printable(text),
            WIDTH,
            initial_indent=f"{subject[: MARGIN - 1]:{MARGIN}}",
            subsequent_indent=" " * MARGIN,
            break_on_hyphens=False,
        )
        if subject == "seen":
            yield from _rules(data["rules"])


def _facts(device: str, data: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    degrees = "" if data["temperature_c"] is None else f", {data['temperature_c']:.0f} °C"
    yield "device", f"{device}: edged {data['version']}, up {_duration(data['uptime_s'])}{degrees}"
    if data["paused"] or data["idle"]:
        yield "state", "paused: edged resume" if data["paused"] else "idle: edged wake"
    yield "scene", data["scene"] or "undecided"
    results = data["results"]
    yield "seen", ", ".join(f"{best['label']} {best['score']:.0%}" for best in results) or "-"
    outputs = data["outputs"].items()
    yield "outputs", ", ".join(f"{name} {level(value)}" for name, value in outputs) or "none"
    if data["pins_error"]:
        yield "", data["pins_error"]
    yield "camera", data["camera"]
    counts = (
        f"{data['frames'] - data['still']} classified",
        f"{data['still']} still",
        f"{data['dropped']} unused",
    )
    yield "", f"{data['fps']:.1f} frames/s; {', '.join(counts)}"
    if data["camera_error"]:
        yield "", data["camera_error"]
    if failures := data.get("camera_failures"):
        last = "" if data["camera_error"] else f"; the last time: {data['camera_last_error']}"
        yield "", f"failed {failures} time{'s' * (failures > 1)}{last}"
    if data["drift"] and data["drift"]["cause"]:
        yield "", f"pictures: {data['drift']['cause']}"
    chosen = ", chosen by command; back with edged models use --configured"
    yield "model", data["model"] + (chosen if data["model_chosen"] else "")
    if data["model_problem"]:
        yield "", data["model_problem"]
    yield "broker", data["broker"] or "MQTT is off"
    if data["broker_error"]:
        yield "", data["broker_error"]
    for problem in data["broker_problems"]:
        yield "", problem
    for problem in data["webhook_problems"]:
        name, _, rest = problem.partition(" ")
        yield name, rest
    yield "journal", f"{data['last_event']} events so far; edged events lists them"


def level(value: float) -> str:
    """An output's value as a word or a number."""
    return {0.0: "off", 1.0: "on"}.get(value, f"{value:.0%}")


def _rules(rules: Mapping[str, Any]) -> Iterator[str]:
    ordered = sorted(rules.items(), key=lambda item: not item[1]["active"])
    for place, (name, rule) in enumerate(ordered[:RULES]):
        since = datetime.fromisoformat(rule["since"].replace("Z", "+00:00")).astimezone()
        state = "on" if rule["active"] else "off"
        subject = "rules" if place == 0 else ""
        yield f"{subject:{MARGIN}}{name:24} {state:3} {rule['score']:5.0%}  since {_at(since)}"
    if len(ordered) > RULES:
        yield f"{'':{MARGIN}}and {len(ordered) - RULES} more: edged status --json"


def _at(time: datetime) -> str:
    today = time.date() == datetime.now().astimezone().date()
    return f"{time:%H:%M:%S}" if today else f"{time:%Y-%m-%d %H:%M:%S}"


def _duration(duration_s: float) -> str:
    minutes, seconds = divmod(round(duration_s), 60)
    hours, minutes = divmod(minutes, 60)
    days, hours = divmod(hours, 24)
    parts = ((days, "d"), (hours, "h"), (minutes, "min"), (seconds, "s"))
    shown = [(count, unit) for count, unit in parts if count][:2] or [(0, "s")]
    return " ".join(f"{count} {unit}" for count, unit in shown)
