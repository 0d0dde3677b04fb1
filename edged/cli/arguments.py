"""What several commands take on their command lines."""

from __future__ import annotations

import argparse
import os
from collections.abc import Callable
from pathlib import Path

from edged.errors import CommandError

EXIT_STATUSES = """\
exit status:
  0    done
  1    done in part: some files could not be read or written, or a command was refused
  2    the command line is wrong
  65   a model, label file or picture cannot be used
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
    """``--config`` and ``--set``."""
    parser.add_argument(
        "--config",
        type=path,
        default=os.environ.get("EDGED_CONFIG") or None,
        metavar="FILE",
        help="configuration ($EDGED_CONFIG, else all defaults)",
    )
    _add_set(parser, "camera.fps=10")


def _add_set(parser: argparse._ActionsContainer, example: str) -> None:
    parser.add_argument(
        "--set",
        action="append",
        default=[],
        dest="overrides",
        metavar="KEY=VALUE",
        help=f"override one option, such as {example}; may be given again",
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


def add_model_options(parser: argparse.ArgumentParser) -> None:
    """How the model is run: ``--config``, ``--set``, and the common ones of ``--set`` by name."""
    group = parser.add_argument_group("how the model is run")
    group.add_argument(
        "--config", type=path, metavar="FILE", help="as this configuration says (all defaults)"
    )
    _add_set(group, "model.xnnpack=false")
    group.add_argument("--labels", metavar="L", help="label file")
    group.add_argument("--locale", metavar="L", help="language of the labels inside, such as de")
    group.add_argument(
        "--runtime", choices=["auto", "litert", "tflite", "tensorflow"], help="what runs it (auto)"
    )
    group.add_argument("--threads", type=positive, metavar="N", help="threads (by the board)")
    group.add_argument("--delegate", metavar="LIBRARY", help="a delegate, such as libedgetpu.so.1")
    for name in ("mean", "std"):
        group.add_argument(
            f"--{name}",
            type=numbers,
            metavar="X[,Y,Z]",
            help=f"{name} of the pixels, 0..255, in training; one, or red, green and blue",
        )
    group.add_argument("--channels", choices=["rgb", "bgr"], help="order of the colours (rgb)")
    group.add_argument(
        "--scores", choices=["auto", "probabilities", "logits"], help="what it puts out (auto)"
    )
    group.add_argument(
        "--fit", choices=["stretch", "crop"], help="a picture of another shape (stretch)"
    )


def add_json(parser: argparse.ArgumentParser) -> None:
    """``--json``."""
    parser.add_argument("--json", action="store_true", help="print one JSON document a line")


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
