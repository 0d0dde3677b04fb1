from __future__ import annotations

import fcntl
import hashlib
import io
import os
import tarfile
from collections.abc import Mapping
from pathlib import Path

import pytest

from edged.errors import ModelError
from edged.models import catalog, pins
from edged.models.catalog import Catalog, Labels, Model
from edged.models.fetch import fetch
from edged.models.transfer import TransferError
from tests.models.server import Server

MODEL = b"the model" * 5000
LABELS = b"background\ncat\ndog\n"


def sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def silent(have: int, total: int) -> None:
    pass


def archive(files: Mapping[str, bytes]) -> bytes:
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz") as tar:
        for name, data in files.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(data)
            tar.addfile(entry, io.BytesIO(data))
    return packed.getvalue()


@pytest.fixture
def target(tmp_path: Path) -> Path:
    return tmp_path / "models"


@pytest.fixture(autouse=True)
def known(server: Server, monkeypatch: pytest.MonkeyPatch) -> Catalog:
    server.files = {
        "known.tflite": MODEL,
        "new.tflite": MODEL,
        "cat.tflite": MODEL,
        "labels.txt": LABELS,
        "packed.tgz": archive({"folder/notes": b"x", "folder/inner.tflite": MODEL}),
    }

    def model(name: str, file: str, **more: object) -> Model:
        facts = {"about": "", "licence": "", "source": "", "input": "", "labels": "all"}
        return Model(name=name, url=server.url(file), **{**facts, **more})

    labels = server.url("labels.txt")
    made = Catalog(
        sources={},
        bundled=catalog.load().bundled,
        labels={
            "all": Labels(labels, sha256=sha256(LABELS)),
            "rest": Labels(labels, sha256=sha256(LABELS), skip_first=True),
            "lines": Labels(lines=["no cat", "cat"]),
        },
        model=[
            model("known", "known.tflite", bytes=len(MODEL), sha256=sha256(MODEL)),
            model("new", "new.tflite", labels="rest"),
            model("packed", "packed.tgz", member="inner.tflite"),
            model("cat_96_int8", "cat.tflite", labels="lines", aliases=["cat"]),
        ],
    )
    monkeypatch.setattr(catalog, "load", lambda: made)
    return made


def test_a_model_comes_with_its_labels(target: Path) -> None:
    path = fetch("known", target, "", silent)
    assert path == target / "known.tflite"
    assert path.read_bytes() == MODEL
    assert (target / "known.txt").read_bytes() == LABELS
    assert sorted(file.name for file in target.iterdir()) == ["known.tflite", "known.txt"]


def test_labels_without_background_lack_the_first_line(target: Path) -> None:
    fetch("new", target, "", silent)
    assert (target / "new.txt").read_bytes() == b"cat\ndog\n"


def test_labels_that_have_no_file_are_written_from_the_catalog(target: Path) -> None:
    fetch("cat_96_int8", target, "", silent)
    assert (target / "cat_96_int8.txt").read_bytes() == b"no cat\ncat\n"


def test_an_alias_brings_the_model_under_its_own_name(server: Server, target: Path) -> None:
    path = fetch("cat", target, "", silent)
    assert path == target / "cat_96_int8.tflite"
    assert path.read_bytes() == MODEL
    assert pins.expected(path)[0] == sha256(MODEL)
    server.seen.clear()
    assert (fetch("cat", target, "", silent), server.seen) == (path, [])


def test_an_alias_that_is_the_name_of_a_model_here_is_not_fetched(
    server: Server, target: Path
) -> None:
    target.mkdir()
    (target / "cat.tflite").write_bytes(b"mine")
    with pytest.raises(ModelError, match=r"cat is .*cat\.tflite here: .* use cat_96_int8$"):
        fetch("cat", target, "", silent)
    assert server.seen == []
    assert fetch("cat_96_int8", target, "", silent).read_bytes() == MODEL


def test_a_model_that_is_here_is_not_fetched_again(server: Server, target: Path) -> None:
    for name in ("known", "new"):
        fetch(name, target, "", silent)
    server.seen.clear()
    for name in ("known", "new"):
        fetch(name, target, "", silent)
    assert server.seen == []


def test_another_file_than_the_catalogs_is_refused_and_leaves_nothing(
    server: Server, target: Path
) -> None:
    server.files["known.tflite"] = MODEL[::-1]
    with pytest.raises(ModelError, match="SHA-256"):
        fetch("known", target, "", silent)
    assert [file.name for file in target.iterdir() if not file.name.startswith(".")] == [
        "known.txt"
    ]
    assert not list(target.glob(".*.part*"))


def test_a_damaged_model_is_replaced(target: Path) -> None:
    path = fetch("known", target, "", silent)
    path.write_bytes(b"bit rot")
    assert fetch("known", target, "", silent).read_bytes() == MODEL


def test_the_first_fetch_pins_what_nobody_has_checked(server: Server, target: Path) -> None:
    path = fetch("new", target, "", silent)
    assert pins.expected(path) == (sha256(MODEL), "pins.json")
    path.unlink()
    server.files["new.tflite"] = MODEL[::-1]
    with pytest.raises(ModelError, match="SHA-256"):
        fetch("new", target, "", silent)
    assert not path.exists()


def test_a_model_is_taken_out_of_its_archive(target: Path) -> None:
    path = fetch("packed", target, "", silent)
    assert path.read_bytes() == MODEL
    assert pins.expected(path)[0] == sha256(MODEL)
    assert sorted(file.name for file in target.iterdir()) == [
        "packed.tflite",
        "packed.txt",
        "pins.json",
    ]


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"no archive", "damaged"),
        (archive({"inner.tflite": MODEL})[:-3000], "damaged"),
        (archive({"other.tflite": MODEL}), "holds no inner"),
    ],
)
def test_an_archive_without_the_model_is_refused(
    content: bytes, says: str, server: Server, target: Path
) -> None:
    server.files["packed.tgz"] = content
    with pytest.raises(ModelError, match=says):
        fetch("packed", target, "", silent)
    assert not (target / "packed.tflite").exists()


def test_a_link_in_an_archive_leads_nowhere(server: Server, target: Path) -> None:
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz") as tar:
        entry = tarfile.TarInfo("inner.tflite")
        entry.type, entry.linkname = tarfile.SYMTYPE, "/etc/passwd"
        tar.addfile(entry)
    server.files["packed.tgz"] = packed.getvalue()
    with pytest.raises(ModelError, match="holds no"):
        fetch("packed", target, "", silent)


def test_offline_it_says_what_to_copy_where(server: Server, target: Path) -> None:
    del server.files["labels.txt"]
    with pytest.raises(TransferError) as caught:
        fetch("known", target, "", silent)
    said = str(caught.value)
    for part in (
        server.url("known.tflite"),
        sha256(MODEL),
        str(target / "known.tflite"),
        server.url("labels.txt"),
        str(target / "known.txt"),
    ):
        assert part in said
    assert "\n" not in said


def test_offline_labels_of_the_catalog_are_no_file_to_copy(server: Server, target: Path) -> None:
    del server.files["cat.tflite"]
    with pytest.raises(TransferError) as caught:
        fetch("cat", target, "", silent)
    assert f"{server.url('cat.tflite')} to {target / 'cat_96_int8.tflite'}, or" in str(caught.value)
    assert (target / "cat_96_int8.txt").exists()


def test_offline_an_archive_is_named_with_what_to_take_from_it(
    server: Server, target: Path
) -> None:
    del server.files["packed.tgz"]
    with pytest.raises(TransferError, match=r"inner\.tflite from http.*packed\.tgz"):
        fetch("packed", target, "", silent)


def test_what_was_copied_by_hand_is_taken_as_it_is(server: Server, target: Path) -> None:
    target.mkdir()
    (target / "known.tflite").write_bytes(MODEL)
    (target / "known.txt").write_bytes(LABELS)
    fetch("known", target, "", silent)
    assert server.seen == []


def test_a_mirror_takes_the_place_of_the_servers(
    known: Catalog, server: Server, target: Path
) -> None:
    server.files |= {"mirrored": b""}
    fetch("known", target, f"{server.address}/mirror/", silent)
    assert (target / "known.tflite").read_bytes() == MODEL


def test_a_directory_takes_the_place_of_the_servers(
    server: Server, target: Path, tmp_path: Path
) -> None:
    origin = tmp_path / "usb stick"
    origin.mkdir()
    (origin / "known.tflite").write_bytes(MODEL)
    (origin / "labels.txt").write_bytes(LABELS)
    fetch("known", target, str(origin), silent)
    assert (target / "known.tflite").read_bytes() == MODEL
    assert server.seen == []


@pytest.mark.parametrize("origin", ["{stick}", "{server}/mirror"])
def test_a_mirror_of_a_model_whose_labels_are_in_the_catalog_holds_the_model_only(
    origin: str, server: Server, target: Path, tmp_path: Path
) -> None:
    (tmp_path / "cat.tflite").write_bytes(MODEL)
    server.files = {"cat.tflite": MODEL}
    fetch("cat", target, origin.format(stick=tmp_path, server=server.address), silent)
    assert (target / "cat_96_int8.tflite").read_bytes() == MODEL
    assert (target / "cat_96_int8.txt").read_bytes() == b"no cat\ncat\n"


@pytest.mark.parametrize("wrong", ["known.tflite", "labels.txt"])
def test_a_file_of_a_directory_that_is_another_is_named(
    wrong: str, target: Path, tmp_path: Path
) -> None:
    origin = tmp_path / "stick"
    origin.mkdir()
    (origin / "known.tflite").write_bytes(MODEL)
    (origin / "labels.txt").write_bytes(LABELS)
    (origin / wrong).write_bytes(bytes(10))
    with pytest.raises(ModelError, match=f"^{origin}/{wrong}: SHA-256 is "):
        fetch("known", target, str(origin), silent)


def test_an_archive_of_a_directory_is_named(target: Path, tmp_path: Path) -> None:
    origin = tmp_path / "stick"
    origin.mkdir()
    (origin / "labels.txt").write_bytes(LABELS)
    (origin / "packed.tgz").write_bytes(b"no archive")
    with pytest.raises(ModelError, match=f"^{origin}/packed.tgz: the archive is damaged"):
        fetch("packed", target, str(origin), silent)


def test_an_absent_file_in_a_directory_is_named(target: Path, tmp_path: Path) -> None:
    with pytest.raises(TransferError, match=r"labels\.txt cannot be read .* another mirror"):
        fetch("known", target, str(tmp_path), silent)


def test_two_fetches_into_one_directory_do_not_mix(target: Path) -> None:
    target.mkdir()
    held = os.open(target, os.O_RDONLY)
    fcntl.flock(held, fcntl.LOCK_EX)
    with pytest.raises(ModelError, match="another process"):
        fetch("known", target, "", silent)
    os.close(held)
    assert fetch("known", target, "", silent).exists()


def test_a_directory_that_cannot_be_is_said(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(TransferError, match="--dir"):
        fetch("known", tmp_path / "file", "", silent)


def test_what_is_not_in_the_catalog_is_said_with_what_was_meant(target: Path) -> None:
    with pytest.raises(ModelError, match="did you mean known"):
        fetch("knwon", target, "", silent)
