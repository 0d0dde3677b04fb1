"""Many pictures on all cores."""

from __future__ import annotations

import os
import shutil
import threading
import tracemalloc
from pathlib import Path

import numpy as np
import pytest

from edged import batch as batch_module
from edged import build
from edged.batch import Batch, pictures
from edged.config.schema import Config, ModelConfig
from edged.core import Pixels
from edged.imaging.picture import MAX_DECODED_BYTES, TooLargeError
from edged.inference import labels

PICTURES = Path(__file__).parent / "pictures"


def batch_of(count: int, threads: int = 0) -> Batch:
    """For so many pictures, with the bundled model."""
    model = build.admitted(Config(model=ModelConfig(threads=threads)))
    return Batch(model, labels.find(model.file), "stretch", count)


@pytest.fixture
def four_cores(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {0, 1, 2, 3})


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for number in range(40):
        name = "cat.jpg" if number % 2 else "rocket.jpg"
        shutil.copy(PICTURES / name, tmp_path / f"{number:02}.jpg")
    (tmp_path / "07.jpg").write_bytes(b"no picture")
    return tmp_path


@pytest.mark.parametrize("cores", [{0}, {0, 1, 2, 3}])
def test_answers_come_in_the_order_of_the_pictures(
    cores: set[int], folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: cores)
    found = list(pictures([folder, folder / "absent.jpg"]))
    batch = batch_of(len(found))
    answers = list(batch.answers(found))
    assert len(batch.classifiers) == len(cores)
    assert [answer.path for answer in answers] == [
        *(folder / f"{number:02}.jpg" for number in range(40)),
        folder / "absent.jpg",
    ]
    labels = [answer.prediction and answer.prediction.top(1)[0].label for answer in answers[:40]]
    assert labels == [
        None if number == 7 else ("cat" if number % 2 else "ship") for number in range(40)
    ]
    failed = [answer.path.name for answer in answers if answer.error is not None]
    assert failed == ["07.jpg", "absent.jpg"]


@pytest.mark.usefixtures("four_cores")
def test_few_pictures_are_not_worth_a_core_each() -> None:
    assert [len(batch_of(count).classifiers) for count in (0, 1, 7, 8, 13)] == [
        1,
        1,
        1,
        2,
        3,
    ]


@pytest.mark.usefixtures("four_cores")
def test_the_cores_are_shared_by_interpreters_of_several_threads() -> None:
    assert [one.threads for one in batch_of(100, threads=2).classifiers] == [2, 2]
    assert [one.threads for one in batch_of(100).classifiers] == [1, 1, 1, 1]


@pytest.mark.usefixtures("four_cores")
def test_all_cores_work_at_once(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    together = threading.Barrier(4, timeout=60)

    def read(path: Path, wanted_px: tuple[int, int], most_bytes: int = 0) -> Pixels:
        del path, wanted_px, most_bytes
        together.wait()
        return np.zeros((32, 32, 3), np.uint8)

    monkeypatch.setattr(batch_module, "read_picture", read)
    found = list(pictures([folder]))
    assert all(answer.error is None for answer in batch_of(len(found)).answers(found))


@pytest.mark.usefixtures("four_cores")
def test_of_many_pictures_a_core_takes_several_at_once(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    takers: dict[str, int] = {}

    def read(path: Path, wanted_px: tuple[int, int], most_bytes: int = 0) -> Pixels:
        del wanted_px, most_bytes
        takers[path.name] = threading.get_ident()
        return np.zeros((32, 32, 3), np.uint8)

    monkeypatch.setattr(batch_module, "read_picture", read)
    found = [Path(f"{number}.jpg") for number in range(400)]
    answers = list(batch_of(len(found)).answers(found))
    assert [answer.path for answer in answers] == found
    size = batch_module.PORTION
    portions = [found[start : start + size] for start in range(0, len(found), size)]
    assert all(len({takers[path.name] for path in portion}) == 1 for portion in portions)
    assert len(set(takers.values())) > 1


@pytest.mark.usefixtures("four_cores")
def test_large_pictures_are_decoded_one_at_a_time(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    held = threading.Lock()
    budgets = set()

    def read(path: Path, wanted_px: tuple[int, int], most_bytes: int = MAX_DECODED_BYTES) -> Pixels:
        del wanted_px
        budgets.add(most_bytes)
        if most_bytes < MAX_DECODED_BYTES:
            raise TooLargeError(str(path), "large")
        assert held.acquire(blocking=False)
        held.release()
        return np.zeros((32, 32, 3), np.uint8)

    monkeypatch.setattr(batch_module, "read_picture", read)
    found = list(pictures([folder]))
    assert all(answer.error is None for answer in batch_of(len(found)).answers(found))
    assert budgets == {MAX_DECODED_BYTES // 4, MAX_DECODED_BYTES}


@pytest.mark.parametrize("cores", [{0}, {0, 1, 2, 3}])
def test_of_a_picture_that_cannot_be_read_nothing_is_held(
    cores: set[int], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: cores)
    megabytes = 8
    for number in range(12):
        (tmp_path / f"{number}.png").write_bytes(bytes(megabytes << 20))
    found = list(pictures([tmp_path]))
    batch = batch_of(len(found))
    tracemalloc.start()
    try:
        answers = list(batch.answers(found))
        held_bytes, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert all(answer.error is not None for answer in answers)
    assert held_bytes < megabytes << 20


@pytest.mark.usefixtures("four_cores")
def test_who_stops_asking_ends_the_work(folder: Path) -> None:
    found = list(pictures([folder]))
    before = threading.active_count()
    answers = batch_of(len(found)).answers(found)
    next(answers)
    answers.close()  # type: ignore[attr-defined]
    assert threading.active_count() == before
