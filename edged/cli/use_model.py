"""``edged models use``."""

from __future__ import annotations

import argparse
import json
import sys
from typing import Any

from edged.cli.daemon_socket import running_daemon
from edged.commands import COMMANDS, Command, RevertModel, UseFile, UseModel, name_of
from edged.models.naming import is_name
from edged.ports.control.client import ANSWERED_S
from edged.printable import printable

_OF_FILE = ("labels", "locale", "mean", "std", "channels", "scores", "shadow_s")


def run(arguments: argparse.Namespace) -> int:
    """Ask the running daemon for another model, and wait until it is taken or refused."""
    kind, fields = _asked(arguments)
    if kind is not RevertModel and sys.stderr.isatty():
        print("edged: the model is tried beside the one in use ...", file=sys.stderr)
    within_s = COMMANDS[kind].within_s + ANSWERED_S
    reply, _ = running_daemon(arguments, within_s).ask(name_of(kind), **fields)
    if arguments.json:
        print(json.dumps(reply, ensure_ascii=False))
    else:
        print(f"model: {printable(reply['data']['model'])}")
    return 0


def _asked(arguments: argparse.Namespace) -> tuple[type[Command], dict[str, Any]]:
    if arguments.previous or arguments.configured:
        return RevertModel, {"to": "previous" if arguments.previous else "configured"}
    own = {key: value for key in _OF_FILE if (value := getattr(arguments, key)) is not None}
    if is_name(arguments.model) and not own:
        return UseModel, {"model": arguments.model}
    from edged.models import library

    own["model"] = str(library.resolve(arguments.model).absolute())
    if "labels" in own:
        own["labels"] = str(own["labels"].absolute())
    return UseFile, own
