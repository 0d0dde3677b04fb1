"""What can be typed: commands, their options and the words of ``--help``."""

from __future__ import annotations

import argparse
from pathlib import Path

from edged.cli.arguments import (
    EXIT_STATUSES,
    Formatter,
    add_config,
    add_json,
    command,
    positive,
    size,
)
from edged.cli.models_parser import add_models


def make_parser() -> argparse.ArgumentParser:
    """The whole grammar; nothing heavy is imported for it."""
    parser = argparse.ArgumentParser(
        prog="edged",
        description="A vision sensor that stands on its own: camera frames in, "
        "MQTT messages and GPIO levels out.",
        epilog=EXIT_STATUSES,
        formatter_class=Formatter,
    )
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)

    run = command(commands, "run", "run", "run the daemon")
    add_config(run)
    run.add_argument("--log-json", action="store_true", help="log one JSON object a line")
    run.add_argument(
        "--trace", type=Path, metavar="FILE", help="write a trace of every stage when it ends"
    )

    snapshot = command(commands, "snapshot", "snapshot", "take one picture and say what is on it")
    add_config(snapshot)
    snapshot.add_argument("--out", type=Path, metavar="FILE.jpg", help="write the annotated JPEG")
    add_json(snapshot)

    classify = command(commands, "classify", "classify", "classify pictures in files")
    classify.add_argument(
        "paths", nargs="+", type=Path, metavar="PATH", help="a picture, or a folder of pictures"
    )
    classify.add_argument("--model", default="", metavar="M", help="model (the bundled one)")
    classify.add_argument("--labels", default="", metavar="L", help="label file")
    classify.add_argument(
        "--top", type=positive, default=3, metavar="K", help="how many classes to show (3)"
    )
    classify.add_argument(
        "--match",
        metavar="WORD",
        help="list only the pictures with this word in one of the top K labels",
    )
    classify.add_argument("--threads", type=positive, default=0, help="threads (by the board)")
    add_json(classify)

    status = command(commands, "status", "status", "ask the running daemon how it is")
    add_config(status)
    add_json(status)

    watch = command(commands, "watch", "watch", "follow what the running daemon sees")
    add_config(watch)
    add_json(watch)

    check = command(
        commands, "check-config", "check_config", "say what is wrong with a configuration"
    )
    add_config(check)
    check.add_argument("--show", action="store_true", help="print every option as it is in effect")

    safe = command(
        commands, "safe-outputs", "safe_outputs", "put every output in its on_exit level and leave"
    )
    add_config(safe)

    bench = command(commands, "bench", "bench", "time each stage of a frame on this machine")
    add_config(bench)
    bench.add_argument("--model", default="", metavar="M", help="model (that of the configuration)")
    bench.add_argument("--labels", default="", metavar="L", help="label file")
    bench.add_argument("--warmup", type=positive, default=20, metavar="N", help="frames first (20)")
    bench.add_argument("--runs", type=positive, default=30, metavar="N", help="frames timed (30)")
    bench.add_argument("--threads", type=positive, default=1, metavar="N", help="threads (1)")
    bench.add_argument(
        "--size", type=size, default=(640, 480), metavar="WxH", help="frame (640x480)"
    )
    bench.add_argument(
        "--report", action="store_true", help="what to send in: a row for a table, and JSON"
    )
    add_json(bench)

    add_models(commands)

    completion = command(commands, "completion", "completion", "print a shell completion script")
    completion.add_argument("shell", choices=["bash", "zsh", "tcsh"])

    version = command(commands, "version", "version", "print the version and what it runs on")
    add_json(version)
    return parser
