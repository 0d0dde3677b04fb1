"""Command line of the recipe: ``train`` does it all, ``publish`` and ``evaluate`` do parts."""

from __future__ import annotations

import argparse
import os
import sys
import time
from pathlib import Path

from models.recipe import training
from models.recipe.pictures import SPLIT_SEED, VALIDATION_PER_CLASS, Pictures, hold_out, read_zip

NAME = "edged-cifar10-int8"
VERSION = "1.0.0"
FOLDER = Path(__file__).resolve().parent.parent
SHARED = Path("../shared/data")
MALLOC = (
    "glibc.malloc.mmap_threshold=4294967296"
    ":glibc.malloc.trim_threshold=8589934592"
    ":glibc.malloc.hugetlb=1"
)


def main() -> None:
    """Run the command line."""
    options = _options()
    _keep_memory()
    _say("reading the pictures")
    test = read_zip(options.data / "test.zip")
    if options.command == "evaluate":
        from models.recipe import measurement
        from models.recipe.runtime import Runtime

        accuracy = measurement.top1(Runtime(options.model), test)
        _say(f"{options.model.name}: {accuracy:.2%} of {len(test)} test pictures")
        return
    seen, validation = hold_out(
        read_zip(options.data / "train.zip"), VALIDATION_PER_CLASS, SPLIT_SEED
    )
    options.out.mkdir(parents=True, exist_ok=True)
    settings = training.Settings(epochs=options.epochs, seed=options.seed)
    if options.command == "train":
        trained = training.train(settings, seen, validation, options.out, _say)
    else:
        trained = training.load(settings, len(test.labels), options.out)
    _publish(options, trained, seen, validation, test)
    _say(f"{options.models / NAME}.tflite, .labels.txt and .md are written")


def _publish(
    options: argparse.Namespace,
    trained: training.Trained,
    seen: Pictures,
    validation: Pictures,
    test: Pictures,
) -> None:
    # TensorFlow comes in only now: the training has no use for it, nor for its log.
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    from edged.models import pins
    from models.recipe import card, conversion, known, measurement, metadata

    _say("converting")
    about = metadata.About(
        name="edged CIFAR-10 int8",
        description=(
            "Tells ten subjects (" + ", ".join(test.labels) + ") apart in camera frames. "
            "A small MobileNetV2, int8, trained on CIFAR-10 (Krizhevsky, 2009, technical report)."
        ),
        version=VERSION,
        author="edged",
        licence="Apache-2.0",
    )
    plain = conversion.convert(trained.network, seen, options.seed)
    model = metadata.describe(plain, about, test.labels)
    candidate = options.out / f"{NAME}.tflite"
    _write(candidate, model)
    measured = measurement.measure(
        candidate, trained.network, validation, test, options.reference, _say
    )
    text = card.write(about, trained, measured)
    _write(options.models / f"{NAME}.tflite", model)
    pins.add(options.models / f"{NAME}.tflite", "models/recipe")
    known.write(options.models / f"{NAME}.tflite", seen, validation)
    _write(options.models / f"{NAME}.labels.txt", "".join(f"{x}\n" for x in test.labels).encode())
    _write(options.models / f"{NAME}.md", text.encode())
    _say(f"int8 {measured.int8:.2%}, float32 {measured.float32:.2%} on test")


def _write(path: Path, content: bytes) -> None:
    part = path.with_name(path.name + ".part")
    with part.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    part.replace(path)


def _keep_memory() -> None:
    """Start again under a malloc that keeps freed memory, in large pages.

    Every step of the training frees and takes the same gigabytes, and page faults are slow. Threads
    that wait sleep, so that a machine with other work to do loses nothing to them.
    """
    if sys.platform == "linux" and "GLIBC_TUNABLES" not in os.environ:
        os.environ["GLIBC_TUNABLES"] = MALLOC
        os.environ.setdefault("OMP_WAIT_POLICY", "passive")
        os.execv(sys.executable, [sys.executable, *sys.orig_argv[1:]])  # noqa: S606


def _say(line: str) -> None:
    print(time.strftime("%H:%M:%S"), line, flush=True)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m models.recipe", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    for name, help_text in (
        ("train", "train or resume, convert, measure and write the model and its card"),
        ("publish", "the same from the checkpoint as it stands"),
        ("evaluate", "report the accuracy of the written model on the test pictures"),
    ):
        command = commands.add_parser(name, help=help_text)
        command.add_argument("--data", type=Path, default=SHARED / "training/cifar10",
                             help="folder of train.zip and test.zip")  # fmt: skip
        if name == "evaluate":
            command.add_argument("--model", type=Path, default=FOLDER / f"{NAME}.tflite")
            continue
        command.add_argument("--out", type=Path, default=FOLDER / "run",
                             help="folder of the checkpoint")  # fmt: skip
        command.add_argument("--models", type=Path, default=FOLDER,
                             help="folder to write the model to")  # fmt: skip
        command.add_argument(
            "--reference", type=Path,
            default=SHARED / "models/tf2_mobilenet_v2_1.0_224_ptq.tflite",
            help="model whose invoke time is compared",
        )  # fmt: skip
        command.add_argument("--epochs", type=int, default=70)
        command.add_argument("--seed", type=int, default=1)
    return parser.parse_args()


if __name__ == "__main__":
    main()
