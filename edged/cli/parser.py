"""The command line: commands, their options and the text of ``--help``."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from typing import NamedTuple

from edged import __version__
from edged.cli.arguments import (
    EXIT_STATUSES,
    Formatter,
    add_config,
    add_json,
    add_model_options,
    argument,
    command,
    configuration,
    describe,
    numbers_of,
    path,
    positive,
    seconds,
    share,
    size,
)
from edged.commands import Asker, open_to
from edged.config.nearest import did_you_mean
from edged.printable import printable
from edged.syntax import does, fields_of, meanings_of, optional_fields


def parse(words: Sequence[str]) -> argparse.Namespace:
    """Parse a command line. Like argparse, this ends the process after help and after an error.

    ``--camera NAME`` may also precede the command.
    """
    if words and words[0] == "--camera":
        words = [*words[2:3], *words[:2], *words[3:]]
    name, *rest = words or [""]
    if name not in COMMANDS:
        parser = make_parser()
        if name and not name.startswith("-"):
            meant = did_you_mean(name, COMMANDS)
            parser.error(f"no command is called {printable(name)}{meant}; see edged --help")
        return parser.parse_args(words)
    # The grammar of the other commands would add six milliseconds to each start.
    parser = argparse.ArgumentParser(prog=f"edged {name}", formatter_class=Formatter)
    describe(parser, COMMANDS[name].module, COMMANDS[name].does)
    COMMANDS[name].add_arguments(parser)
    # Options may be between paths. This formats the usage, which takes milliseconds.
    known = parser.parse_known_intermixed_args if name in OF_PATHS else parser.parse_known_args
    arguments, unknown = known(rest)
    if unknown:
        file = next((word for word in unknown if word.endswith(".toml")), None)
        meant = (
            f"; did you mean --config {printable(file)}?" if file and "config" in arguments else ""
        )
        parser.error(f"unrecognized arguments: {printable(' '.join(unknown))}{meant}")
    return arguments


def make_parser() -> argparse.ArgumentParser:
    """The complete grammar, without heavy imports."""
    parser = argparse.ArgumentParser(
        prog="edged",
        description="A stand-alone vision sensor: frames in, MQTT messages and GPIO levels out.",
        epilog=EXIT_STATUSES,
        formatter_class=Formatter,
    )
    parser.add_argument("--version", action="version", version=f"edged {__version__}")
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    for name, of in COMMANDS.items():
        of.add_arguments(command(commands, name, of.module, of.does))
    return parser


def _run(parser: argparse.ArgumentParser) -> None:
    add_config(parser)
    parser.add_argument("--log-json", action="store_true", help="log one JSON object per line")
    parser.add_argument(
        "--trace", type=path, metavar="FILE", help="write a trace of every stage at the end"
    )


def _snapshot(parser: argparse.ArgumentParser) -> None:
    add_config(parser)
    parser.add_argument("--out", type=path, metavar="FILE.jpg", help="write the annotated JPEG")
    add_json(parser)


def _classify(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "paths",
        nargs="+",
        type=path,
        metavar="PATH",
        help="a picture, a folder of pictures, or - for standard input",
    )
    parser.add_argument(
        "--model", default="", metavar="M", help="model (the configuration's, else the bundled one)"
    )
    parser.add_argument(
        "--top", type=positive, default=3, metavar="K", help="how many classes to show (3)"
    )
    parser.add_argument(
        "--match",
        metavar="WORD",
        help="list only pictures with this word in one of the top K labels",
    )
    add_json(parser)
    add_model_options(parser)


def _search(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "terms",
        nargs="*",
        metavar="WORD",
        help="a word of a label, or several in quotes; finally the files and folders to "
        "search (the current folder)",
    )
    parser.add_argument(
        "--like", type=path, metavar="PICTURE", help="pictures like this one, instead of words"
    )
    parser.add_argument(
        "--least",
        type=share,
        metavar="S",
        help="leave out lower scores (0.2; with --like 0)",
    )
    parser.add_argument(
        "--limit", type=positive, metavar="N", help="list at most N (all; with --like 20)"
    )
    parser.add_argument(
        "--model", default="", metavar="M", help="model (the configuration's, else the bundled one)"
    )
    parser.add_argument(
        "--no-index", action="store_true", help="classify every picture again and store nothing"
    )
    add_json(parser)
    add_model_options(parser)


def _teach(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "words",
        nargs="*",
        metavar="LABEL PICTURE",
        help="a label, then pictures of it or folders of pictures",
    )
    add_config(parser, bare_camera=True)
    parser.add_argument(
        "--shots", type=positive, metavar="N", help="frames of the camera (10; --normal: 20)"
    )
    parser.add_argument(
        "--every", type=seconds, default=0.5, metavar="S", help="seconds between two frames (0.5)"
    )
    # argparse would not wrap what excludes one another.
    parser.usage = "%(prog)s [options] [LABEL PICTURE ...]"
    others = parser.add_mutually_exclusive_group()
    others.add_argument(
        "--normal", action="store_true", help="learn what this view is like while nothing is there"
    )
    others.add_argument("--list", action="store_true", help="list what was taught")
    others.add_argument("--forget", metavar="LABEL", help="forget a label")
    others.add_argument(
        "--undo", action="store_true", help="take back the last change; again: make it again"
    )
    others.add_argument("--export", type=path, metavar="FILE", help="write all into a file")
    others.add_argument(
        "--import", dest="imported", type=path, metavar="FILE", help="take over such a file"
    )
    others.add_argument(
        "--thumbnails", type=path, metavar="FOLDER", help="write the taught pictures, small"
    )
    add_json(parser)


def _nothing(parser: argparse.ArgumentParser) -> None:
    del parser


def _asking(parser: argparse.ArgumentParser) -> None:
    add_config(parser)
    add_json(parser)


def _command_of(name: str) -> _Command:
    """A command that the running daemon carries out, with its arguments."""
    kind = open_to(Asker.SOCKET)[name]

    def add(parser: argparse.ArgumentParser) -> None:
        parser.set_defaults(kind=kind)
        optional, meanings = optional_fields(kind), meanings_of(kind)
        for field, read in fields_of(kind).items():
            value, meaning = argument(read), meanings.get(field)
            if field in optional:
                option = "--" + field.removesuffix("_s")
                parser.add_argument(option, dest=field, type=value, metavar="SECONDS", help=meaning)
            else:
                parser.add_argument(field, type=value, metavar=field.upper(), help=meaning)
        _asking(parser)

    said = does(kind)
    return _Command("ask", said[0].lower() + said[1:], add)


def _events(parser: argparse.ArgumentParser) -> None:
    from edged.cli.events import since

    add_config(parser)
    parser.add_argument(
        "--since",
        type=since,
        metavar="T",
        help="events from this time on: 10m, 2h or 1d ago, 12:30, 2026-05-01, 2026-05-01T12:30",
    )
    parser.add_argument(
        "--rule", action="append", metavar="R", help="only events of this rule; repeatable"
    )
    parser.add_argument("--follow", action="store_true", help="keep listing new events")
    add_json(parser)


def _why(parser: argparse.ArgumentParser) -> None:
    from edged.cli.why import event

    parser.add_argument(
        "event",
        nargs="?",
        type=event,
        default=0,
        metavar="EVENT",
        help="its number, or its ID such as porch-1234 (the newest)",
    )
    add_config(parser)
    parser.add_argument(
        "--picture", type=path, metavar="FILE.jpg", help="write the picture of the deciding frame"
    )
    add_json(parser)


def _review(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "numbers",
        nargs="*",
        type=numbers_of,
        metavar="NUMBER",
        help="pictures, as the list numbers them: 7, or 7-9 (all)",
    )
    add_config(parser)
    # argparse would not wrap what excludes one another.
    parser.usage = "%(prog)s [options] [NUMBER ...]"
    actions = parser.add_mutually_exclusive_group()
    actions.add_argument("--accept", action="store_true", help="the best label is right")
    actions.add_argument(
        "--correct", dest="label", metavar="LABEL", help="it shows something else: LABEL"
    )
    actions.add_argument("--discard", action="store_true", help="remove them: they are of no use")
    actions.add_argument(
        "--teach", action="store_true", help="teach the model what was accepted and corrected"
    )
    actions.add_argument(
        "--export",
        type=path,
        metavar="PLACE",
        help="write what was decided on to a new folder, or FILE.zip, as a training set",
    )
    actions.add_argument(
        "--clear", action="store_true", help="remove what was decided on, once it is taught"
    )
    parser.add_argument(
        "--again", action="store_true", help="also where somebody has decided otherwise"
    )
    parser.add_argument("--out", type=path, metavar="FOLDER", help="write the pictures to look at")
    add_json(parser)


def _record(parser: argparse.ArgumentParser) -> None:
    from edged.cli.recordings_parser import add_record

    add_record(parser)


def _replay(parser: argparse.ArgumentParser) -> None:
    from edged.cli.recordings_parser import add_replay

    add_replay(parser)


def _tune(parser: argparse.ArgumentParser) -> None:
    from edged.cli.recordings_parser import add_tune

    add_tune(parser)


def _check_config(parser: argparse.ArgumentParser) -> None:
    add_config(parser)
    parser.add_argument(
        "--show", action="store_true", help="print every option with its effective value"
    )


def _doctor(parser: argparse.ArgumentParser) -> None:
    add_config(parser)
    parser.add_argument("--all", action="store_true", help="also print what is in order")
    parser.add_argument(
        "--bundle",
        type=path,
        metavar="FILE.tar.gz",
        help="write a report without secrets and pictures, to attach to an issue",
    )
    add_json(parser)


def _bench(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--model", default="", metavar="M", help="model (that of the configuration)"
    )
    parser.add_argument(
        "--warmup", type=positive, default=20, metavar="N", help="untimed warm-up frames (20)"
    )
    parser.add_argument("--runs", type=positive, default=30, metavar="N", help="timed frames (30)")
    parser.add_argument(
        "--size", type=size, default=(640, 480), metavar="WxH", help="frame size (640x480)"
    )
    parser.add_argument(
        "--report", action="store_true", help="print a report to submit: a table row and JSON"
    )
    add_json(parser)
    add_model_options(parser, configuration())


def _action(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--model", default="", metavar="M", help="model (the configuration's, else the bundled one)"
    )
    parser.add_argument(
        "--listen", default="127.0.0.1", metavar="ADDRESS", help="address to serve at (127.0.0.1)"
    )
    parser.add_argument(
        "--port", type=positive, default=8080, metavar="N", help="port to serve at (8080)"
    )
    add_model_options(parser)


def _models(parser: argparse.ArgumentParser) -> None:
    from edged.cli.models_parser import add_models

    add_models(parser)


def _completion(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("shell", choices=["bash", "zsh", "tcsh"])


def _version(parser: argparse.ArgumentParser) -> None:
    add_json(parser)


class _Command(NamedTuple):
    module: str
    does: str
    add_arguments: Callable[[argparse.ArgumentParser], None]


OF_PATHS = {"classify", "review", "search", "teach"}
"""The commands that take any number of words, most of them paths."""

_NOT_ASKED = {
    *("snapshot", "watch", "save", "use-model", "use-file", "revert-model"),
    *("teach", "taught", "taught-pictures", "forget", "undo-teaching", "record", "why"),
    *("review", "review-picture", "review-decide", "review-teach"),
}
"""Commands with a module of their own, and those for which people use an editor."""

COMMANDS = {
    "run": _Command("run", "run the daemon", _run),
    "snapshot": _Command("snapshot", "take one picture and classify it", _snapshot),
    "classify": _Command("classify", "classify pictures in files", _classify),
    "teach": _Command("teach", "teach the model your own labels", _teach),
    "search": _Command("search", "find your own pictures by their content", _search),
    **{name: _command_of(name) for name in open_to(Asker.SOCKET) if name not in _NOT_ASKED},
    "watch": _Command("watch", "follow what the running daemon sees", _asking),
    "web": _Command("web", "serve the web page, the model APIs and the metrics", add_config),
    "action": _Command("action", "serve as an OpenWhisk action", _action),
    "events": _Command("events", "list the events in the journal", _events),
    "why": _Command("why", "say why an event came, and what would have changed it", _why),
    "review": _Command("review", "say what the frames show that the model was unsure of", _review),
    "record": _Command("record", "record the scores that decisions are based on", _record),
    "replay": _Command("replay", "decide on a recording once more", _replay),
    "tune": _Command("tune", "search the settings of a rule on recordings", _tune),
    "check-config": _Command("check_config", "check a configuration", _check_config),
    "doctor": _Command("doctor", "find out what is wrong on this board, and what to do", _doctor),
    "safe-outputs": _Command(
        "safe_outputs", "set every output to its on_exit level, and exit", add_config
    ),
    "guard": _Command("guard", "own the daemon's pins (the daemon starts it)", _nothing),
    "bench": _Command("bench", "time each stage of a frame on this machine", _bench),
    "models": _Command("models", "list, fetch, check and compare models", _models),
    "completion": _Command("completion", "print a shell completion script", _completion),
    "version": _Command("version", "print the versions of edged and its platform", _version),
}
"""By name, in the order of ``--help``; a module of this package carries out each."""
