"""A lake whose folder was moved to a larger disk, copied for a rehearsal or restored goes on where it lies now."""

from __future__ import annotations

import random
import shutil
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("pyiceberg", reason="needs the extra: pip install 'reelwright[lake]'")

import msgspec
from pyarrow.fs import FileSelector, copy_files

from reelwright.kernel.errors import Invalid
from reelwright.lake.adapters.s3 import open_s3
from reelwright.lake.core.tables import EVENTS
from reelwright.lake.replay import SETTINGS, Sender, account, open_keeper
from reelwright.lake.settings import LakeSettings


def filled(folder: Path, settings: LakeSettings = SETTINGS) -> set[str]:
    """A lake with some commits and computed tables; what was acknowledged."""
    sender, keeper = Sender(folder / "events", random.Random(1)), open_keeper(folder, settings)
    for _ in range(4):
        sender.send(batches=3)
        keeper.commit_all()
    keeper.compute()
    sender.close()
    return sender.acknowledged


@pytest.mark.parametrize("leave", [True, False], ids=["copied", "moved"])
def test_its_tables_go_on_where_they_lie_now(tmp_path: Path, leave: bool) -> None:
    """With rows, offsets and what was computed of which state; opened again, nothing is done anew."""
    before, now = tmp_path / "before", tmp_path / "now"
    acknowledged = filled(before)
    old = {name: table.snapshot for name, table in open_keeper(before).tables.items()}
    shutil.copytree(before, now)
    if not leave:
        shutil.rmtree(before)
    for _ in range(2):
        for name, table in open_keeper(now).tables.items():
            assert (table.snapshot.rows, table.snapshot.offsets) == (old[name].rows, old[name].offsets)
            assert table.snapshot.computed == old[name].computed
            assert all(file.path.startswith(f"{now}/") for file in table.snapshot.files)
            assert table.snapshots() <= 1
    keeper = open_keeper(now)
    assert keeper.commit_all() == 0 and keeper.compute() == 0
    found = account(now, acknowledged)
    assert (found.lost, found.doubled) == (0, 0)


def test_a_copy_and_what_it_was_copied_from_leave_each_other_alone(tmp_path: Path) -> None:
    """Each commits, merges and deletes in its own folder."""
    first, second = tmp_path / "first", tmp_path / "second"
    acknowledged = {first: filled(first)}
    shutil.copytree(first, second)
    acknowledged[second] = set(acknowledged[first])
    settings = msgspec.structs.replace(SETTINGS, snapshots_s=0)
    for folder in (second, first, second):
        keeper, sender = open_keeper(folder, settings), Sender(folder / "events", random.Random(str(folder)))
        sender.send(batches=3)
        acknowledged[folder] |= sender.acknowledged
        sender.close()
        keeper.commit_all()
        keeper.tidy()
        keeper.forget({})
    for folder, told in acknowledged.items():
        found = account(folder, told)
        assert (found.lost, found.doubled) == (0, 0)


def test_a_warehouse_that_is_set_anew_and_holds_nothing_is_refused(tmp_path: Path) -> None:
    """Else questions would look in one place, and commits go to the other."""
    filled(tmp_path)
    elsewhere = msgspec.structs.replace(SETTINGS, warehouse=f"file://{tmp_path}/elsewhere")
    with pytest.raises(Invalid, match=r"lie at .*warehouse/events and not at .*elsewhere/events"):
        open_keeper(tmp_path, elsewhere)
    assert open_keeper(tmp_path).tables[EVENTS].snapshot.rows > 0


def test_a_copied_bucket_is_listed_anew_by_a_new_catalog_and_what_it_was_copied_from_is_left_alone(
    tmp_path: Path, s3_url: str
) -> None:
    """A rehearsal commits, merges and deletes where its own bucket is; a catalog of the first is not used for it."""
    first, second = tmp_path / "first", tmp_path / "second"
    of = {first: placed(f"{s3_url}/first"), second: placed(f"{s3_url}/second")}
    acknowledged = filled(first, of[first])
    shutil.copytree(first / "events", second / "events")
    copy_files(
        f"{key(s3_url)}/first", f"{key(s3_url)}/second", source_filesystem=open_s3(), destination_filesystem=open_s3()
    )
    before, rows = files_at(of[first]), open_keeper(first, of[first]).tables[EVENTS].snapshot.rows
    for _ in range(2):
        snapshot = open_keeper(second, of[second]).tables[EVENTS].snapshot
        assert snapshot.rows == rows and all(file.path.startswith(of[second].warehouse) for file in snapshot.files)
    sender = Sender(second / "events", random.Random(5))
    sender.send(batches=3)
    sender.close()
    keeper = open_keeper(second, of[second])
    assert keeper.commit_all() > 0
    keeper.tidy()
    keeper.forget({})
    found = account(second, acknowledged | sender.acknowledged, settings=of[second])
    assert (found.lost, found.doubled) == (0, 0)
    assert files_at(of[first]) == before
    with pytest.raises(Invalid, match=r"move them, or lake\.warehouse"):
        open_keeper(first, of[second])


def placed(warehouse: str) -> LakeSettings:
    """A lake in a bucket, whose superseded files are deleted at once."""
    return msgspec.structs.replace(SETTINGS, warehouse=warehouse, snapshots_s=0)


def key(url: str) -> str:
    """As Arrow names it."""
    return url.removeprefix("s3://")


def files_at(settings: LakeSettings) -> set[tuple[str, Any]]:
    """All files of a bucket, and their sizes."""
    found = open_s3().get_file_info(FileSelector(key(settings.warehouse), recursive=True))
    return {(info.path, info.size) for info in found}
