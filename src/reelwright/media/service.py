"""Media for web and command line: queue an encode, look at it, read what was published.

Nothing here imports an encoder or the job engine's worker; the web process stays small.
"""

from __future__ import annotations

import functools
import hashlib
import os
from collections import OrderedDict
from pathlib import Path
from typing import Any

import anyio
import anyio.to_thread
import msgspec

from reelwright.kernel.clock import Clock
from reelwright.kernel.database import Database
from reelwright.kernel.errors import Conflict, NotFound
from reelwright.kernel.ids import AssetId, PlayableId
from reelwright.kernel.objects import ObjectStore
from reelwright.media.adapters import sql
from reelwright.media.adapters.sources import open_source
from reelwright.media.contract import ENDED, BadSource, Package, Progress, asset_folder
from reelwright.media.ports import JobQueue, There

WORKFLOW = "media.encode"
RECLAIM_MS = 3_600_000
"""After its last change an encode of a film that was removed is kept so long: who plays it has until then to hear."""
REPLACED = "another file has its name now, and is encoded in its place"
_PACKAGES_KEPT = 64
_SAMPLE_BYTES = 1 << 20


class MediaService:
    """Implements `MediaClient`."""

    def __init__(self, *, database: Database, objects: ObjectStore, clock: Clock, queue: JobQueue) -> None:
        self._database = database
        self._objects = objects
        self._clock = clock
        self._queue = queue
        self._packages: OrderedDict[str, Package] = OrderedDict()

    async def ingest(
        self,
        *,
        playable_id: PlayableId,
        path: Path,
        subtitles: tuple[tuple[str, str, str, bool], ...] = (),
        backlog: bool = False,
    ) -> AssetId:
        """Queue `path` for encoding; the same file for the same playable is the same asset and the same job.

        Where it has moved its asset follows, and begins again if it could not be found. An encode of another file
        that had its path is away from now on, if it is unfinished or failed. `backlog` waits until all that somebody
        asked for is done.
        """
        absolute = await anyio.Path(path).absolute()
        asset_id = await anyio.to_thread.run_sync(asset_id_of, playable_id, Path(absolute))
        now_ms = self._now_ms()
        where = {
            "source_path": str(absolute),
            "source_name": path.name,
            "subtitles": [list(row) for row in subtitles],
        }
        known = await self._database.read(sql.get_asset, asset_id)
        await self._database.write(
            sql.set_replaced, asset_id, playable_id, str(absolute), problem=REPLACED, updated_ms=now_ms
        )
        if known is not None:
            await self._database.write(sql.move_asset, asset_id, **where)
            if known["stage"] == "away":
                await self._begin_again(known, backlog=known["backlog"])
            elif known["stage"] == "queued":  # a crash may have come between the row and the queue
                await self._enqueue(asset_id, known["attempt"], backlog=known["backlog"])
            return asset_id
        await self._database.write(
            sql.put_asset,
            {
                **where,
                "id": asset_id,
                "playable_id": playable_id,
                "stage": "queued",
                "percent": 0.0,
                "speed": None,
                "eta_s": None,
                "problem": "",
                "package": "",
                "attempt": 1,
                "created_ms": now_ms,
                "updated_ms": now_ms,
                "backlog": backlog,
            },
        )
        await self._enqueue(asset_id, 1, backlog=backlog)
        return asset_id

    async def get_package(self, asset_id: AssetId) -> Package:
        """What can be played now."""
        name = await self.get_package_name(asset_id)
        if name not in self._packages:
            self._packages[name] = await self._read_package(asset_id, name)
            while len(self._packages) > _PACKAGES_KEPT:
                self._packages.popitem(last=False)
        self._packages.move_to_end(name)
        return self._packages[name]

    async def get_package_name(self, asset_id: AssetId) -> str:
        """The object that holds it."""
        row = await self._database.read(sql.get_asset, asset_id)
        if row is None or not row["package"]:
            raise NotFound(f"nothing of asset {asset_id} has been published yet")
        return str(row["package"])

    async def _read_package(self, asset_id: AssetId, name: str) -> Package:
        try:
            data = await anyio.to_thread.run_sync(self._objects.get, name)
        except NotFound:  # a newer one took its place between the two looks
            data = await anyio.to_thread.run_sync(self._objects.get, await self.get_package_name(asset_id))
        return msgspec.json.decode(data, type=Package)

    async def list_progress(self, *, limit: int = 100) -> list[Progress]:
        """Encodes at work, those that wait, then those that ended; at most `limit` unfinished and `limit` ended."""
        return await self._database.read(sql.list_progress, limit)

    async def count_stages(self) -> dict[str, int]:
        """How many encodes are in each stage that has any."""
        return await self._database.read(sql.count_stages)

    async def cancel(self, asset_id: AssetId) -> Progress:
        """Stop an encode within a second."""
        row = await self._get(asset_id)
        values = {"stage": "cancelled", "problem": "", "eta_s": None, "speed": None}
        if not await self._database.write(
            sql.set_running, asset_id, row["attempt"], updated_ms=self._now_ms(), **values
        ):
            row = await self._get(asset_id)
            raise Conflict(f"{row['source_name']} is {row['stage']}; only a running encode can be cancelled")
        return await self._progress(asset_id)

    async def retry(self, asset_id: AssetId) -> Progress:
        """Go on with an encode that failed, was cancelled, or did not find its source; next, if it waits.

        What it made before counts where its plan is still the same.
        """
        row = await self._get(asset_id)
        if row["stage"] not in ("queued", "failed", "cancelled", "away"):
            raise Conflict(f"{row['source_name']} is {row['stage']}; one that is done or at work cannot be retried")
        if row["stage"] == "queued" and not row["backlog"]:  # a crash may have come between the row and the queue
            await self._enqueue(asset_id, row["attempt"], backlog=False)
        else:
            await self._begin_again(row, backlog=False)
        return await self._progress(asset_id)

    async def _begin_again(self, row: dict[str, Any], *, backlog: bool) -> None:
        attempt = row["attempt"] + 1
        await self._database.write(sql.begin_attempt, row["id"], attempt, backlog=backlog, updated_ms=self._now_ms())
        await self._enqueue(row["id"], attempt, backlog=backlog)

    async def _enqueue(self, asset_id: AssetId, attempt: int, *, backlog: bool) -> None:
        queue = functools.partial(self._queue.enqueue, behind=backlog)
        await anyio.to_thread.run_sync(queue, WORKFLOW, job_id_of(asset_id, attempt), asset_id, attempt)

    async def reclaim(self, there: There) -> None:
        """Give back the room of films that are no longer in the catalogue: an hour later, when nobody plays them.

        Encodes of them end. Raises Unavailable where the store does not answer; what is left goes the next time.
        Cost: a read of all encodes.
        """
        rows = await self._database.read(sql.list_owned)
        playables = await there({PlayableId(row["playable_id"]) for row in rows})
        now_ms = self._now_ms()
        for row in rows:
            if row["playable_id"] in playables:
                continue
            if row["stage"] not in ENDED:
                ended = {"stage": "cancelled", "problem": "", "eta_s": None, "speed": None, "updated_ms": now_ms}
                await self._database.write(sql.set_running, row["id"], row["attempt"], **ended)
            elif now_ms - row["updated_ms"] > RECLAIM_MS:
                await anyio.to_thread.run_sync(self._delete_objects, asset_folder(row["id"]))
                await self._database.write(sql.delete_asset, row["id"])

    def _delete_objects(self, folder: str) -> None:
        for name in list(self._objects.list(folder)):
            self._objects.delete(name)

    async def queue_again(self) -> None:
        """Queue all that waits: a crash may have come between an encode's row and its job. A job twice is one."""
        for row in await self._database.read(sql.list_queued):
            await self._enqueue(row["id"], row["attempt"], backlog=row["backlog"])

    async def retry_returned(self) -> None:
        """Begin again with encodes whose source was away and is back."""
        for row in await self._database.read(sql.list_away):
            if await anyio.to_thread.run_sync(is_source, row):
                await self._begin_again(row, backlog=row["backlog"])

    async def _get(self, asset_id: AssetId) -> dict[str, Any]:
        row = await self._database.read(sql.get_asset, asset_id)
        if row is None:
            raise NotFound(f"no encode {asset_id}")
        return row

    async def _progress(self, asset_id: AssetId) -> Progress:
        return sql.progress_of(await self._get(asset_id))

    def _now_ms(self) -> int:
        return self._clock.wall_ns() // 1_000_000


def asset_id_of(playable_id: PlayableId, path: Path) -> AssetId:
    """An id from the playable and the file's size, first and last megabyte; reading it all would take minutes."""
    with open_source(path, path.name) as file:
        size = file.seek(0, os.SEEK_END)
        digest = hashlib.sha256(f"{playable_id}|{size}|".encode())
        for place in (0, max(0, size - _SAMPLE_BYTES)):
            file.seek(place)
            digest.update(file.read(_SAMPLE_BYTES))
    return AssetId(digest.hexdigest()[:26])


def is_source(row: dict[str, Any]) -> bool:
    """Whether the asset's source is where it was, and is no other file."""
    try:
        return bool(asset_id_of(row["playable_id"], Path(row["source_path"])) == row["id"])
    except (BadSource, OSError):
        return False


def job_id_of(asset_id: AssetId, attempt: int) -> str:
    """The durable job of one attempt."""
    return f"encode-{asset_id}-{attempt}"
