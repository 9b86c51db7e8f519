"""Pictures of skill as SVG, drawn on the server; every figure in them is in the table beside them."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import get_args

from markupsafe import Markup

from reelwright.practice.contract import Dimension, Skill, SkillPoint
from reelwright.practice.core.committee import DIMENSION_NAMES

TOP = 5.0
RADIUS = 120.0
Point = tuple[float, float]


def draw_radar(skills: Mapping[Dimension, Skill]) -> Markup:
    """Nine axes from 0 to 5: the mean as a line, the 80 % band as an area; what was not judged is left out."""
    names = get_args(Dimension)
    known = [(at, skills[name]) for at, name in enumerate(names) if name in skills]
    rings = "".join(f'<circle class="grid" r="{RADIUS * level / TOP:.1f}"/>' for level in range(1, 6))
    axes = "".join(f'<path class="grid" d="M0 0L{_pair(_spoke(at, TOP))}"/>' for at in range(len(names)))
    labels = "".join(_label(at, name) for at, name in enumerate(names))
    scale = "".join(
        f'<text class="tick" x="4" y="{4 - RADIUS * level / TOP:.1f}">{level}</text>' for level in range(6)
    )
    band = _path([_spoke(at, one.high) for at, one in known]) + _path(
        [_spoke(at, one.low) for at, one in known][::-1]
    )
    mean = _path([_spoke(at, one.mean) for at, one in known])
    dots = "".join(
        f'<circle class="dot" cx="{x:.1f}" cy="{y:.1f}" r="4"/>'
        for x, y in (_spoke(at, one.mean) for at, one in known)
    )
    said = ", ".join(f"{DIMENSION_NAMES[one.dimension]} {one.mean:.1f}" for _, one in known)
    return Markup(  # noqa: S704 (numbers and our own words only)
        f'<svg class="radar" viewBox="-260 -160 520 320" role="img"><title>Skill from 0 to 5: {said}</title>'
        f'{rings}{axes}<path class="band" fill-rule="evenodd" d="{band}"/><path class="mean" d="{mean}"/>'
        f"{dots}{scale}{labels}</svg>"
    )


def draw_history(points: Sequence[SkillPoint]) -> Markup:
    """Mean and band over time, 0 to 5; one point alone is a dot with its band."""
    first, last = points[0].at_ms, points[-1].at_ms
    span = max(1, last - first)

    def place(point: SkillPoint, value: float) -> Point:
        return 2 + 196 * (point.at_ms - first) / span, 46 - 42 * min(TOP, max(0.0, value)) / TOP

    if len(points) == 1:
        (x, y), (_, high), (_, low) = (
            place(points[0], one) for one in (points[0].mean, points[0].high, points[0].low)
        )
        return Markup(  # noqa: S704 (numbers only)
            f'<svg class="history" viewBox="0 0 200 48" role="img"><title>{points[0].mean:.1f}, one answer</title>'
            f'<rect class="band" x="{x:.1f}" y="{high:.1f}" width="8" height="{low - high:.1f}"/>'
            f'<circle class="dot" cx="{x + 4:.1f}" cy="{y:.1f}" r="4"/></svg>'
        )
    upper = [place(point, point.high) for point in points]
    lower = [place(point, point.low) for point in points][::-1]
    line = "M" + "L".join(_pair(place(point, point.mean)) for point in points)
    said = f"From {points[0].mean:.1f} to {points[-1].mean:.1f} over {span / 86_400_000:.0f} days"
    return Markup(  # noqa: S704 (numbers only)
        f'<svg class="history" viewBox="0 0 200 48" role="img"><title>{said}</title>'
        f'<path class="band" d="{_path([*upper, *lower])}"/>'
        f'<path class="mean" d="{line}"/></svg>'
    )


def _spoke(at: int, value: float) -> Point:
    angle = 2 * math.pi * at / len(get_args(Dimension)) - math.pi / 2
    reach = RADIUS * min(TOP, max(0.0, value)) / TOP
    return reach * math.cos(angle), reach * math.sin(angle)


def _label(at: int, name: Dimension) -> str:
    x, y = _spoke(at, TOP)
    anchor = "middle" if abs(x) < 20 else "start" if x > 0 else "end"
    return (
        f'<text x="{x * 1.12:.1f}" y="{y * 1.12 + 4:.1f}" text-anchor="{anchor}">'
        f"{DIMENSION_NAMES[name].split(' ')[0]}</text>"
    )


def _path(points: Sequence[Point]) -> str:
    return "M" + "L".join(map(_pair, points)) + "Z" if points else ""


def _pair(point: Point) -> str:
    return f"{point[0]:.1f} {point[1]:.1f}"
