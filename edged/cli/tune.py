"""``edged tune``."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterable

from edged.cli.output import write_file
from edged.cli.progress import followed
from edged.messages.recordings import Counts, RuleSettings, TunedMessage, TunedRow
from edged.printable import printable
from edged.recording.settings import Raw
from edged.tuning import text
from edged.tuning.marks import read
from edged.tuning.outcome import Outcome
from edged.tuning.search import Tried, tune
from edged.tuning.tracks import material


def run(arguments: argparse.Namespace) -> int:
    """The settings with the fewest false alarms that miss no more than the present ones."""
    found = material(arguments.files, read(arguments.truth), arguments.rule)
    tuned = tune(
        found.tracks, found.now, arguments.tries, arguments.seed, arguments.max_delay, _follow
    )
    now, best = _row(tuned.now), _row(tuned.found)
    message = TunedMessage(
        rule=found.rule.name,
        recordings=[printable(path) for path in arguments.files],
        model=found.model,
        duration_s=round(tuned.now.whole.duration_s, 3),
        tried=tuned.tried,
        seed=arguments.seed,
        now=now,
        found=best,
        held_back=counts(tuned.held_back),
        front=[_row(one) for one in tuned.front],
        lines=list(text.paste(now, best)),
        broken=list(found.broken),
    )
    if arguments.plot is not None:
        write_file(arguments.plot, text.svg(message).encode())
    print(message.json().decode() if arguments.json else "\n".join(text.table(message)))
    for line in found.broken:
        print(f"edged: {line}", file=sys.stderr)
    if found.lost:
        print(f"edged: {found.lost} frames are missing in the recordings", file=sys.stderr)
    return 1 if found.broken else 0


def _follow(frames: Iterable[Raw]) -> Iterable[Raw]:
    return followed(frames, "tune")


def _row(tried: Tried) -> TunedRow:
    return TunedRow(settings=RuleSettings(**tried.settings._asdict()), counts=counts(tried.whole))


def counts(outcome: Outcome) -> Counts:
    """As it is told."""
    return Counts(
        marks=outcome.marks,
        misses=outcome.misses,
        false_alarms=outcome.false_alarms,
        repeats=outcome.repeats,
        per_day=round(outcome.per_day, 1),
        delay_p50_s=_rounded(outcome.delay_s(0.5)),
        delay_p90_s=_rounded(outcome.delay_s(0.9)),
    )


def _rounded(delay_s: float | None) -> float | None:
    return None if delay_s is None else round(delay_s, 3)
