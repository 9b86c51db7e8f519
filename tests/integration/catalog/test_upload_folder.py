"""The files of uploads, on a disk that is full and under a service that was killed."""

from __future__ import annotations

import hashlib
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import anyio
import pytest
from tests.engines import small_disk

from reelwright.catalog.adapters.uploads import Full, UploadFolder
from reelwright.kernel.errors import Conflict
from reelwright.kernel.ids import new_id

pytestmark = pytest.mark.anyio
NAME = "Film (2020).mp4"


async def blocks(content: bytes, size: int = 64 << 10) -> AsyncIterator[bytes]:
    """`content` as it comes from the network."""
    for at in range(0, len(content), size):
        yield content[at : at + size]


async def remount(disk: Path, options: str) -> None:
    """Make a mounted disk larger, or poorer."""
    await anyio.run_process(["mount", "-o", f"remount,{options}", str(disk)])


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of 4 MB."""
    with small_disk(tmp_path / "disk", "4m") as disk:
        yield disk


async def test_a_full_disk_loses_nothing_that_arrived(disk: Path) -> None:
    """The message says how far it came; with space again the upload goes on there and comes out whole."""
    content = bytes(range(256)) * (5 << 12)  # 5 MB
    folder, upload = UploadFolder(disk / "uploads"), new_id()
    folder.create(upload)
    ballast = disk / "ballast"
    ballast.write_bytes(bytes(1 << 20))
    with pytest.raises(Full, match="disk is full after"):
        await folder.append(upload, NAME, blocks(content), offset=0, length=len(content))
    arrived = folder.offset(upload, NAME)
    assert 0 < arrived < len(content)
    await remount(disk, "size=8m")
    rest = blocks(content[arrived:])
    assert await folder.append(upload, NAME, rest, offset=arrived, length=len(content)) == len(content)
    whole = folder.finish(upload, NAME)
    assert hashlib.sha256(whole.read_bytes()).digest() == hashlib.sha256(content).digest()


async def test_with_a_checksum_a_full_disk_keeps_nothing_of_the_part(disk: Path) -> None:
    """What was not verified does not count as arrived."""
    content = bytes(5 << 20)
    folder, upload = UploadFolder(disk / "uploads"), new_id()
    folder.create(upload)
    checksum = f"sha256 {hashlib.sha256(content).hexdigest()}"
    with pytest.raises(Full):
        await folder.append(upload, NAME, blocks(content), offset=0, length=len(content), checksum=checksum)
    assert folder.offset(upload, NAME) == 0


async def test_a_disk_with_no_room_for_a_name_says_so(disk: Path) -> None:
    """Beginning an upload is refused with the same words."""
    (disk / "ballast").write_bytes(bytes(3 << 20))
    await remount(disk, "nr_inodes=3")
    with pytest.raises(Full, match="disk is full"):
        UploadFolder(disk / "uploads").create(new_id())


async def test_an_upload_survives_the_process_that_took_it(tmp_path: Path) -> None:
    """Another process finds what had arrived; a finished one keeps its name and takes nothing more."""
    upload, content = new_id(), b"x" * 1000
    first = UploadFolder(tmp_path)
    first.create(upload)
    await first.append(upload, NAME, blocks(content[:600]), offset=0, length=1000)
    second = UploadFolder(tmp_path)
    assert second.offset(upload, NAME) == 600
    with pytest.raises(Conflict, match="600 bytes have arrived"):
        await second.append(upload, NAME, blocks(content), offset=0, length=1000)
    await second.append(upload, NAME, blocks(content[600:]), offset=600, length=1000)
    assert second.finish(upload, NAME).read_bytes() == content
    third = UploadFolder(tmp_path)
    assert third.offset(upload, NAME) == 1000 and third.finish(upload, NAME).read_bytes() == content
