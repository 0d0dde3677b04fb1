"""An error's line becomes what is wrong, and what to do."""

from __future__ import annotations

import pytest

from edged.doctor.remedy import parted


@pytest.mark.parametrize(
    ("line", "parts"),
    [
        ("a: broken; replace it", ("a: broken", "replace it")),
        ("a: broken; outputs are off; replace it", ("a: broken; outputs are off", "replace it")),
        ("a: broken", ("a: broken", "")),
        ("", ("", "")),
    ],
)
def test_the_remedy_is_behind_the_last_semicolon(line: str, parts: tuple[str, str]) -> None:
    assert parted(line) == parts
