"""Models and pictures: those beside the checkout where they are there, else the bundled model."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np

from edged.core import Pixels
from edged.imaging.picture import jpeg, read_picture
from edged.paths import bundled_model

ROOT = Path(__file__).parent.parent
DATA = ROOT.parent / "shared" / "data"
PER_CHANNEL = DATA / "models" / "tf2_mobilenet_v2_1.0_224_ptq.tflite"
PER_TENSOR = DATA / "models" / "mobilenet_v2_1.0_224_quant.tflite"
IMAGENET_LABELS = DATA / "labels" / "imagenet_labels.txt"
PICTURES = DATA / "imagenet-sample" / "img"


def bundled() -> Path:
    """The model that comes with edged."""
    return bundled_model()


def has_mobilenet() -> bool:
    """Whether the reference model is there."""
    return PER_CHANNEL.is_file() and IMAGENET_LABELS.is_file()


def reference() -> tuple[Path, str]:
    """The model that targets speak of and its label file; the bundled one where it is absent."""
    return (PER_CHANNEL, str(IMAGENET_LABELS)) if has_mobilenet() else (bundled(), "")


def picture(width_px: int, height_px: int) -> Pixels:
    """A photograph-like picture: gratings, seeded noise."""
    y, x = np.mgrid[0:height_px, 0:width_px].astype(np.float32)
    grating = 96 + 64 * np.sin(x / 17) * np.cos(y / 23)
    noise = np.random.default_rng(0).normal(0, 12, (height_px, width_px)).astype(np.float32)
    levels = grating[..., None] + noise[..., None] + np.array([0, 8, 16], np.float32)
    made: Pixels = np.clip(levels, 0, 255).astype(np.uint8)
    return made


def full_hd_jpeg() -> bytes:
    """A JPEG of 1920x1080."""
    photograph = DATA / "images" / "cat_1080p.jpg"
    return photograph.read_bytes() if photograph.is_file() else jpeg(picture(1920, 1080), 85)


def two_scenes() -> tuple[Pixels, Pixels]:
    """A 640x480 picture that a rule is active on, and one that it is not."""
    cat = DATA / "images" / "cat_720p.jpg"
    if has_mobilenet() and cat.is_file():
        return sized(read_picture(cat)), np.full((480, 640, 3), 90, np.uint8)
    return picture(640, 480), np.zeros((480, 640, 3), np.uint8)


def sized(pixels: Pixels, width_px: int = 640, height_px: int = 480) -> Pixels:
    """`pixels` stretched to a size."""
    from edged.imaging.resample import resample

    out = np.empty((height_px, width_px, 3), np.uint8)
    resample(pixels, out)
    return out


def jpeg_files(folder: Path, count: int) -> None:
    """`count` JPEG files in `folder`: the sample's, over and over."""
    sources = sorted(PICTURES.glob("*.jpg"))
    if not sources:
        made = folder / "made.jpg"
        made.write_bytes(jpeg(picture(640, 480), 90))
        sources = [made]
    for number in range(count):
        shutil.copy(sources[number % len(sources)], folder / f"{number:04d}.jpg")
