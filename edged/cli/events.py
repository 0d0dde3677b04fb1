"""``edged events``."""

from __future__ import annotations

import argparse
import re
import sys
import time
from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta, timezone

import msgspec

from edged.cli.daemon_socket import configured
from edged.config.nearest import did_you_mean
from edged.core import CAMERA, DRIFT, Reason
from edged.errors import PortError
from edged.journal.entry import Entry
from edged.journal.reader import Reader, found_journal
from edged.messages.events import EventMessage, GapMessage
from edged.printable import printable

FOLLOW_S = 0.25
"""How often the journal is read."""

REASONS = {
    "camera": "no picture came",
    "stop": "edged stopped",
    "restart": "edged had ended unexpectedly",
}
"""Why a rule ended without a frame."""

UNITS_S = {"s": 1, "m": 60, "h": 3600, "d": 86400, "w": 7 * 86400}

_decoder = msgspec.json.Decoder(EventMessage | GapMessage)


def run(arguments: argparse.Namespace) -> int:
    """The events of the journal, oldest first, one per line."""
    config = configured(arguments)
    if config.journal.max_events == 0:
        raise PortError("journal.max_events is 0: no events are kept")
    reader = Reader(found_journal(config.journal, config.device), config.device)
    _tell_of_strange(arguments.rule, [CAMERA, DRIFT, *(rule.name for rule in config.rule)])
    for entry in _entries(reader, follow=arguments.follow):
        message = _decoder.decode(entry.payload)
        if _wanted(message, arguments.since, arguments.rule):
            print(
                entry.payload.decode() if arguments.json else line(message), flush=arguments.follow
            )
    if reader.damaged:
        print(f"edged: {reader.damaged} events are damaged and skipped", file=sys.stderr)
        return 1
    return 0


def since(text: str) -> datetime:
    """A date, a time today, or an age (``10m``, ``2h``, ``1d``), as a time with its time zone."""
    now = datetime.now(timezone.utc).astimezone()
    try:
        if ago := re.fullmatch(r"(\d+)([smhdw])", text):
            return now - timedelta(seconds=int(ago[1]) * UNITS_S[ago[2]])
        if re.fullmatch(r"\d\d:\d\d(:\d\d)?", text):
            text = f"{now:%Y-%m-%d}T{text}"
        # Python before 3.11 does not accept the Z.
        return datetime.fromisoformat(re.sub("[Zz]$", "+00:00", text)).astimezone()
    except (ValueError, OverflowError) as error:
        raise argparse.ArgumentTypeError(
            f"{text!r} is not a time; write 10m, 2h, 1d, 12:30, 2026-05-01 or 2026-05-01T12:30"
        ) from error


def _entries(reader: Reader, *, follow: bool) -> Iterator[Entry]:
    page, told = reader.page(), False
    while page or follow:
        yield from page
        if not page:
            time.sleep(FOLLOW_S)
        try:
            page, told = reader.page(), False
        except PortError as error:
            if not follow:
                raise
            # The daemon replaces a damaged or removed journal at its next write.
            if not told:
                print(f"edged: {error}; waiting for it", file=sys.stderr)
            page, told = [], True


def _tell_of_strange(asked: Sequence[str] | None, rules: Sequence[str]) -> None:
    """Say which rules are not in the configuration; they may have been, and have events."""
    for name in asked or ():
        if name not in rules:
            advice = did_you_mean(name, rules)
            line = f'edged: the configuration has no rule "{printable(name)}"{advice}'
            print(line, file=sys.stderr)


def _wanted(
    message: EventMessage | GapMessage, since: datetime | None, rule: list[str] | None
) -> bool:
    if isinstance(message, GapMessage):
        # The requested events could be among the missing ones.
        return True
    return (since is None or message.decided >= since) and (not rule or message.rule in rule)


def line(message: EventMessage | GapMessage) -> str:
    """One event, or what is missing, as people read it."""
    if isinstance(message, GapMessage):
        return f"{'':19}  {message.first}-{message.last}  missing ({message.reason})"
    at = message.decided.astimezone()
    value = "on" if message.active else "off"
    why = because(message.reason, message.cause, message.score)
    return f"{at:%Y-%m-%d %H:%M:%S}  {message.number}  {message.rule} {value}  {why}"


def because(reason: Reason | None, cause: str | None, score: float) -> str:
    """Why an event came, in a word or two."""
    return REASONS[reason] if reason else cause or f"{score:.0%}"
