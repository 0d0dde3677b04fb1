"""Plots as inline SVG: no scripts, no external files, colours of the page's style sheet."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from html import escape

_SIDE = 280
_LEFT = 44
_BOTTOM = 34
_TOP = 10
_LETTERS = 24


def reliability(bins: Sequence[tuple[float, float, float | None, int]]) -> str:
    """Accuracy over confidence; `bins` are (low, high, accuracy, pictures).

    The dashed diagonal is perfect calibration. A bin's opacity grows with its pictures.
    """
    most = max((pictures for *_, pictures in bins), default=0) or 1
    bars = [
        f'<rect class="bar" x="{_x(low):.1f}" y="{_y(accuracy):.1f}" '
        f'width="{(high - low) * _SIDE - 1:.1f}" height="{accuracy * _SIDE:.1f}" '
        f'opacity="{0.3 + 0.7 * (pictures / most) ** 0.5:.2f}">'
        f"<title>{low:.2f} to {high:.2f}: {accuracy:.1%} of {pictures}</title></rect>"
        for low, high, accuracy, pictures in bins
        if accuracy is not None
    ]
    diagonal = f'<line class="guide" x1="{_x(0)}" y1="{_y(0)}" x2="{_x(1)}" y2="{_y(1)}"/>'
    return _square("Reliability", "confidence", "accuracy", [*bars, diagonal])


def histogram(bins: Sequence[tuple[float, float, int]]) -> str:
    """The number of pictures by confidence; `bins` are (low, high, pictures)."""
    most = max((pictures for *_, pictures in bins), default=0) or 1
    bars = [
        f'<rect class="bar" x="{_x(low):.1f}" y="{_y(pictures / most):.1f}" '
        f'width="{(high - low) * _SIDE - 1:.1f}" height="{pictures / most * _SIDE:.1f}">'
        f"<title>{low:.2f} to {high:.2f}: {pictures} pictures</title></rect>"
        for low, high, pictures in bins
    ]
    return _square("Scores of the best class", "confidence", f"pictures (highest: {most})", bars)


def bars(title: str, rows: Sequence[tuple[str, float | None]]) -> str:
    """One horizontal bar for each (name, share in 0..1 or None)."""
    step, left, width = 18, _margin(name for name, _ in rows), 260
    parts = []
    for place, (name, share) in enumerate(rows):
        middle = place * step + step * 0.72
        text = "-" if share is None else f"{share:.1%}"
        length = (share or 0.0) * width
        parts.append(
            f'<text x="{left - 6}" y="{middle:.1f}" text-anchor="end">{_short(name)}'
            f"<title>{escape(name)}</title></text>"
            f'<rect class="bar" x="{left}" y="{place * step + 3}" width="{length:.1f}" '
            f'height="{step - 6}"/>'
            f'<text x="{left + length + 5:.1f}" y="{middle:.1f}">{text}</text>'
        )
    return _figure(title, left + width + 60, len(rows) * step + 6, parts)


def heat_map(title: str, labels: Sequence[str], matrix: Sequence[Sequence[int]]) -> str:
    """A confusion matrix, each row shaded by its own share; rows are true, columns predicted."""
    cell = max(9, min(34, 480 // max(len(labels), 1)))
    left, top = _margin(labels), 110
    parts = []
    for row, (label, counts) in enumerate(zip(labels, matrix, strict=True)):
        total = sum(counts) or 1
        y = top + row * cell
        name = f"<title>{escape(label)}</title></text>"
        parts.append(
            f'<text x="{left - 5}" y="{y + cell * 0.7:.1f}" text-anchor="end">{_short(label)}{name}'
            f'<text transform="translate({left + row * cell + cell * 0.7:.1f} {top - 5}) '
            f'rotate(-60)">{_short(label, 14)}{name}'
        )
        for column, count in enumerate(counts):
            if not count:
                continue
            x = left + column * cell
            parts.append(
                f'<rect class="{"right" if row == column else "wrong"}" x="{x}" y="{y}" '
                f'width="{cell - 1}" height="{cell - 1}" opacity="{_shade(count / total):.2f}">'
                f"<title>{escape(label)} as {escape(labels[column])}: {count}</title></rect>"
            )
            if cell >= 24:
                parts.append(
                    f'<text class="count" x="{x + cell / 2:.1f}" y="{y + cell * 0.62:.1f}" '
                    f'text-anchor="middle">{count}</text>'
                )
    side = len(labels) * cell
    frame = f'<rect class="frame" x="{left}" y="{top}" width="{side}" height="{side}"/>'
    return _figure(title, left + side + 60, top + side + 8, [frame, *parts])


def _shade(share: float) -> float:
    # Errors are a few per cent of a row, so the shade scales with the square root.
    return float(0.08 + 0.92 * share**0.5)


def _square(title: str, across: str, upward: str, parts: Sequence[str]) -> str:
    ticks = "".join(
        f'<text x="{_x(t):.1f}" y="{_y(0) + 15}" text-anchor="middle">{t:g}</text>'
        for t in (0, 0.5, 1)
    )
    if upward == "accuracy":
        ticks += "".join(
            f'<text x="{_LEFT - 6}" y="{_y(t) + 4:.1f}" text-anchor="end">{t:g}</text>'
            for t in (0, 0.5, 1)
        )
    frame = (
        f'<rect class="frame" x="{_LEFT}" y="{_TOP}" width="{_SIDE}" height="{_SIDE}"/>'
        f'<text x="{_x(0.5)}" y="{_y(0) + 30}" text-anchor="middle">{across}</text>'
        f'<text transform="translate(13 {_y(0.5)}) rotate(-90)" text-anchor="middle">{upward}'
        "</text>"
    )
    return _figure(title, _LEFT + _SIDE + 14, _TOP + _SIDE + _BOTTOM, [frame, ticks, *parts])


def _figure(title: str, width: int, height: int, parts: Sequence[str]) -> str:
    return (
        f"<figure><figcaption>{escape(title)}</figcaption>"
        f'<svg role="img" aria-label="{escape(title)}" width="{width}" height="{height}" '
        f'viewBox="0 0 {width} {height}">{"".join(parts)}</svg></figure>'
    )


def _x(share: float) -> float:
    return _LEFT + share * _SIDE


def _y(share: float) -> float:
    return _TOP + (1 - share) * _SIDE


def _margin(names: Iterable[str]) -> int:
    """The width of the longest of `names` as shown, so that plots fit narrow screens."""
    return 12 + 7 * max((min(len(name), _LETTERS) for name in names), default=0)


def _short(name: str, letters: int = _LETTERS) -> str:
    return escape(name if len(name) <= letters else name[: letters - 1] + "…")
