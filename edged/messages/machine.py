"""The machine: what is installed, and its speed."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta

from edged.messages.message import Count, Document, Percentiles, Score


class VersionMessage(Document, frozen=True, kw_only=True, rename="kebab"):
    """The platform of edged, and its components; null: not installed."""

    edged: str
    python: str
    machine: str
    kernel: str
    ai_edge_litert: str | None
    tflite_runtime: str | None
    tensorflow: str | None
    numpy: str | None
    pillow: str | None
    simplejpeg: str | None
    paho_mqtt: str | None
    gpiozero: str | None


class BenchMessage(Document, frozen=True, kw_only=True):
    """The durations of a frame's stages, and of a bare invoke measured in turns with them."""

    version: str
    python: str
    governor: str | None
    temperature_c: float | None
    throttled: bool | None
    model: str
    runtime: str
    machine: str
    threads: Count
    delegated: Annotated[Score | None, Meta(description="share of the operators; null: unknown")]
    frame: Annotated[str, Meta(description="width x height, pixels")]
    runs: Count
    floor_ms: Annotated[Percentiles, Meta(description="the bare invoke")]
    frame_ms: Percentiles
    stages_ms: dict[str, Percentiles]
    ratio_p50: Annotated[float, Meta(description="median of a frame / that of the bare invoke")]
