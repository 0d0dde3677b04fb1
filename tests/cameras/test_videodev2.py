"""The kernel's structures have the sizes that its numbers of requests say."""

from __future__ import annotations

import struct

import pytest

from edged.cameras.videodev2 import Request, fourcc


@pytest.mark.skipif(struct.calcsize("P") != 8, reason="the sizes are those of 64 bits")
def test_requests_have_the_numbers_of_linux_videodev2() -> None:
    # As `strace` shows them; bits 16 to 29 are the size of the structure.
    assert {request.name: hex(request) for request in Request} == {
        "QUERYCAP": "0x80685600",
        "ENUM_FMT": "0xc0405602",
        "S_FMT": "0xc0d05605",
        "REQBUFS": "0xc0145608",
        "QUERYBUF": "0xc0585609",
        "QBUF": "0xc058560f",
        "DQBUF": "0xc0585611",
        "STREAMON": "0x40045612",
        "STREAMOFF": "0x40045613",
        "S_PARM": "0xc0cc5616",
        "ENUM_FRAMEINTERVALS": "0xc034564b",
    }


def test_a_pixel_format_is_named_by_its_characters() -> None:
    assert fourcc(0x56595559) == "YUYV"
    assert fourcc(int.from_bytes(b"Y16 ", "little")) == "Y16"
    assert fourcc(0xFFFFFFFF) == "\ufffd" * 4
