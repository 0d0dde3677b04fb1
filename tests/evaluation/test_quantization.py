from __future__ import annotations

import importlib.util
import os
import warnings
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from edged.config.schema import Config, ModelConfig
from edged.errors import ConfigError, EdgedError, ModelError
from edged.evaluation import quantization, text
from edged.evaluation.dataset import open_dataset
from edged.evaluation.quantization import VARIANTS, Convert, Floats, Source
from edged.inference import tflite
from tests.evaluation.conftest import COLOURS, paint
from tests.inference import builder


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    """Ten of each colour."""
    for label, colour in COLOURS.items():
        for number in range(10):
            paint(tmp_path / "pictures" / label / f"{number}.png", colour, number)
    return tmp_path / "pictures"


@pytest.fixture
def labels(tmp_path: Path) -> str:
    (tmp_path / "labels.txt").write_text("red\ngreen\nblue\n")
    return str(tmp_path / "labels.txt")


def source(path: Path, labels: str, mean: list[float], std: list[float]) -> Source:
    return Source(path, Config(model=ModelConfig(labels=labels, mean=mean, std=std)))


class Converter:
    """Makes of any source the classifier of colours, and keeps what it was calibrated with."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.inputs: list[Floats] = []

    def __call__(self, path: Path) -> Convert:
        def convert(variant: str, inputs: Sequence[Floats]) -> bytes:
            self.inputs = list(inputs)
            dtype = "int8" if variant == "int8" else "float32"
            return builder.colours(self._folder / "made.tflite", dtype).read_bytes()

        return convert


def test_every_variant_is_made_and_measured_on_the_same_pictures(
    tmp_path: Path, pictures: Path, labels: str
) -> None:
    converter = Converter(tmp_path)
    given = source(tmp_path / "net.keras", labels, [0.0], [255.0])
    out = tmp_path / "out"
    found = quantization.quantize(given, open_dataset(pictures), None, out, converter)
    assert [variant.name for variant in found.variants] == list(VARIANTS)
    assert {v.evaluation.overall.pictures for v in found.variants} == {27}
    assert {v.evaluation.overall.top1 for v in found.variants} == {1.0}
    assert len({v.evaluation.data.sha256 for v in found.variants}) == 1
    assert found.calibration_pictures == 3
    files = {path.name for path in out.iterdir()}
    assert files == {"labels.txt", *(f"net-{name}.tflite" for name in VARIANTS)}
    rows = text.quantization(found).splitlines()[6:11]
    assert [row.split("|")[1].strip() for row in rows] == list(VARIANTS)


def test_calibration_inputs_are_normalised_and_end_with_black_and_white(
    tmp_path: Path, pictures: Path, labels: str
) -> None:
    converter = Converter(tmp_path)
    given = source(tmp_path / "net.keras", labels, [0.0], [255.0])
    quantization.quantize(given, open_dataset(pictures), None, tmp_path / "out", converter)
    assert all(given.shape == (1, 4, 4, 3) for given in converter.inputs)
    assert all(given.dtype == np.float32 for given in converter.inputs)
    assert [float(given.max()) for given in converter.inputs[-2:]] == [0.0, 1.0]
    assert float(converter.inputs[-1].min()) == 1.0


def test_pictures_for_calibration_leave_all_others_for_evaluation(
    tmp_path: Path, pictures: Path, labels: str
) -> None:
    given = source(tmp_path / "net.keras", labels, [0.0], [255.0])
    data = open_dataset(pictures)
    found = quantization.quantize(given, data, data, tmp_path / "out", Converter(tmp_path))
    assert found.variants[0].evaluation.overall.pictures == 30
    assert found.calibration_pictures == 30


def test_what_cannot_be_read_for_calibration_is_told(
    tmp_path: Path, pictures: Path, labels: str
) -> None:
    given = source(tmp_path / "net.keras", labels, [0.0], [255.0])
    bad = tmp_path / "more" / "red"
    bad.mkdir(parents=True)
    (bad / "phone.heic").write_bytes(b"\0\0\0\x18ftypheic")
    (bad / "0.png").write_bytes(next(pictures.rglob("*.png")).read_bytes())
    out, more = tmp_path / "out", open_dataset(tmp_path / "more")

    found = quantization.quantize(given, open_dataset(pictures), more, out, Converter(tmp_path))

    assert (found.calibration_pictures, found.unreadable.count) == (1, 1)
    told = "- unreadable, to calibrate int8: 1\n  - red/phone.heic: not a picture in a supported"
    assert told in text.quantization(found)


def test_without_a_label_file_the_class_folders_are_the_classes_by_name(
    tmp_path: Path, pictures: Path
) -> None:
    given = source(tmp_path / "net.keras", "", [0.0], [255.0])
    out = tmp_path / "out"
    found = quantization.quantize(given, open_dataset(pictures), None, out, Converter(tmp_path))
    assert (out / "labels.txt").read_text() == "blue\ngreen\nred\n"
    assert found.variants[0].evaluation.overall.top1 == pytest.approx(1 / 3)


def test_a_folder_that_is_there_is_left_alone(tmp_path: Path, pictures: Path) -> None:
    out = tmp_path / "out"
    out.mkdir()
    (out / "mine").write_text("mine")
    with pytest.raises(ConfigError, match="is there already"):
        quantization.quantize(
            source(tmp_path / "n", "", [], []),
            open_dataset(pictures),
            None,
            out,
            Converter(tmp_path),
        )
    assert [path.name for path in out.iterdir()] == ["mine"]


def test_a_failure_leaves_nothing_behind(tmp_path: Path, pictures: Path, labels: str) -> None:
    Path(labels).write_text("red\ngreen\nblue\npink\n")
    before = sorted(tmp_path.iterdir())
    with pytest.raises(EdgedError):
        quantization.quantize(
            source(tmp_path / "n", labels, [], []),
            open_dataset(pictures),
            None,
            tmp_path / "out",
            Converter(pictures),
        )
    assert sorted(tmp_path.iterdir()) == before


@pytest.mark.parametrize(
    ("name", "said"), [("gone.keras", "no such file"), ("net.txt", "neither a .keras file nor")]
)
def test_what_is_no_network_is_refused(tmp_path: Path, name: str, said: str) -> None:
    (tmp_path / "net.txt").write_bytes(b"x")
    with pytest.raises(ModelError, match=said):
        quantization.tensorflow_converter(tmp_path / name)


def test_without_tensorflow_one_line_says_what_to_install(tmp_path: Path) -> None:
    if importlib.util.find_spec("tensorflow") is not None:
        pytest.skip("TensorFlow is installed")
    (tmp_path / "net.keras").write_bytes(b"x")
    with pytest.raises(
        ModelError, match=r"needs TensorFlow, which is not installed: .*-m pip install"
    ):
        quantization.tensorflow_converter(tmp_path / "net.keras")


def test_tensorflow_makes_five_files_that_the_daemon_runs(tmp_path: Path, pictures: Path) -> None:
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        keras = pytest.importorskip(
            "tensorflow", reason="TensorFlow is not installed; make reference installs it"
        ).keras
        network = keras.Sequential(
            [
                keras.Input((8, 8, 3)),
                keras.layers.GlobalAveragePooling2D(),
                keras.layers.Dense(3),
                keras.layers.Softmax(),
            ]
        )
        # Blue, green, red: the classes by name.
        network.layers[1].set_weights([np.eye(3)[:, ::-1] * 2, np.zeros(3)])
        network.save(tmp_path / "net.keras")
        given = source(tmp_path / "net.keras", "", [], [])
        out = tmp_path / "out"
        found = quantization.quantize(given, open_dataset(pictures), None, out)
    assert {v.evaluation.overall.top1 for v in found.variants} == {1.0}
    types = {}
    for name in VARIANTS:
        classifier = tflite.load(ModelConfig(path=str(out / f"net-{name}.tflite")))
        types[name] = classifier.image.tensor.dtype.name
    assert types["int8"] == "int8"
    assert {types[name] for name in VARIANTS if name != "int8"} == {"float32"}
    (tmp_path / "bad.keras").write_bytes(b"no archive")
    with pytest.raises(ModelError, match="cannot be converted to float32") as caught:
        quantization.tensorflow_converter(tmp_path / "bad.keras")("float32", ())
    assert "\n" not in str(caught.value)
