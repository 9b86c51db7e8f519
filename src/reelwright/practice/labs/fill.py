"""Lab: what an edge fetches by day so that the evening needs less from upstream, on the days of the fill's replay."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import msgspec
import numpy as np

from reelwright.cdn.core.fill import Want, choose, expected_plays
from reelwright.cdn.core.fill_replay import Filling, FillRule, Learnt, Night, Upstream, by_day, run_days
from reelwright.cdn.core.traces import RUNGS_BPS, VodScenario
from reelwright.practice.adapters.sandbox import Bounds
from reelwright.practice.contract import Broken
from reelwright.practice.labs.drawing import picture
from reelwright.practice.labs.lab import Decider, Judged, Lab, Prediction
from reelwright.practice.labs.objects import DRIVER, Remote, own

SCENARIO = VodScenario(titles=150, sessions_a_day=500, days=6, segment_s=240.0, jumps_a_day=8)
COUNTS_FROM, CAPACITY, WORLDS = 3, 0.2, 4
RULE = FillRule(policy="lru")
"""A policy that looks ahead would make up for a poor choice in what is left to it, at ten times the cost."""
MOST_PEAK, MOST_TOTAL = 1.03, 1.025
"""Of what our own fill takes on the same days: beside LRU alone, chance between audiences is as large as mistakes."""
BRIEF = """\
Write `class Filling` with `choose(self, night)`: what an edge is to hold on the coming day, as a list of `[title,
rung, index]`. What is not there yet is fetched between 2 and 14 o'clock; what you do not choose is left to LRU,
which has a tenth of the cache for itself.

`night` has `capacity_bytes`, which your choice must fit into; `plays`, a list for each day until now, the last one
last, of plays by title; `promoted`, a list of `[title, rank]` of those that will stand at that rank of popularity
tomorrow, released or recommended; `rungs`, how many sessions chose each rung; `reached`, how many sessions got to
each fiftieth of a film; `segments`, by title how many there are; `objects`, every segment as `[title, rung, index,
bytes]`; and `held`, what lies there now, from which nothing has to be fetched.

It passes when over three days of four audiences the busiest hour takes at most 1.03 of what it takes with
Reelwright's own fill, which is about 0.84 of what LRU alone takes, and all hours together at most 1.025: what is
fetched ahead and not watched was fetched for nothing.
"""


class Asked:
    """The person's filling, held to the room that there is."""

    def __init__(self, remote: Remote) -> None:
        self._remote = remote

    def choose(self, night: Night) -> Sequence[Want]:
        """Their choice. Raises Broken."""
        answer = self._remote.call("choose", told(night))
        if not isinstance(answer, list):
            raise Broken(f"choose returns a list of [title, rung, index], got {str(answer)[:80]}")
        keys = {_key(one, night) for one in answer}
        size = sum(night.sizes[key] for key in keys)
        if size > night.capacity_bytes:
            raise Broken(f"{size:,} bytes were chosen, more than the {night.capacity_bytes:,} there are")
        return [Want(key, night.sizes[key], 1.0) for key in sorted(keys)]


def told(night: Night) -> dict[str, Any]:
    """The night in JSON: titles and rungs are places in lists."""
    titles = range(SCENARIO.titles)
    return {
        "capacity_bytes": night.capacity_bytes,
        "plays": [[day.get(title, 0.0) for title in titles] for day in night.learnt.plays],
        "promoted": [list(one) for one in night.promoted.items()],
        "rungs": [night.learnt.rungs.get(rung, 0.0) for rung in range(len(RUNGS_BPS))],
        "reached": night.learnt.reached,
        "segments": [night.lengths.get(title, 0) for title in titles],
        "objects": [[*key, size] for key, size in night.sizes.items()],
        "held": [list(key) for key in sorted(night.held)],  # type: ignore[call-overload, type-var]
    }


def _key(one: Any, night: Night) -> tuple[int, int, int]:
    key = tuple(one) if isinstance(one, list) else ()
    if len(key) != 3 or any(type(part) is not int for part in key) or key not in night.sizes:
        raise Broken(f"choose returns [title, rung, index] of objects, got {str(one)[:80]}")
    return key


class Found(msgspec.Struct, frozen=True):
    """Days of one audience: filled as asked, filled by our own, and not filled."""

    filled: Upstream
    ours: Upstream
    lru: Upstream


def judge(decider: Decider, seed: int) -> Judged:
    """Days through the replay that `reelwright bench cdn` measures our own fill with."""
    found = []
    for number in range(WORLDS):
        asked = Asked(Remote(decider, f"audience {number}", "Filling"))
        ours, lru = _without(seed, number)
        found.append(Found(_replay(seed, number, RULE, asked), ours, lru))
    peak, total = (_share(found, of, lambda one: one.ours) for of in (_peak, _total))
    reason = _tell(peak, total)
    worst = max(found, key=lambda one: one.filled.peak / one.ours.peak)
    return Judged(
        passed=not reason, reason=reason, picture=_draw(worst) if reason else "",
        measures={
            "peak_to_ours": peak, "total_to_ours": total,
            "peak_share": _share(found, _peak, lambda one: one.lru),
            "total_share": _share(found, _total, lambda one: one.lru),
        },
    )  # fmt: skip


@functools.lru_cache(maxsize=64)  # a grading puts several policies on the same days
def _without(seed: int, number: int) -> tuple[Upstream, Upstream]:
    """What our own fill and LRU alone take."""
    return _replay(seed, number, RULE, None), _replay(seed, number, None, None)


def _replay(seed: int, number: int, rule: FillRule | None, filling: Filling | None) -> Upstream:
    days = by_day(SCENARIO, np.random.default_rng([seed, number]))
    capacity = int(CAPACITY * sum({visit.key: visit.size for day in days for visit in day}.values()))
    return run_days(days, capacity, counts_from=COUNTS_FROM, scenario=SCENARIO, rule=rule, filling=filling)


def _peak(one: Upstream) -> float:
    return one.peak


def _total(one: Upstream) -> float:
    return one.total


def _share(found: Sequence[Found], of: Callable[[Upstream], float], beside: Callable[[Found], Upstream]) -> float:
    return sum(of(one.filled) for one in found) / sum(of(beside(one)) for one in found)


def _tell(peak: float, total: float) -> str:
    if peak > MOST_PEAK:
        return f"the busiest hour takes {peak:.3f} of what it takes with our own fill, more than {MOST_PEAK}"
    if total > MOST_TOTAL:
        return f"all hours take {total:.3f} of what they take with our own fill, more than {MOST_TOTAL}"
    return ""


def _draw(one: Found) -> str:
    """Upstream by hour: LRU's as columns, the filled edge's as a line of dots."""
    hours = range(COUNTS_FROM * 24, SCENARIO.days * 24)
    top = max(*one.lru.by_hour.values(), *one.filled.by_hour.values(), 1.0)
    wide = 560 / len(hours)
    bars, dots = [], []
    for at, hour in enumerate(hours):
        x = 20 + wide * at
        lru, ours = (120 * each.by_hour.get(hour, 0.0) / top for each in (one.lru, one.filled))
        bars.append(
            f'<rect class="batch" x="{x:.1f}" y="{150 - lru:.1f}" width="{wide - 1:.1f}" height="{lru:.1f}"/>'
        )
        kind = "wrong" if ours > lru and hour % 24 >= 17 else "allowed"
        dots.append(f'<circle class="{kind}" cx="{x + wide / 2:.1f}" cy="{150 - ours:.1f}" r="3"/>')
    return picture(
        "Bytes from upstream hour by hour over three days: columns with LRU alone, dots with your fill",
        f'{"".join(bars)}{"".join(dots)}<path class="axis" d="M20 150H580"/>',
        height=156,
        across=f"hours of {SCENARIO.days - COUNTS_FROM} days",
        up=f"GB from upstream, up to {top / 1e9:.1f}",
        key={"batch": "LRU alone", "allowed": "your fill", "wrong": "your fill, above LRU in the evening"},
    )


class _Fed:
    """One of our own, told in the words of JSON."""

    def __init__(self, pick: Callable[[Mapping[str, Any], Learnt], Sequence[Want]]) -> None:
        self._pick = pick

    def choose(self, night: Mapping[str, Any]) -> list[list[int]]:
        learnt = Learnt(
            [{title: plays for title, plays in enumerate(day) if plays} for day in night["plays"]],
            {rung: count for rung, count in enumerate(night["rungs"]) if count},
            list(night["reached"]),
        )
        return [list(one.key) for one in self._pick(night, learnt)]  # type: ignore[call-overload]


def _wants(night: Mapping[str, Any], learnt: Learnt, plays: Mapping[int, float]) -> list[Want]:
    found = []
    for title, rung, index, size in night["objects"]:
        rate = learnt.rate(plays.get(title, 0.0), (title, rung, index), night["segments"][title])
        found.append(Want((title, rung, index), size, rate))
    return found


def _expected(night: Mapping[str, Any], learnt: Learnt) -> Sequence[Want]:
    plays = expected_plays(learnt.plays, dict(night["promoted"]))
    held = {tuple(one) for one in night["held"]}
    return choose(_wants(night, learnt, plays), night["capacity_bytes"], held, RULE.least)


def _by_history(night: Mapping[str, Any], learnt: Learnt) -> Sequence[Want]:
    return choose(_wants(night, learnt, learnt.plays[-1]), night["capacity_bytes"])


def _policy(pick: Callable[[Mapping[str, Any], Learnt], Sequence[Want]]) -> Callable[[], Decider]:
    return lambda: own(Filling=lambda: _Fed(pick))


LAB = Lab(
    id="fill",
    title="What to fetch by day for the evening",
    brief=BRIEF,
    driver=DRIVER,
    judge=judge,
    policies={
        "reelwright": _policy(_expected),
        "textbook, what was played yesterday": _policy(_by_history),
        "textbook, nothing ahead": _policy(lambda _night, _learnt: ()),
    },
    predicts=Prediction(
        asks="Filled with what was played yesterday, what share of LRU's busiest hour is left (1 is all of it)?",
        measure="peak_share",
        policy="textbook, what was played yesterday",
    ),
    shows=(("domain", 5), ("scale", 4), ("impact", 4)),
    bounds=Bounds(cpu_s=40, wall_s=110),
)
