"""Commands for the daemon: ``edged pause``, ``resume``, ``wake``, ``reload``, ``status``, ..."""

from __future__ import annotations

import argparse
import json
from contextlib import suppress

from edged.cli.daemon_socket import running_daemon
from edged.cli.listing import fact_lines
from edged.cli.output import OutputError
from edged.cli.status import lines
from edged.commands import COMMANDS, Command, TellStatus, name_of
from edged.ports.control.client import ANSWERED_S, RefusedError
from edged.syntax import fields_of


def run(arguments: argparse.Namespace) -> int:
    """Send the command to the running daemon, and print its answer."""
    kind: type[Command] = arguments.kind
    given = {field: getattr(arguments, field) for field in fields_of(kind)}
    fields = {field: value for field, value in given.items() if value is not None}
    try:
        client = running_daemon(arguments, COMMANDS[kind].within_s + ANSWERED_S)
        reply, _ = client.ask(name_of(kind), **fields)
    except RefusedError as error:
        if arguments.json:
            # A refusal counts, even if no one reads the output.
            with suppress(OutputError):
                print(json.dumps(error.reply, ensure_ascii=False))
        raise
    if arguments.json:
        print(json.dumps(reply, ensure_ascii=False))
        return 0
    if kind is TellStatus:
        print("\n".join(lines(reply)))
        return 0
    told = {name: value for name, value in reply["data"].items() if name != "type"}
    print(*fact_lines(told), sep="\n")
    return 0
