"""What is allowed: names, passwords, PINs, scopes, and what a profile takes away."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Collection

from reelwright.accounts.contract import Profile, Scope, UserRole
from reelwright.kernel.errors import Invalid
from reelwright.kernel.principal import EVERYTHING, RANK, UNRATED

PROFILES_MOST = 8
SESSIONS_MOST = 1000
"""Of one account: kiosks may share one; the session that was used longest ago ends for a new one."""
TOKENS_MOST = 100
"""Of one person that are good; expired ones go for new ones."""
KIDS_LIMIT = 7
"""Of a kids profile for which no limit was chosen: what suits a young child."""
PIN_FREE_TRIES = 3
PIN_LONGEST_WAIT_S = 900
SETUP_TRIES = 10
_SCOPE_ROLE: dict[str, UserRole] = {"read": "viewer", "watch": "viewer", "edit": "editor", "admin": "admin"}


def checked_name(name: str) -> str:
    """A name of a person, a profile or a token, normalised, invisible characters left out. Raises Invalid."""
    visible = "".join(character for character in name if unicodedata.category(character)[0] != "C")
    clean = re.sub(r"\s+", " ", unicodedata.normalize("NFKC", visible)).strip()
    if len(name) > 64 or not re.search(r"\w", clean):
        raise Invalid("a name has a letter or a digit, and at most 64 characters")
    return clean


def name_key(name: str) -> str:
    """What makes two names the same: case, width and invisible characters do not count; empty is nobody's."""
    try:
        return checked_name(name).casefold()
    except Invalid:
        return ""


def checked_password(password: str) -> str:
    """A password worth hashing. Raises Invalid."""
    if not 8 <= len(password) <= 256:
        raise Invalid("a password has 8 to 256 characters; a sentence is a good one")
    return password


def checked_pin(pin: str) -> str:
    """A PIN. Raises Invalid."""
    if not re.fullmatch(r"[0-9]{4,8}", pin):
        raise Invalid("a PIN has 4 to 8 digits")
    return pin


def profile_limit(maturity_limit: int, *, kids: bool) -> int:
    """The limit a profile gets: a kids profile always has one."""
    return KIDS_LIMIT if kids and maturity_limit == EVERYTHING else maturity_limit


def is_limited(maturity_limit: int, *, kids: bool) -> bool:
    """Whether a profile is kept from something: who watches as it neither edits, administers nor changes limits."""
    return kids or maturity_limit < UNRATED


def role_as(role: UserRole, *, maturity_limit: int, kids: bool) -> UserRole:
    """The role of a person while they watch as a profile: Studio shows every title, so a limited one has none."""
    return "viewer" if is_limited(maturity_limit, kids=kids) else role


def token_role(role: UserRole, scopes: Collection[Scope]) -> UserRole:
    """The role of a token: what its scopes need, never more than the person's own."""
    wanted = max((_SCOPE_ROLE[scope] for scope in scopes), key=RANK.__getitem__)
    return min(wanted, role, key=RANK.__getitem__)


def may_change_things(scopes: Collection[str]) -> bool:
    """Whether a token with these scopes may send more than GET and HEAD."""
    return bool(set(scopes) - {"read"})


def may_manage(current: Profile | None) -> bool:
    """Whether profiles may be made and changed by somebody watching as `current`: not from a limited one."""
    return current is None or not is_limited(current.maturity_limit, kids=current.kids)


def pin_wait_ms(failures: int) -> int:
    """How long to wait after this many wrong PINs in a row: three are free, then it doubles."""
    over = failures - PIN_FREE_TRIES
    return 0 if over < 0 else min(PIN_LONGEST_WAIT_S, 5 * 2 ** min(over, 10)) * 1000


def pin_locked_ms(failures: int, failed_ms: int, now_ms: int) -> int:
    """How much of the wait is left. A clock that was set back ends it, and the next wrong PIN begins it again."""
    passed_ms = now_ms - failed_ms
    return max(0, pin_wait_ms(failures) - passed_ms) if passed_ms >= 0 else 0


def is_over(*, created_ms: int, seen_ms: int, now_ms: int, idle_ms: int, longest_ms: int) -> bool:
    """Whether a session has ended. A clock that was set back ends none."""
    return now_ms - seen_ms > idle_ms or now_ms - created_ms > longest_ms
