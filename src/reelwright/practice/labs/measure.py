"""Whether the labs keep what they promise: the rows `labs.*` of `reelwright bench practice`."""

from __future__ import annotations

import time
from collections.abc import Iterator

from reelwright.kernel.bench import Row
from reelwright.practice.adapters.sandbox import Bounds, Sandbox, bubblewrap_works
from reelwright.practice.contract import Broken
from reelwright.practice.labs.escapes import ESCAPES
from reelwright.practice.labs.lab import Lab, draw_seeds, grade, practise, solutions
from reelwright.practice.labs.labs import LABS

RERUNS = 20


def lab_rows() -> Iterator[Row]:
    """Every lab with its reference, its seeded mistakes and twenty reruns; then every escape."""
    if not bubblewrap_works():
        yield Row(id="labs", what="labs", value=None, unit="", note="bubblewrap does not work here")
        return
    failed = passed = disagreeing = 0
    slowest_s = 0.0
    for lab in LABS.values():
        for name, source in solutions(lab).items():
            begun_s = time.perf_counter()
            valid = grade(lab, source).valid
            slowest_s = max(slowest_s, time.perf_counter() - begun_s)
            failed += name == "reference" and valid != "true"
            passed += name != "reference" and valid != "false"
        disagreeing += _disagreeing(lab)
    wrong = sum(len(solutions(lab)) - 1 for lab in LABS.values())
    note = f"{len(LABS)} labs, {wrong} seeded mistakes, hidden seeds"
    yield Row(
        id="labs.reference_failed", what="references that fail", value=failed, unit="", op="==", goal=0, note=note
    )
    yield Row(id="labs.wrong_passed", what="mistakes that pass", value=passed, unit="", op="==", goal=0, note=note)
    yield Row(
        id="labs.disagreeing_reruns", what="reruns with another verdict", value=disagreeing, unit="", op="==", goal=0,
        note=f"{RERUNS} reruns of each reference and of one mistake a lab, one seed each",
    )  # fmt: skip
    yield Row(id="labs.seconds", what="slowest grading", value=round(slowest_s, 1), unit="s", op="<=", goal=60)
    yield Row(
        id="labs.escapes", what="escapes from the sandbox", value=escapes(), unit="", op="==", goal=0,
        note=f"{len(ESCAPES)} ways tried",
    )  # fmt: skip


def _disagreeing(lab: Lab) -> int:
    known = solutions(lab)
    mistake = next(source for name, source in sorted(known.items()) if name != "reference")
    count = 0
    for source, valid in ((known["reference"], "true"), (mistake, "false")):
        seeded = lab_with_seeds(lab, draw_seeds(1))
        count += sum(practise(seeded, source).valid != valid for _ in range(RERUNS))
    return count


def lab_with_seeds(lab: Lab, seeds: tuple[int, ...]) -> Lab:
    """The same lab on other seeds."""
    return Lab(**{name: getattr(lab, name) for name in lab.__struct_fields__ if name != "seeds"}, seeds=seeds)


def escapes() -> int:
    """How many of the ways out lead out."""
    bounds = Bounds(wall_s=10, cpu_s=3, memory_bytes=256 << 20)
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
