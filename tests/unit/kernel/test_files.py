"""The disk that forgets keeps exactly what was synced; what is made once is made whole."""

from __future__ import annotations

import os
import random
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from reelwright.kernel.files import ForgetfulDisk, LocalDisk, PowerCut, make_once

FOLDER = Path("/log")
FILE = FOLDER / "a"


@pytest.mark.parametrize("seed", range(20))
def test_synced_bytes_under_a_synced_name_survive(seed: int) -> None:
    """Whatever chance does to the rest."""
    disk = ForgetfulDisk(random.Random(seed))
    file = disk.append(FILE)
    disk.sync_folder(FOLDER)
    file.write(b"kept" * 500)
    file.sync()
    file.write(b"maybe" * 500)
    disk.cut_power()
    assert disk.read(FILE, 0, 2000) == b"kept" * 500
    assert disk.size(FILE) <= 4500


def test_a_name_that_was_not_synced_is_lost_by_some_power_cuts() -> None:
    """Syncing the bytes of a new file is not enough."""
    left = set()
    for seed in range(20):
        disk = ForgetfulDisk(random.Random(seed))
        file = disk.append(FILE)
        file.write(b"x")
        file.sync()
        disk.cut_power()
        left.add(tuple(disk.list(FOLDER)))
    assert left == {(), ("a",)}


def test_bytes_that_were_not_synced_are_lost_torn_or_zero_by_some_power_cuts() -> None:
    """Sectors reach the disk in any order."""
    seen = set()
    for seed in range(200):
        disk = ForgetfulDisk(random.Random(seed))
        file = disk.append(FILE)
        disk.sync_folder(FOLDER)
        file.write(b"\1" * 2048)
        disk.cut_power()
        data = disk.read(FILE, 0, 4096)
        seen.add("none" if not data else "all" if data == b"\1" * 2048 else "holes" if b"\0\1" in data else "part")
    assert {"none", "holes", "part"} <= seen


def test_bytes_of_a_failed_sync_are_lost_even_after_a_good_one() -> None:
    """The kernel marks their pages clean: only writing them again helps."""
    disk = ForgetfulDisk(random.Random(1), fail={3: "write", 4: "sync"})
    file = disk.append(FILE)
    disk.sync_folder(FOLDER)
    with pytest.raises(OSError, match="No space"):
        file.write(b"x" * 700)
    file.truncate(0)
    disk = ForgetfulDisk(random.Random(1), fail={4: "sync"})
    file = disk.append(FILE)
    disk.sync_folder(FOLDER)
    file.write(b"x" * 700)
    with pytest.raises(OSError, match="Input/output"):
        file.sync()
    file.sync()
    disk.cut_power()
    assert disk.read(FILE, 0, 700).strip(b"\0") == b""


def test_a_power_cut_ends_the_program_at_any_operation() -> None:
    """Also in the middle of a write."""
    for at in range(1, 5):
        disk = ForgetfulDisk(random.Random(at), crash_at=at)
        with pytest.raises(PowerCut):
            file = disk.append(FILE)
            disk.sync_folder(FOLDER)
            file.write(b"x")
            file.sync()


def test_the_machines_disk_does_the_same_for_real(tmp_path: Path) -> None:
    """Append, cut back, list, read a part."""
    disk = LocalDisk()
    folder = tmp_path / "a" / "b"
    disk.make_folder(folder)
    disk.make_folder(folder)
    file = disk.append(folder / "f")
    file.write(b"0123456789")
    file.sync()
    file.truncate(6)
    file.write(b"ab")
    file.sync()
    file.close()
    disk.sync_folder(folder)
    assert disk.list(folder) == ["f"] and disk.size(folder / "f") == 8
    assert disk.read(folder / "f", 4, 7) == b"45a"


def test_of_many_who_make_a_file_once_one_is_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """All find what that one wrote, whole, and on the disk before it has its name."""
    path, synced = tmp_path / "instance", list[bool]()
    fsync = os.fsync

    def note(descriptor: int) -> None:
        synced.append(path.exists())
        fsync(descriptor)

    monkeypatch.setattr(os, "fsync", note)
    with ThreadPoolExecutor(8) as threads:
        texts = list(threads.map(lambda number: _made(path, b"%d" % number * 1000), range(8)))
    assert len(set(texts)) == 1 and len(texts[0]) == 1000
    assert synced[0] is False and list(tmp_path.iterdir()) == [path]


def _made(path: Path, data: bytes) -> bytes:
    make_once(path, data)
    return path.read_bytes()
