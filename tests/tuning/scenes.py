"""Recordings of real pictures before a camera that shakes, flickers and has noise.

The bundled model looks at them, frame by frame, as in the daemon. Visitors come and go before a
view: photographs of CIFAR's test set, which the model was not trained on, and things that are none
of its ten classes. Whoever comes turns and moves, and looks different every second or two: it is
shown as several photographs of its class. Recordings of another half have other pictures.
"""

from __future__ import annotations

import io
import random
import zipfile
from collections.abc import Iterator, Sequence
from functools import cache
from pathlib import Path
from typing import NamedTuple

import numpy as np
from PIL import Image

from edged.config.schema import Config, DecideConfig, ModelConfig, RuleConfig
from edged.core import Classifier, Deciding, Frame, Pixels, Result
from edged.inference import tflite
from edged.perception.rules import Decider
from edged.recording.lane import Lane
from edged.recording.writer import Writer

FPS = 5.0
SIDE_PX = 64
NOISE = 8.0
"""Standard deviation of the camera's noise, in grey levels."""

LOOK_S = 1.5
"""A visitor looks the same for so long."""

FADE_S = 0.4
"""A visitor comes and goes within this time."""


class Visit(NamedTuple):
    """Who is before the camera, from when until when; nobody is the view alone."""

    label: str
    looks: Sequence[Pixels]
    start_s: float
    end_s: float

    def look(self, at_s: float) -> Pixels:
        """What it looks like then."""
        place = int(max(0.0, at_s - self.start_s) / LOOK_S)
        return self.looks[min(place, len(self.looks) - 1)]


@cache
def photographs(shared_data: Path, half: int) -> dict[str, list[bytes]]:
    """JPEG files of CIFAR's test set by class, every second one."""
    found: dict[str, list[bytes]] = {}
    with zipfile.ZipFile(shared_data / "training" / "cifar10" / "test.zip") as archive:
        for place, name in enumerate(sorted(archive.namelist())):
            if name.endswith(".jpg") and place % 2 == half:
                found.setdefault(name.split("/")[-2], []).append(archive.read(name))
    return found


@cache
def things(shared_data: Path, half: int) -> list[bytes]:
    """JPEG files of ImageNet's sample, every second one."""
    paths = sorted((shared_data / "imagenet-sample" / "img").glob("*.jpg"))
    return [path.read_bytes() for path in paths[half::2]]


def decoded(jpeg: bytes) -> Pixels:
    with Image.open(io.BytesIO(jpeg)) as image:
        side = min(image.size)
        square = image.convert("RGB").crop((0, 0, side, side))
        return np.asarray(square.resize((SIDE_PX, SIDE_PX), Image.Resampling.BICUBIC))


def visits(
    shared_data: Path, chance: random.Random, half: int, target: str, minutes: float
) -> Iterator[Visit]:
    """A quarter of them are the target; others are of the other classes, or of none."""
    known, unknown = photographs(shared_data, half), things(shared_data, half)
    others = [label for label in known if label != target]
    now_s = 5.0
    while now_s < minutes * 60 - 30:
        kind = chance.random()
        if kind < 0.3:
            label, pictures = target, known[target]
        elif kind < 0.85:
            label = chance.choice(others)
            pictures = known[label]
        else:
            label, pictures = "", [chance.choice(unknown)]
        stay_s = chance.uniform(4.0, 12.0)
        looks = [decoded(chance.choice(pictures)) for _ in range(int(stay_s / LOOK_S) + 1)]
        yield Visit(label, looks, now_s, now_s + stay_s)
        now_s += stay_s + chance.uniform(2.5, 10.0)


def frames(
    shared_data: Path, seed: int, half: int, come: Sequence[Visit], minutes: float
) -> Iterator[tuple[float, Pixels]]:
    """What the camera sees, with the time of each frame."""
    noise = np.random.default_rng(seed)
    chance = random.Random(seed)  # noqa: S311
    views = [decoded(jpeg) for jpeg in chance.sample(things(shared_data, half), 8)]
    shake = np.zeros(2)
    light = 1.0
    place = 0
    for number in range(int(minutes * 60 * FPS)):
        now_s = number / FPS
        while place < len(come) and come[place].end_s + FADE_S < now_s:
            place += 1
        view = views[int(now_s // 300) % len(views)].astype(np.float32)
        if place < len(come):
            visit = come[place]
            there = min(now_s - visit.start_s, visit.end_s + FADE_S - now_s) / FADE_S
            share = float(np.clip(there, 0.0, 1.0))
            # Now and then somebody walks before it.
            share *= 0.4 if noise.random() < 0.04 else 1.0
            view = view * (1 - share) + visit.look(now_s) * share
        shake = 0.7 * shake + noise.normal(0.0, 1.2, 2)
        light = 1.0 + 0.9 * (light - 1.0) + noise.normal(0.0, 0.03)
        moved = np.roll(view, np.round(shake).astype(int), (0, 1))
        seen = moved * light + noise.normal(0.0, NOISE, view.shape)
        yield now_s, np.clip(seen, 0, 255).astype(np.uint8)


def record(
    path: Path,
    marks: Path,
    shared_data: Path,
    rule: RuleConfig,
    *,
    seed: int,
    half: int,
    minutes: float,
) -> None:
    """A recording, and the table of what was there."""
    chance = random.Random(seed)  # noqa: S311
    target = rule.labels[0]
    come = list(visits(shared_data, chance, half, target, minutes))
    lines = [
        f"{visit.start_s:.2f},{visit.end_s:.2f},{target}" for visit in come if visit.label == target
    ]
    marks.write_text("\n".join(["start,end,label", *lines, ""]))
    with tflite.load(ModelConfig(threads=1)) as model, Writer(path) as writer:
        decided(writer, model, rule, frames(shared_data, seed, half, come, minutes))


def decided(
    writer: Writer, model: Classifier, rule: RuleConfig, seen: Iterator[tuple[float, Pixels]]
) -> None:
    decider = Decider([rule], DecideConfig(), model.labels)
    deciding = Deciding(decider, model.name, lambda: "")
    lane = Lane(lambda: deciding, features=False, pictures=False)
    writer.write(lane.header(Config().device))
    lane.offer(deciding)
    records = lane.records("porch", 0.0)
    for number, (at_s, pixels) in enumerate(seen, 1):
        prediction = model.classify(pixels)
        scene, events = decider.decide(prediction.scores, at_s, number)
        lane.offer(Result(Frame(pixels, number, at_s), prediction, scene, events))
        for record in iter(lambda: next(records), None):
            assert record is not None
            writer.write(record)
    writer.end("it was asked to")
