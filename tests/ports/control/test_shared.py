"""Pictures in shared memory."""

from __future__ import annotations

import mmap
import os
from collections.abc import Iterator
from contextlib import closing

import numpy as np
import pytest

from edged.ports.control.shared import SLOTS, SharedReader, SharedWriter


@pytest.fixture
def writer() -> Iterator[SharedWriter]:
    with closing(SharedWriter(64)) as made:
        yield made


@pytest.fixture
def reader(writer: SharedWriter) -> Iterator[SharedReader]:
    with closing(SharedReader(os.dup(writer.fd), 64)) as made:
        yield made


def picture(level: int, height: int = 48, width: int = 64) -> np.ndarray:
    return np.full((height, width, 3), level, np.uint8)


def test_what_is_put_is_read(writer: SharedWriter, reader: SharedReader) -> None:
    places = [writer.put(picture(level)) for level in range(1, SLOTS + 1)]
    for level, place in enumerate(places, 1):
        found = reader.get(place)
        assert found is not None
        assert np.array_equal(found, picture(level))


def test_a_picture_that_was_written_over_is_none(
    writer: SharedWriter, reader: SharedReader
) -> None:
    first = writer.put(picture(1))
    for level in range(SLOTS):
        writer.put(picture(level))
    assert reader.get(first) is None


@pytest.mark.parametrize(
    ("size", "expected"),
    [((128, 256), (32, 64)), ((256, 128), (64, 32)), ((20, 30), (20, 30)), ((1, 5000), (1, 64))],
)
def test_a_picture_is_made_to_fit(
    writer: SharedWriter,
    reader: SharedReader,
    size: tuple[int, int],
    expected: tuple[int, int],
) -> None:
    place = writer.put(picture(9, *size))
    assert (place.height_px, place.width_px) == expected
    found = reader.get(place)
    assert found is not None
    assert np.array_equal(found, picture(9, *expected))


def test_who_looks_cannot_make_the_memory_shorter(writer: SharedWriter) -> None:
    with pytest.raises(PermissionError):
        os.ftruncate(writer.fd, 0)


def test_who_looks_cannot_write(writer: SharedWriter) -> None:
    with pytest.raises(PermissionError):
        mmap.mmap(writer.fd, mmap.PAGESIZE)


def test_a_place_beyond_the_memory_is_refused(writer: SharedWriter, reader: SharedReader) -> None:
    place = writer.put(picture(1))
    with pytest.raises(ValueError, match="does not fit"):
        reader.get(place._replace(width_px=100_000))
