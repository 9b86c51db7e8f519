"""Studio's page about the CDN: empty it says how to add an edge, and nothing is done that was not confirmed."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from tests.composed import Composed, composed

from reelwright.cdn.contract import EdgeReport, FillProgress
from reelwright.cdn.control import ControlPlane

pytestmark = pytest.mark.anyio


@pytest.fixture
async def home(tmp_path: Path) -> AsyncIterator[Composed]:
    """The application."""
    async with composed(tmp_path) as made:
        yield made


async def admin(home: Composed) -> httpx.AsyncClient:
    """Who runs the service."""
    user_id = await home.person("Root", "admin")
    return await home.session(user_id, await home.profile(user_id, name="Root P"))


async def report(home: Composed, name: str, **more: Any) -> ControlPlane:
    """An edge reports."""
    cdn: ControlPlane = home.wiring.dependencies["cdn"]
    form = {"boot": "b", "url": f"http://{name}.example", "capacity_bps": 1e9, "costs": {"eu": 1.0}, **more}
    await cdn.report(name, EdgeReport(**form))
    return cdn


async def test_the_empty_page_says_how_to_add_an_edge(home: Composed) -> None:
    """With the command."""
    text = (await (await admin(home)).get("/studio/cdn")).text
    assert "No edge is registered." in text and "--only edge --peer web=" in text


async def test_the_page_shows_regions_load_hits_offload_and_fills(home: Composed) -> None:
    """As the edges reported them; a script in a URL or reason is text."""
    counts = {"requests": 10, "hits": 9, "sent_bytes": 100, "fetched_bytes": 25, "load_bps": 5e6}
    fill = FillProgress(plan="p", done=3, total=4, failed=1)
    await report(home, "edge-1", **counts, fill=fill, costs={"eu": 1.0, "<b>": 2.0})
    text = (await (await admin(home)).get("/studio/cdn")).text
    for said in ("edge-1", ">eu ", "90 %", "75 %", "5.0 Mbit/s", "3 of 4", "1 failed", "&lt;b&gt;"):
        assert said in text, said
    assert "<b> " not in text.replace("<b>edge", "")


async def test_gateways_stand_apart(home: Composed) -> None:
    """They count for no region and no capacity, and cannot be drained."""
    await report(home, "near")
    await report(home, "front-0", kind="gateway", url="http://10.0.0.9:81")
    text = (await (await admin(home)).get("/studio/cdn")).text
    assert "<b>1 edge</b>, all well" in text
    edges, gateways = text.split('id="gateways"')
    assert "front-0" not in edges and "front-0" in gateways and "drain=front-0" not in text


async def test_a_drain_is_asked_done_once_written_down_and_ended(home: Composed) -> None:
    """The link only asks; the form needs its CSRF value; doing it twice is doing it once."""
    cdn = await report(home, "edge-1")
    client = await admin(home)
    text = (await client.get("/studio/cdn?drain=edge-1")).text
    assert "Drain edge-1?" in text
    assert (await cdn.list_edges())[0].state == "ok"
    csrf = re.findall(r'name="csrf" value="([^"]+)"', text)[0]
    form = {"do": "drain", "edge": "edge-1"}
    assert (await client.post("/studio/cdn", data=form)).status_code == 403
    for _ in range(2):
        assert (await client.post("/studio/cdn", data={**form, "csrf": csrf})).status_code == 303
    assert (await cdn.list_edges())[0].state == "draining"
    shown = (await client.get("/studio/cdn?done=drain")).text
    assert "its viewers move" in shown and "drain edge-1" in shown and "End drain" in shown
    assert (await client.post("/studio/cdn", data={"do": "end", "edge": "edge-1", "csrf": csrf})).status_code == 303
    assert (await cdn.list_edges())[0].state == "ok"
    for edge, status in (("gone", 404), ("no/name", 422), ("", 422)):
        answer = await client.post("/studio/cdn", data={"do": "drain", "edge": edge, "csrf": csrf})
        assert answer.status_code == status


async def test_a_purge_is_confirmed_in_words_and_reaches_the_log_of_orders(home: Composed) -> None:
    """What makes no sense is said on the page, and nothing is purged."""
    cdn = await report(home, "edge-1")
    client = await admin(home)
    text = (await client.get("/studio/cdn/purge?what=tag&value=a1&soft=yes")).text
    assert "Purge tag a1, softly?" in text
    csrf = re.findall(r'name="csrf" value="([^"]+)"', text)[0]
    for what, value, status in (("path", "no-slash", 422), ("", "x", 400), ("tag", "é", 422), ("tag", " ", 400)):
        assert (await client.get("/studio/cdn/purge", params={"what": what, "value": value})).status_code in (
            400,
            422,
        )
        form = {"do": "purged", "what": what, "value": value, "csrf": csrf}
        assert (await client.post("/studio/cdn", data=form)).status_code == status
    form = {"do": "purged", "what": "tag", "value": "a1", "soft": "yes", "csrf": csrf}
    assert (await client.post("/studio/cdn", data=form)).status_code == 303
    orders = await cdn.report("edge-1", EdgeReport(boot="b", url="http://edge-1.example", capacity_bps=1e9))
    assert [(one.order.tag, one.order.soft) for one in orders.purges] == [("a1", True)]
    assert "purge tag a1, softly" in (await client.get("/studio/cdn")).text


async def test_only_administrators_see_it_and_only_they_may_order(home: Composed) -> None:
    """Pages and routes alike; an editor is told what is missing."""
    await report(home, "edge-1")
    user_id = await home.person("Ed", "editor")
    editor = await home.session(user_id, await home.profile(user_id, name="Ed P"))
    assert (await editor.get("/studio/cdn")).status_code == 403
    for method, path, body in (
        ("GET", "edges", None),
        ("PUT", "edges/edge-1/drain", {"drained": True}),
        ("DELETE", "edges/edge-1", None),
        ("POST", "purges", {"tag": "a"}),
        ("GET", "misses", None),
        ("GET", "steering", None),
        ("POST", "edges/edge-1/report", {}),
    ):
        answer = await editor.request(method, f"/api/v1/cdn/{path}", json=body)
        assert answer.status_code in (401, 403), path
        assert (await home.client().request(method, f"/api/v1/cdn/{path}", json=body)).status_code == 401
    client = await admin(home)
    assert [one["name"] for one in (await client.get("/api/v1/cdn/edges")).json()] == ["edge-1"]
    assert (await client.get("/api/v1/cdn/steering?region=eu")).json()[0]["edge"] == "edge-1"
    assert (await client.put("/api/v1/cdn/edges/edge-1/drain", json={"drained": True})).status_code == 204
