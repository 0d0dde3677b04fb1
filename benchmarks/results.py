"""What a measurement says: rows against targets, tables, curves."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

import numpy as np


@dataclass(frozen=True)
class Row:
    """One thing that was measured, beside its target; ``met`` is None where there is none."""

    what: str
    measured: str
    target: str = ""
    met: bool | None = None


@dataclass(frozen=True)
class Table:
    """Cells for people; ``title`` says what one line is."""

    title: str
    head: tuple[str, ...]
    lines: Sequence[tuple[str, ...]]


@dataclass(frozen=True)
class Plot:
    """Curves over one quantity; ``name`` is the file's name without suffix."""

    name: str
    title: str
    x: str
    y: str
    curves: dict[str, list[tuple[float, float]]]
    log_x: bool = False


@dataclass
class Part:
    """What one measurement found. ``figures`` are the plain numbers, with units in their names."""

    title: str
    rows: list[Row] = field(default_factory=list)
    tables: list[Table] = field(default_factory=list)
    plots: list[Plot] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    figures: dict[str, float] = field(default_factory=dict)

    def judge(self, what: str, figure: float, unit: str, most: float, more: str = "") -> None:
        """A row whose figure must be `most` at most."""
        measured = f"{figure:.3g}{unit}" + (f" ({more})" if more else "")
        self.rows.append(Row(what, measured, f"≤ {most:g}{unit}", figure <= most))


@dataclass(frozen=True)
class Times:
    """Durations in milliseconds."""

    ms: tuple[float, ...]

    @classmethod
    def of_seconds(cls, durations_s: Iterable[float]) -> Times:
        return cls(tuple(duration_s * 1e3 for duration_s in durations_s))

    def at(self, percent: float) -> float:
        """A percentile, in milliseconds."""
        return float(np.percentile(self.ms, percent))

    @property
    def p50(self) -> float:
        return self.at(50)

    @property
    def p99(self) -> float:
        return self.at(99)

    def __str__(self) -> str:
        return f"{self.p50:.3f} / {self.at(90):.3f} / {self.p99:.3f}"
