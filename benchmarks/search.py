"""`edged classify` and `edged search` over many pictures: cores, and the second search."""

from __future__ import annotations

import os
import shutil
import subprocess
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from benchmarks import material
from benchmarks.process import EDGED, environment
from benchmarks.results import Part, Row
from edged.imaging.picture import jpeg, read_picture

PICTURES = 10_000
IN_A_FOLDER = 500
TIMED = 5_000
"""Pictures that go through a command on one core and on all."""
ROUNDS = 2
SEARCHES = 5


def measure(folder: Path) -> Part:
    """Ten thousand generated JPEGs of 320x240, with the reference model."""
    part = Part("Search")
    model, labels = material.reference()
    options = ["--model", str(model), *(["--labels", labels] if labels else [])]
    some, every = folder / "some", folder / "every"
    _write(every, PICTURES)
    some.mkdir()
    for number in range(TIMED // IN_A_FOLDER):
        shutil.copytree(every / f"{number:02}", some / f"{number:02}")
    cores = sorted(os.sched_getaffinity(0))
    for command in (["classify"], ["search", "--no-index", "cat"]):
        _all_cores(part, [*command, str(some), *options], cores)
    cache = {"XDG_CACHE_HOME": str(folder / "cache")}
    search = ["search", "cat", str(every), *options]
    first_s = _run(search, cores, **cache)
    again_s = [_run(search, cores, **cache) for _ in range(SEARCHES)]
    part.figures.update(search_first_s=first_s, search_again_s=float(np.median(again_s)))
    part.rows.append(
        Row(f"edged search, {PICTURES:,} pictures, the first time", f"{first_s:.1f} s")
    )
    part.judge(
        f"edged search, {PICTURES:,} pictures, the second time",
        float(np.median(again_s)),
        " s",
        0.5,
    )
    like = ["search", "--like", str(every / "00" / "00000.jpg"), str(every), *options]
    like_s = [_run(like, cores, **cache) for _ in range(SEARCHES)]
    part.figures.update(search_like_s=float(np.median(like_s)))
    part.rows.append(Row("the same with --like", f"{np.median(like_s):.2f} s"))
    return part


def _all_cores(part: Part, words: Sequence[str], cores: Sequence[int]) -> None:
    """The rate of a command on one core and on all, the better one of some rounds each.

    Process start and model are in it, as a person waits for them too.
    """
    rates = dict.fromkeys((1, len(cores)), 0.0)
    for _ in range(ROUNDS):
        for count in rates:
            rates[count] = max(rates[count], TIMED / _run(words, cores[:count]))
    one, every = rates[1], rates[len(cores)]
    share = every / (len(cores) * one)
    name = words[0]
    part.figures.update({f"{name}_per_s": every, f"{name}_core_share": share})
    part.rows.append(
        Row(
            f"edged {name}, {TIMED:,} JPEGs of 320x240: rate on {len(cores)} cores over "
            f"{len(cores)} times that of one",
            f"{share:.2f} ({one:.0f} and {every:.0f} pictures a second)",
            "≥ 0.9",
            share >= 0.9,
        )
    )


def _write(folder: Path, count: int) -> None:
    """Parts of photographs where these are there, each another one."""
    found = sorted(material.PICTURES.glob("*.jpg"))[:100]
    sources = [read_picture(path, (240, 320)) for path in found] or [material.picture(640, 480)]
    sources = [source for source in sources if min(source.shape[:2]) > 240]
    chance = np.random.default_rng(0)
    for number in range(count):
        source = sources[chance.integers(len(sources))]
        top, left = (int(chance.integers(max(1, side - 200))) for side in source.shape[:2])
        part = np.ascontiguousarray(source[top : top + 240, left : left + 320])
        path = folder / f"{number // IN_A_FOLDER:02}" / f"{number:05}.jpg"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(jpeg(part, 85))
        # Pictures are older than a search for them, in most cases.
        os.utime(path, (1.7e9, 1.7e9))


def _run(words: Sequence[str], cores: Sequence[int], **more: str) -> float:
    """Seconds from start to end on these cores."""
    began_s = time.perf_counter()
    subprocess.run(
        ["taskset", "--cpu-list", ",".join(map(str, cores)), EDGED, *words],
        env=environment(**more),
        stdout=subprocess.DEVNULL,
        check=True,
    )
    return time.perf_counter() - began_s
