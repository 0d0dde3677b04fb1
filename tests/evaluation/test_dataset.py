from __future__ import annotations

import io
import os
import zipfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from edged.errors import PictureError
from edged.evaluation import dataset as datasets
from edged.evaluation.dataset import DataError, Dataset, Example, classes_of, open_dataset
from tests.strangers import close

LABELS = ["background", "tabby, tabby cat", "hot dog", "crane", "crane"]


def picture(level: int = 0) -> bytes:
    data = io.BytesIO()
    Image.fromarray(np.full((4, 4, 3), level, np.uint8)).save(data, "PNG")
    return data.getvalue()


def tree(root: Path, *names: str) -> Path:
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(picture())
    return root


def table(path: Path, text: str) -> Path:
    path.write_text(text, encoding="utf-8")
    return path


def labelled(*labels: str) -> Dataset:
    return Dataset("d", [Example(f"{i}.png", x) for i, x in enumerate(labels)], (), lambda _: b"")


def test_class_folders_label_the_pictures_in_them(tmp_path: Path) -> None:
    found = open_dataset(tree(tmp_path, "dog/b.png", "cat/a.png", "cat/.hidden.png", "cat/x.txt"))
    assert [(e.name, e.label) for e in found.examples] == [
        ("cat/a.png", "cat"),
        ("dog/b.png", "dog"),
    ]
    assert found.read(found.examples[0]) == picture()


def test_names_are_shown_escaped_and_read_as_they_are(tmp_path: Path) -> None:
    tree(tmp_path, os.fsdecode(b"cat/caf\xe9.png"), "cat/\x1b[31m.jfif")
    found = open_dataset(tmp_path)
    assert [e.name for e in found.examples] == [r"cat/\x1b[31m.jfif", r"cat/caf\xe9.png"]
    assert [found.read(e) for e in found.examples] == [picture(), picture()]


def test_a_name_in_an_error_is_escaped(tmp_path: Path) -> None:
    root = tree(tmp_path / os.fsdecode(b"\xe9"), "cat/a.png")
    found = open_dataset(root)
    (root / "cat" / "a.png").unlink()
    with pytest.raises(PictureError) as told:
        found.read(found.examples[0])
    assert str(told.value).startswith(rf"{tmp_path}/\xe9/cat/a.png: No such file")
    assert found.source == rf"{tmp_path}/\xe9"


def test_what_looks_like_a_picture_is_an_example_that_counts(tmp_path: Path) -> None:
    found = open_dataset(tree(tmp_path, "cat/a.heic", "cat/b.jpe", "cat/c.txt", "cat/d.db"))
    assert [e.name for e in found.examples] == ["cat/a.heic", "cat/b.jpe"]


def test_class_folders_may_be_links(tmp_path: Path) -> None:
    tree(tmp_path / "elsewhere", "a.png")
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "cat").symlink_to(tmp_path / "elsewhere")
    (tmp_path / "elsewhere" / "loop").symlink_to(tmp_path / "data")
    found = open_dataset(tmp_path / "data")
    assert [(e.name, e.label) for e in found.examples] == [("cat/a.png", "cat")]


def test_a_closed_class_folder_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tree(tmp_path, "cat/a.png", "dog/b.png")
    close(tmp_path / "dog", monkeypatch)
    found = open_dataset(tmp_path)
    assert [e.name for e in found.examples] == ["cat/a.png"]
    assert list(found.limited(1).closed) == ["dog"]
    assert found.closed["dog"].startswith("permission denied; ")


@pytest.mark.parametrize("name", [".", "dog"])
def test_with_nothing_but_closed_folders_there_is_no_data(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tree(tmp_path, "dog/b.png")
    close(tmp_path / name, monkeypatch)
    with pytest.raises(DataError, match="permission denied"):
        open_dataset(tmp_path)


def test_a_zip_reads_as_the_folder_in_it(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "d.zip", "w") as archive:
        archive.writestr("all/cat/a.png", picture(7))
        archive.writestr("__MACOSX/all/cat/a.png", b"x")
        archive.writestr("all/README", b"x")
    found = open_dataset(tmp_path / "d.zip")
    assert [(e.name, e.label) for e in found.examples] == [("all/cat/a.png", "cat")]
    assert found.read(found.examples[0]) == picture(7)


def test_a_picture_that_swells_when_unpacked_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(datasets, "MAX_PICTURE_BYTES", 1 << 20)
    with zipfile.ZipFile(tmp_path / "bomb.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("cat/a.png", bytes(8 << 20))
    found = open_dataset(tmp_path / "bomb.zip")
    with pytest.raises(PictureError, match="larger than 1 MiB"):
        found.read(found.examples[0])


def test_damage_in_a_zip_is_the_pictures(tmp_path: Path) -> None:
    path = tmp_path / "d.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("cat/a.png", picture())
    content = bytearray(path.read_bytes())
    content[60] ^= 0xFF
    path.write_bytes(content)
    found = open_dataset(path)
    with pytest.raises(PictureError, match="damaged or encrypted"):
        found.read(found.examples[0])


def test_a_table_names_picture_label_and_columns_to_slice_by(tmp_path: Path) -> None:
    tree(tmp_path, "a.png")
    path = table(tmp_path / "t.csv", 'light,File,label\nday,a.png,"tabby, tabby cat"\n\n')
    found = open_dataset(path)
    [example] = found.examples
    assert (example.name, example.label) == ("a.png", "tabby, tabby cat")
    assert example.columns["light"] == "day"
    assert found.columns == ("light", "label")
    assert found.read(example) == picture()


def test_an_index_column_counts_where_it_fits_the_model(tmp_path: Path) -> None:
    rows = "file,label,index5\na.png,crane,4\n"
    found = open_dataset(table(tmp_path / "t.csv", rows))
    assert classes_of(found, LABELS).tolist() == [4]
    with pytest.raises(DataError, match='no label "crane"'):
        classes_of(found, ["cat", "dog"])


def test_an_index_beyond_the_classes_is_refused(tmp_path: Path) -> None:
    found = open_dataset(table(tmp_path / "t.csv", "file,index\na.png,5\n"))
    with pytest.raises(DataError, match=r'a\.png: index is "5", not a class from 0 to 4'):
        classes_of(found, LABELS)


@pytest.mark.parametrize(
    ("label", "index"), [("hot dog", 2), ("HOT DOG", 2), ("hot_dog", 2), ("Tabby Cat", 1)]
)
def test_labels_are_found_by_case_synonym_and_underscore(label: str, index: int) -> None:
    assert classes_of(labelled(label), LABELS).tolist() == [index]


def test_unknown_and_ambiguous_labels_are_all_named_in_one_line() -> None:
    with pytest.raises(DataError) as caught:
        classes_of(labelled("hot dig", "crane", "hot dog"), LABELS)
    message = str(caught.value)
    assert 'no label "hot dig"; did you mean hot dog?' in message
    assert '"crane" matches several classes' in message
    assert "\n" not in message


def test_a_limit_spreads_over_all_pictures() -> None:
    found = labelled(*"abcdefghi").limited(3)
    assert [e.label for e in found.examples] == ["a", "e", "i"]
    assert len(found.limited(None).examples) == len(found.limited(99).examples) == 3


def test_every_nth_picture_and_the_others_are_all_pictures() -> None:
    given = labelled(*"abcdefg")
    some, others = given.every(3, 1), given.without_every(3, 1)
    assert [e.label for e in some.examples] == ["b", "e"]
    assert [e.label for e in others.examples] == ["a", "c", "d", "f", "g"]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "no column named file"),
        ("a,b\n1,2\n", 'no column named file or .*"a", "b"'),
        ("file,light\na.png,day\n", "no column named label"),
        ("file,label\na.png\n", "row 2 has 1 cells, the header 2"),
        ("file,file,label\na,b,c\n", '"file" occurs twice'),
        ("file,label\n,cat\n", "row 2 names no picture"),
        ("file,label\n", "no labelled pictures"),
    ],
)
def test_a_table_that_cannot_be_read_is_refused_in_one_line(
    tmp_path: Path, text: str, said: str
) -> None:
    with pytest.raises(DataError, match=said) as caught:
        open_dataset(table(tmp_path / "t.csv", text))
    assert "\n" not in str(caught.value)


def test_what_is_no_data_is_refused(tmp_path: Path) -> None:
    (tmp_path / "x.zip").write_bytes(b"no zip")
    (tmp_path / "x.csv").write_bytes(b"\xff\xfe\x00")
    (tmp_path / "x.txt").write_bytes(b"")
    for name, said in {
        "x.zip": "not a ZIP archive",
        "x.csv": "not CSV in UTF-8",
        "x.txt": "neither a folder nor",
        "gone": "no such file",
    }.items():
        with pytest.raises(DataError, match=said):
            open_dataset(tmp_path / name)
    with pytest.raises(DataError, match="no labelled pictures"):
        open_dataset(tmp_path)
    with pytest.raises(DataError, match="in no class folder"):
        open_dataset(tree(tmp_path, "a.png"))
