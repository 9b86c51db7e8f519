"""The viewer's pages: front door, set-up, sign-in, who's watching, home, title, player, search, list, settings."""

from __future__ import annotations

from typing import Annotated, Any, get_args

import msgspec
from litestar import Controller, Request, Response, get, post
from litestar.params import Parameter, QueryParameter

from reelwright.accounts.api import Cookies, session_cookie
from reelwright.accounts.contract import Avatar, Profile, ProfileDraft, Scope, TooManyTries
from reelwright.accounts.service import AccountsService
from reelwright.catalog.contract import Playable, TitleDetail
from reelwright.catalog.service import CatalogService
from reelwright.events.contract import Event, EventsClient, EventType
from reelwright.kernel.clock import SystemClock
from reelwright.kernel.errors import Invalid, NotFound, ReelwrightError, Terminal
from reelwright.kernel.ids import EventId, PlayableId, ProfileId, TitleId, new_id
from reelwright.kernel.objects import ObjectStore
from reelwright.kernel.principal import EVERYTHING, principal_of, require, require_profile
from reelwright.kernel.system import Resources
from reelwright.kernel.units import whole_number
from reelwright.media.service import MediaService
from reelwright.recommend.contract import RecommendClient
from reelwright.web.assets import Assets
from reelwright.web.contract import DEMO_FILE, DemoAccount
from reelwright.web.forms import go, read_form, safe_path
from reelwright.web.render import Renderer
from reelwright.web.service import offers_of

LIMITS = ((0, "Everyone"), (7, "7 and over"), (12, "12 and over"), (16, "16 and over"), (EVERYTHING, "Everything"))
AVATARS: tuple[Avatar, ...] = get_args(Avatar)
SCOPES: tuple[Scope, ...] = get_args(Scope)
PRIVATE = "private, max-age=31536000, immutable"
"""Pictures carry their content's name in the URL, and are shown to those who may see the title only."""


async def profile_of(request: Request[Any, Any, Any], accounts: AccountsService) -> Profile | None:
    """The profile that is watching, for the top bar."""
    profile_id = principal_of(request).profile_id
    return await accounts.get_profile(profile_id) if profile_id else None


def demo_account(request: Request[Any, Any, Any], resources: Resources) -> DemoAccount | None:
    """The demo's account, for requests of this machine to a demo; it needs no password, so nobody else gets it."""
    path = resources.data / DEMO_FILE
    near = request.client is not None and request.client.host in ("127.0.0.1", "::1")
    if not near or resources.settings.trusted_proxies or not path.exists():
        return None
    return msgspec.json.decode(path.read_bytes(), type=DemoAccount)


class DoorPages(Controller):
    """Pages for whoever has not signed in yet, and the choice of a profile."""

    include_in_schema = False

    @get("/")
    async def front(
        self,
        request: Request[Any, Any, Any],
        accounts: AccountsService,
        recommend: RecommendClient,
        resources: Resources,
        renderer: Renderer,
    ) -> Response[Any]:
        """The front door, or home for who is signed in and watching."""
        caller = principal_of(request)
        if caller.kind == "nobody":
            demo = demo_account(request, resources) is not None
            return renderer.page(request, "front.html", ready=await accounts.is_set_up(), demo=demo)
        if caller.profile_id is None:
            return go("/profiles")
        page = await recommend.get_page(caller)
        return renderer.page(request, "home.html", profile=await profile_of(request, accounts), page=page)

    @post("/demo")
    async def enter_demo(
        self,
        request: Request[Any, Any, Any],
        accounts: AccountsService,
        resources: Resources,
        cookie_jar: Cookies,
    ) -> Response[Any]:
        """Sign a visitor of the demo in, and let them watch as its first profile."""
        demo = demo_account(request, resources)
        if demo is None:
            raise NotFound("this is no demo, or it is reached from elsewhere")
        first = demo.profiles[0]
        cookies = [cookie_jar.session(await accounts.open_session(demo.user_id, first))]
        return go("/", cookies=[*cookies, cookie_jar.viewer(accounts.viewer_name(first))])

    @get("/setup")
    async def setup(
        self, request: Request[Any, Any, Any], accounts: AccountsService, renderer: Renderer, code: str = ""
    ) -> Response[Any]:
        """The first run: make the administrator."""
        if await accounts.is_set_up():
            return go("/sign-in")
        return renderer.page(request, "setup.html", code=code[:100], name="", problem="")

    @post("/setup")
    async def set_up(
        self, request: Request[Any, Any, Any], accounts: AccountsService, cookie_jar: Cookies, renderer: Renderer
    ) -> Response[Any]:
        """Make the administrator, sign them in, and go on to their profile."""
        form = await read_form(request, accounts)
        code, name = form.get("code", ""), form.get("name", "")
        try:
            user = await accounts.set_up(code=code, name=name, password=form.get("password", ""))
        except Terminal as error:
            context: dict[str, Any] = {"code": code, "name": name, "problem": str(error)}
            return renderer.page(request, "setup.html", status=error.status, **context)
        return go("/profiles", cookies=[cookie_jar.session(await accounts.open_session(user.id))])

    @get("/sign-in")
    async def sign_in_page(
        self,
        request: Request[Any, Any, Any],
        accounts: AccountsService,
        renderer: Renderer,
        next_path: Annotated[str, QueryParameter(name="next")] = "/",
    ) -> Response[Any]:
        """Name and password."""
        if principal_of(request).kind == "session":
            return go(safe_path(next_path))
        if not await accounts.is_set_up():
            return go("/setup")
        return renderer.page(request, "sign_in.html", next_path=safe_path(next_path), name="", problem="")

    @post("/sign-in")
    async def sign_in(
        self, request: Request[Any, Any, Any], accounts: AccountsService, cookie_jar: Cookies, renderer: Renderer
    ) -> Response[Any]:
        """Check them, and go on to who's watching."""
        form = await read_form(request, accounts)
        name, onwards = form.get("name", ""), safe_path(form.get("next", "/"))
        try:
            value = await accounts.sign_in(name=name, password=form.get("password", ""))
        except Terminal as error:
            context: dict[str, Any] = {"next_path": onwards, "name": name, "problem": str(error)}
            return renderer.page(request, "sign_in.html", status=error.status, **context)
        return go(onwards, cookies=[cookie_jar.session(value), cookie_jar.viewer("")])

    @post("/sign-out")
    async def sign_out(
        self, request: Request[Any, Any, Any], accounts: AccountsService, cookie_jar: Cookies
    ) -> Response[Any]:
        """End the session."""
        await read_form(request, accounts)
        await accounts.sign_out(session_cookie(request))
        return go("/", cookies=[cookie_jar.session(""), cookie_jar.viewer("")])


class ProfilePages(Controller):
    """Who's watching, and what profiles may see."""

    include_in_schema = False
    path = "/profiles"
    guards = (require("viewer"),)

    @get("/")
    async def choose_page(
        self, request: Request[Any, Any, Any], accounts: AccountsService, renderer: Renderer
    ) -> Response[Any]:
        """Who's watching?"""
        profiles = await accounts.list_profiles(principal_of(request))
        current = await profile_of(request, accounts)
        return renderer.page(request, "profiles.html", profile=current, profiles=profiles, problem="", asked="")

    @post("/choose")
    async def choose(
        self, request: Request[Any, Any, Any], accounts: AccountsService, cookie_jar: Cookies, renderer: Renderer
    ) -> Response[Any]:
        """Watch as this profile."""
        form, caller = await read_form(request, accounts), principal_of(request)
        wanted = ProfileId(form.get("profile_id", ""))
        try:
            profile = await accounts.choose_profile(
                caller, session_cookie(request), profile_id=wanted, pin=form.get("pin", "")
            )
        except (Terminal, TooManyTries) as error:
            profiles = await accounts.list_profiles(caller)
            problem = str(error) if form.get("pin") or error.status != 403 else ""
            context: dict[str, Any] = {"profiles": profiles, "problem": problem, "asked": wanted}
            return renderer.page(request, "profiles.html", status=error.status, **context)
        return go("/", cookies=[cookie_jar.viewer(accounts.viewer_name(profile.id))])

    @get("/new")
    async def new_page(
        self, request: Request[Any, Any, Any], accounts: AccountsService, renderer: Renderer
    ) -> Response[Any]:
        """A new profile."""
        return renderer.page(
            request, "profile.html", profile=await profile_of(request, accounts), draft=ProfileDraft(name=""), **_FORM
        )

    @post("/new")
    async def create(
        self, request: Request[Any, Any, Any], accounts: AccountsService, renderer: Renderer
    ) -> Response[Any]:
        """Add it."""
        form = await read_form(request, accounts)
        try:
            await accounts.create_profile(principal_of(request), _draft(form))
        except Terminal as error:
            return self._again(request, renderer, error, draft=ProfileDraft(name=form.get("name", "")))
        return go("/profiles")

    @get("/{profile_id:str}")
    async def edit_page(
        self, request: Request[Any, Any, Any], profile_id: str, accounts: AccountsService, renderer: Renderer
    ) -> Response[Any]:
        """Change a profile."""
        profiles = await accounts.list_profiles(principal_of(request))
        edited = _own(profiles, profile_id)
        context: dict[str, Any] = {**_FORM, "draft": edited, "edited": edited, "last": len(profiles) == 1}
        return renderer.page(request, "profile.html", profile=await profile_of(request, accounts), **context)

    @post("/{profile_id:str}")
    async def change(
        self, request: Request[Any, Any, Any], profile_id: str, accounts: AccountsService, renderer: Renderer
    ) -> Response[Any]:
        """Save it, or remove it."""
        form, caller = await read_form(request, accounts), principal_of(request)
        try:
            if form.get("do") == "delete":
                await accounts.delete_profile(caller, ProfileId(profile_id))
            else:
                await accounts.change_profile(caller, ProfileId(profile_id), _draft(form))
        except Terminal as error:
            edited = _own(await accounts.list_profiles(caller), profile_id)
            return self._again(request, renderer, error, draft=edited, edited=edited)
        return go("/profiles")

    def _again(
        self, request: Request[Any, Any, Any], renderer: Renderer, error: ReelwrightError, **context: Any
    ) -> Response[Any]:
        return renderer.page(
            request, "profile.html", status=error.status, **{**_FORM, "problem": str(error), **context}
        )


_FORM: dict[str, Any] = {"avatars": AVATARS, "limits": LIMITS, "problem": "", "edited": None, "last": False}


def _own(profiles: list[Profile], profile_id: str) -> Profile:
    found = next((profile for profile in profiles if profile.id == profile_id), None)
    if found is None:
        raise NotFound("no such profile")
    return found


def _draft(form: dict[str, str]) -> ProfileDraft:
    """The profile that a form describes. Raises Invalid, naming the field."""
    limit = form.get("maturity_limit", "")
    pin = form.get("pin", "")
    fields = {
        "name": form.get("name", "").strip(),
        "avatar": form.get("avatar", "amber"),
        "language": form.get("language", "en"),
        "maturity_limit": whole_number(limit, 9999) or 0,
        "kids": form.get("kids") == "on",
        "pin": pin if pin or form.get("no_pin") else None,
    }
    try:
        return msgspec.convert(fields, ProfileDraft)
    except msgspec.ValidationError as error:
        raise Invalid(f"the profile cannot be saved: {error}") from error


class WatchPages(Controller):
    """Titles, the player, search, the own list: for whoever watches as a profile."""

    include_in_schema = False
    guards = (require_profile,)

    @get("/title/{title_id:str}")
    async def title(
        self,
        request: Request[Any, Any, Any],
        title_id: str,
        accounts: AccountsService,
        catalog: CatalogService,
        events: EventsClient,
        recommend: RecommendClient,
        media: MediaService,
        renderer: Renderer,
    ) -> Response[Any]:
        """What it is, in two lines; play, resume, episodes, languages, more like this."""
        caller = principal_of(request)
        detail = await catalog.get_title(TitleId(title_id), caller)
        assert caller.profile_id is not None
        watched = {row.playable_id: row for row in await events.list_watched(caller.profile_id)}
        saved = detail.title.id in await events.list_saved(caller.profile_id)
        thumb = (await events.list_thumbs(caller.profile_id)).get(detail.title.id, 0)
        play = _next_to_play(detail, watched)
        return renderer.page(
            request,
            "title.html",
            profile=await profile_of(request, accounts),
            detail=detail,
            play=play,
            offers=await offers_of(media, play),
            watched=watched,
            saved=saved,
            thumb=thumb,
            similar=await recommend.list_similar(detail.title.id, caller),
        )

    @post("/title/{title_id:str}")
    async def say(
        self,
        request: Request[Any, Any, Any],
        title_id: str,
        accounts: AccountsService,
        catalog: CatalogService,
        events: EventsClient,
    ) -> Response[Any]:
        """Save it, or judge it."""
        form, caller = await read_form(request, accounts), principal_of(request)
        await catalog.get_title(TitleId(title_id), caller)
        kind: EventType = "list_change" if form.get("do") in ("save", "unsave") else "thumb"
        value: dict[str, dict[str, Any]] = {
            "save": {"saved": True},
            "unsave": {"saved": False},
            "up": {"value": 1},
            "down": {"value": -1},
        }
        event = Event(
            id=EventId(new_id()),
            type=kind,
            at_ms=SystemClock().wall_ns() // 1_000_000,
            title_id=TitleId(title_id),
            data=value.get(form.get("do", ""), {"value": 0}),
        )
        await events.record([event], profile_id=caller.profile_id)
        return go(safe_path(form.get("back", ""), f"/title/{title_id}"))

    @get("/watch/{playable_id:str}")
    async def watch(
        self,
        request: Request[Any, Any, Any],
        playable_id: str,
        accounts: AccountsService,
        catalog: CatalogService,
        renderer: Renderer,
    ) -> Response[Any]:
        """The picture, edge to edge."""
        title, playable = await catalog.get_playable(PlayableId(playable_id), principal_of(request))
        profile = await profile_of(request, accounts)
        return renderer.page(request, "watch.html", profile=profile, title=title, playable=playable)

    @get("/search")
    async def search(
        self,
        request: Request[Any, Any, Any],
        accounts: AccountsService,
        catalog: CatalogService,
        renderer: Renderer,
        q: Annotated[str, Parameter(max_length=200)] = "",
    ) -> Response[Any]:
        """Words, and the titles that have them."""
        found = await catalog.search(q, principal_of(request), limit=60) if q.strip() else []
        genres = [] if q.strip() else await _genres(catalog, request)
        profile = await profile_of(request, accounts)
        return renderer.page(request, "search.html", profile=profile, q=q, found=found, genres=genres)

    @get("/my-list")
    async def my_list(
        self,
        request: Request[Any, Any, Any],
        accounts: AccountsService,
        catalog: CatalogService,
        events: EventsClient,
        renderer: Renderer,
    ) -> Response[Any]:
        """Titles that the profile has saved, latest first."""
        caller = principal_of(request)
        assert caller.profile_id is not None
        saved = await events.list_saved(caller.profile_id)
        there = {detail.title.id: detail.title for detail in await catalog.list_titles(caller)}
        titles = [there[title_id] for title_id in saved if title_id in there]
        return renderer.page(request, "my_list.html", profile=await profile_of(request, accounts), titles=titles)

    @get("/art/{item_id:str}/{kind:str}")
    async def art(
        self,
        request: Request[Any, Any, Any],
        item_id: str,
        kind: str,
        catalog: CatalogService,
        objects: ObjectStore,
    ) -> Response[bytes]:
        """A poster, backdrop or still, for whoever may see what it shows."""
        import anyio.to_thread

        caller = principal_of(request)
        if kind == "still":
            name = (await catalog.get_playable(PlayableId(item_id), caller))[1].still
        elif kind in ("poster", "backdrop"):
            name = getattr((await catalog.get_title(TitleId(item_id), caller)).title, kind)
        else:
            name = ""
        if not name:
            raise NotFound("there is no such picture")
        body = await anyio.to_thread.run_sync(objects.get, name)
        return Response(body, media_type="image/jpeg", headers={"Cache-Control": PRIVATE})


def _next_to_play(detail: TitleDetail, watched: dict[PlayableId, Any]) -> Playable | None:
    """What the big button plays: what was begun last, else the first that was not finished."""
    there = [playable for playable in detail.playables if playable.state in ("watchable", "ready")]
    begun = [playable for playable in there if playable.id in watched and not watched[playable.id].finished]
    if begun:
        return max(begun, key=lambda playable: int(watched[playable.id].last_ms))
    return next((playable for playable in there if playable.id not in watched), there[0] if there else None)


async def _genres(catalog: CatalogService, request: Request[Any, Any, Any]) -> list[str]:
    details = await catalog.list_titles(principal_of(request))
    return sorted({genre for detail in details for genre in detail.title.genres})


class SettingsPages(Controller):
    """The own account."""

    include_in_schema = False
    path = "/settings"
    guards = (require("viewer"),)

    @get("/")
    async def settings(
        self, request: Request[Any, Any, Any], accounts: AccountsService, renderer: Renderer
    ) -> Response[Any]:
        """Password, profiles, API tokens, playback."""
        return await self._page(request, accounts, renderer)

    @post("/")
    async def change(
        self, request: Request[Any, Any, Any], accounts: AccountsService, cookie_jar: Cookies, renderer: Renderer
    ) -> Response[Any]:
        """Change the password, make a token, or revoke one."""
        form, caller = await read_form(request, accounts), principal_of(request)
        try:
            if form.get("do") == "password":
                await accounts.change_password(caller, current=form.get("current", ""), new=form.get("password", ""))
                return go("/sign-in", cookies=[cookie_jar.session(""), cookie_jar.viewer("")])
            if form.get("do") == "revoke":
                await accounts.delete_token(caller, form.get("token_id", ""))
                return go("/settings#tokens")
            scopes = [scope for scope in SCOPES if form.get(f"scope_{scope}")]
            token = await accounts.create_token(caller, name=form.get("name", ""), scopes=scopes, days=90)
        except Terminal as error:
            return await self._page(request, accounts, renderer, status=error.status, problem=str(error))
        return await self._page(request, accounts, renderer, token=token.token)

    async def _page(
        self,
        request: Request[Any, Any, Any],
        accounts: AccountsService,
        renderer: Renderer,
        *,
        status: int = 200,
        **more: Any,
    ) -> Response[Any]:
        tokens = await accounts.list_tokens(principal_of(request))
        context: dict[str, Any] = {"problem": "", "token": "", "tokens": tokens, **more}
        profile = await profile_of(request, accounts)
        return renderer.page(request, "settings.html", status=status, profile=profile, **context)


@get("/offline", include_in_schema=False)
async def offline(request: Request[Any, Any, Any], renderer: Renderer) -> Response[Any]:
    """What the service worker shows without a network."""
    return renderer.page(request, "offline.html")


@get("/static/{name:path}", include_in_schema=False)
async def static(request: Request[Any, Any, Any], name: str, assets: Assets) -> Response[bytes]:
    """A built script, style sheet or font."""
    asset = assets.get(name.lstrip("/"), request.headers.get("accept-encoding", ""))
    return Response(asset.body, headers=asset.headers, media_type=asset.headers["Content-Type"])


@get("/sw.js", include_in_schema=False)
async def service_worker(request: Request[Any, Any, Any], assets: Assets) -> Response[bytes]:
    """The service worker, at the root, so that it may serve every page."""
    asset = assets.get("sw.js", request.headers.get("accept-encoding", ""))
    return Response(asset.body, headers=asset.headers, media_type=asset.headers["Content-Type"])


@get(["/{rest:path}", "/studio/{rest:path}"], include_in_schema=False)
async def nothing(rest: str) -> None:
    """Any other address, as a route of its own, so that its page knows who is looking. Raises NotFound."""
    raise NotFound(f"no page has the address {rest[:100]}")


ROUTES = (DoorPages, ProfilePages, WatchPages, SettingsPages, offline, static, service_worker, nothing)
