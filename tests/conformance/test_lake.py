"""Every place of a lake keeps the same promises: files and SQLite, files and PostgreSQL, S3 (a server of moto's,
which stands in for a real one) and PostgreSQL."""

from __future__ import annotations

import asyncio
import json
import random
import secrets
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import psycopg
import pytest

pytest.importorskip("pyiceberg", reason="needs the extra: pip install 'reelwright[lake]'")

import pyarrow.parquet as pq
from click.testing import CliRunner
from pyarrow.fs import FileSelector, LocalFileSystem
from tests.service import free_port

from reelwright.app.cli import command_tree
from reelwright.events.adapters.reader import LogReader
from reelwright.kernel.clock import VirtualClock
from reelwright.kernel.database import Database
from reelwright.kernel.errors import Unavailable
from reelwright.lake.adapters.iceberg import LakeTable
from reelwright.lake.adapters.s3 import open_s3
from reelwright.lake.contract import Answer, NotReadable, Raced
from reelwright.lake.core.tables import EVENTS
from reelwright.lake.jobs import Keeper
from reelwright.lake.replay import SETTINGS, SOURCES, Sender, account, kill, open_keeper
from reelwright.lake.service import LakeService
from reelwright.lake.settings import LakeSettings


class Place:
    """A lake somewhere, the logs it is fed from, and what was acknowledged to those who wrote them."""

    def __init__(self, folder: Path, warehouse: str, catalog: str) -> None:
        self.folder = folder
        self.settings = msgspec.structs.replace(SETTINGS, warehouse=warehouse, catalog=catalog, sql_s=120)
        self.sender = Sender(folder / "events", random.Random(7))
        self.files = open_s3() if warehouse.startswith("s3://") else LocalFileSystem()
        self.root = warehouse.removeprefix("s3://") or str(folder / "lake" / "warehouse")

    def keeper(self) -> Keeper:
        """What keeps it, as a new process opens it; every commit leaves a file."""
        return open_keeper(self.folder, self.settings, tail_bytes=0)

    def ask(self, sql: str) -> Answer:
        """Ask it, in a child process."""
        lake = LakeService(
            folder=self.folder / "lake", events=self.folder / "events", settings=self.settings, clock=VirtualClock()
        )
        return asyncio.run(lake.ask(sql))

    def ids(self) -> list[str]:
        """Ids of all events, as SQL sees them."""
        return sorted(row[0] for row in self.ask("SELECT id FROM events").rows)

    def paths(self, folder: str = "") -> list[str]:
        """Every file below the warehouse or a folder of it."""
        found = self.files.get_file_info(FileSelector(f"{self.root}/{folder}", recursive=True, allow_not_found=True))
        return [info.path for info in found if info.is_file]

    def assert_whole(self) -> None:
        """Nothing lost, nothing doubled."""
        found = account(self.folder, self.sender.acknowledged, settings=self.settings)
        assert (found.lost, found.doubled) == (0, 0)
        assert found.acknowledged > 0


@pytest.fixture(params=["files+sqlite", "files+postgres", "s3+postgres"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Place]:
    """An empty lake in each kind of place in turn."""
    catalog = request.getfixturevalue("postgres_url") if request.param != "files+sqlite" else ""
    warehouse = request.getfixturevalue("s3_url") if request.param == "s3+postgres" else ""
    made = Place(tmp_path, warehouse, catalog)
    yield made
    made.sender.close()


def fill(place: Place, commits: int = 14) -> Keeper:
    """Small commits, one after the other."""
    keeper = place.keeper()
    for _ in range(commits):
        place.sender.send(batches=1)
        keeper.commit_all()
    return keeper


def test_what_was_acknowledged_is_found_before_and_after_its_commit(place: Place) -> None:
    """Tables and log together hold every event once, whoever opens them."""
    place.sender.send(batches=4)
    assert place.ids() == sorted(place.sender.acknowledged)
    place.keeper().commit_all()
    place.sender.send(batches=4)
    assert place.ids() == sorted(place.sender.acknowledged)
    assert place.keeper().commit_all() > 0
    assert place.keeper().commit_all() == 0
    assert place.ids() == sorted(place.sender.acknowledged)
    place.assert_whole()


def test_merges_keep_rows_and_offsets_and_superseded_files_are_deleted(place: Place) -> None:
    """Expiry alone deletes no file: we do, strays as well, and leave the young ones."""
    keeper = fill(place)
    table = keeper.tables[EVENTS]
    before = table.snapshot
    assert keeper.tidy() > 0
    assert (table.snapshot.rows, table.snapshot.offsets) == (before.rows, before.offsets)
    stray = f"{place.root}/{EVENTS}/data/left-by-a-crash.parquet"
    with place.files.open_output_stream(stray) as file:
        file.write(b"PAR1")
    table.expire(keep_s=0)
    assert table.sweep(grace_s=3600) == 0
    assert table.sweep(grace_s=-60) > 10  # a store's clock is not ours
    live = {file.path.removeprefix("s3://") for file in table.snapshot.files}
    assert set(place.paths(f"{EVENTS}/data")) == live
    place.assert_whole()


def test_two_keepers_race_and_the_loser_begins_anew(place: Place) -> None:
    """A commit that lost is never repeated on top of the winner's."""
    first, second = place.keeper(), place.keeper()
    place.sender.send()
    first.commit_all()
    with pytest.raises(Raced):
        second.commit_some()
    assert second.commit_all() == 0
    place.assert_whole()


@pytest.mark.slow
def test_killed_keepers_lose_and_double_nothing(place: Place) -> None:
    """Kill −9 at random points of opening, commit, merge and deletion."""
    found = kill(place.folder, kills=6, seed=5, settings=place.settings)
    assert (found.kills, found.lost, found.doubled) == (6, 0, 0)
    assert found.acknowledged > 100


def test_a_lost_catalog_is_made_anew(place: Place) -> None:
    """The newest metadata say what the tables are and how far the logs were read, also to a keeper that runs."""
    running = fill(place, commits=2)
    if place.settings.catalog:
        with psycopg.connect(place.settings.catalog, autocommit=True) as connection:
            connection.execute("DROP TABLE iceberg_tables")
    else:
        (place.folder / "lake" / "catalog.sqlite").unlink()
    place.sender.send()
    with pytest.raises((Unavailable, Raced)):
        running.commit_some()
    place.keeper().commit_all()
    assert place.keeper().commit_all() == 0
    assert place.ids() == sorted(place.sender.acknowledged)
    place.assert_whole()


def test_a_table_that_the_catalog_has_forgotten_is_found_again(place: Place) -> None:
    """One table alone, its rows still there."""
    keeper = fill(place, commits=2)
    rows = keeper.tables[EVENTS].snapshot.rows
    keeper.catalog.drop_table(("reelwright", EVENTS))
    assert place.keeper().tables[EVENTS].snapshot.rows == rows
    place.assert_whole()


def test_published_snapshots_that_were_lost_are_published_again(place: Place) -> None:
    """Readers need neither catalog nor manifests, and whoever opens the tables says anew what they are."""
    fill(place, commits=1)
    if place.settings.warehouse:
        for path in place.paths("published"):
            place.files.delete_file(path)
    else:
        shutil.rmtree(place.folder / "lake" / "published")
    place.keeper()
    assert place.ids() == sorted(place.sender.acknowledged)
    assert place.ask("SELECT count(*) FROM failed_events").rows == [[0]]


def test_an_erasure_leaves_no_byte(place: Place) -> None:
    """Live, superseded and stray files; other profiles keep their rows."""
    keeper = fill(place, commits=3)
    database = Database(f"sqlite:///{place.folder}/reelwright.sqlite")
    database.migrate(["reelwright.events", "reelwright.lake"])
    owners = [str(row[0]) for row in place.ask("SELECT profile_id FROM events").rows]
    gone = owners[0]
    live = keeper.tables[EVENTS].snapshot.files[0].path.removeprefix("s3://")
    place.files.copy_file(live, f"{place.root}/{EVENTS}/data/left-by-a-crash.parquet")
    far = dict.fromkeys(SOURCES, (1 << 40, 0))
    assert keeper.erase(gone, far, database, grace_s=-60) == ""
    assert traces(place, gone) == []
    assert len(place.ids()) == len(owners) - owners.count(gone)
    assert all(LogReader(place.folder / "events").holds(source, gone.encode()) is False for source in SOURCES)
    database.close()


def traces(place: Place, profile_id: str) -> list[str]:
    """Files of the warehouse that hold an id in their bytes, or in a column of a Parquet file."""
    found = []
    for path in place.paths():
        data = place.files.open_input_file(path).read()
        if path.endswith(".parquet"):
            data += str(pq.ParquetFile(path, filesystem=place.files).read().to_pylist()).encode()
        if profile_id.encode() in data:
            found.append(path)
    return found


def test_a_question_sees_the_warehouse_alone(place: Place, tmp_path: Path) -> None:
    """Neither what lies beside it nor the machine's files, and nothing can be set or written."""
    fill(place, commits=1)
    beside = f"{Path(place.root).parent}/beside-{secrets.token_hex(4)}.parquet"
    live = place.keeper().tables[EVENTS].snapshot.files[0].path
    place.files.copy_file(live.removeprefix("s3://"), beside)
    scheme = "s3://" if place.settings.warehouse else ""
    for sql in (
        f"SELECT * FROM read_parquet('{scheme}{beside}')",
        f"SELECT * FROM read_parquet('{scheme}{place.root}/../{Path(beside).name}')",
        f"SELECT * FROM glob('{scheme}{Path(place.root).parent}/*')",
        "SELECT * FROM read_parquet('s3://another/file.parquet')",
        "SELECT * FROM read_text('/etc/passwd')",
        f"COPY events TO '{scheme}{place.root}/stolen.parquet'",
        "SET enable_external_access = true",
        "SET s3_region = 'eu'",
    ):
        with pytest.raises(NotReadable):
            place.ask(sql)
    assert not [path for path in place.paths() if "stolen" in path]


def test_a_store_or_catalog_that_is_away_is_said_to_be(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    """The commit fails with what is wrong; the events stay in their log, and the next one brings them."""
    keeper = place.keeper()
    place.sender.send()

    def away(*_: Any, **__: Any) -> None:
        raise OSError("connection refused")

    with monkeypatch.context() as patch:
        patch.setattr(LakeTable, "_write", away)
        with pytest.raises(Unavailable, match="connection refused"):
            keeper.commit_some()
    assert keeper.commit_all() > 0
    place.assert_whole()


def test_commands_go_where_the_settings_say(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    """`lake commit`, `sql` and `doctor`; a doctor says which place does not answer, and what to do."""
    place.sender.send()
    environ = {
        "REELWRIGHT_LAKE_WAREHOUSE": place.settings.warehouse,
        "REELWRIGHT_LAKE_CATALOG": place.settings.catalog,
    }
    for name, value in environ.items():
        monkeypatch.setenv(name, value)

    def run(*words: str) -> Any:
        return CliRunner().invoke(command_tree(), [*words, "--data", str(place.folder)])

    assert run("lake", "commit").output.startswith(f"{len(place.sender.acknowledged)} events")
    answer = run("sql", "SELECT count(*) FROM events", "--json").output
    assert json.loads(answer)["rows"] == [[len(place.sender.acknowledged)]]
    assert place.paths(EVENTS)
    if place.settings.catalog:
        assert "8 tables in the catalog" in " ".join(run("doctor").output.split())
        monkeypatch.setenv("REELWRIGHT_LAKE_CATALOG", f"postgresql://nobody@127.0.0.1:{free_port()}/none")
        found = run("doctor")
        assert "cannot be reached" in " ".join(found.output.split()) and found.exit_code == 1


@pytest.mark.parametrize(
    "wrong", [{"warehouse": "s3://bucket"}, {"warehouse": "gs://a/b"}, {"catalog": "mysql://a/b"}, {"catalog": "x"}]
)
def test_places_that_no_lake_can_have_are_refused(wrong: dict[str, str]) -> None:
    """By the settings, before anything is opened."""
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert(wrong, LakeSettings)
