"""Who's watching, and what profiles may see."""

from __future__ import annotations

from typing import Any, get_args

import msgspec
from litestar import Controller, Request, Response, get, post

from reelwright.accounts.api import Cookies, session_cookie
from reelwright.accounts.contract import Avatar, Profile, ProfileDraft, TooManyTries
from reelwright.accounts.service import AccountsService
from reelwright.kernel.errors import Invalid, NotFound, ReelwrightError, Terminal
from reelwright.kernel.ids import ProfileId
from reelwright.kernel.principal import EVERYTHING, principal_of, require
from reelwright.kernel.units import whole_number
from reelwright.web.forms import go, read_form
from reelwright.web.render import Renderer

LIMITS = ((0, "Everyone"), (7, "7 and over"), (12, "12 and over"), (16, "16 and over"), (EVERYTHING, "Everything"))
AVATARS: tuple[Avatar, ...] = get_args(Avatar)


async def profile_of(request: Request[Any, Any, Any], accounts: AccountsService) -> Profile | None:
    """The profile that is watching, for the top bar."""
    profile_id = principal_of(request).profile_id
    return await accounts.get_profile(profile_id) if profile_id else None


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
        self,
        request: Request[Any, Any, Any],
        profile_id: str,
        accounts: AccountsService,
        renderer: Renderer,
    ) -> Response[Any]:
        """Save it, or remove it and what its viewer did."""
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
