"""How much a service may do at once, found out from how long it takes: AIMD, Vegas and a gradient without drift.

Pure: `sample(limit, seen)` is the limit after one measured request or window of them. Sources: TCP's AIMD (RFC 5681)
and Vegas (Brakmo 1995) as applied to request concurrency by Netflix/concurrency-limits, whose defaults these are;
its Gradient2 is here as it is, to be measured beside, and corrected: it drifts upwards under modest overload because
it adds its queue allowance always.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import msgspec


class Seen(msgspec.Struct, frozen=True):
    """One measured request, or a window of them."""

    rtt_ns: int
    inflight: int
    dropped: bool = False


class Aimd(msgspec.Struct, frozen=True, kw_only=True):
    """One more for each answer in time, a tenth less for each drop."""

    limit: int = 20
    least: int = 20
    most: int = 200
    backoff: float = 0.9
    timeout_ns: int = 5 * 10**9

    def sample(self, seen: Seen) -> Aimd:
        """The limit after `seen`."""
        limit = self.limit
        if seen.dropped or seen.rtt_ns > self.timeout_ns:
            limit = int(limit * self.backoff)
        elif 2 * seen.inflight >= limit:
            limit += 1
        return msgspec.structs.replace(self, limit=min(self.most, max(self.least, limit)))


def log10_root(limit: float) -> int:
    """Whole decades of `limit`, at least 1."""
    return max(1, int(math.log10(limit))) if limit >= 1 else 1


def square_root(limit: float, least: int = 4) -> int:
    """The root of `limit`, at least `least`."""
    return max(least, int(math.sqrt(limit)))


Turn = Callable[[float], float]


class Vegas(msgspec.Struct, frozen=True, kw_only=True):
    """Keeps the queue that it believes to have caused between two bounds.

    The queue is what is in flight beyond what an unloaded service would need for it. `drawn` is a number in [0, 1)
    from outside that says when the unloaded time is measured anew.
    """

    estimate: float = 20.0
    most: int = 1000
    smoothing: float = 1.0
    unloaded_ns: int = 0
    alpha: Turn = lambda limit: 3 * log10_root(limit)
    beta: Turn = lambda limit: 6 * log10_root(limit)
    threshold: Turn = log10_root
    increase: Turn = lambda limit: limit + log10_root(limit)
    decrease: Turn = lambda limit: limit - log10_root(limit)
    probe_multiplier: int = 30
    count: int = 0

    @property
    def limit(self) -> int:
        """What may be in flight."""
        return int(self.estimate)

    def sample(self, seen: Seen, drawn: float = 0.0) -> Vegas:
        """The limit after `seen`."""
        count = self.count + 1
        if count >= (0.5 + drawn / 2) * self.probe_multiplier * self.estimate:
            return msgspec.structs.replace(self, unloaded_ns=seen.rtt_ns, count=0)
        if self.unloaded_ns == 0 or seen.rtt_ns < self.unloaded_ns:
            return msgspec.structs.replace(self, unloaded_ns=seen.rtt_ns, count=count)
        wanted = self._wanted(seen)
        if wanted is None:
            return msgspec.structs.replace(self, count=count)
        held = max(1.0, min(float(self.most), wanted))
        estimate = (1 - self.smoothing) * self.estimate + self.smoothing * held
        return msgspec.structs.replace(self, estimate=estimate, count=count)

    def _wanted(self, seen: Seen) -> float | None:
        limit = self.estimate
        queue = math.ceil(limit * (1 - self.unloaded_ns / seen.rtt_ns)) if seen.rtt_ns else 0
        if seen.dropped:
            return self.decrease(limit)
        if 2 * seen.inflight < limit:
            return None
        if queue <= self.threshold(limit):
            return limit + self.beta(limit)
        if queue < self.alpha(limit):
            return self.increase(limit)
        return self.decrease(limit) if queue > self.beta(limit) else None


class Average(msgspec.Struct, frozen=True, kw_only=True):
    """An exponential average that is a plain one until it is warm."""

    window: int
    warmup: int = 10
    value: float = 0.0
    count: int = 0

    def add(self, value: float) -> Average:
        """The average with one value more."""
        if self.count < self.warmup:
            total = self.value * self.count + value
            return msgspec.structs.replace(self, value=total / (self.count + 1), count=self.count + 1)
        factor = 2.0 / (self.window + 1)
        return msgspec.structs.replace(self, value=self.value * (1 - factor) + value * factor, count=self.count + 1)


class Gradient2(msgspec.Struct, frozen=True, kw_only=True):
    """Netflix's: the long average time over the short one, and always a queue on top."""

    estimate: float = 20.0
    least: int = 20
    most: int = 200
    smoothing: float = 0.2
    tolerance: float = 1.5
    queue: int = 4
    long: Average = Average(window=600)

    @property
    def limit(self) -> int:
        """What may be in flight."""
        return int(self.estimate)

    def sample(self, seen: Seen) -> Gradient2:
        """The limit after `seen`."""
        long = self.long.add(seen.rtt_ns)
        if long.value / max(1, seen.rtt_ns) > 2:
            long = msgspec.structs.replace(long, value=long.value * 0.95)
        if seen.inflight < self.estimate / 2:
            return msgspec.structs.replace(self, long=long)
        gradient = max(0.5, min(1.0, self.tolerance * long.value / max(1, seen.rtt_ns)))
        wanted = self.estimate * gradient + self.queue
        estimate = self.estimate * (1 - self.smoothing) + wanted * self.smoothing
        held = max(self.least, min(self.most, estimate))
        return msgspec.structs.replace(self, long=long, estimate=held)


TRIED_PART, NO_FASTER = 0.75, 0.9


class Gradient(msgspec.Struct, frozen=True, kw_only=True):
    """The unloaded time over the time now; a queue is added only while nothing waits.

    The unloaded time is the least that a window took, and creeps up so slowly that overload is not taken for it.
    Where doing a quarter less at once has not made it a tenth faster, nothing was waiting: the service itself is
    slower. Then what it takes now is its unloaded time, and the limit is what it was.
    """

    estimate: float = 20.0
    least: int = 4
    most: int = 1000
    smoothing: float = 0.2
    tolerance: float = 1.2
    unloaded_ns: float = 0.0
    creep: float = 1e-5
    tried: float = 0.0
    """The limit from which it is being lowered; 0 where it is not."""
    tried_ns: float = 0.0
    """What a window took then."""

    @property
    def limit(self) -> int:
        """What may be in flight."""
        return int(self.estimate)

    def sample(self, seen: Seen) -> Gradient:
        """The limit after a window."""
        rtt = max(1, seen.rtt_ns)
        unloaded = min(self.unloaded_ns * (1 + self.creep), rtt) if self.unloaded_ns else float(rtt)
        gradient = max(0.5, min(1.0, self.tolerance * unloaded / rtt))
        if gradient < 1.0 or seen.dropped:
            return self._lower(rtt, unloaded, 0.5 if seen.dropped else gradient)
        if 2 * seen.inflight < self.estimate:  # not limited: nothing to learn
            return msgspec.structs.replace(self, unloaded_ns=unloaded, tried=0.0)
        more = self.smoothing * square_root(self.estimate, 1)
        estimate = min(float(self.most), self.estimate + more)
        return msgspec.structs.replace(self, unloaded_ns=unloaded, estimate=estimate, tried=0.0)

    def _lower(self, rtt: int, unloaded: float, gradient: float) -> Gradient:
        tried, tried_ns = (self.tried, self.tried_ns) if self.tried else (self.estimate, float(rtt))
        if self.estimate <= tried * TRIED_PART or self.estimate <= self.least:
            if rtt > tried_ns * NO_FASTER:
                return msgspec.structs.replace(self, unloaded_ns=float(rtt), estimate=tried, tried=0.0)
            tried, tried_ns = self.estimate, float(rtt)
        estimate = self.estimate * (1 - self.smoothing + self.smoothing * gradient)
        return msgspec.structs.replace(
            self, unloaded_ns=unloaded, estimate=max(self.least, estimate), tried=tried, tried_ns=tried_ns
        )


def average_rtt(rtts_ns: Sequence[int]) -> int:
    """What a window of requests is taken to have taken: their mean."""
    return sum(rtts_ns) // len(rtts_ns)


def percentile_rtt(rtts_ns: Sequence[int], part: float) -> int:
    """What a window of requests is taken to have taken: the time that `part` of them took at most."""
    ordered = sorted(rtts_ns)
    return ordered[max(0, math.ceil(len(ordered) * part) - 1)]
