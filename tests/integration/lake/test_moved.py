"""A lake whose folder was moved to a larger disk, copied for a rehearsal or restored goes on where it lies now."""

from __future__ import annotations

import random
import shutil
from pathlib import Path

import pytest

pytest.importorskip("pyiceberg", reason="needs the extra: pip install 'reelwright[lake]'")

import msgspec

from reelwright.kernel.errors import Invalid
from reelwright.lake.core.tables import EVENTS
from reelwright.lake.replay import SETTINGS, Sender, account, open_keeper


def filled(folder: Path) -> set[str]:
    """A lake with some commits and computed tables; what was acknowledged."""
    sender, keeper = Sender(folder / "events", random.Random(1)), open_keeper(folder)
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
