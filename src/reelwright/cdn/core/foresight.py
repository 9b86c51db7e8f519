"""How much it is worth to keep an object: hits expected for each unit of time that it is kept.

A session that plays a stream reaches segment k at `offset + k * segment_s`, and its offset stays while it plays: the
next sessions to reach a segment are one bisection away, and how many sessions last that long is learnt as they end.
After them come those that have not begun: the rate of new sessions, the title's share of them, and the rendition's
share of the title's, which leans on all titles' where little of this one was seen. What is popular moves: a title's
share is what the last hours say, which lean on what the last days say, which lean on all titles alike. Of each memory
a title's visits are discounted, and what they lost goes to the longer one's word (interpolated Kneser-Ney smoothing,
1995: a share that follows a power law is foretold too high by one visit, and too low by none). The worth is that of
the best time to stop waiting (Gittins' index): expected hits until then over the expected time kept.

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
"""Objects whose visits are remembered, and as many whose place in a stream is: those asked for last."""
BUCKETS = 64
"""Of a title, for the curve of how long sessions last."""
_SPARSE = 1e-12
AHEAD_MOST = 4
"""Sessions on their way that are looked at."""
RATE_S = 3600.0
"""Over which the rate of new sessions is taken."""
LEAN = 20.0
"""Sessions of a title that weigh as much as what all titles' say of its renditions."""
SPANS_S = (3 * 3600.0, 24 * 3600.0)
"""Half-lives of what is remembered of titles, the shorter first."""
DISCOUNT = 0.8
"""Of a title's first visit, what is not believed."""

Style = Literal["fading", "counting", "recent", "regular"]
"""How visits of an object make its worth: fading with age; counted, as a popularity that stays; the last alone; or
the last two, as if the next came after as long again."""
STYLES: tuple[Style, ...] = ("fading", "counting", "recent", "regular")


class _Title:
    """How many sessions came, the old ones faded, by memory; a title's or all."""

    __slots__ = ("begun", "last_s", "segments", "share", "shared", "streams", "weights")

    def __init__(self, now_s: float) -> None:
        self.weights = [0.0] * len(SPANS_S)
        self.last_s = now_s
        self.begun = 0
        self.streams = 0
        """Of the title, that are remembered."""
        self.segments = 0
        """The most that a session has got to; 0 until one has ended."""
        self.share = 0.0
        self.shared = -1
        """Sessions there were when the share was reckoned."""

    def add(self, now_s: float) -> None:
        """A session came."""
        self.weights = [1 + weight for weight in self.faded(now_s)]
        self.last_s = now_s
        self.begun += 1

    def faded(self, now_s: float) -> list[float]:
        """The weights now."""
        return [
            weight * math.exp2((self.last_s - now_s) / span_s)
            for weight, span_s in zip(self.weights, SPANS_S, strict=True)
        ]


class _Stream:
    """One rendition of a title: its sessions under way, and its share of the title's sessions."""

    __slots__ = ("begun", "name", "objects", "offsets", "rung", "segment_s", "title")

    def __init__(self, name: str, title: _Title) -> None:
        self.name = name
        self.title = title
        self.rung = name.rpartition("/")[2]
        self.objects = 0
        """Of the stream, that are remembered."""
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
    """How many sessions go on past a part of their title: log survival by bucket, from the hazard seen in each."""

    def __init__(self) -> None:
        self._entered = [2.0] * BUCKETS
        self._ended = [0.1] * BUCKETS
        self._log = [0.0] * (BUCKETS + 1)
        self.settle()

    def enter(self, before: float, part: float) -> None:
        """A session has come from one part to another, from 0 to 1; it begins where the first lies below 0."""
        for at in range(_bucket(before) + 1 if before >= 0 else _bucket(part), _bucket(part) + 1):
            self._entered[at] += 1

    def end(self, part: float) -> None:
        """A session has ended here, before its title's end."""
        self._ended[_bucket(part)] += 1

    def settle(self) -> None:
        """Sum the curve anew; called now and then."""
        total = 0.0
        for at in range(BUCKETS):
            self._log[at] = total
            total += math.log(max(0.01, 1 - self._ended[at] / self._entered[at]))
        self._log[BUCKETS] = total

    def log_survival(self, part: float) -> float:
        """The logarithm of the share of sessions that reach a part."""
        at = _bucket(part)
        inside = min(1.0, part * BUCKETS - at)
        return self._log[at] + inside * (self._log[at + 1] - self._log[at])


def _bucket(part: float) -> int:
    return min(BUCKETS - 1, int(part * BUCKETS))


def _titled(stream: str) -> str:
    """The title that a stream is a rendition of."""
    return stream.rpartition("/")[0] or stream


class Outlook:
    """What is known of sessions and objects; learns from each request, hit or miss.

    Remembers `most` objects that sessions ask for, and as many others: those asked for last. A stream of which no
    object is remembered is forgotten, and so is a title of which no stream is.
    """

    def __init__(self, *, half_life_turns: float = 60_000.0, most: int = SEEN_MOST) -> None:
        self._most = most
        self._fade = math.log(2) / half_life_turns
        self._now_s = 0.0
        self._turn = 0
        self._titles: dict[str, _Title] = {}
        self._streams: dict[str, _Stream] = {}
        self._sessions: dict[str, _Session] = {}
        self._where: dict[Hashable, tuple[_Stream, int]] = {}
        self._lasting = _Lasting()
        self._all = _Title(0.0)
        self._doubt = [DISCOUNT] * len(SPANS_S)
        """Of each memory, the share that its discounts left over."""
        self._longest = 1
        self._settled = 0
        self._rate = 0.0
        self._rungs: Counter[str] = Counter()
        self._begin_s: float | None = None
        self._seen: dict[Hashable, tuple[float, float, int, int, float]] = {}
        """Of each object: its last turn, the weight of those before, its size's kind, visits, turns between two."""
        self._first = [1.0] * 64
        self._again = [0.2] * 64
        self.patience = 1000.0
        """Turns that an object is held for on average; what a visit's age is measured against."""

    def note(self, key: Hashable, size: int, now_s: float, session: str, stream: str, index: int) -> None:
        """A request came."""
        if now_s > self._now_s:
            self._now_s = now_s
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

    def _own_worth(self, last: float, weight: float, kind: int, count: int, gap: float, style: Style) -> float:
        """Hits expected a turn."""
        if style == "counting":
            return (count + last / self._turn) / self._turn
        age = self._turn - last
        if style == "recent":
            return 1 / (age + 1)
        if style == "regular" and age < gap:
            return 1 / (gap - age)
        prior = self._again[kind] / self._first[kind]
        return (prior + weight * math.exp(-age * self._fade)) / (age + self.patience)

    def _turns_a_second(self) -> float:
        passed_s = self._now_s - (self._begin_s or 0.0)
        return self._turn / passed_s if passed_s > 0 else 1.0

    def _count(self, key: Hashable, kind: int) -> None:
        known = self._seen.pop(key, None)
        if known is None:
            self._first[kind] += 1
            self._seen[key] = (float(self._turn), 0.0, kind, 1, 0.0)
            if len(self._seen) > self._most:
                del self._seen[next(iter(self._seen))]
            return
        last, weight, _, count, _ = known
        if count == 1:
            self._again[kind] += 1
        weight = 1 + weight * math.exp((last - self._turn) * self._fade)
        self._seen[key] = (float(self._turn), weight, kind, count + 1, self._turn - last)

    # Sessions

    def _follow(self, key: Hashable, session: str, name: str, index: int) -> None:
        now_s = self._now_s
        stream = self._streams.get(name) or self._begin(name)
        self._place(key, stream, index)
        self._longest = max(self._longest, index + 1)
        known = self._sessions.get(session)
        if known is not None and known.stream is stream and index > known.index:
            taken = (now_s - known.seen_s) / (index - known.index)
            if 0.1 < taken < 60:
                stream.segment_s += 0.05 * (taken - stream.segment_s)
            self._lasting.enter(self._part(stream, known.index), self._part(stream, index))
        elif known is None or known.stream is not stream:
            self._arrive(stream)
            self._lasting.enter(-1.0, self._part(stream, index))
        self._leave(known)
        offset = now_s - index * stream.segment_s
        insort(stream.offsets, offset)
        self._sessions[session] = _Session(stream, offset, index, now_s)
        if self._turn >= self._settled + 1000 + len(self._titles):
            self._settle()

    def _place(self, key: Hashable, stream: _Stream, index: int) -> None:
        """Remember where an object lies, as the one asked for last."""
        stream.objects += 1
        if key in self._where:
            self._forget(key)
        self._where[key] = (stream, index)
        if len(self._where) > self._most:
            self._forget(next(iter(self._where)))

    def _forget(self, key: Hashable) -> None:
        stream, _ = self._where.pop(key)
        stream.objects -= 1
        if stream.objects:
            return
        del self._streams[stream.name]
        title = stream.title
        title.begun -= stream.begun
        title.streams -= 1
        if not title.streams:
            del self._titles[_titled(stream.name)]

    def _part(self, stream: _Stream, index: int) -> float:
        """How far into its title a segment lies, from 0 to 1; until one has ended there, titles are the longest."""
        return min(1.0, index / (stream.title.segments or self._longest))

    def _begin(self, name: str) -> _Stream:
        title = self._titles.setdefault(_titled(name), _Title(self._now_s))
        title.streams += 1
        made = self._streams[name] = _Stream(name, title)
        return made

    def _arrive(self, stream: _Stream) -> None:
        now_s = self._now_s
        self._rate = self._rate * math.exp((self._all.last_s - now_s) / RATE_S) + 1 / RATE_S
        self._all.add(now_s)
        stream.title.add(now_s)
        self._rungs[stream.rung] += 1
        stream.begun += 1

    def _leave(self, session: _Session | None) -> None:
        if session is None:
            return
        offsets = session.stream.offsets
        at = bisect_right(offsets, session.offset) - 1
        if at >= 0 and offsets[at] == session.offset:
            del offsets[at]

    def _settle(self) -> None:
        """What need not be known to the second. O(sessions + titles)."""
        self._settled = self._turn
        for name, session in list(self._sessions.items()):
            if self._now_s - session.seen_s > GONE_S:
                self._end(session)
                del self._sessions[name]
        self._lasting.settle()
        lost = [0.0] * len(SPANS_S)
        for title in self._titles.values():
            for at, weight in enumerate(title.faded(self._now_s)):
                lost[at] += DISCOUNT * min(1.0, weight)
        self._doubt = [
            part / max(_SPARSE, all_) for part, all_ in zip(lost, self._all.faded(self._now_s), strict=True)
        ]

    def _end(self, session: _Session) -> None:
        self._leave(session)
        title = session.stream.title
        if session.index + 1 >= title.segments:
            title.segments = session.index + 1
        else:
            self._lasting.end(self._part(session.stream, session.index))

    def _stream_worth(self, stream: _Stream, index: int) -> float:
        """Of the sessions on their way, and of those that have not begun."""
        reach_s = index * stream.segment_s
        reaches = self._lasting.log_survival(self._part(stream, index))
        none_yet, hits, kept_s, before_s, best = 1.0, 0.0, 0.0, 0.0, 0.0
        at = bisect_right(stream.offsets, self._now_s - reach_s)
        for offset in stream.offsets[at : at + AHEAD_MOST]:
            wait_s = max(1.0, offset + reach_s - self._now_s)
            from_index = max(0, index - int(wait_s / stream.segment_s))
            comes = math.exp(reaches - self._lasting.log_survival(self._part(stream, from_index)))
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
        if title.shared != everyone.begun:  # between two sessions all shares fade alike
            title.share, title.shared = self._share(title), everyone.begun
        rung = (stream.begun + LEAN * self._rungs[stream.rung] / everyone.begun) / (title.begun + LEAN)
        return rate * title.share * rung

    def _share(self, title: _Title) -> float:
        """Of the sessions to come, those of a title."""
        share = 1 / len(self._titles)
        memories = zip(title.faded(self._now_s), self._all.faded(self._now_s), self._doubt, strict=True)
        for weight, everyone, doubt in reversed(list(memories)):
            share = (weight - DISCOUNT * min(1.0, weight)) / max(_SPARSE, everyone) + doubt * share
        return share
