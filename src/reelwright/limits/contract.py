"""Limits as other systems see them: a limit, a verdict, an answer, and the errors of a refused request.

LimitsError
├── TooManyRequests   Transient, 429   a quota is used up; the message says when to come again
├── Overloaded        Transient, 503   the service sheds load; says when to come again
├── StoreUnavailable  Transient, 503   the shared store does not answer
├── UnreadableLimit   Invalid, 422     a limit in a request that cannot be read
└── BadRules          Invalid, 400     rules that cannot be read; names file, line and reason
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal, get_args

import msgspec

from reelwright.kernel.errors import Invalid, ReelwrightError, Transient, Unavailable
from reelwright.limits.core.traffic import Counts

Algorithm = Literal["gcra", "leaky", "fixed", "counter", "window", "log", "concurrency"]
ALGORITHMS: tuple[Algorithm, ...] = get_args(Algorithm)
Outage = Literal["share", "open", "closed"]
"""Without the shared store: each node limits to its share of the last known nodes, all are admitted, or none."""
QUOTA_EXCEEDED = "https://iana.org/assignments/http-problem-types#quota-exceeded"
REDUCED_CAPACITY = "https://iana.org/assignments/http-problem-types#temporary-reduced-capacity"
NEVER = -1
"""A wait that does not end: this cost can never be admitted."""
COUNT_MOST = 10**12
PERIOD_MOST_NS = 366 * 86_400 * 10**9
FILL_MOST_NS = 10 * PERIOD_MOST_NS
SLOTS_MOST = 10_000


class LimitsError(ReelwrightError):
    """Root of the errors of limits."""


class Limit(msgspec.Struct, frozen=True, kw_only=True, cache_hash=True):
    """A rule: how much of one thing may happen in how long.

    `count` is per `period_ns`. For `gcra` and `leaky`, `burst` may come at once (0 stands for `count`). For `window`,
    `cells` is how many parts the window is remembered in. For `concurrency`, `count` may be held at once, and
    `period_ns` is how long a slot is held by whoever never gives it back. A `count` of 0 admits nothing.
    """

    name: str
    count: int
    period_ns: int
    burst: int = 0
    algorithm: Algorithm = "gcra"
    cells: int = 60

    def __post_init__(self) -> None:
        if not 0 <= self.count <= COUNT_MOST:
            raise Invalid(f"limit {self.name[:60]!r}: count is from 0 to {COUNT_MOST}, got {self.count}")
        if not 0 < self.period_ns <= PERIOD_MOST_NS:
            raise Invalid(f"limit {self.name[:60]!r}: a period is from 1 ns to 366 days, got {self.period_ns} ns")
        if not 0 <= self.burst <= COUNT_MOST:
            raise Invalid(f"limit {self.name[:60]!r}: burst is from 0 to {COUNT_MOST}, got {self.burst}")
        if not 1 <= self.cells <= 1000:
            raise Invalid(f"limit {self.name[:60]!r}: cells are from 1 to 1000, got {self.cells}")
        if self.count > self.period_ns:
            raise Invalid(f"limit {self.name[:60]!r}: at most one request a nanosecond, got {self.count}")
        if self.count and self.period_ns * self.most > FILL_MOST_NS * self.count:
            raise Invalid(f"limit {self.name[:60]!r}: a burst fills within ten years, got {self.burst}")
        if self.algorithm == "concurrency" and self.count > SLOTS_MOST:
            raise Invalid(f"limit {self.name[:60]!r}: at most {SLOTS_MOST} slots, got {self.count}")
        if self.algorithm not in ALGORITHMS:
            raise Invalid(f"limit {self.name[:60]!r}: an algorithm is one of {', '.join(ALGORITHMS)}")

    @property
    def most(self) -> int:
        """What can be admitted at once."""
        return self.burst or self.count if self.algorithm in ("gcra", "leaky") else self.count

    @property
    def quota_window_s(self) -> int:
        """In how many seconds `most` is there again, at least 1."""
        if self.most == self.count or not self.count:
            return max(1, -(-self.period_ns // 10**9))
        return max(1, -(-self.period_ns * self.most // (self.count * 10**9)))


class Ask(msgspec.Struct, frozen=True):
    """One limit asked on behalf of one key; `shadow` is asked and told, and never refuses."""

    limit: Limit
    key: str
    cost: int = 1
    shadow: bool = False
    on_outage: Outage = "share"


class Policy(msgspec.Struct, frozen=True):
    """Where limits apply: what one kind of request of one caller asks, resolved once."""

    asks: tuple[Ask, ...]
    field: bytes
    """RateLimit-Policy, as it is told; empty where nothing is."""


class Verdict(msgspec.Struct, frozen=True):
    """The answer of one limit for one request."""

    ask: Ask
    allowed: bool
    remaining: int
    """What would be admitted at once after this request."""
    wait_ns: int
    """Until the request may go: 0 at once; where refused, until asking again succeeds; `NEVER`."""
    reset_ns: int
    """Until everything is there again."""

    @property
    def limit(self) -> Limit:
        """Which limit answered."""
        return self.ask.limit


class Answer(msgspec.Struct, frozen=True):
    """The answer of all limits of one request: all are charged, or none is."""

    allowed: bool
    verdicts: tuple[Verdict, ...] = ()
    degraded: bool = False
    """Whether it was decided without the shared store."""

    def __bool__(self) -> bool:
        return self.allowed

    @property
    def violated(self) -> tuple[Verdict, ...]:
        """The limits that refused; those in shadow mode refuse nothing."""
        return tuple(verdict for verdict in self.verdicts if not verdict.allowed and not verdict.ask.shadow)

    @property
    def wait_ns(self) -> int:
        """Until the request may go; `NEVER` where one of its limits can never admit it."""
        told = self.violated if not self.allowed else self.verdicts
        waits = [verdict.wait_ns for verdict in told if not verdict.ask.shadow]
        return NEVER if NEVER in waits else max(waits, default=0)


class Counted(msgspec.Struct, frozen=True):
    """What one limit did in this process."""

    limit: str
    allowed: int
    denied: int
    shadow: int
    """Would have been denied, were it not in shadow mode."""


class Minute(msgspec.Struct, frozen=True, kw_only=True):
    """What limits did in a minute, in all processes that share the database."""

    at_ms: int
    counts: dict[str, Counts]
    """By limit; load shedding stands beside them by kind of request."""
    hot: dict[str, int]
    """Denials by key, of those denied most often."""
    processes: int
    """How many processes have told of it."""


class Slice(msgspec.Struct, frozen=True):
    """A part of a replayed time."""

    admitted: int
    denied: int


class Replayed(msgspec.Struct, frozen=True, kw_only=True):
    """What limits would have done to recorded traffic in place of one that was there."""

    limit: str
    since_ms: int
    hours: int
    requests: int
    admitted: int
    denied: int
    slices: tuple[Slice, ...]
    """The time in equal parts, the oldest first."""
    worst_keys: tuple[tuple[str, int], ...]
    one_key_in: int
    """1 where all keys were replayed, 4 where each fourth was: busy traffic is recorded in part."""


class Told(msgspec.Struct, frozen=True):
    """What limits did in this process since it began."""

    limits: tuple[Counted, ...]
    hot: tuple[tuple[str, int], ...]
    """Keys that were denied most often, about so often."""
    store: str
    store_available: bool


class TooManyRequests(LimitsError, Transient):
    """More requests came than the limits admit; trying again after `retry_after_s` succeeds."""

    status = 429
    slug = "too-many-requests"

    def __init__(self, answer: Answer, headers: Mapping[str, str]) -> None:
        self.answer = answer
        self.headers = headers
        self.retry_after_s = max(1.0, answer.wait_ns / 1e9)
        names = [verdict.limit.name for verdict in answer.violated]
        title = "Request cannot be satisfied as assigned quota has been exceeded"
        self.problem = {"type": QUOTA_EXCEEDED, "title": title, "violated-policies": names}
        super().__init__(f"too many requests for {', '.join(names)}; try again in {self.retry_after_s:.0f} s")


class Overloaded(LimitsError, Transient):
    """More work came than the service can do in time; this request was shed before it cost anything."""

    status = 503
    slug = "overloaded"
    problem: Mapping[str, object] = {
        "type": REDUCED_CAPACITY,
        "title": "Request cannot be satisfied due to temporary server capacity constraints",
        "violated-policies": [],
    }

    def __init__(self, retry_after_s: float = 1.0) -> None:
        self.retry_after_s = retry_after_s
        self.headers = {"Retry-After": str(max(1, round(retry_after_s)))}
        super().__init__(f"the service is busy; try again in {self.retry_after_s:.0f} s")


class StoreUnavailable(LimitsError, Unavailable):
    """The shared store does not answer, or answers with an error; nothing is known to be charged."""


class BadRules(LimitsError, Invalid):
    """Rules that cannot be read; `line` is 1-based, 0 where none is known."""

    def __init__(self, origin: str, line: int, reason: str) -> None:
        self.origin = origin
        self.line = line
        self.reason = reason
        super().__init__(f"{origin}:{line}: {reason}" if line else f"{origin}: {reason}")


class UnreadableLimit(LimitsError, Invalid):
    """A limit that was given in a request cannot be read; the rest of the request is well formed."""

    status = 422
    slug = "unreadable-limit"
