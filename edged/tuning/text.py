"""What a search has found, for people: a table, lines to paste, and a plot."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from html import escape

from edged.messages.recordings import Counts, TunedMessage, TunedRow

WIDTH_PX, HEIGHT_PX = 640, 400
LEFT_PX, RIGHT_PX, TOP_PX, BOTTOM_PX = 70, 20, 44, 54

FEW_MARKS = 20


def table(message: TunedMessage) -> Iterator[str]:
    """In 80 columns."""
    hours = message.duration_s / 3600
    yield (
        f"rule {message.rule}: {message.now.counts.marks} marks in {hours:.2f} h of "
        f"{len(message.recordings)} recordings; {message.tried} settings tried"
    )
    yield ""
    yield (
        f"{'':10}{'enter':>6}{'exit':>6}{'smooth':>7}{'min_on':>7}{'cool':>6}"
        f"{'missed':>8}{'false':>7}{'a day':>8}{'delay p50/p90':>15}"
    )
    for name, row in (("now", message.now), ("found", message.found)):
        settings = row.settings
        yield (
            f"{name:<10}{settings.enter:>6g}{settings.exit:>6g}{settings.smoothing_s:>7g}"
            f"{settings.min_on_s:>7g}{settings.cooldown_s:>6g}{_counts(row.counts)}"
        )
    yield f"{'held back':<42}{_counts(message.held_back)}"
    yield ""
    yield (
        "held back: each fifth of the time by settings that were found on the other four; this is"
    )
    yield "what to expect of settings that are found in this way."
    if message.now.counts.marks < FEW_MARKS:
        yield f"Only {message.now.counts.marks} marks: record and mark more before you rely on it."
    yield ""
    if message.lines:
        yield f"In [[rule]] {message.rule}:"
        yield from message.lines
    else:
        yield "Nothing better was found: keep the present settings."


def _counts(counts: Counts) -> str:
    median_s, most_s = counts.delay_p50_s, counts.delay_p90_s
    delays = "-" if median_s is None or most_s is None else f"{median_s:.1f} / {most_s:.1f} s"
    return f"{counts.misses:>8}{counts.false_alarms:>7}{counts.per_day:>8.0f}{delays:>15}"


def svg(message: TunedMessage) -> str:
    """False alarms a day over missed marks, as an SVG document."""
    front = [_point(row.counts) for row in message.front]
    now, found = _point(message.now.counts), _point(message.found.counts)
    expected = _point(message.held_back)
    shown = [*front, now, found, expected]
    right = max([0.05, *(x for x, _ in shown)])
    top = max([1.0, *(y for _, y in shown)]) * 1.05

    def place(x: float, y: float) -> tuple[float, float]:
        return (
            LEFT_PX + x / right * (WIDTH_PX - LEFT_PX - RIGHT_PX),
            HEIGHT_PX - BOTTOM_PX - y / top * (HEIGHT_PX - TOP_PX - BOTTOM_PX),
        )

    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH_PX} {HEIGHT_PX}" '
        'font-family="sans-serif" font-size="12">',
        f'<rect width="{WIDTH_PX}" height="{HEIGHT_PX}" fill="white"/>',
        f'<text x="{LEFT_PX}" y="24" font-size="15">Rule {escape(message.rule)}: false alarms and '
        "misses</text>",
    ]
    for step in range(5):
        x, y = place(right * step / 4, top * step / 4)
        lines.append(
            f'<line x1="{LEFT_PX}" y1="{y:.1f}" x2="{WIDTH_PX - RIGHT_PX}" y2="{y:.1f}" '
            f'stroke="#ddd"/><text x="{LEFT_PX - 6}" y="{y + 4:.1f}" text-anchor="end">'
            f"{top * step / 4:.0f}</text>"
            f'<text x="{x:.1f}" y="{HEIGHT_PX - BOTTOM_PX + 18}" text-anchor="middle">'
            f"{right * step / 4:.0%}</text>"
        )
    lines.append(
        f'<text x="{(LEFT_PX + WIDTH_PX - RIGHT_PX) / 2}" y="{HEIGHT_PX - 12}" '
        'text-anchor="middle">marks without an event</text>'
        f'<text x="16" y="{HEIGHT_PX / 2}" text-anchor="middle" '
        f'transform="rotate(-90 16 {HEIGHT_PX / 2})">false alarms a day</text>'
    )
    path = " ".join(f"{x:.1f},{y:.1f}" for x, y in (place(*point) for point in front))
    lines.append(f'<polyline points="{path}" fill="none" stroke="#1f6fb2" stroke-width="2"/>')
    lines += [_dot(place(*point), 3, "#1f6fb2", "") for point in front]
    lines += [
        _dot(place(*now), 6, "#d1495b", "now"),
        _dot(place(*found), 6, "#3a7d44", "found"),
        _dot(place(*expected), 6, "#8a5a00", "held back"),
    ]
    return "\n".join([*lines, "</svg>", ""])


def _point(counts: Counts) -> tuple[float, float]:
    return counts.misses / max(1, counts.marks), counts.per_day


def _dot(at: tuple[float, float], radius_px: int, colour: str, name: str) -> str:
    x, y = at
    side, anchor = (x - 10, "end") if x > WIDTH_PX * 0.8 else (x + 10, "start")
    return (
        f'<circle cx="{x:.1f}" cy="{y:.1f}" r="{radius_px}" fill="{colour}"/>'
        f'<text x="{side:.1f}" y="{y + 4:.1f}" text-anchor="{anchor}" fill="{colour}">{name}</text>'
    )


def paste(now: TunedRow, found: TunedRow) -> Sequence[str]:
    """The lines of the rule's table that differ."""
    names = ("enter", "exit", "smoothing_s", "min_on_s", "cooldown_s")
    return [
        f"{name} = {float(getattr(found.settings, name))}"
        for name in names
        if getattr(found.settings, name) != getattr(now.settings, name)
    ]
