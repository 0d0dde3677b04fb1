"""What is kept beside a model: read as it was written, or refused with one line."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

import numpy as np
import pytest
from msgspec.structs import replace

from edged import paths
from edged.errors import ModelError
from edged.perception import reference
from edged.perception.reference import SHARES, Means, Reference, Rows

MODEL = b"the content of a model"


def example() -> Reference:
    return Reference(
        model="model.tflite",
        sha256=hashlib.sha256(MODEL).hexdigest(),
        data="pictures",
        pictures=100,
        held_out=40,
        layers=(1, 2),
        quantiles=SHARES,
        means=Means(
            centre=bytes(12),
            scale=bytes(12),
            basis=Rows.of(np.eye(2, 3, dtype=np.float32)),
            gain=bytes(8),
            rest_gain=1.0,
            classes=Rows.of(np.ones((2, 3), np.float32)),
        ),
    )


def test_what_was_written_is_read(tmp_path: Path) -> None:
    place = tmp_path / "model.tflite.known"
    size_bytes = reference.write(place, example())
    assert size_bytes == place.stat().st_size
    assert reference.read(place, MODEL) == example()


def test_rows_come_back_to_within_half_a_step() -> None:
    matrix = np.random.Generator(np.random.PCG64(0)).normal(size=(5, 40)).astype(np.float32)
    matrix[3] = 0
    back = Rows.of(matrix).matrix(40)
    step = np.abs(matrix).max(1, keepdims=True) / 127
    assert (np.abs(back - matrix) <= step / 2 + 1e-6).all()


def test_a_file_that_is_cut_anywhere_is_refused(tmp_path: Path) -> None:
    place = tmp_path / "model.tflite.known"
    reference.write(place, example())
    whole = place.read_bytes()
    for end in range(0, len(whole), 7):
        place.write_bytes(whole[:end])
        with pytest.raises(ModelError, match=r"model\.tflite\.known .*: fit it again with edged"):
            reference.read(place, MODEL)


def test_a_file_with_one_changed_byte_is_refused(tmp_path: Path) -> None:
    place = tmp_path / "model.tflite.known"
    reference.write(place, example())
    whole = place.read_bytes()
    for position in range(0, len(whole), 5):
        changed = bytearray(whole)
        changed[position] ^= 0x40
        place.write_bytes(changed)
        with pytest.raises(ModelError):
            reference.read(place, MODEL)


def test_that_of_another_model_is_refused(tmp_path: Path) -> None:
    place = tmp_path / "model.tflite.known"
    reference.write(place, example())
    with pytest.raises(ModelError, match="that of another model than this"):
        reference.read(place, b"another model")


def test_what_is_no_file_is_refused_at_once(tmp_path: Path) -> None:
    place = tmp_path / "model.tflite.known"
    os.mkfifo(place)
    with pytest.raises(ModelError, match="cannot be read"):
        reference.read(place, MODEL)


def test_what_is_too_large_is_not_written_over_what_is_there(tmp_path: Path) -> None:
    place = tmp_path / "model.tflite.known"
    reference.write(place, example())
    before = place.read_bytes()
    with pytest.raises(ModelError, match="over 100000"):
        reference.write(place, replace(example(), data="x" * 100_000))
    assert place.read_bytes() == before


def test_numbers_that_are_not_finite_are_refused() -> None:
    with pytest.raises(ValueError, match="not finite"):
        reference.floats(np.array([1, np.nan], "<f4").tobytes())


def test_the_models_that_come_with_edged_bring_theirs_within_100_kb() -> None:
    shipped = sorted((paths.bundled_model().parent / "known").glob("*.known"))
    assert len(shipped) == 6
    assert max(path.stat().st_size for path in shipped) <= 100_000
    bundled = reference.read(shipped[0], paths.bundled_model().read_bytes())
    assert bundled.means is not None, "make report-unknown"
