"""Labs through pages and API: a run is begun, followed to its verdict, kept; where code may not run, none is lost."""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import anyio
import httpx
import pytest
from tests.composed import Composed, composed

from reelwright.practice.adapters import sandbox
from reelwright.practice.adapters.sandbox import bubblewrap_works
from reelwright.practice.labs.lab import solutions
from reelwright.practice.labs.labs import LABS
from reelwright.practice.service import labs

pytestmark = pytest.mark.anyio
API = "/api/v1/practice/labs"
SOLUTIONS = solutions(LABS["token-bucket"])
ENDLESS = "EMPTY = 0\ndef token_bucket(count, period, burst):\n    while True: pass\n"
bubblewrap = pytest.mark.skipif(
    not bubblewrap_works(), reason="bubblewrap with user namespaces: apt-get install bubblewrap"
)


@pytest.fixture
async def home(tmp_path: Path) -> AsyncIterator[Composed]:
    """The application, with nobody signed up."""
    async with composed(tmp_path) as made:
        yield made


async def finished(client: httpx.AsyncClient, run: dict[str, Any]) -> dict[str, Any]:
    """The run with its result."""
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        told: dict[str, Any] = (await client.get(f"{API}/{run['lab']}/runs/{run['id']}")).json()
        if told["result"]:
            return told
        await anyio.sleep(0.05)
    raise AssertionError("no result within 60 s")


async def test_every_lab_says_what_to_write_in_a_sentence(home: Composed) -> None:
    """A whole one: a brief that is cut off in the middle helps nobody to choose."""
    text = (await home.client().get("/practice/labs")).text
    said = re.findall(r'<p class="faint">(.*?)</p>', text)
    assert len(said) == len(LABS) and all(re.fullmatch(r"Write [^.:]+\.", one) for one in said), said


@bubblewrap
async def test_a_run_from_the_editor_to_the_counter_example(home: Composed) -> None:
    """The page holds the code, verdict, picture, the textbook's figures, and how far off the prediction was."""
    client = home.client()
    assert "/practice/labs/token-bucket" in (await client.get("/practice/labs")).text
    page = (await client.get("/practice/labs/token-bucket")).text
    assert "No run yet" in page and "def token_bucket" in page
    form = {"source": SOLUTIONS["wrong_window"], "predicted": "100", "do": "grade"}
    begun = await client.post("/practice/labs/token-bucket", data=form)
    assert begun.status_code == 303
    run = (await client.get(f"{API}/token-bucket/runs")).json()[0]
    told = await finished(client, run)
    assert told["result"]["valid"] == "false" and told["surprise"] is not None and told["log"]
    page = (await client.get(begun.headers["location"])).text
    for part in (
        "valid: false",
        "<svg",
        "textbook, floating point",
        "reelwright",
        "You predicted",
        "expected allowed",
    ):
        assert part in page, part
    assert "not passed yet" in (await client.get("/practice/labs")).text


@bubblewrap
async def test_a_passed_lab_moves_the_skill_and_practising_does_not(home: Composed) -> None:
    """Only hidden seeds count: what was measured there is evidence like an answer's."""
    client = home.client()
    body = {"source": SOLUTIONS["reference"]}
    await finished(client, (await client.post(f"{API}/token-bucket/runs", json=body)).json())
    assert (await client.get("/api/v1/practice/skills")).json() == []
    await finished(client, (await client.post(f"{API}/token-bucket/runs", json={**body, "hidden": True})).json())
    skills = {one["dimension"]: one["mean"] for one in (await client.get("/api/v1/practice/skills")).json()}
    assert set(skills) == {"correctness", "domain"} and min(skills.values()) > 2


@pytest.mark.parametrize("people", [1, 2])
async def test_without_bubblewrap_one_person_may_agree_and_several_may_not(
    home: Composed, monkeypatch: pytest.MonkeyPatch, people: int
) -> None:
    """The code that was typed is on the page again; several people's server runs nobody's code."""
    monkeypatch.setattr("reelwright.practice.adapters.sandbox.bubblewrap_works", lambda: False)
    clients = [await home.session(await home.person(f"person {number}")) for number in range(people)]
    form = {"source": "mine = 1", "csrf": clients[0].headers["X-CSRF-Token"]}
    refused = await clients[0].post("/practice/labs/token-bucket", data=form)
    assert refused.status_code == 403 and "mine = 1" in refused.text
    assert ('name="agreed"' in refused.text) is (people == 1)
    agreed = await clients[0].post("/practice/labs/token-bucket", data={**form, "agreed": "yes"})
    assert agreed.status_code == (303 if people == 1 else 403)


async def test_others_runs_and_unknown_labs_are_not_found(home: Composed, monkeypatch: pytest.MonkeyPatch) -> None:
    """A run belongs to one person, and is deleted with everything else."""
    monkeypatch.setattr(sandbox, "choose_confinement", lambda **_: "limits")
    ada, bob = [await home.session(await home.person(name)) for name in ("Ada", "Bob")]
    assert (await ada.post(f"{API}/nothing/runs", json={"source": ""})).status_code == 404
    assert (await ada.get("/practice/labs/nothing")).status_code == 404
    if not bubblewrap_works():
        return
    run = (await ada.post(f"{API}/token-bucket/runs", json={"source": "broken ("})).json()
    assert (await bob.get(f"{API}/token-bucket/runs/{run['id']}")).status_code == 404
    await finished(ada, run)
    await ada.delete("/api/v1/practice/everything")
    assert (await ada.get(f"{API}/token-bucket/runs")).json() == []


@bubblewrap
async def test_stopping_the_service_ends_the_code_that_runs(tmp_path: Path) -> None:
    """A loop without end does not keep the service from stopping."""
    async with composed(tmp_path) as home:
        client = home.client()
        run = (await client.post(f"{API}/token-bucket/runs", json={"source": ENDLESS})).json()
        with anyio.fail_after(60):
            while not (await client.get(f"{API}/token-bucket/runs/{run['id']}")).json()["log"]:
                await anyio.sleep(0.02)
    assert not list(sandbox._LIVE) or all(
        box._process is None or box._process.poll() is not None for box in sandbox._LIVE
    )


@bubblewrap
async def test_a_class_waits_its_turn_and_nobody_takes_all_turns(
    home: Composed, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two of one person's run; the third is refused, and another person's waits, says so, and is not given up."""
    monkeypatch.setattr(labs, "SILENT_MS", 1500)
    monkeypatch.setattr(labs, "BEAT_S", 0.2)
    ada, bob = [await home.session(await home.person(name)) for name in ("Ada", "Bob")]
    body = {"source": ENDLESS}
    at_once = await asyncio.gather(*(ada.post(f"{API}/token-bucket/runs", json=body) for _ in range(6)))
    assert sorted(one.status_code for one in at_once) == [202, 202, 409, 409, 409, 409]
    first = next(one for one in at_once if one.status_code == 202)
    third = next(one for one in at_once if one.status_code == 409)
    assert "not finished" in third.json()["detail"]
    form = {"source": "mine = 1", "csrf": ada.headers["X-CSRF-Token"]}
    page = await ada.post("/practice/labs/token-bucket", data=form)
    assert page.status_code == 409 and "not finished" in page.text and "mine = 1" in page.text
    waiting = (await bob.post(f"{API}/token-bucket/runs", json=body)).json()
    with anyio.fail_after(30):
        while not (told := (await bob.get(f"{API}/token-bucket/runs/{waiting['id']}")).json())["log"]:
            await anyio.sleep(0.05)
    assert told["log"] == ["waits for its turn: 2 came before it, 2 run at a time"]
    await anyio.sleep(2.5)
    for client, run in ((ada, first.json()), (bob, waiting)):
        assert (await client.get(f"{API}/token-bucket/runs/{run['id']}")).json()["result"] is None


@bubblewrap
async def test_a_run_whose_service_ended_is_told_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """By the one that was started after it; a new run may begin."""
    monkeypatch.setattr(labs, "SILENT_MS", 500)
    async with composed(tmp_path) as home:
        run = (await home.client().post(f"{API}/token-bucket/runs", json={"source": ENDLESS})).json()
    await anyio.sleep(0.6)
    async with composed(tmp_path) as home:
        told = await finished(home.client(), run)
        assert told["result"]["valid"] == "unknown" and "the service ended" in told["result"]["reason"]


@pytest.mark.parametrize("predicted", ["many", "1e", "--"])
async def test_a_prediction_that_is_no_number_is_told(home: Composed, predicted: str) -> None:
    """Nothing is run."""
    client = home.client()
    refused = await client.post("/practice/labs/token-bucket", data={"source": "", "predicted": predicted})
    assert refused.status_code == 400
    assert (await client.get(f"{API}/token-bucket/runs")).json() == []


@bubblewrap
async def test_what_a_picture_shows_is_said_beside_it(home: Composed) -> None:
    """A counter-example's own words are there for those who see it as well, and code in a brief is code."""
    client = home.client()
    source = solutions(LABS["bitrate"])["wrong_always_highest"]
    begun = await client.post("/practice/labs/bitrate", data={"source": source, "predicted": "", "do": "practise"})
    run = (await client.get(f"{API}/bitrate/runs")).json()[0]
    assert (await finished(client, run))["result"]["valid"] == "false"
    told = (await client.get(begun.headers["location"])).text
    assert "<figcaption" in told and told.count("dots for the rung asked for") == 2
    assert "<code>class Bitrate</code>" in told
