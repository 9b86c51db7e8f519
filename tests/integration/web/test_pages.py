"""Pages: what they answer, to whom, and what they never let through."""

from __future__ import annotations

import re
import time
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest
import sqlalchemy as sa
from tests.composed import Composed, composed

from reelwright.kernel.ids import UserId
from reelwright.media.adapters.sql import ASSETS
from reelwright.web import studio

pytestmark = pytest.mark.anyio
HOSTILE = "<script>alert(1)</script>\"'&{{7*7}}"
VIEWER_PAGES = (
    "/",
    "/search",
    "/search?q=film",
    "/my-list",
    "/profiles",
    "/profiles/new",
    "/settings",
    "/offline",
    "/api",
)
EDITOR_PAGES = ("/studio", "/studio/titles", "/studio/upload", "/studio/jobs")
ADMIN_PAGES = ("/studio/health", "/studio/cdn", "/studio/limits", "/studio/limits/replay", "/studio/people")


@pytest.fixture
async def home(tmp_path: Path) -> AsyncIterator[Composed]:
    """The application with one administrator."""
    async with composed(tmp_path) as made:
        await made.person("Ada", "admin")
        yield made


async def browser(home: Composed, name: str = "Ada") -> tuple[httpx.AsyncClient, UserId]:
    """Somebody's browser, watching as their first profile."""
    user = await home.accounts.find_user(name)
    assert user is not None
    caller = await home.accounts.authenticate(cookie=await home.accounts.open_session(user.id), bearer=None)
    profile = (await home.accounts.list_profiles(caller))[0]
    return await home.session(user.id, profile), user.id


@pytest.mark.parametrize("text", ["http://[", "//[", "//\uff03"])
async def test_what_is_no_address_is_nobodys_fault_but_the_senders(home: Composed, text: str) -> None:
    """A page to go on to, a Referer, an Origin: whoever sends them, none is an error of ours."""
    stranger = home.client()
    asked = await stranger.get("/sign-in", params={"next": text})
    assert asked.status_code == 200 and 'name="next" value="/"' in asked.text
    raw = text.encode("utf-8")
    answered = await stranger.post("/title/x", headers={b"Referer": raw})
    assert (answered.status_code, answered.headers["location"]) == (303, "/sign-in?next=/")
    assert (await stranger.post("/title/x", headers={b"Origin": raw})).status_code == 403


@pytest.mark.parametrize("path", [*VIEWER_PAGES, *EDITOR_PAGES, *ADMIN_PAGES])
async def test_every_page_answers_also_when_empty(home: Composed, path: str) -> None:
    """One heading, one landmark, one place where arrow keys begin, and a policy against foreign scripts."""
    client, _ = await browser(home)
    response = await client.get(path)
    assert response.status_code == 200, response.text[:500]
    assert len(re.findall(r"<h1[ >]", response.text)) == 1
    assert response.text.count('<main id="main"') == 1
    assert "data-nav-initial" in response.text
    policy = response.headers["content-security-policy"]
    assert "script-src 'self';" in policy and "frame-ancestors 'none'" in policy
    # downloads play on the offline page, and the player's controls keep styles of their own
    assert policy.count("unsafe") == (1 if path == "/offline" else 0) and "unsafe-eval" not in policy
    assert response.headers["x-content-type-options"] == "nosniff"


async def test_an_encode_that_failed_is_news_until_its_title_is_removed(home: Composed) -> None:
    """Who has given the film up can do nothing more about it."""
    client, _ = await browser(home)
    title, _ = await home.title("Scratched")
    with home.resources.database.writing() as connection:
        connection.execute(ASSETS.update().values(stage="failed", problem="it is damaged"))
    assert "Scratched.mp4" in (await client.get("/studio")).text
    assert (await client.delete(f"/api/v1/titles/{title.id}")).status_code == 204
    assert "Scratched.mp4" not in (await client.get("/studio")).text


@pytest.mark.parametrize("path", ["/studio", "/my-list", "/title/x", "/watch/x", "/settings"])
async def test_who_is_not_signed_in_is_asked_to_and_comes_back(home: Composed, path: str) -> None:
    """The address that was wanted is kept."""
    response = await home.client().get(path)
    assert (response.status_code, response.headers["location"]) == (303, f"/sign-in?next={path}")


@pytest.mark.parametrize("path", [*EDITOR_PAGES, *ADMIN_PAGES])
async def test_a_viewer_has_no_studio(home: Composed, path: str) -> None:
    """Not the pages, and no way to them in the bar."""
    await home.person("Vic", "viewer")
    client, _ = await browser(home, "Vic")
    assert (await client.get(path)).status_code == 403
    assert "/studio" not in (await client.get("/")).text


async def test_hostile_names_are_text_on_every_page(home: Composed) -> None:
    """Whatever a file or a person is called, it is shown and never run."""
    title, _ = await home.title(HOSTILE, summary=HOSTILE, genres=(HOSTILE,), maturity=0)
    client, user_id = await browser(home)
    await home.profile(user_id, name="<b>x</b> y")
    for path in (
        "/",
        f"/title/{title.id}",
        "/search?q=script",
        "/profiles",
        "/studio/titles",
        f"/studio/titles/{title.id}",
    ):
        text = (await client.get(path)).text
        assert (
            "<script>alert" not in text
            and "<b>x" not in text
            and "&lt;" in text
            and "49" not in re.findall(r"&amp;(..)", text)
        )


async def test_of_many_titles_the_newest_are_shown_and_every_one_is_found(
    home: Composed, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A table of thousands of rows would be no help, and slow."""
    monkeypatch.setattr(studio, "TITLES_SHOWN", 2)
    for number in range(4):
        await home.title(f"Lecture {number}")
    client, _ = await browser(home)
    page = (await client.get("/studio/titles")).text
    assert page.count("/studio/titles/") == 2 and "The newest 2 of 4 titles" in page
    found = (await client.get("/studio/titles?q=lecture 0")).text
    assert found.count("/studio/titles/") == 1 and "The newest" not in found


async def test_a_form_without_its_csrf_value_changes_nothing(home: Composed) -> None:
    """Another site can make a browser send a form, but not know the value."""
    title, _ = await home.title("Kept", maturity=0)
    client, _ = await browser(home)
    response = await client.post(f"/studio/titles/{title.id}", data={"do": "delete"})
    assert response.status_code == 403
    assert (await client.get(f"/title/{title.id}")).status_code == 200


@pytest.mark.parametrize(
    ("kind", "body"),
    [
        ("application/x-www-form-urlencoded", b"a&" * 1_000_000),
        ("multipart/form-data; boundary=x", b'--x\r\nContent-Disposition: form-data; name="a"\r\n\r\n\r\n' * 38_000),
    ],
)
async def test_a_form_of_a_million_fields_is_refused_unread(home: Composed, kind: str, body: bytes) -> None:
    """Taking it apart took five seconds, in which nobody else was answered; anybody can send one."""
    began_s = time.monotonic()
    response = await home.client().post("/sign-in", content=body, headers={"Content-Type": kind})
    assert response.status_code == 400
    assert time.monotonic() - began_s < 1.5


async def test_a_form_of_another_origin_is_refused(home: Composed) -> None:
    """Also sign-in, which has no session yet."""
    response = await home.client(Origin="https://evil.example").post(
        "/sign-in", data={"name": "Ada", "password": "x"}
    )
    assert response.status_code == 403


async def test_sign_in_goes_only_to_places_of_this_service(home: Composed) -> None:
    """`next` cannot send a person elsewhere."""
    for wanted in ("https://evil.example/", "//evil.example", "/\\evil.example", "javascript:alert(1)"):
        data = {"name": "Ada", "password": "correct horse battery", "next": wanted}
        response = await home.client().post("/sign-in", data=data)
        assert (response.status_code, response.headers["location"]) == (303, "/")


@pytest.mark.parametrize(
    ("wanted", "location"),
    [
        ("/a\r\nSet-Cookie: b=c", "/a%0D%0ASet-Cookie:%20b=c"),
        ("/search?q=\u65e5&x=%20", "/search?q=%E6%97%A5&x=%20"),
        ("/title/1#more", "/title/1#more"),
    ],
)
async def test_sign_in_goes_on_to_whatever_address_was_typed(home: Composed, wanted: str, location: str) -> None:
    """Also to one with letters or line ends that a header cannot carry as they are: it was answered 500."""
    data = {"name": "Ada", "password": "correct horse battery", "next": wanted}
    response = await home.client().post("/sign-in", data=data)
    assert (response.status_code, response.headers["location"]) == (303, location)


async def test_a_wrong_password_is_said_beside_the_form(home: Composed) -> None:
    """The name stays, the reason does not tell which of the two was wrong."""
    response = await home.client().post("/sign-in", data={"name": "Ada", "password": "wrong wrong"})
    assert response.status_code == 401 and 'role="alert"' in response.text and 'value="Ada"' in response.text


async def test_saving_and_judging_work_without_scripts(home: Composed) -> None:
    """Plain forms: saved titles stand on the list, and can be taken off."""
    title, _ = await home.title("Low Sun", maturity=0)
    client, _ = await browser(home)
    form = {"csrf": client.headers["X-CSRF-Token"]}
    assert (await client.post(f"/title/{title.id}", data={**form, "do": "save"})).status_code == 303
    assert "Low Sun" in (await client.get("/my-list")).text
    await client.post(f"/title/{title.id}", data={**form, "do": "unsave"})
    assert "Low Sun" not in (await client.get("/my-list")).text


async def test_an_edit_that_another_has_overtaken_is_refused_with_the_reason(home: Composed) -> None:
    """Nobody's change is lost in silence."""
    title, _ = await home.title("First", maturity=0)
    client, _ = await browser(home)
    form = {
        "csrf": client.headers["X-CSRF-Token"],
        "do": "save",
        "revision": "1",
        "genres": "Drama, Nature",
        "year": "",
    }
    assert (await client.post(f"/studio/titles/{title.id}", data={**form, "name": "Second"})).status_code == 303
    late = await client.post(f"/studio/titles/{title.id}", data={**form, "name": "Third"})
    assert late.status_code == 412 and "changed meanwhile" in late.text
    page = (await client.get(f"/title/{title.id}")).text
    assert "Second" in page and "Nature" in page


async def test_pictures_are_shown_only_to_those_who_may_see_the_title(home: Composed) -> None:
    """A picture's address is no way around a profile's limit."""
    home.resources.objects.put("art/x.jpg", b"\xff\xd8\xff picture")
    title, _ = await home.title("Adult", maturity=16, backdrop="art/x.jpg")
    client, user_id = await browser(home)
    shown = await client.get(f"/art/{title.id}/backdrop")
    assert shown.content == b"\xff\xd8\xff picture" and "private" in shown.headers["cache-control"]
    child = await home.profile(user_id, kids=True, name="Kid")
    kid = await home.session(user_id, child)
    assert (await kid.get(f"/art/{title.id}/backdrop")).status_code == 404
    assert (await home.client().get(f"/art/{title.id}/backdrop")).status_code in (303, 401)


@pytest.mark.parametrize("name", ["../../../settings.py", "..%2f..%2fapp%2fcli.py", "nothing.js", ""])
async def test_static_files_stay_in_their_folder(home: Composed, name: str) -> None:
    """Only what the build wrote is served."""
    assert (await home.client().get(f"/static/{name}")).status_code in (404, 405)


async def test_built_files_are_small_on_the_wire_and_kept_for_ever(home: Composed) -> None:
    """Compressed ahead of time, under a name made of the content."""
    page = (await home.client().get("/")).text
    script = re.search(r'<script type="module" src="([^"]+)"', page)
    assert script is not None
    response = await home.client().get(script[1])
    assert response.status_code == 200 and "immutable" in response.headers["cache-control"]
    assert response.headers["content-encoding"] in ("br", "gzip")
    assert "javascript" in response.headers["content-type"]


async def test_the_demo_door_is_open_only_on_a_demo(home: Composed) -> None:
    """Elsewhere nobody gets in without a password."""
    assert (await home.client().post("/demo")).status_code == 404
    assert "Enter the demo" not in (await home.client().get("/")).text


@pytest.mark.parametrize("path", ["/nowhere", "/studio/nowhere/at/all", "/title/nothing"])
async def test_an_unknown_address_says_so_to_whoever_is_there(home: Composed, path: str) -> None:
    """The bar stays theirs, and there are ways on for arrow keys to begin at."""
    client, _ = await browser(home)
    response = await client.get(path)
    assert response.status_code == 404
    assert 'aria-current="page"' in response.text or 'href="/my-list"' in response.text
    assert "Sign out" in response.text and "Sign in" not in response.text
    assert 'class="avatar avatar-new"' not in response.text or path.startswith("/title/"), "the bar has their avatar"
    assert re.search(r'<a class="button primary" href="/" data-nav-initial>', response.text)
    assert (await home.client().get("/nowhere")).status_code == 404


async def test_a_hostile_address_is_text(home: Composed) -> None:
    """What is asked for is said again only as text."""
    response = await home.client().get("/<script>alert(1)</script>")
    assert response.status_code == 404 and "<script>alert" not in response.text


async def test_what_may_work_later_can_be_tried_again(home: Composed) -> None:
    """A failure of ours leads back to the same address."""
    (home.resources.data / "demo.json").write_text("{")
    response = await home.client().get("/")
    assert (
        response.status_code == 500
        and '<a class="button primary" href="/" data-nav-initial>Try again' in response.text
    )


async def test_a_new_password_needs_the_one_before(home: Composed) -> None:
    """Whoever finds a browser signed in cannot take the account over."""
    client, _ = await browser(home)
    form = {"csrf": client.headers["X-CSRF-Token"], "do": "password", "password": "a quite new sentence"}
    refused = await client.post("/settings", data={**form, "current": "wrong wrong"})
    assert refused.status_code == 403 and 'role="alert"' in refused.text
    done = await client.post("/settings", data={**form, "current": "correct horse battery"})
    assert (done.status_code, done.headers["location"]) == (303, "/sign-in")
    signed = await home.client().post("/sign-in", data={"name": "Ada", "password": "a quite new sentence"})
    assert signed.status_code == 303


async def test_the_offline_page_names_nobody(home: Composed) -> None:
    """The service worker keeps it for whoever uses the device next."""
    client, _ = await browser(home)
    page = (await client.get("/offline")).text
    assert "Ada" not in page and "Sign out" not in page


async def test_a_title_says_what_it_is_offered_in(home: Composed) -> None:
    """The best picture, and each language once though its sound is there in two codecs."""
    title, _ = await home.title("Low Sun", maturity=0)
    client, _ = await browser(home)
    page = (await client.get(f"/title/{title.id}")).text
    assert "<span>1080p</span><span>Sound: English</span></p>" in page


async def test_a_title_whose_media_is_lost_still_has_its_page(home: Composed) -> None:
    """What it is offered in is left out."""
    title, _ = await home.title("Low Sun", maturity=0)
    await home.resources.database.write(
        lambda connection: connection.execute(sa.text("UPDATE media_assets SET package = ''"))
    )
    client, _ = await browser(home)
    response = await client.get(f"/title/{title.id}")
    assert response.status_code == 200 and "1080p" not in response.text


async def test_a_viewer_is_not_told_where_the_database_is(home: Composed) -> None:
    """Who runs the service is; both can try again."""
    await home.person("Vic", "viewer")
    (admin, _), (viewer, _) = await browser(home), await browser(home, "Vic")
    await home.resources.database.write(lambda connection: connection.execute(sa.text("DROP TABLE catalog_titles")))
    for client, told in ((admin, True), (viewer, False)):
        response = await client.get("/search")
        assert response.status_code == 503 and "Try again" in response.text
        assert ("sqlite" in response.text) is told
        problem = await client.get("/api/v1/titles")
        assert problem.status_code == 503 and problem.headers["retry-after"]
        assert ("sqlite" in problem.text) is told
        assert ("try again in a moment" in problem.json()["detail"]) is not told
