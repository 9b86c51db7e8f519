"""`reelwright accounts`: people, straight in the database, for who has the terminal."""

from __future__ import annotations

import csv
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Annotated

import anyio
import typer
from rich.table import Table

from reelwright.accounts.adapters.passwords import new_password
from reelwright.accounts.contract import UserRole
from reelwright.accounts.core.roster import read_roster
from reelwright.accounts.service import AccountsService
from reelwright.accounts.settings import AccountsSettings
from reelwright.kernel.clock import SystemClock
from reelwright.kernel.database import Database
from reelwright.kernel.errors import Conflict, Invalid, NotFound
from reelwright.kernel.keys import KeyRing
from reelwright.kernel.settings import DATABASE_FILE, ServiceSettings, Source, database_url, keys_file, require_kept
from reelwright.kernel.terminal import console

app = typer.Typer(help="People: list, add one or many, new password, set-up code.", no_args_is_help=True)
Data = Annotated[Path | None, typer.Option(help="The service's data folder, unless the settings name it.")]
Url = Annotated[str | None, typer.Option("--database", help="Database URL, unless the settings name it.")]


@app.command("list")
def list_people(data: Data = None, database: Url = None) -> None:
    """List everybody who can sign in."""

    async def work(service: AccountsService) -> None:
        table = Table("name", "role", "", box=None)
        for user in await service.list_users():
            table.add_row(user.name, user.role, "shut out" if user.disabled else "")
        console.print(table)

    _run(work, data, database)


@app.command()
def create_user(
    name: Annotated[str, typer.Argument(help="Name to sign in with.")],
    role: Annotated[UserRole, typer.Option(help="viewer, editor or admin.")] = "viewer",
    data: Data = None,
    database: Url = None,
) -> None:
    """Add a person; asks for the password."""
    password = typer.prompt("Password", hide_input=True, confirmation_prompt=True)

    async def work(service: AccountsService) -> None:
        await service.create_user(name=name, password=password, role=role)

    _run(work, data, database, new=True)


@app.command()
def create_users(
    file: Annotated[typer.FileBinaryRead, typer.Argument(help="CSV of name, role, password; - reads the terminal.")],
    data: Data = None,
    database: Url = None,
) -> None:
    """Add all people of a list, and print the passwords of those who were added as CSV.

    Only the name is needed: who has no role is a viewer, who has no password gets one. Who is there already is left
    as they are, so that a list may be given again when it has grown, or when this was stopped.
    """
    try:
        entries = read_roster(file.read().decode(), new_password)
    except UnicodeDecodeError as error:
        raise Invalid(f"{file.name} is not UTF-8: {error}; save it as CSV UTF-8") from error

    async def work(service: AccountsService) -> None:
        table = csv.writer(sys.stdout, lineterminator="\n")
        table.writerow(["name", "password"])
        for entry in entries:
            try:
                await service.create_user(name=entry.name, password=entry.password, role=entry.role)
            except Conflict as error:
                typer.echo(f"reelwright: {error}; left as they are", err=True)
                continue
            table.writerow([_shown(entry.name), entry.password])
            sys.stdout.flush()  # where this is stopped, who was added is told

    _run(work, data, database)


def _shown(name: str) -> str:
    """A name in a cell: a spreadsheet would compute a formula, and could tell the passwords beside it."""
    return f"'{name}" if name.startswith(("=", "+", "-", "@")) else name


@app.command()
def reset_password(
    name: Annotated[str, typer.Argument(help="Name to sign in with.")], data: Data = None, database: Url = None
) -> None:
    """Give a person a new password; asks for it."""
    password = typer.prompt("New password", hide_input=True, confirmation_prompt=True)

    async def work(service: AccountsService) -> None:
        user = await service.find_user(name)
        if user is None:
            raise NotFound(f"nobody is called {name}")
        await service.set_password(user.id, password)

    _run(work, data, database)


@app.command()
def setup_code(data: Data = None, database: Url = None) -> None:
    """Print the one-time code for the set-up page."""

    async def work(service: AccountsService) -> None:
        code = await service.issue_setup_code()
        console.print(f"/setup?code={code}" if code else "Somebody is set up already; sign in instead.")

    _run(work, data, database)


def _run(
    work: Callable[[AccountsService], Awaitable[None]], data: Path | None, url: str | None, *, new: bool = False
) -> None:
    """Do it with a service's accounts; `new` may make them, for people can be added before the first start."""
    settings = Source.open().section("", ServiceSettings, data=str(data) if data else None, database=url)
    if not new:
        require_kept(settings, file=DATABASE_FILE)
    database = Database(database_url(settings))
    database.migrate(["reelwright.accounts"])
    service = AccountsService(
        database=database, keys=KeyRing.open(keys_file(settings)), clock=SystemClock(), settings=AccountsSettings()
    )
    try:
        anyio.run(work, service)
    finally:
        database.close()
