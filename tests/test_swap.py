"""Another model while edged runs: taken between two frames if its gates hold, else refused."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.swaps import BAD, Swapped, good, good_with_other_labels, quick_quarantine, swapped


@pytest.fixture(scope="module", autouse=True)
def quick() -> Iterator[None]:
    with quick_quarantine():
        yield


@pytest.fixture
def daemon(tmp_path: Path) -> Iterator[Swapped]:
    with swapped(tmp_path) as running:
        yield running


def test_a_good_model_is_taken_and_kept_for_the_next_start(tmp_path: Path) -> None:
    path = tmp_path / "other.tflite"
    with swapped(tmp_path) as daemon:
        assert daemon.use(path, **good(path)) == "other"
        status = daemon.status()
        assert (status["model"], status["model_chosen"]) == ("other", True)
        assert status["rules"]["cat"]["active"]
    path.unlink()
    with swapped(tmp_path) as daemon:
        status = daemon.status()
        assert (status["model"], status["model_chosen"]) == ("other", True)


@pytest.mark.parametrize("way", BAD)
def test_a_bad_model_is_refused_and_leaves_nothing_behind(
    daemon: Swapped, tmp_path: Path, way: str
) -> None:
    bad = BAD[way]
    path = tmp_path / "bad.tflite"
    assert bad.refused in daemon.refused(bad, path, bad.make(path))
    status = daemon.status()
    assert (status["model"], status["model_chosen"]) == ("own", False)
    assert status["rules"]["cat"]["active"]
    assert daemon.on_disk() == (None, set())
    other = tmp_path / "other.tflite"
    assert daemon.use(other, **good_with_other_labels(other)) == "other"
