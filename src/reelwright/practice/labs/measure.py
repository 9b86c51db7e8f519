"""Whether the labs keep what they promise: the rows `labs.*` of `reelwright bench practice`.

Each lab has rows of its own, `labs.ID.*`, told as soon as they are known; those of all labs follow from them.
"""

from __future__ import annotations

import functools
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import msgspec

from reelwright.kernel.bench import Row
from reelwright.practice.adapters.sandbox import Bounds, Sandbox, bubblewrap_works
from reelwright.practice.contract import Broken, LabResult
from reelwright.practice.labs.escapes import ESCAPES
from reelwright.practice.labs.lab import HIDDEN_SEEDS, Lab, draw_seeds, run_alone, solutions, stand_beside
from reelwright.practice.labs.labs import LABS

RERUNS = 20
AT_ONCE = 2
"""Gradings that run at the same time, as on the two cores of the goal: none is faster for it."""
Part = tuple[str, Callable[[], Iterator[Row]]]


class Graded(msgspec.Struct, frozen=True):
    """What came of a lab's solutions on hidden seeds."""

    failed: tuple[str, ...]
    """References that fail."""
    passed: tuple[str, ...]
    """Mistakes that do not fail."""
    solutions: int
    slowest_s: float


def lab_parts(labs: Mapping[str, Lab] = LABS) -> list[Part]:
    """Escapes, every lab's gradings, then every lab's reruns; each part by the beginning of its rows' ids."""
    if not bubblewrap_works():
        return [("labs", _unmeasured)]
    graded = {name: functools.cache(functools.partial(grade_all, lab)) for name, lab in labs.items()}
    rerun = {name: functools.cache(functools.partial(disagreeing, lab)) for name, lab in labs.items()}
    return [
        ("labs.escapes", _escapes),
        *((f"labs.{name}.seconds", functools.partial(_graded_row, name, one)) for name, one in graded.items()),
        *((f"labs.{name}", functools.partial(row, graded)) for name, row in _OF_ALL.items()),
        *((f"labs.{name}.reruns", functools.partial(_rerun_row, name, one)) for name, one in rerun.items()),
        ("labs.disagreeing_reruns", functools.partial(_rerun_rows, rerun)),
    ]


def grade_all(lab: Lab) -> Graded:
    """Grade the reference and every mistake as a person's code is graded: all of it on hidden seeds of its own.

    What stands beside a solution does not depend on it, and is measured once, beside the reference.
    """
    known = solutions(lab)
    with ThreadPoolExecutor(AT_ONCE) as pool:
        alone = dict(zip(known, pool.map(functools.partial(_alone, lab), known.values()), strict=True))
    begun_s = time.perf_counter()
    stand_beside(lab, alone["reference"][0])
    beside_s = time.perf_counter() - begun_s
    return Graded(
        failed=tuple(f"{lab.id} reference" for _ in range(alone["reference"][0].valid != "true")),
        passed=tuple(
            f"{lab.id} {name}" for name, (one, _) in alone.items() if name != "reference" and one.valid != "false"
        ),
        solutions=len(known),
        slowest_s=max(seconds for _, seconds in alone.values()) + beside_s,
    )


def _alone(lab: Lab, source: str) -> tuple[LabResult, float]:
    begun_s = time.perf_counter()
    found = run_alone(lab, source, draw_seeds(HIDDEN_SEEDS), hidden=True)
    return found, time.perf_counter() - begun_s


def disagreeing(lab: Lab) -> int:
    """Reruns whose verdict is not the first one's: of the reference and of one mistake, on a seed each.

    Each runs in a process of its own; our own policies, which the verdict does not depend on, do not run beside it.
    """
    known = solutions(lab)
    mistake = next(source for name, source in sorted(known.items()) if name.startswith("wrong"))
    count = 0
    with ThreadPoolExecutor(AT_ONCE) as pool:
        for source in (known["reference"], mistake):
            seeds = draw_seeds(1)
            valid = [one.valid for one in pool.map(functools.partial(run_alone, lab, source), [seeds] * RERUNS)]
            count += sum(one != valid[0] for one in valid)
    return count


def _unmeasured() -> Iterator[Row]:
    yield Row(id="labs", what="labs", value=None, unit="", note="bubblewrap does not work here")


def _graded_row(name: str, graded: Callable[[], Graded]) -> Iterator[Row]:
    found = graded()
    amiss = [*(f"{one} fails" for one in found.failed), *(f"{one} passes" for one in found.passed)]
    yield Row(
        id=f"labs.{name}.seconds", what="slowest grading of this lab", value=round(found.slowest_s, 1), unit="s",
        op="<=", goal=60,
        note=", ".join(amiss) or f"the reference passes, {found.solutions - 1} mistakes fail; {AT_ONCE} at a time",
    )  # fmt: skip


def _count(what: str, of: Callable[[Graded], tuple[str, ...]], id_: str) -> Callable[[Any], Iterator[Row]]:
    def row(graded: Mapping[str, Callable[[], Graded]]) -> Iterator[Row]:
        found = [one() for one in graded.values()]
        named = [name for one in found for name in of(one)]
        mistakes = sum(one.solutions - 1 for one in found)
        yield Row(
            id=f"labs.{id_}", what=what, value=len(named), unit="", op="==", goal=0,
            note=", ".join(named) or f"{len(found)} labs, {mistakes} seeded mistakes, hidden seeds",
        )  # fmt: skip

    return row


def _slowest(graded: Mapping[str, Callable[[], Graded]]) -> Iterator[Row]:
    seconds = {name: one().slowest_s for name, one in graded.items()}
    name = max(seconds, key=seconds.__getitem__)
    yield Row(
        id="labs.seconds",
        what="slowest grading",
        value=round(seconds[name], 1),
        unit="s",
        op="<=",
        goal=60,
        note=name,
    )


_OF_ALL: Mapping[str, Callable[[Any], Iterator[Row]]] = {
    "reference_failed": _count("references that fail", lambda one: one.failed, "reference_failed"),
    "wrong_passed": _count("mistakes that pass", lambda one: one.passed, "wrong_passed"),
    "seconds": _slowest,
}


def _rerun_row(name: str, rerun: Callable[[], int]) -> Iterator[Row]:
    yield Row(
        id=f"labs.{name}.reruns", what="reruns of this lab with another verdict", value=rerun(), unit="", op="==",
        goal=0, note=f"{RERUNS} of the reference and {RERUNS} of a mistake",
    )  # fmt: skip


def _rerun_rows(rerun: Mapping[str, Callable[[], int]]) -> Iterator[Row]:
    yield Row(
        id="labs.disagreeing_reruns", what="reruns with another verdict",
        value=sum(one() for one in rerun.values()), unit="", op="==", goal=0,
        note=f"{RERUNS} reruns of each reference and of one mistake a lab, one seed each",
    )  # fmt: skip


def _escapes() -> Iterator[Row]:
    yield Row(
        id="labs.escapes", what="escapes from the sandbox", value=escapes(), unit="", op="==", goal=0,
        note=f"{len(ESCAPES)} ways tried",
    )  # fmt: skip


def escapes() -> int:
    """How many of the ways out lead out."""
    bounds = Bounds(wall_s=60, cpu_s=3, memory_bytes=256 << 20)
    out = 0
    for body, error in ESCAPES:
        source = "def answer(message):\n" + "".join(f"    {line}\n" for line in body.splitlines())
        try:
            with Sandbox(source, driver="echo.py", bounds=bounds) as box:
                box.ask(None)
            out += 1
        except Broken as told:
            out += error not in str(told)
    return out
