"""Pillow is kept to the kinds that are named, and is quiet; large JPEGs are reduced."""

from __future__ import annotations

import io
import logging
import subprocess
import sys
import threading
import tracemalloc
import warnings
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest
from PIL import EpsImagePlugin, Image

from edged.core import Pixels
from edged.errors import PictureError
from edged.imaging import picture as module
from edged.imaging import turbojpeg
from edged.imaging.folder import KINDS
from edged.imaging.picture import FORMATS, decode_picture, read_picture

POSTSCRIPT = b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 64 64\n%%EndComments\nshowpage\n%%EOF\n"


def noise(height_px: int = 64, width_px: int = 96) -> Pixels:
    return np.random.default_rng(1).integers(0, 256, (height_px, width_px, 3), np.uint8)


def encoded(kind: str, pixels: Pixels | None = None, mode: str = "RGB", **options: object) -> bytes:
    data = io.BytesIO()
    picture = Image.fromarray(noise() if pixels is None else pixels).convert(mode)
    picture.save(data, kind, **options)
    return data.getvalue()


@pytest.fixture(params=["simplejpeg", "pillow alone"])
def either_decoder(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    if request.param == "pillow alone":
        monkeypatch.setattr(turbojpeg, "simplejpeg", None)


def test_no_interpreter_is_started_for_what_is_named_a_picture(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    started: list[object] = []
    monkeypatch.setattr(EpsImagePlugin, "Ghostscript", lambda *of, **_: started.append(of))
    path = tmp_path / "drawing.jpg"
    path.write_bytes(POSTSCRIPT)

    with pytest.raises(PictureError, match="not a picture in a supported format"):
        read_picture(path)

    assert started == []


@pytest.mark.parametrize("kind", ["EPS", "PPM", "ICO", "TGA", "PCX", "JPEG2000", "PDF"])
def test_a_kind_that_is_not_named_is_not_read(kind: str) -> None:
    with pytest.raises(PictureError, match=f"give a {KINDS} file"):
        decode_picture(encoded(kind), "test")


@pytest.mark.parametrize("kind", FORMATS)
def test_each_kind_that_is_named_is_read(kind: str) -> None:
    assert kind.lower() in KINDS.lower()
    assert decode_picture(encoded(kind), "test").shape == (64, 96, 3)


CRACKED_TIFF = """
import io, sys
from PIL import Image
from edged.errors import PictureError
from edged.imaging.picture import decode_picture
data = io.BytesIO()
Image.effect_noise((96, 400), 90).save(data, "TIFF", compression=sys.argv[1])
cracked = bytearray(data.getvalue())
cracked[200:-200:37] = bytes(0x55 ^ value for value in cracked[200:-200:37])
try:
    decode_picture(bytes(cracked), "test")
except PictureError as error:
    print(error)
"""


@pytest.mark.parametrize("compression", ["tiff_deflate", "tiff_lzw", "jpeg", "group4"])
def test_a_cracked_tiff_is_one_line_of_ours(compression: str) -> None:
    if compression == "group4":
        code = CRACKED_TIFF.replace("90).save", '90).convert("1").save')
    else:
        code = CRACKED_TIFF
    done = subprocess.run(
        [sys.executable, "-W", "always", "-c", code, compression],
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )

    assert done.stderr == ""
    assert done.stdout.count("\n") <= 1
    if compression == "tiff_deflate":
        assert done.stdout.startswith("test: damaged picture (")


def test_pillow_logs_nothing_of_its_own(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.DEBUG):
        decode_picture(encoded("PNG"), "test")
        decode_picture(encoded("TIFF"), "test")

    assert caplog.text == ""


@pytest.mark.usefixtures("either_decoder")
@pytest.mark.parametrize("mode", ["RGB", "L", "CMYK"])
def test_a_jpeg_above_the_limit_is_read_where_a_part_of_its_pixels_is_enough(
    mode: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = encoded("JPEG", noise(480, 640), mode)
    whole = decode_picture(data, "test", (30, 40))
    monkeypatch.setattr(module, "MAX_DECODED_BYTES", 7 * 60 * 80)

    assert decode_picture(data, "test", (30, 40)).shape == (60, 80, 3)
    assert (decode_picture(data, "test", (30, 40)) == whole).all()


@pytest.mark.usefixtures("either_decoder")
@pytest.mark.parametrize(
    ("kind", "options", "wanted_px", "why"),
    [
        ("JPEG", {}, None, ", all of them required,"),
        ("JPEG", {}, (100, 100), " at the required size"),
        ("JPEG", {"progressive": True}, (30, 40), " in a progressive JPEG, held whole,"),
        ("PNG", {}, (30, 40), ""),
    ],
)
def test_what_would_be_too_large_in_memory_is_refused(
    kind: str,
    options: dict[str, object],
    wanted_px: tuple[int, int] | None,
    why: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    data = encoded(kind, noise(480, 640), **options)
    monkeypatch.setattr(module, "MAX_DECODED_BYTES", 7 * 60 * 80)

    with pytest.raises(PictureError) as told:
        decode_picture(data, "test", wanted_px)

    assert str(told.value) == f"test: 640x480 pixels{why} take more than 0 MiB; make it smaller"


PEAK = """
import sys
from contextlib import suppress
from pathlib import Path
from edged.imaging import picture, pillow
def peak_bytes():
    [line] = [line for line in open("/proc/self/status") if line.startswith("VmHWM")]
    return int(line.split()[1]) << 10
picture.read_picture(Path(sys.argv[1]))
before = peak_bytes()
picture.MAX_DECODED_BYTES = int(sys.argv[3])
try:
    picture.read_picture(Path(sys.argv[2]))
    print(peak_bytes() - before - Path(sys.argv[2]).stat().st_size)
except picture.TooLargeError:
    print("refused")
"""


@pytest.mark.parametrize(
    ("kind", "mode", "options", "pixel_bytes"),
    [
        ("PNG", "L", {}, 4),
        ("PNG", "RGB", {}, 7),
        ("PNG", "RGBA", {}, 7),
        ("BMP", "RGB", {}, 7),
        ("GIF", "P", {}, 4),
        ("TIFF", "RGBA", {"compression": "tiff_lzw", "tiffinfo": {278: 2000}}, 8),
        ("WEBP", "RGB", {}, 16),
        ("JPEG", "RGB", {}, 3),
        ("JPEG", "RGB", {"progressive": True}, 6),
        ("JPEG", "RGB", {"progressive": True, "subsampling": "4:4:4"}, 9),
        ("JPEG", "CMYK", {}, 7),
    ],
)
def test_a_picture_takes_no_more_memory_than_it_is_judged_by(
    tmp_path: Path, kind: str, mode: str, options: dict[str, object], pixel_bytes: int
) -> None:
    if kind == "JPEG":
        pytest.importorskip("simplejpeg")
    small, large = tmp_path / "small", tmp_path / "large"
    levels = np.arange(3000, dtype=np.uint8)[None, :, None].repeat(2000, 0).repeat(3, 2)
    small.write_bytes(encoded(kind, noise(), mode, **options))
    large.write_bytes(encoded(kind, levels, mode, **options))
    limit_bytes = 2000 * 3000 * pixel_bytes

    def peak(most_bytes: int) -> str:
        command = [sys.executable, "-c", PEAK, str(small), str(large), str(most_bytes)]
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()

    # What is converted at a time, and what the allocator keeps, are beside it.
    assert int(peak(limit_bytes + (1 << 10))) < limit_bytes + (12 << 20)
    assert peak(limit_bytes - 1) == "refused"


def test_a_jpeg_in_one_scan_for_each_colour_is_held_whole() -> None:
    data = encoded("JPEG")
    scan = data.index(b"\xff\xda")
    alone = data[: scan + 4] + b"\x01" + data[scan + 5 :]

    assert turbojpeg.header(data) == turbojpeg.Header(turbojpeg.UPRIGHT, 0.0)
    assert turbojpeg.header(alone) == turbojpeg.Header(turbojpeg.UPRIGHT, 3.0)


def test_a_stream_is_read_up_to_a_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    data = encoded("PNG")
    monkeypatch.setattr(module, "MAX_FILE_BYTES", len(data))
    assert module.read_stream(io.BytesIO(data), "test").shape == (64, 96, 3)

    monkeypatch.setattr(module, "MAX_FILE_BYTES", 1 << 20)
    with pytest.raises(PictureError, match="test: more than 1 MiB; "):
        module.read_stream(io.BytesIO(bytes((1 << 20) + 1)), "test")
    with pytest.raises(PictureError, match="/dev/zero: more than 1 MiB; "):
        read_picture(Path("/dev/zero"))


def test_a_file_that_has_grown_is_read_to_its_end() -> None:
    data = encoded("PNG")
    assert module.read_stream(io.BytesIO(data), "test", expected_bytes=99).shape == (64, 96, 3)


def test_reading_a_file_takes_no_more_memory_than_the_file_has(tmp_path: Path) -> None:
    path = tmp_path / "none.jpg"
    path.write_bytes(bytes(100_000))
    with suppress(PictureError):
        read_picture(path)
    tracemalloc.start()
    try:
        with pytest.raises(PictureError):
            read_picture(path)
        _, most_bytes = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert most_bytes < 1_000_000


def test_a_large_file_is_read_piece_by_piece(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "large.png"
    path.write_bytes(encoded("PNG"))
    monkeypatch.setattr(module, "MAX_FILE_BYTES", 100)

    assert (read_picture(path) == noise()).all()


def test_threads_that_decode_at_once_leave_the_filters_of_warnings_as_they_were() -> None:
    before = list(warnings.filters)
    data = encoded("PNG")
    together = threading.Barrier(4, timeout=60)

    def decode_some() -> None:
        together.wait()
        for _ in range(50):
            decode_picture(data, "test")

    threads = [threading.Thread(target=decode_some) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert list(warnings.filters) == before
