"""The tree of errors."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from edged import errors
from edged.errors import EdgedError, PictureError


def kinds(kind: type[EdgedError] = EdgedError) -> Iterator[type[EdgedError]]:
    for inner in kind.__subclasses__():
        if inner.__module__ == errors.__name__:
            yield inner
            yield from kinds(inner)


@pytest.mark.parametrize("kind", [EdgedError, *kinds()])
def test_no_error_has_a_secret_in_its_message(kind: type[EdgedError]) -> None:
    said = "rtsp://ann:hush@porch/x: Authorization: Bearer hush"
    error = PictureError("x.jpg", said) if kind is PictureError else kind(said)
    assert "hush" not in str(error)
    assert "porch" in str(error)


def test_whoever_decodes_what_may_be_hostile_expects_that_it_is_nested_deeply() -> None:
    """A decoder raises RecursionError then, which is not one of its own errors."""
    package = Path(errors.__file__).parent
    handlers = [
        f"{path.name}: {handler}"
        for path in package.rglob("*.py")
        for handler in re.findall(r"except (\([^)]*\)|[\w.]+)(?= as|:)", path.read_text())
        if re.search(r"msgspec\.(DecodeError|MsgspecError)", handler)
    ]
    assert len(handlers) > 20
    # Its own child, or a constant of the package.
    trusted = ("probe.py",)
    assert [
        one for one in handlers if "RecursionError" not in one and not one.startswith(trusted)
    ] == []
