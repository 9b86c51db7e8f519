"""Accounts as other systems see them: people, profiles and how a request becomes a principal.

AccountsError (kernel's tree)
├── BadCredentials   Terminal, 401    the same for a wrong name and a wrong password
├── BadCode          Terminal, 403    the one-time set-up code or a PIN is wrong
├── TooManyTries     Transient, 429   wrong PINs make the next try wait
├── AlreadySetUp     Conflict         the first-run page is closed
├── KeyReused        Invalid, 422     an Idempotency-Key came again with another request
├── OutcomeUnknown   Conflict         a request with this key was begun and has not answered
└── SecretReply      Conflict         it was done; its answer held a secret, which is kept nowhere
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Literal, Protocol

import msgspec
from msgspec import Meta

from reelwright.kernel.errors import Conflict, Invalid, Terminal, Transient
from reelwright.kernel.ids import ProfileId, UserId
from reelwright.kernel.principal import EVERYTHING, Principal

SESSION_COOKIE = "__Host-rw_session"
"""Opaque session cookie; `rw_session` over plain HTTP, where Safari keeps no other."""
VIEWER_COOKIE = "rw_viewer"
"""Names the watching profile to the edge, which binds media URLs to it; holds an HMAC, no id."""

UserRole = Literal["viewer", "editor", "admin"]
Scope = Literal["read", "watch", "edit", "admin"]
"""What a token may do: only look; what a viewer does; also edit titles; everything."""
Avatar = Literal["amber", "coral", "fern", "iris", "lagoon", "plum", "sand", "slate"]
Name = Annotated[str, Meta(max_length=64, pattern=r"\w", description="With a letter or a digit.")]
Password = Annotated[str, Meta(min_length=8, max_length=256, description="A sentence is a good one.")]
MaturityLimit = Annotated[int, Meta(ge=0, le=EVERYTHING, description="An age; 1000 is no limit.")]


class BadCredentials(Terminal):
    """The name or the password is wrong; which of them is not said."""

    status = 401
    slug = "bad-credentials"


class BadCode(Terminal):
    """The one-time code or the PIN is wrong or has been used up."""

    status = 403
    slug = "bad-code"


class TooManyTries(Transient):
    """Too many wrong PINs; the next try is heard later."""

    status = 429
    slug = "too-many-tries"

    def __init__(self, wait_s: int) -> None:
        super().__init__(f"too many wrong PINs; try again in {wait_s} s")
        self.retry_after_s = wait_s


class AlreadySetUp(Conflict):
    """There is an administrator already; the set-up page is closed."""

    slug = "already-set-up"


class KeyReused(Invalid):
    """An Idempotency-Key came again with another request."""

    status = 422
    slug = "idempotency-key-reused"

    def __init__(self) -> None:
        super().__init__(
            "this Idempotency-Key came before with another request; send a new key with each new request"
        )


class OutcomeUnknown(Conflict):
    """A request with this key was begun and has not answered."""

    slug = "outcome-unknown"
    headers: Mapping[str, str] = {"Retry-After": "5"}

    def __init__(self) -> None:
        super().__init__(
            "a request with this Idempotency-Key was begun and has not answered: wait, and ask again; "
            "if that goes on the service stopped in its midst: look whether the thing is there, then use a new key"
        )


class SecretReply(Conflict):
    """The request was done; its answer held a secret, or was too long to be kept."""

    slug = "already-done"

    def __init__(self) -> None:
        super().__init__(
            "this request was done before; its answer is not kept, for it held a secret or was long: "
            "look at what it made, or remove that and begin anew"
        )


class User(msgspec.Struct, frozen=True, kw_only=True):
    """A person who signs in; people of one household share its profiles."""

    id: UserId
    household_id: str
    name: str
    role: UserRole
    created_ms: int
    disabled: bool = False


class Profile(msgspec.Struct, frozen=True, kw_only=True):
    """One of a household's people, as recommendations and limits know them."""

    id: ProfileId
    household_id: str
    name: str
    avatar: Avatar
    language: str = "en"
    maturity_limit: int = EVERYTHING
    kids: bool = False
    has_pin: bool = False


class ProfileDraft(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a profile is to be, whole."""

    name: Name
    avatar: Avatar = "amber"
    language: Annotated[str, Meta(pattern="^[a-z]{2,3}(-[A-Za-z0-9]{2,8}){0,3}$")] = "en"
    maturity_limit: MaturityLimit = EVERYTHING
    kids: bool = False
    pin: Annotated[str, Meta(pattern="^([0-9]{4,8})?$")] | None = None
    """New PIN; empty removes it, null leaves it."""


class AccountsClient(Protocol):
    """What other systems may ask."""

    async def authenticate(self, *, cookie: str | None, bearer: str | None) -> Principal:
        """Who is calling; NOBODY where neither proves anything."""
        ...

    async def get_profile(self, profile_id: ProfileId) -> Profile:
        """The profile. Raises NotFound."""
        ...

    async def list_profiles(self, caller: Principal) -> list[Profile]:
        """The household's profiles, oldest first."""
        ...

    async def is_shut_out(self, user_id: UserId) -> bool:
        """Whether somebody may not come in any more, or is not known."""
        ...
