"""The front door, set-up, sign-in, and the way into a demo."""

from __future__ import annotations

from typing import Annotated, Any

import msgspec
from litestar import Controller, Request, Response, get, post
from litestar.params import QueryParameter

from reelwright.accounts.api import Cookies, session_cookie
from reelwright.accounts.service import AccountsService
from reelwright.catalog.service import CatalogService
from reelwright.kernel.errors import NotFound, Terminal
from reelwright.kernel.principal import is_near, principal_of
from reelwright.kernel.system import Resources
from reelwright.recommend.contract import RecommendClient
from reelwright.web.contract import DEMO_FILE, DemoAccount
from reelwright.web.forms import go, read_form, safe_path
from reelwright.web.pages.profiles import profile_of
from reelwright.web.render import Renderer


def demo_account(request: Request[Any, Any, Any], resources: Resources) -> DemoAccount | None:
    """The demo's account, for requests of this machine to a demo; it needs no password, so nobody else gets it."""
    path = resources.data / DEMO_FILE
    if not is_near(request, resources.settings) or not path.exists():
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
        catalog: CatalogService,
        recommend: RecommendClient,
        resources: Resources,
        renderer: Renderer,
    ) -> Response[Any]:
        """The front door, or home for who is signed in and watching."""
        caller = principal_of(request)
        demo = demo_account(request, resources) is not None
        if caller.kind == "nobody":
            return renderer.page(request, "front.html", ready=await accounts.is_set_up(), demo=demo)
        if caller.profile_id is None:
            return go("/profiles")
        page = await recommend.get_page(caller)
        films = [] if page.rows or page.billboard else await catalog.list_all(caller)
        states = [{playable.state for playable in film.playables} for film in films]
        return renderer.page(
            request,
            "home.html",
            profile=await profile_of(request, accounts),
            page=page,
            demo=demo,
            coming=sum(not found <= {"failed"} for found in states),
            failed=sum(found == {"failed"} for found in states),
        )

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
