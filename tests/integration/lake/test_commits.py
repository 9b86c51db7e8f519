"""What was acknowledged is in the lake once, whatever happens to those who bring it there."""

from __future__ import annotations

import errno
import random
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

pytest.importorskip("pyiceberg", reason="needs the extra: pip install 'reelwright[lake]'")

import msgspec
import pyarrow.parquet as pq
from pyiceberg.expressions import visitors

from reelwright.events.adapters.reader import LogReader
from reelwright.events.adapters.wal import Log
from reelwright.events.contract import FailedBatch, FailedEvent
from reelwright.events.core.frame import frame
from reelwright.kernel.clock import SystemClock, VirtualClock
from reelwright.kernel.errors import Unavailable
from reelwright.kernel.files import LocalDisk
from reelwright.lake.adapters import synced
from reelwright.lake.adapters.arrow import to_arrow
from reelwright.lake.adapters.iceberg import ROW_GROUP
from reelwright.lake.adapters.published import FOLDER, Published
from reelwright.lake.contract import Raced
from reelwright.lake.core.tables import BY_NAME, EVENTS, FAILED
from reelwright.lake.jobs import COVERED, Keeper
from reelwright.lake.replay import DAY_MS, Sender, account, kill, open_keeper
from reelwright.lake.settings import LakeSettings

if TYPE_CHECKING:
    pass

FAR = {"web-a": (1 << 40, 0), "collector-b": (1 << 40, 0)}


@pytest.fixture
def sender(tmp_path: Path) -> Sender:
    """Collectors whose events come in any order and some of them again."""
    return Sender(tmp_path / "events", random.Random(7))


def assert_whole(folder: Path, sender: Sender) -> None:
    """Nothing lost, nothing doubled."""
    found = account(folder, sender.acknowledged)
    assert (found.lost, found.doubled) == (0, 0)
    assert found.acknowledged > 0


@pytest.mark.slow
def test_killed_keepers_lose_and_double_nothing(tmp_path: Path) -> None:
    """Kill −9 at random points of commit, merge and deletion, with events sent again and out of order."""
    found = kill(tmp_path, kills=8, seed=11)
    assert (found.kills, found.lost, found.doubled) == (8, 0, 0)
    assert found.acknowledged > 100


def test_a_merge_keeps_offsets_and_rows(tmp_path: Path, sender: Sender) -> None:
    """Maintenance commits, too, say how far the logs were read."""
    keeper = open_keeper(tmp_path, tail_bytes=0)
    for _ in range(14):
        sender.send(batches=1)
        keeper.commit_all()
    before = keeper.tables[EVENTS].snapshot
    assert keeper.tidy() > 0
    after = keeper.tables[EVENTS].snapshot
    assert len(after.files) < len(before.files)
    assert (after.rows, after.offsets) == (before.rows, before.offsets)
    assert open_keeper(tmp_path).commit_all() == 0
    assert_whole(tmp_path, sender)


def test_small_commits_are_written_with_the_file_of_their_day(tmp_path: Path, sender: Sender) -> None:
    """However many they are: one file a day, one snapshot a commit, and no manifest of what is gone."""
    keeper = open_keeper(tmp_path)
    for _ in range(14):
        sender.send(batches=1)
        keeper.commit_all()
    table = keeper.tables[EVENTS]
    assert len({file.day for file in table.snapshot.files}) == len(table.snapshot.files) < 4
    assert table.snapshots() == 14
    current = table._iceberg.current_snapshot()
    assert current is not None and len(current.manifests(table._iceberg.io)) < 6
    assert_whole(tmp_path, sender)


def test_two_keepers_race_and_the_loser_begins_anew(tmp_path: Path, sender: Sender) -> None:
    """A commit that lost is never repeated on top of the winner's."""
    first, second = open_keeper(tmp_path), open_keeper(tmp_path)
    sender.send()
    first.commit_all()
    with pytest.raises(Raced):
        second.commit_some()
    assert second.commit_all() == 0
    assert_whole(tmp_path, sender)


def test_a_deleted_catalog_is_made_anew(tmp_path: Path, sender: Sender) -> None:
    """The newest metadata say what the table is and how far the logs were read."""
    sender.send()
    open_keeper(tmp_path).commit_all()
    (tmp_path / "lake" / "catalog.sqlite").unlink()
    sender.send()
    assert_whole(tmp_path, sender)


def test_a_full_disk_loses_nothing(tmp_path: Path, sender: Sender, monkeypatch: pytest.MonkeyPatch) -> None:
    """The commit fails and says so; the next one, with room, brings everything."""
    keeper = open_keeper(tmp_path)
    sender.send()

    def full(self: Any, data: bytes) -> int:
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(synced._SyncedFile, "write", full, raising=False)
        with pytest.raises(Unavailable, match="No space left"):
            keeper.commit_some()
    assert keeper.tables[EVENTS].snapshot.rows == 0
    assert keeper.commit_all() > 0
    assert_whole(tmp_path, sender)


def test_files_are_synced_before_the_catalog_names_them(
    tmp_path: Path, sender: Sender, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Data, manifests and metadata: every file below the warehouse was synced, and its folder after it."""
    done: set[Path] = set()
    close = synced._SyncedFile.close

    def closed(self: Any) -> None:
        is_open = not self.closed
        close(self)
        if is_open:
            done.add(self._path)

    monkeypatch.setattr(synced._SyncedFile, "close", closed)
    sender.send()
    open_keeper(tmp_path).commit_all()
    assert {path for path in (tmp_path / "lake" / "warehouse").rglob("*") if path.is_file()} <= done


def test_superseded_files_go_and_live_ones_stay(tmp_path: Path, sender: Sender) -> None:
    """Expiry alone deletes no file: we do."""
    keeper = open_keeper(tmp_path, tail_bytes=0)
    for _ in range(14):
        sender.send(batches=1)
        keeper.commit_all()
    keeper.tidy()
    table = keeper.tables[EVENTS]
    orphan = tmp_path / "lake" / "warehouse" / EVENTS / "data" / "left-by-a-crash.parquet"
    orphan.write_bytes(b"PAR1")
    table.expire(keep_s=0)
    assert table.sweep(grace_s=0) > 10
    assert not orphan.exists()
    assert {str(path) for path in (tmp_path / "lake" / "warehouse" / EVENTS / "data").rglob("*.parquet")} == {
        file.path for file in table.snapshot.files
    }
    assert_whole(tmp_path, sender)


def test_log_segments_outlive_their_snapshot_by_a_day(tmp_path: Path, sender: Sender) -> None:
    """And stay as long as the projections need them."""
    clock = VirtualClock(SystemClock().wall_ns())
    reader = LogReader(tmp_path / "events")
    keeper = Keeper(tmp_path / "lake", events=reader, settings=LakeSettings(), clock=clock)
    while len(reader.segments("web-a")) < 4:
        sender.send(batches=20)
    keeper.commit_all()
    there = reader.segments("web-a")
    keeper.forget(FAR)
    assert reader.segments("web-a") == there
    clock.advance(23 * 3600)
    keeper.forget(FAR)
    assert reader.segments("web-a") == there
    clock.advance(2 * 3600)
    keeper.forget({})
    assert reader.segments("web-a") == there
    keeper.forget({"web-a": (there[1], 0)})
    assert reader.segments("web-a") == there[1:]
    keeper.forget(FAR)
    assert reader.segments("web-a") == there[-1:]


def test_what_a_power_cut_leaves_of_the_lake_s_own_notes_is_made_anew(tmp_path: Path, sender: Sender) -> None:
    """Segments whose times are lost live longer; a snapshot that is there in part is said to be."""
    sender.send()
    keeper = open_keeper(tmp_path)
    keeper.commit_all()
    (tmp_path / "lake" / COVERED).write_bytes(b"")
    there = LogReader(tmp_path / "events").segments("web-a")
    keeper.forget(FAR)
    assert LogReader(tmp_path / "events").segments("web-a") == there
    published = Published(tmp_path / "lake", "")
    file = tmp_path / "lake" / FOLDER / f"{EVENTS}.json"
    file.write_bytes(file.read_bytes()[:100])
    with pytest.raises(Unavailable, match="published in part"):
        published.get(EVENTS)
    open_keeper(tmp_path)
    assert published.get(EVENTS).rows == keeper.tables[EVENTS].snapshot.rows


def test_refused_events_have_a_table(tmp_path: Path) -> None:
    """With the reason, once."""
    log = Log(LocalDisk(), tmp_path / "events" / "web-a-failed", segment_bytes=1 << 20)
    batch = FailedBatch(
        events=[
            FailedEvent(raw=b'{"id": "7"}', reason="id: 26 characters"),
            FailedEvent(raw=b"\xff", reason="no JSON"),
        ],
        received_ms=20_000 * DAY_MS,
    )
    log.commit(frame(msgspec.json.encode(batch)))
    assert open_keeper(tmp_path).commit_all() == 2
    keeper = open_keeper(tmp_path)
    assert keeper.commit_all() == 0
    assert keeper.tables[FAILED].snapshot.rows == 2


def test_a_large_file_is_in_pieces_that_are_read_side_by_side(tmp_path: Path) -> None:
    """A whole day in one piece is read by one thread, whoever else has nothing to do."""
    table = open_keeper(tmp_path).tables[EVENTS]
    rows = [{"id": f"{number:026}", "day": 20_000} for number in range(2 * ROW_GROUP + 1)]
    (file,) = table.commit(add=to_arrow(BY_NAME[EVENTS], rows)).files
    assert pq.ParquetFile(file.path).metadata.num_row_groups == 3


def test_files_of_many_days_are_replaced_however_threads_take_turns(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """pyiceberg asks manifests side by side which days they have, by one object that keeps what it is asked about."""
    table = open_keeper(tmp_path).tables[EVENTS]
    for day in range(10):
        table.commit(add=to_arrow(BY_NAME[EVENTS], [{"id": f"{day:026}", "day": 20_000 + day}]))
    visit = visitors.visit

    def visit_late(*arguments: Any, **named: Any) -> Any:
        time.sleep(0.01)
        return visit(*arguments, **named)

    monkeypatch.setattr(visitors, "visit", visit_late)
    odd = [file for file in table.snapshot.files if file.day % 2]
    table.commit(remove=[file.path for file in odd])
    assert table.snapshot.rows == 5
