"""How a table's files are replaced in one snapshot, where pyiceberg's own way grows with the table's past.

Its overwrite keeps a manifest of every file that was ever removed, and a transaction copies all metadata each time it
looks at them. A table that is written anew every few seconds would become slower with each commit.
"""

from __future__ import annotations

from collections.abc import Callable

from pyiceberg.manifest import ManifestFile
from pyiceberg.table import Transaction
from pyiceberg.table.metadata import TableMetadata
from pyiceberg.table.update.snapshot import _ManifestMergeManager, _OverwriteFiles

MANIFEST_BYTES = 8 << 20
MANIFESTS = 12
"""So many small manifests are merged."""


class Change(Transaction):
    """A transaction that copies no metadata while nothing has changed in it."""

    @property
    def table_metadata(self) -> TableMetadata:
        """The table's metadata with what is staged."""
        return super().table_metadata if self._updates else self._table.metadata


class Rewrite(_OverwriteFiles):
    """Removes files and adds others; manifests that name nothing live are left behind, as Iceberg's Java does."""

    def _process_manifests(self, manifests: list[ManifestFile]) -> list[ManifestFile]:
        merging = _ManifestMergeManager(
            target_size_bytes=MANIFEST_BYTES, min_count_to_merge=MANIFESTS, merge_enabled=True, snapshot_producer=self
        )
        return merging.merge_manifests([manifest for manifest in manifests if self._is_needed(manifest)])

    def _build_manifest_evaluator(self, spec_id: int) -> Callable[[ManifestFile], bool]:
        """One for each manifest: it keeps whom it is asked about, and is asked by several threads."""
        build = super()._build_manifest_evaluator
        return lambda manifest: build(spec_id)(manifest)

    def _is_needed(self, manifest: ManifestFile) -> bool:
        is_live = manifest.has_added_files() or manifest.has_existing_files()
        return is_live or manifest.added_snapshot_id == self._snapshot_id
