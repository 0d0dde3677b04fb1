"""``edged review``."""

from __future__ import annotations

import argparse
import os
import pwd
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import msgspec

from edged import logs
from edged.cli.daemon_socket import configured
from edged.cli.output import write_file
from edged.config.schema import Config
from edged.errors import CommandError, ConfigError, UsageError
from edged.journal.reader import found_journal
from edged.messages.review import KeptPicture, ReviewAnswer, answer
from edged.paths import running_socket
from edged.ports.control.client import ControlClient, DaemonAbsentError
from edged.printable import printable
from edged.review.folder import Folder, Verdict

AT_ONCE = 256
"""Pictures that one request to the daemon may name."""

SHOWN = 2
"""Labels of a picture in the list."""

BECAUSE = {"margin": "two labels score alike", "unknown": "looks unknown", "taught": "half taught"}


def run(arguments: argparse.Namespace) -> int:
    """With the running daemon where one answers, else with its files."""
    logs.start("warning", "command")
    config = configured(arguments)
    numbers = [number for several in arguments.numbers for number in several]
    ring = _Ring(config)
    if arguments.teach:
        _no_numbers(numbers, "--teach")
        return _teach(config, ring, as_json=arguments.json)
    if arguments.export:
        from edged.review.export import export

        _no_numbers(numbers, "--export")
        count = export(arguments.export, ring.told().pictures, ring.picture)
        print(f"written to {printable(arguments.export)}: {count} pictures")
        return 0
    if arguments.clear:
        _no_numbers(numbers, "--clear")
        numbers = [one.number for one in ring.told().pictures if one.label is not None]
        if not numbers:
            raise CommandError("nothing to clear: no picture was decided on")
        told = ring.decide(numbers, "discard", "", again=True)
    elif arguments.accept or arguments.discard or arguments.label is not None:
        verdict = "accept" if arguments.accept else "discard" if arguments.discard else "correct"
        told = ring.decide(numbers, verdict, arguments.label or "", again=arguments.again)
    else:
        told = ring.told()
    if numbers and not (arguments.discard or arguments.clear):
        told = msgspec.structs.replace(told, pictures=_chosen(told, numbers))
    if arguments.out:
        _write_pictures(arguments.out, told.pictures, ring)
    print(told.json().decode() if arguments.json else "\n".join(map(printable, lines(told))))
    return 0


class _Ring:
    """The kept pictures: in the daemon, or in its folder."""

    def __init__(self, config: Config) -> None:
        self._config = config
        self._client = ControlClient(running_socket(config))
        journal = found_journal(config.journal, config.device)
        self.folder = Folder(journal.with_name(f"{journal.name}.review"))

    def told(self) -> ReviewAnswer:
        """All pictures."""
        return self._asked("review") or self._own()

    def picture(self, number: int) -> bytes:
        """One of them, as JPEG."""
        try:
            return self._client.ask("review-picture", number=number)[1]
        except DaemonAbsentError:
            return self.folder.picture(number)

    def decide(
        self, numbers: Sequence[int], verdict: Any, label: str, *, again: bool
    ) -> ReviewAnswer:
        """Say what some of them show; all that are left."""
        if not numbers:
            raise UsageError("name the pictures by their numbers; `edged review` lists them")
        told = None
        for start in range(0, len(numbers), AT_ONCE):
            some = numbers[start : start + AT_ONCE]
            told = self._asked(
                "review-decide", numbers=some, verdict=verdict, label=label, by=_me(), again=again
            )
            if told is None:
                with self.folder.locked():
                    self.folder.decide(numbers, Verdict(verdict, label, _me(), again))
                return self._own()
        return told or self._own()

    def _asked(self, command: str, **fields: object) -> ReviewAnswer | None:
        try:
            reply, _ = self._client.ask(command, **fields)
        except DaemonAbsentError:
            return None
        return msgspec.convert(reply["data"], ReviewAnswer)

    def _own(self) -> ReviewAnswer:
        folder = self.folder
        return answer(folder.path, self._config.review, folder.entries(), len(folder.damaged()))


def _me() -> str:
    try:
        return pwd.getpwuid(os.getuid()).pw_name
    except KeyError:
        return str(os.getuid())


def _no_numbers(numbers: Sequence[int], option: str) -> None:
    if numbers:
        raise UsageError(f"{option} takes all pictures that were decided on, and no numbers")


def _chosen(told: ReviewAnswer, numbers: Sequence[int]) -> list[KeptPicture]:
    found = {one.number: one for one in told.pictures}
    if missing := [str(number) for number in numbers if number not in found]:
        raise CommandError(
            f"picture {', '.join(missing[:5])} is not kept; `edged review` lists those that are"
        )
    return [found[number] for number in numbers]


def _write_pictures(folder: Path, pictures: Sequence[KeptPicture], ring: _Ring) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ConfigError(f"{printable(folder)}: {error.strerror}; name another folder") from error
    for one in pictures:
        write_file(folder / f"{one.number}.jpg", ring.picture(one.number))


def _teach(config: Config, ring: _Ring, *, as_json: bool) -> int:
    from edged.cli.teach import Desk, tell

    with Desk(config) as desk:
        tell(desk.teach_reviewed(ring.folder), None, desk, as_json=as_json)
    if not as_json:
        print("`edged teach --undo` takes it back; `edged review --clear` removes the pictures")
    return 0


def lines(told: ReviewAnswer) -> Iterator[str]:
    """The list as people read it."""
    for one in told.pictures:
        said = ", ".join(f"{each.label} {each.score:.0%}" for each in one.results[:SHOWN])
        decided = f"  {one.verdict}: {one.label}, by {one.decided_by}" if one.verdict else ""
        at = f"{one.time.astimezone():%Y-%m-%d %H:%M:%S}"
        yield f"{one.number:>4}  {at}  {said}  ({BECAUSE[one.because]}){decided}"
    if told.damaged:
        yield f"{told.damaged} files are damaged; the daemon removes them"
    if not told.pictures:
        yield (
            "no picture is kept yet"
            if told.enabled
            else "no picture is kept; set review.enabled to true"
        )
        return
    yield f"each is NUMBER.jpg in {told.folder}"
