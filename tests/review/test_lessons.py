"""What people said of kept pictures becomes labels, with the bundled model."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from edged import build
from edged.commands import ReviewTeach
from edged.config.load import load
from edged.config.schema import Config
from edged.errors import CommandError
from edged.imaging.picture import jpeg, read_picture
from edged.review.folder import Folder, Verdict
from edged.review.lessons import teach
from edged.teaching import session
from edged.teaching.teacher import Picture, Teacher
from tests.review.made import kept
from tests.teaching.pictures import picture
from tests.teaching.test_session import Daemon


@pytest.fixture
def config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Config:
    monkeypatch.setenv("STATE_DIRECTORY", str(tmp_path))
    return load(None, ["model.threads=1", "device=porch"])


@pytest.fixture
def folder(config: Config, tmp_path: Path) -> Folder:
    return Folder(tmp_path / "events-porch.db.review")


@pytest.fixture
def teacher(config: Config) -> Iterator[Teacher]:
    with Teacher(config, build.admitted(config)) as made:
        yield made


def keep(folder: Folder, kind: str, count: int, label: str = "", first: int = 0) -> None:
    """So many pictures of a kind, which people called `label`."""
    with folder.locked():
        numbers = [
            folder.add(kept(), jpeg(picture(kind, number), 95)).number
            for number in range(first, first + count)
        ]
        if label:
            folder.decide(numbers, Verdict("correct", label, "ann", False))


def test_what_was_decided_is_taught_in_one_change(folder: Folder, teacher: Teacher) -> None:
    keep(folder, "disc", 10, "my disc")
    keep(folder, "cross", 10, "my cross")
    keep(folder, "stripes", 3)
    made, remarks = teach(teacher, folder)
    assert {label: len(made.of(label)) for label in made.labels} == {"my disc": 10, "my cross": 10}
    assert remarks == []
    assert made.examples[0].source == "review 1 of porch, 2026-05-28T20:26:40Z, corrected by ann"
    assert teacher.undo().labels == []
    assert len(folder.entries()) == 23


def test_what_cannot_be_taught_is_left_out_and_told(folder: Folder, teacher: Teacher) -> None:
    keep(folder, "disc", 10, "my disc")
    keep(folder, "cross", 2, "my cross")
    keep(folder, "stripes", 4, "Dog")
    with folder.locked():
        for _ in range(4):
            number = folder.add(kept(), jpeg(picture("stripes", 9), 95)).number
            folder.decide([number], Verdict("correct", "always the same", "ann", False))
    made, remarks = teach(teacher, folder)
    assert made.labels == ["my disc"]
    assert remarks[:3] == [
        "left out: my cross: 2 pictures; give at least 3 different ones, better 10",
        "left out: Dog is a label of the model itself: its pictures are for a training of the "
        "model, which `edged review --export` is for",
        "left out: always the same: 1 picture; give at least 3 different ones, better 10",
    ]


def test_a_picture_that_was_taught_as_another_label_is_told(
    folder: Folder, teacher: Teacher
) -> None:
    keep(folder, "disc", 5, "my disc")
    teach(teacher, folder)
    with folder.locked():
        numbers = [entry.number for entry in folder.entries()]
        folder.decide(numbers, Verdict("correct", "bin", "bob", True))
    with pytest.raises(CommandError, match=r"nothing was taught: .* was taught as my disc"):
        teach(teacher, folder)


def test_more_of_a_taught_label_adds_to_it_and_nothing_counts_twice(
    folder: Folder, teacher: Teacher
) -> None:
    keep(folder, "disc", 5, "my disc")
    teach(teacher, folder)
    keep(folder, "disc", 1, "my disc", first=20)
    made, remarks = teach(teacher, folder)
    assert len(made.of("my disc")) == 6
    assert remarks[0] == "5 of 6 pictures were taught before"


def test_an_exported_picture_that_is_taught_as_a_file_counts_once(
    folder: Folder, teacher: Teacher, tmp_path: Path
) -> None:
    with folder.locked():
        large = [jpeg(np.repeat(np.repeat(picture("disc", n), 4, 0), 4, 1), 95) for n in range(5)]
        numbers = [folder.add(kept(), one).number for one in large]
        folder.decide(numbers, Verdict("correct", "my disc", "ann", False))
    teach(teacher, folder)
    file = tmp_path / "exported.jpg"
    file.write_bytes(folder.picture(numbers[0]))
    seen = Picture(read_picture(file, teacher.wanted_px), "exported.jpg")
    made, remarks = teacher.add(teacher.examples("my disc", [seen], 1))
    assert len(made.of("my disc")) == 5
    assert remarks[0] == "1 of 1 pictures were taught before"


def test_where_nobody_has_decided_nothing_is_taught(folder: Folder, teacher: Teacher) -> None:
    keep(folder, "disc", 5)
    with pytest.raises(CommandError, match="nobody has said yet what a picture shows"):
        teach(teacher, folder)


def test_a_running_daemon_has_the_labels_or_nothing_has_changed(
    config: Config, folder: Folder
) -> None:
    keep(folder, "disc", 5, "my disc")
    daemon = Daemon(config)
    daemon.refuses = True
    with pytest.raises(CommandError, match="rule full"):
        session.carry_out(ReviewTeach(), config, daemon.frame, daemon.take_over)
    assert session.taught(config).labels == {}
    daemon.refuses = False
    told = session.carry_out(ReviewTeach(), config, daemon.frame, daemon.take_over)
    assert told.labels == {"my disc": 5}
    assert daemon.labels == ["my disc"]
    shown = session.pictures(config, "my disc")
    assert len(shown.pictures) == 5
    assert shown.pictures[0].source.startswith("review 5 of porch")
    with pytest.raises(CommandError, match="bin: no label of this name was taught"):
        session.pictures(config, "bin")
