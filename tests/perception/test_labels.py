"""Which class a label means that somebody wrote."""

from __future__ import annotations

from pathlib import Path
from unicodedata import normalize

import pytest

from edged.errors import ConfigError
from edged.perception.labels import LabelIndex

LABELS = ["background", "tabby, tabby cat", "Cat", "cat", "crane", "crane", "tiger cat, tabby"]


@pytest.mark.parametrize(
    ("wanted", "found"),
    [
        ("cat", 3),
        ("Cat", 2),
        ("BACKGROUND", 0),
        (" background ", 0),
        ("tabby cat", 1),
        ("Tiger Cat", 6),
        ("tabby, tabby cat", 1),
        ("Tabby, Tabby Cat", 1),
    ],
)
def test_a_label_is_found_as_written_or_without_case_or_by_one_of_its_names(
    wanted: str, found: int
) -> None:
    index = LabelIndex(LABELS)
    assert index.find(wanted) == found
    assert wanted in index


@pytest.mark.parametrize(
    ("wanted", "message"),
    [
        ("CAT", 'label "CAT" matches several classes: "Cat" (class 2), "cat" (class 3); write one'),
        ("crane", '"crane" (class 4), "crane" (class 5); write one in full, or rename equal ones'),
        ("tabby", '"tabby, tabby cat" (class 1), "tiger cat, tabby" (class 6)'),
        ("tigr cat", 'the model has no label "tigr cat"; did you mean tiger cat?'),
        (
            "tiger",
            'labels with this word: "tiger cat, tabby" (class 6); match = ["tiger"] takes all',
        ),
        ("", 'the model has no label ""'),
        ("x\n", 'the model has no label "x\\n"'),
    ],
)
def test_a_label_that_means_none_or_several_is_refused(wanted: str, message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        LabelIndex(LABELS).find(wanted)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_word_means_every_label_that_has_it_whole() -> None:
    index = LabelIndex(["tabby, tabby cat", "crate", "Tiger Cat", "polecat", "c++ cat"])
    assert index.classes([], ["cat"]) == ({0, 2, 4}, [])
    assert index.classes(["crate"], ["c++", "tiger cat"]) == ({1, 2, 4}, [])


@pytest.mark.parametrize(("label", "wanted"), [("NFC", "NFD"), ("NFD", "NFC")])
def test_a_letter_and_its_accent_may_be_one_character_or_two(label: str, wanted: str) -> None:
    index = LabelIndex([normalize(label, "crème brûlée, dessert"), normalize(label, "caféine")])
    assert index.classes([], [normalize(wanted, "Crème_Brûlée")]) == ({0}, [])
    assert index.find(normalize(wanted, "CRÈME BRÛLÉE")) == 0
    assert index.classes([], ["caf"])[0] == set()
    assert index.classes([], ["cafe"])[0] == set()


@pytest.mark.parametrize("wanted", ["", " ", "-", "_ -"])
def test_what_parts_words_is_in_no_label(wanted: str) -> None:
    found, [wrong] = LabelIndex(["tabby, tabby cat", "ping - pong", " - "]).classes([], [wanted])
    assert found == set()
    assert wrong.startswith("no label of the model has the word ")


def test_each_label_and_word_that_means_nothing_is_told() -> None:
    found, wrong = LabelIndex(LABELS).classes(["cran", "cat"], ["at"])
    assert found == {3}
    assert wrong == [
        'the model has no label "cran"; did you mean crane?',
        'no label of the model has the word "at"',
    ]


def test_of_many_labels_with_a_word_some_are_shown() -> None:
    with pytest.raises(ConfigError) as caught:
        LabelIndex([f"cat {number}" for number in range(30)]).find("cat")
    assert '"cat 7" (class 7) and 22 more; match = ["cat"]' in str(caught.value)


def test_a_real_list_is_searched_by_its_names(shared_data: Path) -> None:
    labels = (shared_data / "labels/imagenet_labels.txt").read_text().splitlines()
    index = LabelIndex(labels)
    assert labels[index.find("tabby")].startswith("tabby")
    with pytest.raises(ConfigError, match="did you mean"):
        index.find("goldfsh")
    cats, _ = index.classes([], ["cat"])
    assert {"tabby, tabby cat", "tiger cat", "Egyptian cat"} <= {labels[i] for i in cats}
    assert not any("crate" in labels[i] for i in cats)
