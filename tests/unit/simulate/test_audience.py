"""The synthetic audience is reproducible, keeps to what it may see, and tells only what a real one could."""

from __future__ import annotations

from random import Random

import msgspec
import pytest

from reelwright.catalog.contract import Playable, Title, TitleDetail
from reelwright.events.core.schema import SCHEMA
from reelwright.events.core.sift import read_event
from reelwright.kernel.ids import PlayableId, TitleId
from reelwright.simulate.contract import Told
from reelwright.simulate.core.audience import DAY_MS, make_viewers, watch_for_days

SINCE_MS = 1_790_000_000_000
DAYS = 4


def catalogue() -> list[TitleDetail]:
    """Twelve films, some of them not for everybody."""
    return [
        TitleDetail(
            title=Title(
                id=TitleId(f"{number:026}"),
                kind="film",
                name=f"Film {number}",
                genres=(("Drama", "Nature", "Mystery")[number % 3],),
                maturity=(0, 7, 16, None)[number % 4],
                added_ms=SINCE_MS,
            ),
            playables=(
                Playable(
                    id=PlayableId(f"{number + 100:026}"),
                    title_id=TitleId(f"{number:026}"),
                    name="",
                    state="ready",
                    duration_s=30,
                ),
            ),
        )
        for number in range(12)
    ]


def told(seed: int, *, limit: int = 1000) -> list[Told]:
    """What a small audience does."""
    random = Random(seed)
    viewers = [
        msgspec.structs.replace(viewer, maturity_limit=limit)
        for viewer in make_viewers(("Drama", "Nature", "Mystery"), 12, random)
    ]
    return list(watch_for_days(catalogue(), viewers, random, since_ms=SINCE_MS, days=DAYS))


def test_the_same_seed_gives_the_same_events() -> None:
    """To the byte; another seed gives others."""
    assert msgspec.json.encode(told(1)) == msgspec.json.encode(told(1))
    assert msgspec.json.encode(told(1)) != msgspec.json.encode(told(2))


def test_every_event_is_one_that_the_collector_takes() -> None:
    """Ids are unique, times lie within the days, nothing is malformed."""
    rows = told(3)
    assert len(rows) > 100
    assert [row for row in rows if isinstance(read_event(msgspec.json.encode(row.event), SCHEMA), str)] == []
    assert len({row.event.id for row in rows}) == len(rows)
    assert all(SINCE_MS <= row.event.at_ms < SINCE_MS + (DAYS + 1) * DAY_MS for row in rows)


@pytest.mark.parametrize("limit", [0, 7, 16])
def test_a_limited_viewer_never_watches_what_is_above_the_limit(limit: int) -> None:
    """Unrated counts as above any limit below 100."""
    maturity = {detail.title.id: detail.title.maturity for detail in catalogue()}
    for row in told(4, limit=limit):
        assert row.event.title_id is not None
        rated = maturity[row.event.title_id]
        assert rated is not None and rated <= limit


def test_positions_only_go_forward_within_a_session_and_end_with_a_stop() -> None:
    """A player that plays is never behind where it was."""
    last: dict[tuple[str, str], float] = {}
    for row in told(5):
        event = row.event
        if event.position_s is None or event.playable_id is None:
            continue
        key = (row.profile_id, event.playable_id)
        if event.type != "play":
            assert event.position_s >= last[key]
        last[key] = event.position_s
        assert event.position_s <= 30
