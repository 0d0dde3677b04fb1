"""Names as people may see them."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edged.printable import printable


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        (b"plain name.jpg", "plain name.jpg"),
        ("Käfer 猫\u3000🐈.jpg".encode(), "Käfer 猫\u3000🐈.jpg"),
        (b"caf\xe9.jpg", r"caf\xe9.jpg"),
        (b"a\x1b[31mb\nc\x7f.jpg", r"a\x1b[31mb\nc\x7f.jpg"),
        ("a\u009b31m\u2028\u202egpj.exe".encode(), r"a\x9b31m\u2028\u202egpj.exe"),
        ("می\u200cخواهم.jpg".encode(), "می\u200cخواهم.jpg"),
    ],
)
def test_what_cannot_be_seen_is_escaped_and_all_else_stays(name: bytes, shown: str) -> None:
    assert printable(os.fsdecode(name)) == shown
    assert printable(Path(os.fsdecode(name))) == shown


@given(name=st.binary(max_size=20))
def test_any_name_becomes_one_line_of_utf8_once_and_for_all(name: bytes) -> None:
    shown = printable(os.fsdecode(name))

    assert shown.encode().decode() == shown
    assert len(f"{shown}.".splitlines()) == 1
    assert printable(shown) == shown
