"""JPEG pictures in streams of bytes of every dialect, a byte at a time and all at once."""

from __future__ import annotations

import io

import pytest
from PIL import Image

from edged.cameras.jpegs import MAX_BYTES, SNIFFED_BYTES, JpegStream


def jpeg(value: int, **options: object) -> bytes:
    target = io.BytesIO()
    noise = Image.effect_noise((40, 30), 80)
    Image.blend(noise, Image.new("L", noise.size, value), 0.5).save(target, "JPEG", **options)
    return target.getvalue()


ONE, TWO, THREE = jpeg(0), jpeg(120, progressive=True), jpeg(255, restart_marker_rows=1)
HEADERS = b"Content-Type: image/jpeg\r\nContent-Length: %d\r\n"


def parts(before: bytes = b"", after: bytes = b"\r\n") -> bytes:
    return b"".join(before + picture + after for picture in (ONE, TWO, THREE))


DIALECTS = {
    "as the standard has it": parts(b"--frame\r\nContent-Type: image/jpeg\r\n\r\n"),
    "lines that end in LF": parts(b"--frame\nContent-Type: image/jpeg\n\n", b"\n"),
    "no boundary before the first headers": parts(
        b"Content-Type: image/jpeg\r\nContent-Length: 9\r\n\r\n", b"\r\n--frame\r\n"
    ),
    "no headers": parts(b"--frame\r\n\r\n"),
    "no dashes": parts(b"frame\r\nContent-Length: 9\r\nContent-Type: image/jpeg\r\n\r\n"),
    "a preamble and an epilogue": b"This is a camera.\r\n" + parts(b"--a\r\n\r\n") + b"--a--\r\n",
    "wrong lengths": parts(b"--frame\r\nContent-Length: 1\r\n\r\n"),
    "nothing between": parts(b"", b""),
    "filled up with zeros": parts(b"", bytes(100)),
    "a preview inside": parts(b"--frame\r\n\r\n").replace(
        TWO, TWO[:2] + b"\xff\xe1%b" % (len(ONE) + 2).to_bytes(2, "big") + ONE + TWO[2:]
    ),
}


@pytest.mark.parametrize("dialect", DIALECTS)
@pytest.mark.parametrize("step", [1, 7, 1 << 20])
def test_every_picture_comes_out_whole_and_at_once(dialect: str, step: int) -> None:
    data = DIALECTS[dialect]
    stream = JpegStream()
    found = []
    for at in range(0, len(data), step):
        pictures = stream.feed(data[at : at + step])
        found += pictures
        if pictures and step == 1:
            assert data[: at + 1].endswith(pictures[-1][-20:]), "it waited for more"
    two = TWO if "preview" not in dialect else found[1]
    assert found == [ONE, two, THREE]
    assert two.endswith(TWO[2:])
    assert stream.plausible
    assert not stream.bare


def test_a_picture_alone_is_bare_whatever_line_ends_it() -> None:
    stream = JpegStream()
    assert stream.feed(ONE + b"\r\n") == [ONE]
    assert stream.bare


def test_a_part_alone_is_not_bare() -> None:
    stream = JpegStream()
    assert stream.feed(b"--frame\r\n\r\n" + ONE + b"\r\n") == [ONE]
    assert not stream.bare


def test_a_picture_without_an_end_ends_where_the_next_begins_and_is_not_whole() -> None:
    cut = ONE[:-200]
    assert JpegStream().feed(cut + b"\r\n" + TWO) == [cut + b"\r\n", TWO]


@pytest.mark.parametrize("kept_bytes", range(30, 700, 45))
def test_a_picture_that_is_cut_off_anywhere_does_not_hide_the_next(kept_bytes: int) -> None:
    between = b"\r\n--frame\r\n\r\n"
    found = JpegStream().feed(ONE + between + ONE[:kept_bytes] + between + TWO + between + THREE)
    assert found == [ONE, ONE[:kept_bytes] + between, TWO, THREE]


def test_what_is_left_of_a_damaged_picture_does_not_hide_the_next() -> None:
    stream = JpegStream()
    stream.feed(ONE)
    found = stream.feed(b"\xff\xd8damage" * 3 + TWO)
    assert found[-1] == TWO
    assert found[:-1] == [b"\xff\xd8damage"] * 3


@pytest.mark.parametrize(
    "data",
    [
        b"G\x40\x00\x10" + bytes(500) + ONE,
        b"\x00\x00\x00\x20ftypisom" + ONE,
        b"RIFF\x00\x10\x00\x00AVI " + ONE,
        b"x" * (SNIFFED_BYTES + 1),
    ],
)
def test_what_is_no_stream_of_pictures_is_known_by_its_beginning(data: bytes) -> None:
    stream = JpegStream()
    assert stream.feed(data) == []
    assert stream.plausible is False


def test_as_long_as_only_text_has_come_it_may_be_one() -> None:
    stream = JpegStream()
    stream.feed(b"--frame\r\nContent-Type: image/jpeg\r\n")
    assert stream.plausible is None


def test_a_picture_that_never_ends_is_let_go() -> None:
    stream = JpegStream()
    stream.feed(ONE)
    assert stream.feed(ONE[:-2]) == []
    assert stream.feed(bytes(MAX_BYTES)) == []
    assert stream.feed(TWO) == [TWO]
