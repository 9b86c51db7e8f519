"""Snapshots as committers publish them: one JSON file a table, so that readers need neither catalog nor manifests.

They lie in the lake's folder; those of an S3 warehouse lie beside its tables, where other machines read them, too.
"""

from __future__ import annotations

from pathlib import Path

import msgspec

from reelwright.kernel.errors import NotFound, Unavailable
from reelwright.kernel.objects import open_objects
from reelwright.lake.contract import Snapshot
from reelwright.lake.settings import is_s3

FOLDER = "published"


class Published:
    """The snapshots of one lake."""

    def __init__(self, lake: Path, warehouse: str) -> None:
        """`warehouse` is a URL. Raises MissingExtra."""
        self._folder = lake / FOLDER
        self._objects = open_objects(warehouse) if is_s3(warehouse) else None

    def put(self, snapshot: Snapshot) -> None:
        """Publish a table's snapshot; readers see the old one or this one. Raises Unavailable."""
        data, name = msgspec.json.encode(snapshot), f"{snapshot.table}.json"
        if self._objects:
            self._objects.put(f"{FOLDER}/{name}", data)
            return
        self._folder.mkdir(parents=True, exist_ok=True)
        part = self._folder / f"{snapshot.table}.part"
        part.write_bytes(data)
        part.replace(self._folder / name)

    def get(self, table: str) -> Snapshot:
        """A table as it was published last; empty where nothing was. Raises Unavailable."""
        try:
            return msgspec.json.decode(self._read(f"{table}.json"), type=Snapshot)
        except (FileNotFoundError, NotFound):
            return Snapshot(table=table)
        except msgspec.MsgspecError as error:  # a power cut; whoever commits next publishes it anew
            raise Unavailable(f"the lake's table {table} was published in part: {error}") from error

    def _read(self, name: str) -> bytes:
        return self._objects.get(f"{FOLDER}/{name}") if self._objects else (self._folder / name).read_bytes()
