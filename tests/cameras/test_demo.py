"""The demo camera over the real photographs of scikit-image."""

from __future__ import annotations

import importlib.util
import sys

import numpy as np
import pytest

from edged.cameras import demo
from edged.cameras.demo import CLOSEST, SHOWN_S, DemoSource, view
from edged.config.schema import CameraConfig
from edged.errors import CameraError

CONFIG = CameraConfig(kind="demo", fps=1000.0)

needs_photographs = pytest.mark.skipif(
    importlib.util.find_spec("skimage") is None,
    reason="scikit-image is not installed: pip install scikit-image",
)


@needs_photographs
def test_it_delivers_frames_of_the_configured_size_on_its_schedule() -> None:
    with DemoSource(CameraConfig(width_px=320, height_px=200, fps=1000.0)) as source:
        shots = [source.grab() for _ in range(4)]
        pictures = [shot.decode(None) for shot in shots]
    assert {picture.shape for picture in pictures} == {(200, 320, 3)}
    assert {picture.dtype for picture in pictures} == {np.dtype(np.uint8)}
    periods = np.diff([shot.captured_s for shot in shots]) * 1000.0
    assert periods == pytest.approx(np.round(periods), abs=1e-3)


@needs_photographs
def test_for_the_model_it_renders_small_and_for_people_whole() -> None:
    with DemoSource(CONFIG) as source:
        shot = source.grab()
        reduced = shot.decode((96, 96))
        assert shot.reduces
        full = shot.decode(None)
    assert reduced.shape == (192, 256, 3)
    assert full.shape == (480, 640, 3)
    assert np.abs(reduced.mean(axis=(0, 1)) - full.mean(axis=(0, 1))).max() < 2.0


@needs_photographs
def test_two_runs_show_the_same() -> None:
    first, second = [], []
    for shown in (first, second):
        with DemoSource(CONFIG) as source:
            shown.append(source.grab().decode(None))
    assert np.array_equal(first[0], second[0])
    assert first[0].std() > 20.0


@needs_photographs
def test_each_photograph_is_shown_in_its_turn(monkeypatch: pytest.MonkeyPatch) -> None:
    with DemoSource(CONFIG) as source:
        pictures = []
        for round_s in range(len(demo.photographs()) + 1):
            now_s = 1000.0 + SHOWN_S * round_s
            monkeypatch.setattr(source._pace, "_clock", lambda now_s=now_s: now_s)
            pictures.append(source.grab().decode(None))
    different = {picture.tobytes() for picture in pictures[:-1]}
    assert len(different) == len(demo.photographs())


@needs_photographs
def test_scikit_image_itself_is_never_imported(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "skimage", raising=False)
    with DemoSource(CONFIG) as source:
        source.grab().decode(None)
    assert "skimage" not in sys.modules


def test_without_its_photographs_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", {}.get)
    with pytest.raises(CameraError, match="-m pip install scikit-image"):
        DemoSource(CONFIG).__enter__()


@pytest.mark.parametrize("size_px", [(300, 451), (500, 741), (512, 512), (872, 1000), (101, 3001)])
@pytest.mark.parametrize("frame_px", [(480, 640), (640, 480), (1, 1)])
def test_the_view_wanders_smoothly_and_stays_inside(
    size_px: tuple[int, int], frame_px: tuple[int, int]
) -> None:
    for shown in (0, 1):
        boxes = np.array(
            [view(size_px, frame_px, shown, phase) for phase in np.linspace(0, 1, 201)]
        )
        left, top, right, bottom = boxes.T
        assert (left >= 0).all()
        assert (top >= 0).all()
        assert (right <= size_px[1]).all()
        assert (bottom <= size_px[0]).all()
        aspect = (right - left) / (bottom - top)
        assert aspect == pytest.approx(frame_px[1] / frame_px[0])
        widths = right - left
        assert widths.min() / widths.max() == pytest.approx(CLOSEST, rel=1e-3)
        assert np.abs(np.diff(boxes, axis=0)).max() < 0.02 * max(size_px)


def test_every_second_stay_wanders_the_other_way() -> None:
    there = view((500, 741), (480, 640), 0, 0.25)
    back = view((500, 741), (480, 640), 1, 0.75)
    assert there == pytest.approx(back)
    assert there != pytest.approx(view((500, 741), (480, 640), 1, 0.25))
