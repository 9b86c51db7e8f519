"""Accounts keep their promises on both engines."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest
from argon2 import PasswordHasher
from tests.engines import PostgresServer

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
from reelwright.accounts.service import AccountsService
from reelwright.accounts.settings import AccountsSettings
from reelwright.kernel.clock import VirtualClock
from reelwright.kernel.database import Database
from reelwright.kernel.errors import Conflict, Forbidden, Invalid, NotFound, Unavailable
from reelwright.kernel.ids import ProfileId, UserId
from reelwright.kernel.keys import KeyRing
from reelwright.kernel.principal import EVERYTHING, NOBODY, UNRATED, Principal, is_suitable

pytestmark = pytest.mark.anyio
PASSWORD = "correct horse battery"
READ: tuple[Scope, ...] = ("read",)
ADMIN: tuple[Scope, ...] = ("admin",)
DAY_S = 86_400
CHEAP = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1)


class Home:
    """An installation's accounts, with a clock that obeys."""

    def __init__(self, url: str, keys: KeyRing | None = None) -> None:
        self.clock = VirtualClock()
        self.keys = keys or KeyRing.generate()
        self.database = Database(url)
        self.service = AccountsService(
            database=self.database,
            keys=self.keys,
            clock=self.clock,
            settings=AccountsSettings(idle_days=30, longest_days=180),
            passwords=Passwords(CHEAP),
        )

    async def person(self, name: str = "Ada", role: UserRole = "viewer") -> tuple[User, str]:
        """Somebody with a session."""
        user = await self.service.create_user(name=name, password=PASSWORD, role=role)
        return user, await self.service.sign_in(name=name, password=PASSWORD)

    async def caller(self, cookie: str, **more: Any) -> Principal:
        """Who a cookie is."""
        return await self.service.authenticate(cookie=cookie, bearer=None, **more)

    async def watching(self, cookie: str, **draft: Any) -> tuple[Principal, Profile]:
        """A new profile, and the session watching as it."""
        profile = await self.service.create_profile(await self.caller(cookie), ProfileDraft(name="New", **draft))
        pin = draft.get("pin", "")
        await self.service.choose_profile(await self.caller(cookie), cookie, profile_id=profile.id, pin=pin)
        return await self.caller(cookie), profile


@pytest.fixture
async def home(database_url: str) -> AsyncIterator[Home]:
    """Empty accounts."""
    made = Home(database_url)
    made.database.migrate(["reelwright.accounts"])
    yield made
    made.database.close()


# Set-up


async def test_the_set_up_code_makes_one_administrator_once(home: Home) -> None:
    """The first administrator gets a profile without limit; the page then closes for ever."""
    code = await home.service.issue_setup_code()
    assert code
    user = await home.service.set_up(code=code, name="Ada", password=PASSWORD)
    assert user.role == "admin"
    cookie = await home.service.sign_in(name="ada", password=PASSWORD)
    profiles = await home.service.list_profiles(await home.caller(cookie))
    assert [profile.maturity_limit for profile in profiles] == [EVERYTHING]
    assert await home.service.issue_setup_code() is None
    with pytest.raises(AlreadySetUp):
        await home.service.set_up(code=code, name="Eve", password=PASSWORD)


async def test_a_set_up_code_opens_whichever_process_printed_it_and_not_for_ever(home: Home) -> None:
    """Each start prints the same one, also two at once; it ends after its hours, and after ten wrong tries."""
    old, again = await asyncio.gather(home.service.issue_setup_code(), home.service.issue_setup_code())
    assert old == again == await home.service.issue_setup_code()
    home.clock.advance(25 * 3600)
    with pytest.raises(BadCode, match="expired"):
        await home.service.set_up(code=old or "", name="Ada", password=PASSWORD)
    code = await home.service.issue_setup_code()
    with pytest.raises(BadCode, match="not the code"):
        await home.service.set_up(code=old or "", name="Ada", password=PASSWORD)
    for _ in range(9):
        with pytest.raises(BadCode):
            await home.service.set_up(code="guess", name="Ada", password=PASSWORD)
    with pytest.raises(BadCode, match="expired"):
        await home.service.set_up(code=code or "", name="Ada", password=PASSWORD)
    assert await home.service.issue_setup_code() not in (old, code)


async def test_racing_set_ups_make_one_administrator(home: Home) -> None:
    """Two people with the same link at the same moment: one wins."""
    code = await home.service.issue_setup_code() or ""
    tries = [home.service.set_up(code=code, name=f"Ada {n}", password=PASSWORD) for n in range(6)]
    done = await asyncio.gather(*tries, return_exceptions=True)
    assert sum(isinstance(result, User) for result in done) == 1
    assert {type(result) for result in done if not isinstance(result, User)} <= {AlreadySetUp, BadCode}


# Sign-in and sessions


async def test_wrong_name_wrong_password_and_disabled_are_told_the_same(home: Home) -> None:
    """Nobody learns from an answer who has an account."""
    user, _ = await home.person("Ada")
    await home.person("Root", "admin")
    said = set()
    await home.service.change_user(user.id, disabled=True)
    for name, password in (("Ada", "wrong wrong"), ("Nobody", PASSWORD), ("Ada", PASSWORD), ("", PASSWORD)):
        with pytest.raises(BadCredentials) as told:
            await home.service.sign_in(name=name, password=password)
        said.add(str(told.value))
    assert len(said) == 1


@pytest.mark.parametrize("name", ["ADA", "ada", "Ａｄａ", " Ada ", "A\u200bda"])
async def test_names_that_look_alike_are_one_name(home: Home, name: str) -> None:
    """Case, width and invisible characters make no second person, and no wrong sign-in."""
    await home.person("Ada")
    with pytest.raises(Conflict):
        await home.service.create_user(name=name, password=PASSWORD, role="viewer")
    assert await home.service.sign_in(name=name, password=PASSWORD)


@pytest.mark.parametrize("name", ["", "   ", "\u200b", "\x00", "a" * 65, "…"])
async def test_a_name_that_nobody_could_type_is_refused(home: Home, name: str) -> None:
    """Names have a letter or a digit and a bounded length."""
    with pytest.raises(Invalid):
        await home.service.create_user(name=name, password=PASSWORD, role="viewer")
    with pytest.raises(BadCredentials):
        await home.service.sign_in(name=name, password=PASSWORD)


async def test_a_session_ends_when_idle_and_at_its_longest(home: Home) -> None:
    """Thirty days without use, or half a year with it."""
    _, cookie = await home.person()
    for _ in range(5):
        home.clock.advance(29 * DAY_S)
        assert (await home.caller(cookie, unsafe=True)).kind == "session"
    home.clock.advance(31 * DAY_S)
    assert await home.caller(cookie) == NOBODY
    _, cookie = await home.person("Bob")
    for _ in range(12):
        home.clock.advance(15 * DAY_S)
        await home.caller(cookie, unsafe=True)
    home.clock.advance(DAY_S)
    assert await home.caller(cookie) == NOBODY


async def test_a_get_does_not_keep_a_session_alive(home: Home) -> None:
    """A GET writes nothing, so a page left open does not stay signed in for ever."""
    _, cookie = await home.person()
    home.clock.advance(20 * DAY_S)
    assert (await home.caller(cookie)).kind == "session"
    home.clock.advance(11 * DAY_S)
    assert await home.caller(cookie) == NOBODY


async def test_a_clock_that_steps_back_throws_nobody_out(home: Home) -> None:
    """NTP or an operator may set the clock back by hours or years."""
    _, cookie = await home.person()
    home.clock.step_wall(-3 * 365 * DAY_S)
    assert (await home.caller(cookie, unsafe=True)).kind == "session"
    home.clock.advance(31 * DAY_S)
    assert await home.caller(cookie) == NOBODY, "the session counts from the clock as it is now"


async def test_signing_out_ends_this_session_alone(home: Home) -> None:
    """The same person may be signed in on several devices."""
    _, phone = await home.person()
    tv = await home.service.sign_in(name="Ada", password=PASSWORD)
    await home.service.sign_out(phone)
    assert await home.caller(phone) == NOBODY
    assert (await home.caller(tv)).kind == "session"
    await home.service.sign_out("rubbish")


async def test_sessions_that_are_over_are_cleared_away(home: Home) -> None:
    """The table does not grow with every sign-in of a lifetime."""
    _, cookie = await home.person()
    home.clock.advance(40 * DAY_S)
    await home.service.sign_in(name="Ada", password=PASSWORD)
    home.clock.step_wall(-40 * DAY_S)
    assert await home.caller(cookie) == NOBODY


@pytest.mark.parametrize("change", ["key", "id", "signature", "foreign", "empty", "long"])
async def test_a_forged_cookie_is_nobody_and_never_reaches_the_database(home: Home, change: str) -> None:
    """The signature is checked first: a flood of forgeries costs no query."""
    _, cookie = await home.person()
    key, session_id, signature = cookie.split(".")
    _, foreign = KeyRing.generate().sign("session", session_id)
    forged = {
        "key": f"zzzzzz.{session_id}.{signature}",
        "id": f"{key}.{session_id[:-1]}x.{signature}",
        "signature": f"{key}.{session_id}.{signature[:-1]}x",
        "foreign": f"{key}.{session_id}.{foreign}",
        "empty": f"{key}..{signature}",
        "long": cookie + "A" * 10_000,
    }[change]
    home.database.close()
    home.service._database = None  # type: ignore[assignment]  # any query now fails loudly
    assert await home.caller(forged) == NOBODY


async def test_the_database_holds_no_secret_that_opens_a_session(home: Home) -> None:
    """Who reads a backup can sign in as nobody."""
    _, cookie = await home.person()
    caller = await home.caller(cookie)
    token = await home.service.create_token(caller, name="t", scopes=READ, days=1)
    secrets = [cookie.split(".")[1], token.token, PASSWORD]
    from reelwright.accounts.adapters.sql import METADATA

    with home.database.reading() as connection:
        for table in METADATA.sorted_tables:
            held = str(connection.execute(table.select()).all())
            assert not [secret for secret in secrets if secret in held], table.name


async def test_keys_may_rotate_under_a_session(home: Home, database_url: str) -> None:
    """What an older key of the ring signed stays valid; after a third rotation it is gone."""
    _, cookie = await home.person()
    once = Home(database_url, home.keys.rotated())
    assert (await once.caller(cookie)).kind == "session"
    thrice = Home(database_url, home.keys.rotated().rotated().rotated())
    assert await thrice.caller(cookie) == NOBODY
    once.database.close()
    thrice.database.close()


async def test_a_csrf_value_belongs_to_one_session(home: Home) -> None:
    """Another person's value, or an altered one, does not fit."""
    _, ada = await home.person("Ada")
    _, bob = await home.person("Bob")
    value = (await home.caller(ada)).csrf
    assert home.service.csrf_fits(ada, value)
    assert not home.service.csrf_fits(bob, value)
    assert not home.service.csrf_fits(ada, value[:-1] + ("A" if value[-1] != "A" else "B"))
    assert not home.service.csrf_fits(ada, "")


async def test_a_disabled_person_is_out_at_once(home: Home) -> None:
    """Sessions end and tokens stop; enabling brings tokens back, sessions not."""
    await home.person("Root", "admin")
    user, cookie = await home.person("Ada")
    token = await home.service.create_token(await home.caller(cookie), name="t", scopes=READ, days=1)
    await home.service.change_user(user.id, disabled=True)
    assert await home.caller(cookie) == NOBODY
    assert await home.service.authenticate(cookie=None, bearer=token.token) == NOBODY
    await home.service.change_user(user.id, disabled=False)
    assert await home.caller(cookie) == NOBODY
    assert (await home.service.authenticate(cookie=None, bearer=token.token)).kind == "token"


async def test_a_new_password_ends_all_sessions(home: Home) -> None:
    """Whoever knew the old one is out; the current one is asked for."""
    user, cookie = await home.person()
    caller = await home.caller(cookie)
    with pytest.raises(BadCode):
        await home.service.change_password(caller, current="wrong wrong", new="another long one")
    await home.service.change_password(caller, current=PASSWORD, new="another long one")
    assert await home.caller(cookie) == NOBODY
    with pytest.raises(BadCredentials):
        await home.service.sign_in(name="Ada", password=PASSWORD)
    assert await home.service.sign_in(name="Ada", password="another long one")
    with pytest.raises(NotFound):
        await home.service.set_password(UserId("nobody"), "another long one")
    assert user.role == "viewer"


async def test_the_last_administrator_stays_also_in_a_race(home: Home) -> None:
    """Nobody can lock everybody out."""
    one, _ = await home.person("One", "admin")
    two, _ = await home.person("Two", "admin")
    changes = [home.service.change_user(user.id, role="viewer") for user in (one, two)]
    done = await asyncio.gather(*changes, return_exceptions=True)
    assert sorted(isinstance(result, User) for result in done) == [False, True]
    with pytest.raises(NotFound):
        await home.service.change_user(UserId("nobody"), role="admin")


async def test_people_of_one_household_share_its_profiles(home: Home) -> None:
    """Who joins somebody watches as the same profiles; anybody else's do not exist."""
    ada, cookie = await home.person("Ada")
    await home.service.create_user(name="Bob", password=PASSWORD, role="viewer", joins=ada.id)
    bob = await home.service.sign_in(name="Bob", password=PASSWORD)
    _, eve = await home.person("Eve")
    profiles = await home.service.list_profiles(await home.caller(cookie))
    assert await home.service.list_profiles(await home.caller(bob)) == profiles
    with pytest.raises(NotFound):
        await home.service.choose_profile(await home.caller(eve), eve, profile_id=profiles[0].id)
    with pytest.raises(NotFound):
        await home.service.create_user(name="Joe", password=PASSWORD, role="viewer", joins=UserId("nobody"))


# Profiles


async def test_without_a_profile_only_editors_see_titles(home: Home) -> None:
    """A viewer who has not chosen sees nothing; an administrator works on everything."""
    _, viewer = await home.person("Ada")
    _, admin = await home.person("Root", "admin")
    assert (await home.caller(viewer)).maturity_limit == 0
    assert (await home.caller(admin)).maturity_limit == EVERYTHING


@pytest.mark.parametrize(
    ("draft", "limit"),
    [({"kids": True}, 7), ({"kids": True, "maturity_limit": 12}, 12), ({"maturity_limit": 16}, 16)],
)
async def test_who_watches_as_a_limited_profile_is_a_viewer(home: Home, draft: dict[str, Any], limit: int) -> None:
    """A child on an administrator's session finds no Studio, changes no limit, and cannot take the PIN away."""
    user, cookie = await home.person("Root", "admin")
    caller, profile = await home.watching(cookie, **draft)
    assert (caller.role, caller.maturity_limit, is_suitable(None, caller.maturity_limit)) == ("viewer", limit, False)
    assert is_suitable(limit, caller.maturity_limit) and not is_suitable(limit + 1, caller.maturity_limit)
    with pytest.raises(Forbidden):
        await home.service.change_profile(caller, profile.id, ProfileDraft(name="Free"))
    with pytest.raises(Forbidden):
        await home.service.create_profile(caller, ProfileDraft(name="Free"))
    with pytest.raises(Forbidden):
        await home.service.delete_profile(caller, profile.id)
    token = await home.service.create_token(caller, name="t", scopes=ADMIN, days=1)
    by_token = await home.service.authenticate(cookie=None, bearer=token.token)
    assert (by_token.role, by_token.maturity_limit) == ("viewer", limit)
    assert user.role == "admin"


async def test_a_pin_guards_a_profile(home: Home) -> None:
    """It is asked for on the way in, not while one is in."""
    _, cookie = await home.person()
    first = (await home.service.list_profiles(await home.caller(cookie)))[0]
    caller, guarded = await home.watching(cookie, pin="2468")
    assert guarded.has_pin
    await home.service.choose_profile(caller, cookie, profile_id=guarded.id)
    await home.service.choose_profile(caller, cookie, profile_id=first.id)
    caller = await home.caller(cookie)
    for pin in ("", "0000", "02468", "2468 "):
        with pytest.raises(BadCode):
            await home.service.choose_profile(caller, cookie, profile_id=guarded.id, pin=pin)
        home.clock.advance(1000)
    with pytest.raises(Forbidden, match="PIN"):
        await home.service.change_profile(caller, guarded.id, ProfileDraft(name="x", pin=""))
    await home.service.choose_profile(caller, cookie, profile_id=guarded.id, pin="2468")
    assert (await home.caller(cookie)).profile_id == guarded.id


async def test_wrong_pins_wait_longer_and_longer_and_a_right_one_forgives(home: Home) -> None:
    """Three are free, then 5, 10, 20 … at most 900 s; even the right PIN must wait."""
    _, cookie = await home.person()
    first = (await home.service.list_profiles(await home.caller(cookie)))[0]
    caller, guarded = await home.watching(cookie, pin="2468")
    await home.service.choose_profile(caller, cookie, profile_id=first.id)
    caller = await home.caller(cookie)

    async def guess(pin: str) -> Profile:
        return await home.service.choose_profile(caller, cookie, profile_id=guarded.id, pin=pin)

    for _ in range(3):
        with pytest.raises(BadCode):
            await guess("0000")
    waits = []
    for _ in range(10):
        with pytest.raises(TooManyTries) as told:
            await guess("2468")
        waits.append(told.value.retry_after_s)
        home.clock.advance(told.value.retry_after_s)
        with pytest.raises(BadCode):
            await guess("0000")
    assert waits == [5, 10, 20, 40, 80, 160, 320, 640, 900, 900]
    home.clock.advance(900)
    await guess("2468")
    await home.service.choose_profile(await home.caller(cookie), cookie, profile_id=first.id)
    caller = await home.caller(cookie)
    for _ in range(3):
        with pytest.raises(BadCode):
            await guess("0000")


async def test_racing_pin_guesses_are_all_counted(home: Home) -> None:
    """Forty guesses at once are three tries, on both engines."""
    _, cookie = await home.person()
    first = (await home.service.list_profiles(await home.caller(cookie)))[0]
    caller, guarded = await home.watching(cookie, pin="2468")
    await home.service.choose_profile(caller, cookie, profile_id=first.id)
    caller = await home.caller(cookie)
    guesses = [home.service.choose_profile(caller, cookie, profile_id=guarded.id, pin=f"{n:04}") for n in range(40)]
    done = await asyncio.gather(*guesses, return_exceptions=True)
    heard = [result for result in done if isinstance(result, BadCode)]
    assert 1 <= len(heard) <= 3, done
    assert all(isinstance(result, BadCode | TooManyTries | Unavailable) for result in done)
    with pytest.raises(TooManyTries):
        await home.service.choose_profile(caller, cookie, profile_id=guarded.id, pin="2468")


async def test_a_clock_set_back_locks_no_profile_for_years(home: Home) -> None:
    """The wait ends; the next wrong PIN begins it again."""
    _, cookie = await home.person()
    first = (await home.service.list_profiles(await home.caller(cookie)))[0]
    caller, guarded = await home.watching(cookie, pin="2468")
    await home.service.choose_profile(caller, cookie, profile_id=first.id)
    caller = await home.caller(cookie)
    for _ in range(3):
        with pytest.raises(BadCode):
            await home.service.choose_profile(caller, cookie, profile_id=guarded.id, pin="0000")
    home.clock.step_wall(-365 * DAY_S)
    with pytest.raises(BadCode):
        await home.service.choose_profile(caller, cookie, profile_id=guarded.id, pin="0000")
    with pytest.raises(TooManyTries):
        await home.service.choose_profile(caller, cookie, profile_id=guarded.id, pin="2468")


async def test_a_household_has_one_to_eight_profiles_also_in_a_race(home: Home) -> None:
    """However many are made or removed at once."""
    _, cookie = await home.person()
    caller = await home.caller(cookie)
    make = [home.service.create_profile(caller, ProfileDraft(name=f"P{n}")) for n in range(12)]
    done = await asyncio.gather(*make, return_exceptions=True)
    assert sum(isinstance(result, Profile) for result in done) == 7, done
    profiles = await home.service.list_profiles(caller)
    assert len(profiles) == 8
    remove = [home.service.delete_profile(caller, profile.id) for profile in profiles]
    await asyncio.gather(*remove, return_exceptions=True)
    left = await home.service.list_profiles(caller)
    assert len(left) >= 1
    for profile in left[1:]:
        await home.service.delete_profile(caller, profile.id)
    with pytest.raises(Conflict):
        await home.service.delete_profile(caller, left[0].id)


async def test_removing_a_profile_signs_out_who_watches_as_it(home: Home) -> None:
    """A child's device must not fall back to the administrator's own rights."""
    _, cookie = await home.person("Root", "admin")
    tablet = await home.service.sign_in(name="Root", password=PASSWORD)
    _, kids = await home.watching(tablet, kids=True)
    with pytest.raises(Conflict, match="switch"):
        own = (await home.service.list_profiles(await home.caller(cookie)))[0]
        await home.service.choose_profile(await home.caller(cookie), cookie, profile_id=own.id)
        await home.service.delete_profile(await home.caller(cookie), own.id)
    await home.service.delete_profile(await home.caller(cookie), kids.id)
    assert await home.caller(tablet) == NOBODY


async def test_the_viewer_cookie_belongs_to_one_profile(home: Home) -> None:
    """A cookie of another profile is as good as none: media URLs are bound to it."""
    _, cookie = await home.person()
    caller, _ = await home.watching(cookie)
    assert caller.profile_id
    own, other = home.service.viewer_name(caller.profile_id), home.service.viewer_name(ProfileId("other"))
    assert (await home.caller(cookie, viewer=own)).viewer == own
    assert (await home.caller(cookie, viewer=other)).viewer == ""


# Tokens


@pytest.mark.parametrize(
    ("role", "scopes", "expected"),
    [
        ("admin", ("read",), "viewer"),
        ("admin", ("watch", "edit"), "editor"),
        ("admin", ("admin",), "admin"),
        ("viewer", ("admin",), "viewer"),
        ("editor", ("admin",), "editor"),
    ],
)
async def test_a_token_may_what_its_scopes_say_and_its_owner_may(
    home: Home, role: UserRole, scopes: Any, expected: str
) -> None:
    """Never more than either."""
    _, cookie = await home.person(role=role)
    token = await home.service.create_token(await home.caller(cookie), name="t", scopes=scopes, days=1)
    caller = await home.service.authenticate(cookie=None, bearer=token.token)
    assert (caller.kind, caller.role, caller.scopes) == ("token", expected, frozenset(scopes))


async def test_a_token_cannot_make_itself_stronger(home: Home) -> None:
    """Tokens, passwords and profiles are changed by a person who signed in."""
    _, cookie = await home.person(role="admin")
    person = await home.caller(cookie)
    token = await home.service.create_token(person, name="t", scopes=READ, days=1)
    caller = await home.service.authenticate(cookie=None, bearer=token.token)
    profile = (await home.service.list_profiles(person))[0]
    for deed in (
        home.service.create_token(caller, name="more", scopes=ADMIN, days=1),
        home.service.delete_token(caller, token.id),
        home.service.change_password(caller, current=PASSWORD, new="another long one"),
        home.service.create_profile(caller, ProfileDraft(name="New")),
        home.service.choose_profile(caller, cookie, profile_id=profile.id),
    ):
        with pytest.raises(Forbidden, match="sign in"):
            await deed


async def test_a_token_ends_when_it_expires_or_is_revoked(home: Home) -> None:
    """And only its owner can revoke it."""
    _, cookie = await home.person()
    _, other = await home.person("Bob")
    first = await home.service.create_token(await home.caller(cookie), name="t", scopes=READ, days=2)
    second = await home.service.create_token(await home.caller(cookie), name="u", scopes=READ, days=9)
    with pytest.raises(NotFound):
        await home.service.delete_token(await home.caller(other), second.id)
    home.clock.advance(3 * DAY_S)
    assert await home.service.authenticate(cookie=None, bearer=first.token) == NOBODY
    assert (await home.service.authenticate(cookie=None, bearer=second.token)).kind == "token"
    await home.service.delete_token(await home.caller(cookie), second.id)
    assert await home.service.authenticate(cookie=None, bearer=second.token) == NOBODY
    listed = await home.service.list_tokens(await home.caller(cookie))
    assert [token.name for token in listed] == ["t"]


async def test_a_person_has_so_many_tokens(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    """One too many is refused until one is revoked, or has expired; others make theirs."""
    monkeypatch.setattr(rules, "TOKENS_MOST", 2)
    _, cookie = await home.person()
    _, other = await home.person("Bob")
    caller = await home.caller(cookie)
    made = [await home.service.create_token(caller, name="t", scopes=READ, days=days) for days in (2, 9)]
    with pytest.raises(Conflict, match="2 tokens"):
        await home.service.create_token(caller, name="t", scopes=READ, days=2)
    await home.service.create_token(await home.caller(other), name="t", scopes=READ, days=2)
    await home.service.delete_token(caller, made[1].id)
    await home.service.create_token(caller, name="u", scopes=READ, days=9)
    home.clock.advance(3 * DAY_S)
    await home.service.create_token(await home.caller(cookie), name="v", scopes=READ, days=9)
    assert [token.name for token in await home.service.list_tokens(await home.caller(cookie))] == ["u", "v"]


async def test_a_limited_profile_counts_unrated_as_above(home: Home) -> None:
    """Unrated is 100: only a limit of 100 or none lets it through."""
    _, cookie = await home.person()
    caller, _ = await home.watching(cookie, maturity_limit=UNRATED)
    assert is_suitable(None, caller.maturity_limit) and is_suitable(21, caller.maturity_limit)
    caller, _ = await home.watching(cookie, maturity_limit=UNRATED - 1)
    assert not is_suitable(None, caller.maturity_limit)


async def test_callers_stay_known_while_the_database_is_away(own_postgres: PostgresServer) -> None:
    """For a quarter of an hour, so that their events can be kept; strangers are told to come again."""
    home = Home(own_postgres.url)
    home.database.migrate(["reelwright.accounts"])
    _, cookie = await home.person()
    caller = await home.caller(cookie)
    stranger = await home.service.sign_in(name="Ada", password=PASSWORD)
    home.clock.advance(2 * 3600)
    assert await home.caller(cookie) == caller
    own_postgres.stop()
    assert await home.caller(cookie, unsafe=True) == caller
    with pytest.raises(Unavailable):
        await home.caller(stranger)
    home.clock.advance(16 * 60)
    with pytest.raises(Unavailable):
        await home.caller(cookie)
    own_postgres.start()
    assert await home.caller(cookie) == caller
    home.database.close()
