"""What becomes of thousands of damaged models: ``python -m tests.fuzz_models --help``.

Each goes through quarantine. This process then does as the daemon does: what quarantine let pass
it loads and runs, all others it never opens.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

import numpy as np

from edged.config.schema import ModelConfig
from edged.inference import runtimes, tflite
from edged.models.quarantine import Verdict
from edged.paths import bundled_model
from tests.conftest import SHARED_DATA
from tests.models.mutants import KINDS, mutants
from tests.models.zygote import Zygote

MODELS = (
    ("mobilenet_v1_0.25_128_quant", "imagenet_labels"),
    ("keras_lstm_mnist_ptq", ""),
    ("tf2_mobilenet_v2_1.0_224_ptq", "imagenet_labels"),
    ("split_concat", ""),
    ("mobilenet_v1_0.5_160_quant", "imagenet_labels"),
)
THREADS = 2
OUTCOMES = ("ok", "refused", "died", "timed out", "out of memory")


def sources(digits: Path) -> list[tuple[Path, Path]]:
    """Sound models and their labels; `digits` is where labels for models without a list go."""
    digits.write_text("".join(f"class {number}\n" for number in range(10)))
    bundled = bundled_model()
    found = [(bundled, bundled.with_name("edged-cifar10-int8.labels.txt"))]
    for model, labels in MODELS:
        path = SHARED_DATA / "models" / f"{model}.tflite"
        found.append((path, SHARED_DATA / "labels" / f"{labels}.txt" if labels else digits))
    return [(model, labels) for model, labels in found if model.exists() and labels.exists()]


def main() -> int:
    parser = argparse.ArgumentParser(description="Try damaged models in quarantine.")
    parser.add_argument("--count", type=int, default=10_000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, help="write the table here (Markdown)")
    arguments = parser.parse_args()
    outcomes: Counter[tuple[str, str]] = Counter()
    by_model: Counter[tuple[str, str]] = Counter()
    ends: Counter[str] = Counter()
    began_s = time.monotonic()
    with tempfile.TemporaryDirectory() as folder, Zygote() as zygote:
        known = sources(Path(folder, "digits.txt"))
        names = [model.stem for model, _ in known]
        contents = [model.read_bytes() for model, _ in known]
        passed = 0
        made = mutants(contents, arguments.count, arguments.seed)
        for number, (kind, model, content) in enumerate(made):
            # A new file each time: what was loaded stays mapped for a while.
            mutant = Path(folder, f"{number}.tflite")
            mutant.write_bytes(content)
            verdict = zygote.inspect(mutant, known[model][1])
            outcomes[kind, verdict.outcome] += 1
            by_model[names[model], verdict.outcome] += 1
            if verdict.outcome == "ok":
                load_and_run(mutant, known[model][1])
                passed += 1
            if verdict.outcome == "died":
                ends[_end(verdict)] += 1
                if "exit status" in verdict.reason:
                    print(f"{number} {kind}, {names[model]}: {verdict.reason}", file=sys.stderr)
            mutant.unlink()
            if number % 500 == 499:
                print(f"{number + 1} {time.monotonic() - began_s:.0f} s", file=sys.stderr)
    text = _report(arguments.count, arguments.seed, names, passed, outcomes, by_model, ends)
    print(text)
    if arguments.out:
        arguments.out.parent.mkdir(parents=True, exist_ok=True)
        arguments.out.write_text(text)
    return 0


def load_and_run(path: Path, labels: Path) -> None:
    """Once on noise, once on black; what makes it fail by then is for the daemon's loop to bear."""
    classifier = tflite.load(ModelConfig(path=str(path), labels=str(labels), threads=THREADS))
    shape = (*classifier.input_px, 3)
    for picture in (np.random.default_rng(0).integers(0, 256, shape, np.uint8), np.zeros(shape)):
        classifier.classify(picture.astype(np.uint8))
    classifier.__exit__()


def _end(verdict: Verdict) -> str:
    """A signal, or Python's own way out with the kind of error."""
    return ":".join(verdict.reason.split(":")[: 2 if "exit" in verdict.reason else 1])


def _report(
    count: int,
    seed: int,
    models: list[str],
    passed: int,
    outcomes: Counter[tuple[str, str]],
    by_model: Counter[tuple[str, str]],
    ends: Counter[str],
) -> str:
    lines = [
        "# Damaged models",
        "",
        f"Made by `python -m tests.fuzz_models --count {count} --seed {seed}` (`make fuzz-models`) "
        f"under {runtimes.choose('auto').title}.",
        "",
        f"{count} damaged copies of {len(models)} models went through quarantine, each in a "
        f"process of its own. The process that sent them there then did as the daemon does: the "
        f"{passed} that were ok it loaded and ran, in {THREADS} threads; all others it never "
        "opened. It lived to write this table.",
        "",
        *_table("damage", list(KINDS), outcomes),
        "",
        *_table("model", models, by_model),
        "",
        "How those ended that died, and would have ended a daemon that loads models itself:",
        "",
        "| end | count |",
        "|---|--:|",
        *(f"| {end} | {number} |" for end, number in ends.most_common()),
        "",
        "*ok*: loaded and ran, as of a few flipped weights or an option that nothing reads. "
        "*refused*: edged or the runtime saw the damage and said so.",
    ]
    return "\n".join(lines) + "\n"


def _table(title: str, rows: list[str], counts: Counter[tuple[str, str]]) -> list[str]:
    def cells(row: str) -> str:
        found = [counts[row, outcome] for outcome in OUTCOMES]
        return " | ".join(str(number) for number in [sum(found), *found])

    total = [sum(counts[row, outcome] for row in rows) for outcome in OUTCOMES]
    return [
        f"| {title} | all | {' | '.join(OUTCOMES)} |",
        "|---|" + "--:|" * (len(OUTCOMES) + 1),
        *(f"| {row} | {cells(row)} |" for row in rows),
        f"| all | {sum(total)} | {' | '.join(map(str, total))} |",
    ]


if __name__ == "__main__":
    sys.exit(main())
