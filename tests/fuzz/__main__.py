"""Searches targets, guided by coverage: ``python -m tests.fuzz --help``.

What breaks one is left in its folder, as `crash-...`; what is new is added to the corpus there.
"""

from __future__ import annotations

import argparse
import importlib.util
import logging
import os
import subprocess
import sys
import sysconfig
from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

import atheris

if TYPE_CHECKING:
    from tests.fuzz.targets import Target

COMPILED = ("windows", "resize", "frames")
"""The targets of `kernels.py`, which is imported only when its loops have been chosen."""

ROOT = Path(__file__).parents[2]
CORPUS = Path(__file__).parent / "corpus"
OUT = ROOT / "build" / "fuzz"

SANITIZED = "EDGED_FUZZ_KERNELS"
"""Names the compiled loops with sanitizers, in the process that has their library loaded first."""

MEMORY_MB = 2048
INPUT_S = 10
MOST_BYTES = 1 << 14


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description="Fuzz readers.")
    parser.add_argument("names", help="targets of tests/fuzz/targets.py, with commas")
    parser.add_argument("--seconds", type=int, default=60, help="of each")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1, help="searches at once")
    parser.add_argument("--out", type=Path, default=OUT)
    arguments = parser.parse_args()
    names = arguments.names.split(",")
    compiled = set(names) <= set(COMPILED)
    if compiled and not os.environ.get(SANITIZED):
        again_with_sanitizers(arguments.out)
    if compiled:
        use_kernels(Path(os.environ[SANITIZED]))
    # The compiled loops tell by themselves what they reach.
    with nullcontext() if compiled else atheris.instrument_imports(include=["edged"]):
        from tests.fuzz.targets import TARGETS
    if unknown := set(names) - TARGETS.keys():
        parser.error(f"no such target: {', '.join(unknown)}; targets: {', '.join(TARGETS)}")
    # What a reader warns of is no finding, and takes time.
    logging.disable(logging.CRITICAL)
    searching: dict[int, str] = {}
    broken = 0
    while names or searching:
        if names and len(searching) < arguments.jobs:
            name = names.pop(0)
            # In a process of its own: a search never returns. What was imported, it has already.
            if not (child := os.fork()):
                search(name, TARGETS[name], arguments)
            searching[child] = name
            continue
        child, status = os.wait()
        name = searching.pop(child)
        broken += status != 0
        print(
            f"{name}: {'broken' if status else 'whole'}, {log_of(arguments.out, name)}", flush=True
        )
    return int(broken > 0)


def log_of(out: Path, name: str) -> Path:
    return out / f"{name}.log"


def search(name: str, target: Target, arguments: argparse.Namespace) -> NoReturn:
    folder = arguments.out / name
    folder.mkdir(parents=True, exist_ok=True)
    with log_of(arguments.out, name).open("wb") as log:
        os.dup2(log.fileno(), 1)
        os.dup2(log.fileno(), 2)
    for number, seed in enumerate(target.seeds()):
        (folder / f"seed-{number}").write_bytes(seed)
    options = [
        *(f"-max_total_time={arguments.seconds}", f"-seed={arguments.seed + 1}"),
        *(f"-rss_limit_mb={MEMORY_MB}", f"-timeout={INPUT_S}", f"-max_len={MOST_BYTES}"),
        *(f"-artifact_prefix={folder}/", "-print_final_stats=1", "-use_value_profile=1"),
    ]
    known = CORPUS / name
    corpora = [str(folder), *([str(known)] if known.is_dir() else [])]
    atheris.Setup([sys.argv[0], *options, *corpora], target.run)
    atheris.Fuzz()
    os._exit(0)


def again_with_sanitizers(out: Path) -> None:
    """This program once more, with the library of the sanitizers before all others."""
    built = out / "kernels" / "_kernels.so"
    built.parent.mkdir(parents=True, exist_ok=True)
    folder = ROOT / "edged" / "imaging"
    sources = sorted(folder.glob("*.c"))
    newest_s = max(path.stat().st_mtime for path in folder.glob("*.[ch]"))
    if not built.exists() or built.stat().st_mtime < newest_s:
        command = [
            *("clang", "-shared", "-fPIC", "-std=gnu11", "-O1", "-g", "-o", str(built)),
            *("-fsanitize=address,undefined,fuzzer-no-link", "-fno-sanitize-recover=undefined"),
            f"-I{sysconfig.get_path('include')}",
        ]
        subprocess.run([*command, *map(str, sources)], check=True)
    library = Path(atheris.path()) / "asan_with_fuzzer.so"
    environment = {
        **os.environ,
        SANITIZED: str(built),
        "LD_PRELOAD": str(library),
        "ASAN_OPTIONS": "detect_leaks=0:allocator_may_return_null=1:abort_on_error=1",
        "PYTHONMALLOC": "malloc",
    }
    os.execve(sys.executable, [sys.executable, "-m", "tests.fuzz", *sys.argv[1:]], environment)  # noqa: S606


def use_kernels(built: Path) -> None:
    """Take these compiled loops in the place of those in the package."""
    name = "edged.imaging._kernels"
    spec = importlib.util.spec_from_file_location(name, built)
    if spec is None or spec.loader is None:
        raise ImportError(built)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    sys.modules[name] = module
    import edged.imaging

    edged.imaging._kernels = module  # type: ignore[attr-defined]


if __name__ == "__main__":
    sys.exit(main())
