"""The pictures of a folder as a camera, with real files."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from edged.cameras.directory import DirectorySource
from edged.cameras.newest import NewestFrame
from edged.cameras.source import Source, SourceEnded
from edged.config.schema import CameraConfig
from edged.errors import CameraError
from tests.cameras.scripted import LIMIT_S, eventually, next_frame, shade


def put(folder: Path, name: str, value: int) -> Path:
    path = folder / name
    Image.fromarray(shade(value, 8, 12)).save(path)
    return path


def damage(path: Path) -> None:
    path.write_bytes(b"\x89PNG\r\n\x1a\n no picture follows")


def quick(source: Path | str, *, loop: bool = True) -> CameraConfig:
    return CameraConfig(
        kind="directory",
        source=str(source),
        fps=1000.0,
        loop=loop,
        retry_min_s=0.001,
        retry_max_s=0.002,
    )


def shades(source: Source, count: int) -> list[int]:
    return [int(source.grab().decode(None)[0, 0, 0]) for _ in range(count)]


def test_pictures_come_in_natural_order_round_after_round(tmp_path: Path) -> None:
    for name, value in [("10.png", 30), ("9.png", 20), ("a.png", 40), ("1.PNG", 10)]:
        put(tmp_path, name, value)
    (tmp_path / "notes.txt").write_text("not a picture")
    (tmp_path / "folder.png").mkdir()
    with DirectorySource(quick(tmp_path)) as source:
        assert shades(source, 6) == [10, 20, 30, 40, 10, 20]


def test_one_picture_is_enough_of_a_folder(tmp_path: Path) -> None:
    path = put(tmp_path, "only.png", 50)
    with DirectorySource(quick(path)) as source:
        assert shades(source, 2) == [50, 50]


def test_what_is_shown_is_what_is_in_the_file_when_it_is_read(tmp_path: Path) -> None:
    path = put(tmp_path, "1.png", 50)
    with DirectorySource(quick(tmp_path)) as source:
        first = source.grab()
        put(tmp_path, path.name, 60)
        assert int(first.decode(None)[0, 0, 0]) == 60


def test_pictures_put_in_later_are_shown_in_the_next_round(tmp_path: Path) -> None:
    put(tmp_path, "1.png", 10)
    with DirectorySource(quick(tmp_path)) as source:
        assert shades(source, 1) == [10]
        put(tmp_path, "0.png", 5)
        assert shades(source, 2) == [5, 10]


def test_without_loop_it_ends_after_the_last_picture(tmp_path: Path) -> None:
    put(tmp_path, "1.png", 10)
    with DirectorySource(quick(tmp_path, loop=False)) as source:
        assert shades(source, 1) == [10]
        with pytest.raises(SourceEnded):
            source.grab()


def test_frames_are_captured_one_period_apart(tmp_path: Path) -> None:
    put(tmp_path, "1.png", 10)
    with DirectorySource(quick(tmp_path)) as source:
        times_s = [source.grab().captured_s for _ in range(5)]
    periods = np.diff(times_s) * 1000.0
    assert periods == pytest.approx(np.round(periods), abs=1e-3)
    assert (periods > 0.5).all()


def test_a_damaged_picture_is_left_out_until_its_file_changes(tmp_path: Path) -> None:
    put(tmp_path, "1.png", 10)
    bad = tmp_path / "2.png"
    damage(bad)
    with DirectorySource(quick(tmp_path)) as source:
        assert shades(source, 1) == [10]
        with pytest.raises(CameraError, match=r"2\.png"):
            source.grab().decode(None)
        assert shades(source, 3) == [10, 10, 10]
        put(tmp_path, "2.png", 20)
        os.utime(bad, ns=(1, 1))
        assert shades(source, 3)[1:] == [20, 10]


def test_each_damaged_picture_is_told_once(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    damage(tmp_path / "1.png")
    damage(tmp_path / "2.png")
    put(tmp_path, "3.png", 30)
    config = quick(tmp_path)
    with NewestFrame(lambda: DirectorySource(config), config) as camera:
        for _ in range(20):
            assert (next_frame(camera).pixels == 30).all()
    assert caplog.text.count("1.png") <= 1
    assert caplog.text.count("2.png") <= 1


def test_pictures_under_other_endings_are_shown(tmp_path: Path) -> None:
    put(tmp_path, "1.png", 10).rename(tmp_path / "1.jfif")
    put(tmp_path, "2.png", 20).rename(tmp_path / "2.apng")
    (tmp_path / "3.heic").write_bytes(b"\0\0\0\x18ftypheic")
    with DirectorySource(quick(tmp_path)) as source:
        assert shades(source, 2) == [10, 20]
        with pytest.raises(CameraError, match=r"3\.heic: not a picture in a supported format"):
            source.grab().decode((1, 1))
        assert shades(source, 3) == [10, 20, 10]


def test_what_is_no_file_is_told_once(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    put(tmp_path, "1.png", 10)
    (tmp_path / "2.png").symlink_to("nowhere")
    with DirectorySource(quick(tmp_path)) as source:
        assert shades(source, 5) == [10] * 5
    assert caplog.text.count("2.png: no such file or directory") == 1


def test_a_picture_too_large_to_be_had_whole_is_shown_all_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    Image.fromarray(shade(50, 480, 640)).save(tmp_path / "1.jpg")
    monkeypatch.setattr("edged.imaging.picture.MAX_DECODED_BYTES", 7 * 60 * 80)
    with DirectorySource(quick(tmp_path)) as source:
        shown = source.grab()
        assert shown.decode((30, 40)).shape == (60, 80, 3)
        with pytest.raises(CameraError, match="all of them required"):
            shown.decode(None)
        assert source.grab().decode((30, 40)).shape == (60, 80, 3)


def test_a_name_that_is_no_utf8_is_escaped(tmp_path: Path) -> None:
    folder = tmp_path / os.fsdecode(b"caf\xe9\x1b")
    folder.mkdir()
    with pytest.raises(CameraError, match=r"caf\\xe9\\x1b: no pictures in this folder"):
        DirectorySource(quick(folder)).__enter__()
    put(folder, "1.png", 10)
    with DirectorySource(quick(folder)) as source:
        assert source.name == rf"{tmp_path}/caf\xe9\x1b"
        assert shades(source, 1) == [10]


@pytest.mark.parametrize("content", ["empty", "no picture", "damaged", "absent"])
def test_a_folder_without_a_readable_picture_is_one_clear_line(
    tmp_path: Path, content: str
) -> None:
    folder = tmp_path / "pictures"
    if content != "absent":
        folder.mkdir()
    if content == "no picture":
        (folder / "notes.txt").write_text("not a picture")
    if content == "damaged":
        damage(folder / "1.png")
    with pytest.raises(CameraError) as told:
        DirectorySource(quick(folder)).__enter__()
    assert str(folder) in str(told.value)
    assert "\n" not in str(told.value)


def test_no_folder_at_all_names_the_option() -> None:
    with pytest.raises(CameraError, match=r"camera\.source"):
        DirectorySource(quick("")).__enter__()


def test_a_folder_that_empties_and_fills_again_is_a_camera_that_comes_back(
    tmp_path: Path,
) -> None:
    folder = tmp_path / "pictures"
    folder.mkdir()
    put(folder, "1.png", 10)
    config = quick(folder)
    with NewestFrame(lambda: DirectorySource(config), config) as camera:
        assert (next_frame(camera).pixels == 10).all()
        shutil.rmtree(folder)
        eventually(lambda: camera.error is not None and str(folder) in camera.error)
        folder.mkdir()
        put(folder, "2.png", 20)
        eventually(lambda: (camera.read(LIMIT_S, None).pixels == 20).all())  # type: ignore[union-attr]


def test_a_real_photograph_is_decoded_as_small_as_the_model_allows(shared_data: Path) -> None:
    config = quick(shared_data / "images" / "cat_1080p.jpg")
    with DirectorySource(config) as source:
        shot = source.grab()
        reduced = shot.decode((224, 224))
        assert shot.reduces
        full = shot.decode(None)
    assert full.shape == (1080, 1920, 3)
    assert reduced.shape == (540, 960, 3)
    assert np.abs(reduced.mean(axis=(0, 1)) - full.mean(axis=(0, 1))).max() < 2.0
