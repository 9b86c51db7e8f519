"""A creating request with an Idempotency-Key is done once, on both engines."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import sqlalchemy as sa
from tests.composed import Composed, composed

from reelwright.accounts.adapters import replies, sql
from reelwright.accounts.adapters.replies import KEPT_MS
from reelwright.kernel.clock import VirtualClock

pytestmark = pytest.mark.anyio
KEY = {"Idempotency-Key": '"8e03978e-40d5-43dd-bc93-6894a57f9324"'}


@pytest.fixture
async def home(database_url: str, tmp_path: Path) -> AsyncIterator[Composed]:
    """The whole application on each engine."""
    async with composed(tmp_path, database=database_url) as made:
        yield made


async def admin(home: Composed, name: str = "Ada") -> httpx.AsyncClient:
    """An administrator's browser, watching as nobody."""
    return await home.session(await home.person(name, role="admin"))


async def names(client: httpx.AsyncClient) -> list[str]:
    """The household's profiles."""
    return [profile["name"] for profile in (await client.get("/api/v1/profiles")).json()]


async def test_the_second_time_is_answered_and_not_done(home: Composed) -> None:
    """The same status, body and fields, marked as replayed; one profile."""
    ada = await admin(home)
    first, second = [await ada.post("/api/v1/profiles", json={"name": "Kim"}, headers=KEY) for _ in range(2)]
    assert first.status_code == second.status_code == 201, second.text
    assert first.content == second.content and first.headers["content-type"] == second.headers["content-type"]
    assert "idempotent-replayed" not in first.headers and second.headers["idempotent-replayed"] == "true"
    assert (await names(ada)).count("Kim") == 1


async def test_many_at_once_make_one(home: Composed) -> None:
    """Who comes while the first is at work is told to wait, or hears its answer."""
    ada = await admin(home)
    post = [ada.post("/api/v1/profiles", json={"name": "Kim"}, headers=KEY) for _ in range(8)]
    statuses = {answer.status_code for answer in await asyncio.gather(*post)}
    assert statuses <= {201, 409} and 201 in statuses
    assert (await names(ada)).count("Kim") == 1


async def test_a_key_is_for_one_request(home: Composed) -> None:
    """Another body or another path under it is refused, and does nothing."""
    ada = await admin(home)
    await ada.post("/api/v1/profiles", json={"name": "Kim"}, headers=KEY)
    for path, body in (
        ("/api/v1/profiles", {"name": "Lee"}),
        ("/api/v1/users", {"name": "Lee", "password": "correct horse", "role": "viewer"}),
    ):
        answer = await ada.post(path, json=body, headers=KEY)
        assert answer.status_code == 422 and answer.json()["type"].endswith("idempotency-key-reused")
    assert "Lee" not in await names(ada)


async def test_a_refused_request_may_be_mended_under_its_key(home: Composed) -> None:
    """Nothing was made, so nothing is kept."""
    ada = await admin(home)
    assert (await ada.post("/api/v1/profiles", json={"name": 7}, headers=KEY)).status_code == 400
    assert (await ada.post("/api/v1/profiles", json={"name": "Kim"}, headers=KEY)).status_code == 201


async def test_keys_are_a_users_own(home: Composed) -> None:
    """Bob's request under Ada's key is his own: done, and his answer is not hers."""
    ada, bob = await admin(home), await admin(home, "Bob")
    hers = await ada.post("/api/v1/profiles", json={"name": "Kim"}, headers=KEY)
    his = await bob.post("/api/v1/profiles", json={"name": "Kim"}, headers=KEY)
    assert his.status_code == 201 and his.json()["id"] != hers.json()["id"]


async def test_a_secret_is_not_kept(home: Composed) -> None:
    """A token is shown once: asked again, the service says that it was made, and makes no second one."""
    ada = await admin(home)
    form = {"name": "script", "scopes": ["read"]}
    first, second = [await ada.post("/api/v1/tokens", json=form, headers=KEY) for _ in range(2)]
    assert first.status_code == 201, first.text
    assert second.status_code == 409 and second.json()["type"].endswith("already-done")
    assert len((await ada.get("/api/v1/tokens")).json()) == 1
    with home.resources.database.reading() as connection:
        kept = [dict(row._mapping) for row in connection.execute(sa.select(sql.REPLIES))]
    assert len(kept) == 1 and first.json()["token"] not in repr(kept)


async def test_death_in_the_midst_is_told(home: Composed, monkeypatch: pytest.MonkeyPatch) -> None:
    """The process went away between the work and the answer: the key never makes the thing twice."""
    ada = await admin(home)
    replies = home.wiring.dependencies["replies"]

    async def dies(*_: Any, **__: Any) -> None:
        raise asyncio.CancelledError  # nothing after this line runs, as after a kill

    monkeypatch.setattr(replies, "end", dies)
    with pytest.raises(asyncio.CancelledError):
        await ada.post("/api/v1/profiles", json={"name": "Kim"}, headers=KEY)
    monkeypatch.undo()
    again = await ada.post("/api/v1/profiles", json={"name": "Kim"}, headers=KEY)
    assert again.status_code == 409 and again.json()["type"].endswith("outcome-unknown")
    assert (await names(ada)).count("Kim") == 1


async def test_an_upload_is_begun_once(home: Composed) -> None:
    """The answer is its address, without a body."""
    ada = await admin(home)
    about = {"Tus-Resumable": "1.0.0", "Upload-Length": "9", "Upload-Metadata": "filename YS5tcDQ="}
    first, second = [await ada.post("/api/v1/uploads", headers={**KEY, **about}) for _ in range(2)]
    assert first.status_code == second.status_code == 201, second.text
    assert first.headers["location"] == second.headers["location"]


@pytest.mark.parametrize("key", [b"", b'""', b"two words", b"x" * 256, "ключ".encode()])
async def test_a_bad_key_is_refused(home: Composed, key: bytes) -> None:
    """It says what a key is."""
    ada = await admin(home)
    answer = await ada.post("/api/v1/profiles", json={"name": "Kim"}, headers={b"Idempotency-Key": key})
    assert answer.status_code == 400 and "Idempotency-Key" in answer.json()["detail"]


async def test_a_day_later_the_key_is_new(home: Composed, monkeypatch: pytest.MonkeyPatch) -> None:
    """Answers do not pile up."""
    ada, clock = await admin(home), VirtualClock()
    monkeypatch.setattr(home.wiring.dependencies["replies"], "_clock", clock)
    await ada.post("/api/v1/profiles", json={"name": "Kim"}, headers=KEY)
    clock.advance(KEPT_MS / 1000 + 1)
    assert (await ada.post("/api/v1/profiles", json={"name": "Lee"}, headers=KEY)).status_code == 201


async def test_a_body_without_end_is_refused(home: Composed) -> None:
    """It is not gathered in memory."""
    ada = await admin(home)
    answer = await ada.post(
        "/api/v1/profiles", content=b" " * (3 << 20), headers={**KEY, "Content-Type": "application/json"}
    )
    assert answer.status_code == 413


async def test_a_long_answer_is_not_kept(home: Composed, monkeypatch: pytest.MonkeyPatch) -> None:
    """Only that it was given; the request is still done once."""
    monkeypatch.setattr(replies, "KEPT_BYTES", 10)
    ada = await admin(home)
    first, second = [await ada.post("/api/v1/profiles", json={"name": "Kim"}, headers=KEY) for _ in range(2)]
    assert first.status_code == 201 and second.status_code == 409, second.text
    assert second.json()["type"].endswith("already-done") and (await names(ada)).count("Kim") == 1
    rows = await home.resources.database.read(lambda connection: connection.execute(sa.select(sql.REPLIES)).all())
    assert [row.body for row in rows] == [None]


async def test_a_persons_keys_are_bounded(home: Composed, monkeypatch: pytest.MonkeyPatch) -> None:
    """The oldest go for new ones; the newest still holds, and nobody else's are touched."""
    monkeypatch.setattr(replies, "KEYS_MOST", 3)
    ada, bob = await admin(home), await admin(home, "Bob")
    await bob.post("/api/v1/profiles", json={"name": "Kim"}, headers=KEY)
    for number in range(6):
        body, key = {"name": f"Kim {number}"}, {"Idempotency-Key": str(number)}
        last = [await ada.post("/api/v1/profiles", json=body, headers=key) for _ in range(2)][1]
    assert last.headers["idempotent-replayed"] == "true"
    rows = await home.resources.database.read(lambda connection: connection.execute(sa.select(sql.REPLIES)).all())
    assert len(rows) <= 4 and sum(row.key == KEY["Idempotency-Key"].strip('"') for row in rows) == 1
