from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from edged.config.schema import ModelConfig
from edged.evaluation import conformance, document, evaluation, slices, text
from edged.evaluation.dataset import DataError, open_dataset
from edged.evaluation.document import Evaluation
from edged.evaluation.probe import Footprint
from edged.inference import tflite
from tests.evaluation.conftest import COLOURS, paint
from tests.inference import builder

COST = Footprint(invoke_ms=1.0, rss_mb=50.0, delegated=0.5, threads=1)


def evaluated(model: Path, data: Path, *columns: str) -> Evaluation:
    classifier = tflite.load(ModelConfig(path=str(model)))
    found = evaluation.evaluate(open_dataset(data), [classifier])
    facts = document.describe(classifier, COST)
    return document.summarise(facts, str(data), found, found.outcomes[0], columns)


def test_the_document_says_how_right_the_model_is(model: Path, data: Path) -> None:
    found = evaluated(model, data)
    assert found.overall.pictures == 6
    assert found.overall.top1 == pytest.approx(5 / 6, abs=1e-6)
    assert found.overall.top5 is None
    rows = {row.label: (row.pictures, row.precision, row.recall, row.f1) for row in found.classes}
    assert rows["red"] == (4, 1.0, 0.75, pytest.approx(6 / 7, abs=1e-6))
    assert rows["green"] == (2, 1.0, 1.0, 1.0)
    assert rows["blue"] == (0, 0.0, None, 0.0)
    assert found.confusion_matrix == [[3, 0, 1], [0, 2, 0], [0, 0, 0]]
    assert [(c.label, c.taken_for, c.pictures) for c in found.confusions] == [("red", "blue", 1)]


def test_the_calibration_error_is_that_of_the_softmax(model: Path, data: Path) -> None:
    # A plain colour has a score of e / (e + 2) = 0.576, in one bin; 5 of 6 are right.
    found = evaluated(model, data)
    assert found.overall.ece == pytest.approx(5 / 6 - 0.576, abs=0.005)
    assert [b.pictures for b in found.calibration if b.pictures] == [6]


def test_slices_by_label_and_by_what_is_measured(model: Path, data: Path) -> None:
    found = evaluated(model, data, "label", "width_px")
    assert [(s.column, s.value, s.accuracy.pictures, s.accuracy.top1) for s in found.slices] == [
        ("label", "green", 2, 1.0),
        ("label", "red", 4, 0.75),
        ("width_px", "32", 6, pytest.approx(5 / 6, abs=1e-6)),
    ]


def test_a_table_slices_by_any_column(model: Path, data: Path) -> None:
    table = data / "t.csv"
    table.write_text("file,label,light\nred/0.png,red,day\nred/odd.png,red,night\n")
    found = evaluated(model, table, "light")
    assert {s.value: s.accuracy.top1 for s in found.slices} == {"day": 1.0, "night": 0.0}


def test_many_numbers_are_cut_into_four_ranges() -> None:
    columns = [{"n": str(number)} for number in range(100)]
    found = slices.slices(columns, "n")
    assert list(found) == ["0 to 24.75", "24.75 to 49.5", "49.5 to 74.25", "74.25 to 99"]
    assert [len(positions) for positions in found.values()] == [25, 25, 25, 25]


def test_an_unknown_column_is_named_before_anything_runs(data: Path) -> None:
    with pytest.raises(DataError, match=r'"brightnes": no such column; did you mean brightness\?'):
        slices.check(open_dataset(data), ["brightnes"])


def test_a_picture_that_cannot_be_read_is_counted_and_left_out(model: Path, data: Path) -> None:
    (data / "red/bad.png").write_bytes(b"no picture")
    found = evaluated(model, data)
    assert found.overall.pictures == 6
    assert [f.picture for f in found.inspection.unreadable.findings] == ["red/bad.png"]


def test_nothing_readable_is_an_error(model: Path, tmp_path: Path) -> None:
    (tmp_path / "d/red").mkdir(parents=True)
    (tmp_path / "d/red/bad.png").write_bytes(b"")
    with pytest.raises(DataError, match="none of 1 pictures can be read"):
        evaluated(model, tmp_path / "d")


def test_the_hash_of_the_data_follows_contents_and_labels(model: Path, data: Path) -> None:
    first = evaluated(model, data).data.sha256
    assert evaluated(model, data).data.sha256 == first
    paint(data / "red/0.png", COLOURS["red"], 77)
    second = evaluated(model, data).data.sha256
    (data / "green/1.png").rename(data / "red/1b.png")
    third = evaluated(model, data).data.sha256
    assert len({first, second, third}) == 3


def test_the_document_survives_json(model: Path, data: Path) -> None:
    found = evaluated(model, data, "label")
    text = msgspec.json.encode(found)
    assert msgspec.json.decode(text, type=Evaluation) == found
    assert msgspec.json.decode(text)["schema"] == 1


@pytest.mark.parametrize("dtype", ["uint8", "int8", "float32"])
def test_a_right_model_passes_every_test_of_any_model(tmp_path: Path, dtype: str) -> None:
    from tests.inference import builder

    (tmp_path / "m.txt").write_text("red\ngreen\nblue\n")
    config = ModelConfig(path=str(builder.colours(tmp_path / "m.tflite", dtype)))
    checks = conformance.check(tflite.load(config), config)
    assert [check.name for check in checks if not check.holds] == []
    assert dtype in checks[0].found


def test_scores_that_are_no_probabilities_fail_the_tests(tmp_path: Path) -> None:
    from tests.inference import builder

    (tmp_path / "m.txt").write_text("red\ngreen\nblue\n")
    path = builder.colours(tmp_path / "m.tflite", "float32", softmax=False)
    config = ModelConfig(path=str(path), scores="probabilities")
    failed = [c.name for c in conformance.check(tflite.load(config), config) if not c.holds]
    assert failed == ["scores sum to 1, within 0.001"]


def test_real_models_pass_every_test_of_any_model(shared_data: Path) -> None:
    for config in (
        ModelConfig(),
        ModelConfig(
            path=str(shared_data / "models/mobilenet_v1_0.25_128_quant.tflite"),
            labels=str(shared_data / "labels/imagenet_labels.txt"),
        ),
    ):
        checks = conformance.check(tflite.load(config), config)
        assert [check.name for check in checks if not check.holds] == []


def shuffled(tmp_path: Path, labels: str) -> Evaluation:
    """Twelve pictures of three colours, by a model whose labels are these."""
    (tmp_path / "colours.txt").write_text(labels)
    for label, colour in COLOURS.items():
        for number in range(4):
            paint(tmp_path / "many" / label / f"{number}.png", colour, number)
    return evaluated(builder.colours(tmp_path / "colours.tflite", "uint8"), tmp_path / "many")


def test_a_model_that_is_right_is_not_suspected(tmp_path: Path) -> None:
    found = shuffled(tmp_path, "red\ngreen\nblue\n")
    assert found.overall.top1 == 1.0
    assert found.suspicions == []


def test_a_model_that_only_guesses_is_suspected(tmp_path: Path) -> None:
    found = shuffled(tmp_path, "blue\nred\ngreen\n")
    [line] = found.suspicions
    assert line.startswith("none of 12 pictures is right: try ")
    assert f"Suspicious: {line}." in " ".join(text.evaluation(found).split())


def test_a_model_that_is_as_good_as_guessing_is_suspected(tmp_path: Path) -> None:
    found = shuffled(tmp_path, "red\nblue\ngreen\n")
    assert found.overall.top1 == pytest.approx(1 / 3, abs=1e-6)
    [line] = found.suspicions
    assert line.startswith("top-1 of 33.3% is no better than guessing among 3 classes: try ")


def test_a_model_that_is_never_right_about_one_class_is_suspected(tmp_path: Path) -> None:
    (tmp_path / "colours.txt").write_text("red\ngreen\nblue\n")
    for number in range(10):
        paint(tmp_path / "many/red" / f"{number}.png", COLOURS["blue"], number)
    found = evaluated(builder.colours(tmp_path / "colours.tflite", "uint8"), tmp_path / "many")
    assert [line.partition(":")[0] for line in found.suspicions] == ["none of 10 pictures is right"]


def test_a_model_that_says_one_class_of_everything_is_suspected(tmp_path: Path) -> None:
    (tmp_path / "colours.txt").write_text("red\ngreen\nblue\n")
    for label in COLOURS:
        for number in range(4):
            paint(tmp_path / "many" / label / f"{number}.png", COLOURS["green"], number)
    found = evaluated(builder.colours(tmp_path / "colours.tflite", "uint8"), tmp_path / "many")
    [line] = found.suspicions
    assert line.startswith("12 of 12 pictures of 3 classes were classified as green: try ")
