"""``edged why``."""

from __future__ import annotations

import argparse
import re
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import msgspec

from edged.cli.daemon_socket import configured
from edged.cli.events import line
from edged.cli.output import write_file
from edged.core import CAMERA
from edged.errors import CommandError, PortError
from edged.journal.reader import Reader, found_journal
from edged.messages.events import EventMessage
from edged.messages.why import RuleThen, ScoreThen, WhyAnswer
from edged.printable import printable

COLUMNS, ROWS = 60, 9
"""Of the plot."""

LABELS_COLUMNS = 40

BEFORE_S, AFTER_S = 10.0, 4.0
"""What the plot shows at most."""

FRESH_S = 5.0
"""The scores of a newer event may not be written yet."""

TIMES = ("min_on_s", "min_off_s", "cooldown_s")

_decoder = msgspec.json.Decoder(EventMessage)


def run(arguments: argparse.Namespace) -> int:
    """What is kept beside the journal says why, whether a daemon runs or not."""
    config = configured(arguments)
    if config.journal.max_events == 0:
        raise PortError("journal.max_events is 0: neither events nor scores are kept")
    journal = found_journal(config.journal, config.device)
    folder = journal.with_name(f"{journal.name}.why")
    event = _event(Reader(journal, config.device), arguments.event)
    if event is None:
        which = f"no event {arguments.event}" if arguments.event else "no event of a rule yet"
        raise CommandError(f"{journal}: {which}; `edged events` lists them")
    if event.rule == CAMERA:
        raise CommandError(f"{line(event)}: it is of the camera itself; no scores decide on it")
    answer = _explained(folder, event)
    if arguments.picture is not None:
        from edged.why.explain import picture

        write_file(arguments.picture, picture(folder, event.number))
    if arguments.json:
        print(answer.json().decode())
        return 0
    print("\n".join(map(printable, lines(answer))))
    if arguments.picture is not None:
        print(f"written to {printable(arguments.picture)}")
    return 0


def _event(reader: Reader, number: int) -> EventMessage | None:
    """The event of this number; for 0 the newest that the camera itself did not cause."""
    entry = reader.event(number)
    event = entry and _decoder.decode(entry.payload)
    while event is not None and event.rule == CAMERA and number == 0:
        entry = reader.event_before(event.number)
        event = entry and _decoder.decode(entry.payload)
    return event


def event(text: str) -> int:
    """The number of an event, from it or from the event's ID."""
    found = re.fullmatch(r"(?:\w[\w.-]*-)?(\d{1,16})", text, re.ASCII)
    if found is None or int(found[1]) == 0:
        raise argparse.ArgumentTypeError(
            f"{text!r} is not the number of an event; give one such as 1234, or porch-1234"
        )
    return int(found[1])


def _explained(folder: Path, event: EventMessage) -> WhyAnswer:
    # Who only parses a command line needs no numpy.
    from edged.why.explain import explain

    while True:
        try:
            # Its times as the journal puts them right.
            return msgspec.structs.replace(explain(folder, event.number), event=event)
        except CommandError as error:
            if abs(time.time() - event.decided.timestamp()) > FRESH_S:
                raise CommandError(f"{line(event)}: {error}") from error
        time.sleep(0.2)


def lines(answer: WhyAnswer) -> Iterator[str]:
    """For people, in 80 columns."""
    rule = answer.rule
    yield f"event    {line(answer.event)}"
    yield f"because  {answer.because}"
    if rule is not None:
        yield f"rule     {answer.event.rule}: {_of(rule)}"
        yield f"         {_settings(rule)}"
    lost = f", {answer.lost} lost" if answer.lost else ""
    yield f"frames   {answer.frames} kept, {answer.fps:g} a second{lost}; model {answer.model}"
    for place, label in enumerate(answer.labels):
        head = "labels   " if place == 0 else "         "
        mine = "  (the rule's)" if label.of_rule else ""
        yield f"{head}{label.mean:4.0%}, up to {label.greatest:4.0%}  {label.label}{mine}"
    shown = [score for score in answer.scores if -BEFORE_S <= score.t_s <= AFTER_S]
    if rule is not None and len(shown) > 1:
        yield ""
        yield from plot(shown, rule)
        yield ""
    if answer.changes:
        yield f"In the {answer.until_s:.0f} s that are kept after it, it would not have come with"
        for place, change in enumerate(answer.changes):
            head = "or with  " if place else "         "
            yield f"{head}{change.option} = {change.to:g} instead of {change.was:g}"
    elif rule is not None and answer.event.reason is None:
        yield "No change of one threshold or time was found with which it would not have come."


def _of(rule: RuleThen) -> str:
    how = "sum" if rule.combine == "sum" else "greatest"
    of = ", ".join([*rule.labels, *(f"match {word}" for word in rule.match)])
    return f"{how} of {of if len(of) <= LABELS_COLUMNS else of[: LABELS_COLUMNS - 1] + '…'}"


def _settings(rule: RuleThen) -> str:
    times = "".join(f", {name} {getattr(rule, name):g}" for name in TIMES if getattr(rule, name))
    return f"enter {rule.enter:g}, exit {rule.exit:g}, smoothing_s {rule.smoothing_s:g}{times}"


def plot(scores: Sequence[ScoreThen], rule: RuleThen) -> Iterator[str]:
    """The smoothed score over time, with the thresholds and the deciding frame."""
    first_s, last_s = scores[0].t_s, scores[-1].t_s
    span_s = (last_s - first_s) or 1.0

    def column(t_s: float) -> int:
        return round((t_s - first_s) / span_s * (COLUMNS - 1))

    def row(score: float) -> int:
        return round((1.0 - score) * (ROWS - 1))

    cells = [[" "] * COLUMNS for _ in range(ROWS)]
    names = {row(rule.exit): "exit", row(rule.enter): "enter"}
    for place in names:
        cells[place] = ["-"] * COLUMNS
    decided = column(0.0) if first_s <= 0.0 <= last_s else None
    if decided is not None:
        for cell in cells:
            cell[decided] = ":"
    for score in scores:
        cells[row(score.score)][column(score.t_s)] = "*" if score.active else "o"
    for place, cell in enumerate(cells):
        tick = {0: "100%", (ROWS - 1) // 2: "50%", ROWS - 1: "0%"}.get(place, "")
        yield f"{tick:>7} |{''.join(cell)} {names.get(place, '')}".rstrip()
    left, right = f"{first_s:.1f} s", f"{last_s:+.1f} s"
    yield f"{'':9}{left}{right:>{COLUMNS - len(left)}}"
    yield f"{'':9}o inactive, * active, : the deciding frame"
