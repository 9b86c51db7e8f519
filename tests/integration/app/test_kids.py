"""A limited profile never learns of a title above its limit, on any route, unrated ones included."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.composed import Composed, composed

from reelwright.cdn.core.access import check, parse
from reelwright.kernel.errors import ReelwrightError
from reelwright.kernel.ids import new_id
from reelwright.kernel.principal import EVERYTHING, is_suitable

pytestmark = pytest.mark.anyio
SECRET = "Velvet Knife"
"""In the name, summary, genre and people of everything that must stay hidden."""


@pytest.fixture
async def home(tmp_path: Path) -> AsyncIterator[Composed]:
    """The application, with nobody and nothing yet."""
    async with composed(tmp_path) as made:
        yield made


class Family:
    """An adult who has watched, saved and judged what a child in the same household must not see."""

    def __init__(self, adult: httpx.AsyncClient, child: httpx.AsyncClient, ids: dict[str, list[str]]) -> None:
        self.adult = adult
        self.child = child
        self.ids = ids


async def family(home: Composed, *, role: Any = "admin") -> Family:
    """The household, and the ids of everything hidden by the name of the path parameter that takes them.

    The child's profile had no limit at first: it has watched, saved and judged the same things itself.
    """
    user_id = await home.person("Parent", role)
    adult = await home.session(user_id, await home.profile(user_id, name="Grown Up"))
    small = await home.profile(user_id, name="Small")
    child = await home.session(user_id, small)
    await home.title("Bright Kite", maturity=0, genres=("Nature",))
    ids: dict[str, list[str]] = {"title_id": [], "playable_id": [], "asset_id": [], "session_id": [], "item_id": []}
    for maturity, episodes in ((16, 0), (None, 0), (12, 2)):
        name = f"{SECRET} {maturity}"
        home.resources.objects.put(f"art/{maturity}.jpg", b"\xff\xd8 " + SECRET.encode())
        title, playables = await home.title(
            name, episodes=episodes, maturity=maturity, summary=name, genres=(SECRET,), backdrop=f"art/{maturity}.jpg"
        )
        ids["title_id"].append(title.id)
        ids["item_id"] += [title.id, playables[0].id]
        for playable in playables:
            ids["playable_id"].append(playable.id)
            ids["asset_id"].append(str(playable.asset_id))
        for client in (adult, child):
            ids["session_id"] += await watch(client, title.id, [playable.id for playable in playables])
    response = await adult.put(f"/api/v1/profiles/{small.id}", json={"name": "Small", "kids": True})
    assert response.status_code == 200, response.text
    return Family(adult, child, ids)


async def watch(client: httpx.AsyncClient, title_id: str, playable_ids: list[str]) -> list[str]:
    """Play, save and judge a title; the playback sessions that were begun."""
    sessions = []
    for playable_id in playable_ids:
        begun = await client.post("/api/v1/playback/sessions", json={"playable_id": playable_id})
        assert begun.status_code == 201, begun.text
        sessions.append(begun.json()["id"])
    assert (await client.put(f"/api/v1/my-list/{title_id}")).status_code == 204
    assert (await client.put(f"/api/v1/thumbs/{title_id}", json={"value": 1})).status_code == 204
    seen = {"id": new_id(), "type": "heartbeat", "at_ms": 1, "title_id": title_id, "playable_id": playable_ids[0]}
    body = {"events": [{**seen, "position_s": 40.0, "data": {"duration_s": 60}}]}
    assert (await client.post("/api/v1/events", json=body)).json()["verdicts"][0]["status"] == "stored"
    return sessions


FILL = {"kind": ["backdrop", "poster", "still"], "playlist": ["v360-avc1.m3u8", "a-en-mp4a.m3u8"]}


def addresses(home: Composed, ids: dict[str, list[str]], method: str = "GET") -> list[str]:
    """Every route of the application for a method, with the hidden ids wherever it takes one."""
    found = []
    for route in home.application.routes:
        if method not in (getattr(route, "methods", None) or ()):
            continue
        paths = [str(route.path)]
        for name in re.findall(r"\{(\w+)(?::\w+)?\}", str(route.path)):
            values = ids.get(name) or FILL.get(name) or ["unknown"]
            paths = [re.sub(rf"\{{{name}(:\w+)?\}}", value, path) for path in paths for value in values]
        found += [f"{path}?q=velvet" if path.endswith("/search") else path for path in paths]
    return sorted(set(found))


@pytest.mark.parametrize("role", ["viewer", "editor", "admin"])
async def test_no_route_tells_a_child_of_what_is_hidden(home: Composed, role: Any) -> None:
    """Pages, API, pictures, manifests, live streams; also when an administrator watches as the kids profile."""
    people = await family(home, role=role)
    paths = addresses(home, people.ids)
    assert len(paths) > 50
    for path in paths:
        response = await people.child.get(path)
        assert response.status_code < 500, f"{path}: {response.text[:300]}"
        assert SECRET.casefold() not in response.text.replace("%20", " ").casefold(), path
        hidden = {one for values in people.ids.values() for one in values} - set(path.replace("?", "/").split("/"))
        assert not [one for one in hidden if one in response.text], path


async def test_the_adult_sees_all_of_it(home: Composed) -> None:
    """The walk above would find the name if it were told: here it is."""
    people = await family(home)
    told = [path for path in addresses(home, people.ids) if not path.endswith("/stream")]
    found = [path for path in told if SECRET in (await people.adult.get(path)).text]
    for part in ("/", "/api/v1/titles", "/api/v1/home", "/search?q=velvet", "/my-list"):
        assert part in found, (part, found)
    assert [path for path in found if path.startswith("/art/")]


@pytest.mark.parametrize("role", ["viewer", "admin"])
async def test_no_route_lets_a_child_change_what_is_hidden(home: Composed, role: Any) -> None:
    """Every writing route that takes an id refuses it, by script and by form, and its answer tells nothing."""
    people = await family(home, role=role)
    bodies: list[dict[str, Any]] = [{"json": {}}, {"json": {"value": 1}}, {"json": {"name": "Mine"}}]
    bodies.append({"data": {"name": "Mine"}})
    mine = [path for path in addresses(home, people.ids) if path.startswith("/api/v1/playback")]
    before = {path: (await people.adult.get(path)).status_code for path in mine}
    hidden = {one for values in people.ids.values() for one in values}
    tried = 0
    for method in ("POST", "PUT", "PATCH", "DELETE"):
        for path in addresses(home, people.ids, method):
            if not hidden & set(path.split("/")):
                continue
            if method == "DELETE" and path.startswith("/api/v1/playback/sessions/"):
                await people.child.delete(path)  # it may end its own; whether it ended another's is seen below
                continue
            for body in bodies:
                answer = await people.child.request(method, path, **body, headers={"If-Match": "*"})
                assert 400 <= answer.status_code < 500 and answer.status_code != 429, (
                    f"{method} {path}: {answer.text}"
                )
                assert SECRET.casefold() not in answer.text.casefold(), path
                tried += 1
    assert tried > 40
    assert 200 in before.values() and before == {path: (await people.adult.get(path)).status_code for path in mine}
    titles = [(await people.adult.get(f"/api/v1/titles/{title_id}")).text for title_id in people.ids["title_id"]]
    assert all(SECRET in title and "Mine" not in title for title in titles)


async def test_a_child_can_neither_save_nor_judge_what_is_hidden(home: Composed) -> None:
    """It does not exist, so that the answer tells nothing."""
    people = await family(home)
    for title_id in [*people.ids["title_id"], new_id(), "no id"]:
        assert (await people.child.put(f"/api/v1/my-list/{title_id}")).status_code == 404
        assert (await people.child.delete(f"/api/v1/my-list/{title_id}")).status_code == 404
        assert (await people.child.put(f"/api/v1/thumbs/{title_id}", json={"value": 1})).status_code == 404


async def test_a_child_cannot_begin_to_play_what_is_hidden_nor_use_what_was_begun(home: Composed) -> None:
    """Not by the playable's id, not by the adult's session, not by its heartbeat."""
    people = await family(home)
    for playable_id in people.ids["playable_id"]:
        begun = await people.child.post("/api/v1/playback/sessions", json={"playable_id": playable_id})
        assert begun.status_code == 404
    for session_id in people.ids["session_id"]:
        for path in ("master.m3u8", "manifest.mpd", "v360-avc1.m3u8"):
            assert (await people.child.get(f"/api/v1/playback/sessions/{session_id}/{path}")).status_code == 404
        assert (await people.child.post(f"/api/v1/playback/sessions/{session_id}/heartbeat")).status_code == 404


async def test_media_urls_of_the_adult_open_nothing_for_the_child(home: Composed) -> None:
    """They are bound to the watching profile's cookie, and the edge checks it."""
    people = await family(home)
    body = {"playable_id": people.ids["playable_id"][0]}
    base = (await people.adult.post("/api/v1/playback/sessions", json=body)).json()["media_bases"][0]
    url = parse("/m/" + base.split("/m/")[1] + f"assets/{people.ids['asset_id'][0]}/x.m4s")
    now_s = home.resources.clock.wall_ns() / 1e9
    cookies = {
        name: re.search(r"rw_viewer=([^;]+)", client.headers["Cookie"])
        for name, client in (("adult", people.adult), ("child", people.child))
    }
    assert cookies["adult"] and cookies["child"]
    check(url, home.resources.keys, viewer=cookies["adult"][1], now_s=now_s)
    for viewer in (cookies["child"][1], "", "forged.value"):
        with pytest.raises(ReelwrightError):
            check(url, home.resources.keys, viewer=viewer, now_s=now_s)


@settings(max_examples=300, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(limit=st.integers(0, EVERYTHING), maturity=st.one_of(st.none(), st.integers(0, 21)))
def test_the_rule_itself(limit: int, maturity: int | None) -> None:
    """At most the limit; unrated counts as 100."""
    assert is_suitable(maturity, limit) == ((100 if maturity is None else maturity) <= limit)
