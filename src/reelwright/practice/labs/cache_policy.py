"""Lab: what a cache gives up when it is full, on the traces that our own policies are replayed on."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import msgspec
import numpy as np

from reelwright.cdn.core.eviction import POLICIES, Key, LruPolicy, Policy, Visit
from reelwright.cdn.core.traces import VodScenario, vod_trace, zipf_trace
from reelwright.cdn.replay import Order, Outcome, belady, gap_closed, replay
from reelwright.practice.adapters.sandbox import Bounds
from reelwright.practice.contract import Broken
from reelwright.practice.labs.drawing import picture
from reelwright.practice.labs.lab import Decider, Judged, Lab, Prediction
from reelwright.practice.labs.objects import DRIVER, Remote, own

EVENINGS = VodScenario(titles=100, sessions_a_day=170, days=2, segment_s=60.0, jumps_a_day=4)
CAPACITY = 0.1
"""Of the bytes of all distinct objects."""
PAGES, OBJECTS, ZIPF = 5_000, 1_500, 0.8
LEAST_GAP, MOST_OF_LRU = 0.3, 1.02
PURGES, LESS_ROOM, LESS_FROM, LESS_UNTIL = (1000, 2000, 3000, 4000), 0.6, 1500, 3500
"""Before which requests for pages a third of them is purged, and between which a plan leaves the cache less room."""
AT_ONCE = 400
"""Calls without an answer that wait for the next one which has one."""
BRIEF = """\
Write `class Policy`, the very class with which an edge of the service decides what to give up:
`__init__(self, budget_bytes)`, `note(self, visit)`, `use(self, key)`, `put(self, key, size)`, `drop(self, key)`,
`resize(self, budget_bytes)`.

Each request comes to `note` first: `visit` has `key`, `size`, `now_s` and, where somebody plays a film, `session`,
`stream` (the rendition) and `index` (the segment's place in it); elsewhere they are `""`, `""` and -1. Where the
object is held, `use` follows; where it is not, `put`, which returns the list of keys to delete so that at most
`budget_bytes` are held. Its own key among them means that the object is not admitted. `drop` tells that an object
was purged: it is gone, and may come again. `resize` gives another budget from the next `put` on, as when a plan pins
objects on the disk.

Two traces are of viewers on two evenings, two of pages: in the first pages are purged and the room shrinks for a
while, the second is about other pages halfway. It passes
when on no trace more than 1.02 times the bytes are missed that LRU misses, and when on the evenings at least 30 % of
the way from LRU to a cache that knows the future is gone. The textbook's policies go 5 to 25 %: who plays what, and
where they are in it, is what they do not look at.
"""


class Watched:
    """A policy in the sandbox, held to its word: what it says to delete is what is gone."""

    def __init__(self, remote: Remote, budget_bytes: int) -> None:
        self._remote, self._budget_bytes = remote, budget_bytes
        self._sizes: dict[Key, int] = {}
        self._waiting: list[tuple[str, tuple[Any, ...]]] = []
        self.held_bytes = 0

    def __contains__(self, key: Key) -> bool:
        return key in self._sizes

    def __len__(self) -> int:
        return len(self._sizes)

    def note(self, visit: Visit) -> None:
        """Told with the next call that has an answer."""
        self._waiting.append(("note", (msgspec.structs.asdict(visit),)))

    def use(self, key: Key) -> None:
        """Note a hit."""
        self._waiting.append(("use", (key,)))
        if len(self._waiting) >= AT_ONCE:
            self._remote.calls(self._told())

    def put(self, key: Key, size: int) -> list[Key]:
        """Hold an object; what is given up must have been there, and the rest must fit. Raises Broken."""
        answer = self._remote.calls([*self._told(), ("put", (key, size))])[-1]
        if not isinstance(answer, list):
            raise Broken(f"put returns a list of keys, got {str(answer)[:80]}")
        self._sizes[key] = size
        self.held_bytes += size
        for one in answer:
            self._give_up(one)
        if self.held_bytes > self._budget_bytes:
            raise Broken(f"{self.held_bytes:,} bytes are held after put({key!r}), more than {self._budget_bytes:,}")
        return answer

    def drop(self, key: Key) -> None:
        """An object was purged."""
        self.held_bytes -= self._sizes.pop(key)
        self._waiting.append(("drop", (key,)))

    def resize(self, budget_bytes: int) -> None:
        """There is another room; what is too much is to be given up with the next object."""
        self._budget_bytes = budget_bytes
        self._waiting.append(("resize", (budget_bytes,)))

    def _give_up(self, key: Any) -> None:
        if not isinstance(key, str) or key not in self._sizes:
            raise Broken(f"put says to delete {str(key)[:80]!r}, which is not held")
        self.held_bytes -= self._sizes.pop(key)

    def _told(self) -> list[tuple[str, tuple[Any, ...]]]:
        waiting, self._waiting = self._waiting, []
        return waiting


class Trace(msgspec.Struct, frozen=True, kw_only=True):
    """Requests and what befalls the cache meanwhile, with what LRU makes of them."""

    name: str
    visits: list[Visit]
    budget_bytes: int
    orders: dict[int, Order] = {}
    lru: Outcome
    best: Outcome | None = None
    """On evenings: a cache that knows the future."""


class Found(msgspec.Struct, frozen=True, kw_only=True):
    """A trace through the person's policy."""

    trace: Trace
    yours: Outcome

    @property
    def of_lru(self) -> float:
        """Bytes missed, of those that LRU misses."""
        return self.yours.byte_miss_ratio / self.trace.lru.byte_miss_ratio

    @property
    def gap(self) -> float:
        """Share of the way from LRU to the cache that knows the future; 0 where that is not looked at."""
        best = self.trace.best or self.trace.lru
        return gap_closed(self.trace.lru.byte_miss_ratio, self.yours.byte_miss_ratio, best.byte_miss_ratio)


def judge(decider: Decider, seed: int) -> Judged:
    """Each trace through the replay that `reelwright cdn replay` runs."""
    found = []
    for trace in traces(seed):
        policy: Policy = Watched(Remote(decider, trace.name, "Policy", trace.budget_bytes), trace.budget_bytes)
        found.append(Found(trace=trace, yours=replay(trace.visits, policy, trace.orders)))
    evenings = [one for one in found if one.trace.best]
    gap = sum(one.gap for one in evenings) / len(evenings)
    reason = _tell(found, gap)
    return Judged(
        passed=not reason, reason=reason, picture=_draw(found) if reason else "",
        measures={
            "gap_left": 1 - gap,
            "worst_of_lru": max(one.of_lru for one in found),
            "evening_miss_ratio": max(one.yours.byte_miss_ratio for one in evenings),
        },
    )  # fmt: skip


@functools.lru_cache(maxsize=16)  # a grading puts several policies on the same traces
def traces(seed: int) -> tuple[Trace, ...]:
    """Viewers, and independent requests for pages; all generated."""
    return tuple(_traces(np.random.default_rng([seed, 71])))


def _traces(chance: np.random.Generator) -> Iterator[Trace]:
    for number in (1, 2):
        visits = [_plain(one, f"{one.stream}/{one.index}") for one in vod_trace(EVENINGS, chance)]
        budget = _room(visits)
        yield Trace(
            name=f"evening {number}", visits=visits, budget_bytes=budget, lru=replay(visits, LruPolicy(budget)),
            best=belady(visits, budget),
        )  # fmt: skip
    first, second = (list(zipf_trace(PAGES, OBJECTS, ZIPF, chance)) for _ in range(2))
    visits = [_plain(one, f"a{one.key}") for one in first]
    budget = _room(visits)
    orders = _orders(visits, budget)
    lru = replay(visits, LruPolicy(budget), orders)
    yield Trace(name="purges and less room", visits=visits, budget_bytes=budget, orders=orders, lru=lru)
    halves = [(one, "a") for one in first[: PAGES // 2]] + [(one, "b") for one in second[PAGES // 2 :]]
    visits = [_plain(one, f"{half}{one.key}") for one, half in halves]
    budget = _room(visits)
    lru = replay(visits, LruPolicy(budget))
    yield Trace(name="other pages halfway", visits=visits, budget_bytes=budget, lru=lru)


def _room(visits: list[Visit]) -> int:
    return int(CAPACITY * sum({visit.key: visit.size for visit in visits}.values()))


def _orders(visits: list[Visit], budget_bytes: int) -> dict[int, Order]:
    keys = sorted({str(visit.key) for visit in visits})
    purges = {at: Order(drop=tuple(keys[number % 3 :: 3])) for number, at in enumerate(PURGES)}
    rooms = {LESS_FROM: int(LESS_ROOM * budget_bytes), LESS_UNTIL: budget_bytes}
    return purges | {at: Order(budget_bytes=budget) for at, budget in rooms.items()}


def _plain(visit: Visit, key: str) -> Visit:
    return msgspec.structs.replace(visit, key=key)


def _tell(found: list[Found], gap: float) -> str:
    worst = max(found, key=lambda one: one.of_lru)
    if worst.of_lru > MOST_OF_LRU:
        return (
            f"{worst.trace.name}: {worst.yours.byte_miss_ratio:.1%} of the bytes were missed, LRU misses "
            f"{worst.trace.lru.byte_miss_ratio:.1%}: {worst.of_lru:.3f} times as many"
        )
    if gap < LEAST_GAP:
        each = ", ".join(f"{one.trace.name} {one.gap:.0%}" for one in found if one.trace.best)
        return f"{gap:.0%} of the way from LRU to knowing the future, less than {LEAST_GAP:.0%} ({each})"
    return ""


def _draw(found: list[Found]) -> str:
    """A bar for each trace: what was missed, between a cache that knows the future and LRU."""
    rows = []
    for at, one in enumerate(found):
        y = 26 + 40 * at
        yours, lru, best = (
            20 + 560 * each.byte_miss_ratio for each in (one.yours, one.trace.lru, one.trace.best or one.trace.lru)
        )
        kind = "wrong" if one.of_lru > MOST_OF_LRU else "allowed"
        rows.append(
            f'<text x="20" y="{y - 6}">{one.trace.name}</text><rect class="batch" x="20" y="{y}" '
            f'width="{lru - 20:.1f}" height="12"/><rect class="{kind}" x="20" y="{y}" '
            f'width="{yours - 20:.1f}" height="6"/>'
            + f'<path class="axis" d="M{best:.1f} {y}v12"/>'
            * bool(one.trace.best)
        )
    return picture(
        "Bytes missed on each trace: yours thin, LRU's broad, and on evenings a line for a cache that "
        "knows the future",
        "".join(rows),
        height=180,
        across="share of bytes missed, 0 to 1",
        key={
            "allowed": "yours",
            "wrong": f"yours, over {MOST_OF_LRU:g} times LRU",
            "batch": "LRU",
            "axis": "knows the future",
        },
    )


class _Fed:
    """One of our own, told in the words of JSON."""

    def __init__(self, policy: Policy) -> None:
        self._policy = policy

    def note(self, visit: Mapping[str, Any]) -> None:
        self._policy.note(Visit(**visit))

    def use(self, key: Key) -> None:
        self._policy.use(key)

    def put(self, key: Key, size: int) -> list[Key]:
        return self._policy.put(key, size)

    def drop(self, key: Key) -> None:
        self._policy.drop(key)

    def resize(self, budget_bytes: int) -> None:
        self._policy.resize(budget_bytes)


def _ours(name: str) -> Callable[[], Decider]:
    return lambda: own(Policy=lambda budget_bytes: _Fed(POLICIES[name](budget_bytes)))


LAB = Lab(
    id="cache-policy",
    title="What a cache gives up when it is full",
    brief=BRIEF,
    driver=DRIVER,
    judge=judge,
    policies={
        "reelwright": _ours("foresight"),
        "textbook, LRU": _ours("lru"),
        "textbook, SIEVE": _ours("sieve"),
        "textbook, S3-FIFO": _ours("s3fifo"),
    },
    predicts=Prediction(
        asks="Of the way from LRU to knowing the future, what share (0 to 1) does S3-FIFO leave on evenings?",
        measure="gap_left",
        policy="textbook, S3-FIFO",
    ),
    shows=(("scale", 5), ("domain", 5), ("design", 4)),
    bounds=Bounds(cpu_s=40, wall_s=110),
)
