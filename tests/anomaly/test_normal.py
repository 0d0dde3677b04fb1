"""The file of what is normal."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest
from msgspec.structs import replace

from edged import paths
from edged.anomaly import normal as normals
from edged.anomaly.fit import learn
from edged.anomaly.normal import Normal
from edged.config.schema import ModelConfig
from edged.errors import ModelError
from edged.inference import layers, modelfile, tflite
from edged.inference.layers import Map
from tests.anomaly.views import normal, place, shots


@pytest.fixture(scope="module")
def taught() -> Normal:
    return normal()


def test_what_is_written_is_read(taught: Normal, tmp_path: Path) -> None:
    path = tmp_path / "new" / "events.db.normal"
    normals.write(path, taught)
    assert normals.read(path) == taught


def test_without_a_file_it_says_how_to_get_one(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"has not been taught; run `edged teach --normal`"):
        normals.read(tmp_path / "none")


def test_every_torn_file_is_refused_in_one_line(taught: Normal, tmp_path: Path) -> None:
    path = tmp_path / "torn"
    whole = msgspec.msgpack.encode(taught)
    for length in range(0, len(whole), 997):
        path.write_bytes(whole[:length])
        with pytest.raises(ModelError, match="is not a file of a normal view") as refused:
            normals.read(path)
        assert "\n" not in str(refused.value)


@pytest.mark.parametrize(
    "change",
    [
        {"format": 2},
        {"shape": (14, 14, 3)},
        {"shape": (0, 14, 9)},
        {"shape": (1 << 20, 1 << 20, 1 << 20)},
        {"means": b""},
        {"limits": b"\x00" * 784},
        {"whitening": b"\xff" * 324},
    ],
    ids=str,
)
def test_a_file_that_does_not_fit_itself_is_refused(
    taught: Normal, tmp_path: Path, change: dict[str, object]
) -> None:
    fields = msgspec.to_builtins(taught, builtin_types=(bytes,)) | change
    (tmp_path / "odd").write_bytes(msgspec.msgpack.encode(fields))
    with pytest.raises(ModelError, match="is not a file of a normal view"):
        normals.read(tmp_path / "odd")


def test_what_cannot_be_written_leaves_the_old_file(taught: Normal, tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"old")
    with pytest.raises(ModelError, match="cannot be written"):
        normals.write(tmp_path / "file" / "normal", taught)
    assert (tmp_path / "file").read_bytes() == b"old"


def test_another_model_or_map_is_refused(taught: Normal, tmp_path: Path) -> None:
    model = paths.bundled_model()
    with pytest.raises(ModelError, match="was taught with another model"):
        normals.check(taught, tmp_path, model)
    same = replace(taught, sha256=normals.sha256_of(model))
    with pytest.raises(ModelError, match="names a map that"):
        normals.check(same, tmp_path, model)


def test_what_was_taught_with_the_model_is_accepted(tmp_path: Path) -> None:
    path = paths.bundled_model()
    chosen = normals.choose_map(layers.find(modelfile.content(path)).maps, path)
    (model,) = tflite.load_alike(ModelConfig(threads=1), layers=[chosen.tensor])
    with model:
        made = learn(shots(place(), 5), model, chosen.tensor, normals.sha256_of(path))
    assert made.shape == chosen.shape
    normals.check(made, tmp_path, path)


def test_the_last_map_with_enough_positions_and_few_channels_is_chosen() -> None:
    maps = [Map(1, (28, 28, 32)), Map(2, (14, 14, 96)), Map(3, (14, 14, 576)), Map(4, (7, 7, 96))]
    assert normals.choose_map(maps, Path("m.tflite")).tensor == 2
    with pytest.raises(ModelError, match=r"m\.tflite has no activation map"):
        normals.choose_map(maps[::3], Path("m.tflite"))


def test_what_is_nested_deeply_is_refused_and_not_followed(tmp_path: Path) -> None:
    path = tmp_path / "nested"
    # A list in a list in a list, as the value of a key that is unknown.
    path.write_bytes(b"\x81\xa1x" + b"\x91" * 5000 + b"\xc0")
    with pytest.raises(ModelError, match="is not a file of a normal view") as refused:
        normals.read(path)
    assert "\n" not in str(refused.value)
