"""The pictures of the comparison: those of a folder, and generated ones of every kind."""

from __future__ import annotations

import random
import struct
import subprocess
import sys
import zlib
from pathlib import Path

import numpy as np
from PIL import Image

ORIENTATION = 0x0112
SUFFIXES = {".bmp", ".gif", ".jpeg", ".jpg", ".png", ".tif", ".tiff", ".webp"}
SAMPLE = 50


def in_folder(folder: Path) -> list[Path]:
    """The pictures in `folder` and the folders in it."""
    return sorted(p for p in folder.rglob("*") if p.suffix.lower() in SUFFIXES and p.is_file())


def shared(data: Path, seed: int) -> list[Path]:
    """All of ``images``, and a sample of ImageNet by chance, the same for a `seed`."""
    everything = in_folder(data / "imagenet-sample")
    sample = random.Random(seed).sample(everything, SAMPLE)  # noqa: S311
    return [*in_folder(data / "images"), *sorted(sample)]


def cases(folder: Path, script: Path) -> list[Path]:
    """The pictures that the program at `script` writes into `folder`."""
    subprocess.run([sys.executable, str(script), str(folder)], check=True)
    return in_folder(folder)


def generated(folder: Path) -> list[Path]:
    """Made-up pictures, written into `folder`; no two quarters of them are the same."""
    folder.mkdir(parents=True, exist_ok=True)
    colours = scene(96, 64)
    grey, wide = colours.convert("L"), scene(320, 240)
    clear = colours.copy()
    clear.putalpha(Image.linear_gradient("L").resize(colours.size))
    palette = colours.quantize(16)
    deep = (np.arange(96 * 64, dtype=np.uint32).reshape(64, 96) * 10).astype(np.uint16)
    for orientation in range(1, 9):
        exif = Image.Exif()
        exif[ORIENTATION] = orientation
        for name in ("jpg", "png"):
            colours.save(folder / f"exif-{orientation}.{name}", exif=exif, quality=95)
    colours.save(folder / "plain.bmp")
    colours.save(folder / "plain.tiff")
    colours.save(folder / "plain.webp", lossless=True)
    colours.convert("CMYK").save(folder / "cmyk.jpg", quality=95)
    colours.convert("1").save(folder / "one-bit.png")
    grey.save(folder / "grey.png")
    grey.save(folder / "grey.jpg", quality=95)
    clear.save(folder / "alpha.png")
    clear.convert("LA").save(folder / "grey-alpha.png")
    palette.save(folder / "palette.png")
    palette.save(folder / "palette-transparent.png", transparency=3)
    palette.save(folder / "palette-transparent.gif", transparency=3)
    palette.save(folder / "animated.gif", save_all=True, append_images=[palette.rotate(180)])
    Image.fromarray(deep).save(folder / "grey-16-bit.png")
    Image.fromarray(deep).save(folder / "grey-16-bit.tiff")
    (folder / "rgb-16-bit.png").write_bytes(png_16_bit(colours))
    (folder / "interlaced.png").write_bytes(interlaced_png(colours))
    wide.save(folder / "progressive.jpg", progressive=True, quality=90)
    wide.save(folder / "subsampled.jpg", subsampling=2, quality=75)
    scene(1500, 1100).save(folder / "large.jpg", quality=90)
    scene(1, 1).save(folder / "1x1.png")
    scene(1, 1).save(folder / "1x1.jpg")
    scene(2, 2).save(folder / "2x2.png")
    scene(3000, 5).save(folder / "wide.png")
    scene(5, 3000).save(folder / "tall.png")
    scene(3000, 40).save(folder / "wide.jpg")
    scene(40, 3000).save(folder / "tall.jpg")
    for name, level in (("black", 0), ("grey-128", 128), ("white", 255)):
        Image.new("RGB", (50, 40), (level,) * 3).save(folder / f"all-{name}.png")
    return in_folder(folder)


def scene(width_px: int, height_px: int) -> Image.Image:
    """Slopes of red and green with a blue disc at the upper left; the same for every run."""
    rows, columns = np.mgrid[0:height_px, 0:width_px]
    down, right = rows / max(1, height_px - 1), columns / max(1, width_px - 1)
    inside = np.hypot(down - 0.3, right - 0.25) < 0.2
    planes = [255 * right, 200 * down, np.where(inside, 255, 40)]
    return Image.fromarray(np.stack(planes, axis=2).astype(np.uint8))


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def _png(width_px: int, height_px: int, bits: int, interlace: int, rows: bytes) -> bytes:
    """RGB, of `rows` that each begin with the filter 0."""
    head = struct.pack(">IIBBBBB", width_px, height_px, bits, 2, 0, 0, interlace)
    chunks = _chunk(b"IHDR", head) + _chunk(b"IDAT", zlib.compress(rows)) + _chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + chunks


def png_16_bit(picture: Image.Image) -> bytes:
    """`picture` with 16 bits for each colour, which Pillow reads but does not write."""
    pixels = np.asarray(picture).astype(">u2") * 256 + 99
    rows = b"".join(b"\0" + row.tobytes() for row in pixels.astype(">u2"))
    return _png(*picture.size, 16, 0, rows)


def interlaced_png(picture: Image.Image) -> bytes:
    """`picture` in the seven passes of Adam7, which Pillow reads but does not write."""
    pixels = np.asarray(picture)
    starts_and_steps = (
        (0, 0, 8, 8), (0, 4, 8, 8), (4, 0, 8, 4), (0, 2, 4, 4), (2, 0, 4, 2), (0, 1, 2, 2),
        (1, 0, 2, 1),
    )  # fmt: skip
    rows = b""
    for top, left, down, right in starts_and_steps:
        part = pixels[top::down, left::right]
        if part.size:
            rows += b"".join(b"\0" + row.tobytes() for row in part)
    return _png(*picture.size, 8, 1, rows)
