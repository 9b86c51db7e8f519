"""Effects as SVG, drawn on the server: a forest of intervals around zero, and a band over days."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from markupsafe import Markup, escape

from reelwright.web.charts import anchor, nice

WIDTH, ROW, HEIGHT = 440, 52, 200
"""Half as wide as other charts, so that a phone shows them whole and their words can be read."""
_LEFT, _EDGE, _BELOW = 68, 14, 26
_LABELS = 4


class Interval(NamedTuple):
    """A relative effect, 0.02 for 2 %, with a name (of a metric, of a day) and what it means."""

    name: str
    low: float
    estimate: float
    high: float
    state: str = "unsure"


def said(one: Interval) -> str:
    """In figures."""
    return f"{one.name}: {_percent(one.estimate)} ({_percent(one.low)} to {_percent(one.high)})"


def forest(title: str, rows: Sequence[Interval]) -> Markup:
    """One line a metric: the interval, its estimate, and zero between better and worse."""
    most = _reach(rows)
    height = ROW * len(rows) + _BELOW

    def x(value: float) -> float:
        return WIDTH / 2 + (WIDTH / 2 - _EDGE) * max(-1.0, min(1.0, value / most))

    parts = [f'<line class="zero" x1="{x(0):.1f}" x2="{x(0):.1f}" y1="4" y2="{height - _BELOW}"/>']
    for place, one in enumerate(rows):
        y = ROW * place + ROW * 0.7
        parts.append(
            f'<text class="name" x="0" y="{ROW * place + 18}">{escape(one.name)}</text>'
            f'<g class="interval {escape(one.state)}"><title>{escape(said(one))}</title>'
            f'<line x1="{x(one.low):.1f}" x2="{x(one.high):.1f}" y1="{y:.1f}" y2="{y:.1f}"/>'
            f'<circle cx="{x(one.estimate):.1f}" cy="{y:.1f}" r="5"/></g>'
        )
    for value in (-most, 0.0, most):
        anchor = "start" if value < 0 else "end" if value > 0 else "middle"
        text = (
            f'<text class="scale" x="{x(value):.1f}" y="{height - 6}" text-anchor="{anchor}">{_percent(value)}</text>'
        )
        parts.append(text)
    return _figure(title, "; ".join(said(one) for one in rows), height, parts)


def band(title: str, days: Sequence[Interval]) -> Markup:
    """The estimate up to each day, within the interval that holds at every look."""
    most = _reach(days[len(days) // 3 :])  # else the widest, first days make all others a line

    def x(place: int) -> float:
        width = WIDTH - _LEFT - _EDGE - 20
        return _LEFT + (width * place / (len(days) - 1) if len(days) > 1 else width / 2)

    def y(value: float) -> float:
        middle = (HEIGHT - _BELOW) / 2
        return middle - (middle - 8) * max(-1.0, min(1.0, value / most))

    upper = [f"{x(at):.1f},{y(one.high):.1f}" for at, one in enumerate(days)]
    lower = [f"{x(at):.1f},{y(one.low):.1f}" for at, one in enumerate(days)]
    line = " ".join(f"{x(at):.1f},{y(one.estimate):.1f}" for at, one in enumerate(days))
    parts = [f'<polygon class="band" points="{" ".join([*upper, *reversed(lower)])}"/>']
    parts += [
        f'<line class="{"grid" if value else "zero"}" x1="{_LEFT}" x2="{WIDTH - _EDGE}" y1="{y(value):.1f}" '
        f'y2="{y(value):.1f}"/><text class="scale" x="{_LEFT - 8}" y="{y(value) + 4:.1f}" text-anchor="end">'
        f"{_percent(value)}</text>"
        for value in (-most, 0.0, most)
    ]
    parts.append(f'<polyline class="line line-0" points="{line}"/>')
    step = max(1, -(-len(days) // _LABELS))
    for at, one in enumerate(days):
        parts.append(
            f'<circle class="dot line-0" cx="{x(at):.1f}" cy="{y(one.estimate):.1f}" r="3">'
            f"<title>{escape(said(one))}</title></circle>"
        )
        if at % step == 0:
            label = (
                f'<text class="scale" x="{x(at):.1f}" y="{HEIGHT - 6}" text-anchor="{anchor(x(at), WIDTH)}">'
                f"{escape(one.name)}</text>"
            )
            parts.append(label)
    return _figure(title, said(days[-1]) if days else "nothing yet", HEIGHT, parts)


def _figure(title: str, text: str, height: int, parts: Sequence[str]) -> Markup:
    return Markup(  # noqa: S704 (every text in it is escaped above)
        f'<figure class="chart intervals" tabindex="0"><svg viewBox="0 0 {WIDTH} {height}" role="img" '
        f'aria-label="{escape(title)}: {escape(text)}">{"".join(parts)}</svg></figure>'
    )


def _reach(rows: Sequence[Interval]) -> float:
    """A round share that all intervals are within; those beyond 100 % are cut there."""
    return min(1.0, nice([abs(end) for one in rows for end in (one.low, one.high)]))


def _percent(share: float) -> str:
    return "0" if share == 0 else f"{share * 100:+.3g} %".replace("-", "−")
