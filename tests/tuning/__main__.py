"""``python -m tests.tuning``: does what `edged tune` finds hold where it has not looked?

Of each rule two recordings are made, of other photographs: one to tune on, and one to judge by.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from tempfile import TemporaryDirectory

from edged.config.schema import RuleConfig
from edged.recording.settings import Settings
from edged.tuning.marks import read
from edged.tuning.outcome import Outcome, together
from edged.tuning.search import Tuned, outcomes, tune
from edged.tuning.tracks import Material, material
from tests.tuning.scenes import FPS, NOISE, record

SHARED = Path(__file__).parents[3] / "shared" / "data"
RULES = ("cat", "bird", "dog", "truck")

ABOUT = """\
# Tuning on recordings of real pictures

`make report-tuning` makes two recordings of {minutes:g} minutes for each rule. The bundled model
looks at photographs of CIFAR's test set and of ImageNet at {fps:g} frames a second, before a camera
that shakes, flickers and has noise (σ {noise:g}). Three of ten visitors are what the rule looks
for; the others are of the other nine classes, or of none. `edged tune` searches on the first
recording (*seen*). Its settings are then judged on the second one, of other photographs (*unseen*),
beside the defaults. `tests/tuning/test_scenes.py` repeats it in small.

A false alarm is every event but the first one within a mark; *within* counts those in a mark that
had its event already. The delay is the median.
"""

HEAD = """\
| rule | settings | marks | missed | recall | false alarms | within | a day | delay s |
|---|---|---|---|---|---|---|---|---|
"""


def measured(folder: Path, shared: Path, rule: str, seed: int, minutes: float) -> list[Material]:
    """Two recordings, seen and unseen, with their marks."""
    found = []
    for half in (0, 1):
        path, marks = folder / f"{rule}-{half}.rec", folder / f"{rule}-{half}.csv"
        if not path.exists():
            config = RuleConfig(name=rule, labels=[rule])
            record(path, marks, shared, config, seed=seed + half, half=half, minutes=minutes)
        found.append(material([path], read(marks), rule))
    return found


def row(rule: str, settings: str, outcome: Outcome) -> str:
    delay_s = outcome.delay_s(0.5)
    return (
        f"| {rule} | {settings} | {outcome.marks} | {outcome.misses} | {outcome.recall:.1%} "
        f"| {outcome.false_alarms} | {outcome.repeats} | {outcome.per_day:.0f} "
        f"| {'-' if delay_s is None else f'{delay_s:.2f}'} |\n"
    )


def named(settings: Settings) -> str:
    return (
        f"enter {settings.enter:g}, exit {settings.exit:g}, smoothing_s {settings.smoothing_s:g}, "
        f"min_on_s {settings.min_on_s:g}, cooldown_s {settings.cooldown_s:g}"
    )


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.tuning", description=__doc__)
    parser.add_argument("--out", type=Path, help="write the report")
    parser.add_argument("--shared", type=Path, default=SHARED, help="real pictures")
    parser.add_argument("--minutes", type=float, default=60.0)
    parser.add_argument("--seed", type=int, default=11)
    parser.add_argument("--tries", type=int, default=1000)
    parser.add_argument("--keep", type=Path, help="a folder for the recordings, used again")
    asked = parser.parse_args()
    with TemporaryDirectory() as made:
        folder = asked.keep or Path(made)
        folder.mkdir(parents=True, exist_ok=True)
        seen, unseen = "", ""
        before: list[Outcome] = []
        after: list[Outcome] = []
        for rule in RULES:
            first, second = measured(folder, asked.shared, rule, asked.seed, asked.minutes)
            tuned: Tuned = tune(first.tracks, first.now, asked.tries, seed=0)
            now, found = (
                one.whole for one in outcomes(second.tracks, [first.now, tuned.found.settings])
            )
            before.append(now)
            after.append(found)
            seen += row(rule, "defaults", tuned.now.whole)
            seen += row(rule, named(tuned.found.settings), tuned.found.whole)
            seen += row(rule, "held back", tuned.held_back)
            unseen += row(rule, "defaults", now) + row(rule, "found", found)
            print(row(rule, "defaults", now) + row(rule, "found", found), end="", flush=True)
        all_now, all_found = together(before), together(after)
        unseen += row("**all**", "defaults", all_now) + row("**all**", "found", all_found)
    text = ABOUT.format(minutes=asked.minutes, fps=FPS, noise=NOISE)
    text += f"\n## Seen\n\n{HEAD}{seen}\n## Unseen\n\n{HEAD}{unseen}"
    if asked.out is not None:
        asked.out.write_text(text)
    print(text)
    halved = all_found.false_alarms <= all_now.false_alarms / 2
    return 0 if halved and all_found.recall >= all_now.recall - 0.005 else 1


if __name__ == "__main__":
    raise SystemExit(main())
