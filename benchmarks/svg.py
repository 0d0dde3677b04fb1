"""Curves as SVG, in a few lines: no plotting library is worth its weight here."""

from __future__ import annotations

import math
from html import escape

from benchmarks.results import Plot

WIDTH, HEIGHT = 640, 360
LEFT, RIGHT, TOP, BOTTOM = 70, 16, 40, 50
MARKS = 12
"""Numbers along the horizontal axis at most."""

COLOURS = ("#1f6fb2", "#d1495b", "#3a7d44", "#8a5a00", "#6d3fa0")


def draw(plot: Plot) -> str:
    """The plot as an SVG document; the vertical axis starts at 0."""
    xs = [_along(x, plot.log_x) for points in plot.curves.values() for x, _ in points]
    top = _round_up(max((y for points in plot.curves.values() for _, y in points), default=1.0))
    low, high = min(xs), max(xs)
    span = (high - low) or 1.0

    def place(x: float, y: float) -> tuple[float, float]:
        along = (_along(x, plot.log_x) - low) / span
        return (
            LEFT + along * (WIDTH - LEFT - RIGHT),
            HEIGHT - BOTTOM - y / top * (HEIGHT - TOP - BOTTOM),
        )

    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" '
        'font-family="sans-serif" font-size="12">',
        f'<rect width="{WIDTH}" height="{HEIGHT}" fill="white"/>',
        f'<text x="{LEFT}" y="22" font-size="15">{escape(plot.title)}</text>',
    ]
    for step in range(5):
        value = top * step / 4
        _, y = place(10**low if plot.log_x else low, value)
        lines.append(
            f'<line x1="{LEFT}" y1="{y:.1f}" x2="{WIDTH - RIGHT}" y2="{y:.1f}" stroke="#ddd"/>'
            f'<text x="{LEFT - 6}" y="{y + 4:.1f}" text-anchor="end">{value:g}</text>'
        )
    marks = sorted({x for points in plot.curves.values() for x, _ in points})
    for x in marks[:: math.ceil(len(marks) / MARKS)]:
        along, _ = place(x, 0)
        lines.append(
            f'<text x="{along:.1f}" y="{HEIGHT - BOTTOM + 16}" text-anchor="middle">{x:.3g}</text>'
        )
    lines.append(
        f'<text x="{(LEFT + WIDTH - RIGHT) / 2}" y="{HEIGHT - 12}" text-anchor="middle">'
        f"{escape(plot.x)}</text>"
        f'<text x="14" y="{HEIGHT / 2}" text-anchor="middle" '
        f'transform="rotate(-90 14 {HEIGHT / 2})">{escape(plot.y)}</text>'
    )
    for number, (name, points) in enumerate(plot.curves.items()):
        colour = COLOURS[number % len(COLOURS)]
        places = [place(x, y) for x, y in points]
        path = " ".join(f"{x:.1f},{y:.1f}" for x, y in places)
        lines.append(f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="2"/>')
        lines += [f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3" fill="{colour}"/>' for x, y in places]
        lines.append(
            f'<text x="{WIDTH - RIGHT}" y="{22 + 16 * number}" text-anchor="end" fill="{colour}">'
            f"{escape(name)}</text>"
        )
    return "\n".join([*lines, "</svg>", ""])


def _along(x: float, log: bool) -> float:
    return math.log10(x) if log else x


def _round_up(value: float) -> float:
    if value <= 0:
        return 1.0
    power = 10.0 ** math.floor(math.log10(value))
    return next(
        power * step for step in (1, 1.2, 1.6, 2, 2.4, 3.2, 4, 6, 8, 10) if power * step >= value
    )
