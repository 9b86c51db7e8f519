"""Who is calling, and the guards that ask.

The web layer puts a `Principal` into every request's state; guards and services read it and nothing else. Whatever is
not allowed by a principal is refused.
"""

from __future__ import annotations

from typing import Any, Literal

import msgspec
from litestar.connection import ASGIConnection
from litestar.exceptions import NotAuthorizedException
from litestar.handlers import BaseRouteHandler
from litestar.types import Scope

from reelwright.kernel.errors import Forbidden
from reelwright.kernel.ids import ProfileId, UserId
from reelwright.kernel.settings import ServiceSettings, is_loopback, is_passed_on
from reelwright.kernel.urls import parts_of

Role = Literal["anonymous", "viewer", "editor", "admin"]
RANK: dict[str, int] = {"anonymous": 0, "viewer": 1, "editor": 2, "admin": 3}
UNRATED = 100
EVERYTHING = 1000


class Principal(msgspec.Struct, frozen=True, kw_only=True):
    """Who is calling: a person's session, a personal token, a peer process, or nobody."""

    kind: Literal["nobody", "session", "token", "peer"] = "nobody"
    user_id: UserId | None = None
    role: Role = "anonymous"
    profile_id: ProfileId | None = None
    maturity_limit: int = 0
    """Highest age rating (years) this caller may see; unrated titles count as 100."""
    scopes: frozenset[str] = frozenset()
    csrf: str = ""
    """What a form or script must send back with an unsafe request; empty where cookies play no part."""
    viewer: str = ""
    """Value of the viewer cookie, where it is valid for the profile; media URLs are bound to it."""
    kids: bool = False

    def may(self, role: Role) -> bool:
        """Whether the caller has at least this role."""
        return RANK[self.role] >= RANK[role]


def is_suitable(maturity: int | None, limit: int) -> bool:
    """Whether an age rating, None for unrated, is within a limit."""
    return (UNRATED if maturity is None else maturity) <= limit


NOBODY = Principal()


def principal_of(connection: ASGIConnection[Any, Any, Any, Any]) -> Principal:
    """The caller of this request; nobody when the session middleware put none there."""
    return caller_in(connection.scope)


def caller_in(scope: Scope) -> Principal:
    """The same of an ASGI scope."""
    found = scope.get("state", {}).get("principal", NOBODY)
    return found if isinstance(found, Principal) else NOBODY


def is_near(connection: ASGIConnection[Any, Any, Any, Any], settings: ServiceSettings) -> bool:
    """Whether somebody at this machine itself is calling, by one of its own names."""
    client, named = connection.client, parts_of(f"//{connection.headers.get('host', '')}").hostname or ""
    return client is not None and is_loopback(client.host) and is_loopback(named) and not is_passed_on(settings)


def require(role: Role) -> Any:
    """A Litestar guard: the caller has at least `role`, else 401 (unknown) or 403 (known)."""

    def guard(connection: ASGIConnection[Any, Any, Any, Any], _: BaseRouteHandler) -> None:
        caller = principal_of(connection)
        if caller.kind == "nobody":
            raise NotAuthorizedException("sign in first, or send a personal API token")
        if not caller.may(role):
            raise Forbidden(f"this needs the role {role}; you have {caller.role}")

    return guard


def require_profile(connection: ASGIConnection[Any, Any, Any, Any], _: BaseRouteHandler) -> None:
    """A Litestar guard: the caller watches as one of the household's profiles."""
    check_profile(principal_of(connection))


def check_profile(caller: Principal) -> ProfileId:
    """The profile that the caller watches as. Raises NotAuthorizedException or Forbidden where there is none."""
    if caller.kind == "nobody":
        raise NotAuthorizedException("sign in first, or send a personal API token")
    if caller.profile_id is None:
        raise Forbidden("choose a profile first: PUT /api/v1/session/profile")
    return caller.profile_id


def require_peer(connection: ASGIConnection[Any, Any, Any, Any], _: BaseRouteHandler) -> None:
    """A Litestar guard: the caller is one of our own processes."""
    check_peer(principal_of(connection))


def check_peer(caller: Principal) -> None:
    """Raises NotAuthorizedException unless the caller is one of our own processes."""
    if caller.kind != "peer":
        raise NotAuthorizedException("this route is for processes that hold the key ring")
