"""The tree of errors."""

from __future__ import annotations

from collections.abc import Iterator

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
