"""What came in a minute, small enough to keep: counts by limit, who was denied most, and when each key asked.

Recorded traffic is bounded: when more came than there is room for, half of the keys are left out, then three
quarters, by a hash of the key. Those that are kept are kept whole, so that what a rule would have done to them is
exact. Pure: time is passed in.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Iterator, Sequence

import msgspec

from reelwright.limits.core.hotkeys import HotKeys

TICKS_A_MINUTE = 600
TICK_S = 60 / TICKS_A_MINUTE
ENTRIES_MOST = 20_000
HOT_KEPT = 20
VERDICTS = ("allowed", "denied", "shadow", "shed")


class Counts(msgspec.Struct):
    """What a limit did to requests."""

    allowed: int = 0
    denied: int = 0
    shadow: int = 0
    """Would have been denied, were it not in shadow mode; these were let in."""
    shed: int = 0
    """Turned away because the service was busy."""

    @property
    def asked(self) -> int:
        """All of them."""
        return self.allowed + self.denied + self.shadow + self.shed

    def add(self, other: Counts) -> None:
        """Count another one's too."""
        for verdict in VERDICTS:
            setattr(self, verdict, getattr(self, verdict) + getattr(other, verdict))


class Seen(msgspec.Struct, kw_only=True):
    """What limits did in some time."""

    counts: dict[str, Counts] = {}
    hot: dict[str, int] = {}
    """Denials by key, of those denied most often."""


class Traffic(msgspec.Struct, array_like=True):
    """Who asked which limit when, within a minute."""

    limits: tuple[str, ...] = ()
    keys: tuple[str, ...] = ()
    asked: tuple[tuple[int, int, int, int], ...] = ()
    """Tick of the minute, number of the limit and of the key, how often."""
    halved: int = 0
    """How often half of the keys were left out."""


class Recording:
    """The minute that is going on."""

    def __init__(self, entries_most: int = ENTRIES_MOST) -> None:
        self._most = entries_most
        self._counts: dict[str, Counts] = {}
        self._hot = HotKeys()
        self._asked: dict[tuple[int, str, str], int] = {}
        self._halved = 0

    def count(self, limit: str, verdict: str, much: int = 1) -> None:
        """So many requests met this verdict of a limit."""
        counts = self._counts.get(limit)
        if counts is None:
            counts = self._counts[limit] = Counts()
        setattr(counts, verdict, getattr(counts, verdict) + much)

    def deny(self, key: str) -> None:
        """A key was denied, or would have been."""
        self._hot.offer(key)

    def ask(self, tick: int, limit: str, key: str) -> None:
        """A key asked a limit."""
        if not is_kept(key, self._halved):
            return
        known = (tick, limit, key)
        self._asked[known] = self._asked.get(known, 0) + 1
        while len(self._asked) > self._most:
            self._halved += 1
            self._asked = {at: much for at, much in self._asked.items() if is_kept(at[2], self._halved)}

    def seen(self) -> Seen:
        """Its counts."""
        return Seen(counts=self._counts, hot=dict(self._hot.top(HOT_KEPT)))

    def traffic(self) -> Traffic:
        """Its requests."""
        limits = {name: number for number, name in enumerate(dict.fromkeys(at[1] for at in self._asked))}
        keys = {name: number for number, name in enumerate(dict.fromkeys(at[2] for at in self._asked))}
        asked = tuple((tick, limits[limit], keys[key], much) for (tick, limit, key), much in self._asked.items())
        return Traffic(tuple(limits), tuple(keys), asked, self._halved)


def is_kept(key: str, halved: int) -> bool:
    """Whether a key is among those that are kept after so many halvings."""
    return not halved or not zlib.crc32(key.encode("utf-8", "surrogatepass")) & ((1 << halved) - 1)


def merged(many: Iterable[Seen]) -> Seen:
    """What several processes did together."""
    counts: dict[str, Counts] = {}
    hot: dict[str, int] = {}
    for seen in many:
        for limit, one in seen.counts.items():
            counts.setdefault(limit, Counts()).add(one)
        for key, much in seen.hot.items():
            hot[key] = hot.get(key, 0) + much
    return Seen(counts=counts, hot=dict(sorted(hot.items(), key=lambda item: (-item[1], item[0]))[:HOT_KEPT]))


Minutes = Sequence[tuple[int, Traffic]]


def requests_of(minutes: Minutes, limit: str, requests_most: int) -> tuple[list[tuple[float, str, int]], int]:
    """Who asked a limit when: seconds since the epoch, key, how often, in order; and how often keys were halved.

    Minutes of several processes may come in any order. Where more than `requests_most` asked, fewer keys are taken.
    """
    found = [
        (minute * TICKS_A_MINUTE + tick, traffic.keys[key], much)
        for minute, traffic in minutes
        for tick, number, key, much in traffic.asked
        if traffic.limits[number] == limit
    ]
    halved = max((traffic.halved for _, traffic in minutes), default=0)
    kept = [one for one in found if is_kept(one[1], halved)]
    while sum(one[2] for one in kept) > requests_most:
        halved += 1
        kept = [one for one in kept if is_kept(one[1], halved)]
    return [(ticks * TICK_S, key, much) for ticks, key, much in sorted(kept)], halved


def each(asked: Iterable[tuple[float, str, int]]) -> Iterator[tuple[float, str]]:
    """One by one."""
    for at_s, key, much in asked:
        for _ in range(much):
            yield at_s, key
