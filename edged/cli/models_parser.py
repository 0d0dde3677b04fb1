"""The command line of ``edged models``."""

from __future__ import annotations

import argparse

from edged.cli.arguments import (
    add_config,
    add_json,
    add_model_options,
    argument,
    command,
    path,
    positive,
    several,
)
from edged.syntax import seconds


def add_models(parser: argparse.ArgumentParser) -> None:
    """Add the commands under ``models``."""
    actions = parser.add_subparsers(
        title="commands", metavar="COMMAND", required=True, dest="action"
    )

    listing = command(
        actions, "list", "models", "list the models that are installed or can be fetched"
    )
    _add_directory(listing)
    add_json(listing)

    info = command(actions, "info", "models", "show everything known about a model")
    info.add_argument("model", metavar="MODEL", help="a name, or a .tflite file")
    _add_directory(info)
    add_json(info)
    add_model_options(info)

    labels = command(actions, "labels", "labels", "list the labels of a model")
    labels.add_argument(
        "model", nargs="?", metavar="MODEL", help="a name, or a .tflite file (the bundled one)"
    )
    labels.add_argument(
        "word",
        nargs="?",
        metavar="WORD",
        help="only labels that contain this whole word (case-insensitive)",
    )
    labels.add_argument(
        "--picture",
        type=path,
        metavar="P",
        help="add the score of each class on this picture, best first",
    )
    add_json(labels)
    add_model_options(labels)

    fetch = command(actions, "fetch", "models", "download models from the catalog")
    fetch.add_argument("names", nargs="+", metavar="NAME", help="as `edged models list` shows it")
    fetch.add_argument(
        "--from",
        default="",
        dest="origin",
        metavar="URL|DIR",
        help="a mirror's address, or a folder that holds the files",
    )
    _add_directory(fetch)
    add_json(fetch)

    use = command(actions, "use", "use_model", "take another model while edged runs")
    what = use.add_mutually_exclusive_group(required=True)
    what.add_argument("model", nargs="?", metavar="MODEL", help="a name, or a .tflite file")
    what.add_argument("--previous", action="store_true", help="go back to the model before")
    what.add_argument(
        "--configured", action="store_true", help="go back to the configuration's model"
    )
    add_config(use)
    use.add_argument("--labels", type=path, metavar="L", help="label file of a .tflite file")
    use.add_argument("--locale", metavar="L", help="language of its labels")
    for name in ("mean", "std"):
        use.add_argument(
            f"--{name}",
            type=several,
            metavar="X[,Y,Z]",
            help=f"{name} of its pixels, 0..255, in training; one, or red, green and blue",
        )
    use.add_argument("--channels", choices=["rgb", "bgr"], help="order of the colours (rgb)")
    use.add_argument(
        "--scores",
        choices=["auto", "probabilities", "logits"],
        help="what it outputs (auto)",
    )
    use.add_argument(
        "--shadow",
        type=argument(seconds),
        dest="shadow_s",
        metavar="SECONDS",
        help="time beside the model in use (swap.shadow_s)",
    )
    add_json(use)

    verify = command(actions, "verify", "models", "check hashes and run models in quarantine")
    verify.add_argument(
        "models", nargs="*", metavar="MODEL", help="names or .tflite files (all installed ones)"
    )
    _add_directory(verify)
    add_json(verify)
    add_model_options(verify)

    _add_calibration(actions)
    _add_unknown(actions)
    _add_evaluation(actions)


def _add_evaluation(actions: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    evaluate = command(actions, "evaluate", "evaluate", "measure a model on labelled pictures")
    evaluate.add_argument("model", metavar="MODEL", help="a name, or a .tflite file")
    _add_data(evaluate)
    evaluate.add_argument(
        "--slice",
        action="append",
        default=[],
        metavar="COLUMN",
        help="accuracy for each value of a column; repeatable",
    )
    evaluate.add_argument("--limit", type=positive, metavar="N", help="use at most N pictures")
    evaluate.add_argument(
        "--html", type=path, metavar="FILE", help="write a report with plots and pictures"
    )
    evaluate.add_argument(
        "--write-golden", type=path, metavar="FILE", help="write golden outputs for a gate"
    )
    add_json(evaluate)
    add_model_options(evaluate)

    compare = command(
        actions, "compare", "compare", "compare two models, and bless the new one if a gate holds"
    )
    compare.add_argument("new", metavar="NEW", help="a name, or a .tflite file")
    compare.add_argument("old", metavar="OLD", help="the model that it replaces")
    _add_data(compare)
    compare.add_argument(
        "--gate",
        type=path,
        metavar="gate.toml",
        help="conditions that must hold (none: only compare)",
    )
    compare.add_argument(
        "--old-set",
        action="append",
        default=[],
        dest="old_overrides",
        metavar="KEY=VALUE",
        help="override one option for OLD alone; repeatable",
    )
    add_json(compare)
    add_model_options(compare)

    quantize = command(actions, "quantize", "quantize", "convert a trained model to .tflite files")
    quantize.add_argument(
        "source", type=path, metavar="SOURCE", help="a .keras file or a SavedModel folder"
    )
    _add_data(quantize)
    quantize.add_argument(
        "--calibrate", type=path, metavar="D", help="other pictures, to calibrate the int8 ranges"
    )
    quantize.add_argument("--limit", type=positive, metavar="N", help="use at most N pictures")
    quantize.add_argument("--out", type=path, metavar="DIR", help="output folder")
    add_json(quantize)
    add_model_options(quantize)


def _add_calibration(actions: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    calibrate = command(
        actions, "calibrate", "calibrate", "find out which preprocessing a model expects"
    )
    calibrate.add_argument("model", metavar="MODEL", help="a name, or a .tflite file")
    calibrate.add_argument(
        "--data",
        type=path,
        required=True,
        metavar="D",
        help="pictures of classes that the model knows, labelled as for evaluate, or unlabelled",
    )
    add_json(calibrate)
    add_model_options(calibrate)


def _add_unknown(actions: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    unknown = command(
        actions, "unknown", "unknown", "fit what a model knows, so that edged tells the unknown"
    )
    unknown.add_argument("model", metavar="MODEL", help="a name, or a .tflite file")
    unknown.add_argument(
        "--data", type=path, required=True, metavar="D", help="pictures of what the model knows"
    )
    unknown.add_argument(
        "--held-out",
        type=path,
        metavar="D",
        help="others, for the threshold: not those it was trained on (every fifth of --data)",
    )
    unknown.add_argument(
        "--unknown",
        type=path,
        action="append",
        default=[],
        metavar="D",
        help="pictures of what it does not know, for the table; repeatable",
    )
    unknown.add_argument(
        "--out", type=path, metavar="FILE", help="where to write it (MODEL.known, beside MODEL)"
    )
    add_json(unknown)
    add_model_options(unknown)


def _add_data(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--data",
        type=path,
        required=True,
        metavar="D",
        help="pictures with labels: a folder or .zip of class folders, or a .csv",
    )


def _add_directory(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--dir",
        type=path,
        action="append",
        default=[],
        dest="directories",
        metavar="DIR",
        help="directory of models, searched before the usual ones; repeatable",
    )
