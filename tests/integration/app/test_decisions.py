"""What the running service decided lies in the lake, and is decided the same again from what lies there."""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from pathlib import Path
from typing import Any

import msgspec
import pytest

pytest.importorskip("pyiceberg", reason="needs the extra: pip install 'reelwright[lake]'")

from tests.composed import Composed, composed

from reelwright.experiments.adapters import sql
from reelwright.experiments.contract import Cell, Experiment
from reelwright.experiments.core.logged import Grounds, assigned_again, snapshot_of
from reelwright.experiments.core.product import HOME
from reelwright.experiments.service import ExperimentsService
from reelwright.kernel.ids import ProfileId, new_id
from reelwright.lake.cli import open_keeper
from reelwright.limits.core.logged import decided_again

pytestmark = pytest.mark.anyio
EACH = 600
SETTINGS: dict[str, Any] = {
    "limits": {"decisions": 1, "api": f"{EACH // 2}/minute; 100/second", "history_hours": 0},
    "lake": {"sql_s": 300, "sql_rows": 10_000},
}


async def knock(home: Composed) -> Counter[int]:
    """Many requests at the door of the API, more than it lets in."""
    client = home.client()
    answers = [(await client.get("/api/v1/openapi.json")).status_code for _ in range(EACH)]
    return Counter(answers)


async def assign(home: Composed) -> None:
    """Many viewers of a home page in whose experiment the configuration changes half way."""
    experiments: ExperimentsService = home.wiring.dependencies["experiments"]
    await experiments.look()
    await run(experiments, "first", 1.0)
    for number in range(EACH):
        if number == EACH // 2:
            await experiments.resize("first", 0.5, by="test")
            await run(experiments, "second", 0.5)
        profile_id = ProfileId(new_id())
        await experiments.decide(HOME, {"profile": profile_id, "kids": False}, profile_id=profile_id)


async def run(experiments: ExperimentsService, key: str, share: float) -> None:
    """An experiment with a share of the home page's viewers."""
    cells = (Cell(key="old", weight=0.4), Cell(key="new", weight=0.6))
    await experiments.put_experiment(Experiment(key=key, layer=HOME, cells=cells), by="test")
    await experiments.resize(key, share, by="test")
    await experiments.move(key, "running", by="test")


async def logged(home: Composed) -> dict[str, list[dict[str, Any]]]:
    """By system, the decisions that the lake holds."""
    await home.wiring.dependencies["events"].catch_up()
    await asyncio.to_thread(open_keeper(home.resources.data).commit_all)
    answer = await home.wiring.dependencies["lake"].ask("SELECT data FROM events WHERE type = 'decision' ORDER BY id")
    found: dict[str, list[dict[str, Any]]] = {}
    for (data,) in answer.rows:
        decision = json.loads(data)
        found.setdefault(decision["system"], []).append(decision)
    return found


async def test_a_thousand_decisions_are_made_again_from_the_lake(tmp_path: Path) -> None:
    """Of limits at the door and of assignments, by the code that made them: choice and reason are identical."""
    async with composed(tmp_path, **SETTINGS) as home:
        answers = await knock(home)
        assert answers[429] > 0 < answers[200]
        await assign(home)
        await home.wiring.systems[-1].sample.flush()  # type: ignore[attr-defined]
        found = await logged(home)

        limits = found["limits"]
        assert {one["choice"] for one in limits} == {"admitted", "refused"}
        assert [decided_again(one["input"]) for one in limits] == [(one["choice"], one["reason"]) for one in limits]

        assigned = found["experiments"]
        assert len({one["choice"] for one in assigned}) > 1
        for one in assigned:
            grounds = msgspec.json.decode(one["input"], type=Grounds)
            configuration = await home.resources.database.read(sql.get_revision_of, grounds.revision)
            assert configuration is not None
            assert assigned_again(snapshot_of(configuration, grounds), grounds) == (one["choice"], one["reason"])
        assert len({msgspec.json.decode(one["input"], type=Grounds).revision for one in assigned}) > 1
        assert len(limits) + len(assigned) >= 1000


async def test_another_state_is_another_decision(tmp_path: Path) -> None:
    """The comparison can fail: what is decided again follows from what was written down."""
    async with composed(tmp_path, **SETTINGS) as home:
        await knock(home)
        await home.wiring.systems[-1].sample.flush()  # type: ignore[attr-defined]
        refused = next(one for one in (await logged(home))["limits"] if one["choice"] == "refused")
    document = json.loads(refused["input"])
    for asked in document["asked"]:
        asked["state"] = "0" if not asked["state"].startswith("[") else "[]"
    assert decided_again(json.dumps(document))[0] == "admitted"
