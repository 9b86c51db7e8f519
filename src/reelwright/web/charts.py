"""Charts as SVG, drawn on the server: they need no script, and say their figures to whoever cannot see."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
from markupsafe import Markup, escape

WIDTH, HEIGHT = 720, 200
LABEL_HALF = 36.0
"""Half of what a label below a plot takes at most."""
_LEFT, _RIGHT, _TOP, _BOTTOM = 80, 12, 12, 26
COLUMNS_WIDTH, COLUMNS_HEIGHT = 600.0, 96.0
COLUMNS_GAP = 0.2
"""Of a column's width."""
BAR_LEAST = 1.5
"""How high the smallest bar is: one among a thousand is to be seen."""
Series = tuple[str, Sequence[float | None]]


def lines(title: str, labels: Sequence[str], series: Sequence[Series], unit: str = "") -> Markup:
    """Lines over the same labels; a missing value breaks its line. Colours come from the page's style."""
    top = nice([value for _, values in series for value in values if value is not None])
    parts = [_grid(labels, top, unit)]
    for number, (name, values) in enumerate(series):
        for piece in _pieces(values):
            points = " ".join(f"{_x(place, len(labels)):.1f},{_y(value, top):.1f}" for place, value in piece)
            parts.append(f'<polyline class="line line-{number}" points="{points}"/>')
        parts += [
            f'<circle class="dot line-{number}" cx="{_x(place, len(labels)):.1f}" cy="{_y(value, top):.1f}" r="3">'
            f"<title>{escape(labels[place])}, {escape(name)}: {value:,.4g} {escape(unit)}</title></circle>"
            for place, value in enumerate(values)
            if value is not None
        ]
    legend = "".join(
        f'<li><span class="key line-{number}"></span>{escape(name)}</li>' for number, (name, _) in enumerate(series)
    )
    return Markup(  # noqa: S704 (every text in it is escaped above)
        f'<figure class="chart" tabindex="0"><svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img" '
        f'aria-label="{escape(title)}">'
        f'{"".join(parts)}</svg><figcaption><ul class="legend">{legend}</ul></figcaption></figure>'
    )


def nice(values: Sequence[float]) -> float:
    """A round number that all values are below: 1, 2 or 5 times a power of ten."""
    most = max(values, default=0.0)
    if most <= 0:
        return 1.0
    power = 10.0
    while power > most:
        power /= 10
    while power * 10 <= most:
        power *= 10
    return next(power * factor for factor in (1, 2, 5, 10) if power * factor >= most)


def _pieces(values: Sequence[float | None]) -> list[list[tuple[int, float]]]:
    pieces: list[list[tuple[int, float]]] = [[]]
    for place, value in enumerate(values):
        if value is None:
            pieces.append([])
        else:
            pieces[-1].append((place, value))
    return [piece for piece in pieces if len(piece) > 1]


def _grid(labels: Sequence[str], top: float, unit: str) -> str:
    parts = []
    for share in (0.0, 0.5, 1.0):
        y = _y(top * share, top)
        parts.append(f'<line class="grid" x1="{_LEFT}" x2="{WIDTH - _RIGHT}" y1="{y:.1f}" y2="{y:.1f}"/>')
        text = f"{top * share:g} {unit}".strip()
        parts.append(f'<text class="scale" x="{_LEFT - 6}" y="{y + 4:.1f}" text-anchor="end">{escape(text)}</text>')
    step = max(1, -(-len(labels) // 7))
    for place in range(0, len(labels), step):
        x = _x(place, len(labels))
        parts.append(
            f'<text class="scale" x="{x:.1f}" y="{HEIGHT - 6}" text-anchor="{anchor(x, WIDTH)}">'
            f"{escape(labels[place])}</text>"
        )
    return "".join(parts)


def _x(place: int, count: int) -> float:
    width = WIDTH - _LEFT - _RIGHT - 40
    return _LEFT + 20 + (width * place / (count - 1) if count > 1 else width / 2)


def _y(value: float, top: float) -> float:
    return _TOP + (HEIGHT - _TOP - _BOTTOM) * (1 - value / top)


class Bar(msgspec.Struct, frozen=True):
    """One rectangle."""

    kind: str
    x: float
    y: float
    width: float
    height: float


class Bars(msgspec.Struct, frozen=True, kw_only=True):
    """A chart of columns, each a stack of kinds."""

    bars: tuple[Bar, ...]
    most: int
    """What a column as high as the chart stands for."""


def stacked(columns: Sequence[Sequence[tuple[str, int]]]) -> Bars:
    """The bars of columns of (kind, count), the first kind at the bottom; all share one scale."""
    most = max((sum(count for _, count in column) for column in columns), default=0)
    step = COLUMNS_WIDTH / max(1, len(columns))
    found: list[Bar] = []
    for number, column in enumerate(columns):
        top = COLUMNS_HEIGHT
        for kind, count in column:
            if not count:
                continue
            height = min(top, max(BAR_LEAST, COLUMNS_HEIGHT * count / most))
            top -= height
            left, width = step * (number + COLUMNS_GAP / 2), step * (1 - COLUMNS_GAP)
            found.append(Bar(kind, round(left, 2), round(top, 2), round(width, 2), round(height, 2)))
    return Bars(bars=tuple(found), most=most)


def anchor(x: float, width: float) -> str:
    """How a label below the place `x` stands, so that it is not cut off at the right edge."""
    return "end" if x > width - LABEL_HALF else "middle"
