"""Iceberg tables through pyiceberg: one wrapper for every commit, so that none loses how far the logs were read.

A commit is one snapshot, adds and removes whole files, and carries the offsets of every source. pyiceberg's own
retries are off: a commit that lost a race must be made anew from the winner's offsets, never repeated on top of them.
"""

from __future__ import annotations

import contextlib
import datetime
import re
import threading
import time
from collections.abc import Collection, Iterable, Mapping
from pathlib import Path
from typing import Any

import msgspec
import pyarrow as pa
import sqlalchemy as sa
from pyarrow.fs import FileInfo, FileSelector, FileSystem, FileType, LocalFileSystem
from pyiceberg.catalog.sql import SqlCatalog
from pyiceberg.exceptions import CommitFailedException, NamespaceAlreadyExistsError, NoSuchTableError
from pyiceberg.io.pyarrow import _dataframe_to_data_files
from pyiceberg.manifest import DataFile
from pyiceberg.partitioning import PartitionField, PartitionSpec
from pyiceberg.schema import Schema
from pyiceberg.table import Table as IcebergTable
from pyiceberg.table.snapshots import Operation
from pyiceberg.transforms import IdentityTransform
from pyiceberg.types import (
    BooleanType,
    DateType,
    DoubleType,
    IntegerType,
    LongType,
    NestedField,
    PrimitiveType,
    StringType,
    TimestamptzType,
)

from reelwright.events.core.frame import Position
from reelwright.kernel.errors import Invalid, MissingExtra, Unavailable
from reelwright.kernel.telemetry import counter, logger
from reelwright.lake.adapters import moved, s3
from reelwright.lake.adapters.published import Published
from reelwright.lake.adapters.rewrite import Change, Rewrite
from reelwright.lake.contract import LakeFile, Raced, Snapshot
from reelwright.lake.core import offsets as offsets_of
from reelwright.lake.core.rows import day_number
from reelwright.lake.core.tables import Table
from reelwright.lake.core.tidy import oldest_to_keep
from reelwright.lake.settings import is_s3

COMMITS = counter("lake_commits_total", "Commits to the lake, by table.", ("table",))
NAMESPACE = "reelwright"
COMPUTED = "reelwright.computed"
"""Snapshot property: of which state of `events` a table was computed."""
_TYPES: dict[str, PrimitiveType] = {
    "string": StringType(),
    "int": IntegerType(),
    "long": LongType(),
    "double": DoubleType(),
    "bool": BooleanType(),
    "date": DateType(),
    "timestamp": TimestamptzType(),
}
ROW_GROUP = 122_880
"""Rows of one piece of a file: DuckDB reads pieces side by side, and a file of one piece with one thread."""
_PROPERTIES = {
    "format-version": "2",
    "commit.retry.num-retries": "0",
    "write.metadata.metrics.default": "none",
    "write.metadata.metrics.column.id": "full",
    "write.metadata.previous-versions-max": "10",
    "write.metadata.delete-after-commit.enabled": "true",
    "write.parquet.compression-codec": "zstd",
    "write.parquet.row-group-limit": str(ROW_GROUP),
}
_LOCAL_PROPERTIES = {"py-io-impl": "reelwright.lake.adapters.synced.SyncedFileIO"}
_EPOCH = datetime.datetime(1970, 1, 1, tzinfo=datetime.UTC)
_METADATA_NAME = re.compile(r"(\d+)-.*\.metadata\.json")
log = logger(__name__)


def open_catalog(folder: Path, *, warehouse: str = "", uri: str = "") -> SqlCatalog:
    """The catalog of a lake: SQLite and files in `folder` unless `uri` and `warehouse` say otherwise.

    Raises MissingExtra, and Unavailable when it cannot be reached.
    """
    folder.mkdir(parents=True, exist_ok=True)
    properties = {
        "uri": _driver_uri(uri) if uri else f"sqlite:///{folder}/catalog.sqlite",
        "warehouse": warehouse or f"file://{folder}/warehouse",
        "pool_pre_ping": "true",
    }
    properties |= s3.iceberg_properties() if is_s3(warehouse) else _LOCAL_PROPERTIES
    try:
        catalog = SqlCatalog(NAMESPACE, **properties)
        with contextlib.suppress(NamespaceAlreadyExistsError):
            catalog.create_namespace(NAMESPACE)
    except sa.exc.SQLAlchemyError as error:
        raise Unavailable(f"the lake's catalog cannot be reached: {error}") from error
    return catalog


def look(folder: Path, *, warehouse: str, uri: str) -> str:
    """Say what is found where a lake would be kept. Raises MissingExtra, Unavailable."""
    catalog = open_catalog(folder, warehouse=warehouse, uri=uri)
    location = catalog.properties["warehouse"]
    try:
        files, path = _open_files(location)
        found = len(files.get_file_info(FileSelector(path, allow_not_found=True)))
        known = len(catalog.list_tables(NAMESPACE))
    except (OSError, sa.exc.SQLAlchemyError) as error:
        raise Unavailable(f"{location} cannot be listed: {error}") from error
    return f"{known} tables in the catalog, {found} folders at {location}"


def _driver_uri(uri: str) -> str:
    try:
        import psycopg  # noqa: F401
    except ImportError as error:
        raise MissingExtra("postgres", "the lake's catalog") from error
    url = sa.make_url(uri).set(drivername="postgresql+psycopg")
    if "connect_timeout" not in url.query:
        url = url.update_query_dict({"connect_timeout": str(s3.CONNECT_S)})
    return url.render_as_string(hide_password=False)


class LakeTable:
    """One table; all commits of this process go through it, one after the other."""

    def __init__(self, catalog: SqlCatalog, table: Table, folder: Path) -> None:
        self.table = table
        self._published = Published(folder, catalog.properties["warehouse"])
        self._lock = threading.RLock()
        try:
            self._iceberg = _open(catalog, table)
            self._load()
        except (OSError, sa.exc.SQLAlchemyError) as error:
            raise Unavailable(f"the lake's table {table.name} cannot be opened: {error}") from error

    def refresh(self) -> None:
        """Take over what others have committed."""
        with self._lock:
            self._iceberg.refresh()
            self._load()

    def _load(self) -> None:
        files = [task.file for task in self._iceberg.scan().plan_files()]
        self._files = {file.file_path: file for file in files}
        self._publish()

    @property
    def snapshot(self) -> Snapshot:
        """The table as it is now."""
        return self._snapshot

    def _publish(self) -> None:
        """Write the snapshot where readers take it: they need neither catalog nor manifests."""
        found = self._iceberg.current_snapshot()
        summary = found.summary.additional_properties if found and found.summary else {}
        self._snapshot = Snapshot(
            table=self.table.name,
            files=tuple(sorted(map(self._described, self._files.values()), key=lambda file: (file.day, file.path))),
            offsets=offsets_of.decode(summary.get(offsets_of.PROPERTY)),
            computed=msgspec.json.decode(summary.get(COMPUTED, "{}"), type=dict[str, int]),
            committed_ms=found.timestamp_ms if found else 0,
            snapshot_id=found.snapshot_id if found else 0,
        )
        self._published.put(self._snapshot)

    def _described(self, file: DataFile) -> LakeFile:
        bounds = [(limits or {}).get(1, b"").decode() for limits in (file.lower_bounds, file.upper_bounds)]
        return LakeFile(
            path=_path_of(file.file_path),
            day=_day(file.partition[0]),
            rows=file.record_count,
            size_bytes=file.file_size_in_bytes,
            first_id=bounds[0] if self._has_id else "",
            last_id=bounds[1] if self._has_id else "",
        )

    @property
    def _has_id(self) -> bool:
        return self.table.columns[0].name == "id"

    def commit(
        self,
        *,
        add: pa.Table | None = None,
        remove: Collection[str] = (),
        offsets: Mapping[str, Position] | None = None,
        computed: Mapping[str, int] | None = None,
    ) -> Snapshot:
        """Add rows and remove files in one snapshot that carries all offsets; durable on return.

        Offsets that are not given stay as they are. Raises Raced, after which the table is as the winner left it, and
        Unavailable when the disk or the catalog fails; then, too, what is in the table is read anew.
        """
        with self._lock:
            carried = {**self._snapshot.offsets, **(offsets or {})}
            known = {**self._snapshot.computed, **(computed or {})}
            properties = {offsets_of.PROPERTY: offsets_of.encode(carried)}
            if known:
                properties[COMPUTED] = msgspec.json.encode(dict(sorted(known.items()))).decode()
            try:
                added = self._change(add, [self._location(path) for path in remove], properties)
            except CommitFailedException as error:
                self.refresh()
                raise Raced(f"another committer of {self.table.name} was first: {error}") from error
            except Exception as error:
                with contextlib.suppress(Exception):
                    self.refresh()
                raise Unavailable(f"the lake's table {self.table.name} cannot be committed: {error}") from error
            for path in remove:
                self._files.pop(self._location(path))
            self._files.update({file.file_path: file for file in added})
            self._publish()
            COMMITS.labels(self.table.name).inc()
            return self._snapshot

    def _change(self, add: pa.Table | None, remove: list[str], properties: dict[str, str]) -> list[DataFile]:
        added = self._write(add) if add is not None and add.num_rows else []
        operation = Operation.OVERWRITE if remove else Operation.APPEND
        with (
            Change(self._iceberg) as change,
            Rewrite(operation, change, self._iceberg.io, snapshot_properties=properties) as producer,
        ):
            for location in remove:
                producer.delete_data_file(self._files[location])
            for file in added:
                producer.append_data_file(file)
        return added

    def _write(self, rows: pa.Table) -> list[DataFile]:
        metadata = self._iceberg.metadata
        files = list(_dataframe_to_data_files(metadata, rows, self._iceberg.io))
        for file in files:  # pyiceberg sets it only on files that it reads
            file.spec_id = metadata.default_spec_id
        return files

    def _location(self, path: str) -> str:
        return path if is_s3(path) else f"file://{path}"

    def expire(self, *, keep_s: float) -> None:
        """Forget snapshots that were superseded before `keep_s`; their files stay until `sweep`."""
        with self._lock:
            times_ms = [snapshot.timestamp_ms for snapshot in self._iceberg.metadata.snapshots]
            oldest_ms = oldest_to_keep(times_ms, before_ms=time.time() * 1000 - keep_s * 1000)
            if oldest_ms is None:
                return
            oldest = _EPOCH + datetime.timedelta(milliseconds=oldest_ms)
            try:
                self._iceberg.maintenance.expire_snapshots().older_than(oldest).commit()
            except CommitFailedException as error:
                self.refresh()
                raise Raced(f"another committer of {self.table.name} was first: {error}") from error

    def sweep(self, *, grace_s: float) -> int:
        """Delete files that no snapshot names, older than `grace_s`, and say how many."""
        with self._lock:
            named = set(map(_path_of, self._named()))
            old = datetime.datetime.now(datetime.UTC) - datetime.timedelta(seconds=grace_s)
            files, found = _list(self._iceberg.location())
            orphans = [info.path for path, info in found.items() if path not in named and info.mtime < old]
            for path in orphans:
                with contextlib.suppress(FileNotFoundError):
                    files.delete_file(path)
            return len(orphans)

    def data_files(self) -> list[str]:
        """Every Parquet file below the table's folder, whether a snapshot names it or not."""
        return [path for path in _list(self._iceberg.location())[1] if path.endswith(".parquet")]

    def _named(self) -> Iterable[str]:
        """Locations of every file that the table's metadata leads to."""
        metadata = self._iceberg.metadata
        yield self._iceberg.metadata_location
        yield from (entry.metadata_file for entry in metadata.metadata_log)
        for snapshot in metadata.snapshots:
            yield snapshot.manifest_list
            for manifest in snapshot.manifests(self._iceberg.io):
                yield manifest.manifest_path
                entries = manifest.fetch_manifest_entry(self._iceberg.io, discard_deleted=True)
                yield from (entry.data_file.file_path for entry in entries)

    def snapshots(self) -> int:
        """How many snapshots the table keeps."""
        return len(self._iceberg.metadata.snapshots)


def _open(catalog: SqlCatalog, table: Table) -> IcebergTable:
    identifier, location = (NAMESPACE, table.name), f"{catalog.properties['warehouse']}/{table.name}"
    known = _known(catalog, identifier)
    if known is not None and known.location() == location:
        return known
    newest = _newest_metadata(location)
    if known is not None and (not newest or is_s3(location)):  # a catalog beside a bucket is not copied with it
        raise Invalid(
            f"the lake's tables lie at {known.location()} and not at {location}: move them, or lake.warehouse"
        )
    if newest:
        return _taken_over(catalog, table, location, newest)
    return catalog.create_table(identifier, **_made_of(table, location))


def _known(catalog: SqlCatalog, identifier: tuple[str, str]) -> IcebergTable | None:
    """The table as the catalog has it; None where it has none, or where its files are gone from their place."""
    try:
        return catalog.load_table(identifier)
    except (NoSuchTableError, FileNotFoundError):
        return None


def _taken_over(catalog: SqlCatalog, table: Table, location: str, newest: str) -> IcebergTable:
    """A table whose files lie there, and that the catalog has lost or knows where it lay before."""
    identifier = (NAMESPACE, table.name)
    metadata, files = moved.content_of(newest, location, catalog.properties)
    with contextlib.suppress(NoSuchTableError):
        catalog.drop_table(identifier)
    if metadata.location == location:
        log.warning("the catalog has lost a table; going on from its newest metadata", table=table.name)
        return catalog.register_table(identifier, newest)
    log.warning("a table was moved; its files are listed anew", table=table.name, before=metadata.location)
    snapshot = metadata.current_snapshot()
    summary = snapshot.summary.additional_properties if snapshot and snapshot.summary else {}
    told = {name: summary[name] for name in (offsets_of.PROPERTY, COMPUTED) if name in summary}
    creation = catalog.create_table_transaction(identifier, **_made_of(table, location))
    with Rewrite(Operation.APPEND, creation, creation._table.io, snapshot_properties=told) as producer:
        for file in files:
            file.spec_id = creation.table_metadata.default_spec_id
            producer.append_data_file(file)
    creation.commit_transaction()
    found = catalog.load_table(identifier)
    _forget_metadata_but(found.metadata_location, location)
    return found


def _forget_metadata_but(newest: str, location: str) -> None:
    """Else a catalog that is lost again would go on from where the table lay before."""
    files, found = _list(f"{location}/metadata")
    for path, info in found.items():
        if path.endswith(".metadata.json") and path != _path_of(newest):
            files.delete_file(info.path)


def _made_of(table: Table, location: str) -> dict[str, Any]:
    """What a table is made of."""
    fields = [
        NestedField(number, column.name, _TYPES[column.type], required=False, doc=column.says)
        for number, column in enumerate(table.columns, 1)
    ]
    day = table.names.index("day") + 1
    spec = PartitionSpec(PartitionField(source_id=day, field_id=1000, transform=IdentityTransform(), name="day"))
    return {"schema": Schema(*fields), "location": location, "partition_spec": spec, "properties": _PROPERTIES}


def _newest_metadata(location: str) -> str:
    """The last state of a table whose catalog is gone: its metadata are complete before a catalog names them."""
    named = ((_METADATA_NAME.fullmatch(info.base_name), info) for info in _list(f"{location}/metadata")[1].values())
    found = [(int(name[1]), info.mtime_ns, info.path) for name, info in named if name]
    scheme = s3.SCHEME if is_s3(location) else "file://"
    return f"{scheme}{max(found)[2]}" if found else ""


def _list(location: str) -> tuple[FileSystem, dict[str, FileInfo]]:
    """Every file below a place, by the path that snapshots have; and what opens and deletes it by its own path."""
    files, folder = _open_files(location)
    infos = files.get_file_info(FileSelector(folder, allow_not_found=True, recursive=True))
    prefix = s3.SCHEME if is_s3(location) else ""
    return files, {prefix + info.path: info for info in infos if info.type == FileType.File}


def _open_files(location: str) -> tuple[FileSystem, str]:
    """What opens a place, and its path there."""
    files = s3.open_s3() if is_s3(location) else LocalFileSystem()
    return files, _path_of(location).removeprefix(s3.SCHEME)


def _path_of(location: str) -> str:
    """The path of a file as readers name it: a plain one on this machine, else its URL."""
    return location.removeprefix("file://")


def _day(value: Any) -> int:
    return day_number(value) if isinstance(value, datetime.date) else int(value)
