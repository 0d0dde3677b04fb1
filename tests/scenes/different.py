"""``make report-different``: what is caught, which alarms are false, and which fault is named."""

from __future__ import annotations

import argparse
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from itertools import count
from pathlib import Path
from typing import NamedTuple

import numpy as np
from PIL import Image, ImageFilter

from edged import paths
from edged.anomaly.classifier import AnomalyClassifier
from edged.anomaly.detector import LIMIT
from edged.anomaly.fit import FRAMES, learn
from edged.anomaly.normal import Normal, choose_map
from edged.config.schema import ModelConfig
from edged.core import DIFFERENT, VIEW_LABELS, Pixels, Prediction
from edged.evaluation.text import table
from edged.inference import layers, modelfile, tflite
from edged.inference.tflite import TfliteClassifier
from tests.conftest import SHARED_DATA
from tests.scenes.camera import HEIGHT_PX, WIDTH_PX, contrast, pictures, put, scene, shot
from tests.scenes.light import LIGHTS

VISIBLE = 20.0
SHARES = (0.005, 0.01, 0.02)
MODELS = ("mobilenet_v2_1.0_224_quant", "mobilenet_v1_0.75_192_quant", "bundled")

ABOUT = """\
# Different from normal

Written by `make report-different`. Each of {places} photographs of the ImageNet sample is a place
that a camera looks at, 640x480 with sensor noise and JPEG compression. edged learns it from
{frames} frames, as `edged teach --normal` does, and then sees frames in another light, frames with
a piece of another photograph in them, and faults of the camera. The shapes of the shadows are other
ones than those that edged makes for itself when it learns. A frame is different if its score is 0.5
or more; a rule needs 0.6 unless it says otherwise.

"""

FALSE = """
## False alarms: nothing is there, and the light is another

"""

CAUGHT = f"""

## Caught: a piece of another photograph, in light by chance

Rectangles and ellipses anywhere in the frame, that differ from what they cover by {VISIBLE:g}
levels or more in the mean; without a shadow.

"""

FAULTS = """

## Faults of the camera

Which label has a score of 0.5 or more, in parts of the frames. *different* alone means that it is
different and no fault is named.

"""


def taught(path: Path, model: TfliteClassifier, tensor: int, rng: np.random.Generator) -> Normal:
    """What edged learns from frames of a place."""
    picture = scene(path)
    frames = [shot(picture, rng, light=rng.uniform(0.97, 1.03)) for _ in range(FRAMES)]
    return learn(frames, model, tensor, "")


def loaded(name: str) -> tuple[TfliteClassifier, int]:
    """A model of the shared data, and the map in it that is compared."""
    path = SHARED_DATA / "models" / f"{name}.tflite"
    config = ModelConfig(
        path=str(path), labels=str(SHARED_DATA / "labels" / "imagenet_labels.txt"), threads=1
    )
    if name == "bundled":
        path, config = paths.bundled_model(), ModelConfig(threads=1)
    tensor = choose_map(layers.find(modelfile.content(path)).maps, path).tensor
    (model,) = tflite.load_alike(config, layers=[tensor])
    return model, tensor


def different(prediction: Prediction) -> bool:
    """Whether it says so."""
    return bool(prediction.scores[len(prediction.labels) - len(VIEW_LABELS)] >= LIMIT)


def named(prediction: Prediction) -> str:
    """The fault that it names, `DIFFERENT` without one, empty for nothing."""
    scores = dict(zip(VIEW_LABELS, prediction.scores[-len(VIEW_LABELS) :], strict=True))
    faults = [label for label in VIEW_LABELS[1:] if scores[label] >= LIMIT]
    return faults[0] if faults else DIFFERENT if scores[DIFFERENT] >= LIMIT else ""


def with_thing(
    picture: Pixels, share: float, others: Sequence[Path], rng: np.random.Generator
) -> Pixels:
    """A frame with a piece of another photograph, in light by chance but without a shadow."""
    while True:
        thing = scene(others[rng.integers(len(others))])
        new = put(picture, thing, share, rng)
        if contrast(picture, new) >= VISIBLE:
            break
    light = [*LIGHTS.values()][rng.integers(4)]
    return shot(new, rng, light=light(rng))


def _blurred(radius: float) -> Callable[[Path, np.random.Generator], Pixels]:
    def blurred(path: Path, rng: np.random.Generator) -> Pixels:
        soft = Image.fromarray(scene(path)).filter(ImageFilter.GaussianBlur(radius))
        return shot(np.asarray(soft), rng)

    return blurred


def _covered(path: Path, rng: np.random.Generator) -> Pixels:
    """By a hand, a cloth or paint: one colour, a little brighter to one side."""
    tint = rng.uniform(5, 200) * rng.uniform(0.7, 1.0, 3)
    ramp = np.linspace(0.9, 1.1, WIDTH_PX)[None, :, None]
    return shot((tint * ramp * np.ones((HEIGHT_PX, 1, 1))).astype(np.uint8), rng)


def _moved(least: float, most: float) -> Callable[[Path, np.random.Generator], Pixels]:
    """By a part of the frame, in any direction; the photograph has no more to show beyond."""

    def moved(path: Path, rng: np.random.Generator) -> Pixels:
        angle, far = rng.uniform(0, 2 * np.pi), rng.uniform(least, most)
        across = round(far * WIDTH_PX * np.cos(angle))
        down = round(far * HEIGHT_PX * np.sin(angle))
        padded = np.pad(scene(path), ((abs(down),) * 2, (abs(across),) * 2, (0, 0)), mode="reflect")
        top, left = abs(down) + down, abs(across) + across
        return shot(padded[top : top + HEIGHT_PX, left : left + WIDTH_PX], rng)

    return moved


def faults(
    others: Sequence[Path],
) -> dict[str, Callable[[Path, np.random.Generator], Pixels]]:
    """What can be wrong with a view, and what looks similar."""

    def thing(share: float) -> Callable[[Path, np.random.Generator], Pixels]:
        return lambda path, rng: with_thing(scene(path), share, others, rng)

    return {
        "lens covered": _covered,
        "out of focus, 4 px": _blurred(4),
        "out of focus, 8 px": _blurred(8),
        "moved by 8 to 15 % of the frame": _moved(0.08, 0.15),
        "moved by 15 to 30 %": _moved(0.15, 0.3),
        "a thing of 10 % of the frame": thing(0.1),
        "a thing of 30 % of the frame": thing(0.3),
        "cast shadows": lambda path, rng: shot(scene(path), rng, light=LIGHTS["cast shadows"](rng)),
        "nothing": lambda path, rng: shot(scene(path), rng),
    }


class Counts(NamedTuple):
    """How many frames were called different, and what was named, by kind of frame."""

    seen: Counter[str]
    called: Counter[str]
    named: dict[str, Counter[str]]

    def share(self, what: str) -> float:
        """The part of the frames that was called different."""
        return self.called[what] / self.seen[what]


def measure(
    name: str, places: Sequence[Path], others: Sequence[Path], frames: int, seed: int
) -> Counts:
    """Teaches each of `places` and shows `frames` of each kind; pieces come from `others`."""
    rng = np.random.default_rng(seed)
    model, tensor = loaded(name)
    counts = Counts(Counter(), Counter(), {})
    for path in places:
        # Each frame is another moment.
        clock = count(step=10.0).__next__
        seeing = AnomalyClassifier(model, taught(path, model, tensor, rng), clock=clock)
        for what, picture in kinds(path, others, frames, rng):
            prediction = seeing.classify(picture)
            counts.seen[what] += 1
            counts.called[what] += different(prediction)
            counts.named.setdefault(what, Counter())[named(prediction)] += 1
    return counts


def kinds(
    path: Path, others: Sequence[Path], frames: int, rng: np.random.Generator
) -> Iterator[tuple[str, Pixels]]:
    """Every kind of frame of a place, by name."""
    for what, light in LIGHTS.items():
        for _ in range(frames):
            yield what, shot(scene(path), rng, light=light(rng))
    for share in SHARES:
        for _ in range(frames):
            yield f"{share:.1%} of the frame", with_thing(scene(path), share, others, rng)
    for what, make in faults(others).items():
        for _ in range(max(1, frames // 4)):
            yield f"fault: {what}", make(path, rng)


def main() -> int:
    parser = argparse.ArgumentParser(prog="make report-different", description=__doc__)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--places", type=int, default=40)
    parser.add_argument("--frames", type=int, default=20)
    asked = parser.parse_args()
    photographs = pictures()
    chosen = np.random.default_rng(7).permutation(len(photographs))
    places = [photographs[i] for i in chosen[: asked.places]]
    others = [photographs[i] for i in chosen[asked.places :]]
    found = {name: measure(name, places, others, asked.frames, 11) for name in MODELS}
    asked.out.write_text(document(found, asked.places))
    return 0


def document(found: dict[str, Counts], places: int) -> str:
    """The report."""
    first = next(iter(found.values()))
    frames = str(first.seen["the same"])
    text = ABOUT.format(places=places, frames=FRAMES) + FALSE.lstrip("\n")
    text += "\n".join(
        table(
            ("light", "frames", *found),
            [
                (what, frames, *(f"{counts.share(what):.1%}" for counts in found.values()))
                for what in LIGHTS
            ],
        )
    )
    sizes = [what for what in first.seen if what.endswith("of the frame") and ":" not in what]
    text += CAUGHT + "\n".join(
        table(
            ("size", "frames", *found),
            [
                (what, frames, *(f"{counts.share(what):.1%}" for counts in found.values()))
                for what in sizes
            ],
        )
    )
    text += FAULTS + "\n".join(
        table(
            ("what", "frames", "nothing", *VIEW_LABELS),
            [
                (
                    what.removeprefix("fault: "),
                    str(first.seen[what]),
                    *(
                        f"{first.named[what][label] / first.seen[what]:.0%}"
                        for label in ("", *VIEW_LABELS)
                    ),
                )
                for what in first.named
                if what.startswith("fault: ")
            ],
        )
    )
    return f"{text}\n\nThe faults are those of {next(iter(found))}.\n"


if __name__ == "__main__":
    raise SystemExit(main())
