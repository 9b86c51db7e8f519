"""Use cases of accounts: set-up, sign-in, sessions, profiles, tokens, users."""

from __future__ import annotations

import base64
import contextlib
import hashlib
import secrets
from collections import OrderedDict
from collections.abc import Callable, Collection
from typing import Any, Literal

import msgspec
import sqlalchemy as sa

from reelwright.accounts.adapters import sql
from reelwright.accounts.adapters.passwords import Passwords
from reelwright.accounts.contract import (
    AlreadySetUp,
    BadCode,
    BadCredentials,
    Profile,
    ProfileDraft,
    Scope,
    TooManyTries,
    User,
    UserRole,
)
from reelwright.accounts.core import rules
from reelwright.accounts.ports import ProfileRemoved, kept_nowhere
from reelwright.accounts.settings import AccountsSettings
from reelwright.kernel.clock import Clock
from reelwright.kernel.database import Database
from reelwright.kernel.errors import Conflict, Forbidden, NotFound, Unavailable
from reelwright.kernel.ids import ProfileId, UserId, new_id
from reelwright.kernel.keys import KeyRing
from reelwright.kernel.peers import is_peer
from reelwright.kernel.principal import EVERYTHING, NOBODY, RANK, Principal

HOUR_MS = 3_600_000
DAY_MS = 24 * HOUR_MS
REMEMBERED_MS = 15 * 60_000
"""How long a caller is still known while the database does not answer: their events must not be lost."""
_REMEMBERED_MOST = 10_000
Row = dict[str, Any]


class NewToken(msgspec.Struct, frozen=True, kw_only=True):
    """A token as it is shown, once."""

    id: str
    name: str
    token: str
    expires_ms: int


class Token(msgspec.Struct, frozen=True, kw_only=True):
    """A token without its secret."""

    id: str
    name: str
    scopes: tuple[Scope, ...]
    created_ms: int
    expires_ms: int


class AccountsService:
    """Implements `AccountsClient`, and what only pages and API use."""

    def __init__(
        self,
        *,
        database: Database,
        keys: KeyRing,
        clock: Clock,
        settings: AccountsSettings,
        profile_removed: ProfileRemoved = kept_nowhere,
        passwords: Passwords | None = None,
    ) -> None:
        self._database = database
        self._keys = keys
        self._clock = clock
        self._settings = settings
        self._profile_removed = profile_removed
        self._passwords = passwords or Passwords()
        self._remembered: OrderedDict[str, tuple[int, Row]] = OrderedDict()

    # First run

    async def is_set_up(self) -> bool:
        """Whether there is anybody."""
        return await self._database.read(sql.count_users) > 0

    async def issue_setup_code(self) -> str | None:
        """The one-time code that opens the set-up page, the same for every process that shares the key ring until it
        expires or was guessed at too often; None when somebody exists already.
        """
        now_ms = self._now_ms()

        def put(connection: sa.Connection) -> str | None:
            if sql.count_users(connection):
                return None
            row = sql.find(connection, sql.SETUP, id=1)
            if row and row["expires_ms"] >= now_ms and row["tries"] < rules.SETUP_TRIES:
                code = self._setup_code(row["expires_ms"])
                if _digest(code) == row["code_hash"]:
                    return code
            expires_ms = now_ms + self._settings.setup_code_hours * 3_600_000
            if row and row["expires_ms"] >= expires_ms:  # another code needs another end
                expires_ms = row["expires_ms"] + 1
            code = self._setup_code(expires_ms)
            sql.delete(connection, sql.SETUP, id=1)
            sql.insert(connection, sql.SETUP, id=1, code_hash=_digest(code), tries=0, expires_ms=expires_ms)
            return code

        return await self._database.write(put)

    def _setup_code(self, expires_ms: int) -> str:
        secret = self._keys.derived(self._keys.newest.name, f"set-up {expires_ms}")
        return base64.urlsafe_b64encode(secret[:12]).decode()

    async def set_up(self, *, code: str, name: str, password: str) -> User:
        """Make the first administrator, with a profile; works once."""
        clean, now_ms = rules.checked_name(name), self._now_ms()
        hashed = await self._passwords.hash(rules.checked_password(password))

        def make(connection: sa.Connection) -> User | None:
            if sql.count_users(connection):
                raise AlreadySetUp("there is an administrator already; sign in instead")
            row = sql.find(connection, sql.SETUP, id=1)
            if row is None or row["expires_ms"] < now_ms or row["tries"] >= rules.SETUP_TRIES:
                raise BadCode("the set-up code has expired; restart the service for a fresh one")
            if not secrets.compare_digest(row["code_hash"], _digest(code)):
                sql.update(connection, sql.SETUP, {"id": 1}, tries=row["tries"] + 1)
                return None
            sql.delete(connection, sql.SETUP, id=1)
            return self._insert_user(connection, clean, hashed, "admin", new_id(self._clock))

        user = await self._database.write(make)
        if user is None:
            raise BadCode("this is not the code that the terminal printed")
        return user

    # Sessions

    async def sign_in(self, *, name: str, password: str) -> str:
        """A new session's cookie value. Raises BadCredentials, the same for every reason."""
        row = await self._database.read(sql.find, sql.USERS, name_key=rules.name_key(name))
        fits = await self._passwords.verify(row["password"] if row else None, password[:1024])
        if row is None or not fits or row["disabled"]:
            raise BadCredentials("the name or the password is wrong")
        return await self.open_session(UserId(row["id"]))

    async def open_session(self, user_id: UserId, profile_id: ProfileId | None = None) -> str:
        """A session for somebody who has proved themselves; returns the cookie's value."""
        session_id, now_ms = secrets.token_urlsafe(32), self._now_ms()

        def put(connection: sa.Connection) -> None:
            rows = sql.list_rows(connection, sql.SESSIONS, user_id=user_id)
            kept = sorted((row for row in rows if not self._is_over(row, now_ms)), key=lambda row: -row["seen_ms"])
            kept_hashes = {row["hash"] for row in kept[: rules.SESSIONS_MOST - 1]}
            for row in rows:
                if row["hash"] not in kept_hashes:
                    sql.delete(connection, sql.SESSIONS, hash=row["hash"])
            sql.insert(
                connection,
                sql.SESSIONS,
                hash=_digest(session_id),
                user_id=user_id,
                profile_id=profile_id,
                created_ms=now_ms,
                seen_ms=now_ms,
            )

        await self._database.write(put)
        key, signature = self._keys.sign("session", session_id)
        return f"{key}.{session_id}.{signature}"

    async def sign_out(self, cookie: str) -> None:
        """End a session."""
        session_id = self._session_id(cookie)
        if session_id:
            self._remembered.pop(_digest(session_id), None)
            await self._database.write(sql.delete, sql.SESSIONS, hash=_digest(session_id))

    async def authenticate(
        self, *, cookie: str | None, bearer: str | None, viewer: str = "", unsafe: bool = False
    ) -> Principal:
        """Who is calling. An `unsafe` request keeps its session alive; a GET writes nothing."""
        if bearer is not None:
            return await self._by_token(bearer)
        session_id = self._session_id(cookie or "")
        if session_id is None:
            return NOBODY
        row = await self._find_caller(sql.session_with_user, _digest(session_id))
        now_ms = self._now_ms()
        if row is None or row["disabled"] or self._is_over(row, now_ms):
            return NOBODY
        if unsafe and abs(now_ms - row["seen_ms"]) > HOUR_MS:
            await self._keep_alive(row, now_ms)
        return self._principal(row, kind="session", role=row["role"], csrf=self._csrf(session_id), viewer=viewer)

    async def _find_caller(self, find: Callable[[sa.Connection, str], Row | None], digest: str) -> Row | None:
        """The caller's row, or what it was a short while ago where the database does not answer now."""
        now_ms = self._clock.monotonic_ns() // 1_000_000
        try:
            row = await self._database.read(find, digest)
        except Unavailable:
            known_ms, row = self._remembered.get(digest, (0, None))
            if row is None or now_ms - known_ms > REMEMBERED_MS:
                raise
            return row
        if row is None:
            self._remembered.pop(digest, None)
        else:
            self._remembered[digest] = (now_ms, row)
            self._remembered.move_to_end(digest)
            while len(self._remembered) > _REMEMBERED_MOST:
                self._remembered.popitem(last=False)
        return row

    async def _keep_alive(self, row: Row, now_ms: int) -> None:
        created_ms = min(row["created_ms"], now_ms)  # a session from a clock that ran ahead would last longer
        with contextlib.suppress(Unavailable):
            await self._database.write(
                sql.update, sql.SESSIONS, {"hash": row["hash"]}, seen_ms=now_ms, created_ms=created_ms
            )

    def _is_over(self, row: Row, now_ms: int) -> bool:
        return rules.is_over(
            created_ms=row["created_ms"],
            seen_ms=row["seen_ms"],
            now_ms=now_ms,
            idle_ms=self._settings.idle_days * DAY_MS,
            longest_ms=self._settings.longest_days * DAY_MS,
        )

    def _principal(
        self, row: Row, *, kind: Literal["session", "token"], role: UserRole, viewer: str = "", **more: Any
    ) -> Principal:
        """The caller as everybody else sees them; without a profile only editors see titles."""
        profile_id, kids = row["profile_id"], bool(row["kids"])
        limit = row["maturity_limit"] or 0
        if profile_id is None:
            limit = EVERYTHING if RANK[role] >= RANK["editor"] else 0
        else:
            role = rules.role_as(role, maturity_limit=limit, kids=kids)
        return Principal(
            kind=kind,
            user_id=UserId(row["user_id"]),
            role=role,
            profile_id=profile_id,
            maturity_limit=limit,
            kids=kids,
            viewer=viewer if profile_id and self._is_viewer(profile_id, viewer) else "",
            **more,
        )

    async def _by_token(self, bearer: str) -> Principal:
        if is_peer(self._keys, self._clock, bearer):
            return Principal(kind="peer")
        row = await self._find_caller(sql.token_with_user, _digest(bearer[:200]))
        if row is None or row["disabled"] or row["expires_ms"] < self._now_ms():
            return NOBODY
        scopes = frozenset(row["scopes"].split())
        return self._principal(row, kind="token", role=rules.token_role(row["role"], scopes), scopes=scopes)

    def _session_id(self, cookie: str) -> str | None:
        key, _, rest = cookie[:200].partition(".")
        session_id, _, signature = rest.rpartition(".")
        return session_id if session_id and self._keys.verifies("session", session_id, key, signature) else None

    def _csrf(self, session_id: str) -> str:
        return ".".join(self._keys.sign("csrf", session_id))

    def csrf_fits(self, cookie: str, sent: str) -> bool:
        """Whether `sent` is a CSRF value of the session in `cookie`."""
        session_id = self._session_id(cookie)
        key, _, signature = sent[:100].partition(".")
        return session_id is not None and self._keys.verifies("csrf", session_id, key, signature)

    # Profiles

    def viewer_name(self, profile_id: ProfileId) -> str:
        """The viewer cookie's value for a profile."""
        return ".".join(self._keys.sign("viewer", profile_id))

    def _is_viewer(self, profile_id: str, value: str) -> bool:
        key, _, signature = value[:100].partition(".")
        return self._keys.verifies("viewer", profile_id, key, signature)

    async def get_profile(self, profile_id: ProfileId) -> Profile:
        """The profile."""
        row = await self._database.read(sql.find, sql.PROFILES, id=profile_id)
        if row is None:
            raise NotFound("no such profile")
        return sql.profile_of(row)

    async def list_profiles(self, caller: Principal) -> list[Profile]:
        """The household's profiles, oldest first."""
        household_id = (await self._user_row(caller))["household_id"]
        rows = await self._database.read(sql.list_rows, sql.PROFILES, household_id=household_id)
        return [sql.profile_of(row) for row in rows]

    async def choose_profile(
        self, caller: Principal, cookie: str, *, profile_id: ProfileId, pin: str = ""
    ) -> Profile:
        """Watch as this profile from now on; a profile with a PIN asks for it."""
        _check_person(caller)
        profile = await self._own_profile(caller, profile_id)
        if profile.has_pin and profile_id != caller.profile_id:
            await self._check_pin(profile_id, pin)
        digest = _digest(self._session_id(cookie) or "")
        if not await self._database.write(sql.update, sql.SESSIONS, {"hash": digest}, profile_id=profile_id):
            raise Forbidden("sign in first")
        return profile

    async def _check_pin(self, profile_id: ProfileId, pin: str) -> None:
        if not pin:
            raise BadCode("this profile asks for its PIN")
        now_ms = self._now_ms()

        def count(connection: sa.Connection) -> str:
            # Counted before it is checked: a hundred guesses at once are a hundred failures.
            row = sql.find(connection, sql.PROFILES, id=profile_id)
            if row is None:
                raise NotFound("no such profile")
            locked_ms = rules.pin_locked_ms(row["pin_failures"], row["pin_failed_ms"], now_ms)
            if locked_ms:
                raise TooManyTries(-(-locked_ms // 1000))
            failures = row["pin_failures"] + 1
            sql.update(connection, sql.PROFILES, {"id": profile_id}, pin_failures=failures, pin_failed_ms=now_ms)
            return str(row["pin"])

        known = await self._database.write(count)
        if not await self._passwords.verify(known, pin[:16]):
            raise BadCode("the PIN is wrong")
        await self._database.write(sql.update, sql.PROFILES, {"id": profile_id}, pin_failures=0, pin_failed_ms=0)

    async def create_profile(self, caller: Principal, draft: ProfileDraft) -> Profile:
        """Add a profile to the household."""
        await self._check_may_manage(caller)
        household_id = (await self._user_row(caller))["household_id"]
        values = await self._profile_values(draft)
        profile_id = new_id(self._clock)

        def put(connection: sa.Connection) -> None:
            if len(sql.list_rows(connection, sql.PROFILES, household_id=household_id)) >= rules.PROFILES_MOST:
                raise Conflict(f"a household has at most {rules.PROFILES_MOST} profiles")
            self._insert_profile(connection, profile_id, household_id, values)

        await self._database.write(put)
        return await self.get_profile(ProfileId(profile_id))

    async def change_profile(self, caller: Principal, profile_id: ProfileId, draft: ProfileDraft) -> Profile:
        """Change a profile; one with a PIN only by who watches as it, or as an administrator."""
        target = await self._own_profile(caller, profile_id)
        await self._check_may_manage(caller, target)
        values = await self._profile_values(draft)
        await self._database.write(sql.update, sql.PROFILES, {"id": profile_id}, **values)
        return await self.get_profile(profile_id)

    async def delete_profile(self, caller: Principal, profile_id: ProfileId) -> None:
        """Remove a profile and what its viewer did, and sign out who watches as it.

        The last one stays, and the one in use.
        """
        target = await self._own_profile(caller, profile_id)
        await self._check_may_manage(caller, target)
        if profile_id == caller.profile_id:
            raise Conflict("you watch as this profile; switch to another first")

        def remove(connection: sa.Connection) -> None:
            if len(sql.list_rows(connection, sql.PROFILES, household_id=target.household_id)) < 2:
                raise Conflict("the last profile of a household stays")
            sql.delete(connection, sql.SESSIONS, profile_id=profile_id)
            sql.delete(connection, sql.TOKENS, profile_id=profile_id)
            sql.delete(connection, sql.PROFILES, id=profile_id)
            self._profile_removed(connection, profile_id)

        await self._database.write(remove)

    async def _check_may_manage(self, caller: Principal, target: Profile | None = None) -> None:
        _check_person(caller)
        current = await self.get_profile(caller.profile_id) if caller.profile_id else None
        if not rules.may_manage(current):
            raise Forbidden("profiles cannot be changed from a profile with a maturity limit; switch first")
        if target and target.has_pin and caller.profile_id != target.id and not caller.may("admin"):
            raise Forbidden("this profile has a PIN; switch to it first")

    async def _own_profile(self, caller: Principal, profile_id: ProfileId) -> Profile:
        profile = await self.get_profile(profile_id)
        if profile.household_id != (await self._user_row(caller))["household_id"]:
            raise NotFound("no such profile")
        return profile

    async def _profile_values(self, draft: ProfileDraft) -> Row:
        values: Row = {
            "name": rules.checked_name(draft.name),
            "avatar": draft.avatar,
            "language": draft.language,
            "maturity_limit": rules.profile_limit(draft.maturity_limit, kids=draft.kids),
            "kids": draft.kids,
        }
        if draft.pin is not None:
            values["pin"] = await self._passwords.hash(rules.checked_pin(draft.pin)) if draft.pin else ""
        return values

    def _insert_profile(self, connection: sa.Connection, profile_id: str, household_id: str, values: Row) -> None:
        sql.insert(
            connection,
            sql.PROFILES,
            id=profile_id,
            household_id=household_id,
            **{"pin": "", **values},
            pin_failures=0,
            pin_failed_ms=0,
            created_ms=self._now_ms(),
        )

    # Tokens

    async def create_token(self, caller: Principal, *, name: str, scopes: Collection[Scope], days: int) -> NewToken:
        """A personal API token for the profile that the caller watches as; shown once.

        Raises Conflict where there are too many.
        """
        _check_person(caller)
        token, token_id, now_ms = f"rw_{secrets.token_urlsafe(32)}", new_id(self._clock), self._now_ms()
        clean, expires_ms = rules.checked_name(name), now_ms + days * DAY_MS

        def put(connection: sa.Connection) -> None:
            mine = sql.list_rows(connection, sql.TOKENS, user_id=caller.user_id)
            expired = [row["id"] for row in mine if row["expires_ms"] < now_ms]
            for one in expired:
                sql.delete(connection, sql.TOKENS, id=one)
            if len(mine) - len(expired) >= rules.TOKENS_MOST:
                raise Conflict(f"you have {rules.TOKENS_MOST} tokens, which is the most; revoke one first")
            sql.insert(
                connection,
                sql.TOKENS,
                id=token_id,
                user_id=caller.user_id,
                profile_id=caller.profile_id,
                name=clean,
                hash=_digest(token),
                scopes=" ".join(sorted(set(scopes))),
                created_ms=now_ms,
                expires_ms=expires_ms,
            )

        await self._database.write(put)
        return NewToken(id=token_id, name=clean, token=token, expires_ms=expires_ms)

    async def list_tokens(self, caller: Principal) -> list[Token]:
        """The caller's tokens, without their secrets, oldest first."""
        rows = await self._database.read(sql.list_rows, sql.TOKENS, user_id=caller.user_id)
        return [msgspec.convert({**row, "scopes": row["scopes"].split()}, Token) for row in rows]

    async def delete_token(self, caller: Principal, token_id: str) -> None:
        """Revoke a token."""
        _check_person(caller)
        if not await self._database.write(sql.delete, sql.TOKENS, id=token_id, user_id=caller.user_id):
            raise NotFound("no such token")
        self._remembered.clear()

    # Users

    async def create_user(self, *, name: str, password: str, role: UserRole, joins: UserId | None = None) -> User:
        """Add a person, with a household and a profile of their own unless they join somebody's."""
        clean = rules.checked_name(name)
        hashed = await self._passwords.hash(rules.checked_password(password))

        def make(connection: sa.Connection) -> User:
            if sql.find(connection, sql.USERS, name_key=rules.name_key(clean)):
                raise Conflict(f"somebody is called {clean} already")
            host = sql.find(connection, sql.USERS, id=joins) if joins else None
            if joins and host is None:
                raise NotFound("nobody to join: no such user")
            return self._insert_user(
                connection, clean, hashed, role, host["household_id"] if host else new_id(self._clock)
            )

        return await self._database.write(make)

    async def list_users(self) -> list[User]:
        """Everybody, oldest first."""
        return [sql.user_of(row) for row in await self._database.read(sql.list_rows, sql.USERS)]

    async def change_user(
        self, user_id: UserId, *, role: UserRole | None = None, disabled: bool | None = None
    ) -> User:
        """Change a person's role, or shut them out; the last administrator stays one."""
        values = {key: value for key, value in (("role", role), ("disabled", disabled)) if value is not None}

        def change(connection: sa.Connection) -> User:
            row = sql.find(connection, sql.USERS, id=user_id)
            if row is None:
                raise NotFound("no such user")
            if values:
                sql.update(connection, sql.USERS, {"id": user_id}, **values)
            if sql.count_admins(connection) == 0:
                raise Conflict("the last administrator must stay one")
            if disabled:
                sql.delete(connection, sql.SESSIONS, user_id=user_id)
            return sql.user_of({**row, **values})

        user = await self._database.write(change)
        self._remembered.clear()
        return user

    async def change_password(self, caller: Principal, *, current: str, new: str) -> None:
        """Give oneself a new password; every session of this person ends, this one too."""
        _check_person(caller)
        row = await self._user_row(caller)
        if not await self._passwords.verify(row["password"], current[:1024]):
            raise BadCode("this is not the current password")
        await self.set_password(UserId(row["id"]), new)

    async def set_password(self, user_id: UserId, password: str) -> None:
        """Give a person a new password and end their sessions."""
        hashed = await self._passwords.hash(rules.checked_password(password))

        def change(connection: sa.Connection) -> None:
            if not sql.update(connection, sql.USERS, {"id": user_id}, password=hashed):
                raise NotFound("no such user")
            sql.delete(connection, sql.SESSIONS, user_id=user_id)

        await self._database.write(change)
        self._remembered.clear()

    async def is_shut_out(self, user_id: UserId) -> bool:
        """Whether somebody may not come in any more, or is not known."""
        row = await self._database.read(sql.find, sql.USERS, id=user_id)
        return row is None or bool(row["disabled"])

    async def find_user(self, name: str) -> User | None:
        """The person with this name."""
        row = await self._database.read(sql.find, sql.USERS, name_key=rules.name_key(name))
        return sql.user_of(row) if row else None

    def _insert_user(
        self, connection: sa.Connection, name: str, hashed: str, role: UserRole, household_id: str
    ) -> User:
        row: Row = {
            "id": new_id(self._clock),
            "household_id": household_id,
            "name": name,
            "name_key": rules.name_key(name),
            "password": hashed,
            "role": role,
            "disabled": False,
            "created_ms": self._now_ms(),
        }
        sql.insert(connection, sql.USERS, **row)
        if not sql.list_rows(connection, sql.PROFILES, household_id=household_id):
            values = {"name": name, "avatar": "amber", "language": "en", "maturity_limit": EVERYTHING, "kids": False}
            self._insert_profile(connection, new_id(self._clock), household_id, values)
        return sql.user_of(row)

    async def _user_row(self, caller: Principal) -> Row:
        row = await self._database.read(sql.find, sql.USERS, id=caller.user_id) if caller.user_id else None
        if row is None:
            raise Forbidden("sign in first")
        return row

    def _now_ms(self) -> int:
        return self._clock.wall_ns() // 1_000_000


def _check_person(caller: Principal) -> None:
    """What could give more rights than a token has is done by a person who signed in."""
    if caller.kind != "session":
        raise Forbidden("a personal token cannot do this; sign in")


def _digest(secret: str) -> str:
    return hashlib.sha256(secret.encode()).hexdigest()
