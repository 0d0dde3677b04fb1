"""Label files in all forms that training tools write, and what is wrong with a wrong one."""

from __future__ import annotations

import json

import pytest

from edged.errors import ModelError
from edged.inference import labelmap
from edged.printable import printable

CATS = ("cat", "dog", "bird")


def parsed(text: str) -> tuple[str, ...]:
    return labelmap.parse(text.encode(), "labels.txt")


def refusal(content: bytes) -> str:
    with pytest.raises(ModelError) as raised:
        labelmap.parse(content, "labels.txt")
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
        "ClassId,Name\n2,bird\n0,cat\n1,dog\n",
        "ClassId,SignName\n1,dog\n0,cat\n2,bird\n",
        "class,label\n2,bird\n0,cat\n1,dog\n",
        "Label,Class Name\n1,dog\n0,cat\n2,bird\n",
        "class_id,display-name,name\n1,dog,Canis\n0,cat,Felis\n2,bird,Aves\n",
        "index,scientific name,common name\n1,Canis,dog\n0,Felis,cat\n2,Aves,bird\n",
        "nummer,tier\n2,bird\n0,cat\n1,dog\n",
        ",species\n2,bird\n0,cat\n1,dog\n",
        "id,name\n,\n2,bird\n0,cat\n1,dog\n",
        "id,class,name\n17,2,bird\n4,0,cat\n9,1,dog\n",
        "Index\tLabel\n2\tbird\n0\tcat\n1\tdog\n",
        "Name;Number\nbird;2\ncat;0\ndog;1\n",
        "2;bird\n0;cat\n1;dog\n",
        "bird,2\ncat,0\ndog,1\n",
        "0,cat,2361\n1,dog,17\n2,bird,395\n",
        "0 n02121808 cat\n1 n02084071 dog\n2 n01503061 bird\n",
        "n02121808 cat\nn02084071 dog\nn01503061 bird\n",
        "bird: 2\ncat: 0\ndog: 1\n",
        "id name\n2 bird\n0 cat\n1 dog\n",
        "cat,\ndog,\nbird,\n",
        ",0\n0,cat\n1,dog\n2,bird\n",
        "- cat\n- dog\n- bird\n",
        "2 => bird\n0 => cat\n1 => dog\n",
        "2 -> bird\n0 -> cat\n1 -> dog\n",
        "cat -> 0\nbird -> 2\ndog -> 1\n",
        "2 ~ bird\n0 ~ cat\n1 ~ dog\n",
        "(2) bird\n(0) cat\n(1) dog\n",
        "[2] bird\n[0] cat\n[1] dog\n",
        "#2 bird\n#0 cat\n#1 dog\n",
        "2.0,bird\n0.0,cat\n1.0,dog\n",
        "2.0e+00,bird\n0.0e+00,cat\n1.0e+00,dog\n",
        "label,place\nbird,2.0\ncat,0.0\ndog,1.0\n",
        "0) cat\n1) dog\n2) bird\n",
        '"cat"\n"dog"\n"bird"\n',
        '["cat", "dog", "bird"]',
        '{"2": "bird", "0": "cat", "1": "dog"}',
        '{"bird": 2, "cat": 0, "dog": 1}',
        '{"0": ["n02121808", "cat"], "1": ["n02084071", "dog"], "2": ["n01503061", "bird"]}',
        '{"made": "today", "labels": ["cat", "dog", "bird"]}',
        '{"id2label": {"0": "cat", "1": "dog", "2": "bird"}, "label2id": '
        '{"cat": 0, "dog": 1, "bird": 2}}',
        '[{"id": 2, "name": "bird"}, {"id": 0, "name": "cat"}, {"id": 1, "name": "dog"}]',
        '{"0": {"name": "cat"}, "1": {"name": "dog"}, "2": {"name": "bird"}}',
        "{2: 'bird', 0: 'cat', 1: 'dog'}",
        "item {\n  id: 2\n  name: 'bird'\n}\nitem { id: 0 name: 'cat' }\n"
        '# the next\nitem { name: "/m/1" id: 1 display_name: "dog" }\n',
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
        ["1 star", "2 star", "3 star"],
        ["Boeing 737, 1967", "Airbus, 1988"],
        ["no sign", "stop sign"],
        ["Class 1", "Class 2"],
        ["[background]", "cat"],
        ["0 people", "1 people", "2 people"],
        ["0: people", "1: people"],
        ["0,people", "1,people"],
        ["0 people", "1 person", "2 people"],
        ["2 degrees", "0 degrees", "1 degrees"],
        ["Class 2", "Class 0", "Class 1"],
        ["0,5 l", "1,5 l", "2,25 l"],
        ["0,5 l", "0,7 l", "1,5 l"],
        ["0.5 l", "1.25 l"],
        ["001.Albatross", "002.Auklet"],
        ["cat 0", "dog 1"],
        ["MP3 player 4", "iPhone 1"],
    ],
)
def test_plain_labels_that_look_like_something_else_stay_as_they_are(lines: list[str]) -> None:
    assert parsed("\n".join(lines)) == tuple(lines)


@pytest.mark.parametrize(
    "text",
    [
        "cat 2\ndog 0\nelk 1\n",
        "2_C\n0_A\n1_B\n",
        "2-C\n0-A\n1-B\n",
        "2.C\n0.A\n1.B\n",
        "02_C\n00_A\n01_B\n",
        "cat (2)\ndog (0)\nelk (1)\n",
        "cat_2\ndog_0\nelk_1\n",
        "class 2: C\nclass 0: A\nclass 1: B\n",
        "all\n2_C\n0_A\n1_B\n",
        "2: C\n0: A\n1: B\nall\n",
        "\uff12 C\n\uff10 A\n\uff11 B\n",
        "5_E\n1_A\n2_B\n3_C\n",
        "label\n2_C\n0_A\n1_B\n",
        "name,colour\n2_C,red\n0_A,red\n1_B,blue\n",
    ],
)
def test_numbers_that_would_give_the_labels_another_order_are_refused(text: str) -> None:
    message = refusal(text.encode())
    assert "are in another order than its labels" in message
    assert "'0: cat'" in message
    assert "JSON list" in message


def test_quotes_and_a_json_list_keep_numbers_in_any_order() -> None:
    assert parsed('"2_C"\n"0_A"\n"1_B"\n') == ("2_C", "0_A", "1_B")
    assert parsed('["2_C", "0_A", "1_B"]') == ("2_C", "0_A", "1_B")


def test_few_labels_of_many_may_be_alike_without_their_index() -> None:
    names = [f"kind {chr(97 + i)}" for i in range(18)] + ["crane", "crane"]
    lines = [f"{i} {name}" for i, name in enumerate(names)]
    assert parsed("\n".join(lines)) == tuple(names)
    assert parsed("\n".join(reversed(lines))) == tuple(names)


def test_escapes_in_a_label_map_are_characters() -> None:
    text = r"""item { id: 0 name: 'Sch\303\244fer' } item { id: 1 name: "\xc3\xa4\u00e4\"" 'b' }"""
    assert parsed(text) == ("Sch\u00e4fer", '\u00e4\u00e4"b')


@pytest.mark.parametrize(
    "character", ["\u202e", "\u2066", "\u200b", "\u200f", "\xad", "\u2028", "\ufeff", "\x7f"]
)
def test_a_character_that_cannot_be_seen_is_refused_by_its_number(character: str) -> None:
    assert f"remove {printable(character)} from it" in refusal(f"cat\nd{character}og".encode())
    listed = json.dumps(["cat", f"d{character}og"])
    assert f"class 1 has no line of text: remove {printable(character)}" in refusal(listed.encode())


def test_joiners_of_scripts_stay() -> None:
    assert parsed("\u0645\u06cc\u200c\u062e\u0648\u0627\u0647\u0645\ncat") == (
        "\u0645\u06cc\u200c\u062e\u0648\u0627\u0647\u0645",
        "cat",
    )


def test_a_label_after_an_index_may_hold_commas_and_digits() -> None:
    assert parsed('0,tench, Tinca tinca\n1,"crane, bird"\n2,7 up') == (
        "tench, Tinca tinca",
        "crane, bird",
        "7 up",
    )
    assert parsed("0 \u00c9 x\n1 B\n") == ("\u00c9 x", "B")


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
        ("0 cat\n1 dog\n2 \n", "line 3 is not an index and a label"),
        ("0: cat\n1: dog\nbird\n", "line 3 is not an index and a label"),
        ("2: cat\n3: dog\n", "line 1 has index 2"),
        ("ClassId,Name\n0,cat\n2,dog\n", "line 3 has index 2"),
        ("0,cat\n2,dog\n", "line 2 has index 2"),
        ("label,count\ncat,120\ndog,80\n", "column count are not the indices 0 to 1"),
        ("0,7\n1,3\n", "no column of labels"),
        ("label,name\nx,cat\ny,dog\n", "columns label and name could both be the labels"),
        ("cat,felis\ndog,canis\n", "columns 1 and 2 could both be the labels"),
        ("id,class,name\n0,1,dog\n1,0,cat\n", "columns id and class could both be the indices"),
        ("filename,label\na.jpg,cat\nb.jpg,dog\n", "table of pictures"),
        ("name,colour\ncat,red\ncat,blue\n", "a label occurs twice"),
        ("cat,dog,bird", "one line only"),
        ('{"0": "cat", "0": "dog"}', "'0' occurs twice"),
        ('{"0": "cat", "2": "dog"}', "entry 2 has index 2"),
        ('{"cat": "felis"}', "entry 1 ('cat') is not a label with its index"),
        ('{"0": 1, "1": 0}', "entry 1 ('0') is not a label with its index"),
        ('{"labels": ["cat", "dog"], "names": ["dog", "cat"]}', "have other labels"),
        ('["cat", ["dog"]]', "its entries are not all labels"),
        ('["cat", "d\\u001bog"]', "class 1 has no line of text"),
        ('["cat", "d\\ud800og"]', "class 1 has no line of text"),
        ("2 crane\n0 tench\n1 crane\n", "unclear whether its numbers, such as in '2 crane'"),
        ("2: 0\n0: 1\n1: 2\n", "both numbers in '2: 0' could be the index"),
        ("2 0\n0 1\n1 2\n", "both numbers in '2 0' could be the index"),
        ("cat: 2\ndog: 0\nbird: 3\n", "line 3 has index 3"),
        ("-1,all\n0,cat\n1,dog\n", "line 1 has index -1"),
        ("id,name\n1,dog\n-1,all\n0,cat\n", "line 3 has index -1"),
        ("(0) cat\n(1) dog\n(3) bird\n", "line 3 has index 3"),
        ("names:\n  0: cat\n  1: dog\n", "line 1 is not an index and a label"),
        ("[labels]\n1=cat\n0=dog\n", "line 1 is not an index and a label"),
        ("item { id: 0x1 name: 'cat' }", "item 1 has no id"),
        ("item { id: 0 id: 1 name: 'cat' }", "item 1 has two fields id"),
        ("item { id: 0 name: 'cat' item { id: 1 name: 'dog' }", "a brace is missing in item 1"),
        (r"item { id: 0 name: 'B\344r' }", "the name in item 1 is not UTF-8"),
        ('{"0": "cat" "1": "dog"}', "is not JSON"),
        ("{}", "is empty"),
        ("item { name: 'cat' }", "item 1 has no id"),
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


@pytest.mark.parametrize(
    "text",
    [
        "1,cat\n2,dog\n3,bird\n",
        "3: bird\n1: cat\n2: dog\n",
        "1 cat\n2 dog\n3 bird\n",
        "id,name\n3,bird\n1,cat\n2,dog\n",
        '{"1": "cat", "2": "dog", "3": "bird"}',
        "item { id: 1 name: 'cat' } item { id: 2 name: 'dog' } item { id: 3 name: 'bird' }",
    ],
)
def test_indices_from_1_are_taken_and_that_is_said(
    text: str, caplog: pytest.LogCaptureFixture
) -> None:
    assert parsed(text) == CATS
    assert "labels labels.txt: its indices start at 1" in caplog.text


def test_a_quote_alone_is_no_label() -> None:
    with pytest.raises(ModelError, match="class 0 has no line of text: give it one"):
        labelmap.parse(b'0::"\n', "labels.txt")
