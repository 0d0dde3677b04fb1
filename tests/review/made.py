"""Frames that a model is unsure of, and the port that keeps them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from edged.commands import Reply, Request, Review, ReviewDecide
from edged.config.schema import DecideConfig, ReviewConfig, RuleConfig
from edged.core import Deciding, Frame, Pixels, Prediction, Result, Scene
from edged.perception.rules import Decider
from edged.review.folder import Folder
from edged.review.picture import Kept
from edged.review.port import ReviewPort, _mask

LABELS = ("cat", "dog", "fox")
SHA256 = "5d" * 32
WALL_S = 1_780_000_000.0
SURE = (0.98, 0.01, 0.01)
UNSURE = (0.45, 0.40, 0.15)


def noise(number: int, height_px: int = 48, width_px: int = 64) -> Pixels:
    """A picture that looks like no other one."""
    rng = np.random.default_rng(number)
    cells = rng.integers(0, 256, (6, 8, 3), np.uint8)
    return cells.repeat(height_px // 6, 0).repeat(width_px // 8, 1)


def kept(**fields: Any) -> Kept:
    """What edged knows of a frame."""
    known = {
        "device": "porch",
        "captured_s": WALL_S,
        "synced": True,
        "model": "m",
        "sha256": SHA256,
        "best": (("cat", 0.45), ("dog", 0.4)),
        "doubt": 0.95,
        "because": "margin",
        "known": None,
        "taught": None,
        "mask": _mask(()),
    }
    return Kept(**{**known, **fields})


class Keeping:
    """A port without a thread, and the loop before it. A frame comes each second."""

    def __init__(self, path: Path, privacy: Any = (), **config: Any) -> None:
        self.now_s = 100.0
        self.path = path
        settings = ReviewConfig(**{"enabled": True, "every_s": 10.0, **config})
        self.port = ReviewPort(
            settings, path, "porch", privacy, lambda: self.now_s, lambda: WALL_S + self.now_s
        )
        self.port._wake = lambda: None  # type: ignore[method-assign]
        self.port.__enter__()
        self._number = 0
        self.use("m", SHA256)

    def use(self, model: str, sha256: str) -> None:
        """Another model decides from now on."""
        self._model = model
        decider = Decider([RuleConfig(name="cat", labels=["cat"])], DecideConfig(), LABELS)
        self.port.write(Deciding(decider, model, lambda: sha256))

    def frame(
        self,
        scores: Any = UNSURE,
        pixels: Pixels | None = None,
        after_s: float = 1.0,
        full: Any = None,
        **prediction: Any,
    ) -> None:
        self.now_s += after_s
        self._number += 1
        given = noise(self._number) if pixels is None else pixels
        frame = Frame(given, self._number, self.now_s, full=full)
        labels = prediction.pop("labels", LABELS)
        said = Prediction(np.array(scores, np.float32), labels, {}, self._model, **prediction)
        self.port.write(Result(frame, said, Scene(None)))
        self.port.work()

    def picture(self, scores: Any = UNSURE, pixels: Pixels | None = None, **more: Any) -> None:
        """One that comes alone in its time, so that it is kept if any is."""
        self.frame(scores, pixels, **more)
        self.pass_s(11.0)

    def pass_s(self, seconds: float) -> None:
        self.now_s += seconds
        self.port.work()

    def ask(self, command: Review | ReviewDecide | Any) -> Reply:
        replies: list[Reply] = []
        self.port.answer(Request(command, "a test", replies.append))
        self.port.work()
        (reply,) = replies
        return reply

    @property
    def folder(self) -> Folder:
        return Folder(self.path)

    @property
    def numbers(self) -> list[int]:
        return [entry.number for entry in self.folder.entries()]

    @property
    def doubts(self) -> list[float]:
        return [round(entry.kept.doubt, 2) for entry in self.folder.entries()]


def names(path: Path) -> list[str]:
    """All files in a folder."""
    return sorted(one.name for one in path.iterdir())
