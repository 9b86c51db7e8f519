"""Routes of accounts, and the middleware that finds out who is calling."""

from __future__ import annotations

from typing import Annotated, Any

import msgspec
from litestar import Controller, Request, Response, delete, get, patch, post, put
from litestar.datastructures import Cookie
from litestar.enums import ScopeType
from litestar.types import ASGIApp, Receive, Scope, Send
from msgspec import Meta

from reelwright.accounts.contract import (
    SESSION_COOKIE,
    VIEWER_COOKIE,
    Name,
    Password,
    Profile,
    ProfileDraft,
    User,
    UserRole,
)
from reelwright.accounts.contract import (
    Scope as TokenScope,
)
from reelwright.accounts.core.rules import may_change_things
from reelwright.accounts.service import AccountsService, NewToken, Token
from reelwright.kernel.errors import Forbidden, ReelwrightError
from reelwright.kernel.http import handle_error
from reelwright.kernel.ids import ProfileId, UserId
from reelwright.kernel.principal import Principal, principal_of, require
from reelwright.kernel.urls import parts_of

SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})
PLAIN_COOKIE = SESSION_COOKIE.removeprefix("__Host-")


class Cookies:
    """How cookies are set: `__Host-` and Secure over TLS; over plain HTTP without, for browsers would drop them."""

    def __init__(self, *, secure: bool) -> None:
        self.secure = secure
        self.session_name = SESSION_COOKIE if secure else PLAIN_COOKIE

    def session(self, value: str) -> Cookie:
        """The session cookie; an empty value removes it."""
        return self._cookie(self.session_name, value, days=180)

    def viewer(self, value: str) -> Cookie:
        """The viewer cookie; an empty value removes it."""
        return self._cookie(VIEWER_COOKIE, value, days=180)

    def _cookie(self, name: str, value: str, *, days: int) -> Cookie:
        age = days * 86_400 if value else 0
        return Cookie(key=name, value=value, max_age=age, httponly=True, secure=self.secure, samesite="lax")


class PrincipalMiddleware:
    """Puts the caller into the scope's state, and refuses unsafe requests that another site made."""

    def __init__(self, app: ASGIApp, *, accounts: AccountsService, cookies: Cookies, origins: frozenset[str]) -> None:
        self._app = app
        self._accounts = accounts
        self._cookies = cookies
        self._origins = origins

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Authenticate, then go on."""
        if scope["type"] != ScopeType.HTTP:
            await self._app(scope, receive, send)
            return
        headers = dict(scope["headers"])
        # HTTP/2 may send each cookie in a field of its own (RFC 9113, section 8.2.3), as browsers do
        jar = _cookies(b"; ".join(value for name, value in scope["headers"] if name == b"cookie").decode("latin-1"))
        bearer = _bearer(_text(headers, b"authorization"))
        unsafe = scope["method"] not in SAFE_METHODS
        session = jar.get(self._cookies.session_name)
        try:
            caller = await self._accounts.authenticate(
                cookie=session, bearer=bearer, viewer=jar.get(VIEWER_COOKIE, ""), unsafe=unsafe
            )
            scope.setdefault("state", {})["principal"] = caller
            scope["state"]["session_cookie"] = session or "" if bearer is None else ""
            if unsafe:
                self._check_unsafe(headers, caller, session or "", scope["path"], bearer)
        except ReelwrightError as error:
            response = handle_error(Request(scope), error)
            await response.to_asgi_response(app=None, request=Request(scope))(scope, receive, send)
            return
        await self._app(scope, receive, send)

    def _check_unsafe(
        self, headers: dict[bytes, bytes], caller: Principal, session: str, path: str, bearer: str | None
    ) -> None:
        if bearer is None:
            self._check_site(headers, caller, session, path)
        elif caller.kind == "token" and not may_change_things(caller.scopes):
            raise Forbidden("this token only reads; make one with the scope watch, edit or admin")

    def _check_site(self, headers: dict[bytes, bytes], caller: Principal, session: str, path: str) -> None:
        origin = _text(headers, b"origin") if b"origin" in headers else None
        if origin is not None and origin not in self._origins and not _same_host(origin, _text(headers, b"host")):
            raise Forbidden(f"this came from {origin[:80]}, which is not this service")
        if headers.get(b"sec-fetch-site") == b"cross-site":
            raise Forbidden("this came from another site")
        if caller.kind != "session" or not path.startswith("/api/"):
            return
        if not self._accounts.csrf_fits(session, _text(headers, b"x-csrf-token")):
            raise Forbidden("the X-CSRF-Token header is missing or old; reload the page")


def _same_host(origin: str, host: str) -> bool:
    return parts_of(origin).netloc == host


def _text(headers: dict[bytes, bytes], name: bytes) -> str:
    return headers.get(name, b"").decode("latin-1")


def _cookies(header: str) -> dict[str, str]:
    """Names to values; of two with one name the first counts, which is the one of the more exact path."""
    jar: dict[str, str] = {}
    for part in header[:8192].split(";"):
        name, _, value = part.strip().partition("=")
        jar.setdefault(name, value.strip('"'))
    return jar


def _bearer(header: str) -> str | None:
    kind, _, value = header.partition(" ")
    return value.strip() if kind.lower() == "bearer" and value.strip() else None


class SetupForm(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The first administrator."""

    code: str
    name: Name
    password: Password


class SignInForm(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Name and password."""

    name: str
    password: str


class ChooseProfileForm(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which profile to watch as."""

    profile_id: ProfileId
    pin: str = ""


class TokenForm(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A token to make."""

    name: Name
    scopes: Annotated[tuple[TokenScope, ...], Meta(min_length=1, max_length=4)]
    days: Annotated[int, Meta(ge=1, le=730, description="How long it is good.")] = 90


class UserForm(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A person to add."""

    name: Name
    password: Password
    role: UserRole = "viewer"
    joins: UserId | None = None
    """Whose household, with its profiles, the person belongs to; a new one when left out."""


class UserChange(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What to change of a person."""

    role: UserRole | None = None
    disabled: bool | None = None


class NewPasswordForm(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A new password for somebody else."""

    password: Password


class OwnPasswordForm(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A new password for oneself."""

    current: str
    password: Password


class SessionInfo(msgspec.Struct, frozen=True, kw_only=True):
    """Who is calling, as the caller may know it."""

    kind: str
    role: str
    profile_id: str | None
    maturity_limit: int
    csrf: str


class SessionRoutes(Controller):
    """Set-up and the session."""

    path = "/api/v1"
    tags = ("accounts",)

    @post("/setup", summary="Make the first administrator")
    async def set_up(self, data: SetupForm, accounts: AccountsService, cookie_jar: Cookies) -> Response[User]:
        """Make the first administrator with the one-time code from the terminal, and sign them in."""
        user = await accounts.set_up(code=data.code, name=data.name, password=data.password)
        return Response(user, status_code=201, cookies=[cookie_jar.session(await accounts.open_session(user.id))])

    @post("/session", summary="Sign in", status_code=200)
    async def sign_in(
        self, data: SignInForm, accounts: AccountsService, cookie_jar: Cookies
    ) -> Response[dict[str, str]]:
        """Sign in with name and password; the answer sets the session cookie."""
        value = await accounts.sign_in(name=data.name, password=data.password)
        return Response({"signed_in": data.name}, cookies=[cookie_jar.session(value), cookie_jar.viewer("")])

    @get("/session", summary="Say who is calling")
    async def get_session(self, request: Request[Any, Any, Any]) -> SessionInfo:
        """Say who is calling: role, chosen profile, and the value for X-CSRF-Token."""
        caller = principal_of(request)
        return SessionInfo(
            kind=caller.kind,
            role=caller.role,
            profile_id=caller.profile_id,
            maturity_limit=caller.maturity_limit,
            csrf=caller.csrf,
        )

    @delete("/session", summary="Sign out", status_code=204)
    async def sign_out(
        self, request: Request[Any, Any, Any], accounts: AccountsService, cookie_jar: Cookies
    ) -> Response[None]:
        """End this session and remove its cookies."""
        await accounts.sign_out(session_cookie(request))
        return Response(None, status_code=204, cookies=[cookie_jar.session(""), cookie_jar.viewer("")])

    @put("/session/profile", summary="Choose a profile", guards=[require("viewer")])
    async def choose_profile(
        self, request: Request[Any, Any, Any], data: ChooseProfileForm, accounts: AccountsService, cookie_jar: Cookies
    ) -> Response[Profile]:
        """Watch as this profile from now on; a profile with a PIN asks for it."""
        profile = await accounts.choose_profile(
            principal_of(request), session_cookie(request), profile_id=data.profile_id, pin=data.pin
        )
        return Response(profile, cookies=[cookie_jar.viewer(accounts.viewer_name(profile.id))])

    @put("/session/password", summary="Change the own password", guards=[require("viewer")], status_code=204)
    async def change_password(
        self, request: Request[Any, Any, Any], data: OwnPasswordForm, accounts: AccountsService
    ) -> None:
        """Change the own password; every session of this person ends."""
        await accounts.change_password(principal_of(request), current=data.current, new=data.password)


class ProfileRoutes(Controller):
    """The household's profiles."""

    path = "/api/v1/profiles"
    tags = ("accounts",)
    guards = (require("viewer"),)

    @get("/", summary="List profiles")
    async def list_profiles(self, request: Request[Any, Any, Any], accounts: AccountsService) -> list[Profile]:
        """List the household's profiles, oldest first."""
        return await accounts.list_profiles(principal_of(request))

    @post("/", summary="Add a profile")
    async def create_profile(
        self, request: Request[Any, Any, Any], data: ProfileDraft, accounts: AccountsService
    ) -> Profile:
        """Add a profile with avatar, language, maturity limit and PIN; not from a limited profile."""
        return await accounts.create_profile(principal_of(request), data)

    @put("/{profile_id:str}", summary="Change a profile")
    async def change_profile(
        self, request: Request[Any, Any, Any], profile_id: str, data: ProfileDraft, accounts: AccountsService
    ) -> Profile:
        """Change a profile; not from a limited profile."""
        return await accounts.change_profile(principal_of(request), ProfileId(profile_id), data)

    @delete("/{profile_id:str}", summary="Remove a profile", status_code=204)
    async def delete_profile(
        self, request: Request[Any, Any, Any], profile_id: str, accounts: AccountsService
    ) -> None:
        """Remove a profile and what its viewer did; the last one stays, and the one in use."""
        await accounts.delete_profile(principal_of(request), ProfileId(profile_id))


class TokenRoutes(Controller):
    """Personal API tokens."""

    path = "/api/v1/tokens"
    tags = ("accounts",)
    guards = (require("viewer"),)

    @get("/", summary="List the own tokens")
    async def list_tokens(self, request: Request[Any, Any, Any], accounts: AccountsService) -> list[Token]:
        """List the caller's tokens, without their secrets."""
        return await accounts.list_tokens(principal_of(request))

    @post("/", summary="Make a token")
    async def create_token(
        self, request: Request[Any, Any, Any], data: TokenForm, accounts: AccountsService
    ) -> Response[NewToken]:
        """Make a personal API token for the chosen profile; its secret is shown this once."""
        token = await accounts.create_token(principal_of(request), name=data.name, scopes=data.scopes, days=data.days)
        return Response(token, status_code=201, headers={"Cache-Control": "no-store"})

    @delete("/{token_id:str}", summary="Revoke a token", status_code=204)
    async def delete_token(self, request: Request[Any, Any, Any], token_id: str, accounts: AccountsService) -> None:
        """Revoke one of the caller's tokens."""
        await accounts.delete_token(principal_of(request), token_id)


class UserRoutes(Controller):
    """People, for administrators."""

    path = "/api/v1/users"
    tags = ("accounts",)
    guards = (require("admin"),)

    @get("/", summary="List people")
    async def list_users(self, accounts: AccountsService) -> list[User]:
        """List everybody who can sign in, oldest first."""
        return await accounts.list_users()

    @post("/", summary="Add a person")
    async def create_user(self, data: UserForm, accounts: AccountsService) -> User:
        """Add a person with a household and a profile of their own, or into somebody's household."""
        return await accounts.create_user(name=data.name, password=data.password, role=data.role, joins=data.joins)

    @patch("/{user_id:str}", summary="Change a person")
    async def change_user(self, user_id: str, data: UserChange, accounts: AccountsService) -> User:
        """Change a person's role or shut them out; the last administrator stays one."""
        return await accounts.change_user(UserId(user_id), role=data.role, disabled=data.disabled)

    @put("/{user_id:str}/password", summary="Reset a password", status_code=204)
    async def reset_password(self, user_id: str, data: NewPasswordForm, accounts: AccountsService) -> None:
        """Give a person a new password; their sessions end."""
        await accounts.set_password(UserId(user_id), data.password)


def session_cookie(request: Request[Any, Any, Any]) -> str:
    """The request's session cookie, as the middleware read it."""
    return str(request.scope["state"].get("session_cookie", ""))


ROUTES = (SessionRoutes, ProfileRoutes, TokenRoutes, UserRoutes)
