"""What came of one part: a table with limits, as a section of the report."""

from __future__ import annotations

import sys
from dataclasses import dataclass, field


@dataclass
class Row:
    """Times of one kind of thing in milliseconds; their p99 has a limit where one is given."""

    what: str
    took_ms: list[float]
    limit_ms: float | None

    @property
    def met(self) -> bool:
        return not self.took_ms or self.limit_ms is None or self.at(0.99) <= self.limit_ms

    def at(self, part: float) -> float:
        """The percentile, by nearest rank."""
        ordered = sorted(self.took_ms)
        return ordered[min(len(ordered) - 1, round(part * (len(ordered) - 1)))]

    def __str__(self) -> str:
        limit = "" if self.limit_ms is None else f"{self.limit_ms:g} ms"
        if not self.took_ms:
            return f"| {self.what} | 0 | | | | {limit} | |"
        times = " | ".join(f"{value:.1f}" for value in (self.at(0.5), self.at(0.99), self.at(1.0)))
        verdict = ("met" if self.met else "**missed**") if limit else ""
        return f"| {self.what} | {len(self.took_ms)} | {times} | {limit} | {verdict} |"


@dataclass
class Part:
    """``failures`` are what went wrong beside times."""

    title: str
    about: str
    rows: list[Row] = field(default_factory=list)
    failures: list[str] = field(default_factory=list)

    @property
    def met(self) -> bool:
        return not self.failures and all(row.met for row in self.rows)

    def section(self, name: str, machine: str) -> str:
        lines = [
            f"<!-- {name} -->",
            f"## {self.title}",
            "",
            f"{self.about} {machine}.",
            "",
            *self._table(),
            f"{len(self.failures)} failures." if self.failures else "No failure.",
            *(f"- {failure}" for failure in self.failures),
        ]
        return "\n".join(lines) + "\n"

    def _table(self) -> list[str]:
        if not self.rows:
            return []
        head = "| | times | p50 ms | p99 ms | max ms | limit of p99 | |"
        return [head, "|---|---|---|---|---|---|---|", *map(str, self.rows), ""]


def progress(done: float, whole: float, what: str) -> None:
    """One line that is written over."""
    width = 30
    full = round(width * min(1.0, done / whole))
    bar = "#" * full + "." * (width - full)
    end = "" if sys.stderr.isatty() else "\n"
    print(f"\r[{bar}] {done:4.0f} of {whole:.0f} s, {what}", end=end, file=sys.stderr, flush=True)
