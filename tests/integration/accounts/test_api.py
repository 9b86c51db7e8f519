"""Accounts over HTTP: who is let in, what is asked of browsers, and how it is refused."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from tests.composed import PASSWORD, URL, Composed, composed

from reelwright.accounts.core import rules
from reelwright.lake.adapters.sql import digest_of

pytestmark = pytest.mark.anyio


@pytest.fixture
async def home(tmp_path: Path) -> AsyncIterator[Composed]:
    """The whole application on SQLite."""
    async with composed(tmp_path) as made:
        yield made


async def test_over_tls_the_session_cookie_is_locked_to_this_host(tmp_path: Path) -> None:
    """`__Host-`: Secure, no Domain, path /; HttpOnly and SameSite beside."""
    async with composed(tmp_path, public_url="https://films.example") as home:
        await home.person("Ada")
        response = await home.client().post("/api/v1/session", json={"name": "Ada", "password": PASSWORD})
    assert response.status_code == 200, response.text
    cookie = next(
        value for value in response.headers.get_list("set-cookie") if value.startswith("__Host-rw_session=")
    )
    parts = {part.strip().lower().split("=")[0]: part for part in cookie.split(";")[1:]}
    assert {"secure", "httponly", "samesite", "path"} <= set(parts) and "domain" not in parts
    assert parts["path"].strip() == "Path=/"


@pytest.mark.parametrize("settings", [{}, {"lan_without_tls": True, "host": "192.168.1.9"}])
async def test_plain_http_gets_a_cookie_that_every_browser_keeps(tmp_path: Path, settings: dict[str, Any]) -> None:
    """On a LAN all browsers drop `__Host-` and Secure cookies, from this machine Safari does."""
    async with composed(tmp_path, **settings) as home:
        await home.person("Ada")
        response = await home.client().post("/api/v1/session", json={"name": "Ada", "password": PASSWORD})
        cookie = response.headers.get_list("set-cookie")[0]
        assert cookie.startswith("rw_session=") and "secure" not in cookie.lower() and "httponly" in cookie.lower()


async def test_a_class_signs_in_from_one_address_and_who_guesses_there_does_not(tmp_path: Path) -> None:
    """What fits is not counted, and gives nothing back of what was guessed."""
    async with composed(tmp_path, limits={"sign_in": "3/hour"}) as home:
        await home.person("Ada")
        good, bad = {"name": "Ada", "password": PASSWORD}, {"name": "Ada", "password": "a wrong guess"}
        fitting = [(await home.client().post("/api/v1/session", json=good)).status_code for _ in range(8)]
        assert fitting == [200] * 8
        tried = [(await home.client().post("/api/v1/session", json=one)).status_code for one in (bad, good) * 4]
        assert tried == [401, 200, 401, 200, 401, 429, 429, 429]


async def test_who_guesses_the_password_of_a_browser_that_is_signed_in_is_slowed_down_too(tmp_path: Path) -> None:
    """A child at the family's television could try the grown-ups' password as fast as it types."""
    async with composed(tmp_path, limits={"sign_in": "3/hour"}) as home:
        user_id = await home.person("Ada")
        child = await home.session(user_id, await home.profile(user_id, kids=True))
        guess = {"current": "a wrong guess", "password": "a quite new sentence"}
        tried = [(await child.put("/api/v1/session/password", json=guess)).status_code for _ in range(2)]
        form = {**guess, "do": "password", "csrf": child.headers["X-CSRF-Token"]}
        tried += [(await child.post("/settings", data=form)).status_code for _ in range(3)]
        assert tried == [403, 403, 403, 429, 429]


async def test_of_too_many_sessions_the_oldest_ends(home: Composed, monkeypatch: pytest.MonkeyPatch) -> None:
    """Signing in without end fills no table."""
    monkeypatch.setattr(rules, "SESSIONS_MOST", 3)
    ada, bob = await home.person("Ada"), await home.session(await home.person("Bob"))
    first, *rest = [await home.session(ada) for _ in range(4)]
    assert (await first.get("/api/v1/profiles")).status_code == 401
    assert [(await one.get("/api/v1/profiles")).status_code for one in (*rest, bob)] == [200] * 4


async def test_set_up_signs_the_administrator_in(home: Composed) -> None:
    """The one-time code opens the page once; the answer carries the session."""
    code = await home.accounts.issue_setup_code()
    form = {"code": code, "name": "Ada", "password": PASSWORD}
    response = await home.client().post("/api/v1/setup", json=form)
    assert response.status_code == 201 and "rw_session=" in response.headers["set-cookie"]
    assert (await home.client().post("/api/v1/setup", json=form)).status_code == 409


async def test_an_unsafe_request_carries_the_csrf_value(home: Composed) -> None:
    """Without it, with another session's, or from another site, it is refused; a GET needs none."""
    ada, bob = await home.session(await home.person("Ada")), await home.session(await home.person("Bob"))
    good = ada.headers["X-CSRF-Token"]
    body = {"name": "New"}
    for value in ("", "x", bob.headers["X-CSRF-Token"]):
        ada.headers["X-CSRF-Token"] = value
        response = await ada.post("/api/v1/profiles", json=body)
        assert response.status_code == 403 and "X-CSRF-Token" in response.json()["detail"]
        assert (await ada.get("/api/v1/profiles")).status_code == 200
    ada.headers["X-CSRF-Token"] = good
    for headers in ({"Origin": "https://evil.example"}, {"Origin": "null"}, {"Sec-Fetch-Site": "cross-site"}):
        assert (await ada.post("/api/v1/profiles", json=body, headers=headers)).status_code == 403
    own = {"Origin": URL, "Sec-Fetch-Site": "same-origin"}
    assert (await ada.post("/api/v1/profiles", json=body, headers=own)).status_code == 201


async def test_another_host_name_is_not_answered(home: Composed) -> None:
    """A page that resolves its own name to us reads nothing."""
    response = await home.client().get("/api/v1/session", headers={"Host": "evil.example"})
    assert response.status_code == 421
    assert response.headers["content-type"] == "application/problem+json"


async def test_a_read_token_reads_and_no_more(home: Composed) -> None:
    """The scope decides before the route does."""
    ada = await home.session(await home.person("Ada", "admin"))
    tokens = {}
    for scope in ("read", "watch", "edit", "admin"):
        response = await ada.post("/api/v1/tokens", json={"name": scope, "scopes": [scope]})
        assert response.status_code == 201 and response.headers["cache-control"] == "no-store"
        tokens[scope] = home.client(Authorization=f"Bearer {response.json()['token']}")
    assert (await tokens["read"].get("/api/v1/titles")).status_code == 200
    refused = await tokens["read"].put("/api/v1/thumbs/x", json={"value": 1})
    assert refused.status_code == 403 and "scope" in refused.json()["detail"]
    assert (await tokens["edit"].get("/api/v1/media/jobs")).status_code == 200
    assert (await tokens["watch"].get("/api/v1/media/jobs")).status_code == 403
    assert (await tokens["edit"].get("/api/v1/users")).status_code == 403
    assert (await tokens["admin"].get("/api/v1/users")).status_code == 200
    stranger = home.client(Authorization="Bearer rw_made_up")
    assert (await stranger.get("/api/v1/titles")).status_code == 401


async def test_a_token_beside_a_cookie_acts_as_the_token(home: Composed) -> None:
    """Neither lends the other its rights."""
    ada = await home.session(await home.person("Ada", "admin"))
    token = (await ada.post("/api/v1/tokens", json={"name": "t", "scopes": ["read"]})).json()["token"]
    both = home.client(Authorization=f"Bearer {token}", Cookie=ada.headers["Cookie"])
    assert (await both.get("/api/v1/users")).status_code == 403
    assert (await both.delete("/api/v1/session")).status_code == 403
    assert (await ada.get("/api/v1/session")).json()["kind"] == "session"


@pytest.mark.parametrize(
    "header", ["", ";;;=;", "a=1; rw_session", '"\\"; rw_session=x.y.z', "x" * 20_000, "café=ü; a=b"]
)
async def test_strange_cookies_are_nobody(home: Composed, header: str) -> None:
    """A browser brings cookies of other programs on the same host; none may break ours."""
    response = await home.client().get("/api/v1/session", headers=[(b"Cookie", header.encode("latin-1"))])
    assert response.status_code == 200 and response.json()["kind"] == "nobody"


async def test_foreign_cookies_around_ours_do_not_hide_it(home: Composed) -> None:
    """Names that Python's own parser stumbles over included."""
    ada = await home.session(await home.person("Ada"))
    cookie = f'json={{"a":1}}; bad name=3; {ada.headers["Cookie"]}; trailing'
    assert (await home.client().get("/api/v1/session", headers={"Cookie": cookie})).json()["kind"] == "session"


async def test_wrong_pins_are_told_when_to_come_again(home: Composed) -> None:
    """429 with Retry-After after three."""
    user = await home.person("Ada")
    guarded = await home.profile(user, pin="2468")
    ada = await home.session(user)
    said = [
        await ada.put("/api/v1/session/profile", json={"profile_id": guarded.id, "pin": "1111"}) for _ in range(4)
    ]
    assert [response.status_code for response in said] == [403, 403, 403, 429]
    assert 1 <= int(said[-1].headers["retry-after"]) <= 5, "the wait has begun, however long the answers took"


async def test_people_are_administered_by_administrators(home: Composed) -> None:
    """Add, change, shut out, give a new password; viewers and editors are refused."""
    admin = await home.session(await home.person("Root", "admin"))
    form = {"name": "Bob", "password": PASSWORD, "role": "editor"}
    bob = (await admin.post("/api/v1/users", json=form)).json()
    assert bob["role"] == "editor" and "password" not in bob
    assert (await admin.post("/api/v1/users", json=form)).status_code == 409
    assert (await admin.patch(f"/api/v1/users/{bob['id']}", json={"role": "viewer"})).json()["role"] == "viewer"
    assert (await admin.patch("/api/v1/users/nobody", json={})).status_code == 404
    put = await admin.put(f"/api/v1/users/{bob['id']}/password", json={"password": "a brand new one"})
    assert put.status_code == 204
    for role in ("viewer", "editor"):
        other = await home.session(await home.person(role, role))
        assert (await other.get("/api/v1/users")).status_code == 403
        assert (await other.post("/api/v1/users", json=form)).status_code == 403


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"[]",
        b'{"name": "x"}',
        b'{"name": "x", "password": "short"}',
        b'{"name": "x", "password": "long enough", "more": 1}',
        b'{"name": 7, "password": "long enough"}',
        b'{"name": "x", "password": "long enough", "role": "anonymous"}',
        b'{"name": "\\ud800", "password": "long enough"}',
        b"\xff\xfe",
        b"[" * 100_000,
    ],
)
async def test_bad_input_is_a_problem_that_says_what_is_wrong(home: Composed, body: bytes) -> None:
    """400 as problem+json, never 500, and nobody is made."""
    admin = await home.session(await home.person("Root", "admin"))
    response = await admin.post("/api/v1/users", content=body, headers={"Content-Type": "application/json"})
    assert response.status_code == 400, response.text
    assert response.headers["content-type"] == "application/problem+json"
    assert response.json()["type"].startswith("https://reelwright.dev/problems/")
    assert len((await admin.get("/api/v1/users")).json()) == 1


async def test_a_profile_is_checked_field_by_field(home: Composed) -> None:
    """The problem names the field that is wrong."""
    ada = await home.session(await home.person("Ada"))
    for field, value in (
        ("avatar", "dragon"),
        ("language", "english!"),
        ("maturity_limit", -1),
        ("maturity_limit", 1001),
        ("pin", "12"),
        ("name", ""),
        ("name", "x" * 65),
    ):
        response = await ada.post("/api/v1/profiles", json={"name": "New", field: value})
        assert response.status_code == 400
        assert field in response.text, response.text


async def test_what_a_removed_profile_watched_is_erased(home: Composed) -> None:
    """By the API as by the page; of one that stays, nothing."""
    root = await home.session(await home.person("Root", "admin"))
    ada = await home.session(await home.person("Ada"))
    made = [await ada.post("/api/v1/profiles", json={"name": name}) for name in ("Kim", "Lou")]
    first, second = (response.json()["id"] for response in made)
    assert (await ada.delete(f"/api/v1/profiles/{first}")).status_code == 204
    form = {"do": "delete", "csrf": ada.headers["X-CSRF-Token"]}
    page = await ada.post(f"/profiles/{second}", data=form)
    assert page.status_code == 303, page.text
    (last,) = (await ada.get("/api/v1/profiles")).json()
    assert (await ada.delete(f"/api/v1/profiles/{last['id']}")).status_code == 409
    asked = (await root.get("/api/v1/analytics/erasures")).json()
    assert {row["digest"] for row in asked} == {digest_of(first), digest_of(second)}


async def test_no_cache_that_people_share_keeps_an_answer(home: Composed) -> None:
    """Each says so itself; of one that says nothing a cache may guess how long it holds."""
    user_id = await home.person("Ada", role="admin")
    client = await home.session(user_id, await home.profile(user_id))
    paths = (await client.get("/api/v1/openapi.json")).json()["paths"]
    asked = [path for path, methods in paths.items() if "get" in methods and "{" not in path and "stream" not in path]
    assert len(asked) > 30
    for path in ("/", "/settings", "/practice/data/practice.json", *asked):
        told = (await client.get(path)).headers.get("cache-control", "")
        assert "private" in told or "no-store" in told, (path, told)
