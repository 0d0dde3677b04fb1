"""``edged events`` reads the journal, whether a daemon writes it or not."""

from __future__ import annotations

import json
import os
import re
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import datetime, timedelta, timezone
from pathlib import Path

import pytest

from edged import clock
from edged.cli import main
from edged.cli.events import since
from edged.journal import reader as reader_module
from edged.journal.journal import Journal
from tests.journal.made import event, read, reader, record, threadless

ROOT = Path(__file__).parent.parent.parent


@pytest.fixture(autouse=True)
def clock_is_right(monkeypatch: pytest.MonkeyPatch) -> None:
    """No time is put right: those that a test makes stay."""
    monkeypatch.setattr(clock, "trust", lambda _: clock.SYNCHRONIZED)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "state" / "events.db"


@pytest.fixture
def journal(path: Path) -> Iterator[Journal]:
    """A journal that a daemon has open."""
    opened = threadless(path)
    opened.sync()
    yield opened
    opened.close()


def events(path: Path, *more: str) -> int:
    return main(["events", "--set", f"journal.path={path}", *more])


def at(ago_s: float) -> datetime:
    return datetime.now(timezone.utc) - timedelta(seconds=ago_s)


def moved(path: Path, number: int, ago_s: float) -> None:
    """Event `number` was decided so long ago."""
    with closing(sqlite3.connect(path)) as database, database:
        query = "SELECT payload FROM event WHERE number = ?"
        document = json.loads(database.execute(query, (number,)).fetchone()[0])
        document["decided"] = at(ago_s).isoformat()
        database.execute(
            "UPDATE event SET payload = ? WHERE number = ?",
            (json.dumps(document).encode(), number),
        )


def test_each_event_is_a_line_while_the_daemon_runs(
    path: Path, journal: Journal, capsys: pytest.CaptureFixture[str]
) -> None:
    journal.record([event(1), event(2, rule="dog", active=False)])
    journal.sync()
    assert events(path) == 0
    first, second = capsys.readouterr().out.splitlines()
    assert re.fullmatch(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d  1  cat on  70%", first)
    assert second.endswith("  2  dog off  70%")


def test_the_journal_is_read_when_no_daemon_runs(
    path: Path, journal: Journal, capsys: pytest.CaptureFixture[str]
) -> None:
    record(journal, 3)
    journal.close()
    before = path.read_bytes()
    assert events(path) == 0
    assert len(capsys.readouterr().out.splitlines()) == 3
    assert path.read_bytes() == before


def test_json_is_the_documents_as_they_are_stored(
    path: Path, journal: Journal, capsys: pytest.CaptureFixture[str]
) -> None:
    record(journal, 2)
    newest = journal.newest(2)
    assert newest is not None
    journal.sync()
    assert events(path, "--json") == 0
    lines = capsys.readouterr().out.splitlines()
    assert [json.loads(line)["number"] for line in lines] == [1, 2]
    assert lines[1].encode() == newest


def test_only_the_rules_asked_for_are_told(
    path: Path, journal: Journal, capsys: pytest.CaptureFixture[str]
) -> None:
    journal.record([event(rule="cat"), event(rule="dog"), event(rule="fox")])
    journal.sync()
    assert events(path, "--rule", "cat", "--rule", "fox") == 0
    assert re.findall(r"cat|dog|fox", capsys.readouterr().out) == ["cat", "fox"]


def test_a_rule_that_the_configuration_does_not_have_is_told_of(
    path: Path, journal: Journal, capsys: pytest.CaptureFixture[str]
) -> None:
    journal.record([event(rule="fox")])
    journal.sync()
    asked = [word for rule in ("fox", "camera", "camrea") for word in ("--rule", rule)]
    assert events(path, *asked) == 0
    said = capsys.readouterr()
    assert re.findall(r"fox", said.out) == ["fox"]
    assert said.err.splitlines() == [
        'edged: the configuration has no rule "fox"',
        'edged: the configuration has no rule "camrea"; did you mean camera?',
    ]


def test_only_what_came_since_is_told(
    path: Path, journal: Journal, capsys: pytest.CaptureFixture[str]
) -> None:
    record(journal, 3)
    journal.sync()
    for number, ago_s in ((1, 7200), (2, 1800), (3, 60)):
        moved(path, number, ago_s)
    assert events(path, "--since", "1h") == 0
    assert re.findall(r"  (\d)  ", capsys.readouterr().out) == ["2", "3"]
    assert events(path, "--since", at(300).isoformat()) == 0
    assert re.findall(r"  (\d)  ", capsys.readouterr().out) == ["3"]


def test_missing_numbers_are_told_and_why(
    path: Path, journal: Journal, capsys: pytest.CaptureFixture[str]
) -> None:
    record(journal, 2)
    journal.sync()
    assert journal._store is not None
    journal._store.close()
    again = threadless(path)
    again.sync()
    record(again)
    again.close()
    assert events(path) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[2].strip() == "3-256  missing (crash)"
    assert lines[3].endswith("  257  cat on  70%")
    assert events(path, "--json") == 0
    gap = json.loads(capsys.readouterr().out.splitlines()[2])
    assert (gap["type"], gap["first"], gap["last"]) == ("gap", 3, 256)


def test_a_damaged_row_is_left_out_and_told(
    path: Path, journal: Journal, capsys: pytest.CaptureFixture[str]
) -> None:
    record(journal, 3)
    journal.close()
    with closing(sqlite3.connect(path)) as database, database:
        database.execute("UPDATE event SET payload = CAST(x'ff' AS TEXT) WHERE number = 2")
    assert events(path) == 1
    told = capsys.readouterr()
    assert "2-2  missing (damaged)" in told.out
    assert told.err == "edged: 1 events are damaged and skipped\n"


def test_more_than_a_page_is_told_in_order(
    path: Path,
    journal: Journal,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(reader_module, "PAGE", 7)
    record(journal, 100)
    journal.sync()
    assert events(path, "--json") == 0
    numbers = [json.loads(line)["number"] for line in capsys.readouterr().out.splitlines()]
    assert numbers == list(range(1, 101))


class Follower:
    """``edged events --follow --json``, and what it says."""

    def __init__(self, path: Path) -> None:
        command = [sys.executable, "-m", "edged", "events", "--follow", "--json"]
        self.process = subprocess.Popen(
            [*command, "--set", f"journal.path={path}"],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            cwd=ROOT,
        )

    def told(self) -> object:
        """The number of the next event, or the first and last of the next gap."""
        assert self.process.stdout is not None
        said = json.loads(self.process.stdout.readline())
        return said["number"] if said["type"] == "event" else (said["first"], said["last"])

    def complained(self) -> str:
        """The next line of its errors."""
        assert self.process.stderr is not None
        return self.process.stderr.readline().decode()


@pytest.fixture
def follow(path: Path, journal: Journal) -> Iterator[Follower]:
    """Follows a journal that has one event."""
    record(journal)
    journal.sync()
    follower = Follower(path)
    with follower.process:
        assert follower.told() == 1
        yield follower
        follower.process.kill()


def test_follow_goes_on_with_what_comes(path: Path, journal: Journal, follow: Follower) -> None:
    for number in (2, 3, 4):
        record(journal)
        journal.sync()
        assert follow.told() == number
    # The daemon ends and starts again, which is no concern of the reader's.
    journal.close()
    again = threadless(path)
    again.sync()
    record(again)
    again.close()
    assert follow.told() == 5


def closed(journal: Journal, path: Path) -> None:
    """Ends it. A log stays where the follower looks into it just then."""
    journal.close()
    for suffix in ("-wal", "-shm"):
        path.with_name(path.name + suffix).unlink(missing_ok=True)


@pytest.mark.parametrize("harm", ["removed", "damaged"])
def test_follow_waits_while_the_journal_is_replaced(
    path: Path, journal: Journal, follow: Follower, harm: str
) -> None:
    record(journal)
    journal.sync()
    assert follow.told() == 2
    closed(journal, path)
    if harm == "removed":
        path.unlink()
    else:
        path.write_bytes(b"no database at all" * 500)
    assert follow.complained().startswith(f"edged: {path}")
    again = threadless(path)
    again.sync()
    record(again)
    again.close()
    assert follow.told() == 3


def test_follow_starts_over_with_a_journal_that_begins_anew(
    path: Path, journal: Journal, follow: Follower
) -> None:
    record(journal, 4)
    journal.sync()
    assert [follow.told() for _ in range(4)] == [2, 3, 4, 5]
    closed(journal, path)
    for name in ("events.db", "events.db.mark"):
        path.with_name(name).unlink()
    again = threadless(path)
    again.sync()
    record(again, 2)
    again.close()
    assert [follow.told(), follow.told()] == [1, 2]


def test_follow_does_not_start_over_where_the_newest_event_is_damaged(
    path: Path, journal: Journal, follow: Follower
) -> None:
    record(journal)
    journal.sync()
    assert follow.told() == 2
    journal.close()
    with closing(sqlite3.connect(path)) as database, database:
        database.execute("UPDATE event SET payload = x'00' WHERE number = 2")
    again = threadless(path)
    assert read(reader(again), after=0) == [1, (2, 2, "damaged")]
    record(again)
    again.close()
    assert follow.told() == 3


def test_no_journal_yet_is_one_line(path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert events(path) == 69
    assert capsys.readouterr().err == f"edged: {path}: no journal yet; `edged run` creates it\n"


def test_a_pipe_in_its_place_is_one_line_and_is_not_waited_for(
    path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path.parent.mkdir()
    os.mkfifo(path)
    assert events(path) == 69
    assert capsys.readouterr().err == f"edged: {path}: not a regular file; remove it\n"


def test_a_damaged_database_is_one_line(path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path.parent.mkdir()
    path.write_bytes(b"no database at all" * 500)
    assert events(path) == 69
    assert f"edged: {path} is damaged" in capsys.readouterr().err


def test_a_database_of_an_earlier_version_is_one_line(
    path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path.parent.mkdir()
    with closing(sqlite3.connect(path)) as database:
        database.execute("CREATE TABLE event (number INTEGER PRIMARY KEY, payload BLOB)")
    assert events(path) == 69
    assert "not a journal of this version" in capsys.readouterr().err


def test_a_journal_that_keeps_nothing_says_so(
    path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert events(path, "--set", "journal.max_events=0") == 69
    assert capsys.readouterr().err == "edged: journal.max_events is 0: no events are kept\n"


@pytest.fixture
def nobody(path: Path, journal: Journal) -> Iterator[Callable[[], None]]:
    """Makes this process one of a user who owns nothing, and may only read the journal."""
    if os.getuid() != 0:
        pytest.skip("needs root, to become somebody else")
    record(journal)
    journal.close()
    # What the command imports lies where nobody may read, perhaps.
    assert events(path) == 0
    for name in ("-wal", "-shm"):
        path.with_name(path.name + name).unlink(missing_ok=True)
    for folder in (path.parent, *path.parents[1:4]):
        folder.chmod(0o755)
    yield lambda: os.setresuid(65534, 65534, 0)
    os.setresuid(0, 0, 0)


def test_who_may_only_read_reads_a_journal_that_nobody_writes(
    path: Path, nobody: Callable[[], None], capsys: pytest.CaptureFixture[str]
) -> None:
    nobody()
    capsys.readouterr()
    assert events(path) == 0
    assert "cat on" in capsys.readouterr().out


def test_who_may_only_read_is_told_whose_the_folder_is_where_sqlite_must_write_beside_it(
    path: Path, nobody: Callable[[], None], capsys: pytest.CaptureFixture[str]
) -> None:
    # A daemon that was killed leaves it.
    path.with_name("events.db-wal").write_bytes(b"")
    nobody()
    capsys.readouterr()
    assert events(path) == 69
    told = capsys.readouterr().err
    assert told.startswith(f"edged: {path}: ")
    assert f"; {path.parent} belongs to " in told
    assert told.count("\n") == 1


def test_a_journal_that_sqlite_cannot_open_is_one_line(
    path: Path, journal: Journal, capsys: pytest.CaptureFixture[str]
) -> None:
    closed(journal, path)
    path.with_name("events.db-wal").mkdir()
    assert events(path) == 69
    assert capsys.readouterr().err == f"edged: {path}: unable to open database file\n"


def test_a_folder_that_may_not_be_looked_into_is_one_line(
    path: Path, nobody: Callable[[], None], capsys: pytest.CaptureFixture[str]
) -> None:
    path.parent.chmod(0o700)
    nobody()
    capsys.readouterr()
    assert events(path) == 69
    told = capsys.readouterr().err
    assert told.startswith(f"edged: {path}: not permitted; {path.parent} belongs to ")
    assert told.count("\n") == 1


def test_the_services_journal_is_found(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "home"))
    monkeypatch.delenv("STATE_DIRECTORY", raising=False)
    monkeypatch.setattr(reader_module, "SERVICE", tmp_path / "lib")
    for folder, device in (("lib", "porch"), ("lib/garden", "garden")):
        opened = threadless(tmp_path / folder / f"events-{device}.db")
        opened.sync()
        opened.record([event(rule=f"in-{device}")])
        opened.close()
        assert main(["events", "--set", f"device={device}"]) == 0
        assert f"in-{device} on" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("text", "ago_s"), [("30s", 30), ("10m", 600), ("2h", 7200), ("1d", 86400), ("1w", 604800)]
)
def test_a_duration_is_that_long_ago(text: str, ago_s: float) -> None:
    assert abs((since(text) - at(ago_s)).total_seconds()) < 60.0


def test_a_date_is_local_unless_it_names_its_zone() -> None:
    assert since("2026-05-01T12:30:00Z") == datetime(2026, 5, 1, 12, 30, tzinfo=timezone.utc)
    assert since("2026-05-01") == datetime(2026, 5, 1).astimezone()
    assert since("12:30").strftime("%H:%M") == "12:30"
    assert since("12:30").date() == datetime.now().date()


@pytest.mark.parametrize("text", ["yesterday", "10", "-5m", "25:00", "2026-13-01", "9" * 30 + "w"])
def test_what_is_no_time_is_a_wrong_command_line(
    text: str, path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as left:
        events(path, f"--since={text}")
    assert left.value.code == 2
    assert "is not a time; write 10m, 2h, 1d" in capsys.readouterr().err
