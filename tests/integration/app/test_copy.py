"""A service that outgrew its machine takes along what it has: `reelwright copy`, as its how-to says."""

from __future__ import annotations

import os
import shutil
import sqlite3
import subprocess
import sys
import tomllib
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import httpx
import psycopg
import pytest
from tests.engines import KafkaServer, PostgresServer, S3Server, new_database
from tests.films import Films
from tests.integration.app.test_backup import begin, first_segment, wait_until
from tests.integration.app.test_roles import heartbeat
from tests.service import RunningService, expect, set_up, signed_in

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]
COMMAND = Path(sys.executable).with_name("reelwright")
TOLD = {"REELWRIGHT_LAKE_ENABLED": "true", "REELWRIGHT_LAKE_COMMIT_S": "3600"}
"""No worker commits in time what this test tells: the copy has to."""


class Engines:
    """A team's PostgreSQL, S3 and Kafka; stand-ins for the latter two."""

    def __init__(self, stack: ExitStack) -> None:
        postgres, self.kafka, self.s3 = PostgresServer(), KafkaServer(), S3Server()
        for engine in (postgres, self.kafka, self.s3):
            stack.callback(engine.remove)
        postgres.start()
        self.s3.make_bucket("films")
        self.database = new_database(postgres.url)
        self.catalog = new_database(postgres.url)

    @property
    def environ(self) -> dict[str, str]:
        """The settings of whoever uses them."""
        return {
            **self.s3.environ,
            "REELWRIGHT_DATABASE": self.database,
            "REELWRIGHT_MEDIA": "s3://films/media",
            "REELWRIGHT_LAKE_WAREHOUSE": "s3://films/lake",
            "REELWRIGHT_LAKE_CATALOG": self.catalog,
            "REELWRIGHT_EVENTS_BUS": self.kafka.url("reelwright"),
        }


class Before:
    """A service on one machine, with a film, a viewer's history and an event that no table has yet."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder / "before"
        library = folder / "library"
        library.mkdir()
        with RunningService(self.folder, environ={**TOLD, "REELWRIGHT_LIBRARY": str(library)}) as service:
            client = set_up(service)
            shutil.move(Films(folder).make("clip.mp4", seconds=4), library / "A Small Film (2020).mp4")
            told = heartbeat(begin(client, service), 2.5)
            expect(client.post("/api/v1/events", json={"events": [told]}), 200)
            self.event_id = told["id"]

    def copy(self, *arguments: str, environ: dict[str, str] | None = None) -> subprocess.CompletedProcess[str]:
        """What `reelwright copy` says."""
        command: list[str | Path] = [COMMAND, "copy", "--data", str(self.folder), *arguments]
        return subprocess.run(
            command, env={**os.environ, **TOLD, **(environ or {})}, capture_output=True, text=True, check=False
        )


@pytest.fixture(scope="module")
def engines() -> Iterator[Engines]:
    """All of them, running."""
    with ExitStack() as stack:
        yield Engines(stack)


@pytest.fixture(scope="module")
def before(tmp_path_factory: pytest.TempPathFactory) -> Before:
    """The service, stopped."""
    return Before(tmp_path_factory.mktemp("outgrown"))


def test_all_that_one_machine_kept_is_there_on_the_engines_of_a_team(
    tmp_path: Path, before: Before, engines: Engines
) -> None:
    """People, films, history, search, the lake; and each goes on: an event, an encode, in the same data folder."""
    films = (before.folder / "media").stat().st_mtime
    said = before.copy(
        *("--database", engines.database, "--media", "s3://films/media"),
        *("--warehouse", "s3://films/lake"),
        environ=engines.s3.environ,
    )
    assert said.returncode == 0, said.stderr
    lines = tomllib.loads(said.stdout.partition("reelwright.toml:")[2])
    assert lines["database"] == engines.database and lines["media"] == "s3://films/media"
    assert lines["lake"] == {"warehouse": "s3://films/lake"}
    assert (before.folder / "media").stat().st_mtime == films
    library = tmp_path / "library"
    library.mkdir()
    environ = {**TOLD, **engines.environ, "REELWRIGHT_LIBRARY": str(library), "REELWRIGHT_LAKE_COMMIT_S": "1"}
    with RunningService(before.folder, environ=environ) as service:
        client = signed_in(service)
        assert expect(client.get("/api/v1/history"), 200)[0]["position_s"] == 2.5
        assert [one["title"]["name"] for one in expect(client.get("/api/v1/titles?q=smal"), 200)["titles"]] == [
            "A Small Film"
        ]
        wait_until(lambda: edges(client) == [service.edge_url], service)
        again = begin(client, service)
        answer = first_segment(client, again)
        assert answer.status_code == 200 and len(answer.content) > 1000
        wait_until(lambda: known(client, [before.event_id]) == 1, service)
        told = heartbeat(again, 3.5)
        expect(client.post("/api/v1/events", json={"events": [told]}), 200)
        wait_until(lambda: expect(client.get("/api/v1/history"), 200)[0]["position_s"] == 3.5, service)
        shutil.move(Films(tmp_path).make("clip.mp4", seconds=4), library / "A Later Film (2021).mp4")
        wait_until(lambda: states(client) == {"A Small Film": "ready", "A Later Film": "ready"}, service)
        wait_until(lambda: known(client, [before.event_id, told["id"]]) == 2, service)


def known(client: httpx.Client, event_ids: list[str]) -> int:
    """How many of the events the lake has."""
    listed = ", ".join(f"'{one}'" for one in event_ids)
    count = {"sql": f"SELECT count(*) FROM events WHERE id IN ({listed})"}
    return int(expect(client.post("/api/v1/analytics/sql", json=count), 200)["rows"][0][0])


def edges(client: httpx.Client) -> list[str]:
    """Where films are sent from."""
    return [one["url"] for one in expect(client.get("/api/v1/cdn/edges"), 200)]


def states(client: httpx.Client) -> dict[str, str]:
    """Every title with the state of its film."""
    titles = expect(client.get("/api/v1/titles"), 200)["titles"]
    return {one["title"]["name"]: one["playables"][0]["state"] for one in titles}


def rows_of(ask: Callable[[str], int], tables: list[str]) -> dict[str, int]:
    """Rows by table."""
    return {table: ask(f'SELECT count(*) FROM "{table}"') for table in tables}


def test_every_table_has_every_row(before: Before, engines: Engines) -> None:
    """Whatever system it belongs to, the search index included."""
    database = new_database(engines.database)
    with psycopg.connect(database) as others:
        others.execute("CREATE TABLE somebody_elses (id int)")
    assert before.copy("--database", database).returncode == 0
    with psycopg.connect(database) as new, sqlite3.connect(before.folder / "reelwright.sqlite") as old:
        listed = new.execute("SELECT tablename FROM pg_tables WHERE schemaname = 'public'").fetchall()
        tables = sorted(name for (name,) in listed if name != "somebody_elses")
        assert len(tables) > 50
        there = rows_of(lambda sql: new.execute(sql.encode()).fetchone()[0], tables)  # type: ignore[index]
        assert there == rows_of(lambda sql: old.execute(sql).fetchone()[0], tables)
        assert there["catalog_titles"] == there["catalog_search"] == 1 and there["accounts_users"] == 1


def test_what_is_there_is_not_written_over(before: Before, engines: Engines) -> None:
    """A second copy into the same database says so and changes nothing."""
    database = new_database(engines.database)
    assert before.copy("--database", database).returncode == 0
    again = before.copy("--database", database)
    assert again.returncode == 1 and "holds" in again.stderr and "Traceback" not in again.stderr


def test_what_is_on_an_engine_already_stays_there_and_the_rest_can_follow(before: Before, engines: Engines) -> None:
    """The database one day, the films another."""
    moved = {**engines.s3.environ, "REELWRIGHT_DATABASE": new_database(engines.database)}
    assert before.copy("--database", moved["REELWRIGHT_DATABASE"]).returncode == 0
    logs = sorted((before.folder / "events").iterdir())
    said = before.copy("--media", "s3://films/later", environ=moved)
    assert said.returncode == 0, said.stderr
    assert sorted((before.folder / "events").iterdir()) == logs
    again = before.copy("--database", new_database(engines.database), environ=moved)
    assert again.returncode == 1 and "pg_dump" in again.stderr


def test_a_running_service_is_not_copied(before: Before, engines: Engines) -> None:
    """What it wrote meanwhile would be missing; but no film ever changes."""
    with RunningService(before.folder, "web", environ=TOLD):
        assert before.copy("--media", "s3://films/early", environ=engines.s3.environ).returncode == 0
        said = before.copy("--database", new_database(engines.database))
    assert said.returncode == 1 and "stop it" in said.stderr


def test_a_film_that_is_not_whole_has_to_be_done_or_cancelled_first(before: Before, engines: Engines) -> None:
    """Its job lies beside the database, and is not taken along."""
    stage = "UPDATE media_assets SET stage = '{}'"
    with changed(before.folder, stage.format("encoding"), stage.format("done")):
        said = before.copy("--database", new_database(engines.database))
    assert said.returncode == 1 and "A Small Film" in said.stderr


@contextmanager
def changed(folder: Path, change: str, back: str) -> Iterator[None]:
    """A database of before with something else in it."""
    database = folder / "reelwright.sqlite"
    with sqlite3.connect(database) as old:
        old.execute(change)
    yield
    with sqlite3.connect(database) as old:
        old.execute(back)


def test_a_row_that_postgresql_refuses_is_named_and_nothing_is_half_there(before: Before, engines: Engines) -> None:
    """SQLite keeps a NUL in a text."""
    database = new_database(engines.database)
    with changed(
        before.folder, "UPDATE accounts_users SET name = 'A' || char(0)", "UPDATE accounts_users SET name = 'Ada'"
    ):
        said = before.copy("--database", database)
    assert said.returncode == 1 and "accounts_users" in said.stderr and "Traceback" not in said.stderr
    assert before.copy("--database", database).returncode == 0


def test_in_a_folder_without_a_service_none_is_begun(tmp_path: Path, before: Before, engines: Engines) -> None:
    """The last `--data` counts."""
    said = before.copy("--database", engines.database, "--data", str(tmp_path / "none"))
    assert said.returncode == 1 and "name its folder" in said.stderr and not (tmp_path / "none").exists()


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ((), "name at least one"),
        (("--database", "sqlite:////tmp/x.sqlite"), "postgresql://"),
        (("--media", "https://films"), "s3://"),
        (("--database", "postgresql://nobody@127.0.0.1:1/x"), "does not answer"),
    ],
)
def test_what_cannot_be_copied_to_is_said(before: Before, arguments: tuple[str, ...], says: str) -> None:
    """In a line, and nothing has been begun."""
    said = before.copy(*arguments)
    assert said.returncode == 1 and says in said.stderr and "Traceback" not in said.stderr
