"""Decided pictures as a training set."""

from __future__ import annotations

import csv
import errno
import os
import zipfile
from datetime import datetime, timezone
from pathlib import Path

import numpy as np
import pytest

from edged.errors import CommandError
from edged.evaluation.dataset import open_dataset
from edged.imaging.picture import decode_picture, jpeg
from edged.messages.review import KeptPicture, Scored
from edged.review.export import COLUMNS, MOST_NAME_BYTES, export, folder_of
from models.recipe.pictures import read_zip
from tests.review.made import names, noise

HOSTILE = [
    "..",
    ".",
    "/etc/passwd",
    "../../x",
    "..\\..\\x",
    "C:\\x",
    "a/b",
    "a\x00b",
    "\u202ecat",
    ".hidden",
    "%2F",
    "trailing. ",
    "é" * 512,
    "\udce9",
    "",
    "\n",
]


def one(number: int, label: str | None = "cat", device: str = "porch") -> KeptPicture:
    return KeptPicture(
        number=number,
        device=device,
        time=datetime(2026, 11, 27, 18, 50, 44, tzinfo=timezone.utc),
        time_synced=True,
        model="m",
        model_sha256="5d" * 32,
        results=[Scored(label="cat", score=0.45), Scored(label="dog", score=0.4)],
        doubt=0.95,
        because="margin",
        known=0.25,
        taught=None,
        verdict=None if label is None else "corrected",
        label=label,
        decided_by=None if label is None else "ann",
        decided=None if label is None else datetime(2026, 11, 28, tzinfo=timezone.utc),
        bytes=1000,
    )


def picture(number: int) -> bytes:
    return jpeg(noise(number), 95)


def test_a_folder_has_a_folder_for_each_label_and_a_table(tmp_path: Path) -> None:
    place = tmp_path / "new" / "set"
    assert export(place, [one(1), one(2, "my fox"), one(3, None)], picture) == 2
    assert names(place) == ["cat", "my fox", "pictures.csv"]
    assert names(place / "my fox") == ["porch-2-20261127T185044.jpg"]
    (_, row) = csv.DictReader((place / "pictures.csv").read_text().splitlines())
    assert row == {
        "file": "my fox/porch-2-20261127T185044.jpg",
        "label": "my fox",
        "verdict": "corrected",
        "decided_by": "ann",
        "decided": "2026-11-28T00:00:00+00:00",
        "device": "porch",
        "number": "2",
        "time": "2026-11-27T18:50:44+00:00",
        "time_synced": "True",
        "model": "m",
        "model_sha256": "5d" * 32,
        "said": "cat",
        "score": "0.45",
        "next": "dog",
        "next_score": "0.4",
        "doubt": "0.95",
        "because": "margin",
        "known": "0.25",
        "taught": "",
    }
    assert set(row) == set(COLUMNS)
    assert names(tmp_path / "new") == ["set"]


@pytest.mark.parametrize("name", ["set", "set.zip", "set/pictures.csv"])
def test_an_evaluation_reads_it(tmp_path: Path, name: str) -> None:
    export(tmp_path / name.partition("/")[0], [one(1), one(2, "my fox")], picture)
    dataset = open_dataset(tmp_path / name)
    assert [example.label for example in dataset.examples] == ["cat", "my fox"]
    pixels = decode_picture(dataset.read(dataset.examples[1]), "x")
    assert (pixels == decode_picture(picture(2), "x")).all()


def test_the_training_reads_it(tmp_path: Path) -> None:
    export(tmp_path / "set.zip", [one(1), one(2, "my fox"), one(3)], picture)
    found = read_zip(tmp_path / "set.zip")
    assert (found.labels, found.classes.tolist()) == (("cat", "my fox"), [0, 0, 1])
    middle = found.pixels[0].astype(int).mean((1, 2))
    assert np.abs(middle - decode_picture(picture(1), "x").mean((0, 1))).max() < 3


@pytest.mark.parametrize("label", HOSTILE)
@pytest.mark.parametrize("name", ["set", "set.zip"])
def test_a_label_leads_nowhere_else(tmp_path: Path, name: str, label: str) -> None:
    place = tmp_path / "in" / name
    place.parent.mkdir()
    export(place, [one(1, label, device=label)], picture)
    assert names(tmp_path) == ["in"]
    assert names(tmp_path / "in") == [name]
    if name == "set.zip":
        with zipfile.ZipFile(place) as archive:
            inside = archive.namelist()
            archive.extractall(tmp_path / "out")
        assert "pictures.csv" in names(tmp_path / "out")
    else:
        inside = [path.relative_to(place).as_posix() for path in place.rglob("*.*")]
    for path in inside:
        parts = path.split("/")
        assert len(parts) <= 2
        assert not any(part.startswith(".") or "\\" in part or ":" in part for part in parts)
    # The table has the label as it is, as far as it is text.
    dataset = open_dataset(place)
    assert len(dataset.examples) == 1


def test_no_two_labels_share_a_folder() -> None:
    assert len({folder_of(label) for label in HOSTILE}) == len(HOSTILE)
    long = ["x" * 500 + "a", "x" * 500 + "b"]
    assert len({folder_of(label) for label in long}) == 2
    assert all(len(folder_of(label).encode()) <= MOST_NAME_BYTES for label in (*HOSTILE, *long))
    assert [folder_of(label) for label in ("cat", "tabby, tabby cat", "Füchsin")] == [
        "cat",
        "tabby, tabby cat",
        "Füchsin",
    ]


def test_what_is_there_is_not_overwritten(tmp_path: Path) -> None:
    (tmp_path / "set").mkdir()
    export(tmp_path / "set", [one(1)], picture)
    for name in ("set", "set/pictures.csv"):
        with pytest.raises(CommandError, match="exists already; name a new folder, or a"):
            export(tmp_path / name, [one(2)], picture)
    (tmp_path / "link").symlink_to(tmp_path / "nowhere")
    with pytest.raises(CommandError, match="exists already"):
        export(tmp_path / "link", [one(2)], picture)
    assert names(tmp_path) == ["link", "set"]


@pytest.mark.parametrize("name", ["set", "set.zip"])
def test_nothing_is_left_of_an_export_that_fails(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    def gone(number: int) -> bytes:
        if number == 2:
            raise CommandError("picture 2 is not kept")
        return picture(number)

    with pytest.raises(CommandError, match="picture 2 is not kept"):
        export(tmp_path / name, [one(1), one(2)], gone)
    assert names(tmp_path) == []

    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    monkeypatch.setattr(Path, "write_bytes", full)
    with pytest.raises(CommandError, match=f"{name}: cannot be written: No space left on device"):
        export(tmp_path / name, [one(1)], picture)
    assert names(tmp_path) == []


def test_where_nothing_was_decided_nothing_is_exported(tmp_path: Path) -> None:
    with pytest.raises(CommandError, match="nothing to export: accept or correct"):
        export(tmp_path / "set", [one(1, None)], picture)
