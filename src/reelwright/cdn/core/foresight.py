"""How much it is worth to keep an object: hits expected for each unit of time that it is kept.

A session that plays a stream reaches segment k at `offset + k * segment_s`, and its offset stays while it plays: the
next sessions to reach a segment are one bisection away, and how many sessions last that long is learnt as they end.
After them come those that have not begun: the rate of new sessions, the title's share of them, and the rendition's
share of the title's, which leans on all titles' where little of this one was seen. The worth is that of the best time
to stop waiting (Gittins' index): expected hits until then over the expected time kept.

Where nothing is known of sessions, an object's own visits count, in one of three styles (`Style`), and for a newcomer
those of other objects of its size.
"""

from __future__ import annotations

import math
from bisect import bisect_right, insort
from collections import Counter
from collections.abc import Hashable
from typing import Literal

GONE_S = 90.0
"""A session that asked for nothing this long has ended."""
SEEN_MOST = 400_000
"""Objects whose visits are remembered."""
BUCKET = 16
BUCKETS = 256
"""Of segment numbers, for the curve of how long sessions last."""
_SPARSE = 1e-12
AHEAD_MOST = 4
"""Sessions on their way that are looked at."""
RATE_S = 3600.0
"""Over which the rate of new sessions is taken."""
LEAN = 4.0
"""Sessions of a title that weigh as much as what all titles' say of its renditions."""

Style = Literal["fading", "counting", "recent"]
"""How visits of an object make its worth: fading with age; counted, as a popularity that stays; or the last alone."""
STYLES: tuple[Style, ...] = ("fading", "counting", "recent")


class _Title:
    """How many sessions came, the old ones faded; a title's or all."""

    __slots__ = ("begun", "last_s", "weight")

    def __init__(self, now_s: float) -> None:
        self.weight = 0.0
        self.last_s = now_s
        self.begun = 0

    def add(self, now_s: float, half_life_s: float) -> None:
        """A session came."""
        self.weight = 1 + self.faded(now_s, half_life_s)
        self.last_s = now_s
        self.begun += 1

    def faded(self, now_s: float, half_life_s: float) -> float:
        """The weight now."""
        return self.weight * math.exp2((self.last_s - now_s) / half_life_s)


class _Stream:
    """One rendition of a title: its sessions under way, and its share of the title's sessions."""

    __slots__ = ("begun", "offsets", "rung", "segment_s", "title")

    def __init__(self, title: _Title, rung: str) -> None:
        self.title = title
        self.rung = rung
        self.offsets: list[float] = []
        self.segment_s = 4.0
        self.begun = 0


class _Session:
    __slots__ = ("index", "offset", "seen_s", "stream")

    def __init__(self, stream: _Stream, offset: float, index: int, seen_s: float) -> None:
        self.stream = stream
        self.offset = offset
        self.index = index
        self.seen_s = seen_s


class _Lasting:
    """How many sessions go on past a segment: log survival at each bucket's start, by the hazard seen in each."""

    def __init__(self) -> None:
        self._entered = [2.0] * BUCKETS
        self._ended = [0.1] * BUCKETS
        self._log = [0.0] * (BUCKETS + 1)
        self.settle()

    def enter(self, index: int) -> None:
        """A session has come to this segment's bucket."""
        self._entered[min(BUCKETS - 1, index // BUCKET)] += 1

    def end(self, index: int) -> None:
        """A session has ended at this segment."""
        self._ended[min(BUCKETS - 1, index // BUCKET)] += 1

    def settle(self) -> None:
        """Sum the curve anew; called now and then."""
        total = 0.0
        for at in range(BUCKETS):
            self._log[at] = total
            total += math.log(max(0.01, 1 - self._ended[at] / self._entered[at]))
        self._log[BUCKETS] = total

    def log_survival(self, index: int) -> float:
        """The logarithm of the share of sessions that reach a segment."""
        at = min(BUCKETS - 1, index // BUCKET)
        inside = (index - at * BUCKET) / BUCKET
        return self._log[at] + inside * (self._log[at + 1] - self._log[at])


class Outlook:
    """What is known of sessions and objects; learns from each request, hit or miss."""

    def __init__(self, *, half_life_s: float = 172_800.0, half_life_turns: float = 60_000.0) -> None:
        self._half_life_s = half_life_s
        self._fade = math.log(2) / half_life_turns
        self._now_s = 0.0
        self._turn = 0
        self._titles: dict[str, _Title] = {}
        self._streams: dict[str, _Stream] = {}
        self._sessions: dict[str, _Session] = {}
        self._where: dict[Hashable, tuple[_Stream, int]] = {}
        self._lasting = _Lasting()
        self._all = _Title(0.0)
        self._rate = 0.0
        self._rungs: Counter[str] = Counter()
        self._begin_s: float | None = None
        self._seen: dict[Hashable, tuple[float, float, int, int]] = {}
        self._first = [1.0] * 64
        self._again = [0.2] * 64
        self.patience = 1000.0
        """Turns that an object is held for on average; what a visit's age is measured against."""

    def note(self, key: Hashable, size: int, now_s: float, session: str, stream: str, index: int) -> None:
        """A request came."""
        self._now_s = max(self._now_s, now_s)
        if self._begin_s is None:
            self._begin_s = now_s
        self._turn += 1
        if session and stream and index >= 0:
            self._follow(key, session, stream, index)
        else:
            self._count(key, size.bit_length())

    def worth(self, key: Hashable, style: Style = "fading") -> float:
        """Expected hits per second (per request, where time does not pass) of keeping an object."""
        place = self._where.get(key)
        if place is not None:
            return self._stream_worth(*place)
        known = self._seen.get(key)
        if known is None:
            return 0.0
        return self._own_worth(*known, style) * self._turns_a_second()

    # Objects of which nothing else is known

    def _own_worth(self, last: float, weight: float, kind: int, count: int, style: Style) -> float:
        """Hits expected a turn."""
        if style == "counting":
            return (count + last / self._turn) / self._turn
        age = self._turn - last
        if style == "recent":
            return 1 / (age + 1)
        prior = self._again[kind] / self._first[kind]
        return (prior + weight * math.exp(-age * self._fade)) / (age + self.patience)

    def _turns_a_second(self) -> float:
        passed_s = self._now_s - (self._begin_s or 0.0)
        return self._turn / passed_s if passed_s > 0 else 1.0

    def _count(self, key: Hashable, kind: int) -> None:
        known = self._seen.pop(key, None)
        if known is None:
            self._first[kind] += 1
            self._seen[key] = (float(self._turn), 0.0, kind, 1)
            if len(self._seen) > SEEN_MOST:
                del self._seen[next(iter(self._seen))]
            return
        last, weight, _, count = known
        if count == 1:
            self._again[kind] += 1
        weight = 1 + weight * math.exp((last - self._turn) * self._fade)
        self._seen[key] = (float(self._turn), weight, kind, count + 1)

    # Sessions

    def _follow(self, key: Hashable, session: str, name: str, index: int) -> None:
        now_s = self._now_s
        stream = self._streams.get(name) or self._begin(name)
        self._where[key] = (stream, index)
        known = self._sessions.get(session)
        if known is not None and known.stream is stream and index > known.index:
            taken = (now_s - known.seen_s) / (index - known.index)
            if 0.1 < taken < 60:
                stream.segment_s += 0.05 * (taken - stream.segment_s)
            if index // BUCKET != known.index // BUCKET:
                self._lasting.enter(index)
        elif known is None or known.stream is not stream:
            self._arrive(stream)
            self._lasting.enter(index)
        self._leave(known)
        offset = now_s - index * stream.segment_s
        insort(stream.offsets, offset)
        self._sessions[session] = _Session(stream, offset, index, now_s)
        if self._turn % 1000 == 0:
            self._end_silent()

    def _begin(self, name: str) -> _Stream:
        of, _, rung = name.rpartition("/")
        title = self._titles.setdefault(of or name, _Title(self._now_s))
        made = self._streams[name] = _Stream(title, rung)
        return made

    def _arrive(self, stream: _Stream) -> None:
        now_s = self._now_s
        self._rate = self._rate * math.exp((self._all.last_s - now_s) / RATE_S) + 1 / RATE_S
        self._all.add(now_s, self._half_life_s)
        stream.title.add(now_s, self._half_life_s)
        self._rungs[stream.rung] += 1
        stream.begun += 1

    def _leave(self, session: _Session | None) -> None:
        if session is None:
            return
        offsets = session.stream.offsets
        at = bisect_right(offsets, session.offset) - 1
        if at >= 0 and offsets[at] == session.offset:
            del offsets[at]

    def _end_silent(self) -> None:
        for name, session in list(self._sessions.items()):
            if self._now_s - session.seen_s > GONE_S:
                self._leave(session)
                self._lasting.end(session.index)
                del self._sessions[name]
        self._lasting.settle()

    def _stream_worth(self, stream: _Stream, index: int) -> float:
        """Of the sessions on their way, and of those that have not begun."""
        reach_s = index * stream.segment_s
        reaches = self._lasting.log_survival(index)
        none_yet, hits, kept_s, before_s, best = 1.0, 0.0, 0.0, 0.0, 0.0
        at = bisect_right(stream.offsets, self._now_s - reach_s)
        for offset in stream.offsets[at : at + AHEAD_MOST]:
            wait_s = max(1.0, offset + reach_s - self._now_s)
            from_index = max(0, index - int(wait_s / stream.segment_s))
            comes = math.exp(reaches - self._lasting.log_survival(from_index))
            kept_s += none_yet * (wait_s - before_s)
            hits += none_yet * comes
            none_yet *= 1 - comes
            before_s = wait_s
            best = max(best, hits / kept_s)
        rate = self._fresh_rate(stream) * math.exp(reaches) + _SPARSE
        kept_s += none_yet * (max(0.0, reach_s - before_s) + 1 / rate)
        return max(best, (hits + none_yet) / kept_s)

    def _fresh_rate(self, stream: _Stream) -> float:
        """New sessions of a stream a second."""
        now_s, title, everyone = self._now_s, stream.title, self._all
        if not everyone.begun:
            return 0.0
        seen_s = max(600.0, now_s - (self._begin_s or 0.0))
        rate = self._rate * math.exp((everyone.last_s - now_s) / RATE_S) / (1 - math.exp(-seen_s / RATE_S))
        weight = title.faded(now_s, self._half_life_s)
        share = max(weight - 0.5, 0.3 * weight) / everyone.faded(now_s, self._half_life_s)  # one visit says little
        rung = (stream.begun + LEAN * self._rungs[stream.rung] / everyone.begun) / (title.begun + LEAN)
        return rate * share * rung
