"""What a cache gives up when it is full: policies behind one small interface, run live and in replays alike.

Each policy knows keys and sizes only, never bytes. `put` answers the keys to delete; where the object itself is among
them it was not admitted. All are O(1) an operation, but for `ForesightPolicy` (O(sample)) and GDSF (O(log n)).
"""

from __future__ import annotations

import heapq
from collections import Counter, OrderedDict, deque
from collections.abc import Callable, Hashable
from functools import lru_cache, partial
from typing import Protocol
from zlib import crc32

import msgspec

from reelwright.cdn.core.foresight import STYLES, Outlook, Style
from reelwright.kernel.errors import Invalid

Key = Hashable


class Visit(msgspec.Struct, frozen=True):
    """One request as policies see it; the last three where a playback session is known."""

    key: Key
    size: int
    now_s: float
    session: str = ""
    stream: str = ""
    """The rendition whose segment this is."""
    index: int = -1
    """The segment's place in its stream."""


class Policy(Protocol):
    """Keeps a set of keys within a budget of bytes."""

    held_bytes: int

    def __contains__(self, key: Key) -> bool: ...

    def __len__(self) -> int: ...

    def note(self, visit: Visit) -> None:
        """A request has come, before it is known to be a hit."""
        ...

    def use(self, key: Key) -> None:
        """Note a hit."""
        ...

    def put(self, key: Key, size: int) -> list[Key]:
        """Hold an object; returns the keys to delete for it, possibly its own."""
        ...

    def drop(self, key: Key) -> None:
        """Forget an object."""
        ...

    def resize(self, budget_bytes: int) -> None:
        """Have another budget from the next object on."""
        ...


class _Sized:
    """What all policies share."""

    def __init__(self, budget_bytes: int) -> None:
        self._budget_bytes = budget_bytes
        self.held_bytes = 0

    def resize(self, budget_bytes: int) -> None:
        """Have another budget from the next object on."""
        self._budget_bytes = budget_bytes

    def note(self, visit: Visit) -> None:
        """Most policies learn from hits and misses alone."""


class LruPolicy(_Sized):
    """Least recently used first."""

    def __init__(self, budget_bytes: int) -> None:
        super().__init__(budget_bytes)
        self._sizes: OrderedDict[Key, int] = OrderedDict()

    def __contains__(self, key: Key) -> bool:
        return key in self._sizes

    def __len__(self) -> int:
        return len(self._sizes)

    def use(self, key: Key) -> None:
        """Note a hit."""
        self._sizes.move_to_end(key)

    def ask(self, key: Key, size: int) -> bool:
        """Whether a request is a hit; what was no hit is held from now on."""
        if key in self._sizes:
            self._sizes.move_to_end(key)
            return True
        self.put(key, size)
        return False

    def put(self, key: Key, size: int) -> list[Key]:
        """Hold an object; returns the keys to delete."""
        self.drop(key)
        self._sizes[key] = size
        self.held_bytes += size
        given_up: list[Key] = []
        while self.held_bytes > self._budget_bytes:
            victim, freed = self._sizes.popitem(last=False)
            self.held_bytes -= freed
            given_up.append(victim)
        return given_up

    def drop(self, key: Key) -> None:
        """Forget an object."""
        self.held_bytes -= self._sizes.pop(key, 0)


class SievePolicy(_Sized):
    """SIEVE (Zhang et al., NSDI 2024): a queue that never moves, and a hand that spares what was visited."""

    def __init__(self, budget_bytes: int) -> None:
        super().__init__(budget_bytes)
        self._nodes: dict[Key, _Node] = {}
        self._head = self._tail = self._hand = None  # type: _Node | None

    def __contains__(self, key: Key) -> bool:
        return key in self._nodes

    def __len__(self) -> int:
        return len(self._nodes)

    def use(self, key: Key) -> None:
        """Note a hit."""
        self._nodes[key].visited = True

    def put(self, key: Key, size: int) -> list[Key]:
        """Hold an object; returns the keys to delete."""
        self.drop(key)
        if size > self._budget_bytes:
            return [key]
        given_up: list[Key] = []
        while self.held_bytes + size > self._budget_bytes:
            given_up.append(self._evict())
        node = self._nodes[key] = _Node(key, size)
        node.older, self._head = self._head, node
        if node.older is not None:
            node.older.newer = node
        self._tail = self._tail or node
        self.held_bytes += size
        return given_up

    def drop(self, key: Key) -> None:
        """Forget an object."""
        if (node := self._nodes.pop(key, None)) is not None:
            self._unlink(node)

    def _evict(self) -> Key:
        node = self._hand or self._tail
        assert node is not None
        while node.visited:
            node.visited = False
            node = node.newer or self._tail
            assert node is not None
        self._hand = node
        del self._nodes[node.key]
        self._unlink(node)
        return node.key

    def _unlink(self, node: _Node) -> None:
        if self._hand is node:
            self._hand = node.newer
        if node.newer is None:
            self._head = node.older
        else:
            node.newer.older = node.older
        if node.older is None:
            self._tail = node.newer
        else:
            node.older.newer = node.newer
        self.held_bytes -= node.size


class _Node:
    __slots__ = ("key", "newer", "older", "size", "visited")

    def __init__(self, key: Key, size: int) -> None:
        self.key = key
        self.size = size
        self.visited = False
        self.newer: _Node | None = None
        self.older: _Node | None = None


class S3FifoPolicy(_Sized):
    """S3-FIFO (Yang et al., SOSP 2023): a small queue for newcomers, a main queue, and a memory of who left."""

    SMALL_SHARE = 0.1
    HITS_MOST = 3

    def __init__(self, budget_bytes: int) -> None:
        super().__init__(budget_bytes)
        self._small: OrderedDict[Key, int] = OrderedDict()
        self._main: OrderedDict[Key, int] = OrderedDict()
        self._ghosts: OrderedDict[Key, int] = OrderedDict()
        self._hits: dict[Key, int] = {}
        self._small_bytes = self._ghost_bytes = 0

    def __contains__(self, key: Key) -> bool:
        return key in self._small or key in self._main

    def __len__(self) -> int:
        return len(self._small) + len(self._main)

    def use(self, key: Key) -> None:
        """Note a hit."""
        self._hits[key] = min(self.HITS_MOST, self._hits.get(key, 0) + 1)

    def put(self, key: Key, size: int) -> list[Key]:
        """Hold an object; returns the keys to delete."""
        self.drop(key)
        if size > self._budget_bytes:
            return [key]
        given_up: list[Key] = []
        while self.held_bytes + size > self._budget_bytes:
            self._evict(given_up)
        known = self._ghosts.pop(key, None)
        if known is not None:
            self._ghost_bytes -= known
            self._main[key] = size
        else:
            self._small[key] = size
            self._small_bytes += size
        self.held_bytes += size
        return given_up

    def drop(self, key: Key) -> None:
        """Forget an object."""
        self._hits.pop(key, None)
        small = self._small.pop(key, 0)
        self._small_bytes -= small
        self.held_bytes -= small + self._main.pop(key, 0)

    def _evict(self, given_up: list[Key]) -> None:
        if self._small and (self._small_bytes > self._budget_bytes * self.SMALL_SHARE or not self._main):
            self._evict_small(given_up)
        else:
            self._evict_main(given_up)

    def _evict_small(self, given_up: list[Key]) -> None:
        key, size = self._small.popitem(last=False)
        self._small_bytes -= size
        if self._hits.pop(key, 0) > 1:
            self._main[key] = size
            return
        self.held_bytes -= size
        given_up.append(key)
        self._ghosts[key] = size
        self._ghost_bytes += size
        while self._ghost_bytes > self._budget_bytes * (1 - self.SMALL_SHARE):
            self._ghost_bytes -= self._ghosts.popitem(last=False)[1]

    def _evict_main(self, given_up: list[Key]) -> None:
        key, size = self._main.popitem(last=False)
        hits = self._hits.pop(key, 0)
        if hits:
            self._main[key], self._hits[key] = size, hits - 1
            return
        self.held_bytes -= size
        given_up.append(key)


class WTinyLfuPolicy(_Sized):
    """W-TinyLFU (Einziger et al., TOS 2017): a window, then a duel of frequencies at the door of a segmented LRU."""

    WINDOW_SHARE = 0.01
    PROTECTED_SHARE = 0.8

    def __init__(self, budget_bytes: int) -> None:
        super().__init__(budget_bytes)
        self._window = LruPolicy(max(1, int(budget_bytes * self.WINDOW_SHARE)))
        self._probation: OrderedDict[Key, int] = OrderedDict()
        self._protected: OrderedDict[Key, int] = OrderedDict()
        self._protected_bytes = 0
        self._window_sizes: dict[Key, int] = {}
        self._counts: Counter[Key] = Counter()
        self._recent: deque[Key] = deque()

    def resize(self, budget_bytes: int) -> None:
        """The window keeps its share."""
        super().resize(budget_bytes)
        self._window.resize(max(1, int(budget_bytes * self.WINDOW_SHARE)))

    def __contains__(self, key: Key) -> bool:
        return key in self._window or key in self._probation or key in self._protected

    def __len__(self) -> int:
        return len(self._window) + len(self._probation) + len(self._protected)

    def use(self, key: Key) -> None:
        """Note a hit."""
        self._count(key)
        if key in self._window:
            self._window.use(key)
        elif key in self._protected:
            self._protected.move_to_end(key)
        else:
            size = self._protected[key] = self._probation.pop(key)
            self._protected_bytes += size
            while self._protected_bytes > self._budget_bytes * self.PROTECTED_SHARE:
                demoted, freed = self._protected.popitem(last=False)
                self._protected_bytes -= freed
                self._probation[demoted] = freed

    def put(self, key: Key, size: int) -> list[Key]:
        """Hold an object; returns the keys to delete."""
        self.drop(key)
        self._count(key)
        if size > self._budget_bytes:
            return [key]
        self._window_sizes[key] = size
        self.held_bytes += size
        given_up: list[Key] = []
        for candidate in self._window.put(key, size):
            self._admit(candidate, self._window_sizes.pop(candidate), given_up)
        while self.held_bytes > self._budget_bytes:  # the window grew beside a full main part
            victim = next(iter(self._probation or self._protected))
            self.drop(victim)
            given_up.append(victim)
        return given_up

    def drop(self, key: Key) -> None:
        """Forget an object."""
        self._window.drop(key)
        protected = self._protected.pop(key, 0)
        self._protected_bytes -= protected
        self.held_bytes -= protected + self._probation.pop(key, 0) + self._window_sizes.pop(key, 0)

    def _admit(self, candidate: Key, size: int, given_up: list[Key]) -> None:
        """The candidate stays where it was asked for more often than each it would displace."""
        self._probation[candidate] = size
        while self.held_bytes > self._budget_bytes:
            queue = self._probation if next(iter(self._probation)) != candidate else self._protected
            victim = next(iter(queue or self._probation))
            if victim != candidate and self._counts[candidate] > self._counts[victim]:
                self.drop(victim)
                given_up.append(victim)
            else:
                self.drop(candidate)
                given_up.append(candidate)
                return

    def _count(self, key: Key) -> None:
        """Frequencies over the last requests, ten for each object held."""
        self._counts[key] += 1
        self._recent.append(key)
        if len(self._recent) > 10 * max(100, len(self)):
            old = self._recent.popleft()
            self._counts[old] -= 1
            if not self._counts[old]:
                del self._counts[old]


class GdsfPolicy(_Sized):
    """GreedyDual-Size-Frequency (Cherkasova, 1998): small and frequent stays. For objects, never for bytes."""

    def __init__(self, budget_bytes: int) -> None:
        super().__init__(budget_bytes)
        self._held: dict[Key, tuple[float, int, int]] = {}
        self._heap: list[tuple[float, int, Key]] = []
        self._clock = 0.0
        self._serial = 0

    def __contains__(self, key: Key) -> bool:
        return key in self._held

    def __len__(self) -> int:
        return len(self._held)

    def use(self, key: Key) -> None:
        """Note a hit."""
        _, count, size = self._held[key]
        self._weigh(key, count + 1, size)

    def put(self, key: Key, size: int) -> list[Key]:
        """Hold an object; returns the keys to delete."""
        self.drop(key)
        self.held_bytes += size
        self._weigh(key, 1, size)
        given_up: list[Key] = []
        while self.held_bytes > self._budget_bytes:
            priority, _, victim = heapq.heappop(self._heap)
            held = self._held.get(victim)
            if held is not None and held[0] == priority:
                self._clock = priority
                self.drop(victim)
                given_up.append(victim)
        return given_up

    def drop(self, key: Key) -> None:
        """Forget an object."""
        self.held_bytes -= self._held.pop(key, (0.0, 0, 0))[2]

    def _weigh(self, key: Key, count: int, size: int) -> None:
        priority = self._clock + count / max(1, size)
        self._held[key] = (priority, count, size)
        self._serial += 1
        heapq.heappush(self._heap, (priority, self._serial, key))
        if len(self._heap) > 4 * len(self._held) + 64:
            self._heap = [(held[0], at, one) for at, (one, held) in enumerate(self._held.items())]
            heapq.heapify(self._heap)
            self._serial = len(self._heap)


class _Sampled(_Sized):
    """Gives up the worst of a sample, a newcomer included, so that no order need be kept."""

    SAMPLE = 16
    KEPT = 8
    """Candidates that stay in the next sample: the worst are not found anew each time."""

    def __init__(self, budget_bytes: int, outlook: Outlook, style: Style) -> None:
        super().__init__(budget_bytes)
        self._outlook = outlook
        self.style: Style = style
        self._sizes: dict[Key, int] = {}
        self._slots: list[Key] = []
        self._slot_of: dict[Key, int] = {}
        self._worst: list[Key] = []
        self._seed = 1

    def __contains__(self, key: Key) -> bool:
        return key in self._sizes

    def __len__(self) -> int:
        return len(self._sizes)

    def put(self, key: Key, size: int) -> list[Key]:
        """Hold an object; returns the keys to delete."""
        self.drop(key)
        if size > self._budget_bytes:
            return [key]
        self._add(key, size)
        given_up: list[Key] = []
        while self.held_bytes > self._budget_bytes:
            victim = self._victim(key)
            self.drop(victim)
            given_up.append(victim)
        return given_up

    def drop(self, key: Key) -> None:
        """Forget an object."""
        if key not in self._sizes:
            return
        self.held_bytes -= self._sizes.pop(key)
        at, last = self._slot_of.pop(key), self._slots.pop()
        if last != key:
            self._slots[at] = last
            self._slot_of[last] = at

    def _add(self, key: Key, size: int) -> None:
        self._sizes[key] = size
        self.held_bytes += size
        self._slot_of[key] = len(self._slots)
        self._slots.append(key)

    def _victim(self, newcomer: Key) -> Key:
        candidates = {one for one in self._worst if one in self._sizes}
        candidates.update(self._slots[self._random(len(self._slots))] for _ in range(self.SAMPLE))
        if newcomer in self._sizes:  # it may have been given up already, where the room has become less
            candidates.add(newcomer)
        ranked = sorted(candidates, key=partial(self._outlook.worth, style=self.style))
        self._worst = ranked[1 : self.KEPT + 1]
        return ranked[0]

    def _random(self, below: int) -> int:
        """A linear congruential step: replays of one trace are equal."""
        self._seed = (self._seed * 6364136223846793005 + 1442695040888963407) % 2**64
        return (self._seed >> 33) % below


class ForesightPolicy(_Sampled):
    """Ours: gives up what is least worth keeping.

    An object's worth comes from the playback sessions on their way to it (`core/foresight.py`). Where there are none
    it comes from the object's own visits, weighed in the style that does best: each style, plain recency among them,
    runs a small cache beside this one over a sample of the objects, and the one that hits the most bytes is followed.
    Where all of that does worse than LRU would, which is kept beside it as keys alone, what LRU has given up goes
    first, until this cache holds what LRU's holds.
    """

    PATIENCE = 0.5
    """Turns that an object is held for, in objects held."""
    TRIAL_SHARE = 8
    """One object in so many takes part in the trials."""
    ROUND = 256
    """Visits of trials between two looks at who does best."""
    MEMORY = 0.9999
    """Of the lead over LRU, a visit."""
    BEHIND = 0.005
    """Share of the bytes that LRU misses by which it may lead before it is followed."""

    def __init__(self, budget_bytes: int) -> None:
        outlook = Outlook()
        super().__init__(budget_bytes, outlook, "fading")
        small = max(1, budget_bytes // self.TRIAL_SHARE)
        self._trials = {style: _Sampled(small, outlook, style) for style in STYLES}
        self._hit_bytes = dict.fromkeys(STYLES, 0.0)
        self._tried = 0
        self._lru = LruPolicy(budget_bytes)
        self._lead_bytes = self._missed_bytes = 0.0

    def resize(self, budget_bytes: int) -> None:
        """The caches that it is measured by have the same room, or it would seem to do worse than it does."""
        super().resize(budget_bytes)
        self._lru.resize(budget_bytes)
        for trial in self._trials.values():
            trial.resize(max(1, budget_bytes // self.TRIAL_SHARE))

    def note(self, visit: Visit) -> None:
        """Learn from a request, be it a hit or not."""
        self._race(visit.key, visit.size)
        self._outlook.patience = max(1.0, self.PATIENCE * len(self._slots))
        self._outlook.note(visit.key, visit.size, visit.now_s, visit.session, visit.stream, visit.index)
        if visit.index < 0 and _hash(visit.key) % self.TRIAL_SHARE == 0:
            self._try(visit.key, visit.size)

    def use(self, key: Key) -> None:
        """All was learnt from `note`."""

    def _race(self, key: Key, size: int) -> None:
        """Keep LRU's cache, and the lead over it."""
        theirs = self._lru.ask(key, size)
        self._lead_bytes = self.MEMORY * self._lead_bytes + size * ((key in self._sizes) - theirs)
        self._missed_bytes = self.MEMORY * self._missed_bytes + size * (not theirs)

    def _victim(self, newcomer: Key) -> Key:
        if self._lead_bytes >= -self.BEHIND * self._missed_bytes:
            return super()._victim(newcomer)
        sample = [self._slots[self._random(len(self._slots))] for _ in range(2 * self.SAMPLE)]
        gone = [one for one in sample if one not in self._lru]
        return min(gone or sample, key=partial(self._outlook.worth, style="recent"))

    def _try(self, key: Key, size: int) -> None:
        for style, trial in self._trials.items():
            if key in trial:
                self._hit_bytes[style] += size
            else:
                trial.put(key, size)
        self._tried += 1
        if self._tried % self.ROUND == 0:
            best = max(STYLES, key=self._hit_bytes.__getitem__)
            if self._hit_bytes[best] > 1.01 * self._hit_bytes[self.style]:
                self.style = best
            self._hit_bytes = {style: 0.9 * found for style, found in self._hit_bytes.items()}


@lru_cache(1 << 14)
def _hash(key: Key) -> int:
    """Of a key, the same in every process."""
    return crc32(repr(key).encode())


POLICIES: dict[str, Callable[[int], Policy]] = {
    "lru": LruPolicy,
    "sieve": SievePolicy,
    "s3fifo": S3FifoPolicy,
    "wtinylfu": WTinyLfuPolicy,
    "gdsf": GdsfPolicy,
    "foresight": ForesightPolicy,
}


def make_policy(name: str, budget_bytes: int) -> Policy:
    """A policy by its name. Raises Invalid for one that is not known."""
    if name not in POLICIES:
        raise Invalid(f"a policy is one of {', '.join(POLICIES)}, got {name!r}")
    return POLICIES[name](budget_bytes)
