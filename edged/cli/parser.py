"""What can be typed: commands, their options and the words of ``--help``."""

from __future__ import annotations

import argparse
from pathlib import Path

EXIT_STATUSES = """\
exit status:
  0    done
  1    done in part: some files could not be read, or a command was refused
  2    the command line is wrong
  65   a model, label file or picture cannot be used
  69   the camera, the daemon or the broker cannot be reached
  78   the configuration is wrong
  130  interrupted
"""


def make_parser() -> argparse.ArgumentParser:
    """The whole grammar; nothing heavy is imported for it."""
    parser = argparse.ArgumentParser(
        prog="edged",
        description="A vision sensor that stands on its own: camera frames in, "
        "MQTT messages and GPIO levels out.",
        epilog=EXIT_STATUSES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)

    run = _command(commands, "run", "run", "run the daemon")
    _add_config(run)
    run.add_argument("--log-json", action="store_true", help="log one JSON object a line")

    snapshot = _command(commands, "snapshot", "snapshot", "take one picture and say what is on it")
    _add_config(snapshot)
    snapshot.add_argument("--out", type=Path, metavar="FILE.jpg", help="write the annotated JPEG")
    _add_json(snapshot)

    classify = _command(commands, "classify", "classify", "classify pictures in files")
    classify.add_argument(
        "paths", nargs="+", type=Path, metavar="PATH", help="a picture, or a folder of pictures"
    )
    classify.add_argument("--model", default="", metavar="M", help="model (the bundled one)")
    classify.add_argument("--labels", default="", metavar="L", help="label file")
    classify.add_argument(
        "--top", type=_positive, default=3, metavar="K", help="how many classes to show (3)"
    )
    classify.add_argument(
        "--match",
        metavar="WORD",
        help="list only the pictures with this word in one of the top K labels",
    )
    classify.add_argument("--threads", type=_positive, default=0, help="threads (by the board)")
    _add_json(classify)

    status = _command(commands, "status", "status", "ask the running daemon how it is")
    _add_config(status)
    _add_json(status)

    watch = _command(commands, "watch", "watch", "follow what the running daemon sees")
    _add_config(watch)
    _add_json(watch)

    check = _command(
        commands, "check-config", "check_config", "say what is wrong with a configuration"
    )
    _add_config(check)
    check.add_argument("--show", action="store_true", help="print every option as it is in effect")

    safe = _command(
        commands, "safe-outputs", "safe_outputs", "put every output in its on_exit level and leave"
    )
    _add_config(safe)

    bench = _command(commands, "bench", "bench", "time each stage of a frame on this machine")
    _add_config(bench)
    bench.add_argument("--model", default="", metavar="M", help="model (that of the configuration)")
    bench.add_argument("--labels", default="", metavar="L", help="label file")
    bench.add_argument(
        "--warmup", type=_positive, default=20, metavar="N", help="frames first (20)"
    )
    bench.add_argument("--runs", type=_positive, default=30, metavar="N", help="frames timed (30)")
    bench.add_argument("--threads", type=_positive, default=1, metavar="N", help="threads (1)")
    bench.add_argument(
        "--size", type=_size, default=(640, 480), metavar="WxH", help="frame (640x480)"
    )
    _add_json(bench)

    completion = _command(commands, "completion", "completion", "print a shell completion script")
    completion.add_argument("shell", choices=["bash", "zsh", "tcsh"])

    version = _command(commands, "version", "version", "print the version and what it runs on")
    _add_json(version)
    return parser


def _command(
    commands: argparse._SubParsersAction[argparse.ArgumentParser], name: str, module: str, does: str
) -> argparse.ArgumentParser:
    command = commands.add_parser(
        name,
        help=does,
        description=does[0].upper() + does[1:] + ".",
        epilog=EXIT_STATUSES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    command.set_defaults(module=module)
    return command


def _add_config(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "--config", type=Path, metavar="FILE", help="configuration (defaults where absent)"
    )
    command.add_argument(
        "--set",
        action="append",
        default=[],
        dest="overrides",
        metavar="KEY=VALUE",
        help="override one option, such as camera.fps=10; may be given again",
    )


def _add_json(command: argparse.ArgumentParser) -> None:
    command.add_argument("--json", action="store_true", help="print one JSON document a line")


def _positive(text: str) -> int:
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError(f"{text} is not at least 1")
    return number


def _size(text: str) -> tuple[int, int]:
    width, _, height = text.lower().partition("x")
    return _positive(width), _positive(height)
