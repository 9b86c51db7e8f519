"""Snapshots as committers publish them: one JSON file a table, so that readers need neither catalog nor manifests."""

from __future__ import annotations

from pathlib import Path

import msgspec

from reelwright.lake.contract import Snapshot

FOLDER = "published"


def put_snapshot(lake: Path, snapshot: Snapshot) -> None:
    """Publish a table's snapshot; readers see the old one or this one."""
    path = lake / FOLDER / f"{snapshot.table}.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_suffix(".part")
    part.write_bytes(msgspec.json.encode(snapshot))
    part.replace(path)


def get_snapshot(lake: Path, name: str) -> Snapshot:
    """A table as it was published last; empty where nothing was."""
    try:
        return msgspec.json.decode((lake / FOLDER / f"{name}.json").read_bytes(), type=Snapshot)
    except FileNotFoundError:
        return Snapshot(table=name)
