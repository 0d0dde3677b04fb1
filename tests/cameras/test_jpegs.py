"""JPEG pictures in streams of bytes of every dialect, a byte at a time and all at once."""

from __future__ import annotations

import io

import pytest
from PIL import Image

from edged.cameras.jpegs import HEAD_BYTES, MAX_BYTES, SNIFFED_BYTES, JpegStream


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


def bounded(*pictures: bytes, length: int | None = None, line: bytes = b"--frame") -> bytes:
    """Parts as the standard has them, with the length of each, or the same for all."""
    return b"".join(
        b"%b\r\nContent-Length: %d\r\n\r\n%b\r\n" % (line, length or len(picture), picture)
        for picture in pictures
    )


ENDLESS = {
    "boundaries and lengths": bounded(ONE[:-2], TWO[:-2], THREE[:-2]),
    "boundaries and wrong lengths": bounded(ONE[:-2], TWO[:-2], THREE[:-2], length=9),
    "boundaries alone": parts(b"--frame\r\n\r\n"),
    "no dashes": parts(b"frame\nContent-Type: image/jpeg\n\n", b"\n"),
    "no boundary before the first headers": parts(
        b"Content-Type: image/jpeg\r\n\r\n", b"\r\n--frame\r\n"
    ),
}


@pytest.mark.parametrize("dialect", ENDLESS)
@pytest.mark.parametrize("step", [1, 7, 1 << 20])
def test_pictures_without_an_end_of_their_own_end_with_their_parts(dialect: str, step: int) -> None:
    data = ENDLESS[dialect]
    for picture in (ONE, TWO, THREE):
        data = data.replace(picture, picture[:-2])
    # The boundary often comes with the next picture only.
    data += b"--frame\r\n\r\n" + ONE[:4] if "no b" not in dialect else ONE[:4]
    stream = JpegStream()
    found = [
        picture for at in range(0, len(data), step) for picture in stream.feed(data[at : at + step])
    ]
    assert found == [ONE, TWO, THREE]


def test_a_length_that_was_right_ends_a_picture_that_has_no_end() -> None:
    stream = JpegStream()
    assert stream.feed(bounded(ONE[:-2])) == []
    assert stream.feed(bounded(TWO[:-2])[:-2]) == [ONE, TWO]
    assert stream.feed(b"\r\n" + bounded(THREE)) == [THREE]


def test_a_picture_alone_may_lack_its_end() -> None:
    stream = JpegStream()
    assert stream.feed(ONE[:-2]) == []
    assert stream.rest() == [ONE]
    assert stream.bare


def test_what_is_left_of_a_part_when_the_stream_breaks_is_no_picture() -> None:
    stream = JpegStream()
    stream.feed(bounded(ONE, TWO)[:-200])
    assert stream.rest() == []


def test_parts_that_are_no_pictures_are_let_pass() -> None:
    sound = bytes(range(256)) * 600
    text = b"--frame\r\nContent-Type: text/plain\r\n\r\nmotion: 7\r\n"
    stream = JpegStream()
    found = stream.feed(bounded(sound))
    assert stream.plausible
    for data in (text, bounded(ONE), bounded(sound), text, bounded(TWO)):
        found += stream.feed(data)
    assert found == [ONE, TWO]


@pytest.mark.parametrize("kind", [0xFE, 0xE1, 0xEF])
@pytest.mark.parametrize("end", [b"", b"\xff\xd9"])
def test_what_stands_in_a_segment_is_no_picture(kind: int, end: bytes) -> None:
    comment = b"\xff%c%b" % (kind, (len(ONE) + 4).to_bytes(2, "big") + ONE + b"xy")
    picture = TWO[:2] + comment + TWO[2:-2]
    data = parts(b"--frame\r\n\r\n").replace(TWO, picture + end)
    assert JpegStream().feed(data) == [ONE, picture + b"\xff\xd9", THREE]


@pytest.mark.parametrize("begin", [b"", b"--frame\r\n\r\n"])
@pytest.mark.parametrize("filling", [b"", bytes(30)])
def test_a_preview_behind_a_picture_is_no_picture(begin: bytes, filling: bytes) -> None:
    main = ONE if begin else ONE[:2] + b"\xff\xe2\x00\x08MPF\0xx" + ONE[2:]
    stream = JpegStream()
    assert stream.feed(begin + main + filling + TWO) == [main]
    assert stream.bare is not bool(begin)
    assert stream.feed(b"\r\n--frame\r\n\r\n" + THREE) == [THREE]


def test_a_picture_without_an_end_ends_where_the_next_begins() -> None:
    cut = ONE[:-200]
    assert JpegStream().feed(cut + TWO) == [cut + b"\xff\xd9", TWO]


@pytest.mark.parametrize("kept_bytes", range(30, 700, 45))
def test_a_picture_that_is_cut_off_anywhere_does_not_hide_the_next(kept_bytes: int) -> None:
    between = b"\r\n--frame\r\n\r\n"
    found = JpegStream().feed(ONE + between + ONE[:kept_bytes] + between + TWO + between + THREE)
    assert found == [ONE, ONE[:kept_bytes] + b"\xff\xd9", TWO, THREE]


def test_what_is_left_of_a_damaged_picture_does_not_hide_the_next() -> None:
    stream = JpegStream()
    stream.feed(ONE)
    assert stream.feed(b"\xff\xd8damage" * 3 + TWO) == [TWO]


def test_damage_where_a_picture_is_due_is_handed_on() -> None:
    stream = JpegStream()
    data = bounded(b"\xff\xd8damage", TWO)
    assert stream.feed(data) == [b"\xff\xd8damage\xff\xd9", TWO]


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


@pytest.mark.parametrize(
    ("text", "plausible"),
    [
        (b"--frame\r\nX-Time: 1", True),
        (b"Content-length: 1", True),
        (b"This is", None),
        (b"This is a page: <html>\n<!--\n-->", None),
        (b"<html>\n<!--\n-->\n--ink: #111", False),
        (b"#EXTM3U\n#EXT-X-TARGETDURATION:1", None),
    ],
)
def test_text_may_be_what_stands_before_a_picture(text: bytes, plausible: bool | None) -> None:
    stream = JpegStream()
    stream.feed(text)
    assert stream.plausible is plausible


def test_what_never_becomes_a_picture_takes_no_memory() -> None:
    stream = JpegStream()
    stream.feed(b"--frame\r\n\r\n")
    for _ in range(64):
        assert stream.feed(bytes(1 << 16)) == []
    assert len(stream._data) <= HEAD_BYTES + (1 << 16)
    assert stream.feed(b"\r\n--frame\r\n\r\n" + ONE) == [ONE]


def test_a_picture_that_never_ends_is_let_go() -> None:
    stream = JpegStream()
    stream.feed(ONE)
    assert stream.feed(ONE[:-2]) == []
    assert stream.feed(bytes(MAX_BYTES)) == []
    assert stream.feed(TWO) == [TWO]
