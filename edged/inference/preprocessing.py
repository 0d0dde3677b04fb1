"""Everything besides the model file that determines the scores of a picture."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from msgspec import Struct

from edged.inference.interface import ImageInput, ScoresOutput


class Preprocessing(Struct, frozen=True):
    """How pixels become the input, and the output scores.

    ``pixels`` describes the source of the normalisation, ``table_sha256`` is of the value that each
    pixel of each channel becomes, ``labels_sha256`` of the labels in the order of the scores; with
    equal ones, a model gives the same answers.
    """

    pixels: str
    table_sha256: str
    channels: Literal["rgb", "bgr", "grey"]
    fit: Literal["stretch", "crop"]
    scores: Literal["probabilities", "logits"]
    labels_sha256: str

    @classmethod
    def of(
        cls,
        image: ImageInput,
        scores: ScoresOutput,
        fit: Literal["stretch", "crop"],
        labels: Sequence[str],
    ) -> Preprocessing:
        """The preprocessing of a loaded model."""
        # Takes three milliseconds, wasted at a start without a blessing.
        import hashlib

        colour: Literal["rgb", "bgr"] = "bgr" if image.blue_first else "rgb"
        return cls(
            pixels=image.normalised,
            table_sha256=hashlib.sha256(image.table.tobytes()).hexdigest(),
            channels="grey" if image.channels == 1 else colour,
            fit=fit,
            scores="logits" if scores.logits else "probabilities",
            labels_sha256=hashlib.sha256("\n".join(labels).encode()).hexdigest(),
        )

    def differences(self, other: Preprocessing) -> list[str]:
        """The differences, as text; empty if there are none."""
        found = [
            f"{name} {getattr(other, name)} and not {getattr(self, name)}"
            for name in ("channels", "fit", "scores")
            if getattr(self, name) != getattr(other, name)
        ]
        if self.table_sha256 != other.table_sha256:
            found.append(f"pixels {other.pixels} and not {self.pixels}")
        if self.labels_sha256 != other.labels_sha256:
            found.append("other labels")
        return found
