"""What a fuzzer has found breaks nothing, and nor do a few changes of it; without a fuzzer."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from edged.native import kernels
from tests.fuzz.targets import TARGETS

CORPUS = Path(__file__).parent / "corpus"
CHANGES = 100
"""Of each target, by a generator of random numbers that is the same each time."""


def changed(data: bytes, by: random.Random) -> bytes:
    """A copy with a piece cut out, repeated, or made anew."""
    found = bytearray(data)
    for _ in range(by.randint(1, 4)):
        at, size = by.randint(0, len(found)), by.choice((1, 1, 2, 4, 16))
        new = by.choice((b"", by.randbytes(size), b"\0" * size, b"\xff" * size, found[at:][:size]))
        found[at : at + by.choice((0, size))] = new
    return bytes(found)


@pytest.mark.parametrize("name", TARGETS)
def test_nothing_from_a_corpus_breaks_a_reader(name: str) -> None:
    target = TARGETS[name]
    if target.compiled and kernels is None:
        pytest.skip("the extension _kernels is not built here")
    stored = [path.read_bytes() for path in sorted((CORPUS / name).glob("*"))]
    inputs = [*target.seeds(), *stored]
    assert inputs
    by = random.Random(name)  # noqa: S311
    for data in [*inputs, *(changed(by.choice(inputs), by) for _ in range(CHANGES))]:
        target.run(data)


def test_each_corpus_has_a_target_and_is_small() -> None:
    assert {path.name for path in CORPUS.iterdir()} <= TARGETS.keys()
    assert sum(path.stat().st_size for path in CORPUS.rglob("*")) < 1 << 20
