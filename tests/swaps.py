"""A daemon that sees a cat all the time, and models to be chosen meanwhile, good and bad ones."""

from __future__ import annotations

import errno
import hashlib
import json
import os
import random
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager, nullcontext
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple
from unittest.mock import patch

from ai_edge_litert import schema_py_generated as schema

from edged.config.schema import ModelConfig
from edged.daemon import Daemon
from edged.errors import CommandError
from edged.evaluation import blessing
from edged.evaluation.blessing import Blessing
from edged.evaluation.check import Check
from edged.inference import tflite
from edged.models import admission, quarantine, slots
from edged.models.quarantine import Verdict
from edged.opening import Opening
from edged.paths import bundled_model
from edged.ports.control.client import ControlClient
from edged.swap import NICENESS
from tests.inference.builder import Model, colours
from tests.models.zygote import Zygote
from tests.mosquitto import LIMIT_S, wait_until

PICTURES = Path(__file__).parent / "pictures"

FPS = 30.0

PATIENCE_S = 300.0
"""For the answer to a swap on a busy machine."""

CONFIG = """\
device = "swapped"
[camera]
kind = "directory"
source = "{pictures}/cat.jpg"
fps = {fps}
[model]
path = "{model}"
threads = 1
require_blessing = true
[swap]
shadow_s = 0.1
memory_max_mb = 40.0
[decide]
smoothing_s = 0.0
enter = 0.3
exit = 0.1
[[rule]]
name = "cat"
labels = ["cat"]
[gpio]
factory = "mock"
[[output]]
name = "lamp"
pin = 17
rule = "cat"
[mqtt]
enabled = false
[control]
socket = "{folder}/edged.sock"
"""

LABELS = (
    "airplane",
    "automobile",
    "bird",
    "cat",
    "deer",
    "dog",
    "frog",
    "horse",
    "ship",
    "truck",
)


class Bad(NamedTuple):
    """How a model is bad: what makes it, and words of the refusal.

    ``make`` writes the model at a path, and returns the fields of the command that it needs.
    """

    make: Callable[[Path], dict[str, object]]
    refused: str
    during: Callable[[Path], Any] = nullcontext


def bless(path: Path, **own: Any) -> None:
    """Put a blessing beside the model that it holds for."""
    with tflite.load(ModelConfig(path=str(path), threads=1, **own)) as loaded:
        preprocessing = loaded.preprocessing
    blessing.write(
        path,
        Blessing(
            model=path.name,
            sha256=_sha256(path),
            preprocessing=preprocessing,
            old_sha256="",
            gate_sha256="",
            data="",
            data_sha256="",
            pictures=1,
            results=[Check("made", True, "")],
            blessed="2026-01-01T00:00:00Z",
        ),
    )


def good(path: Path) -> dict[str, object]:
    """The bundled model under another name."""
    path.write_bytes(bundled_model().read_bytes())
    bless(path)
    return {}


def good_with_other_labels(path: Path) -> dict[str, object]:
    """A model of another vocabulary, which has a cat all the same."""
    return _labelled(path, [label if label == "cat" else f"a {label}" for label in LABELS])


def _labelled(path: Path, labels: list[str], *, blessed: bool = True) -> dict[str, object]:
    path.write_bytes(bundled_model().read_bytes())
    file = path.with_suffix(".txt")
    file.write_text("\n".join(labels) + "\n")
    if blessed:
        bless(path, labels=str(file))
    return {"labels": str(file)}


def _sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def _no_model(path: Path) -> dict[str, object]:
    path.write_bytes(random.Random(0).randbytes(10_000))  # noqa: S311 (no secret)
    return {}


def _torn(path: Path) -> dict[str, object]:
    content = bundled_model().read_bytes()
    path.write_bytes(content[: len(content) // 2])
    return {}


def _custom_operator(path: Path) -> dict[str, object]:
    model = Model()
    image = model.tensor([1, 4, 4, 3], "float32", name="image")
    scores = model.tensor([1, 3], "float32", name="scores")
    model.operator("Unheard", [image], [scores])
    path.write_bytes(model.content([image], [scores]))
    return _three(path)


def _three(path: Path) -> dict[str, object]:
    path.with_suffix(".txt").write_text("cat\ndog\nship\n")
    return {"labels": str(path.with_suffix(".txt")), "mean": [0.0], "std": [255.0]}


def _too_few_labels(path: Path) -> dict[str, object]:
    return _labelled(path, list(LABELS[:-2]), blessed=False)


def _no_cat(path: Path) -> dict[str, object]:
    return _labelled(path, [label.replace("cat", "lynx") for label in LABELS])


def _not_finite(path: Path) -> dict[str, object]:
    """Its scores are roots of what is below 0 on darker pictures than grey."""
    model = Model()
    image = model.tensor([1, 32, 32, 3], "float32", name="image")
    means = model.tensor([1, 1, 1, 3], "float32")
    row = model.tensor([1, 3], "float32")
    roots = model.tensor([1, 3], "float32")
    scores = model.tensor([1, 3], "float32", name="scores")
    model.pool(image, means, 32, 32)
    model.reshape(means, row)
    model.operator("SQRT", [row], [roots])
    model.softmax(roots, scores)
    path.write_bytes(model.content([image], [scores]))
    fields = _three(path) | {"mean": [127.0], "std": [255.0]}
    bless(path, **fields)
    return fields


def _slow(path: Path) -> dict[str, object]:
    """It blurs a large picture again and again before it takes the mean."""
    model, side_px, filled = Model(), 800, (1 / 255, 0)
    image = blurred = model.tensor([1, side_px, side_px, 3], "uint8", filled, name="image")
    for _ in range(4):
        source, blurred = blurred, model.tensor([1, side_px, side_px, 3], "uint8", filled)
        model.operator(
            "AVERAGE_POOL_2D",
            [source],
            [blurred],
            kind="Pool2DOptions",
            padding=schema.Padding.SAME,
            strideH=1,
            strideW=1,
            filterHeight=5,
            filterWidth=5,
        )
    means = model.tensor([1, 1, 1, 3], "uint8", filled)
    row = model.tensor([1, 3], "uint8", filled)
    scores = model.tensor([1, 3], "uint8", (1 / 256, 0), name="scores")
    model.pool(blurred, means, side_px, side_px)
    model.reshape(means, row)
    model.softmax(row, scores)
    path.write_bytes(model.content([image], [scores]))
    fields = _three(path) | {"mean": [], "std": []}
    bless(path, **fields)
    return fields


def _large(path: Path) -> dict[str, object]:
    colours(path, "uint8")
    with path.open("ab") as file:
        file.write(bytes(64_000_000))
    fields = _three(path) | {"mean": [], "std": []}
    bless(path, **fields)
    return fields


def _disagrees(path: Path) -> dict[str, object]:
    """Right in all but the order of its labels."""
    return _labelled(path, [*LABELS[1:], LABELS[0]])


def _wrong_golden(path: Path) -> dict[str, object]:
    good(path)
    picture = (PICTURES / "cat.jpg").read_bytes()
    pictures = path.with_name(f"{path.stem}.golden")
    pictures.mkdir(exist_ok=True)
    (pictures / "cat.jpg").write_bytes(picture)
    scores = [0.0] * 9 + [1.0]
    answer = {"name": "cat.jpg", "sha256": hashlib.sha256(picture).hexdigest(), "scores": scores}
    document = {"model": path.stem, "sha256": _sha256(path), "pictures": [answer]}
    document |= {"kind": "golden", "schema": 1}
    path.with_name(f"{path.stem}.golden.json").write_text(json.dumps(document))
    return {}


def _not_blessed(path: Path) -> dict[str, object]:
    path.write_bytes(bundled_model().read_bytes())
    return {}


def _blessing_of_another(path: Path) -> dict[str, object]:
    good(path)
    # What follows the model changes nothing but its hash.
    path.write_bytes(path.read_bytes() + b"\0")
    return {}


def _labels_gone(path: Path) -> dict[str, object]:
    fields = _labelled(path, list(LABELS))
    path.with_suffix(".txt").unlink()
    return fields


@contextmanager
def _full_disk(path: Path) -> Iterator[None]:
    del path
    full = OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    with patch.object(os, "fsync", side_effect=full):
        yield


@contextmanager
def _written_meanwhile(path: Path) -> Iterator[None]:
    """Somebody writes the file in place while it is copied."""
    copy = slots._copy

    def copied(source: Path, target: Path) -> str:
        if source != path:
            return copy(source, target)
        with patch.object(slots, "_PIECE_BYTES", 1000):
            opened = slots.open_regular

            def touched(one: Path) -> Any:
                file = opened(one)
                read = file.read

                class Touched:
                    def __enter__(self) -> Touched:
                        return self

                    def __exit__(self, *exception: object) -> None:
                        file.close()

                    def fileno(self) -> int:
                        return file.fileno()

                    def read(self, count: int) -> bytes:
                        with one.open("r+b") as writer:
                            writer.write(b"\0")
                        return bytes(read(count))

                return Touched()

            with patch.object(slots, "open_regular", touched):
                return copy(source, target)

    with patch.object(slots, "_copy", copied):
        yield


BAD: Mapping[str, Bad] = {
    "no model": Bad(_no_model, "is not a TensorFlow Lite model"),
    "torn": Bad(_torn, "damaged or cut short"),
    "an operator that no runtime has": Bad(_custom_operator, "Unheard"),
    "too few labels": Bad(_too_few_labels, "has 8 labels"),
    "a rule's label is missing": Bad(_no_cat, "the model has no label"),
    "outputs that are not finite": Bad(_not_finite, "expected outputs are finite"),
    "too slow": Bad(_slow, "ms per frame"),
    "too large": Bad(_large, "MB <= 40"),
    "it disagrees": Bad(_disagrees, "rules as with the model in use"),
    "wrong golden answers": Bad(_wrong_golden, "golden answers"),
    "not blessed": Bad(_not_blessed, "is not blessed"),
    "blessing of another file": Bad(_blessing_of_another, "blesses a file other than"),
    "no label file": Bad(_labels_gone, "cannot be read"),
    "the disk is full": Bad(good, "cannot be copied", _full_disk),
    "written while it is copied": Bad(good, "changed while it was copied", _written_meanwhile),
}


class Swapped:
    """The daemon, in a thread of this process."""

    def __init__(self, folder: Path, **changes: str) -> None:
        self.folder = folder
        self.path = folder / "edged.toml"
        self.own = folder / "own.tflite"
        good(self.own)
        text = CONFIG.format(pictures=PICTURES, folder=folder, model=self.own, fps=FPS)
        for before, after in changes.items():
            text = text.replace(f"{before} =", f"{before} = {after} #")
        self.path.write_text(text)
        self.client = ControlClient(folder / "edged.sock", PATIENCE_S)
        self.daemon: Daemon | None = None
        self.failure: BaseException | None = None
        self._thread: threading.Thread | None = None

    def __enter__(self) -> Swapped:
        # A busy machine takes longer than a start of edged would wait.
        patient = partial(quarantine.inspect, timeout_s=60.0)
        admission.admit(Opening(self.path).config.model, inspect=patient)
        self.daemon = daemon = Daemon(Opening(self.path))
        self._thread = threading.Thread(target=self._run, args=(daemon,))
        self._thread.start()
        wait_until(
            lambda: (
                self.failure or (hasattr(daemon, "_pipeline") and daemon._pipeline.vitals.frames)
            )
        )
        assert self.failure is None, self.failure
        return self

    def __exit__(self, *exception: object) -> None:
        assert self.daemon is not None
        assert self._thread is not None
        self.daemon.stop("the end")
        self._thread.join(LIMIT_S)

    def _run(self, daemon: Daemon) -> None:
        try:
            daemon.run()
        except BaseException as error:
            self.failure = error

    def use(self, path: Path, **fields: object) -> str:
        """The model in use then. CommandError."""
        reply, _ = self.client.ask("use-file", model=str(path), **fields)
        return str(reply["data"]["model"])

    def refused(self, bad: Bad, path: Path, fields: dict[str, object]) -> str:
        """Why what was made at `path` is refused; AssertionError where it is taken."""
        with bad.during(path):
            try:
                taken = self.use(path, **fields)
            except CommandError as error:
                return str(error)
        raise AssertionError(f"{taken} was taken")

    def status(self) -> dict[str, Any]:
        data: dict[str, Any] = self.client.ask("status")[0]["data"]
        return data

    @property
    def slots(self) -> Path:
        return slots.folder(self.path)

    def on_disk(self) -> tuple[str | None, set[str]]:
        """The current model by what is on the disk, which must be whole; the names of all slots."""
        choice = slots.read_choice(self.slots)
        found = set(slots.all_slots(self.slots))
        if choice.current is None:
            return None, found
        return slots.read(self.slots, choice.current).name, found


@contextmanager
def quick_quarantine() -> Iterator[None]:
    """Quarantine as ever, each model in a process of its own, but forked from a warm one."""
    with Zygote(timeout_s=60, niceness=NICENESS) as zygote:

        def inspect(path: Path, model: ModelConfig) -> Verdict:
            return zygote.inspect(path, model.labels)

        with patch("edged.swap._patiently", inspect):
            yield


@contextmanager
def swapped(folder: Path, **changes: str) -> Iterator[Swapped]:
    """A daemon that sees a cat, with its state in `folder`."""
    with ExitStack() as stack:
        state = {"RUNTIME_DIRECTORY": str(folder), "STATE_DIRECTORY": str(folder / "state")}
        stack.enter_context(patch.dict(os.environ, state))
        stack.enter_context(patch("edged.reload.SETTLED_S", 0.0))
        yield stack.enter_context(Swapped(folder, **changes))
