"""Lab: a token bucket that is exact to the nanosecond, against integer arithmetic that cannot round."""

from __future__ import annotations

from collections.abc import Iterator
from random import Random
from typing import Any

import msgspec

from reelwright.limits.contract import NEVER
from reelwright.limits.core.gcra import exactly, token_bucket
from reelwright.practice.contract import Broken
from reelwright.practice.labs.drawing import picture
from reelwright.practice.labs.lab import Decider, InProcess, Judged, Lab, Prediction

BUCKETS, REQUESTS = 24, 700
SECOND = 10**9
BRIEF = """\
Write `token_bucket(count, period, burst)`: it returns `step(state, now, cost)`, the very step function that the
service decides with. `state` is yours (numbers or tuples of them; `EMPTY` for a key that nobody has asked for: its
bucket is full), `now` is in whole nanoseconds and never goes back, `cost` is at least 1.

`step` returns `(state, allowed, left, wait, reset)`: `left` is how many of cost 1 could still pass now, `wait` is 0
or the whole nanoseconds until this request would pass if nobody else came, and -1 where its cost exceeds `burst`.
`count` tokens come back per `period`, evenly, and at most `burst` are there. A refused request takes nothing. `reset`
is not judged here.

It passes when every decision, every `left` and every `wait` is exact.
"""


class Step(msgspec.Struct, frozen=True):
    """What the exact bucket decided."""

    now: int
    cost: int
    allowed: bool
    left: int
    wait: int
    level: float
    """Tokens before the request, for the picture."""


class ExactBucket:
    """A token counted as `period` parts, of which `count` come back each tick: all numbers are whole."""

    def __init__(self, count: int, period: int, burst: int) -> None:
        self._count, self._period, self._burst = count, period, burst
        self._parts = burst * period
        self._at: int | None = None

    def decide(self, now: int, cost: int) -> Step:
        """Refill, then take or refuse."""
        if self._at is not None:
            self._parts = min(self._burst * self._period, self._parts + (now - self._at) * self._count)
        self._at = now
        before = self._parts / self._period
        missing = cost * self._period - self._parts
        allowed = missing <= 0
        if allowed:
            self._parts -= cost * self._period
        wait = 0 if allowed else -(-missing // self._count) if cost <= self._burst else NEVER
        return Step(now, cost, allowed, self._parts // self._period, wait, before)


def judge(decider: Decider, seed: int) -> Judged:
    """Every decision of some buckets against the exact one."""
    wrong = decisions = false_allows = 0
    reason = picture = ""
    for bucket, steps in _cases(seed):
        requests = [[step.now, step.cost] for step in steps]
        answer = decider.ask({"bucket": list(bucket), "requests": requests})
        if not isinstance(answer, list) or len(answer) != len(steps):
            raise Broken(f"{len(steps)} decisions were expected, got {str(answer)[:80]}")
        decisions += len(steps)
        for number, (step, got) in enumerate(zip(steps, answer, strict=True)):
            if not _same(step, got):
                wrong += 1
                false_allows += not step.allowed and _field(got, 0) is True
                if not reason:
                    reason, picture = _explain(bucket, steps, number, got), _draw(bucket, steps, number)
    measures = {
        "wrong_decisions": float(wrong),
        "false_allows": float(false_allows),
        "wrong_share": wrong / decisions,
    }
    return Judged(passed=wrong == 0, reason=reason, picture=picture, measures=measures)


def _cases(seed: int) -> Iterator[tuple[tuple[int, int, int], list[Step]]]:
    """Buckets whose rates do not divide, and requests just before, at and after the moment when they would pass."""
    chance = Random(f"token-bucket|{seed}")  # noqa: S311 (repeatable, not secret)
    for _ in range(BUCKETS):
        count = chance.choice((1, 3, 7, 10, 97, 1000, 333_333))
        period = chance.choice((SECOND, 60 * SECOND, 999_999_937, 3600 * SECOND))
        burst = chance.choice((1, 2, 5, 20, 1000))
        yield (count, period, burst), list(_requests(chance, count, period, burst))


def _requests(chance: Random, count: int, period: int, burst: int) -> Iterator[Step]:
    exact = ExactBucket(count, period, burst)
    now = chance.randrange(10**15, 2 * 10**18)
    for _ in range(REQUESTS):
        cost = chance.choice((1, 1, 1, 1, max(1, burst // 2), burst, burst + 1))
        step = exact.decide(now, cost)
        yield step
        pause = max(1, period // count)
        if step.wait > 0 and chance.random() < 0.6:
            now += max(0, step.wait + chance.choice((-1, 0, 0, 1)))
        else:
            now += chance.choice((0, 0, 1, pause, chance.randrange(2 * pause), pause * burst // 2, pause * burst + 1))


def _field(got: Any, place: int) -> Any:
    return got[place] if isinstance(got, list) and len(got) > place else None


def _same(step: Step, got: Any) -> bool:
    return (
        _field(got, 0) is step.allowed
        and type(_field(got, 1)) is int
        and got[1] == step.left
        and type(_field(got, 2)) is int
        and got[2] == step.wait
    )


def _explain(bucket: tuple[int, int, int], steps: list[Step], number: int, got: Any) -> str:
    step = steps[number]
    count, period, burst = bucket
    return (
        f"{count} per {period} ns, burst {burst}; request {number + 1} of cost {step.cost}, "
        f"{step.now - steps[0].now} ns after the first, with {step.level:.9g} tokens there: "
        f"expected allowed={step.allowed}, left={step.left}, wait={step.wait}; "
        f"got allowed={_field(got, 0)}, left={_field(got, 1)}, wait={_field(got, 2)}"
    )


def _draw(bucket: tuple[int, int, int], steps: list[Step], number: int) -> str:
    """The tokens before each of the last requests; the wrong one is marked."""
    shown = steps[max(0, number - 30) : number + 1]
    span = max(1, shown[-1].now - shown[0].now)
    top = max(1, bucket[2])
    dots = []
    for step in shown:
        x, y = 20 + 560 * (step.now - shown[0].now) / span, 180 - 160 * step.level / top
        kind = "wrong" if step is shown[-1] else "allowed" if step.allowed else "refused"
        dots.append(f'<circle class="{kind}" cx="{x:.1f}" cy="{y:.1f}" r="{6 if kind == "wrong" else 3}"/>')
    return picture(
        "Tokens before each request, up to the one that was decided wrongly",
        f'<path class="axis" d="M20 180H580"/>{"".join(dots)}',
        height=186,
        across=f"time, {span / 1e9:.3g} s",
        up=f"tokens, up to {top:g}",
        key={"allowed": "allowed", "refused": "refused", "wrong": "decided wrongly"},
    )


def _ours() -> Decider:
    def answer(message: Any, _serve: Any) -> list[list[Any]]:
        rule = exactly(token_bucket, *message["bucket"])
        state, decisions = rule.empty, []
        for now, cost in message["requests"]:
            state, allowed, left, wait, _ = rule.step(state, now, cost)
            decisions.append([allowed, left, wait])
        return decisions

    return InProcess(lambda: answer)


def _textbook() -> Decider:
    """Tokens as a floating-point number, as in most articles."""

    def answer(message: Any, _serve: Any) -> list[list[Any]]:
        count, period, burst = message["bucket"]
        tokens, at, decisions = float(burst), message["requests"][0][0], []
        for now, cost in message["requests"]:
            tokens, at = min(float(burst), tokens + (now - at) * count / period), now
            allowed = tokens >= cost
            tokens -= cost if allowed else 0
            wait = 0 if allowed else -1 if cost > burst else int((cost - tokens) * period / count)
            decisions.append([allowed, int(tokens), wait])
        return decisions

    return InProcess(lambda: answer)


LAB = Lab(
    id="token-bucket",
    title="A token bucket, exact to the nanosecond",
    brief=BRIEF,
    driver="token_bucket.py",
    judge=judge,
    policies={"reelwright": _ours, "textbook, floating point": _textbook},
    predicts=Prediction(
        asks="How many of 16,800 decisions does a version with floating-point tokens get wrong?",
        measure="wrong_decisions",
        policy="textbook, floating point",
    ),
    shows=(("correctness", 5), ("domain", 4)),
)
