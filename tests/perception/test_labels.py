"""Which class a label means that somebody wrote."""

from __future__ import annotations

from pathlib import Path

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
        ("CAT", 'label "CAT" means several classes: "Cat" (class 2), "cat" (class 3); write one'),
        ("crane", '"crane" (class 4), "crane" (class 5); write one in full, or tell equal ones'),
        ("tabby", '"tabby, tabby cat" (class 1), "tiger cat, tabby" (class 6)'),
        ("tigr cat", 'the model has no label "tigr cat"; did you mean tiger cat?'),
        ("", 'the model has no label ""'),
        ("x\n", 'the model has no label "x\\n"'),
    ],
)
def test_a_label_that_means_none_or_several_is_refused(wanted: str, message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        LabelIndex(LABELS).find(wanted)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_real_list_is_searched_by_its_names(shared_data: Path) -> None:
    labels = (shared_data / "labels/imagenet_labels.txt").read_text().splitlines()
    index = LabelIndex(labels)
    assert labels[index.find("tabby")].startswith("tabby")
    with pytest.raises(ConfigError, match="did you mean"):
        index.find("goldfsh")
