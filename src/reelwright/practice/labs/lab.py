"""What makes a lab out of a decision and its replay, and how a person's code is judged by it."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Mapping
from importlib import resources
from time import thread_time_ns
from typing import Any, Protocol

import msgspec

from reelwright.kernel.telemetry import unlogged
from reelwright.practice.adapters.sandbox import Bounds, Confinement, Sandbox
from reelwright.practice.contract import Broken, Dimension, LabResult, Level

HIDDEN_SEEDS = 3
Serve = Callable[[Any], Any]
Told = Callable[[str], None]
"""Hears how a run goes on."""


class Decider(Protocol):
    """Whatever answers a lab's questions: our own policy in this process, or a person's code in the sandbox."""

    def ask(self, message: Any, serve: Serve | None = None) -> Any:
        """The answer to one message; `serve` answers what is asked for meanwhile. Raises Broken."""
        ...

    def restart(self) -> None:
        """End it at once, and begin again with nothing in memory."""
        ...

    def cpu_ns(self) -> int:
        """The CPU time that it has taken so far, in ns. Nothing that it says of itself is believed."""
        ...


class Judged(msgspec.Struct, frozen=True, kw_only=True):
    """One replay's finding."""

    passed: bool
    reason: str = ""
    picture: str = ""
    measures: dict[str, float]


class Prediction(msgspec.Struct, frozen=True, kw_only=True):
    """What a person says before they run: how one measure will come out."""

    asks: str
    measure: str
    policy: str = ""
    """Whose measure; empty is their own code's."""


class Lab(msgspec.Struct, frozen=True, kw_only=True):
    """A lab; `judge` is the replay that our own policies go through as well."""

    id: str
    title: str
    brief: str
    """What to write, in the words of the Protocol, and what passes."""
    driver: str
    judge: Callable[[Decider, int], Judged]
    policies: Mapping[str, Callable[[], Decider]]
    """Reelwright's own and the textbook's, to stand beside."""
    predicts: Prediction
    shows: tuple[tuple[Dimension, Level], ...]
    """What passing on hidden seeds shows, by measurement and not by words."""
    seeds: tuple[int, ...] = (1, 2, 3)
    """To practise on."""
    bounds: Bounds = Bounds()

    @property
    def folder(self) -> str:
        """Where its solutions lie."""
        return self.id.replace("-", "_")


class InProcess:
    """A policy of our own, asked directly; `make` makes one that knows nothing yet."""

    def __init__(self, make: Callable[[], Callable[[Any, Serve | None], Any]]) -> None:
        self._make = make
        self._answer = make()

    def ask(self, message: Any, serve: Serve | None = None) -> Any:
        """Its answer."""
        return self._answer(message, serve)

    def restart(self) -> None:
        """Begin again."""
        self._answer = self._make()

    def cpu_ns(self) -> int:
        """This thread's."""
        return thread_time_ns()


PRINTED_LINES = 12
"""Of each practice run, the last, are told."""


def draw_seeds(count: int = HIDDEN_SEEDS) -> tuple[int, ...]:
    """Seeds that nobody could have trained on; stored with the result, so that it can be repeated."""
    return tuple(secrets.randbits(48) for _ in range(count))


def unheard(_said: str) -> None:
    """Nobody listens."""


def practise(lab: Lab, source: str, *, confinement: Confinement = "bubblewrap", told: Told = unheard) -> LabResult:
    """Run on the visible seeds; our own policies run on the same."""
    return stand_beside(
        lab, run_alone(lab, source, lab.seeds, hidden=False, confinement=confinement, told=told), told
    )


def grade(
    lab: Lab,
    source: str,
    *,
    seeds: tuple[int, ...] | None = None,
    confinement: Confinement = "bubblewrap",
    told: Told = unheard,
) -> LabResult:
    """Run on hidden seeds, drawn now unless a stored result is repeated; our own policies run on the same."""
    drawn = seeds or draw_seeds()
    return stand_beside(lab, run_alone(lab, source, drawn, hidden=True, confinement=confinement, told=told), told)


def starter(lab: Lab) -> str:
    """Code to begin with: it runs, and does not pass."""
    return solutions(lab)["starter"]


def solutions(lab: Lab) -> dict[str, str]:
    """Packaged solutions by name: `reference`, `starter`, and the wrong ones with which the lab itself is tested."""
    folder = resources.files("reelwright.practice") / "labs" / "solutions" / lab.folder
    files = (file for file in folder.iterdir() if file.name.endswith(".py"))
    return {file.name.removesuffix(".py"): file.read_text(encoding="utf-8") for file in files}


def run_alone(
    lab: Lab,
    source: str,
    seeds: tuple[int, ...],
    *,
    hidden: bool = False,
    confinement: Confinement = "bubblewrap",
    told: Told = unheard,
) -> LabResult:
    """The verdict without the policies beside it, on the seeds until one shows a counter-example.

    Cost: a process in the sandbox and a replay for each of these seeds.
    """
    judged: list[Judged] = []
    tried: tuple[int, ...] = ()
    try:
        for number, seed in enumerate(seeds, start=1):
            tried = seeds[:number]
            told(f"replay {number} of {len(seeds)}, {'a hidden seed' if hidden else f'seed {seed}'}")
            with Sandbox(source, driver=lab.driver, bounds=lab.bounds, confinement=confinement) as sandbox:
                try:
                    judged.append(lab.judge(sandbox, seed))
                finally:
                    for line in () if hidden else sandbox.printed().splitlines()[-PRINTED_LINES:]:
                        told(f"it printed: {line[:200]}")
            told(f"replay {number}: {'passed' if judged[-1].passed else 'a counter-example was found'}")
            if not judged[-1].passed:
                break
    except Broken as error:
        return _result(lab, tried, hidden, valid="false", judged=judged, reason=str(error))
    except OSError as error:
        return _result(lab, tried, hidden, valid="unknown", judged=judged, reason=f"the sandbox failed: {error}")
    passed = all(one.passed for one in judged)
    return _result(lab, tried, hidden, valid="true" if passed else "false", judged=judged, reason=judged[-1].reason)


def stand_beside(lab: Lab, result: LabResult, told: Told = unheard) -> LabResult:
    """The result with the standing of our own policies; code that did not get through one replay stands nowhere."""
    standing = {}
    for name, make in lab.policies.items() if result.measures else ():
        told(f"the same replays with {name}")
        with unlogged():
            standing[name] = _worst([lab.judge(make(), seed) for seed in result.seeds])
    return msgspec.structs.replace(result, standing=standing)


def _result(
    lab: Lab, seeds: tuple[int, ...], hidden: bool, *, valid: Any, judged: list[Judged], reason: str
) -> LabResult:
    return LabResult(
        lab=lab.id,
        valid=valid,
        reason=reason,
        seeds=seeds,
        hidden=hidden,
        measures=_worst(judged),
        picture=judged[-1].picture if judged else "",
    )


def _worst(judged: list[Judged]) -> dict[str, float]:
    """Of each measure the largest: all of them are better when small."""
    names = {name for one in judged for name in one.measures}
    return {name: max(one.measures[name] for one in judged if name in one.measures) for name in sorted(names)}
