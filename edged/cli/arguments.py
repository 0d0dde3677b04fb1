"""What several commands take on their command lines."""

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
  1    done in part: some files could not be read or written, or a command was refused
  2    the command line is wrong
  65   a model, label file, picture or recording cannot be used
  69   the camera, the daemon or the broker cannot be reached
  78   the configuration is wrong
  130  interrupted
"""


Formatter = argparse.RawDescriptionHelpFormatter
"""Help with its lines as they are written."""


def command(
    commands: argparse._SubParsersAction[argparse.ArgumentParser], name: str, module: str, does: str
) -> argparse.ArgumentParser:
    """The parser of the command `name`, which `module` of this package carries out."""
    parser = commands.add_parser(name, help=does, formatter_class=Formatter)
    describe(parser, module, does)
    return parser


def describe(parser: argparse.ArgumentParser, module: str, does: str) -> None:
    """Say what a command's `parser` is for, and which `module` of this package carries it out."""
    parser.description = does[0].upper() + does[1:] + "."
    parser.epilog = EXIT_STATUSES
    parser.set_defaults(module=module)


def add_config(parser: argparse.ArgumentParser) -> None:
    """``--config`` or ``--camera``, and ``--set``."""
    group = parser.add_mutually_exclusive_group()
    group.add_argument(
        "--config",
        type=path,
        default=configuration(),
        metavar="FILE",
        help="configuration ($EDGED_CONFIG, else /etc/edged/edged.toml, else all defaults)",
    )
    group.add_argument(
        "--camera", action=_Camera, metavar="NAME", help="configuration of the service edged@NAME"
    )
    _add_set(parser, "camera.fps=10")


def configuration() -> Path | None:
    """The file that is meant where none is named; None for all defaults."""
    if given := os.environ.get("EDGED_CONFIG"):
        return Path(given)
    service = paths.CONFIGURATIONS / "edged.toml"
    return service if paths.may_exist(service) else None


class _Camera(argparse.Action):
    """An instance's configuration, under the device name that its service has."""

    def __call__(
        self,
        parser: argparse.ArgumentParser,
        namespace: argparse.Namespace,
        values: str | Sequence[object] | None,
        option_string: str | None = None,
    ) -> None:
        del parser, option_string
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
"""The configuration's options that `add_model_options` has by name."""


def add_model_options(parser: argparse.ArgumentParser, default: Path | None = None) -> None:
    """How the model is run: ``--config``, ``--set``, and the common ones of ``--set`` by name.

    `default` is the configuration where none is given.
    """
    group = parser.add_argument_group("how the model is run")
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
        "--threads", type=positive, metavar="N", help="threads (chosen for the board)"
    )
    group.add_argument(
        "--delegate", metavar="LIBRARY", help="delegate library, such as libedgetpu.so.1"
    )
    for name in ("mean", "std"):
        group.add_argument(
            f"--{name}",
            type=numbers,
            metavar="X[,Y,Z]",
            help=f"{name} of the pixels, 0..255, in training; one, or red, green and blue",
        )
    group.add_argument("--channels", choices=["rgb", "bgr"], help="order of the colours (rgb)")
    group.add_argument(
        "--scores",
        choices=["auto", "probabilities", "logits"],
        help="what the model outputs (auto)",
    )
    group.add_argument(
        "--fit", choices=["stretch", "crop"], help="how to fit pictures of another aspect (stretch)"
    )


def by_option(arguments: argparse.Namespace, text: str) -> str:
    """`text` with the options of this command in place of the configuration's, where it has none.

    "set model.labels" is "set --labels" to who wrote no configuration.
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
    """`read` as argparse wants it, which is to say what is wrong in its own way."""

    def convert(text: str) -> object:
        try:
            return read(text)
        except CommandError as error:
            raise argparse.ArgumentTypeError(str(error)) from error

    return convert


def path(text: str) -> Path:
    """A path, which an empty text is not: it would mean the working directory."""
    if not text:
        raise argparse.ArgumentTypeError("an empty path; name a file or a folder")
    return Path(text)


def positive(text: str) -> int:
    """An integer of at least 1."""
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError(f"{text} is not at least 1")
    return number


def seconds_above_0(text: str) -> float:
    """A time in s."""
    number = float(text)
    if not 0 < number < float("inf"):
        raise argparse.ArgumentTypeError(f"{text} is no number of seconds above 0")
    return number


def share(text: str) -> float:
    """A number of 0 to 1."""
    number = float(text)
    if not 0 <= number <= 1:
        raise argparse.ArgumentTypeError(f"{text} is not within 0 and 1")
    return number


def numbers(text: str) -> str:
    """One number or several with commas in between, as a list of the configuration."""
    return f"[{', '.join(str(float(number)) for number in text.split(','))}]"


def size(text: str) -> tuple[int, int]:
    """Width and height of ``WxH``."""
    width, _, height = text.lower().partition("x")
    return positive(width), positive(height)
