"""Seeded training with a checkpoint after every epoch.

Every random draw of an epoch comes from the seed and the number of the epoch, so a run that was
stopped and resumed draws what an unbroken run would have drawn.
"""

from __future__ import annotations

import copy
import math
import os
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from models.recipe.augment import Augmentation
from models.recipe.network import Network, Pointwise
from models.recipe.pictures import SIDE_PX, Pictures

Say = Callable[[str], None]

CHECKPOINT = "checkpoint.pt"
PREVIEW_PX = 24


@dataclass(frozen=True)
class Settings:
    """What decides the outcome of a run."""

    epochs: int
    seed: int = 1
    batch: int = 128
    matrix_rate: float = 0.02
    matrix_decay: float = 0.02
    peak_rate: float = 0.12
    weight_decay: float = 3e-4
    label_smoothing: float = 0.05
    warmup_share: float = 0.06
    preview_share: float = 0.6
    average_decay: float = 0.998
    effect_effort: float = 0.3

    def pace(self, progress: float) -> float:
        """Return the share of the peak rates at ``progress`` (0..1): a rise, then half a cosine."""
        if progress < self.warmup_share:
            return max(progress / self.warmup_share, 0.01)
        fall = (progress - self.warmup_share) / (1 - self.warmup_share)
        return 0.5 * (1 + math.cos(math.pi * fall))

    def size_px(self, epoch: int) -> int:
        """Return the side of the pictures in an epoch.

        Small pictures first: Tan and Le, "EfficientNetV2: Smaller Models and Faster Training",
        ICML 2021.
        """
        return PREVIEW_PX if epoch < self.preview_share * self.epochs else SIDE_PX


@dataclass(frozen=True)
class Leg:
    """A stretch of a run under the same settings, up to and with epoch ``until``."""

    settings: Settings
    until: int


@dataclass(frozen=True)
class Trained:
    """The averaged weights of a run, and what the run took."""

    network: Network
    legs: tuple[Leg, ...]
    minutes: float
    validation_accuracy: float
    device: str


def train(
    settings: Settings,
    training: Pictures,
    validation: Pictures,
    out: Path,
    say: Say,
) -> Trained:
    """Train, or go on where the checkpoint in ``out`` stopped; return the averaged network."""
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    run = _Run(settings, len(training.labels), device)
    run.resume(out / CHECKPOINT)
    pixels = torch.from_numpy(training.pixels).to(device)
    classes = torch.from_numpy(training.classes).to(device)
    while run.epoch < settings.epochs:
        started = time.perf_counter()
        loss = run.train_epoch(pixels, classes)
        run.elapsed_s += time.perf_counter() - started
        run.validation_accuracy = accuracy(run.average, validation)
        run.save(out / CHECKPOINT)
        left = settings.epochs - run.epoch
        pace_s = time.perf_counter() - started
        say(
            f"epoch {run.epoch}/{settings.epochs}  {settings.size_px(run.epoch - 1)} px"
            f"  loss {loss:.3f}  validation {run.validation_accuracy:.2%}"
            f"  {pace_s:.0f} s  about {left * pace_s / 60:.0f} min left"
        )
    return run.trained()


def load(settings: Settings, classes: int, out: Path) -> Trained:
    """Return the checkpoint in ``out`` as it stands, finished or not."""
    run = _Run(settings, classes, torch.device("cpu"))
    run.resume(out / CHECKPOINT)
    return run.trained()


def accuracy(network: Network, pictures: Pictures, batch: int = 500) -> float:
    """Return the top-1 accuracy in float32."""
    predicted = [logits.argmax(1) for logits, _ in outputs(network, pictures.pixels, batch)]
    return float((torch.cat(predicted).numpy() == pictures.classes).mean())


@torch.inference_mode()
def outputs(
    network: Network, pixels: np.ndarray[Any, np.dtype[np.uint8]], batch: int = 500
) -> list[tuple[Tensor, Tensor]]:
    """Return the logits and the features of the pictures, batch by batch, in float32."""
    network.eval()
    device = next(network.parameters()).device
    found = []
    for start in range(0, len(pixels), batch):
        part = torch.from_numpy(pixels[start : start + batch]).to(device).float()
        logits, features = network(part)
        found.append((logits.cpu(), features.cpu()))
    return found


class _Run:
    """The state of a run: weights, their average, the optimisers and the epoch."""

    def __init__(self, settings: Settings, classes: int, device: torch.device) -> None:
        torch.manual_seed(settings.seed)
        self.settings = settings
        self.device = device
        self.network = Network(classes).to(device)
        self.network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.average = copy.deepcopy(self.network)
        self.optimizers = _optimizers(self.network, settings)
        self.legs: list[Leg] = []
        self.elapsed_s = 0.0
        self.validation_accuracy = 0.0

    def train_epoch(self, pixels: Tensor, classes: Tensor) -> float:
        """Go once through the pictures; return the mean loss."""
        settings = self.settings
        generator = torch.Generator(self.device)
        generator.manual_seed(settings.seed * 100_000 + self.epoch)
        augment = Augmentation(generator, settings.effect_effort)
        size_px = settings.size_px(self.epoch)
        steps = len(classes) // settings.batch
        order = torch.randperm(len(classes), generator=generator, device=self.device)
        total = 0.0
        self.network.train()
        for step in range(steps):
            done = self.epoch * steps + step
            pace = settings.pace(done / (settings.epochs * steps))
            for optimizer in self.optimizers:
                for group in optimizer.param_groups:
                    group["lr"] = pace * group["peak"]
            chosen = order[step * settings.batch : (step + 1) * settings.batch]
            pictures = augment(pixels[chosen], size_px)
            with torch.autocast(self.device.type, torch.bfloat16):
                logits, _ = self.network(pictures * 255)
            loss = functional.cross_entropy(
                logits.float(), classes[chosen], label_smoothing=settings.label_smoothing
            )
            for optimizer in self.optimizers:
                optimizer.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            for optimizer in self.optimizers:
                optimizer.step()
            self._average(done)
            total += float(loss.detach())
        self._count_epoch()
        return total / steps

    def trained(self) -> Trained:
        """Return the averaged network of the run so far."""
        return Trained(
            self.average,
            tuple(self.legs),
            self.elapsed_s / 60,
            self.validation_accuracy,
            torch.cuda.get_device_name() if self.device.type == "cuda" else "CPU",
        )

    def resume(self, path: Path) -> None:
        """Take up the state in ``path`` where there is one; other settings start another leg."""
        if not path.exists():
            return
        state = torch.load(path, map_location=self.device, weights_only=True)
        self.network.load_state_dict(state["network"])
        self.average.load_state_dict(state["average"])
        for optimizer, saved in zip(self.optimizers, state["optimizers"], strict=True):
            own = [(group["peak"], group["weight_decay"]) for group in optimizer.param_groups]
            optimizer.load_state_dict(saved)
            for group, (peak, decay) in zip(optimizer.param_groups, own, strict=True):
                group.update(peak=peak, weight_decay=decay)  # the saved ones were its settings'
        self.legs = [Leg(Settings(**leg["settings"]), leg["until"]) for leg in state["legs"]]
        self.elapsed_s = state["elapsed_s"]
        self.validation_accuracy = state["validation_accuracy"]

    def save(self, path: Path) -> None:
        """Write the state so that a stop at any moment leaves a whole checkpoint."""
        part = path.with_suffix(".part")
        state = {
            "legs": [asdict(leg) for leg in self.legs],
            "network": self.network.state_dict(),
            "average": self.average.state_dict(),
            "optimizers": [optimizer.state_dict() for optimizer in self.optimizers],
            "elapsed_s": self.elapsed_s,
            "validation_accuracy": self.validation_accuracy,
        }
        with part.open("wb") as file:
            torch.save(state, file)
            file.flush()
            os.fsync(file.fileno())
        part.replace(path)

    @property
    def epoch(self) -> int:
        """The number of epochs done."""
        return self.legs[-1].until if self.legs else 0

    def _count_epoch(self) -> None:
        done = self.epoch + 1
        if self.legs and self.legs[-1].settings == self.settings:
            self.legs.pop()
        self.legs.append(Leg(self.settings, done))

    @torch.no_grad()
    def _average(self, step: int) -> None:
        # The first steps count little: a plain decay would remember the random start for long.
        keep = min(self.settings.average_decay, (1 + step) / (10 + step))
        for mean, now in zip(
            self.average.state_dict().values(), self.network.state_dict().values(), strict=True
        ):
            if mean.is_floating_point():
                mean.lerp_(now, 1 - keep)
            else:
                mean.copy_(now)


def _optimizers(network: Network, settings: Settings) -> tuple[torch.optim.Optimizer, ...]:
    """Muon for the matrices of the 1x1 convolutions, momentum for all that is smaller.

    Jordan et al., "Muon: An optimizer for hidden layers in neural networks", 2024: each step is
    made orthogonal, so that every direction of a matrix learns as fast. Stem and classifier decay;
    filters in depth, norms and biases have few weights and need them.
    """
    matrices = [module.weight for module in network.modules() if isinstance(module, Pointwise)]
    ends = [network.stem.weight, network.classifier.weight]
    placed = {id(parameter) for parameter in (*matrices, *ends)}
    others = [parameter for parameter in network.parameters() if id(parameter) not in placed]
    rates = {"lr": settings.peak_rate, "peak": settings.peak_rate}
    return (
        torch.optim.Muon(
            [{"params": matrices, "peak": settings.matrix_rate}],
            lr=settings.matrix_rate,
            weight_decay=settings.matrix_decay,
            momentum=0.9,
        ),
        torch.optim.SGD(
            [
                {"params": ends, "weight_decay": settings.weight_decay, **rates},
                {"params": others, "weight_decay": 0.0, **rates},
            ],
            momentum=0.9,
            nesterov=True,
        ),
    )
