"""Label files in all forms that training tools write, and what is wrong with a wrong one."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from edged.errors import ModelError
from edged.inference import labels

CATS = ("cat", "dog", "bird")


def parsed(text: str) -> tuple[str, ...]:
    return labels.parse(text.encode(), "labels.txt")


def refusal(content: bytes) -> str:
    with pytest.raises(ModelError) as raised:
        labels.parse(content, "labels.txt")
    message = str(raised.value)
    assert "labels.txt" in message
    assert "\n" not in message
    return message


@pytest.mark.parametrize(
    "text",
    [
        "cat\ndog\nbird\n",
        "cat\r\ndog\r\nbird",
        "\ufeffcat\ndog\nbird\n\n\n",
        "  cat\ndog  \nbird",
        "0 cat\n1 dog\n2 bird\n",
        "0: cat\n1: dog\n2: bird\n",
        "0:cat\n1:dog\n2:bird\n",
        "0\tcat\n1\tdog\n2\tbird\n",
        "0  cat\n\n1  dog\n2  bird\n",
        "2 bird\n0 cat\n1 dog\n",
        "0,cat\n1,dog\n2,bird\n",
        '0,"cat"\n1,"dog"\n2,"bird"\n',
        "index,label\n0,cat\n1,dog\n2,bird\n",
        "id,name\n2,bird\n1,dog\n0,cat\n",
        "Name,Index\ncat,0\ndog,1\nbird,2\n",
        "index,mid,display_name\n0,/m/1,cat\n1,/m/2,dog\n2,/m/3,bird\n",
        "label\ncat\ndog\nbird\n",
        'label,colour\ncat,"black, white"\ndog,brown\nbird,blue\n',
    ],
)
def test_every_form_gives_the_labels_in_the_order_of_classes(text: str) -> None:
    assert parsed(text) == CATS


@pytest.mark.parametrize(
    "lines",
    [
        ["7 up", "cola", "water"],
        ["3d printer", "2d plotter"],
        ["1 euro", "2 euro", "50 cent"],
        ["tench, Tinca tinca", "goldfish, Carassius auratus"],
        ["1, 2 buckle my shoe", "three: four"],
        ["100"],
        ["name", "address", "date"],
    ],
)
def test_plain_labels_that_look_like_something_else_stay_as_they_are(lines: list[str]) -> None:
    assert parsed("\n".join(lines)) == tuple(lines)


def test_a_label_after_an_index_may_hold_commas_and_digits() -> None:
    assert parsed('0,tench, Tinca tinca\n1,"crane, bird"\n2,7 up') == (
        "tench, Tinca tinca",
        "crane, bird",
        "7 up",
    )


def test_two_classes_may_have_the_same_label() -> None:
    assert parsed("crane\ncrane\n") == ("crane", "crane")


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", "empty"),
        ("\n \n", "empty"),
        ("cat\n\ndog\n", "line 2 is empty"),
        ("0: cat\n0: dog\n", "line 2 repeats index 0"),
        ("0 cat\n1 dog\n3 bird\n", "line 3 has index 3"),
        ("1: cat\n2: dog\n", "line 2 has index 2"),
        ("index,label\n0,cat\n0,dog\n", "line 3 repeats index 0"),
        ("index,label\n0\n", "line 2 has no label"),
        ("index,label\n0,tench, Tinca tinca\n", "line 2 has no label"),
        ("index,label\nzero,cat\n", "line 2: 'zero' is not an index"),
        ("index,label\n", "header only"),
        ("cat\nd\x1b[31mog\n", "line 2 is not a line of text"),
        ("cat\n" + "x" * 5000, "line 2 is not a line of text"),
    ],
)
def test_a_wrong_file_is_refused_with_the_line(text: str, told: str) -> None:
    assert told in refusal(text.encode())


def test_what_is_not_utf_8_is_refused() -> None:
    assert "UTF-8" in refusal("Bär\n".encode("latin-1"))
    assert "line 1 is not a line of text" in refusal(b"\x00\x01\x02")


def test_a_file_that_is_absent_or_endless_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"none\.txt cannot be read: No such file"):
        labels.load(tmp_path / "none.txt")
    long = tmp_path / "long.txt"
    long.write_bytes(b"cat\n" * (labels.MAX_BYTES // 4 + 1))
    with pytest.raises(ModelError, match="bytes"):
        labels.load(long)


@pytest.mark.parametrize(
    ("name", "count", "first", "last"),
    [
        ("imagenet", 1001, "background", "toilet tissue, toilet paper, bathroom tissue"),
        ("inat_bird", 965, "Haemorhous cassinii (Cassin's Finch)", "background"),
        ("inat_insect", 1022, "Nicrophorus tomentosus (Tomentose Burying Beetle)", "background"),
    ],
)
def test_published_lists_are_read_whole(
    shared_data: Path, name: str, count: int, first: str, last: str
) -> None:
    found = labels.load(shared_data / "labels" / f"{name}_labels.txt")
    assert (len(found), found[0], found[-1]) == (count, first, last)


def test_a_fifo_is_refused_at_once(tmp_path: Path) -> None:
    path = tmp_path / "labels.txt"
    os.mkfifo(path)
    with pytest.raises(ModelError, match="no regular file"):
        labels.load(path)
