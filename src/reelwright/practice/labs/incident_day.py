"""Lab: five incidents on an instance that the lab starts and breaks; its state tells how they were handled."""

from __future__ import annotations

from collections.abc import Callable
from random import Random
from typing import Any, get_args

import msgspec

from reelwright.practice.adapters.sandbox import Bounds
from reelwright.practice.contract import Broken
from reelwright.practice.labs.drawing import picture
from reelwright.practice.labs.instance import ACT_S, CALLED_S, RATE, Fault, Instance
from reelwright.practice.labs.lab import Decider, InProcess, Judged, Lab, Prediction, Serve

FAULTS: tuple[Fault, ...] = get_args(Fault)
MOST_S, AFTER_S, LEAST_OK, MOST_CALLS = 120, 30, 0.97, 40
BRIEF = """\
Write `class OnCall` with `handle(self, instance)`. It is called when the pager goes: an instance of the service, made
for this and thrown away after, has a fault, and its viewers go on while you look.

`instance.look(what)` takes five seconds and shows `"health"` (of the last half minute), `"before"` (the same, before
the fault), `"clients"`, `"nodes"` or `"releases"`. `instance.do(what, ...)` takes ten: `("roll back to", version)`,
`("limit client", client, requests_a_second)`, `("drain node", node)` or `("wait",)`.

`handle` returns the diagnosis `(fault, culprit)`: `("hot client", client)`, `("failing node", node)`, or with
`"release N"` as the culprit `"bad limit"`, `"stampede"` (the cache no longer fetches once for all who wait) or
`"slow release"`. Not every release is guilty.

It passes when for each of five faults the diagnosis is right, `handle` took at most 120 s, half a minute later 97 %
of the other clients' requests get their answer, and nothing was taken from anybody who is not guilty.
"""


class Incident(msgspec.Struct, frozen=True):
    """How one was handled."""

    fault: Fault
    told: str
    """What was wrong; empty where nothing was."""
    seconds: int
    ok: tuple[float, ...]
    """Share of the innocent's requests with an answer, second by second."""
    marks: tuple[int, ...]
    """When something was done."""


def judge(decider: Decider, seed: int) -> Judged:
    """Each fault once, in an order that nobody knows."""
    chance = Random(f"incident-day|{seed}")  # noqa: S311 (repeatable, not secret)
    handled = [_handle(decider, fault, chance) for fault in chance.sample(FAULTS, len(FAULTS))]
    bad = [one for one in handled if one.told]
    return Judged(
        passed=not bad,
        reason=f"{bad[0].fault}: {bad[0].told}" if bad else "",
        picture=_draw(bad[0]) if bad else "",
        measures={
            "wrong_incidents": float(len(bad)), "slowest_s": float(max(one.seconds for one in handled)),
        },
    )  # fmt: skip


def _handle(decider: Decider, fault: Fault, chance: Random) -> Incident:
    instance = Instance(Random(chance.random()), fault)  # noqa: S311 (repeatable, not secret)
    marks: list[int] = []

    def serve(call: Any) -> Any:
        if len(marks) >= MOST_CALLS:
            raise Broken(f"more than {MOST_CALLS} looks and deeds in one incident")
        verb, *rest = call if isinstance(call, list) and call else [""]
        if verb == "do" and rest and isinstance(rest[0], str):
            marks.append(instance.now_s + ACT_S)
            return instance.do(*rest)
        marks.append(0)
        return instance.look(str(rest[0]) if verb == "look" and rest else "")

    said = decider.ask({"handle": True}, serve)
    seconds = instance.now_s - CALLED_S
    instance.advance(2 * AFTER_S)
    return Incident(
        fault=fault, told=_tell(instance, said, seconds), seconds=seconds,
        ok=tuple(_innocent(instance, at) for at in range(len(instance.seconds))),
        marks=tuple(one for one in marks if one),
    )  # fmt: skip


def _tell(instance: Instance, said: Any, seconds: int) -> str:
    expected = [instance.fault, instance.culprit]
    if not isinstance(said, list) or said != expected:
        return f"the diagnosis was {str(said)[:80]}, and it was {expected}"
    if seconds > MOST_S:
        return f"it took {seconds} s, more than {MOST_S}"
    taken = [one for one in (*sorted(instance.drained), *sorted(instance.client_limits)) if one != instance.culprit]
    if taken:
        return f"{', '.join(taken)} was drained or limited, and is not guilty"
    if instance.config.log_level == "info" and instance.fault in ("hot client", "failing node"):
        return "the releases were rolled back, and none is guilty"
    if instance.client_limits.get(instance.culprit, 1.0) < 1:
        return f"{instance.culprit} was shut out instead of limited"
    ends = range(len(instance.seconds) - AFTER_S, len(instance.seconds))
    share = sum(_innocent(instance, at) for at in ends) / AFTER_S
    return "" if share >= LEAST_OK else f"half a minute later {share:.1%} of the others' requests got their answer"


def _innocent(instance: Instance, at: int) -> float:
    """The share of requests with an answer, leaving out a client that is the culprit."""
    second = instance.seconds[at]
    harmed = sum(count for client, count in second.harmed.items() if client != instance.culprit)
    asked = sum(count for client, count in second.clients.items() if client != instance.culprit)
    return 1 - harmed / max(1, asked)


def _draw(incident: Incident) -> str:
    """The others' share of answers over time, the page, and what was done."""
    scale = 560 / max(1, len(incident.ok))
    path = "L".join(f"{20 + scale * at:.1f} {150 - 130 * one:.1f}" for at, one in enumerate(incident.ok))
    marks = "".join(f'<circle class="wrong" cx="{20 + scale * at:.1f}" cy="160" r="4"/>' for at in incident.marks)
    return picture(
        f"{incident.fault}: the share of the others\u2019 requests with an answer over time; the line is the "
        "page, the dots are what was done",
        f'<path class="axis" d="M20 150H580M{20 + scale * CALLED_S:.1f} 20V150"/>'
        f'<path class="line" d="M{path}"/>{marks}',
        height=176,
        across=f"{len(incident.ok)} s",
        up="share of requests answered, 0 to 1",
        key={"line": "answered", "axis": "you were called", "wrong": "what you did"},
    )


Look = Callable[[str], Any]
Do = Callable[..., Any]


def run_book(look: Look, do: Do) -> tuple[str, str]:
    """Ours: what differs from before says where to look, and only the guilty pays."""
    health, before = look("health"), look("before")
    if health["requests_a_s"] > 1.5 * before["requests_a_s"]:
        client = look("clients")[0]["client"]
        do("limit client", client, RATE / 4)
        return "hot client", client
    worst = max(look("nodes"), key=lambda one: one["failed_share"])
    others = [one["failed_share"] for one in look("nodes") if one["node"] != worst["node"]]
    if worst["failed_share"] > 0.3 and max(others) < 0.1:
        do("drain node", worst["node"])
        return "failing node", worst["node"]
    fault, field = _suspect(health, before)
    releases = look("releases")
    guilty = next(one["version"] for one in reversed(releases) if field in one["changes"] and one["version"] > 1)
    do("roll back to", guilty - 1)
    return fault, f"release {guilty}"


def _suspect(health: dict[str, float], before: dict[str, float]) -> tuple[str, str]:
    if health["refused_share"] > before["refused_share"] + 0.1:
        return "bad limit", "viewer_limit"
    if health["busy_share"] > 1.5 * before["busy_share"]:
        return "slow release", "work_ms"
    return "stampede", "coalesce"


def _roll_back_the_last(look: Look, do: Do) -> tuple[str, str]:
    """The textbook's reflex."""
    last = look("releases")[-1]["version"]
    do("roll back to", last - 1)
    return "slow release", f"release {last}"


def _policy(handle: Callable[[Look, Do], tuple[str, str]]) -> Callable[[], Decider]:
    def answer(_message: Any, serve: Serve | None) -> Any:
        assert serve is not None
        return list(handle(lambda what: serve(["look", what]), lambda *deed: serve(["do", *deed])))

    return lambda: InProcess(lambda: answer)


LAB = Lab(
    id="incident-day",
    title="Five incidents before dinner",
    brief=BRIEF,
    driver="incident_day.py",
    judge=judge,
    policies={"reelwright": _policy(run_book), "textbook, roll back the last release": _policy(_roll_back_the_last)},
    predicts=Prediction(
        asks="How many of five incidents are handled wrongly by whoever always rolls back the last release?",
        measure="wrong_incidents",
        policy="textbook, roll back the last release",
    ),
    shows=(("reliability", 5), ("judgment", 4)),
    bounds=Bounds(wall_s=50),
)
