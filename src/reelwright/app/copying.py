"""`reelwright copy`: what one machine keeps, on the engines of a team that outgrew it.

What is copied stays as it was: whoever is not content goes on there. Jobs are not taken along, for they lie beside
the database; so no encode may be in progress.
"""

from __future__ import annotations

import asyncio
import os
import re
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import sqlalchemy as sa
from rich.progress import track

from reelwright.app.compose import open_resources
from reelwright.app.places import media_url
from reelwright.app.serve import only_one
from reelwright.app.wiring import migrate
from reelwright.catalog.adapters.sql import index_titles
from reelwright.events.adapters.bus import source_name
from reelwright.events.service import EventsService
from reelwright.events.settings import EventsSettings
from reelwright.events.system import EventsSystem
from reelwright.experiments.adapters.viewing import project_viewing
from reelwright.kernel.database import Database
from reelwright.kernel.errors import Conflict, Invalid, MissingExtra, Unavailable
from reelwright.kernel.objects import ObjectStore, open_objects
from reelwright.kernel.settings import ServiceSettings, Source, require_kept
from reelwright.kernel.system import Resources
from reelwright.kernel.terminal import console
from reelwright.lake.cli import open_keeper
from reelwright.lake.service import is_installed
from reelwright.lake.settings import LakeSettings
from reelwright.media.adapters.sql import list_unfinished

AT_ONCE = 8
"""Objects on their way at a time."""
NOT_COPIED = ("alembic_version", "catalog_search")
"""Made there: by the migrations, and from the titles."""
COUNTER = "catalog_changes"
"""Has a row from the beginning; what is written to the catalogue counts it up once more when all is committed."""
_HASHED = re.compile(r"/[0-9a-f]{26}\.\w+$")


def run(*, data: Path | None, database: str, media: str, warehouse: str) -> None:
    """Copy to each of the URLs that is given; films alone may be copied while the service runs, for none changes.

    Raises Invalid, Conflict, Unavailable; then nothing there is whole.
    """
    if not (database or media or warehouse):
        raise Invalid("name at least one place to copy to: --database, --media or --warehouse")
    if data is not None:
        os.environ["REELWRIGHT_DATA"] = str(data)
    os.environ.setdefault("REELWRIGHT_LOG_LEVEL", "error")
    source = Source.open()
    require_kept(source.section("", ServiceSettings))
    resources = open_resources(source, process="copy")
    new = _opened(database) if database else None
    films = _store(media) if media else None
    if new is not None and resources.database.dialect != "sqlite":
        raise Invalid("the database is PostgreSQL already: pg_dump copies it")
    with only_one(resources.data / "run") if new or warehouse else nullcontext():
        if new or warehouse:
            migrate(resources.database)
            _refuse_unfinished(resources)
            asyncio.run(_settle(resources))
        if films is not None:
            copy_objects(_folder_of(media_url(resources.settings)), films)
        if warehouse:
            _copy_lake(resources, warehouse)
        if new is not None:
            migrate(new)
            rows = copy_database(resources.database, new)
            console.print(f"{sum(rows.values()):,} rows of {len(rows)} tables are copied.")
    console.print("To go on there, write into reelwright.toml:\n")
    for line, url in (("database", database), ("media", media), ("\n[lake]\nwarehouse", warehouse)):
        if url:
            console.print(f'{line} = "{url}"', soft_wrap=True)


def copy_database(old: Database, new: Database) -> dict[str, int]:
    """Every row of an SQLite database into a PostgreSQL that has the tables and no rows, in one transaction.

    Returns the rows by table. Raises Conflict where anything is there, Invalid where PostgreSQL refuses a row.
    """
    with old.reading() as source, new.writing() as target:
        found = sa.MetaData()
        found.reflect(target)
        ours = {*sa.inspect(source).get_table_names()} - {*NOT_COPIED}  # others may have tables there, too
        tables = [table for table in found.sorted_tables if table.name in ours]
        for table in tables:
            if table.name != COUNTER and target.scalar(sa.select(sa.func.count()).select_from(table)):
                raise Conflict(f"the database to copy to holds {table.name} already; name an empty one")
        target.execute(found.tables[COUNTER].delete())
        copied = {table.name: _copied(source, target, table) for table in tables}
        index_titles(target)
    return copied


def _copied(source: sa.Connection, target: sa.Connection, table: sa.Table) -> int:
    import psycopg

    try:
        return _copy_table(source, target, table)
    except psycopg.DataError as error:
        raise Invalid(f"PostgreSQL refuses a row of {table.name}, and nothing was copied to it: {error}") from error
    except psycopg.OperationalError as error:
        raise Unavailable(f"the database to copy to does not answer any more: {error}") from error


def _copy_table(source: sa.Connection, target: sa.Connection, table: sa.Table) -> int:
    """By COPY, which takes a value as text whatever its column is; only SQLite's booleans are numbers."""
    names = [column.name for column in table.columns]
    flags = [isinstance(column.type, sa.Boolean) for column in table.columns]
    listed = ", ".join(f'"{name}"' for name in names)
    rows = source.execute(sa.text(f'SELECT {listed} FROM "{table.name}"'))  # noqa: S608 (names of our own tables)
    count = 0
    cursor: Any = target.connection.cursor()  # psycopg's own
    with cursor.copy(f'COPY "{table.name}" ({listed}) FROM STDIN') as copy:
        for row in rows:
            copy.write_row(
                [bool(value) if flag and value is not None else value for value, flag in zip(row, flags, strict=True)]
            )
            count += 1
    return count


def copy_objects(folder: Path, target: ObjectStore) -> None:
    """Every file below a folder as an object of its name; again only what is named by its content and there whole."""
    names = list(_names_below(folder))

    def put(name: str) -> int:
        path = folder / name
        try:
            size = path.stat().st_size
        except FileNotFoundError:  # deleted since by a service that runs
            return 0
        if not (_HASHED.search(name) and target.size(name) == size):
            target.put(name, path)
        return size

    with ThreadPoolExecutor(AT_ONCE) as pool:
        sizes = list(track(pool.map(put, names), "Copying films", total=len(names), console=console, transient=True))
    console.print(f"{len(names):,} files of films, {sum(sizes) / 1e6:,.1f} MB, are copied.")


def _copy_lake(resources: Resources, url: str) -> None:
    if not is_installed():
        raise MissingExtra("lake", "copying a lake")
    from reelwright.lake.adapters.s3 import copy_warehouse

    settings = resources.source.section("lake", LakeSettings)
    copy_warehouse(_folder_of(settings.warehouse_of(resources.data / "lake")), url)
    console.print("The lake's tables are copied.")


def _names_below(folder: Path) -> Iterator[str]:
    for path in folder.rglob("*"):
        name = path.relative_to(folder).as_posix()
        if path.is_file() and not any(part.startswith(".") for part in name.split("/")):
            yield name


def _opened(url: str) -> Database:
    if not url.startswith(("postgresql://", "postgres://")):
        raise Invalid(
            f"a database to copy to is postgresql://…, got {url.partition(':')[0]}:…; SQLite is copied as a file"
        )
    return Database(url)


def _store(url: str) -> ObjectStore:
    if not url.startswith("s3://"):
        raise Invalid(f"a store to copy to is s3://bucket/prefix, got {url!r}; a folder is copied as one")
    return open_objects(url)


def _folder_of(url: str) -> Path:
    parts = urlsplit(url)
    if parts.scheme != "file":
        raise Invalid(f"{url} is no folder of this machine: copy it by the means of its store")
    return Path(unquote(parts.path))


def _refuse_unfinished(resources: Resources) -> None:
    with resources.database.reading() as connection:
        names = list_unfinished(connection)
    if names:
        raise Conflict(
            f"{len(names)} films are not done, {names[0]} first: let the service end them, or cancel them in Studio"
        )


async def _settle(resources: Resources) -> None:
    """What was acknowledged is counted, and in the lake: another bus begins with nothing."""
    settings = resources.source.section("events", EventsSettings)
    for role in ("web", "collector"):
        if not (resources.data / "events" / source_name(settings, f"{role}-{resources.instance}")).is_dir():
            continue  # no such process has a log on this disk
        service = EventsSystem(resources, role=role, projectors=(project_viewing,)).service
        if isinstance(service, EventsService):
            await service.start()
            await service.settle()
            await service.stop()
    if is_installed() and resources.source.section("lake", LakeSettings).enabled:
        await asyncio.to_thread(lambda: open_keeper(resources.data).commit_all())
