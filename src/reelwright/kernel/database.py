"""The relational store: SQLite or PostgreSQL behind one door, with one way to read, to write and to migrate.

Repositories are plain functions that take a `Connection` first; services hand them to `read` and `write`, which run
them in a thread and a transaction of their own. Writes are serializable on both engines, so that what a function read
still holds when it commits: on SQLite a write begins IMMEDIATE and waits for the one lock at its start, on PostgreSQL
one that lost a race is run again. Such functions must therefore change nothing but the database.
"""

from __future__ import annotations

import json
import random
import sqlite3
import time
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from importlib import resources
from pathlib import Path
from typing import Any, Concatenate, Literal, ParamSpec, TypeVar

import anyio
import anyio.to_thread
import sqlalchemy as sa
from sqlalchemy.dialects import postgresql
from sqlalchemy.dialects.postgresql import insert as postgresql_insert
from sqlalchemy.dialects.sqlite import insert as sqlite_insert
from sqlalchemy.exc import ArgumentError, DataError, InterfaceError, OperationalError, ProgrammingError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from reelwright.kernel.errors import Invalid, MissingExtra, Unavailable
from reelwright.kernel.settings import ServiceSettings, require_kept

P = ParamSpec("P")
T = TypeVar("T")

METADATA = sa.MetaData()
_LOST_RACES = ("40001", "40P01")  # PostgreSQL: serialization_failure, deadlock_detected
_NO_RIGHT = "42501"  # insufficient_privilege
SQLITE_WAIT_S = 10
RACES = 12
"""How often a write that lost a race is run again before its caller is told to come later."""


_LIKE = "it is as sqlite:////path/to/file or postgresql://user@host:5432/name"


class LostRace(Unavailable):
    """Another transaction changed what this one had read."""


class Database:
    """One database, opened by URL."""

    def __init__(self, url: str) -> None:
        self.url = url
        try:
            self._engine = _sqlite_engine(url) if url.startswith("sqlite:") else _postgres_engine(url)
        except (ArgumentError, ValueError) as error:  # what they say may hold the password
            raise Invalid(f"this is no URL of a database: {url.partition(':')[0]}:…; {_LIKE}") from error
        self._limiter: anyio.CapacityLimiter | None = None

    @property
    def dialect(self) -> str:
        """`sqlite` or `postgresql`."""
        return self._engine.dialect.name

    @contextmanager
    def reading(self) -> Iterator[sa.Connection]:
        """A connection for reads, in the calling thread."""
        with self._guarded(), self._engine.connect() as connection:
            yield connection
            connection.rollback()

    @contextmanager
    def writing(self, *, isolation: Literal["", "SERIALIZABLE"] = "") -> Iterator[sa.Connection]:
        """A transaction that commits at the end of the block, in the calling thread."""
        with self._guarded(), self._engine.connect() as connection:
            connection.info["immediate"] = True
            if isolation and self.dialect == "postgresql":  # SQLite's writes are serial anyway
                connection.execution_options(isolation_level=isolation)
            try:
                with connection.begin():
                    yield connection
            finally:
                connection.info.pop("immediate", None)

    async def read(
        self, function: Callable[Concatenate[sa.Connection, P], T], /, *args: P.args, **kwargs: P.kwargs
    ) -> T:
        """Run `function(connection, …)` in a thread, without a write."""

        def run() -> T:
            with self.reading() as connection:
                return function(connection, *args, **kwargs)

        return await anyio.to_thread.run_sync(run, limiter=self._threads())

    async def write(
        self, function: Callable[Concatenate[sa.Connection, P], T], /, *args: P.args, **kwargs: P.kwargs
    ) -> T:
        """Run `function(connection, …)` in a thread, in one serializable transaction."""

        def run() -> T:
            return self.transact(function, *args, **kwargs)

        return await anyio.to_thread.run_sync(run, limiter=self._threads())

    def transact(
        self, function: Callable[Concatenate[sa.Connection, P], T], /, *args: P.args, **kwargs: P.kwargs
    ) -> T:
        """`write` in the calling thread."""
        for race in range(RACES):
            try:
                with self.writing(isolation="SERIALIZABLE") as connection:
                    return function(connection, *args, **kwargs)
            except LostRace:
                time.sleep(random.uniform(0, 0.002 * 2**race))  # noqa: S311 (spreads the next try, hides nothing)
        raise Unavailable("too many others change the same rows at this moment; try again")

    def migrate(self, packages: Sequence[str]) -> None:
        """Bring the schema of every package's `migrations/` to its newest revision; other packages' are left alone.

        A revision is named by its package, as `accounts0002`. Raises Invalid where the database has one that is newer
        than what is installed.
        """
        from alembic.config import Config
        from alembic.runtime.environment import EnvironmentContext
        from alembic.script import ScriptDirectory

        folders = [str(resources.files(package).joinpath("migrations")) for package in packages]
        config = Config()
        config.set_main_option("path_separator", "newline")
        config.set_main_option("script_location", folders[0])
        config.set_main_option("version_locations", "\n".join(folders))
        script = ScriptDirectory.from_config(config)
        names = tuple(package.rpartition(".")[2] for package in packages)

        def steps(revisions: Any, _context: Any) -> Any:
            ours: Any = tuple(one for one in revisions if one.rstrip("0123456789") in names)
            known = {one.revision for one in script.walk_revisions()}
            if strange := sorted({*ours} - known):
                raise Invalid(
                    f"the database is of a newer version of Reelwright ({', '.join(strange)}); install that one"
                )
            return script._upgrade_revs("heads", ours)

        with self.writing() as connection:
            if self.dialect == "postgresql":  # two processes starting at once must not both create tables
                connection.execute(sa.text("SELECT pg_advisory_xact_lock(727372)"))
            environment = EnvironmentContext(config, script)
            environment.configure(connection=connection, fn=steps, destination_rev="heads")
            environment.run_migrations()

    def scrub(self, *tables: str) -> None:
        """Leave no byte of what was deleted in SQLite's files, nor in those of PostgreSQL's `tables`.

        PostgreSQL rewrites each table under a lock of its own; its write-ahead log is recycled in its own time.
        Raises Unavailable where readers hold the log, or a table, for longer than a write may wait.
        """
        if self.dialect != "sqlite":
            self._rewrite(tables)
            return
        until = time.monotonic() + SQLITE_WAIT_S
        raw = self._engine.raw_connection()
        try:
            while raw.cursor().execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()[0]:
                if time.monotonic() >= until:
                    raise Unavailable("readers hold the database's log; what was deleted leaves it once they end")
                time.sleep(0.05)
        finally:
            raw.close()

    def _rewrite(self, tables: Sequence[str]) -> None:
        with self._engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            connection.execute(sa.text(f"SET lock_timeout = '{int(SQLITE_WAIT_S)}s'"))
            try:
                for table in tables:
                    connection.execute(sa.text(f'VACUUM (FULL) "{table}"'))
            except OperationalError as error:
                raise Unavailable(
                    f"what was deleted is still in PostgreSQL's files, try again: {error.orig}"
                ) from None
            finally:
                connection.execute(sa.text("RESET lock_timeout"))

    def close(self) -> None:
        """Close all connections."""
        self._engine.dispose()

    def _threads(self) -> anyio.CapacityLimiter:
        if self._limiter is None:
            self._limiter = anyio.CapacityLimiter(8)
        return self._limiter

    @contextmanager
    def _guarded(self) -> Iterator[None]:
        try:
            yield
        except (OperationalError, InterfaceError) as error:
            if getattr(error.orig, "sqlstate", None) in _LOST_RACES:
                raise LostRace("another transaction changed the same rows; run this one again") from error
            raise Unavailable(f"the database {self._shown} does not answer: {error.orig}") from error
        except ProgrammingError as error:
            raise refused(error) from error
        except (DataError, OverflowError, UnicodeEncodeError) as error:
            raise Invalid("a text holds characters, or a number is so large, that no database can keep it") from error
        except PoolTimeout as error:
            raise Unavailable(f"the database {self._shown} is busy; try again in a moment") from error

    @property
    def _shown(self) -> str:
        return sa.make_url(self.url).render_as_string(hide_password=True)


@contextmanager
def reading_at(url: str) -> Iterator[sa.Connection]:
    """One look into a database that is there: SQLite would make the file that a mistyped path names.

    Raises NotFound where it is not, Unavailable.
    """
    require_kept(ServiceSettings(database=url))
    database = Database(url)
    try:
        with database.reading() as connection:
            yield connection
    finally:
        database.close()


def refused(error: ProgrammingError) -> Exception:
    """What to say where PostgreSQL does not let its user do this; else the error itself."""
    if getattr(error.orig, "sqlstate", None) != _NO_RIGHT:
        return error
    says = str(error.orig).partition("\n")[0]
    return Invalid(f"the database refuses its user: {says}; the user has to own the database")


def _sqlite_engine(url: str) -> sa.Engine:
    path = sa.make_url(url).database
    if not path or path == ":memory:":
        raise Invalid(f"an SQLite database is a file shared by processes, got {url!r}; use sqlite:////path/to/file")
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    engine = sa.create_engine(url, connect_args={"timeout": SQLITE_WAIT_S, "isolation_level": None})

    @sa.event.listens_for(engine, "connect")
    def _configure(connection: sqlite3.Connection, _record: object) -> None:
        _switch_to_wal(connection)
        for pragma in ("synchronous=FULL", "foreign_keys=ON", "temp_store=MEMORY", "secure_delete=ON"):
            connection.execute(f"PRAGMA {pragma}")

    @sa.event.listens_for(engine, "begin")
    def _begin(connection: sa.Connection) -> None:
        connection.exec_driver_sql("BEGIN IMMEDIATE" if connection.info.get("immediate") else "BEGIN")

    return engine


def _switch_to_wal(connection: sqlite3.Connection) -> None:
    """SQLite waits for other processes at every lock but at this change, which it refuses at once."""
    until = time.monotonic() + SQLITE_WAIT_S
    while True:
        try:
            connection.execute("PRAGMA journal_mode=WAL")
            return
        except sqlite3.OperationalError:
            if time.monotonic() >= until:
                raise
            time.sleep(0.01)


def _postgres_engine(url: str) -> sa.Engine:
    if not url.startswith(("postgresql://", "postgres://")):
        raise ValueError("neither SQLite nor PostgreSQL")
    try:
        import psycopg  # noqa: F401
    except ImportError as error:
        raise MissingExtra("postgres", f"the database {url.split('@')[-1]}") from error
    driver_url = url.replace("postgresql://", "postgresql+psycopg://", 1).replace(
        "postgres://", "postgresql+psycopg://", 1
    )
    return sa.create_engine(driver_url, pool_pre_ping=True, pool_size=8, connect_args={"connect_timeout": 5})


def upsert(
    connection: sa.Connection,
    table: sa.Table,
    rows: Sequence[Mapping[str, Any]],
    change: Callable[[Any], Mapping[str, Any]] | None = None,
    *,
    newer: str = "",
) -> None:
    """Insert rows; those that are there already take the new values, or what `change(excluded)` says.

    An empty change leaves them as they are. With `newer`, a row gives way only where that column does not go back.
    """
    if not rows:
        return
    insert = (sqlite_insert if connection.dialect.name == "sqlite" else postgresql_insert)(table)
    new, keys = insert.excluded, [column.name for column in table.primary_key]
    values = change(new) if change else {name: new[name] for name in rows[0] if name not in keys}
    where = new[newer] >= table.c[newer] if newer else None
    if values:
        statement = insert.on_conflict_do_update(index_elements=keys, set_=dict(values), where=where)
    else:
        statement = insert.on_conflict_do_nothing(index_elements=keys)
    connection.execute(statement, list(rows))


def among(connection: sa.Connection, columns: Sequence[sa.Column[str]], keys: Collection[Sequence[Any]]) -> Any:
    """The condition that these text columns hold one of `keys`: any number of them, sent as one value."""
    if not keys:
        return sa.false()
    if connection.dialect.name == "sqlite":
        each = sa.func.json_each(json.dumps(list(keys))).table_valued("value")
        found = [sa.func.json_extract(each.c.value, f"$[{place}]") for place in range(len(columns))]
    else:
        values = zip(*keys, strict=True)
        found = [sa.func.unnest(sa.cast(list(one), postgresql.ARRAY(sa.Text))) for one in values]
    return sa.tuple_(*columns).in_(sa.select(*found))


def row_dict(row: sa.Row[Any]) -> dict[str, Any]:
    """The columns of `row` by name."""
    return {str(name): value for name, value in row._mapping.items()}  # SQLAlchemy marks reserved words by a subclass
