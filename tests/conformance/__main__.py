"""`make conformance`: edged beside a reference of Pillow and a bare interpreter.

Without options: the published models and pictures of ../shared/data where that is there, and
generated ones. With --models, the models of that folder; a file cases.toml there says what their
files do not (docs/models.md). With --pictures, the pictures of that folder.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from edged.cli.bench import machine_name
from tests.conformance import compare, models, pictures, report
from tests.conformance.child import PACKAGES, Job, Way
from tests.conformance.compare import Answers, Case
from tests.conformance.models import ROOT, CasesError, Model
from tests.conftest import SHARED_DATA

CASES = SHARED_DATA.parent / "cases"
TFLITE = ROOT / "build" / "conformance" / "tflite-runtime" / "bin" / "python"
"""tflite-runtime wants another numpy than the rest."""

VERSIONS = """
from importlib import metadata
for name in ("ai-edge-litert", "tflite-runtime", "numpy", "pillow", "simplejpeg"):
    try:
        print(name, metadata.version(name))
    except metadata.PackageNotFoundError:
        pass
"""


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="make conformance", description=__doc__)
    parser.add_argument("--models", type=Path, help="a folder of one's own models")
    parser.add_argument("--pictures", type=Path, help="a folder of one's own pictures")
    parser.add_argument("--only", default="*", help="models with such a name, as a pattern")
    parser.add_argument("--seed", type=int, default=0, help="of the pictures that chance takes")
    parser.add_argument("--jobs", type=int, default=2, help="models at once")
    parser.add_argument("--out", type=Path, help="write the report of all models and pictures")
    asked = parser.parse_args(arguments)
    began_s = time.monotonic()
    pythons = _pythons()
    with tempfile.TemporaryDirectory(prefix="conformance-") as folder:
        try:
            _probe(pythons, Path(folder))
            every_model, told_models = _models(asked.models, Path(folder))
            every_picture, told_pictures = _pictures(asked.pictures, Path(folder), asked.seed)
        except CasesError as error:
            print(f"make conformance: {error}", file=sys.stderr)
            return 2
        chosen = [model for model in every_model if model.path.match(f"{asked.only}.tflite")]
        folders = [p.absolute() for p in (asked.models, asked.pictures, Path(folder)) if p]
        folders += [SHARED_DATA.parent, ROOT]
        cases = []
        with ThreadPoolExecutor(asked.jobs) as pool:
            done = pool.map(lambda model: _cases(model, every_picture, pythons), chosen)
            for number, (model, found) in enumerate(zip(chosen, done, strict=True), 1):
                wrong = sum(case.verdict == "disagrees" for case in found)
                took = f"{time.monotonic() - began_s:4.0f} s"
                line = f"{took} {number}/{len(chosen)} {model.path.stem}: {len(found)} cases"
                print(line + f", {wrong} disagree" * bool(wrong), file=sys.stderr, flush=True)
                cases += [_without(case, folders) for case in found]
    absent = [
        f"Not run, as it is not installed: {package}."
        for runtime, package in PACKAGES.items()
        if runtime not in pythons
    ]
    if not SHARED_DATA.exists():
        absent.append("Not run, as ../shared/data is not there: published models and pictures.")
    material = f"Models: {told_models}. Pictures: {told_pictures}."
    text = report.document(cases, material, _versions(pythons), machine_name(), absent)
    own = asked.models or asked.pictures or asked.only != "*"
    if asked.out and not own:
        asked.out.write_text(text)
    else:
        print(text)
    disagree = sum(case.verdict == "disagrees" for case in cases)
    agree = sum(case.verdict == "agrees" for case in cases)
    print(f"{len(cases)} cases: {agree} agree, {disagree} disagree", file=sys.stderr)
    return int(disagree > 0 or agree == 0)


def _pythons() -> dict[str, Path]:
    """By the runtime's name in edged: the Python that has it."""
    installed = {}
    for runtime, package in PACKAGES.items():
        for python in (Path(sys.executable), TFLITE):
            if python.exists() and runtime not in installed and _imports(python, package):
                installed[runtime] = python
    return installed


def _imports(python: Path, package: str) -> bool:
    done = subprocess.run([python, "-c", f"import {package}"], capture_output=True, check=False)
    return done.returncode == 0


def _probe(pythons: dict[str, Path], folder: Path) -> None:
    """Both sides answer at all: else every case would be one that both refuse. CasesError."""
    pictures.scene(40, 30).save(folder / "probe.png")
    for runtime, python in pythons.items():
        way = Way(runtime=runtime, xnnpack=True, fit="stretch")
        paths = [str(folder / "probe.png")]
        job = Job(model=str(models.BUNDLED), told={}, ways=[way], pictures=paths)
        for side in compare.SIDES:
            [answer] = compare.run(python, side, job)
            if "refused" in answer:
                raise CasesError(
                    f"{side} does not run under {python} ({answer['refused']}): "
                    f"remove its environment, {python.parent.parent}, and make it again"
                )


def _models(own: Path | None, folder: Path) -> tuple[list[Model], str]:
    if own:
        found = models.in_folder(own)
        return found, f"{len(found)} in a folder of one's own"
    published = models.shared(SHARED_DATA) if SHARED_DATA.exists() else []
    made = models.generated(folder / "models")
    if CASES.exists():
        made += models.cases(folder / "cases", CASES / "make_models.py")
    return [*published, *made], f"{len(published)} published, {len(made)} generated"


def _pictures(own: Path | None, folder: Path, seed: int) -> tuple[list[Path], str]:
    if own:
        found = pictures.in_folder(own)
        if not found:
            raise CasesError(f"{own}: no picture in this folder")
        return found, f"{len(found)} in a folder of one's own"
    taken = pictures.shared(SHARED_DATA, seed) if SHARED_DATA.exists() else []
    made = pictures.generated(folder / "pictures")
    if CASES.exists():
        made += pictures.cases(folder / "picture-cases", CASES / "make_pictures.py")
    told = f"{len(taken)} photographs ({pictures.SAMPLE} of ImageNet by chance, seed {seed})"
    return [*taken, *made], f"{told}, {len(made)} generated" if taken else f"{len(made)} generated"


def _cases(model: Model, every_picture: list[Path], pythons: dict[str, Path]) -> list[Case]:
    both = []
    for runtime, python in pythons.items():
        kernels = (True, False) if runtime == "litert" else (True,)
        ways = [
            Way(runtime=runtime, xnnpack=xnnpack, fit=fit)
            for xnnpack in kernels
            for fit in model.fits
        ]
        names = [str(path.absolute()) for path in every_picture]
        job = Job(model=str(model.path.absolute()), told=model.told, ways=ways, pictures=names)
        edged, reference = (compare.run(python, side, job) for side in compare.SIDES)
        both.append(Answers(job, edged, reference))
    return compare.compare(model, both)


def _without(case: Case, folders: Sequence[Path]) -> Case:
    """Paths that differ from machine to machine say nothing to a reader."""
    edged, reference = case.said
    for folder in folders:
        edged, reference = (said.replace(f"{folder}/", "") for said in (edged, reference))
    return case._replace(said=(edged, reference))


def _versions(pythons: dict[str, Path]) -> str:
    return "; ".join(
        f"{runtime}: "
        + ", ".join(
            subprocess.run([python, "-c", VERSIONS], capture_output=True, text=True, check=True)
            .stdout.strip()
            .splitlines()
        )
        for runtime, python in pythons.items()
    )


if __name__ == "__main__":
    sys.exit(main())
