"""How much it is worth to keep an object: hits expected for each unit of time that it is kept.

A session that plays a stream reaches segment k at `offset + k * segment_s`, and its offset stays while it plays: the
next session to reach a segment is one bisection away, and how many sessions last that long is learnt as they end.
Where none is under way, the title's rate of new sessions says when one may come. Where nothing is known of sessions,
an object's own visits count, and for a newcomer those of other objects of its size.
"""

from __future__ import annotations

import math
from bisect import bisect_right, insort
from collections.abc import Hashable

GONE_S = 90.0
"""A session that asked for nothing this long has ended."""
SEEN_MOST = 400_000
"""Objects whose visits are remembered."""
BUCKET = 16
BUCKETS = 256
"""Of segment numbers, for the curve of how long sessions last."""
_SPARSE = 1e-12


class _Title:
    """How often new sessions come."""

    __slots__ = ("last_s", "weight")

    def __init__(self, now_s: float) -> None:
        self.weight = 0.0
        self.last_s = now_s


class _Stream:
    """One rendition of a title: its sessions under way, and its share of the title's sessions."""

    __slots__ = ("begun", "offsets", "segment_s", "title")

    def __init__(self, title: _Title) -> None:
        self.title = title
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
        self._seen: dict[Hashable, tuple[float, float, int]] = {}
        self._first = [1.0] * 64
        self._again = [0.2] * 64
        self.patience = 1000.0
        """Turns that an object is held for on average; what a visit's age is measured against."""

    def note(self, key: Hashable, size: int, now_s: float, session: str, stream: str, index: int) -> None:
        """A request came."""
        self._now_s = max(self._now_s, now_s)
        self._turn += 1
        if session and stream and index >= 0:
            self._follow(key, session, stream, index)
        else:
            self._count(key, size.bit_length())

    def worth(self, key: Hashable) -> float:
        """Expected hits per second (or per request, where nothing is known of sessions) of keeping an object."""
        place = self._where.get(key)
        if place is not None:
            return self._stream_worth(*place)
        known = self._seen.get(key)
        if known is None:
            return 0.0
        last, weight, kind = known
        age = self._turn - last
        prior = self._again[kind] / self._first[kind]
        return (prior + weight * math.exp(-age * self._fade)) / (age + self.patience)

    # Objects of which nothing else is known

    def _count(self, key: Hashable, kind: int) -> None:
        known = self._seen.pop(key, None)
        if known is None:
            self._first[kind] += 1
            self._seen[key] = (float(self._turn), 0.0, kind)
            if len(self._seen) > SEEN_MOST:
                del self._seen[next(iter(self._seen))]
            return
        last, weight, _ = known
        if weight == 0.0:
            self._again[kind] += 1
        self._seen[key] = (float(self._turn), 1 + weight * math.exp((last - self._turn) * self._fade), kind)

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
        title = self._titles.setdefault(name.rpartition("/")[0] or name, _Title(self._now_s))
        made = self._streams[name] = _Stream(title)
        return made

    def _arrive(self, stream: _Stream) -> None:
        title = stream.title
        faded = 0.5 ** ((self._now_s - title.last_s) / self._half_life_s)
        title.weight = 1 + title.weight * faded
        title.last_s = self._now_s
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
        """Of the next session on its way, and of those that have not begun."""
        now_s = self._now_s
        segment_s = stream.segment_s
        reach_s = index * segment_s
        reaches = self._lasting.log_survival(index)
        worth = self._fresh_worth(stream, reach_s, math.exp(reaches))
        at = bisect_right(stream.offsets, now_s - reach_s)
        if at < len(stream.offsets):
            wait_s = max(1.0, stream.offsets[at] + reach_s - now_s)
            from_index = max(0, index - int(wait_s / segment_s))
            worth += math.exp(reaches - self._lasting.log_survival(from_index)) / wait_s
        return worth

    def _fresh_worth(self, stream: _Stream, reach_s: float, reaches: float) -> float:
        title = stream.title
        faded = 0.5 ** ((self._now_s - title.last_s) / self._half_life_s)
        window_s = min(self._now_s + 3600, self._half_life_s / math.log(2))
        share = (stream.begun + 0.2) / (stream.begun + 1)  # a rendition once chosen is likely chosen again
        wait_s: float = reach_s + window_s / (title.weight * faded * share * reaches + _SPARSE)
        return 1 / wait_s
