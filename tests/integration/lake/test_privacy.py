"""A profile can take everything with it, and nothing of it is left behind."""

from __future__ import annotations

import asyncio
import io
import json
import multiprocessing
import os
import random
import signal
import time
import zipfile
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("pyiceberg", reason="needs the extra: pip install 'reelwright[lake]'")

import msgspec
import pyarrow.parquet as pq

from reelwright.events.adapters import sql as projections
from reelwright.events.adapters.reader import LogReader
from reelwright.events.contract import Event, EventType
from reelwright.events.service import EventsService
from reelwright.events.settings import EventsSettings
from reelwright.kernel.clock import SystemClock
from reelwright.kernel.database import Database
from reelwright.kernel.errors import Invalid
from reelwright.kernel.ids import EventId, PlayableId, ProfileId, SessionId, TitleId, new_id
from reelwright.lake.adapters import duck
from reelwright.lake.core.tables import EVENTS, FAILED
from reelwright.lake.jobs import Keeper
from reelwright.lake.service import LakeService
from reelwright.lake.settings import LakeSettings
from reelwright.lake.system import erase_all

pytestmark = pytest.mark.anyio
ADA, BOB = ProfileId(new_id()), ProfileId(new_id())


def event(kind: EventType = "heartbeat", **fields: Any) -> Event:
    """Something that a viewer did now."""
    about: dict[str, Any] = {"title_id": TitleId(new_id())}
    if kind == "heartbeat":
        about |= {"session_id": SessionId(new_id()), "playable_id": PlayableId(new_id()), "position_s": 9.0}
    made = {"id": EventId(new_id()), "type": kind, "at_ms": time.time_ns() // 1_000_000, **about, **fields}
    return msgspec.convert(made, Event)


class Place:
    """A data folder with a collector, a lake and a database in it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.database = Database(f"sqlite:///{folder}/reelwright.sqlite")
        self.database.migrate(["reelwright.events", "reelwright.lake"])
        self.events = EventsService(
            database=self.database,
            clock=SystemClock(),
            settings=EventsSettings(segment_bytes=4096),
            folder=folder / "events",
            source="web-a",
        )
        self.lake = LakeService(
            folder=folder / "lake",
            events=folder / "events",
            settings=LakeSettings(),
            clock=SystemClock(),
            database=self.database,
        )

    async def live(self, *, rounds: int = 2) -> None:
        """Two viewers do things, some of which are refused; tables are committed and computed."""
        await self.events.start()
        for _ in range(rounds):
            for profile in (ADA, BOB):
                raws = [msgspec.json.encode(event()) for _ in range(3)]
                raws.append(msgspec.json.encode({**msgspec.to_builtins(event()), "mood": profile}))
                await self.events.record_raw([msgspec.Raw(raw) for raw in raws], profile_id=profile)
            await self.settle()
            await asyncio.to_thread(open_keeper(self.folder).commit_all)
        await asyncio.to_thread(self.keep)
        await self.events.record(
            [event(), event("search", data={"text": "a film"})], profile_id=ADA
        )  # only in the log as yet
        await self.settle()
        await self.events.stop()

    async def settle(self) -> None:
        """Wait until everything is projected."""
        async with asyncio.timeout(60):
            while self.events._projected < self.events._wal.durable:
                await asyncio.sleep(0.01)

    def keep(self) -> None:
        """What the worker does."""
        keeper = open_keeper(self.folder)
        keeper.commit_all()
        keeper.compute()

    async def projected(self) -> Any:
        """How far the projections are."""
        return await self.database.read(projections.get_offsets)


def open_keeper(folder: Path) -> Keeper:
    """The worker's keeper."""
    reader = LogReader(folder / "events")
    return Keeper(folder / "lake", events=reader, settings=LakeSettings(), clock=SystemClock())


def owners(folder: Path, table: str = EVENTS) -> list[str]:
    """Whose the rows of a table are."""
    with duck.connection() as connection:
        files = duck.read_files(open_keeper(folder).tables[table].snapshot.files)
        return [row[0] for row in connection.execute(f"SELECT profile_id FROM {files} ORDER BY 1").fetchall()]


def traces(folder: Path, profile_id: str) -> list[str]:
    """Files below a folder that hold an id: in their bytes or name, or in a column of a Parquet file."""
    found = []
    for path in (path for path in folder.rglob("*") if path.is_file()):
        data = path.read_bytes()
        if path.suffix == ".parquet":
            data += str(pq.ParquetFile(path).read().to_pylist()).encode()
        if profile_id.encode() in data or profile_id in str(path):
            found.append(str(path.relative_to(folder)))
    return found


@pytest.fixture
async def place(tmp_path: Path) -> Place:
    """A place where two viewers have been."""
    made = Place(tmp_path)
    await made.live()
    return made


def orphan_in(place: Place, name: str) -> None:
    """A file of the profile's events that no snapshot names."""
    live = open_keeper(place.folder).tables[EVENTS].snapshot.files
    orphan = place.folder / "lake" / "warehouse" / EVENTS / "data" / name
    orphan.write_bytes(Path(live[0].path).read_bytes())


async def test_an_erasure_is_done_when_no_byte_names_the_profile(place: Place) -> None:
    """Live, expired and orphan files, log segments, torn tails, refused events, projections; others keep theirs."""
    orphan_in(place, "left-by-a-crash.parquet")
    segment = max((place.folder / "events" / "web-a").glob("*.wal"))
    with segment.open("ab") as file:  # what a crash has torn
        file.write(b"\xff\x00\x00\x00torn" + ADA.encode())
    segment.with_name(f"{int(segment.stem) + 1:012}.wal").touch()
    kinds = {Path(name).parts[0].removesuffix("-wal") for name in traces(place.folder, ADA)}
    assert kinds == {"events", "lake", "reelwright.sqlite"}
    assert owners(place.folder) == sorted([ADA, BOB] * 6)

    asked = await place.lake.erase(ADA)
    assert asked.done_ms is None
    await place.events.start()  # a new process of the collector, which has left the torn tail behind
    await erase_all(open_keeper(place.folder), place.projected, place.database, grace_s=0)
    found = (await place.lake.list_erasures())[0]
    assert (found.says, found.done_ms is None) == ("", False)
    assert traces(place.folder, ADA) == []

    assert owners(place.folder) == [BOB] * 6
    assert owners(place.folder, FAILED) == [BOB] * 2
    assert len(await place.events.list_watched(BOB)) == 6
    assert await place.events.list_watched(ADA) == []
    # Offsets stay what they were: nothing comes back, and what is new is taken.
    await place.events.record([event()], profile_id=BOB)
    await asyncio.to_thread(place.keep)
    assert owners(place.folder) == [BOB] * 7
    await place.events.stop()


async def test_an_erasure_waits_for_what_may_be_somebodys_commit(place: Place) -> None:
    """A young file that no snapshot names stays, and the erasure says so until it may go."""
    orphan_in(place, "just-written.parquet")
    await place.lake.erase(ADA)
    await erase_all(open_keeper(place.folder), place.projected, place.database, grace_s=3600)
    found = (await place.lake.list_erasures())[0]
    assert found.done_ms is None and "just-written.parquet" in found.says
    for path in (place.folder / "lake").rglob("*"):
        os.utime(path, (0, 0))
    await erase_all(open_keeper(place.folder), place.projected, place.database, grace_s=3600)
    assert (await place.lake.list_erasures())[0].done_ms
    assert traces(place.folder, ADA) == []


async def test_an_erasure_waits_for_projections_that_are_behind(place: Place) -> None:
    """What a reader still needs is not blanked under it."""
    await place.lake.erase(ADA)

    async def behind() -> Any:
        return {}

    await erase_all(open_keeper(place.folder), behind, place.database, grace_s=0)
    found = (await place.lake.list_erasures())[0]
    assert found.done_ms is None and "web-a" in found.says


def _erase(folder: Path, began: Any) -> None:
    place = Place(folder)
    keeper = open_keeper(folder)
    began.set()
    asyncio.run(erase_all(keeper, place.projected, place.database, grace_s=0))


@pytest.mark.slow
async def test_an_erasure_that_was_killed_goes_on(place: Place) -> None:
    """Kill −9 anywhere: the request stays, others keep theirs, and the next worker brings it to its end."""
    chance, context = random.Random(4), multiprocessing.get_context("spawn")
    await place.lake.erase(ADA)
    for _ in range(4):
        began = context.Event()
        child = context.Process(target=_erase, args=(place.folder, began), daemon=True)
        child.start()
        assert await asyncio.to_thread(began.wait, 120)
        await asyncio.sleep(chance.uniform(0, 0.4))
        os.kill(child.pid or 0, signal.SIGKILL)
        await asyncio.to_thread(child.join)
    await erase_all(open_keeper(place.folder), place.projected, place.database, grace_s=0)
    assert (await place.lake.list_erasures())[0].done_ms
    assert traces(place.folder, ADA) == []
    assert owners(place.folder) == [BOB] * 6


@pytest.mark.parametrize("form", ["json", "parquet"])
async def test_a_profile_can_be_taken_along(place: Place, form: Any) -> None:
    """A file a table, refused events and projections included, and nobody else's."""
    body = await place.lake.export_profile(ADA, form)
    with zipfile.ZipFile(io.BytesIO(body)) as archive:
        files = {name: archive.read(name) for name in archive.namelist()}
    events = rows(files[f"events.{form}"], form)
    assert len(events) == 8 and {row["profile_id"] for row in events} == {ADA}
    assert len(rows(files[f"failed_events.{form}"], form)) == 2
    assert len(rows(files[f"playback_sessions.{form}"], form)) == 6
    assert len(json.loads(files["events_watched.json"])) == 7
    assert all(BOB.encode() not in body for name, body in files.items() if name.endswith("json"))
    with pytest.raises(Invalid):
        await place.lake.export_profile(ProfileId("' OR 1=1 --"), form)


def rows(body: bytes, form: str) -> list[dict[str, Any]]:
    """What a file holds."""
    found = json.loads(body) if form == "json" else pq.read_table(io.BytesIO(body)).to_pylist()
    return list(found)
