"""Frame of a lab's picture: its words, what lies along its axes, and what its marks mean. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from html import escape

WIDTH = 600
_LINES = ("axis", "line")
_LABEL_PX, _KEY_PX, _LETTER_PX = 16, 14, 6.2


def picture(title: str, body: str, *, height: int, across: str = "", up: str = "", key: Mapping[str, str]) -> str:
    """An SVG of `body`, which takes WIDTH by `height` and keeps 20 free at each side.

    `across` says what lies from left to right, `up` from below; `key` has the words for each class of mark. The title
    is what the picture shows, for who does not see it.
    """
    below = height + (_LABEL_PX if up else 0)
    named = (f'<text x="20" y="12">{escape(up)}</text>' if up else "") + (
        f'<text x="580" y="{below + 12}" text-anchor="end">{escape(across)}</text>' if across else ""
    )
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {below + 40}" role="img">'
        f'<title>{escape(title)}</title>{named}<g transform="translate(0 {below - height})">{body}</g>'
        f"{_key(key, below + 32)}</svg>"
    )


def _key(words: Mapping[str, str], y: int) -> str:
    marks, x = [], 20.0
    for kind, word in words.items():
        mark = (
            f'<path class="{kind}" d="M{x:g} {y - 4}h10"/>'
            if kind in _LINES
            else f'<rect class="{kind}" x="{x:g}" y="{y - 9}" width="10" height="10"/>'
        )
        marks.append(f'{mark}<text x="{x + _KEY_PX:g}" y="{y}">{escape(word)}</text>')
        x += 2 * _KEY_PX + _LETTER_PX * len(word)
    return "".join(marks)
