"""The schema is the same, whichever engine holds it and however far it had come."""

from __future__ import annotations

import importlib
import pkgutil
from concurrent.futures import ThreadPoolExecutor

import pytest
import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.operations import Operations
from alembic.script import ScriptDirectory

import reelwright
from reelwright.kernel.database import Database

SYSTEMS = [
    name
    for _, name, is_package in pkgutil.iter_modules(reelwright.__path__, "reelwright.")
    if is_package and importlib.util.find_spec(f"{name}.migrations") is not None
]


def metadata_of(system: str) -> sa.MetaData:
    """The tables that a system's statements are written against."""
    found: sa.MetaData = importlib.import_module(f"{system}.adapters.sql").METADATA
    return found


def test_every_system_with_tables_is_tested_here() -> None:
    """A system that is forgotten here would first fail on somebody's PostgreSQL."""
    assert {"reelwright.accounts", "reelwright.catalog", "reelwright.events", "reelwright.playback"} <= set(SYSTEMS)


def test_migrations_make_the_tables_that_the_statements_use(database_url: str) -> None:
    """Whoever changes a table and forgets its migration is told here, on both engines."""
    database = Database(database_url)
    database.migrate(SYSTEMS)
    with database.reading() as connection:
        for system in SYSTEMS:
            metadata = metadata_of(system)
            context = MigrationContext.configure(
                connection,
                opts={
                    "include_object": lambda thing, name, kind, *_, known=metadata: (
                        kind != "table" or name in known.tables
                    )
                },
            )
            assert compare_metadata(context, metadata) == [], system
    database.close()


def test_migrating_again_changes_nothing_and_keeps_rows(database_url: str) -> None:
    """Every start migrates; the second finds nothing to do."""
    database = Database(database_url)
    database.migrate(SYSTEMS)
    with database.writing() as connection:
        connection.execute(sa.text("INSERT INTO accounts_setup VALUES (1, 'hash', 0, 5)"))
    database.migrate(SYSTEMS)
    with database.reading() as connection:
        assert connection.scalar(sa.text("SELECT count(*) FROM accounts_setup")) == 1
    database.close()


def test_processes_that_start_at_once_migrate_once(database_url: str) -> None:
    """Web and worker both migrate at start; neither finds half a schema."""
    databases = [Database(database_url) for _ in range(4)]
    with ThreadPoolExecutor(4) as threads:
        list(threads.map(lambda database: database.migrate(SYSTEMS), databases))
    with databases[0].reading() as connection:
        assert connection.scalar(sa.text("SELECT count(*) FROM accounts_users")) == 0
    for database in databases:
        database.close()


@pytest.mark.parametrize("system", SYSTEMS)
def test_a_migration_can_be_taken_back(database_url: str, system: str) -> None:
    """Downgrade to nothing leaves no table, and the way up again is open."""
    database = Database(database_url)
    database.migrate([system])
    folder = str(importlib.resources.files(system).joinpath("migrations"))
    config = Config()
    config.set_main_option("path_separator", "newline")
    config.set_main_option("script_location", folder)
    config.set_main_option("version_locations", folder)
    script = ScriptDirectory.from_config(config)
    with database.writing() as connection, Operations.context(MigrationContext.configure(connection)):
        for revision in script.walk_revisions():
            revision.module.downgrade()
        left = set(sa.inspect(connection).get_table_names()) - {"alembic_version"}
        assert left == set()
        connection.execute(sa.text("DELETE FROM alembic_version"))
    database.migrate([system])
    database.close()


def test_one_systems_migration_leaves_the_others_alone(database_url: str) -> None:
    """A command that needs one system finds a whole service's database, an empty one, or one of some systems."""
    database = Database(database_url)
    for packages in (["reelwright.accounts"], ["reelwright.practice"], SYSTEMS, ["reelwright.accounts"]):
        database.migrate(packages)
    with database.reading() as connection:
        heads = set(connection.scalars(sa.text("SELECT version_num FROM alembic_version")))
    assert {head.rstrip("0123456789") for head in heads} == {name.removeprefix("reelwright.") for name in SYSTEMS}
    assert len(heads) == len(SYSTEMS)
    database.close()
