"""`reelwright demo`: a service on a small catalogue that it makes itself, with an audience that never was.

Films and people are computed and made up, and labelled so wherever they are shown. The service starts at once; films
are made beside it, the shortest first, so that something can be watched within seconds. Everything that was made is
kept: the next start makes only what is missing.
"""

from __future__ import annotations

import asyncio
import os
import secrets
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from random import Random

import anyio.to_thread
import httpx
import msgspec
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn
from rich.text import Text

from reelwright.accounts.contract import ProfileDraft
from reelwright.accounts.system import AccountsSystem
from reelwright.app.compose import open_resources
from reelwright.app.demo_films import FILMS, Film, make_film
from reelwright.app.wiring import migrate
from reelwright.catalog.adapters.sql import list_details
from reelwright.catalog.contract import TitleDetail
from reelwright.catalog.core.visibility import EVERYTHING_ALWAYS
from reelwright.events.client import CollectorClient
from reelwright.kernel.errors import Transient
from reelwright.kernel.files import replace_file
from reelwright.kernel.ids import ProfileId, UserId
from reelwright.kernel.operations import read_processes
from reelwright.kernel.principal import Principal
from reelwright.kernel.settings import Source
from reelwright.kernel.system import Resources
from reelwright.kernel.terminal import console
from reelwright.practice.system import PracticeSystem
from reelwright.simulate.contract import Told, Viewer
from reelwright.simulate.core.audience import DAY_MS, make_viewers, watch_for_days
from reelwright.web.contract import DEMO_FILE, DemoAccount

SEED = 20_240_229
DAYS = 14
AUDIENCE = 60
"""Synthetic people beside the named profiles."""
PERSON = "Demo"
PROFILES = (
    ProfileDraft(name="Alex", avatar="amber"),
    ProfileDraft(name="Robin", avatar="lagoon"),
    ProfileDraft(name="Sam", avatar="plum", maturity_limit=12),
    ProfileDraft(name="Kids", avatar="fern", kids=True, maturity_limit=7),
)
FIRST_FILM_S = 60


def run(*, data: Path, port: int, library: Path | None, films: int) -> None:
    """Serve the demo until Ctrl-C; returns when everything has stopped."""
    folders = [data.resolve() / "films", *([library.resolve()] if library else [])]
    os.environ.update(
        REELWRIGHT_DATA=str(data.resolve()),
        REELWRIGHT_PORT=str(port),
        REELWRIGHT_LIBRARY=",".join(str(folder) for folder in folders),
        REELWRIGHT_LOG_LEVEL=os.environ.get("REELWRIGHT_LOG_LEVEL", "warning"),
    )
    folders[0].mkdir(parents=True, exist_ok=True)
    console.print("Reelwright demo: generated films, made-up people, a synthetic audience.", style="bold")
    resources = open_resources(Source.open(), process="demo")
    migrate(resources.database)
    account = asyncio.run(prepare_account(resources))
    asyncio.run(PracticeSystem(resources).put_sample(account.user_id))
    wanted = sorted(FILMS, key=lambda film: film.seconds)[:films]
    encoded = threading.Event()
    with serving() as service:
        made = threading.Thread(target=make_films, args=(wanted, folders[0], encoded), daemon=True)
        made.start()
        try:
            fill(resources, account, wanted, encoded)
            sys.exit(service.wait())
        except KeyboardInterrupt:
            console.print("\nStopping.")


@contextmanager
def serving() -> Iterator[subprocess.Popen[bytes]]:
    """The supervised service; it ends with us, however we end: it holds the other end of our pipe."""
    service = subprocess.Popen(
        [sys.executable, "-m", "reelwright.app.serve", "--with-parent"],
        stdin=subprocess.PIPE,
        start_new_session=True,  # Ctrl-C reaches us, and we stop it in order
    )
    for number in (signal.SIGINT, signal.SIGTERM):  # a shell's background job begins with SIGINT ignored
        signal.signal(number, signal.default_int_handler)

    def ended(*_: object) -> None:
        if service.poll() is not None:  # it has said why; whoever waits for its pages would do so for ever
            sys.exit(service.returncode)

    signal.signal(signal.SIGCHLD, ended)
    try:
        yield service
    finally:
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        service.terminate()
        service.wait()


async def prepare_account(resources: Resources) -> DemoAccount:
    """The demo's person and profiles; made once, and gone on with where that was cut off."""
    path = resources.data / DEMO_FILE
    if path.exists():
        return msgspec.json.decode(path.read_bytes(), type=DemoAccount)
    accounts = AccountsSystem(resources).service
    user = await accounts.find_user(PERSON)
    if user is None:
        user = await accounts.create_user(name=PERSON, password=secrets.token_urlsafe(24), role="admin")
    caller = Principal(kind="session", user_id=user.id, role="admin")
    there = await accounts.list_profiles(caller)
    await accounts.change_profile(caller, there[0].id, PROFILES[0])
    for draft in PROFILES[len(there) :]:
        await accounts.create_profile(caller, draft)
    profiles = [profile.id for profile in await accounts.list_profiles(caller)]
    account = DemoAccount(user_id=UserId(user.id), profiles=profiles)
    replace_file(path, msgspec.json.encode(account))
    return account


def make_films(films: list[Film], library: Path, encoded: threading.Event) -> None:
    """Compute what is missing, the shortest first; the others once the first is encoded, or does not get on.

    On two cores they would take from its encoder what whoever opens it at once is waiting for.
    """
    for film in films:
        make_film(film, library)
        if film is films[0]:
            encoded.wait(FIRST_FILM_S)


def fill(resources: Resources, account: DemoAccount, films: list[Film], encoded: threading.Event) -> None:
    """Say where the service is, follow films and encodes, and let the audience watch once all titles are known.

    `encoded` is set with the first film that is.
    """
    url = _wait_for_service(resources)
    said = " (Ctrl-C stops it). The first film plays as soon as its first segment is there."
    console.print(Text.assemble("Open ", (url, "bold"), said))
    columns = (TextColumn("{task.description}"), BarColumn(), TextColumn("{task.completed:.0f} of {task.total:.0f}"))
    with Progress(*columns, TimeElapsedColumn(), console=console, transient=not console.is_terminal) as bar:
        known = bar.add_task("Films in the catalogue", total=len(films))
        ready = bar.add_task("Films encoded", total=len(films))
        while True:
            details = _details(resources)
            playables = [playable for detail in details if detail.title.synthetic for playable in detail.playables]
            bar.update(known, completed=len(playables))
            bar.update(ready, completed=sum(playable.state == "ready" for playable in playables))
            if any(playable.state in ("ready", "failed") for playable in playables):
                encoded.set()
            if len(playables) >= len(films) and not account.audience:
                bar.console.print(f"Two weeks of a synthetic audience of {AUDIENCE + len(account.profiles)} begin …")
                count = asyncio.run(import_audience(resources, account, details, films))
                account = msgspec.structs.replace(account, audience=count)
                replace_file(resources.data / DEMO_FILE, msgspec.json.encode(account))
                bar.console.print(f"… and have left {count:,} events, all of them labelled synthetic.")
            if len(playables) >= len(films) and all(playable.state in ("ready", "failed") for playable in playables):
                break
            time.sleep(0.5)
    console.print(f"All films are ready: {url}")


def _wait_for_service(resources: Resources) -> str:
    """The URL that the supervisor chose; the wanted port may have been busy."""
    while True:
        for process in read_processes(resources.data / "run"):
            if process.name == "web" and process.state == "ready":
                try:
                    if httpx.get(f"{process.address}/healthz", timeout=2).status_code == 200:
                        return process.address
                except httpx.HTTPError:
                    pass
        time.sleep(0.1)


def _details(resources: Resources) -> list[TitleDetail]:
    with resources.database.reading() as connection:
        return list_details(connection, EVERYTHING_ALWAYS)


async def import_audience(
    resources: Resources, account: DemoAccount, details: list[TitleDetail], films: list[Film]
) -> int:
    """Two weeks of watching through the collector's import door; returns the number of events."""
    url = _wait_for_service(resources)
    client = CollectorClient(url=url, database=resources.database, clock=resources.clock, keys=resources.keys)
    now_ms = resources.clock.wall_ns() // 1_000_000
    told = await anyio.to_thread.run_sync(plan_audience, account, details, films, now_ms)
    try:
        for batch in _batches(told):
            await _send(client, batch)
    finally:
        await client.stop()
    return len(told)


def plan_audience(account: DemoAccount, details: list[TitleDetail], films: list[Film], now_ms: int) -> list[Told]:
    """What the audience does until now; the same for the same catalogue and time."""
    random = Random(SEED)  # noqa: S311 (a simulation, and it must be reproducible)
    titles = [_with_lengths(detail, films) for detail in details if detail.title.synthetic]
    genres = sorted({genre for detail in titles for genre in detail.title.genres})
    named = [
        Viewer(
            profile_id=ProfileId(profile_id),
            tastes={genre: random.choice((0.3, 1.0, 3.0)) for genre in genres},
            evenings=0.6,
            maturity_limit=draft.maturity_limit,
        )
        for profile_id, draft in zip(account.profiles, PROFILES, strict=True)
    ]
    viewers = [*named, *make_viewers(genres, AUDIENCE, random)]
    since_ms = now_ms - DAYS * DAY_MS
    return [
        row
        for row in watch_for_days(titles, viewers, random, since_ms=since_ms, days=DAYS)
        if row.event.at_ms < now_ms
    ]


def _with_lengths(detail: TitleDetail, films: list[Film]) -> TitleDetail:
    """The title with all of its films there: the audience does not wait for encodes."""
    lengths = {(film.name, film.season, film.episode): float(film.seconds) for film in films}
    return msgspec.structs.replace(
        detail,
        playables=tuple(
            msgspec.structs.replace(
                playable,
                state="ready",
                duration_s=lengths.get((detail.title.name, playable.season, playable.episode), 30.0),
            )
            for playable in detail.playables
        ),
    )


def _batches(told: list[Told], size: int = 400) -> Iterator[list[Told]]:
    """Runs of one profile's events, each within the collector's bound."""
    by_profile: dict[ProfileId, list[Told]] = {}
    for row in told:
        by_profile.setdefault(row.profile_id, []).append(row)
    for rows in by_profile.values():
        for start in range(0, len(rows), size):
            yield rows[start : start + size]


async def _send(client: CollectorClient, batch: list[Told]) -> None:
    events = [row.event for row in batch]
    while True:
        try:
            await client.record(
                events, profile_id=batch[0].profile_id, synthetic=True, now_ms=max(event.at_ms for event in events)
            )
            return
        except Transient:
            await asyncio.sleep(0.5)
