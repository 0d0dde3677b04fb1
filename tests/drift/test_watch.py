"""What is told when pictures are no longer as usual: made of photographs, with noise."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageFilter

from edged.core import DRIFT, Cause, Event, Frame, Pixels, Prediction
from edged.drift.summary import Summary
from edged.drift.views import USUAL_S
from edged.drift.watch import ACCEPTED_S, EVERY, WRITTEN_S, Watch

PATIENCE_S = 120.0
SIZE_PX = 160, 120


def photograph(path: Path) -> Pixels:
    return np.asarray(Image.open(path).convert("RGB").resize(SIZE_PX))


@pytest.fixture(scope="module")
def places(shared_data: Path) -> list[Pixels]:
    every = sorted((shared_data / "imagenet-sample" / "img").iterdir())
    return [photograph(path) for path in every[7::100][:3]]


class Camera:
    """A watch, and a time at which it looks at noisy pictures."""

    def __init__(self, watch: Watch | None = None) -> None:
        self.watch = watch or Watch(PATIENCE_S)
        self.at_s = 0.0
        self.number = 0
        self.known: float | None = 0.5
        self.model = "model"
        self.told: list[Event] = []
        self._rng = np.random.default_rng(0)

    def sees(self, pixels: Pixels, for_s: float, step_s: float = 30.0) -> list[Event]:
        """What is told of so long a time."""
        told: list[Event] = []
        noise = self._rng.normal(0, 2, (2, *pixels.shape)).astype(np.float32)
        noisy = np.clip(pixels + noise, 0, 255).astype(np.uint8)
        scores = np.array([0.8, 0.2], np.float32)
        said = Prediction(scores, ("a", "b"), {}, self.model, known=self.known)
        for look in range(round(for_s / step_s)):
            self.at_s += step_s
            self.number += EVERY
            frame = Frame(noisy[look % 2], self.number, self.at_s)
            for _ in range(EVERY):
                told += self.watch.watch(frame, said)
        self.told += told
        return told

    @property
    def cause(self) -> Cause | None:
        return self.watch.drift.cause


def lit(pixels: Pixels, red: float, green: float, blue: float) -> Pixels:
    return np.clip(pixels * np.array([red, green, blue]), 0, 255).astype(np.uint8)


def blurred(pixels: Pixels) -> Pixels:
    return np.asarray(Image.fromarray(pixels).filter(ImageFilter.GaussianBlur(2.5)))


def moved(pixels: Pixels) -> Pixels:
    return np.roll(pixels, (12, 24), (0, 1))


DARK = np.zeros((SIZE_PX[1], SIZE_PX[0], 3), np.uint8)

FAULTS: dict[Cause, Callable[[Pixels], Pixels]] = {
    "view blocked": lambda pixels: np.full_like(pixels, 150),
    "view out of focus": blurred,
    "view moved": moved,
    "colour cast": lambda pixels: lit(pixels, 1.0, 0.6, 0.9),
}


@pytest.mark.parametrize("cause", FAULTS)
def test_each_fault_is_told_by_its_name_and_ends(places: list[Pixels], cause: Cause) -> None:
    for place in places:
        camera = Camera()
        assert camera.sees(place, USUAL_S + 60, 60) == []
        (event,) = camera.sees(FAULTS[cause](place), PATIENCE_S + 60)
        assert (event.rule, event.active, event.cause) == (DRIFT, True, cause)
        assert event.decided_s - event.onset_s == PATIENCE_S
        assert camera.watch.drift.score == 1
        (over,) = camera.sees(place, PATIENCE_S)
        assert (over.active, over.cause) == (False, cause)
        assert (camera.cause, camera.watch.drift.score) == (None, 0)


def test_another_place_is_a_moved_camera(places: list[Pixels]) -> None:
    camera = Camera()
    camera.sees(places[0], USUAL_S + 60, 60)
    there = lit(places[1], *[float(places[0].mean() / places[1].mean())] * 3)
    (event,) = camera.sees(there, PATIENCE_S + 60)
    assert event.cause == "view moved"


def test_what_becomes_dark_slowly_is_the_night_and_at_once_a_blocked_view(
    places: list[Pixels],
) -> None:
    slowly, at_once = Camera(), Camera()
    for camera in (slowly, at_once):
        camera.sees(places[0], USUAL_S + 60, 60)
    for step in range(60):
        slowly.sees(lit(places[0], *[0.88**step] * 3), 60, 60)
    at_once.sees(DARK, 600)
    assert slowly.cause == "night"
    assert at_once.cause == "view blocked"


def test_a_light_that_is_switched_off_every_evening_is_the_night(places: list[Pixels]) -> None:
    camera = Camera()
    for _ in range(3):
        camera.sees(places[0], 15 * 3600, 300)
        camera.sees(DARK, 9 * 3600, 300)
    assert [event.cause for event in camera.told if event.active] == [
        "view blocked",
        "night",
        "night",
    ]
    camera.sees(places[0], 6 * 3600, 300)
    assert camera.sees(DARK, 900, 300)[0].cause == "view blocked"


@pytest.mark.parametrize("factor", [0.6, 1.4])
def test_another_light_is_as_usual(places: list[Pixels], factor: float) -> None:
    for place in places:
        camera = Camera()
        camera.sees(place, USUAL_S + 60, 60)
        assert camera.sees(lit(place, factor, factor, factor), 600) == []


def test_what_passes_is_not_told(places: list[Pixels]) -> None:
    camera = Camera()
    camera.sees(places[0], USUAL_S + 60, 60)
    assert camera.sees(FAULTS["view blocked"](places[0]), PATIENCE_S - 30) == []
    assert 0 < camera.watch.drift.score < 1
    assert camera.sees(places[0], 600) == []
    assert camera.watch.drift.score == 0


@pytest.fixture
def known_s(monkeypatch: pytest.MonkeyPatch) -> float:
    """Half an hour instead of a day."""
    monkeypatch.setattr("edged.drift.watch.KNOWN_S", 1800.0)
    return 1800.0


def test_a_model_that_knows_less_than_usual_sees_a_new_kind_of_picture(
    places: list[Pixels], known_s: float
) -> None:
    camera = Camera()
    assert camera.sees(places[0], known_s, 60) == []
    camera.known = 0.02
    (event,) = camera.sees(places[0], 3600, 60)
    assert event.cause == "new kind of picture"


def test_another_model_is_not_compared_with_the_one_before(
    places: list[Pixels], known_s: float
) -> None:
    camera = Camera()
    camera.sees(places[0], known_s, 60)
    camera.known, camera.model = 0.02, "another"
    assert camera.sees(places[0], 3600, 60) == []


def test_what_lasts_a_day_is_usual_but_for_a_blocked_view(places: list[Pixels]) -> None:
    turned, blocked = Camera(), Camera()
    for camera, fault in ((turned, "view moved"), (blocked, "view blocked")):
        camera.sees(places[0], USUAL_S + 60, 60)
        camera.sees(FAULTS[fault](places[0]), ACCEPTED_S + 900, 300)  # type: ignore[index]
    assert [event.active for event in turned.told] == [True, False]
    assert turned.watch.drift.cause is None
    assert blocked.watch.drift.cause == "view blocked"


def test_a_thing_that_stays_is_not_told(places: list[Pixels]) -> None:
    camera, red = Camera(), places[0].copy()
    red[40:100, 50:110] = (200, 20, 20)
    camera.sees(places[0], USUAL_S + 60, 60)
    assert camera.sees(red, 3600, 60) == []


def test_a_lost_camera_ends_what_is_told(places: list[Pixels]) -> None:
    camera = Camera()
    camera.sees(places[0], USUAL_S + 60, 60)
    camera.sees(FAULTS["view blocked"](places[0]), 200)
    (event,) = camera.watch.end(camera.at_s, "camera")
    assert (event.active, event.cause, event.reason) == (False, "view blocked", "camera")
    assert camera.watch.end(camera.at_s, "camera") == ()
    camera.sees(FAULTS["view blocked"](places[0]), 200)
    assert camera.cause == "view blocked"


def test_a_camera_that_comes_back_in_the_dark_sees_the_night(places: list[Pixels]) -> None:
    camera = Camera()
    camera.sees(places[0], USUAL_S + 60, 60)
    camera.at_s += 8 * 3600
    camera.sees(DARK, 600)
    assert camera.cause == "night"


def kept(place: Pixels, path: Path, camera: str = "") -> None:
    first = Camera(Watch(PATIENCE_S, camera, path))
    first.sees(place, USUAL_S + 60, 60)
    first.watch.close()


def test_what_is_usual_is_kept_over_a_restart(places: list[Pixels], tmp_path: Path) -> None:
    kept(places[0], tmp_path / "usual")
    again = Camera(Watch(PATIENCE_S, "", tmp_path / "usual"))
    (event,) = again.sees(blurred(places[0]), 200)
    assert event.cause == "view out of focus"


def test_another_framing_of_the_camera_is_learned_from_the_start(
    places: list[Pixels], tmp_path: Path
) -> None:
    kept(places[0], tmp_path / "usual", "left")
    again = Camera(Watch(PATIENCE_S, "right", tmp_path / "usual"))
    assert again.sees(moved(places[0]), 200) == []


@pytest.mark.parametrize("content", [b"", b"\x81\xa6camera", b"torn", None], ids=str)
def test_a_torn_file_is_one_line_and_all_is_learned_again(
    places: list[Pixels], tmp_path: Path, content: bytes | None, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "usual"
    kept(places[0], path)
    path.write_bytes(path.read_bytes()[:5000] if content is None else content)
    again = Camera(Watch(PATIENCE_S, "", path))
    assert [record.levelno for record in caplog.records] == [logging.WARNING]
    assert str(path) in caplog.text
    assert again.sees(blurred(places[0]), 200) == []
    again.watch.close()
    assert Watch(PATIENCE_S, "", path).drift.cause is None
    assert len(caplog.records) == 1


def test_what_is_learned_is_written_now_and_then(places: list[Pixels], tmp_path: Path) -> None:
    camera = Camera(Watch(PATIENCE_S, "", tmp_path / "usual"))
    camera.sees(places[0], WRITTEN_S - 600, 600)
    assert not (tmp_path / "usual").exists()
    camera.sees(places[0], 1800, 600)
    camera.watch.close()
    assert (tmp_path / "usual").exists()


def test_who_never_looked_writes_nothing(tmp_path: Path) -> None:
    Watch(PATIENCE_S, "", tmp_path / "usual").close()
    assert not (tmp_path / "usual").exists()


def test_a_disk_that_is_full_is_one_line(
    places: list[Pixels], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    camera = Camera(Watch(PATIENCE_S, "", tmp_path / "absent" / "usual"))
    camera.sees(places[0], 60)
    camera.watch.close()
    assert "cannot be written" in caplog.text


def succeeded(places: list[Pixels], camera: str) -> Iterator[Camera]:
    old = Camera(Watch(PATIENCE_S, "left"))
    old.sees(places[0], USUAL_S + 60, 60)
    old.sees(FAULTS["view blocked"](places[0]), 200)
    new = Watch(PATIENCE_S, camera)
    new.succeed(old.watch, same_model=True)
    old.watch = new
    yield old


def test_a_successor_goes_on_from_there(places: list[Pixels]) -> None:
    (camera,) = succeeded(places, "left")
    assert camera.cause == "view blocked"
    (event,) = camera.sees(places[0], 200)
    assert (event.active, event.cause) == (False, "view blocked")


def test_a_successor_with_another_framing_ends_what_was_told(places: list[Pixels]) -> None:
    (camera,) = succeeded(places, "right")
    assert camera.cause is None
    (event,) = camera.sees(FAULTS["view blocked"](places[0]), 200)
    assert (event.active, event.cause, event.reason) == (False, "view blocked", None)


def test_the_share_of_frames_outside_of_training_is_followed(places: list[Pixels]) -> None:
    rng = np.random.default_rng(0)
    usual = {"brightness": rng.uniform(0, 1, 500), "score": rng.uniform(0.9, 1, 500)}
    camera = Camera(Watch(PATIENCE_S, training=Summary.of(usual)))
    camera.sees(places[0], 3600, 60)
    assert camera.watch.drift.skew["brightness"] < 0.01
    assert camera.watch.drift.skew["score"] > 0.99
    assert set(camera.watch.drift.skew) == {"brightness", "score"}


def test_a_clock_that_goes_back_is_no_time(places: list[Pixels]) -> None:
    camera = Camera()
    camera.sees(places[0], USUAL_S + 60, 60)
    camera.at_s -= 1e6
    assert camera.sees(places[0], 600) == []
