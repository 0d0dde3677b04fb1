from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
import pytest

from edged import build
from edged.config.schema import CameraConfig, Config, ModelConfig
from edged.errors import ConfigError, ModelError
from edged.evaluation import blessing, comparison, gate, golden
from edged.evaluation.dataset import DataError, open_dataset
from edged.inference import tflite
from edged.inference.preprocessing import Preprocessing
from tests.evaluation.conftest import COLOURS, paint


def gated(path: Path, text: str) -> Path:
    gate_path = path / "gate.toml"
    gate_path.write_text(text)
    return gate_path


def compare(model: Path, data: Path, text: str, old: Path | None = None) -> comparison.Comparison:
    new, other = (
        Config(model=ModelConfig(path=str(path), threads=1)) for path in (model, old or model)
    )
    return comparison.compare(new, other, open_dataset(data), gated(data.parent, text))


def fed(model: Path, fit: Any = "stretch", **options: Any) -> Preprocessing:
    return tflite.load(ModelConfig(path=str(model), **options), fit).preprocessing


EVERY_GATE = """
[overall]
pictures_min = 6
top1_min = 0.8
top1_drop_max = 0.0
macro_f1_min = 0.9
ece_max = 0.3
unreadable_max = 0.0
[[slice]]
column = "label"
top1_min = 0.7
top1_drop_max = 0.0
[size]
bytes_max = 10000
ratio_max = 1.0
[time]
ratio_max = 1000.0
p50_ms_max = 100000.0
[delegated]
share_min = 0.0
[golden]
file = "golden.json"
"""


def test_a_model_that_holds_every_gate_is_blessed(model: Path, data: Path) -> None:
    classifier = tflite.load(ModelConfig(path=str(model)))
    golden.write(data.parent / "golden.json", classifier, open_dataset(data))
    found = compare(model, data, EVERY_GATE)
    assert [result.name for result in found.results if not result.holds] == []
    assert len(found.results) == 16
    assert found.blessed


# Each gate just beyond what the model does: 5 of 6 right, 3 of 4 of the red ones.
@pytest.mark.parametrize(
    ("limit", "failing"),
    [
        ("[overall]\npictures_min = 7", "overall: pictures >= 7"),
        ("[overall]\ntop1_min = 0.84", "overall: top-1 >= 0.84"),
        ("[overall]\ntop1_drop_max = -0.1", "overall: drop of top-1 <= -0.1"),
        ("[overall]\ntop5_min = 0.5", "overall: top-5 >= 0.5"),
        ("[overall]\nmacro_f1_min = 0.95", "overall: macro F1 >= 0.95"),
        ("[overall]\nece_max = 0.2", "overall: ECE <= 0.2"),
        ('[[slice]]\ncolumn = "label"\ntop1_min = 0.8', "slice label = red: top-1 >= 0.8"),
        ('[[slice]]\ncolumn = "label"\nvalue = "pink"\ntop1_min = 0.1', "slice label = pink"),
        ("[size]\nbytes_max = 100", "size: bytes <= 100"),
        ("[size]\nratio_max = 0.9", "size: NEW / OLD <= 0.9"),
        ("[time]\nratio_max = 0.0001", "time: NEW / OLD <= 0.0001"),
        ("[time]\np50_ms_max = 0.00001", "time: ms <= 1e-05"),
        ("[delegated]\nshare_min = 1.0", "delegated: share of operators >= 1"),
    ],
)
def test_a_gate_that_does_not_hold_withholds_the_blessing(
    model: Path, data: Path, limit: str, failing: str
) -> None:
    found = compare(model, data, limit)
    assert [result.name for result in found.results if not result.holds] == [failing]
    assert not found.blessed


def test_unreadable_pictures_fail_the_gate_that_forbids_them(model: Path, data: Path) -> None:
    (data / "red/bad.png").write_bytes(b"")
    found = compare(model, data, "[overall]\nunreadable_max = 0.1")
    assert [(r.holds, r.found) for r in found.results] == [(False, "0.1429")]


def test_slices_of_few_pictures_are_not_judged(model: Path, data: Path) -> None:
    text = '[[slice]]\ncolumn = "label"\npictures_min = 3\ntop1_min = 0.7'
    assert [r.name for r in compare(model, data, text).results] == [
        "slice label = red: top-1 >= 0.7"
    ]
    text = text.replace("3", "50")
    [result] = compare(model, data, text).results
    assert (result.holds, result.found) == (False, "no value has 50 pictures")


def test_a_worse_model_falls_by_what_it_gets_wrong_more_often(model: Path, data: Path) -> None:
    worse = model.with_name("worse.tflite")
    worse.write_bytes(model.read_bytes())
    worse.with_suffix(".txt").write_text("red\nblue\ngreen\n")
    found = compare(worse, data, "[overall]\ntop1_drop_max = 0.3", old=model)
    assert [(r.holds, r.found) for r in found.results] == [(False, "0.3333")]


def test_golden_outputs_of_another_model_are_not_reproduced(model: Path, data: Path) -> None:
    classifier = tflite.load(ModelConfig(path=str(model)))
    path = data.parent / "golden.json"
    golden.write(path, classifier, open_dataset(data))
    limits = '[golden]\nfile = "golden.json"\ntolerance_quanta = 0.1'
    assert compare(model, data, limits).blessed
    path.write_bytes(path.read_bytes().replace(b"0.57", b"0.58"))
    [result] = compare(model, data, limits).results
    assert not result.holds
    assert float(result.found) == pytest.approx(2.56, abs=0.01)


def test_golden_outputs_of_other_pictures_are_refused(model: Path, data: Path) -> None:
    classifier = tflite.load(ModelConfig(path=str(model)))
    golden.write(data.parent / "golden.json", classifier, open_dataset(data))
    paint(data / "red/0.png", COLOURS["red"], 99)
    with pytest.raises(DataError, match=r"red/0\.png is not the picture of the golden outputs"):
        compare(model, data, '[golden]\nfile = "golden.json"')


def test_every_error_of_a_gate_file_is_told_at_once(tmp_path: Path) -> None:
    text = "[overall]\ntop1_mim = 0.8\ntop5_min = 2\n[[slice]]\ntop1_min = 0.5\n[tome]\n"
    with pytest.raises(ConfigError) as caught:
        gate.load(gated(tmp_path, text))
    lines = str(caught.value).splitlines()
    assert lines[0].startswith("gate.toml:2: overall.top1_mim: unknown key; did you mean top")
    assert lines[1].startswith("gate.toml:3: overall.top5_min = 2: expected a number from 0 to 1")
    assert lines[2].startswith("gate.toml:4: slice[0].column: missing")
    assert lines[3].startswith("gate.toml:6: tome: unknown key; did you mean time?")
    assert len(lines) == 4


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "it sets no condition"),
        ("[overall]\n", "it sets no condition"),
        ('[[slice]]\ncolumn = "label"\n', 'slice 1 of "label" sets no condition'),
        ("[overall", r"gate\.toml:1:"),
    ],
)
def test_a_file_that_demands_nothing_blesses_nothing(tmp_path: Path, text: str, said: str) -> None:
    with pytest.raises(ConfigError, match=said) as caught:
        gate.load(gated(tmp_path, text))
    assert "\n" not in str(caught.value)


def test_the_documented_gate_file_is_right_and_has_every_key(tmp_path: Path) -> None:
    document = Path(__file__).parent.parent.parent / "docs" / "evaluation.md"
    text = document.read_text().split("All that a gate may demand:\n\n```toml\n")[1].split("```")[0]
    limits = gate.load(gated(tmp_path, text))
    for table in (limits.overall, limits.size, limits.time, limits.delegated):
        assert None not in msgspec.structs.astuple(table)
    assert limits.slice[0].pictures_min == 20
    assert limits.golden.file == "golden.json"


def blessed(model: Path, data: Path) -> comparison.Comparison:
    found = compare(model, data, "[overall]\ntop1_min = 0.5")
    path = comparison.bless(model, data.parent / "gate.toml", found)
    assert path == model.with_name("colours.tflite.blessing.json")
    return found


def test_a_blessing_is_bound_to_the_file(model: Path, data: Path) -> None:
    with pytest.raises(ModelError, match="is not blessed"):
        blessing.check(model, fed(model))
    found = blessed(model, data)
    held = blessing.check(model, fed(model))
    assert (held.data, held.pictures, held.data_sha256) == ("data", 6, found.new.data.sha256)
    model.write_bytes(model.read_bytes() + b"\0")
    with pytest.raises(ModelError, match="blesses a file other"):
        blessing.check(model, fed(model))


def test_a_blessing_is_bound_to_the_way_in_which_the_model_is_fed(model: Path, data: Path) -> None:
    blessed(model, data)
    # The same table from elsewhere feeds the model alike.
    blessing.check(model, fed(model, mean=[0.0], std=[255.0]))
    for other, said in (
        (fed(model, "crop"), "fit crop and not stretch"),
        (fed(model, channels="bgr"), "channels bgr and not rgb"),
        (fed(model, scores="logits"), "scores logits and not probabilities"),
        (fed(model, mean=[127.5], std=[127.5]), "pixels normalised by model.mean and model.std"),
    ):
        with pytest.raises(ModelError, match=f"is for other preprocessing .*{said}"):
            blessing.check(model, other)


def test_a_blessing_is_bound_to_the_labels(model: Path, data: Path) -> None:
    blessed(model, data)
    model.with_suffix(".txt").write_text("blue\ngreen\nred\n")
    with pytest.raises(ModelError, match=r"is for other preprocessing \(other labels\)"):
        blessing.check(model, fed(model))


def test_a_model_that_must_be_blessed_is_loaded_only_as_it_was_blessed(
    model: Path, data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    settings = ModelConfig(path=str(model), threads=1, require_blessing=True)
    with pytest.raises(ModelError, match="is not blessed"):
        build.classifier(Config(model=settings))
    blessed(model, data)
    build.classifier(Config(model=settings))
    with pytest.raises(ModelError, match="other preprocessing"):
        build.classifier(Config(model=settings, camera=CameraConfig(fit="crop")))


def test_a_blessing_that_does_not_hold_is_refused_in_one_line(model: Path, data: Path) -> None:
    found = blessed(model, data)
    path = blessing.path_of(model)
    whole = path.read_text()
    for content, said in {
        whole.replace('"holds": true', '"holds": false'): "a gate that failed",
        whole[:100]: "is not a blessing",
        whole.replace(found.new.model.sha256, "0" * 64): "a file other than colours.tflite",
    }.items():
        path.write_text(content)
        with pytest.raises(ModelError, match=said) as caught:
            blessing.check(model, fed(model))
        assert "\n" not in str(caught.value)
    path.unlink()
    with pytest.raises(ModelError, match="is not blessed"):
        blessing.check(model, fed(model))
