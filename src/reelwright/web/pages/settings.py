"""The own account."""

from __future__ import annotations

from typing import Any, get_args

from litestar import Controller, Request, Response, get, post

from reelwright.accounts.api import Cookies
from reelwright.accounts.contract import Scope
from reelwright.accounts.service import AccountsService
from reelwright.kernel.errors import Terminal
from reelwright.kernel.principal import principal_of, require
from reelwright.web.forms import go, read_form
from reelwright.web.pages.profiles import profile_of
from reelwright.web.render import Renderer

SCOPES: tuple[Scope, ...] = get_args(Scope)


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
