"""Lab: a slow aggregator; the same output for a tenth of its CPU time."""

from __future__ import annotations

import functools
from collections.abc import Callable
from random import Random
from time import thread_time_ns
from typing import Any

from reelwright.practice.adapters.sandbox import Bounds
from reelwright.practice.labs.drawing import picture
from reelwright.practice.labs.lab import Decider, InProcess, Judged, Lab, Prediction

ROWS, TITLES, PROFILES = 2500, 160, 900
LEAST_TIMES = 10.0
BRIEF = """\
Write `aggregate(rows)`. A row is a text `minute,profile,title,seconds`; some are torn or have fields that are no
numbers, and count for nothing. The result is a list of `[title, seconds, viewers, busiest]`: the sum of seconds, the
number of different profiles, and the minute with the most seconds (the earliest of equals). It is ordered by seconds,
most first, then by title.

`slow` is what runs today:

    def slow(rows):
        titles = []
        for row in rows:
            if valid(row) and row.split(",")[2] not in titles:
                titles.append(row.split(",")[2])
        result = []
        for title in titles:
            mine = [row.split(",") for row in rows if valid(row) and row.split(",")[2] == title]
            ...

`valid(row)`: four fields; minute and seconds consist of the digits 0 to 9; profile and title are not empty.

It passes when the output is equal, and CPU time is at most a tenth of `slow`'s, measured beside it.
"""


def judge(decider: Decider, seed: int) -> Judged:
    """Output against the slow aggregator's, and its CPU time beside ours."""
    rows, expected, slow_ns = _expected(seed)
    decider.ask({"rows": None})  # its start is not what is measured
    begun_ns = decider.cpu_ns()
    made = decider.ask({"rows": rows})
    used_ns = max(1, decider.cpu_ns() - begun_ns)
    differs = next(
        (at for at in range(max(len(expected), _length(made))) if _at(made, at) != expected[at : at + 1]), -1
    )
    share = used_ns / slow_ns
    measures = {"cpu_share": round(share, 4), "differing": float(differs >= 0)}
    if differs >= 0:
        reason = (
            f"line {differs + 1}: expected {expected[differs : differs + 1]}, got {str(_at(made, differs))[:200]}"
        )
        return Judged(passed=False, reason=reason, measures=measures)
    passed = share * LEAST_TIMES <= 1
    reason = "" if passed else f"{1 / share:.1f} times less CPU time; at least {LEAST_TIMES:g} times is asked for"
    return Judged(passed=passed, reason=reason, measures=measures, picture="" if passed else _draw(share))


def _draw(share: float) -> str:
    """CPU time beside the slow version's, with the tenth that it may take."""
    wide = 560.0
    return picture(
        f"{share:.0%} of the slow version's CPU time; a tenth is the bound",
        f'<rect class="batch" x="20" y="20" width="{wide:g}" height="24"/>'
        f'<rect class="wrong" x="20" y="56" width="{min(1.0, share) * wide:.1f}" height="24"/>'
        f'<path class="axis" d="M{20 + wide / LEAST_TIMES:g} 10V96"/>',
        height=100,
        across="CPU time",
        key={"batch": "the slow version", "wrong": "yours", "axis": "the bound"},
    )


@functools.lru_cache(maxsize=16)
def _expected(seed: int) -> tuple[list[str], list[list[Any]], int]:
    """The rows of a seed, what is to come out, and the CPU time that the slow aggregator took for it."""
    rows = _rows(Random(f"make-it-fast|{seed}"))  # noqa: S311 (repeatable, not secret)
    begun_ns = thread_time_ns()
    expected = slow(rows)
    return rows, expected, thread_time_ns() - begun_ns


def slow(rows: list[str]) -> list[list[Any]]:
    """Every title goes through all rows again."""
    titles: list[str] = []
    for row in rows:
        if valid(row) and row.split(",")[2] not in titles:
            titles.append(row.split(",")[2])
    result: list[list[Any]] = []
    for title in titles:
        mine = [row.split(",") for row in rows if valid(row) and row.split(",")[2] == title]
        profiles = sorted({fields[1] for fields in mine})
        minutes = sorted({int(fields[0]) for fields in mine})
        by_minute = [sum(int(fields[3]) for fields in mine if int(fields[0]) == minute) for minute in minutes]
        busiest = minutes[by_minute.index(max(by_minute))]
        result.append([title, sum(by_minute), len(profiles), busiest])
    return sorted(result, key=lambda line: (-line[1], line[0]))


def valid(row: str) -> bool:
    """Whether a row counts."""
    fields = row.split(",")
    digits = set("0123456789")
    return (
        len(fields) == 4
        and all(fields)
        and set(fields[0]) <= digits
        and set(fields[3]) <= digits
    )  # fmt: skip


def _rows(chance: Random) -> list[str]:
    """A skewed day, with rows as broken collectors write them."""
    rows = []
    for _ in range(ROWS):
        title = f"t{min(int(chance.paretovariate(0.6)), TITLES)}"
        row = f"{chance.randrange(90)},p{chance.randrange(PROFILES)},{title},{chance.choice((0, 10, 10, 10, 25))}"
        if chance.random() < 0.03:
            half = row[: len(row) // 2]
            row = chance.choice((half, row + ",", "", row.replace(",", ";"), "x" + row, row + "²", f"-{row}"))
        rows.extend([row] * (1 if chance.random() < 0.98 else 2))  # two heartbeats of a minute may be equal
    return rows


def _length(made: Any) -> int:
    return len(made) if isinstance(made, list) else 1


def _at(made: Any, place: int) -> Any:
    return made[place : place + 1] if isinstance(made, list) else made


def _policy(aggregate: Callable[[list[str]], list[list[Any]]]) -> Decider:
    return InProcess(lambda: lambda message, _serve: message["rows"] and aggregate(message["rows"]))


def one_pass(rows: list[str]) -> list[list[Any]]:
    """Each row is split once, and goes to its title."""
    digits = set("0123456789")
    by_title: dict[str, tuple[set[str], dict[int, int]]] = {}
    for row in rows:
        fields = row.split(",")
        if len(fields) != 4 or not all(fields) or not set(fields[0] + fields[3]) <= digits:
            continue
        profiles, minutes = by_title.setdefault(fields[2], (set(), {}))
        minute = int(fields[0])
        profiles.add(fields[1])
        minutes[minute] = minutes.get(minute, 0) + int(fields[3])
    made: list[list[Any]] = [
        [title, sum(minutes.values()), len(profiles), min(minutes, key=lambda minute: (-minutes[minute], minute))]
        for title, (profiles, minutes) in by_title.items()
    ]
    return sorted(made, key=lambda line: (-line[1], line[0]))


LAB = Lab(
    id="make-it-fast",
    title="The same output for a tenth of the CPU",
    brief=BRIEF,
    driver="make_it_fast.py",
    judge=judge,
    policies={"reelwright": lambda: _policy(one_pass), "what runs today": lambda: _policy(slow)},
    predicts=Prediction(
        asks="Which share of the slow version's CPU time will yours need, as a number from 0 to 1?",
        measure="cpu_share",
    ),
    shows=(("scale", 4), ("impact", 3)),
    bounds=Bounds(cpu_s=30, wall_s=50),
)
