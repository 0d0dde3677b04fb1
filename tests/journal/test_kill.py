"""kill -9 at any moment: no number comes twice, and each is an event on disk or in a gap."""

from __future__ import annotations

import random
import subprocess
import sys
from pathlib import Path

from tests.journal.made import read, reader, threadless

CHILD = """
import sys
from edged.config.schema import JournalConfig
from edged.journal.journal import Journal
from tests.journal.made import event

with Journal("porch", JournalConfig(path=sys.argv[1], sync_s=float(sys.argv[2]))) as journal:
    while True:
        for numbered in journal.record([event()] * 3):
            print(numbered.number, flush=True)
"""


def killed_after(path: Path, lines: int, sync_s: float) -> list[int]:
    """The numbers that a process gave before it was killed."""
    with subprocess.Popen(
        [sys.executable, "-c", CHILD, str(path), str(sync_s)], stdout=subprocess.PIPE, text=True
    ) as child:
        assert child.stdout is not None
        given = [int(child.stdout.readline()) for _ in range(lines)]
        child.kill()
        # The last line may be cut.
        rest = child.stdout.read()
    return given + [int(line) for line in rest[: rest.rfind("\n") + 1].split()]


def story(path: Path) -> tuple[list[int], list[tuple[int, int, str]]]:
    """The events and the gaps of the whole journal."""
    journal = threadless(path, max_events=1_000_000)
    told = read(reader(journal), after=0, limit=1000)
    journal.close()
    return (
        [one for one in told if isinstance(one, int)],
        [one for one in told if not isinstance(one, int)],
    )


def test_no_number_comes_twice_and_each_is_accounted_for(tmp_path: Path) -> None:
    chance = random.Random(12)  # noqa: S311
    path = tmp_path / "events.db"
    given: list[int] = []
    for _ in range(8):
        given += killed_after(path, chance.randint(1, 1500), sync_s=0.05)
    assert given == sorted(set(given))
    events, gaps = story(path)
    covered = set(events)
    for first, last, reason in gaps:
        assert reason == "crash"
        covered |= set(range(first, last + 1))
    assert set(given) <= covered
    assert covered == set(range(1, max(covered) + 1))


def test_with_sync_0_what_was_told_is_on_disk(tmp_path: Path) -> None:
    chance = random.Random(34)  # noqa: S311
    path = tmp_path / "events.db"
    given: list[int] = []
    for _ in range(3):
        given += killed_after(path, chance.randint(1, 200), sync_s=0.0)
    assert given == sorted(set(given))
    events, _ = story(path)
    assert set(given) <= set(events)
