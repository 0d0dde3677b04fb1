"""The command lines of ``edged record``, ``edged replay`` and ``edged tune``."""

from __future__ import annotations

import argparse

from edged.cli.arguments import add_config, add_json, path, positive, seconds_above_0


def add_record(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of ``edged record``."""
    parser.add_argument("file", type=path, metavar="FILE", help="the recording, a new file")
    add_config(parser)
    parser.add_argument(
        "--seconds", type=seconds_above_0, metavar="S", help="end after so long (on Ctrl-C)"
    )
    parser.add_argument(
        "--max-mb", type=positive, default=1000, metavar="N", help="end at this size (1000)"
    )
    parser.add_argument(
        "--features", action="store_true", help="with the features, where the model has them"
    )
    parser.add_argument("--frames", action="store_true", help="with the pictures, as JPEG")
    add_json(parser)


def add_replay(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of ``edged replay``."""
    parser.add_argument("file", type=path, metavar="FILE", help="a recording of `edged record`")
    parser.add_argument(
        "--config",
        type=path,
        metavar="FILE",
        help="decide by the rules of this configuration (by those that were recorded)",
    )
    parser.add_argument(
        "--set",
        action="append",
        default=[],
        dest="overrides",
        metavar="KEY=VALUE",
        help="change one option of the rules, such as rule.cat.enter=0.7; repeatable",
    )
    add_json(parser)


def add_tune(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of ``edged tune``."""
    parser.add_argument(
        "files", nargs="+", type=path, metavar="FILE", help="recordings of `edged record`"
    )
    parser.add_argument(
        "--truth",
        type=path,
        required=True,
        metavar="MARKS.csv",
        help="what was there, and when: start,end,label in seconds or dates",
    )
    parser.add_argument("--rule", default="", metavar="R", help="the rule (the only one)")
    parser.add_argument(
        "--max-delay",
        type=seconds_above_0,
        default=float("inf"),
        metavar="S",
        help="leave out settings whose events come later in the median",
    )
    parser.add_argument("--plot", type=path, metavar="FILE.svg", help="write a plot")
    parser.add_argument(
        "--tries", type=positive, default=1000, metavar="N", help="settings to try (1000)"
    )
    parser.add_argument("--seed", type=int, default=0, metavar="N", help="for other tries (0)")
    add_json(parser)
