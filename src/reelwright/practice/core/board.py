"""The board of a design round: boxes and arrows, and what the graph shows whatever the boxes are called."""

from __future__ import annotations

import html
from collections.abc import Callable, Iterable
from typing import Literal, get_args

import msgspec

from reelwright.kernel.errors import Invalid
from reelwright.practice.contract import Area, Dimension, Level

BoxKind = Literal["client", "edge", "gateway", "service", "cache", "queue", "store", "job", "external"]
KINDS: tuple[BoxKind, ...] = get_args(BoxKind)
MOST_BOXES, MOST_ARROWS, MOST_CHARS = 40, 120, 60


class Box(msgspec.Struct, frozen=True):
    """A part of the system."""

    name: str
    kind: BoxKind
    copies: int = 2
    """How many of it run; 1 is a single one."""


class Arrow(msgspec.Struct, frozen=True):
    """Who calls, or sends to, whom."""

    source: str
    target: str
    carries: str = ""


class Board(msgspec.Struct, frozen=True):
    """What was drawn."""

    boxes: tuple[Box, ...] = ()
    arrows: tuple[Arrow, ...] = ()


class BoardVerdict(msgspec.Struct, frozen=True):
    """What one rule says of a board, and which parts it rests on."""

    says: str
    dimension: Dimension
    level: Level
    met: bool
    parts: tuple[str, ...]


def add_box(board: Board, box: Box) -> Board:
    """With a box; one of the same name is replaced. Raises Invalid."""
    if not box.name.strip() or len(box.name) > MOST_CHARS or not 1 <= box.copies <= 100_000:
        raise Invalid(f"a box has a name of at most {MOST_CHARS} characters and 1 to 100,000 copies")
    others = tuple(one for one in board.boxes if one.name != box.name)
    if len(others) >= MOST_BOXES:
        raise Invalid(f"a board has at most {MOST_BOXES} boxes; draw what matters")
    return Board((*others, box), board.arrows)


def add_arrow(board: Board, arrow: Arrow) -> Board:
    """With an arrow between two of its boxes. Raises Invalid."""
    names = {one.name for one in board.boxes}
    if arrow.source not in names or arrow.target not in names or arrow.source == arrow.target:
        raise Invalid("an arrow goes from one box on the board to another")
    if len(arrow.carries) > MOST_CHARS:
        raise Invalid(f"what an arrow carries is said in at most {MOST_CHARS} characters")
    others = tuple(one for one in board.arrows if (one.source, one.target) != (arrow.source, arrow.target))
    if len(others) >= MOST_ARROWS:
        raise Invalid(f"a board has at most {MOST_ARROWS} arrows")
    return Board(board.boxes, (*others, arrow))


def remove(board: Board, name: str, target: str = "") -> Board:
    """Without a box and its arrows, or without the arrow from `name` to `target`."""
    if target:
        kept = tuple(one for one in board.arrows if (one.source, one.target) != (name, target))
        return Board(board.boxes, kept)
    return Board(
        tuple(one for one in board.boxes if one.name != name),
        tuple(one for one in board.arrows if name not in (one.source, one.target)),
    )


# --- the graph -------------------------------------------------------------------------------------------------


def reached(board: Board, starts: Iterable[str], without: str = "") -> set[str]:
    """Names of boxes that arrows lead to from `starts`, these included."""
    seen = {one for one in starts if one != without}
    while True:
        more = {one.target for one in board.arrows if one.source in seen} - seen - {without}
        if not more:
            return seen
        seen |= more


def of_kind(board: Board, *kinds: BoxKind) -> list[str]:
    """Names of the boxes of these kinds."""
    return [one.name for one in board.boxes if one.kind in kinds]


def bottlenecks(board: Board) -> list[str]:
    """Boxes with one copy that every way from a client to a store goes through, or that is the only store."""
    clients, stores = of_kind(board, "client"), of_kind(board, "store", "external")
    goal = reached(board, clients) & {*stores}
    single = [one.name for one in board.boxes if one.copies == 1 and one.kind != "client"]
    return [name for name in single if goal and not reached(board, clients, without=name) & goal]


def _joined(board: Board) -> tuple[bool, tuple[str, ...]]:
    """Every box takes part: an arrow leads to or from it."""
    touched = {name for one in board.arrows for name in (one.source, one.target)}
    loose = tuple(one.name for one in board.boxes if one.name not in touched)
    return len(board.boxes) >= 4 and not loose, loose


def _served(board: Board) -> tuple[bool, tuple[str, ...]]:
    """A request gets from a client to where the data is."""
    found = reached(board, of_kind(board, "client")) & {*of_kind(board, "store", "external")}
    return bool(found), tuple(sorted(found))


def _no_single(board: Board) -> tuple[bool, tuple[str, ...]]:
    found = tuple(bottlenecks(board))
    return _served(board)[0] and not found, found


def _spared(board: Board) -> tuple[bool, tuple[str, ...]]:
    """Something stands before the store and spares it: a cache, a queue or an edge on the way from the clients."""
    near = reached(board, of_kind(board, "client"))
    parts = [name for name in of_kind(board, "cache", "queue", "edge") if name in near]
    return bool(parts), tuple(parts)


def _said(board: Board) -> tuple[bool, tuple[str, ...]]:
    """At least two thirds of the arrows say what they carry."""
    silent = tuple(f"{one.source} → {one.target}" for one in board.arrows if not one.carries.strip())
    return bool(board.arrows) and len(silent) * 3 <= len(board.arrows), silent


def _guarded(board: Board) -> tuple[bool, tuple[str, ...]]:
    """No client reaches a store with nothing in between."""
    stores = {*of_kind(board, "store")}
    clients = {*of_kind(board, "client")}
    bare = tuple(
        f"{one.source} → {one.target}" for one in board.arrows if one.source in clients and one.target in stores
    )
    return bool(board.arrows) and not bare, bare


def _queued(board: Board) -> tuple[bool, tuple[str, ...]]:
    """What comes in is acknowledged by something durable before it is worked on."""
    queues = of_kind(board, "queue")
    after = [name for name in of_kind(board, "job", "service") if name in reached(board, queues) - {*queues}]
    fed = [name for name in queues if name in reached(board, of_kind(board, "client"))]
    return bool(fed and after), tuple(fed)


def _fetched_once(board: Board) -> tuple[bool, tuple[str, ...]]:
    """A tier stands between the edges and the origin."""
    edges = of_kind(board, "edge", "cache")
    tiers = [name for name in edges if any(one.target == name and one.source in edges for one in board.arrows)]
    return bool(tiers), tuple(tiers)


Check = Callable[[Board], tuple[bool, tuple[str, ...]]]
Rule = tuple[str, Dimension, Level, Check]
GENERAL: tuple[Rule, ...] = (
    ("There are at least four boxes, and each has an arrow.", "communication", 2, _joined),
    ("A request gets from a client to where the data is.", "design", 2, _served),
    ("Most arrows say what they carry.", "communication", 3, _said),
    ("No client reaches a store with nothing in between.", "design", 3, _guarded),
    ("Something on the way spares the store.", "scale", 3, _spared),
    ("No box of which there is one is on every way.", "reliability", 4, _no_single),
)
OF_AREA: dict[Area, tuple[Rule, ...]] = {
    "data_processing": (("A queue takes what comes in before it is worked on.", "reliability", 4, _queued),),
    "cdn": (("A tier between edges and origin fetches once for all.", "domain", 4, _fetched_once),),
}


def judge_board(board: Board, area: Area) -> tuple[BoardVerdict, ...]:
    """What every rule says; an empty board shows nothing."""
    return tuple(
        BoardVerdict(says, dimension, level, *check(board))
        for says, dimension, level, check in (*GENERAL, *OF_AREA.get(area, ()))
    )


# --- its picture -----------------------------------------------------------------------------------------------

WIDE, HIGH = 150, 74


def draw_board(board: Board) -> str:
    """Boxes by how far they are from the clients, left to right; arrows with what they carry."""
    columns = _columns(board)
    places = {
        name: (20 + column * (WIDE + 50), 20 + row * HIGH)
        for column, names in enumerate(columns)
        for row, name in enumerate(names)
    }
    wide = 20 + len(columns) * (WIDE + 50)
    high = 30 + HIGH * max((len(names) for names in columns), default=1)
    arrows = "".join(_draw_arrow(one, places) for one in board.arrows)
    boxes = "".join(_draw_box(one, *places[one.name]) for one in board.boxes)
    said = f"{len(board.boxes)} boxes and {len(board.arrows)} arrows; all of them are listed below"
    return (
        f'<svg class="board" xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {wide} {high}" role="img">'
        f'<title>{said}</title><defs><marker id="tip" viewBox="0 0 8 8" refX="8" refY="4" markerWidth="7" '
        f'markerHeight="7" orient="auto"><path d="M0 0L8 4L0 8z"/></marker></defs>{arrows}{boxes}</svg>'
    )


def _columns(board: Board) -> list[list[str]]:
    """Names by distance from the clients; what no arrow leads to comes last."""
    columns: list[list[str]] = []
    left = [one.name for one in board.boxes]
    now = of_kind(board, "client") or left[:1]
    while left:
        columns.append(now)
        left = [name for name in left if name not in now]
        following = [name for name in left if any(one.source in now and one.target == name for one in board.arrows)]
        now = following or left
    return columns


def _draw_box(box: Box, x: int, y: int) -> str:
    many = f" ×{box.copies}" if box.copies != 1 else " (one)"
    return (
        f'<rect class="box box-{box.kind}" x="{x}" y="{y}" width="{WIDE}" height="48" rx="6"/>'
        f'<text x="{x + 10}" y="{y + 20}">{html.escape(box.name[:20])}</text>'
        f'<text class="kind" x="{x + 10}" y="{y + 38}">{box.kind}{many}</text>'
    )


def _draw_arrow(arrow: Arrow, places: dict[str, tuple[int, int]]) -> str:
    (x1, y1), (x2, y2) = places[arrow.source], places[arrow.target]
    begin, end = (x1 + WIDE, x2) if x2 > x1 else (x1, x2 + WIDE) if x2 < x1 else (x1 + WIDE // 2, x2 + WIDE // 2)
    top, bottom = (y1 + 24, y2 + 24) if x1 != x2 else (y1 + 48, y2) if y2 > y1 else (y1, y2 + 48)
    return (
        f'<path class="arrow" marker-end="url(#tip)" d="M{begin} {top}L{end} {bottom}"/>'
        f'<text class="kind" x="{(begin + end) // 2}" y="{(top + bottom) // 2 - 4}" text-anchor="middle">'
        f"{html.escape(arrow.carries[:18])}</text>"
    )
