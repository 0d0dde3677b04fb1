"""``python -m tests.fuzz_web [--examples N] [--seed N]``: the APIs against their own document.

schemathesis asks a process of `edged web` what the document allows and what it forbids, and looks
whether the answers are as it says. The model is a tiny one, so that pixels can be made up.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
from pathlib import Path

from tests.inference.builder import colours
from tests.web.serving import serving

ROOT = Path(__file__).parents[2]


def fuzz(folder: Path, examples: int, seed: int, phases: str) -> subprocess.CompletedProcess[str]:
    """What schemathesis says, and its exit status; files go to `folder`."""
    model = colours(folder / "colours.tflite", "uint8")
    labels = folder / "labels.txt"
    labels.write_text("red\ngreen\nblue\n")
    hooks = {"PYTHONPATH": str(ROOT), "SCHEMATHESIS_HOOKS": "tests.fuzz_web.pictures"}
    options = [f"--set=model.path={model}", f"--set=model.labels={labels}"]
    with serving(folder, "web", *options) as process:
        return subprocess.run(
            [
                *(str(Path(sys.executable).with_name("schemathesis")), "run", "--no-color"),
                *("--seed", str(seed), "--max-examples", str(examples), "--phases", phases),
                *("--exclude-path-regex", "^/(metrics|healthz|readyz)$"),
                f"http://{process.address}/openapi.json",
            ],
            env={**os.environ, **hooks},
            cwd=folder,
            text=True,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            check=False,
        )


def main() -> int:
    parser = argparse.ArgumentParser(prog="fuzz_web")
    parser.add_argument("--examples", type=int, default=200)
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        phases = "coverage,fuzzing,stateful"
        done = fuzz(Path(folder), arguments.examples, arguments.seed, phases)
    print(done.stdout)
    return done.returncode


if __name__ == "__main__":
    raise SystemExit(main())
