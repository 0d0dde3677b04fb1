"""A sample of `make fuzz-models`, the same each time."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from tests.fuzz_models import load_and_run, sources
from tests.models.mutants import KINDS, mutants, places
from tests.models.zygote import Zygote

COUNT = 52
"""Each kind of damage four times."""


@pytest.fixture
def known(shared_data: Path, tmp_path: Path) -> list[tuple[Path, Path]]:
    small = ("mobilenet_v1_0.25_128_quant", "keras_lstm_mnist_ptq", "split_concat")
    return [
        (path, labels) for path, labels in sources(tmp_path / "digits.txt") if path.stem in small
    ]


def test_damaged_models_end_their_own_process_at_most(
    known: list[tuple[Path, Path]], tmp_path: Path
) -> None:
    outcomes: Counter[str] = Counter()
    contents = [model.read_bytes() for model, _ in known]
    with Zygote(timeout_s=30) as zygote:
        for number, (_, model, content) in enumerate(mutants(contents, COUNT, seed=0)):
            path = tmp_path / f"{number}.tflite"
            path.write_bytes(content)
            verdict = zygote.inspect(path, known[model][1])
            outcomes[verdict.outcome] += 1
            if verdict.outcome == "ok":
                load_and_run(path, known[model][1])
            else:
                assert verdict.reason
    assert outcomes["refused"] > COUNT // 2
    assert outcomes["ok"] > 0


def test_mutants_are_the_same_for_the_same_seed(known: list[tuple[Path, Path]]) -> None:
    contents = [model.read_bytes() for model, _ in known]
    first, again, other = (list(mutants(contents, 26, seed)) for seed in (1, 1, 2))
    assert first == again
    assert first != other


def test_every_kind_of_damage_changes_the_model(known: list[tuple[Path, Path]]) -> None:
    contents = [model.read_bytes() for model, _ in known]
    changed = {kind for kind, model, data in mutants(contents, 52, 0) if data != contents[model]}
    assert changed == set(KINDS)


def test_the_places_of_a_model_are_what_they_are_called(known: list[tuple[Path, Path]]) -> None:
    data = known[0][0].read_bytes()
    found = places(data)
    sizes = {int.from_bytes(data[place : place + 4], "little") for place in found.shapes}
    assert {1, 3, 128, 1001} <= sizes
    assert sum(count for _, count in found.weights) > len(data) // 2
