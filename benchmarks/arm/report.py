"""The counts as a section of docs/benchmarks.md, their targets, and the guard over them."""

from __future__ import annotations

import itertools
import json
import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from benchmarks import boards

ROOT = Path(__file__).parents[2]
COMMITTED = ROOT / "docs" / "benchmarks-arm.json"
PAGE = ROOT / "docs" / "benchmarks.md"

CORES = {
    "cortex-a53": "Raspberry Pi 3",
    "cortex-a72": "Raspberry Pi 4",
    "cortex-a76": "Raspberry Pi 5",
    "cortex-a78ae": "Jetson Orin",
}
"""What is counted, by qemu's name, and the board that has it."""

ROOM = 0.02
"""What a frame may cost more above its invoke than is committed, as a share of that."""

MODELS = {"mobilenet": "MobileNetV2 int8 224", "bundled": "the bundled model"}
KINDS = {"vga": "640×480 RGB", "jpeg": "1920×1080 JPEG"}
STAGES = ("decode", "resize", "tensor", "invoke", "scores", "decide")

Figures = Mapping[str, float]
"""Of one core: names as `guest` gives them, and millions of instructions."""


class Row(NamedTuple):
    """A figure, times ``factor``; or a ratio of two."""

    what: str
    name: str
    over: str = ""
    factor: float = 1.0

    def of(self, figures: Figures) -> float | None:
        """None where the core has not been asked."""
        if self.name not in figures or (self.over and self.over not in figures):
            return None
        figure = figures[self.name] * self.factor
        return figure / figures[self.over] if self.over else figure


class Target(NamedTuple):
    """The most that a row may be on each of ``cores``."""

    row: Row
    most: float
    cores: tuple[str, ...] = ("cortex-a72", "cortex-a76")
    unit: str = ""


def over_the_invoke(model: str, kind: str, what: str) -> Row:
    """A whole frame over the invoke alone."""
    here = f"frame/{model}/{kind}"
    return Row(what, f"{here}/whole", f"{here}/invoke alone")


def _ratio(kind: str, most: float, core: str) -> Target:
    what = f"{MODELS['mobilenet']}, {KINDS[kind]}: frame over the invoke"
    return Target(over_the_invoke("mobilenet", kind, what), most, (core,))


RESIZES = {"640×480 → 224": 1.5, "640×480 → 32": 0.8, "960×540 → 224": 2.5}
"""Sizes in pixels, and the most that each may take, in millions of instructions."""

LAYOUTS = ("YUYV", "NV12")


def _yuv(layout: str, what: str) -> Row:
    return Row(f"{what} → 224, above the resize of RGB", f"pixel/{layout} → 224, above RGB")


TARGETS = (
    *(
        Target(Row(f"resize {sizes}", f"resize/{sizes}"), most, unit=" million")
        for sizes, most in RESIZES.items()
    ),
    _ratio("vga", 1.02, "cortex-a72"),
    _ratio("vga", 1.04, "cortex-a76"),
    _ratio("jpeg", 1.6, "cortex-a76"),
    *(
        Target(
            Row(
                f"{layout} 640×480 → 224, above the resize of RGB",
                f"pixel/{layout} → 224, above RGB",
            ),
            1.0,
            unit=" a pixel",
        )
        for layout in LAYOUTS
    ),
)

TABLES: dict[str, list[Row]] = {
    **{
        f"{title}, million instructions": [
            row
            for kind, kind_title in KINDS.items()
            for row in (
                Row(f"{kind_title}: invoke alone", f"frame/{model}/{kind}/invoke alone"),
                *(
                    Row(f"{kind_title}: {stage}", f"frame/{model}/{kind}/{stage}")
                    for stage in STAGES
                    if (kind, stage) != ("vga", "decode")
                ),
                over_the_invoke(model, kind, f"**{kind_title}: frame over the invoke**"),
            )
        ]
        for model, title in MODELS.items()
    },
    "RGB to another size, million instructions": [
        row
        for sizes in RESIZES
        for row in (
            Row(sizes, f"resize/{sizes}"),
            Row(f"{sizes}, by Pillow", f"pillow/{sizes}"),
        )
    ],
    "uncompressed frames of 640×480, instructions a pixel": [
        row
        for layout in LAYOUTS
        for row in (
            _yuv(layout, layout),
            Row(f"{layout} to RGB, all of it", f"pixel/{layout}, all of it"),
        )
    ],
    "scores and rules, thousand instructions": [
        Row(what.replace("/", ": "), what, factor=1e3)
        for classes in ("10 classes", "1001 classes")
        for what in (
            f"look up/{classes}",
            *(f"decide/{classes}, {rules}" for rules in ("1 rule", "10 rules", "100 rules")),
        )
    ],
    "whole processes, million instructions": [
        Row(what, f"process/{what}")
        for what in (
            "python -c pass",
            "import numpy",
            "import numpy and the runtime",
            "edged version",
            "edged classify",
        )
    ],
    "a daemon on one core, million instructions and waits": [
        Row("start of the bare script to its first answer", "start/bare script"),
        Row("start of `edged run`, with pins, to its first decision", "start/edged run"),
        Row("**start over the bare script**", "start/edged run", "start/bare script"),
        Row("a captured frame to its decision", "way/captured frame to decision"),
        Row("decision to the pin, by the guard's process", "way/decision to pin"),
    ],
}


def load(path: Path = COMMITTED) -> dict[str, Any]:
    """What is committed: ``about``, ``absent`` and ``features``, and ``cores`` with figures."""
    document: dict[str, Any] = json.loads(path.read_text())
    return document


def section(document: Mapping[str, Any]) -> str:
    """``## Arm`` up to the end of its section."""
    cores: Mapping[str, Figures] = document["cores"]
    about = ", ".join(f"{key} {value}" for key, value in document["about"].items())
    dotted = [_title(c) for c, words in document["features"].items() if "asimddp" in words.split()]
    lines = [
        "## Arm",
        "",
        "Counted by `make bench-arm`: an emulated computer (qemu) whose clock counts instructions "
        "runs edged on the cores of the boards, with the vector instructions that they have. "
        "The counts repeat to the fourth digit; they say nothing of caches and memory. "
        f"{about[:1].upper()}{about[1:]}. "
        f"The dot-product instructions are there on {', '.join(dotted) or 'none'}.",
        "",
        "| what | measured | target | |",
        "|---|---|---|---|",
        *(row for target in TARGETS for row in _judged(target, cores)),
        "",
    ]
    for title, rows in TABLES.items():
        found = {row.what: [row.of(figures) for figures in cores.values()] for row in rows}
        found = {what: cells for what, cells in found.items() if set(cells) != {None}}
        if found:
            head = " | ".join(f"{_title(core)}, {CORES[core]}" for core in cores)
            lines += [f"| {title} | {head} |", "|---|" + "---|" * len(cores)]
            lines += [f"| {what} | {_cells(cells)} |" for what, cells in found.items()]
            lines.append("")
    if document["absent"]:
        absent = [f"{_title(core)} ({CORES[core]})" for core in document["absent"]]
        lines += [f"Not known to this qemu: {', '.join(absent)}.", ""]
    return "\n".join([*lines, boards.section(boards.kept())])


def put(page: str, section: str) -> str:
    """`page` with `section` in place of its own ``## Arm``; at its end where it has none."""
    parts = re.split(r"^(?=## )", page, flags=re.M)
    kept = [section if part.startswith("## Arm\n") else part for part in parts]
    return "".join(kept if section in kept else [*kept, section])


class Verdict(NamedTuple):
    """One frame on one core: millions of instructions above its invoke, before and now."""

    what: str
    committed: float
    now: float

    @property
    def failed(self) -> bool:
        return self.now > self.committed * (1 + ROOM)

    def __str__(self) -> str:
        told = f"{self.now:.4f} million above the invoke, committed {self.committed:.4f}"
        return f"{self.what}: {told}{'  MORE' if self.failed else ''}"


def compare(committed: Mapping[str, Figures], now: Mapping[str, Figures]) -> list[Verdict]:
    """Every frame that both have, on every core that both have."""
    verdicts = []
    for core, model, kind in itertools.product(now, MODELS, KINDS):
        before = _above(committed.get(core, {}), model, kind)
        after = _above(now[core], model, kind)
        if before is not None and after is not None:
            what = f"{_title(core)}, {MODELS[model]}, {KINDS[kind]}"
            verdicts.append(Verdict(what, before, after))
    return verdicts


def _above(figures: Figures, model: str, kind: str) -> float | None:
    here = f"frame/{model}/{kind}"
    if f"{here}/whole" not in figures:
        return None
    return figures[f"{here}/whole"] - figures[f"{here}/invoke alone"]


def _judged(target: Target, cores: Mapping[str, Figures]) -> Iterator[str]:
    for core in target.cores:
        figure = target.row.of(cores.get(core, {}))
        measured, met = "not measured", ""
        if figure is not None:
            measured = f"{figure:.3f}{target.unit}"
            met = "met" if figure <= target.most else "**missed**"
        limit = f"≤ {target.most:g}{target.unit}"
        yield f"| {target.row.what}, {_title(core)} | {measured} | {limit} | {met} |"


def _cells(figures: Iterable[float | None]) -> str:
    return " | ".join("-" if figure is None else f"{figure:#.4g}" for figure in figures)


def _title(core: str) -> str:
    return core.replace("cortex-a", "Cortex-A").replace("A78ae", "A78AE")
