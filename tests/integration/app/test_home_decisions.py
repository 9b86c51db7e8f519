"""What the home page puts first is written down, once for as long as it stays the same."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.composed import Composed, composed

from reelwright.events.adapters.reader import LogReader
from reelwright.events.contract import Event
from reelwright.events.core.frame import START
from reelwright.kernel.errors import Unavailable

pytestmark = pytest.mark.anyio


def decisions(home: Composed) -> list[Event]:
    """Those of recommend in the log, in order."""
    reader = LogReader(home.resources.data / "events")
    batches = [batch for source in reader.sources() for _, batch in reader.stored(source, START)]
    every = [event for batch in batches for event in batch.events]
    return [event for event in every if event.type == "decision" and event.data["system"] == "recommend"]


async def test_what_home_puts_first_is_written_down_once(tmp_path: Path) -> None:
    """With policy, alternatives, reason and propensity; again when another title is first."""
    async with composed(tmp_path) as home:
        ada = await home.person("Ada")
        client = await home.session(ada, await home.profile(ada))
        await client.get("/")
        assert decisions(home) == []  # nothing is there to be put first
        titles = [(await home.title(f"Film {number}", maturity=0))[0].id for number in range(2)]
        for _ in range(3):
            assert (await client.get("/")).status_code == 200
        (found,) = decisions(home)
        assert found.data["choice"] == found.title_id in titles
        assert {one["id"] for one in found.data["alternatives"]} <= set(titles)
        assert (found.data["policy_version"], found.data["propensity"]) == ("popular/1", 1.0)
        assert found.data["reason"]
        assert (await client.put(f"/api/v1/thumbs/{found.title_id}", json={"value": -1})).status_code == 204
        await client.get("/")
        assert len({event.data["choice"] for event in decisions(home)}) == len(decisions(home))


async def test_home_comes_while_events_cannot_be_stored(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """And the decision is written down at the next time."""
    async with composed(tmp_path) as home:
        ada = await home.person("Ada")
        client = await home.session(ada, await home.profile(ada))
        await home.title("A Film", maturity=0)

        async def full(*_args: object, **_more: object) -> None:
            raise Unavailable("the disk is full")

        with monkeypatch.context() as patch:
            patch.setattr(home.wiring.dependencies["events"], "record", full)
            assert (await client.get("/")).status_code == 200
        assert decisions(home) == []
        await client.get("/")
        assert len(decisions(home)) == 1
