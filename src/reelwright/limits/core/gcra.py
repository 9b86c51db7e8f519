"""The generic cell rate algorithm: a token bucket, or a leaky bucket, in one number.

State is the theoretical arrival time (TAT): when the bucket will be full again. A request of cost c moves it by c
intervals, and is admitted while the TAT stays within `burst` intervals of now. Any window W admits at most
`floor(W / interval) + burst`. Where the interval is no whole tick, it is rounded up, so that rounding never admits
more, or (`exactly`) the state counts parts of a tick.
Source: ITU-T I.371, annex A.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from reelwright.limits.contract import NEVER
from reelwright.limits.core.step import Rule, Settle, Step, Stepped

Bucket = Callable[[int, int, int], Rule]


def token_bucket(count: int, period: int, burst: int) -> Rule:
    """`burst` at once, then `count` per `period` ticks, evenly."""
    interval, tolerance = _interval_and_tolerance(count, period, burst)

    def step(tat: Any, now: int, cost: int) -> Stepped:
        ahead = tat - now
        if ahead < 0:
            ahead = 0
        after = ahead + cost * interval
        if after <= tolerance:
            return now + after, True, (tolerance - after) // interval, 0, after
        left = (tolerance - ahead) // interval if ahead < tolerance else 0
        return tat, False, left, after - tolerance if cost <= burst else NEVER, ahead

    return Rule(empty=0, lifetime=tolerance, step=step, settle=_settle(interval), used=_used(interval))


def exactly(bucket: Bucket, count: int, period: int, burst: int) -> Rule:
    """The bucket with a tick split into as many parts as make its interval a whole number: nothing is rounded."""
    parts = count // math.gcd(count, period)
    rule = bucket(count, period * parts, burst)
    if parts == 1:
        return rule
    step, settle, used = rule.step, rule.settle, rule.used

    def fine_step(tat: Any, now: int, cost: int) -> Stepped:
        kept, allowed, left, wait, reset = step(tat, now * parts, cost)
        return kept, allowed, left, -(-wait // parts) if wait > 0 else wait, -(-reset // parts)

    def fine_settle(tat: Any, now: int, delta: int) -> Any:
        return settle(tat, now * parts, delta)

    def fine_used(tat: Any, now: int) -> int:
        return used(tat, now * parts)

    lifetime = -(-rule.lifetime // parts)
    return Rule(empty=0, lifetime=lifetime, step=fine_step, settle=fine_settle, used=fine_used)


def leaky_bucket(count: int, period: int, burst: int) -> Rule:
    """A queue of `burst` places that lets `count` per `period` ticks through, evenly: an admitted request waits."""
    interval, tolerance = _interval_and_tolerance(count, period, burst)
    meter: Step = token_bucket(count, period, burst).step

    def step(tat: Any, now: int, cost: int) -> Stepped:
        kept, allowed, left, wait, reset = meter(tat, now, cost)
        return (kept, True, left, max(0, tat - now), reset) if allowed else (kept, False, left, wait, reset)

    return Rule(empty=0, lifetime=tolerance, step=step, settle=_settle(interval), used=_used(interval))


def _interval_and_tolerance(count: int, period: int, burst: int) -> tuple[int, int]:
    interval = -(-period // count)
    return interval, interval * burst


def _settle(interval: int) -> Settle:
    def settle(tat: Any, now: int, delta: int) -> Any:
        return max(now, max(tat, now) + delta * interval)

    return settle


def _used(interval: int) -> Callable[[Any, int], int]:
    def used(tat: Any, now: int) -> int:
        ahead: int = max(0, tat - now)
        return -(-ahead // interval)

    return used
