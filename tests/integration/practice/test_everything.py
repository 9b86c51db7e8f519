"""Everything of a person can be taken away, and deleted so that no byte of it stays."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import sqlalchemy as sa
from tests.composed import Composed, composed
from tests.engines import PostgresServer

from reelwright.kernel.ids import new_id
from reelwright.practice.adapters import lab_runs
from reelwright.practice.adapters.bank import load_questions

pytestmark = pytest.mark.anyio
API = "/api/v1/practice"
MARK = "Xylophone7Quartz"
"""In everything that the person gives."""


@pytest.fixture
async def home(tmp_path: Path) -> AsyncIterator[Composed]:
    """The application, with nobody signed up."""
    async with composed(tmp_path / "data") as made:
        yield made


def files_with(folder: Path, text: str) -> list[str]:
    """Names of files that hold the text, whatever they are."""
    return [one.name for one in folder.rglob("*") if one.is_file() and text.encode() in one.read_bytes()]


async def give_everything(home: Composed, person: str) -> None:
    """A draft, an answer under a key, an opinion, a story, a CV, an offer, a lab's run, a panel's answer."""
    client = await home.session(person)  # type: ignore[arg-type]
    interview = (await client.post(f"{API}/interviews", json={"stage": "phone"})).json()["id"]
    draft = {"turn": 0, "text": f"{MARK} draft " * 400}
    assert (await client.put(f"{API}/interviews/{interview}/draft", json=draft)).status_code == 204
    answer = {"turn": 0, "text": f"{MARK} answer " * 400}
    keyed = {"Idempotency-Key": "once-and-no-more-than-once"}
    path = f"{API}/interviews/{interview}/answers"
    assert (await client.post(path, json=answer, headers=keyed)).status_code == 201
    opinion = {"kind": "human", "name": MARK, "form": {}}
    assert (await client.post(f"{API}/interviews/{interview}/turns/0/opinions", json=opinion)).status_code == 201
    assert (await client.post(f"{API}/stories", json={"title": MARK, "situation": MARK * 200})).status_code == 201
    cv = {"name": "CV", "text": f"I built {MARK} for 3 million users."}
    assert (await client.put(f"{API}/projects/cv", json=cv)).status_code == 200
    assert (await client.post(f"{API}/pay/offers", json={"name": MARK})).status_code == 201
    await home.resources.database.write(
        lab_runs.put_run, id=new_id(), person=person, lab="token-bucket", hidden=False, source=f"# {MARK}",
        predicted=None, log=[], result=None, created_ms=1,
    )  # fmt: skip
    body = {"candidate": MARK, "role": "senior", "question_ids": [load_questions()[0].id], "interviewers": ["Kim"]}
    tokens = list((await client.post(f"{API}/panels", json=body)).json()["tokens"].values())
    await client.post(f"/api/v1/invited/{tokens[0]}/consent")
    written = {"number": 0, "text": f"{MARK} written " * 400}
    assert (await client.put(f"/api/v1/invited/{tokens[0]}/answers", json=written)).status_code == 204


async def test_the_export_holds_all_that_was_given(home: Composed) -> None:
    """Every kind of thing, in one document."""
    person = await home.person("Ada")
    await give_everything(home, person)
    client = await home.session(person)
    for path in (f"{API}/export", "/practice/data/practice.json"):
        taken = (await client.get(path)).json()
        assert len(taken["interviews"]) == len(taken["lab_runs"]) == len(taken["panels"]) == 1
        assert taken["interviews"][0]["turns"][0]["answer"].count(MARK) == 400
        assert set(taken["notes"]) == {"story", "project", "offer"} and taken["audit"]
        assert taken["opinions"][taken["interviews"][0]["id"]]["0"][0]["grader"] == f"human:{MARK}"


async def test_the_export_holds_more_runs_than_a_page_lists(home: Composed) -> None:
    """Who takes theirs away before they delete it loses none."""
    person = await home.person("Ada")

    def put_all(connection: sa.Connection) -> None:
        for number in range(501):
            lab_runs.put_run(
                connection, id=new_id(), person=person, lab="token-bucket", hidden=True, source=f"# {number}",
                predicted=None, log=[], result=None, created_ms=number, beat_ms=number,
            )  # fmt: skip

    await home.resources.database.write(put_all)
    taken = (await (await home.session(person)).get(f"{API}/export")).json()["lab_runs"]
    assert len({one["source"] for one in taken}) == 501


async def test_after_deletion_no_byte_of_it_is_in_any_file(home: Composed, tmp_path: Path) -> None:
    """Neither in tables, free pages, the write-ahead log, nor among answers kept under Idempotency-Keys."""
    person = await home.person("Ada")
    await give_everything(home, person)
    assert files_with(tmp_path, MARK), "the search finds what is there"
    other = await home.session(await home.person("Bob"))
    await other.post(f"{API}/stories", json={"title": "Bob's own"})
    client = await home.session(person)
    page = (await client.get("/practice/data")).text
    assert all(
        f"<li>{one}</li>" in page for one in ("1 story", "1 offer", "1 interview", "1 run of a lab", "0 loops")
    )
    form = {"csrf": client.headers["X-CSRF-Token"], "word": "no"}
    assert (await client.post("/practice/data", data=form)).status_code == 400
    assert files_with(tmp_path, MARK)
    assert (await client.post("/practice/data", data={**form, "word": "Delete"})).status_code == 303
    assert files_with(tmp_path, MARK) == []
    taken = (await client.get(f"{API}/export")).json()
    assert not any(taken.values())
    assert len((await other.get(f"{API}/stories")).json()) == 1


async def test_the_route_deletes_as_the_page_does(home: Composed, tmp_path: Path) -> None:
    """DELETE /everything, and a second time."""
    person = await home.person("Ada")
    await give_everything(home, person)
    client = await home.session(person)
    for _ in range(2):
        assert (await client.delete(f"{API}/everything")).status_code == 204
    assert files_with(tmp_path, MARK) == []


async def test_after_deletion_no_byte_of_it_is_in_a_file_of_postgresql(
    own_postgres: PostgresServer, tmp_path: Path
) -> None:
    """Tables are rewritten at once, and not when a vacuum comes by."""
    async with composed(tmp_path / "data", database=own_postgres.url) as home:
        person = await home.person("Ada")
        await give_everything(home, person)
        own_postgres.checkpoint()
        assert files_with(own_postgres.tables, MARK), "the search finds what is there"
        client = await home.session(person)
        assert (await client.delete(f"{API}/everything")).status_code == 204
        own_postgres.checkpoint()
        assert files_with(own_postgres.tables, MARK) == []
