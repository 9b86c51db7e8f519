"""The event log loses nothing that it has acknowledged, wherever the power goes."""

from __future__ import annotations

import asyncio
import random
import threading
from pathlib import Path

import pytest

from reelwright.events.adapters.wal import Log, Wal, read_log, segment_numbers, segment_path
from reelwright.events.contract import Backlogged
from reelwright.events.core.frame import HEAD_BYTES, START, frame
from reelwright.events.replay import run
from reelwright.kernel.errors import Unavailable
from reelwright.kernel.files import ForgetfulDisk, LocalDisk

pytestmark = pytest.mark.anyio
FOLDER = Path("/log")
END = (1 << 62, 0)


@pytest.mark.parametrize("faults", [False, True], ids=["sound disk", "failing disk"])
def test_nothing_acknowledged_is_lost_wherever_the_power_goes(faults: bool) -> None:
    """Every operation of a short history is the last one once, with twelve different fates of the unsynced bytes."""
    points = 0
    for seed in range(12):
        for crash_at in range(1, run(seed, -1, faults=faults).operations + 1):
            account = run(seed, crash_at, faults=faults)
            assert (account.lost, account.doubled, account.damaged) == (0, 0, 0), (seed, crash_at, account)
            points += 1
    assert points > 400


def test_a_log_that_forgot_to_sync_would_be_found_out(monkeypatch: pytest.MonkeyPatch) -> None:
    """The test above can fail: without the sync of a new segment's name, or of its bytes, it does."""
    for method in ("sync_folder", "step"):
        with monkeypatch.context() as patch:
            if method == "sync_folder":
                patch.setattr(ForgetfulDisk, "sync_folder", lambda self, folder: None)
            else:
                from reelwright.kernel import files

                patch.setattr(files._ForgetfulFile, "sync", lambda self: None)
            lost = sum(run(seed, crash_at).lost for seed in range(3) for crash_at in range(1, 40))
        assert lost > 0


def log_of(disk: ForgetfulDisk, **more: object) -> Log:
    """A log with small segments."""
    return Log(disk, FOLDER, segment_bytes=256, **more)  # type: ignore[arg-type]


def test_segments_follow_each_other_without_a_gap() -> None:
    """Readers see one sequence, and may go on from any position."""
    disk = ForgetfulDisk(random.Random(1))
    log = log_of(disk)
    payloads = [b"%03d" % number * 20 for number in range(30)]
    for payload in payloads:
        log.commit(frame(payload))
    assert len(segment_numbers(disk, FOLDER)) > 5
    found = list(log.read(START))
    assert [payload for _, payload in found] == payloads
    for index, (position, _) in enumerate(found):
        assert [payload for _, payload in log.read(position)] == payloads[index + 1 :]
        assert log.bytes_after(position) == sum(len(payload) + HEAD_BYTES for payload in payloads[index + 1 :])


def test_a_torn_tail_stays_where_it_lies_and_the_log_goes_on() -> None:
    """Nothing is cut out of a log: a person may still look at it."""
    disk = ForgetfulDisk(random.Random(1))
    log = log_of(disk)
    log.commit(frame(b"first"))
    file = disk.append(segment_path(FOLDER, 1))
    file.write(frame(b"torn")[:-1])
    again = log_of(disk)
    again.commit(frame(b"second"))
    assert [payload for _, payload in again.read(START)] == [b"first", b"second"]
    assert disk.size(segment_path(FOLDER, 1)) == len(frame(b"first") + frame(b"torn")) - 1


def test_damage_in_the_middle_hides_only_the_rest_of_its_segment() -> None:
    """What other segments hold is still read."""
    disk = ForgetfulDisk(random.Random(1))
    log = log_of(disk)
    for number in range(12):
        log.commit(frame(b"%02d" % number * 50))
    content = disk._now[segment_path(FOLDER, 2)].data
    content[HEAD_BYTES + 3] ^= 1
    found = [payload[:2] for _, payload in log_of(disk).read(START)]
    assert found == [b"00", b"01", *(b"%02d" % number for number in range(4, 12))]


def test_an_older_copy_of_a_log_that_was_put_back_hides_nothing_new() -> None:
    """Readers have come further than the copy: new events lie behind their place, not before it."""
    disk = ForgetfulDisk(random.Random(1))
    log = log_of(disk, after=(7, 900))
    log.commit(frame(b"new"))
    assert [payload for _, payload in log.read((7, 900))] == [b"new"]


def test_a_payload_larger_than_a_block_is_read_whole(tmp_path: Path) -> None:
    """Reading goes in blocks; a record may be longer than one."""
    log = Log(LocalDisk(), tmp_path, segment_bytes=64 << 20)
    payloads = [b"a" * 10, b"b" * (3 << 20), b"c" * 10, b"d" * ((1 << 20) - 20), b"e"]
    for payload in payloads:
        log.commit(frame(payload))
    assert [payload for _, payload in read_log(tmp_path, START, END)] == payloads
    log.close()


class SlowDisk(LocalDisk):
    """A disk whose writes wait until they are let through."""

    def __init__(self) -> None:
        self.gate = threading.Event()

    def append(self, path: Path):  # type: ignore[no-untyped-def]
        """A file that waits."""
        file, gate = super().append(path), self.gate
        sync = file.sync

        class Waiting:
            write, truncate, close = file.write, file.truncate, file.close

            def sync(self) -> None:
                gate.wait(10)
                sync()

        return Waiting()


async def test_all_who_wait_share_one_sync_and_too_many_are_turned_away(tmp_path: Path) -> None:
    """While the disk is busy the bytes that wait are bounded; afterwards everybody who was let in is answered."""
    disk = SlowDisk()
    wal = Wal(Log(disk, tmp_path, segment_bytes=1 << 20), waiting_bytes=10_000)
    tasks = [asyncio.create_task(wal.append(b"x" * 1000)) for _ in range(40)]
    await asyncio.sleep(0.2)
    assert not any(task.done() and not task.exception() for task in tasks), "nobody is answered before the sync"
    turned_away = [task for task in tasks if task.done()]
    assert len(turned_away) == 31 and all(isinstance(task.exception(), Backlogged) for task in turned_away)
    disk.gate.set()
    await asyncio.gather(*(task for task in tasks if task not in turned_away))
    assert len(list(wal.read(START))) == 9
    await wal.close()


async def test_a_full_disk_is_said_and_loses_nothing_then_goes_on() -> None:
    """Whoever was not acknowledged is told to send again, and that works once there is room."""
    disk = ForgetfulDisk(random.Random(3), fail={3: "write", 9: "sync", 10: "truncate"})
    wal = Wal(Log(disk, FOLDER, segment_bytes=1 << 20), waiting_bytes=1 << 20)
    for payload in (b"one", b"two"):
        with pytest.raises(Unavailable, match="send the batch again"):
            await wal.append(payload)
        await wal.append(payload)
    disk.cut_power()
    # What was refused may be read as well where it could not be taken back: its events are known by their ids.
    assert [payload for _, payload in log_of(disk).read(START)] in ([b"one", b"two"], [b"one", b"two", b"two"])


async def test_who_gives_up_waiting_disturbs_nobody(tmp_path: Path) -> None:
    """A client that hangs up does not take the others' answers with it."""
    disk = SlowDisk()
    wal = Wal(Log(disk, tmp_path, segment_bytes=1 << 20), waiting_bytes=1 << 20)
    tasks = [asyncio.create_task(wal.append(b"%d" % number)) for number in range(5)]
    await asyncio.sleep(0.05)
    tasks[2].cancel()
    disk.gate.set()
    done = await asyncio.gather(*tasks, return_exceptions=True)
    assert [type(result) for result in done].count(asyncio.CancelledError) == 1
    assert sum(result is None for result in done) == 4
    await wal.close()
