"""Pictures become labels of the bundled model; what is wrong with them is told."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from msgspec.structs import replace
from PIL import Image

from edged import build
from edged.config.load import load
from edged.config.schema import Config, RuleConfig
from edged.core import Frame
from edged.errors import CommandError, ConfigError, ModelError
from edged.teaching import lessons
from edged.teaching.teacher import Picture, Teacher
from tests.inference.builder import colours
from tests.teaching.pictures import picture, pictures


@pytest.fixture
def config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Config:
    monkeypatch.setenv("STATE_DIRECTORY", str(tmp_path / "state"))
    return load(None, ["model.threads=1"])


@pytest.fixture
def teacher(config: Config) -> Iterator[Teacher]:
    with Teacher(config, build.admitted(config)) as made:
        yield made


def teach(teacher: Teacher, label: str, kind: str, count: int = 10, first: int = 0) -> list[str]:
    return teacher.add(teacher.examples(label, pictures(kind, count, first), count)).remarks


def test_the_log_names_taught_labels_and_says_nothing_of_the_model_that_teaches(
    config: Config, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    with Teacher(config, build.admitted(config)) as teacher:
        teach(teacher, "disc", "disc")
        teach(teacher, "cross", "cross")
    assert "classes from" not in caplog.text
    with build.taught(config).whole:
        assert "taught labels: disc, cross" in caplog.messages


def test_taught_labels_are_labels_behind_those_of_the_model(
    config: Config, teacher: Teacher
) -> None:
    assert teach(teacher, "disc", "disc", 15) == []
    assert teach(teacher, "cross", "cross", 15) == []
    with build.taught(config).whole as classifier:
        assert [*classifier.labels][-2:] == ["disc", "cross"]
        right = 0
        for kind in ("disc", "cross"):
            for number in range(100, 120):
                prediction = classifier.classify(picture(kind, number))
                assert prediction.scores.sum() == pytest.approx(1.0, abs=0.02)
                assert len(prediction.scores) == len(prediction.labels) == 12
                right += prediction.top(1)[0].label == kind
        assert right >= 32


def test_what_was_not_taught_keeps_the_label_of_the_model(
    config: Config, teacher: Teacher, cat: np.ndarray[tuple[int, ...], np.dtype[np.uint8]]
) -> None:
    with build.classifier(config) as bare:
        before = bare.classify(cat).scores
    teach(teacher, "disc", "disc")
    with build.taught(config).whole as classifier:
        after = classifier.classify(cat).scores
    assert after[:10] == pytest.approx(before, abs=0.02)
    assert after[10] < 0.02


@pytest.fixture
def cat() -> np.ndarray[tuple[int, ...], np.dtype[np.uint8]]:
    from edged.imaging.picture import read_picture

    return read_picture(Path(__file__).parents[1] / "pictures" / "cat.jpg")


def test_rules_decide_on_taught_labels(config: Config, teacher: Teacher) -> None:
    teach(teacher, "disc", "disc", 15)
    rule = RuleConfig(name="found", labels=["disc"], enter=0.5, smoothing_s=0.0)
    with build.perception(replace(config, rule=[rule])) as perception:
        events = [
            event
            for number in range(100, 110)
            for event in perception.decide(
                Frame(picture("disc", number), number, float(number))
            ).events
        ]
    assert events[0].rule == "found"
    assert events[0].active


def test_where_taught_labels_are_off_the_model_is_as_it_is(
    config: Config, teacher: Teacher
) -> None:
    teach(teacher, "disc", "disc")
    off = replace(config, teach=replace(config.teach, enabled=False))
    with build.taught(off).whole as classifier:
        assert len(classifier.labels) == 10


def test_each_example_has_a_thumbnail_and_says_where_it_is_from(teacher: Teacher) -> None:
    [example] = teacher.examples("disc", pictures("disc", 1), 1)
    thumbnail = Image.open(BytesIO(example.thumbnail))
    assert (thumbnail.format, thumbnail.size) == ("JPEG", (64, 64))
    wide = Picture(np.zeros((100, 400, 3), np.uint8), "wide")
    [example] = teacher.examples("wide", [wide], 1)
    assert Image.open(BytesIO(example.thumbnail)).size == (96, 24)
    assert example.source == "wide"


def test_too_few_pictures_are_refused(teacher: Teacher) -> None:
    with pytest.raises(CommandError, match="disc: 2 pictures; give at least 3 different ones"):
        teach(teacher, "disc", "disc", 2)
    assert lessons.read(teacher.place) is None


def test_few_pictures_are_taught_with_a_remark(teacher: Teacher) -> None:
    assert teach(teacher, "disc", "disc", 4) == ["disc: 4 pictures; 10 or more do better"]


def test_pictures_that_are_all_the_same_are_refused(teacher: Teacher) -> None:
    same = [Picture(picture("disc", 1) + np.uint8(shade), f"{shade}") for shade in (0, 1, 0)]
    with pytest.raises(CommandError, match="disc: "):
        teacher.add(teacher.examples("disc", same, 3))
    assert lessons.read(teacher.place) is None


def test_a_picture_that_was_taught_before_counts_once(teacher: Teacher) -> None:
    teach(teacher, "disc", "disc", 10)
    remarks = teach(teacher, "disc", "disc", 12)
    assert remarks == ["10 of 12 pictures were taught before"]
    known = lessons.read(teacher.place)
    assert known is not None
    assert len(known.examples) == 12


def test_a_picture_cannot_have_two_labels(teacher: Teacher) -> None:
    teach(teacher, "disc", "disc", 10)
    with pytest.raises(CommandError, match="disc-3 is the same picture as disc-3, which was"):
        teach(teacher, "ring", "disc", 5, first=3)
    known = lessons.read(teacher.place)
    assert known is not None
    assert known.labels == ["disc"]


def test_labels_that_cannot_be_told_apart_are_told_with_the_pictures_most_alike(
    teacher: Teacher,
) -> None:
    teach(teacher, "disc", "disc", 10, first=20)
    [told] = teach(teacher, "ring", "disc", 10, first=30)
    assert told.startswith("disc and ring can hardly be told apart: ")
    assert "most alike: disc-" in told
    [told] = teach(teacher, "cross", "cross", 10)
    assert told.startswith("disc and ring can hardly be told apart: ")


def test_a_label_of_the_model_is_refused(teacher: Teacher) -> None:
    with pytest.raises(CommandError, match="cat is a label of model edged-cifar10-int8 already"):
        teach(teacher, "Cat", "disc")


def test_a_model_without_features_is_refused(tmp_path: Path) -> None:
    model = colours(tmp_path / "colours.tflite", "uint8")
    labels = tmp_path / "colours.txt"
    labels.write_text("cat\ndog\nbird\n")
    config = load(None, [f"model.path={model}", f"model.labels={labels}"])
    with pytest.raises(ModelError, match=r"colours\.tflite has no features to teach on: give a"):
        Teacher(config, build.admitted(config))


def test_a_torn_file_is_neither_used_nor_overwritten(config: Config, teacher: Teacher) -> None:
    teach(teacher, "disc", "disc")
    torn = teacher.place.read_bytes()[:-7]
    teacher.place.write_bytes(torn)
    with pytest.raises(ConfigError, match="damaged or cut short"):
        build.taught(config)
    with pytest.raises(ConfigError, match="damaged or cut short"):
        teach(teacher, "cross", "cross")
    assert teacher.place.read_bytes() == torn


def test_a_file_of_another_backbone_is_neither_used_nor_overwritten(
    config: Config, teacher: Teacher
) -> None:
    teach(teacher, "disc", "disc")
    content = teacher.place.read_bytes()
    cropped = replace(
        config,
        camera=replace(config.camera, fit="crop"),
        teach=replace(config.teach, path=str(teacher.place)),
    )
    with pytest.raises(ConfigError, match=r"do not fit model .*camera\.fit = 'stretch'"):
        build.taught(cropped)
    with (
        Teacher(cropped, build.admitted(cropped)) as other,
        pytest.raises(ConfigError, match="do not fit model"),
    ):
        teach(other, "cross", "cross")
    assert teacher.place.read_bytes() == content


def test_what_is_forgotten_is_no_label_any_more(config: Config, teacher: Teacher) -> None:
    teach(teacher, "disc", "disc")
    teacher.forget("disc")
    with build.taught(config).whole as classifier:
        assert len(classifier.labels) == 10
    assert teacher.undo().labels == ["disc"]
    with build.taught(config).whole as classifier:
        assert list(classifier.labels)[-1] == "disc"
