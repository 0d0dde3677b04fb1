"""Arguments that several commands share."""

from __future__ import annotations

import argparse
import os
import re
from collections.abc import Callable, Sequence
from pathlib import Path

from edged import paths
from edged.errors import CommandError

EXIT_STATUSES = """\
exit status:
  0    done
  1    partly done: some files cannot be used, or a command is refused; or
       `edged doctor` found an error
  2    the command line is wrong
  65   a model, label file, picture or recording cannot be used
  69   the camera, the daemon or the broker cannot be reached
  78   the configuration is wrong
  130  interrupted
"""


Formatter = argparse.RawDescriptionHelpFormatter
"""Help that keeps its line breaks."""


def command(
    commands: argparse._SubParsersAction[argparse.ArgumentParser], name: str, module: str, does: str
) -> argparse.ArgumentParser:
    """The parser of the command `name`, which `module` of this package carries out."""
    parser = commands.add_parser(name, help=does, formatter_class=Formatter)
    describe(parser, module, does)
    return parser


def describe(parser: argparse.ArgumentParser, module: str, does: str) -> None:
    """Describe a command's `parser`, and set which `module` of this package carries it out."""
    parser.description = does[0].upper() + does[1:] + "."
    parser.epilog = EXIT_STATUSES
    parser.set_defaults(module=module)


def add_config(parser: argparse.ArgumentParser, *, bare_camera: bool = False) -> None:
    """``--config`` or ``--camera``, and ``--set``.

    With `bare_camera` the name may be left out: the camera of the configuration is meant.
    """
    group = parser.add_mutually_exclusive_group()
    group.add_argument(
        "--config",
        type=path,
        default=configuration(),
        metavar="FILE",
        help="configuration ($EDGED_CONFIG, else /etc/edged/edged.toml, else all defaults)",
    )
    if bare_camera:
        parser.add_argument(
            "--camera",
            nargs="?",
            action=_Camera,
            metavar="NAME",
            help="use the camera; with NAME that of the service edged@NAME",
        )
    else:
        group.add_argument(
            "--camera",
            action=_Camera,
            metavar="NAME",
            help="configuration of the service edged@NAME",
        )
    _add_set(parser, "camera.fps=10")


def configuration() -> Path | None:
    """The default configuration file; None for all defaults."""
    if given := os.environ.get("EDGED_CONFIG"):
        return Path(given)
    service = paths.CONFIGURATIONS / "edged.toml"
    return service if paths.may_exist(service) else None


class _Camera(argparse.Action):
    """An instance's configuration, with the device name of its service."""

    def __call__(
        self,
        parser: argparse.ArgumentParser,
        namespace: argparse.Namespace,
        values: str | Sequence[object] | None,
        option_string: str | None = None,
    ) -> None:
        del parser, option_string
        namespace.camera = True if values is None else values
        if values is None:
            return
        namespace.config = paths.CONFIGURATIONS / f"{values}.toml"
        namespace.overrides = [f"device={values}", *namespace.overrides]


def _add_set(parser: argparse._ActionsContainer, example: str) -> None:
    parser.add_argument(
        "--set",
        action="append",
        default=[],
        dest="overrides",
        metavar="KEY=VALUE",
        help=f"override one option, such as {example}; repeatable",
    )


MODEL_OPTIONS = {
    "labels": "model.labels",
    "locale": "model.locale",
    "runtime": "model.runtime",
    "threads": "model.threads",
    "delegate": "model.delegate",
    "mean": "model.mean",
    "std": "model.std",
    "channels": "model.channels",
    "scores": "model.scores",
    "fit": "camera.fit",
}
"""The configuration's options for which `add_model_options` adds an argument."""


def add_model_options(parser: argparse.ArgumentParser, default: Path | None = None) -> None:
    """Options for running a model: ``--config``, ``--set``, and arguments for common options.

    `default` is the configuration if none is given.
    """
    group = parser.add_argument_group("how to run the model")
    group.add_argument(
        "--config",
        type=path,
        default=default,
        metavar="FILE",
        help=f"configuration with model and camera options ({default or 'all defaults'})",
    )
    _add_set(group, "model.xnnpack=false")
    group.add_argument("--labels", metavar="L", help="label file")
    group.add_argument(
        "--locale", metavar="L", help="language of the labels in the model, such as de"
    )
    group.add_argument(
        "--runtime", choices=["auto", "litert", "tflite", "tensorflow"], help="runtime (auto)"
    )
    group.add_argument(
        "--threads", type=positive, metavar="N", help="threads (depends on the board)"
    )
    group.add_argument(
        "--delegate", metavar="LIBRARY", help="delegate library, such as libedgetpu.so.1"
    )
    for name in ("mean", "std"):
        group.add_argument(
            f"--{name}",
            type=numbers,
            metavar="X[,Y,Z]",
            help=f"{name} of the training pixels, 0..255; one value, or red, green and blue",
        )
    group.add_argument("--channels", choices=["rgb", "bgr"], help="order of the colours (rgb)")
    group.add_argument(
        "--scores",
        choices=["auto", "probabilities", "logits"],
        help="what the model outputs (auto)",
    )
    group.add_argument(
        "--fit",
        choices=["stretch", "crop"],
        help="how to fit pictures of another aspect ratio (stretch)",
    )


def by_option(arguments: argparse.Namespace, text: str) -> str:
    """`text` with this command's arguments in place of options, without a configuration.

    "set model.labels" becomes "set --labels" for a user without a configuration.
    """
    if getattr(arguments, "config", None) is None:
        for option, key in MODEL_OPTIONS.items():
            if hasattr(arguments, option):
                text = re.sub(rf"(?<![\w/.-]){re.escape(key)}(?![\w-]|\.\w)", f"--{option}", text)
    return text


def add_json(parser: argparse.ArgumentParser) -> None:
    """``--json``."""
    parser.add_argument("--json", action="store_true", help="print one JSON document per line")


def argument(read: Callable[[str], object]) -> Callable[[str], object]:
    """`read` as an argparse type: its errors become argparse's."""

    def convert(text: str) -> object:
        try:
            return read(text)
        except CommandError as error:
            raise argparse.ArgumentTypeError(str(error)) from error

    return convert


def path(text: str) -> Path:
    """A path; an empty text is refused, as it would mean the working directory."""
    if not text:
        raise argparse.ArgumentTypeError("an empty path; name a file or a folder")
    return Path(text)


def positive(text: str) -> int:
    """An integer of at least 1."""
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError(f"{text} is not at least 1")
    return number


def numbers_of(text: str) -> list[int]:
    """Numbers of at least 1: ``7``, or ``7-9``."""
    found = re.fullmatch(r"(\d{1,9})(?:-(\d{1,9}))?", text, re.ASCII)
    first, last = (int(found[1]), int(found[2] or found[1])) if found else (0, 0)
    if not 0 < first <= last < first + 10_000:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number; say 7, or 7-9")
    return list(range(first, last + 1))


def seconds_above_0(text: str) -> float:
    """A time in s."""
    number = float(text)
    if not 0 < number < float("inf"):
        raise argparse.ArgumentTypeError(f"{text} is not a number of seconds above 0")
    return number


def seconds(text: str) -> float:
    """A time of 0 to 60 seconds."""
    number = float(text)
    if not 0 <= number <= 60:
        raise argparse.ArgumentTypeError(f"{text} is not within 0 and 60")
    return number


def share(text: str) -> float:
    """A number from 0 to 1."""
    number = float(text)
    if not 0 <= number <= 1:
        raise argparse.ArgumentTypeError(f"{text} is not between 0 and 1")
    return number


def several(text: str) -> list[float]:
    """One number or several with commas in between."""
    return [float(number) for number in text.split(",")]


def numbers(text: str) -> str:
    """As `several`, as a list of the configuration."""
    return f"[{', '.join(map(str, several(text)))}]"


def size(text: str) -> tuple[int, int]:
    """Width and height of ``WxH``."""
    width, _, height = text.lower().partition("x")
    return positive(width), positive(height)
