"""What the house knows of tomorrow: the Top 10, releases, half-watched films, next episodes, home pages."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import msgspec
import pytest
from tests.composed import Composed, composed, package_of

from reelwright.app.demand import (
    ENTICED,
    FADES,
    GOES_ON,
    RESUMES,
    HouseDemand,
    enticed,
    promoted,
    rest_of,
    shares,
    spread,
    wanted_next,
)
from reelwright.catalog.contract import Playable, Title, TitleDetail
from reelwright.kernel.ids import AssetId, PlayableId, TitleId, new_id
from reelwright.kernel.objects import content_name
from reelwright.media.adapters.sql import ASSETS
from reelwright.media.contract import Segment, TextTrack, asset_folder
from reelwright.media.core.assemble import package_name
from reelwright.media.core.verify import verify
from reelwright.recommend.contract import Page, Row, Slot

pytestmark = pytest.mark.anyio
DAY_MS = 86_400_000


def detail(name: str, *, episodes: int = 1, added_ms: int = 0, from_ms: int | None = None) -> TitleDetail:
    """A title with what can be played of it."""
    title = Title(id=TitleId(name), kind="film", name=name, added_ms=added_ms, available_from_ms=from_ms)
    playables = tuple(
        Playable(id=PlayableId(f"{name}{number}"), title_id=title.id, name=name) for number in range(1, episodes + 1)
    )
    return TitleDetail(title=title, playables=playables)


def test_those_who_are_in_a_series_want_its_next_episode_and_those_in_a_film_its_rest() -> None:
    """After the last episode nothing is wanted."""
    watched = [
        {"playable_id": "s1", "finished": True},
        {"playable_id": "s1", "finished": True},
        {"playable_id": "s3", "finished": True},
        {"playable_id": "f1", "finished": False, "position_s": 40.0, "duration_s": 100.0},
        {"playable_id": "f1", "finished": False, "position_s": 100.0, "duration_s": 100.0},
        {"playable_id": "f1", "finished": False, "position_s": 5.0, "duration_s": 0.0},
        {"playable_id": "gone", "finished": True},
    ]
    found = wanted_next([detail("s", episodes=3), detail("f")], watched)
    rests = {rest_of("f1", tenth): RESUMES for tenth in (4, 9, 0)}
    assert found == {"s2": 2 * GOES_ON, **rests}


def test_the_top_10_keeps_its_places_and_a_release_of_tomorrow_enters() -> None:
    """An old title that nobody watches has no place."""
    now_ms = 100 * DAY_MS
    details = [detail("a"), detail("b"), detail("soon", from_ms=now_ms + DAY_MS // 2), detail("old")]
    assert promoted(details, {TitleId("b"): 5, TitleId("a"): 3}, now_ms) == {"b1": 0, "a1": 1, "soon1": 5}


def test_plays_of_a_series_are_shared_by_its_episodes() -> None:
    """History knows titles."""
    assert spread({TitleId("s"): 6}, [detail("s", episodes=3)]) == {"s1": 2, "s2": 2, "s3": 2}


def test_the_beginning_of_a_film_is_wanted_more_often_than_its_end() -> None:
    """In each rendition, which share the plays."""
    items = shares(package_of(AssetId("a"), PlayableId("p")), {})
    first, last = items[0][1], items[9][1]
    assert first > last > 0
    assert sum(share for item, share in items if item.name.endswith("-0.m4s")) == pytest.approx(2)


def test_who_paused_at_two_fifths_wants_the_rest_and_not_the_beginning() -> None:
    """The segment in which they stopped is asked for by all who come back."""
    package = package_of(AssetId("a"), PlayableId("p"))
    items = {item.name: share for item, share in shares(package, {"a-init.mp4": 1}, 0.45)}
    rest = [name for name in items if name.startswith("a-en-opus-")]
    assert rest == [f"a-en-opus-{number}.m4s" for number in range(4, 10)]
    assert items["a-init.mp4"] == 1 and items["a-en-opus-4.m4s"] == pytest.approx(1 / 2)
    assert items["a-en-opus-9.m4s"] > {one.name: two for one, two in shares(package, {})}["a-en-opus-9.m4s"]


def test_places_of_a_home_page_are_wanted_less_to_the_right_and_below() -> None:
    """What is followed already by watch progress is not counted again."""
    slots = {name: Slot(title=detail(name).title) for name in "abcd"}
    rows = (
        Row(kind="continue", heading="", slots=(slots["d"],)),
        Row(kind="new", heading="", slots=(slots["a"], slots["b"])),
        Row(kind="genre", heading="", slots=(slots["c"],)),
    )
    found = enticed(Page(billboard=slots["a"], rows=rows), {TitleId(name): f"{name}1" for name in "abcd"})
    assert found == pytest.approx({"a1": 2 * ENTICED, "b1": ENTICED * FADES, "c1": ENTICED * FADES})


@pytest.fixture
async def home(tmp_path: Path) -> AsyncIterator[Composed]:
    """The application."""
    async with composed(tmp_path) as made:
        yield made


async def test_a_forecast_of_a_real_catalogue(home: Composed) -> None:
    """Everything that can be played has its shelf; a new title is promoted."""
    _, (film,) = await home.title("Low Sun", maturity=0)
    given = home.wiring.dependencies
    found = await HouseDemand(home.resources, given["catalog"], given["media"]).forecast()
    assert [shelf.title for shelf in found.shelves] == [film.id]
    assert found.promoted == {film.id: 5}
    assert len(found.history) == 7


async def test_a_viewer_who_stopped_and_what_their_page_shows_are_in_the_forecast(home: Composed) -> None:
    """Their events become the rest of the film, from where they are; titles on their page are wanted unplayed."""
    _, (film,) = await home.title("Low Sun", maturity=0)
    _, (other,) = await home.title("High Moon", maturity=0)
    _, (grim,) = await home.title("Grim", maturity=16)
    user_id = await home.person("Ada")
    client = await home.session(user_id, await home.profile(user_id, name="Ada P", maturity_limit=12))
    at_ms = home.resources.clock.wall_ns() // 1_000_000
    event = {"id": new_id(), "type": "heartbeat", "at_ms": at_ms, "title_id": film.title_id,
             "playable_id": film.id, "position_s": 27.0, "data": {"duration_s": 60.0}}  # fmt: skip
    answer = await client.post("/api/v1/events", json={"events": [event]})
    assert answer.json()["verdicts"][0]["status"] == "stored"
    given = home.wiring.dependencies
    await given["events"].catch_up()
    found = await HouseDemand(home.resources, given["catalog"], given["media"]).forecast()
    assert found.added[rest_of(film.id, 4)] == RESUMES
    assert found.added[other.id] > 0 and grim.id not in found.added
    shelves = {shelf.title: len(shelf.items) for shelf in found.shelves}
    assert set(shelves) == {film.id, rest_of(film.id, 4), other.id, grim.id}
    assert shelves[rest_of(film.id, 4)] < shelves[film.id]


async def test_what_is_forecast_can_be_fetched_and_is_all_that_playing_needs(home: Composed) -> None:
    """Segments, initialisation segments, subtitles and the package, under the names and with the sizes they have."""
    _, (film,) = await home.title("Low Sun", maturity=0)
    objects, asset_id = home.resources.objects, film.asset_id
    assert asset_id is not None
    folder, made = asset_folder(asset_id), {}

    def put(data: bytes, suffix: str) -> str:
        name = content_name(folder, data, suffix)
        objects.put(name, data)
        made[name] = len(data)
        return name

    bare = package_of(asset_id, film.id)
    tracks = tuple(
        msgspec.structs.replace(
            track,
            init=put(f"init {track.id}".encode(), ".mp4"),
            segments=tuple(
                Segment(put(f"{track.id} {n}".encode() * 9, ".m4s"), 6000, len(f"{track.id} {n}") * 9)
                for n in range(3)
            ),
        )
        for track in bare.tracks
    )
    text = TextTrack(id="t-en", language="eng", label="English", name=put(b"WEBVTT", ".vtt"))
    package = msgspec.structs.replace(bare, tracks=tracks, texts=(text,))
    verify(package, set(objects.list(folder)))
    data = msgspec.json.encode(package)
    name = put(data, ".json")
    assert name == package_name(package, data)
    with home.resources.database.writing() as connection:
        connection.execute(ASSETS.update().where(ASSETS.c.id == asset_id).values(package=name))
    given = home.wiring.dependencies
    (shelf,) = (await HouseDemand(home.resources, given["catalog"], given["media"]).forecast()).shelves
    assert {item.name: item.size for item, _ in shelf.items} == made
    assert all(0 < share <= 1 for _, share in shelf.items)
