"""``make report-still``: what counts as a change, and whether events stay the same."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from edged.config.schema import DecideConfig, IdleConfig, ModelConfig, RuleConfig
from edged.core import Classifier, Event, Frame, Pixels
from edged.evaluation.text import table
from edged.inference import tflite
from edged.perception.perception import Perception
from edged.perception.rules import Decider
from edged.perception.still import LEAST_CHANGE, MOST_CHANGE, StillScenes, change
from tests.conftest import SHARED_DATA
from tests.scenes.camera import WIDTH_PX, contrast, pictures, put, scene, shot

FPS = 10.0
SHARE = 0.01
VISIBLE = 20.0
"""Levels by which a thing differs from what it covers, in the mean."""

NOISE, LEVELS, VISITS, LASTS_S = 4.0, 0.03, 3, 45.0

MODELS = {
    "mobilenet_v2_1.0_224_quant": ModelConfig(
        path=str(SHARED_DATA / "models" / "mobilenet_v2_1.0_224_quant.tflite"),
        labels=str(SHARED_DATA / "labels" / "imagenet_labels.txt"),
        threads=1,
    ),
    "bundled": ModelConfig(threads=1),
}

ABOUT = f"""\
# Still scenes

Written by `make report-still`. The scenes are photographs of the ImageNet sample at 640x480, with
sensor noise and JPEG compression as a camera has them.

## What counts as a change

The greatest difference of one of 28x28 cells from the last classified frame, less the median
difference, or that median if it is greater; levels of 255. From {LEAST_CHANGE:g} to \
{MOST_CHANGE:g} levels it
counts as a change; where in between follows the camera's noise.

"""

CHANGES = f"""

{{missed}} of {{count}} things of {SHARE:.0%} of the frame stay at or below {MOST_CHANGE:g} levels.
Each is a piece of another photograph, rectangular or elliptic, anywhere in the frame, that differs
from what it covers by {VISIBLE:g} levels or more in the mean. The smallest change is {{least}}.

"""

SEQUENCES = f"""
## Events

Each recording shows one place for {LASTS_S:g} s at {FPS:g} frames a second, under lamps that \
flicker by ±{LEVELS:.0%}
and daylight that rises by a third. {VISITS} times something comes in from the side, stays for some
seconds and leaves; a rule looks for it. The same frames are decided on with and without
`idle.still`: *same* counts recordings with the same events, in the same order, none of them later
or earlier than a frame.

"""


def levels(paths: Sequence[Path], rng: np.random.Generator) -> Iterator[tuple[str, list[int]]]:
    """Change figures of frames that show nothing new, by what is different in them."""

    def pairs(make: Callable[[Pixels], tuple[Pixels, Pixels]]) -> list[int]:
        return [changed(*make(scene(path))) for path in paths]

    def lamp(height: int) -> np.ndarray:
        rows = np.arange(height) / height * 6 * np.pi + rng.uniform(0, 6)
        return (1 + LEVELS * np.sin(rows))[:, None, None].astype(np.float32)

    for noise in (4.0, 8.0, 15.0):
        yield (
            f"noise of {noise:g} levels, JPEG quality 80",
            pairs(lambda s, n=noise: (shot(s, rng, noise=n), shot(s, rng, noise=n))),
        )
    yield (
        "noise of 8 levels, JPEG quality 40",
        pairs(lambda s: (shot(s, rng, noise=8, quality=40), shot(s, rng, noise=8, quality=40))),
    )
    for light in (0.02, 0.05):
        yield (
            f"light {light:+.0%}",
            pairs(lambda s, more=light: (shot(s, rng), shot(s, rng, light=1 + more))),
        )
    yield (
        f"bands of a lamp at the mains frequency, ±{LEVELS:.0%}",
        pairs(lambda s: (shot(s, rng, light=lamp(480)), shot(s, rng, light=lamp(480)))),
    )


def things(paths: Sequence[Path], count: int, rng: np.random.Generator) -> Iterator[int]:
    """Change figures of things of `SHARE` of the frame that come into it."""
    for number in range(count):
        place = scene(paths[number % len(paths)])
        while True:
            thing = scene(paths[rng.integers(len(paths))])
            new = put(place, thing, SHARE, rng)
            if contrast(place, new) >= VISIBLE:
                break
        yield changed(shot(place, rng), shot(new, rng))


def changed(before: Pixels, after: Pixels) -> int:
    """The change from one frame to another."""
    still = StillScenes(1.0, (224, 224))
    return change(still.reduce(before).copy(), still.reduce(after))


class Recording(NamedTuple):
    """Frames of a place where something comes now and then, and the label to look for."""

    place: Path
    thing: Path
    seed: int

    def frames(self) -> Iterator[Frame]:
        """All of them; the same each time."""
        rng = np.random.default_rng(self.seed)
        place, thing = scene(self.place), scene(self.thing)
        part_s = LASTS_S / VISITS
        stays_s = rng.uniform(3.0, 8.0, VISITS)
        moves_s = rng.uniform(0.2, 1.0, VISITS)
        for number in range(int(LASTS_S * FPS)):
            at_s = number / FPS
            visit, since_s = divmod(at_s, part_s)
            came_s, move_s = since_s - 3.0, moves_s[int(visit)]
            gone_s = came_s - stays_s[int(visit)]
            inside = min(max(came_s / move_s, 0.0), 1.0) - min(max(gone_s / move_s, 0.0), 1.0)
            seen = place
            if edge := round(inside * WIDTH_PX):
                seen = place.copy()
                seen[:, :edge] = thing[:, WIDTH_PX - edge :]
            light = 1 + rng.uniform(-LEVELS, LEVELS) + at_s / LASTS_S / 3
            yield Frame(shot(seen, rng, noise=NOISE, light=light), number, at_s)


class Compared(NamedTuple):
    """Events with and without, and how many frames were held."""

    every: list[Event]
    still: list[Event]
    frames: int
    held: int

    @property
    def apart_s(self) -> float | None:
        """The greatest difference in time; None where the events are others."""
        if [(e.rule, e.active) for e in self.every] != [(e.rule, e.active) for e in self.still]:
            return None
        return max(
            (abs(a.decided_s - b.decided_s) for a, b in zip(self.every, self.still, strict=True)),
            default=0.0,
        )


def compare(classifier: Classifier, label: str, frames: Iterator[Frame]) -> Compared:
    """What a rule on `label` makes of the same frames."""
    rules, defaults = [RuleConfig(name="thing", labels=[label])], DecideConfig()

    def perception(still: StillScenes | None) -> Perception:
        return Perception(classifier, Decider(rules, defaults, classifier.labels), still=still)

    hold_s = IdleConfig().still_s
    every, still = perception(None), perception(StillScenes(hold_s, classifier.input_px))
    found = Compared([], [], 0, 0)
    for frame in frames:
        found.every.extend(every.decide(frame).events)
        result = still.decide(frame)
        found.still.extend(result.events)
        found = found._replace(frames=found.frames + 1, held=found.held + result.prediction.still)
    return found


def recordings(
    classifier: Classifier, paths: Sequence[Path], count: int, seed: int
) -> Iterator[tuple[str, Recording]]:
    """Recordings of things that `classifier` knows, with the label that it gives them."""
    rng = np.random.default_rng(seed)
    while count:
        place, thing = (paths[i] for i in rng.integers(0, len(paths), 2))
        (best,) = classifier.classify(scene(thing)).top(1)
        (other,) = classifier.classify(scene(place)).top(1)
        one_class = [*classifier.labels].count(best.label) == 1
        if best.score >= 0.8 and best.label != other.label and one_class:
            count -= 1
            yield best.label, Recording(place, thing, int(rng.integers(1 << 30)))


def main() -> int:
    parser = argparse.ArgumentParser(prog="make report-still", description=__doc__)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--things", type=int, default=1000)
    parser.add_argument("--recordings", type=int, default=16)
    asked = parser.parse_args()
    paths = pictures()
    rng = np.random.default_rng(0)
    lines = [
        (what, *(f"{np.percentile(found, q):.0f}" for q in (50, 99, 100)))
        for what, found in levels(paths[::5], rng)
    ]
    found = np.array(list(things(paths, asked.things, rng)))
    lines.append(
        (
            f"a thing of {SHARE:.0%} of the frame",
            *(f"{np.percentile(found, q):.0f}" for q in (50, 99, 100)),
        )
    )
    text = ABOUT + "\n".join(table(("between two frames", "median", "99 %", "most"), lines))
    text += CHANGES.format(
        missed=int((found <= MOST_CHANGE).sum()), count=len(found), least=found.min()
    )
    text += SEQUENCES
    rows = []
    for name, config in MODELS.items():
        with tflite.load(config) as classifier:
            all_of_it = [
                compare(classifier, label, recording.frames())
                for label, recording in recordings(classifier, paths, asked.recordings, 1)
            ]
        same = [one for one in all_of_it if one.apart_s is not None and one.apart_s <= 1 / FPS]
        frames, held = sum(one.frames for one in all_of_it), sum(one.held for one in all_of_it)
        events = sum(len(one.every) for one in all_of_it)
        apart_s = [one.apart_s for one in all_of_it if one.apart_s is not None]
        rows.append(
            (
                name,
                f"{len(all_of_it)}",
                f"{frames}",
                f"{held / frames:.0%}",
                f"{events}",
                f"{len(same)} of {len(all_of_it)}",
                f"{max(apart_s, default=0.0):.1f} s",
            )
        )
    head = ("model", "recordings", "frames", "not classified", "events", "same", "farthest apart")
    text += "\n".join(table(head, rows)) + "\n"
    asked.out.write_text(text)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
