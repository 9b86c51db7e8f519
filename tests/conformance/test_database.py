"""Both engines behave the same behind one door."""

from __future__ import annotations

import secrets
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
import sqlalchemy as sa
from tests.engines import PostgresServer

from reelwright.app.places import jobs_url
from reelwright.kernel.database import Database, among
from reelwright.kernel.errors import Invalid, Unavailable
from reelwright.kernel.jobs import JobsClient
from reelwright.kernel.settings import ServiceSettings

TABLE = sa.Table("counts", sa.MetaData(), sa.Column("id", sa.Integer, primary_key=True), sa.Column("n", sa.Integer))


@pytest.fixture
def database(database_url: str) -> Iterator[Database]:
    """A database with one row that counts."""
    opened = Database(database_url)
    with opened.writing() as connection:
        TABLE.create(connection)
        connection.execute(TABLE.insert().values(id=1, n=0))
    yield opened
    opened.close()


def count(connection: sa.Connection) -> int:
    """The row's count."""
    return connection.scalar(sa.select(TABLE.c.n)) or 0


def test_a_write_commits_what_it_read(database: Database) -> None:
    """Read, add one, write back: however many do it at once, none is lost."""
    start = threading.Barrier(6)

    def add_one(connection: sa.Connection) -> None:
        connection.execute(TABLE.update().values(n=count(connection) + 1))

    def work(_worker: int) -> None:
        start.wait()
        for _ in range(10):
            database.transact(add_one)

    with ThreadPoolExecutor(6) as threads:
        list(threads.map(work, range(6)))
    with database.reading() as connection:
        assert count(connection) == 60


def test_a_user_who_may_make_nothing_is_told_what_is_missing(postgres_url: str) -> None:
    """Since PostgreSQL 15 only a database's owner may make tables in it; nor may others make the schema of jobs."""
    role = f"guest_{secrets.token_hex(4)}"
    engine = sa.create_engine(postgres_url.replace("postgresql://", "postgresql+psycopg://"))
    with engine.begin() as connection:
        connection.execute(sa.text(f"CREATE ROLE {role} LOGIN PASSWORD 'secret'"))
    url = sa.make_url(postgres_url).set(username=role, password="secret").render_as_string(hide_password=False)
    guest = Database(url)
    with pytest.raises(Invalid, match="permission denied for schema public; the user has to own"):
        guest.migrate(["reelwright.accounts"])
    guest.close()
    with pytest.raises(Invalid, match=r"permission denied for database \w+; the user has to own"):
        JobsClient(jobs_url(ServiceSettings(database=url)))
    with engine.begin() as connection:
        connection.execute(sa.text(f"DROP ROLE {role}"))
    engine.dispose()


def test_two_writes_that_only_read_each_other_do_not_both_win(database: Database) -> None:
    """A rule over several rows (the last administrator stays) holds although each changes a row of its own."""
    with database.writing() as connection:
        connection.execute(TABLE.insert().values(id=2, n=0))
    both = threading.Barrier(2)
    first_try = threading.local()

    def leave(connection: sa.Connection, row: int) -> bool:
        there = connection.scalar(sa.select(sa.func.count()).select_from(TABLE)) or 0
        if database.dialect == "postgresql" and not getattr(first_try, "done", False):
            first_try.done = True
            both.wait()  # both have read before either writes; on SQLite the second could not even begin
        if there > 1:
            connection.execute(TABLE.delete().where(TABLE.c.id == row))
        return there > 1

    with ThreadPoolExecutor(2) as threads:
        left = list(threads.map(lambda row: database.transact(leave, row), (1, 2)))
    assert sorted(left) == [False, True]


def test_an_error_inside_a_write_takes_everything_back(database: Database) -> None:
    """Half a change is no change."""

    def half(connection: sa.Connection) -> None:
        connection.execute(TABLE.update().values(n=7))
        raise RuntimeError("in the middle")

    with pytest.raises(RuntimeError):
        database.transact(half)
    with database.reading() as connection:
        assert count(connection) == 0


def test_readers_do_not_wait_for_a_writer(database: Database) -> None:
    """A page is shown while a long write goes on, as it was before that write."""
    with database.writing() as writer:
        writer.execute(TABLE.update().values(n=9))
        with database.reading() as reader:
            assert count(reader) == 0


def test_a_server_that_goes_away_is_unavailable_and_then_back(own_postgres: PostgresServer) -> None:
    """Whoever asks meanwhile is told in one line, without the password; afterwards the same object works again."""
    database = Database(own_postgres.url.replace("test@", "test:secret@"))
    with database.reading() as connection:
        assert connection.scalar(sa.text("SELECT 1")) == 1
    own_postgres.stop()
    with pytest.raises(Unavailable, match="does not answer") as told, database.reading() as connection:
        connection.execute(sa.text("SELECT 1"))
    assert "secret" not in str(told.value)
    own_postgres.start()
    with database.reading() as connection:
        assert connection.scalar(sa.text("SELECT 1")) == 1
    database.close()


def test_a_write_that_is_cut_off_by_a_crash_of_the_server_is_unavailable(own_postgres: PostgresServer) -> None:
    """The caller knows that nothing was promised."""
    database = Database(own_postgres.url)
    with database.writing() as connection:
        TABLE.create(connection)

    def crash(connection: sa.Connection) -> None:
        connection.execute(TABLE.insert().values(id=1, n=1))
        own_postgres.restart()
        connection.execute(TABLE.insert().values(id=2, n=1))

    with pytest.raises(Unavailable):
        database.transact(crash)
    with database.reading() as connection:
        assert connection.scalar(sa.select(sa.func.count()).select_from(TABLE)) == 0
    database.close()


def test_any_number_of_keys_is_asked_for_at_once(database: Database) -> None:
    """Pairs are found as pairs; quotes, other alphabets and a key too many change nothing."""
    pairs = sa.Table("pairs", sa.MetaData(), sa.Column("a", sa.String, primary_key=True), sa.Column("b", sa.String))
    rows = [{"a": f"a{number}", "b": f"b{number}"} for number in range(5000)] + [{"a": 'it\'s "é", ⛵', "b": "{}"}]

    def find(connection: sa.Connection, *keys: tuple[str, str]) -> set[tuple[str, str]]:
        found = connection.execute(sa.select(pairs).where(among(connection, [pairs.c.a, pairs.c.b], keys)))
        return {(row.a, row.b) for row in found}

    with database.writing() as connection:
        pairs.create(connection)
        connection.execute(pairs.insert(), rows)
        assert find(connection) == set()
        assert find(connection, ("a1", "b2"), ("a3", "b3"), ("a3", "b3")) == {("a3", "b3")}
        assert find(connection, *((row["a"], row["b"]) for row in rows)) == {(row["a"], row["b"]) for row in rows}
        only = sa.select(pairs.c.b).where(among(connection, [pairs.c.a], [("a7",), ("no",)]))
        assert list(connection.scalars(only)) == ["b7"]
