"""``edged models list``, ``info``, ``fetch`` and ``verify``."""

from __future__ import annotations

import argparse
import sys
import textwrap
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import msgspec

from edged import logs
from edged.cli.listing import fact_lines
from edged.cli.model import configured
from edged.config.schema import ModelConfig
from edged.errors import EdgedError, ModelError
from edged.messages.message import Document
from edged.messages.models import FetchedMessage, ListedMessage
from edged.models import catalog, facts, library, quarantine
from edged.models.naming import is_name, model_name
from edged.models.transfer import Progress
from edged.printable import printable


def run(arguments: argparse.Namespace) -> int:
    """Run one of the four."""
    logs.start("warning", "command")
    actions = {"list": _list, "info": _info, "fetch": _fetch, "verify": _verify}
    return actions[arguments.action](arguments)


def _list(arguments: argparse.Namespace) -> int:
    _tell_closed(arguments.directories)
    rows = facts.everything(arguments.directories)
    if arguments.json:
        for row in rows:
            _print(row)
    else:
        for line in (_HEADER, *(line for row in rows for line in _lines(row)), *_FOOTER):
            _say(line)
    return 0


def _tell_closed(directories: Sequence[Path]) -> bool:
    """Report the directories of models that this user may not read; whether there are any."""
    lines = list(library.closed(directories))
    for line in lines:
        _complain(line)
    return bool(lines)


_HEADER = f"{'NAME':39}{'SIZE':>7}  {'TOP-1':>6}  {'HASH':10}  STATE"
_FOOTER = (
    "TOP-1 is as published. For details: edged models info NAME; to download:",
    "edged models fetch NAME",
)
_CHECKED = {"catalog": "verified", "pins.json": "pinned", "unverified": "unverified"}
_HASH = {"wrong": "wrong", "unknown": "unverified"}
_UNPUBLISHED = "not published"
WIDTH = 80


def _lines(row: ListedMessage) -> Iterator[str]:
    """A row about a model: what people choose by, its state, and the installed file."""
    name = " = ".join([*row.aliases, row.name])
    size = f"{row.bytes / 1e6:.1f} MB" if row.bytes else "-"
    top1 = "-" if row.top1 is None else f"{row.top1:.1%}"
    checked = _HASH.get(row.hash or "", _CHECKED[row.checked])
    state = "installed" if row.path else "to fetch"
    yield f"{name:39}{size:>7}  {top1:>6}  {checked:10}  {state}"
    measured = f"top-1 on {row.top1_on}" if row.top1_on else ""
    facts = "; ".join(filter(None, (row.about, measured, row.licence)))
    yield from textwrap.wrap(facts, WIDTH, initial_indent="    ", subsequent_indent="    ")
    if row.path:
        yield f"    {row.path}"


def _info(arguments: argparse.Namespace) -> int:
    name, directories = arguments.model, arguments.directories
    entry = catalog.load().meant(name) if is_name(name) else None
    if entry is not None and library.find(name, directories) is None:
        found = facts.known(entry.name, None)
    else:
        path = library.resolve(name, directories)
        found = facts.known(model_name(path), path, configured(arguments, ""))
    if arguments.json:
        _print(found)
    else:
        document = msgspec.to_builtins(found)
        del document["type"]
        if found.catalog is not None and found.catalog.top1 is None:
            document["catalog"]["top1"] = _UNPUBLISHED
        for line in fact_lines(document):
            _say(line)
        if found.path is None:
            _say(f"not installed: edged models fetch {name}")
    return 0 if found.quarantine in (None, "ok") else ModelError.exit_status


def _fetch(arguments: argparse.Namespace) -> int:
    from edged.models.fetch import fetch

    directory = library.destination(arguments.directories)
    failed: EdgedError | None = None
    for name in arguments.names:
        try:
            with _progress(name) as progress:
                path = fetch(name, directory, arguments.origin, progress)
            verdict = quarantine.inspect(path, ModelConfig())
            if verdict.outcome != "ok":
                raise ModelError(f"{path} cannot be used ({verdict.outcome}): {verdict.reason}")
        except EdgedError as error:
            failed = error
            if arguments.json:
                _print(FetchedMessage(name=printable(name), error=printable(str(error))))
            else:
                _complain(str(error))
            continue
        if arguments.json:
            _print(FetchedMessage(name=name, path=printable(path)))
        else:
            _say(f"{name}: {path}")
    return failed.exit_status if failed is not None else 0


def _verify(arguments: argparse.Namespace) -> int:
    directories = arguments.directories
    closed = False
    if arguments.models:
        paths = [library.resolve(model, directories) for model in arguments.models]
    else:
        closed = _tell_closed(directories)
        paths = [library.bundled(), *library.files(directories)]
    failed, config = False, configured(arguments, "")
    for path in paths:
        found = facts.verified(path, config)
        failed = failed or found.hash == "wrong" or found.quarantine != "ok"
        if arguments.json:
            _print(found)
        else:
            reason = f": {found.reason}" if found.reason else ""
            whose = f" ({found.hash_source})" if found.hash_source else ""
            _say(f"{path}: hash {found.hash}{whose}, {found.quarantine}{reason}")
    return ModelError.exit_status if failed else 1 if closed else 0


def _print(document: Document) -> None:
    print(document.json().decode())


def _say(line: str) -> None:
    print(printable(line))


def _complain(line: str) -> None:
    print(f"edged: {printable(line)}", file=sys.stderr)


@contextmanager
def _progress(name: str) -> Iterator[Progress]:
    """A bar if rich is installed, else a line for each tenth; only on a terminal."""
    if not sys.stderr.isatty():
        yield lambda _have, _total: None
        return
    try:
        from rich.console import Console
        from rich.progress import BarColumn, DownloadColumn, TransferSpeedColumn
        from rich.progress import Progress as Bar
    except ImportError:
        yield _Tenths(name)
        return
    columns = ("{task.description}", BarColumn(), DownloadColumn(), TransferSpeedColumn())
    with Bar(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task(printable(name), total=None)
        yield lambda have, total: bar.update(task, completed=have, total=total or None)


class _Tenths:
    """Progress as plain lines."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._shown = -1

    def __call__(self, have: int, total: int) -> None:
        # Without a total, each megabyte is a step.
        step = have * 10 // total if total else have >> 20
        if step != self._shown:
            self._shown = step
            of = f" of {total / 1e6:.1f}" if total else ""
            print(f"{printable(self._name)}: {have / 1e6:.1f}{of} MB", file=sys.stderr)
