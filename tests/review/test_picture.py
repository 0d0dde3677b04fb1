"""The file of a kept frame."""

from __future__ import annotations

import io

import msgspec
import pytest
from PIL import Image

from edged.imaging.picture import decode_picture, jpeg
from edged.review.picture import MAGIC, Decision, packed, parsed
from tests.review.made import kept, noise

JPEG = jpeg(noise(1), 90)


def test_a_file_is_a_picture_for_any_viewer_and_says_where_it_is_from() -> None:
    told = kept(decision=Decision("corrected", "Füchsin/…", "ann", 5.0))
    content = packed(told, JPEG)
    assert parsed(content) == (told, JPEG)
    with Image.open(io.BytesIO(content)) as picture:
        assert picture.size == (64, 48)
        picture.load()
    assert (decode_picture(content, "x") == decode_picture(JPEG, "x")).all()


@pytest.mark.parametrize("cut", [0, 1, 3, 5, 30, 200, len(JPEG) // 2])
def test_a_torn_file_is_found_out(cut: int) -> None:
    content = packed(kept(), JPEG)
    with pytest.raises(ValueError, match=r"damaged|not a picture that edged kept"):
        parsed(content[:cut])


@pytest.mark.parametrize("place", [0, 3, 5, 10, 40, 100, 500, -1])
def test_a_changed_byte_is_found_out(place: int) -> None:
    content = bytearray(packed(kept(), JPEG))
    content[place] ^= 1
    with pytest.raises(ValueError, match=r"damaged|not a picture that edged kept|another version"):
        parsed(bytes(content))


def test_another_picture_is_none_that_edged_kept() -> None:
    with pytest.raises(ValueError, match="not a picture that edged kept"):
        parsed(JPEG)


@pytest.mark.parametrize(
    "fields",
    [{"best": ()}, {"best": (("cat", 2.0),)}, {"because": "mood"}, {"captured_s": 1e300}],
)
def test_what_cannot_be_is_refused_though_its_checksum_is_right(fields: dict[str, object]) -> None:
    with pytest.raises(ValueError, match="another version of edged wrote it"):
        parsed(packed(kept(**fields), JPEG))


def test_what_is_known_of_it_is_bounded() -> None:
    with pytest.raises(ValueError, match="too much"):
        packed(kept(model="m" * 70_000), JPEG)
    assert msgspec.json.encode(kept()) in packed(kept(), JPEG)
    assert MAGIC in packed(kept(), JPEG)[:30]
