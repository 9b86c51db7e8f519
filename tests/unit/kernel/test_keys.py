"""The key ring: what it signs and opens, and how it follows its file."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from reelwright.kernel.clock import SystemClock
from reelwright.kernel.errors import Invalid
from reelwright.kernel.keys import KEYS_FILE, KeyRing
from reelwright.kernel.peers import PREFIX, is_peer, peer_token
from reelwright.kernel.units import whole_number


def test_a_ring_follows_its_file(tmp_path: Path) -> None:
    """After a rotation by another process it signs with the new key and still opens what the old one signed."""
    ring = KeyRing.open(tmp_path / KEYS_FILE)
    old = ring.sign("test", "a")
    assert not ring.refresh()
    KeyRing.open(tmp_path / KEYS_FILE).rotated().save(tmp_path / KEYS_FILE)
    assert ring.refresh() and not ring.refresh()
    assert ring.sign("test", "a")[0] != old[0] and ring.verifies("test", "a", *old)


def test_a_ring_is_on_the_disk_before_its_name_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A power cut may take the name; an empty ring under it would shut everybody out."""
    path, synced = tmp_path / KEYS_FILE, list[tuple[int, bool]]()
    real = os.fsync

    def fsync(descriptor: int) -> None:
        synced.append((os.fstat(descriptor).st_size, path.exists()))
        real(descriptor)

    monkeypatch.setattr(os, "fsync", fsync)
    ring = KeyRing.open(path)
    assert (path.stat().st_size, False) in synced and synced[-1][1]
    assert path.stat().st_mode & 0o777 == 0o600
    synced.clear()
    ring.rotated().save(path)
    assert synced[0][0] == path.stat().st_size and len(synced) == 2
    assert [one.name for one in tmp_path.iterdir()] == [KEYS_FILE]


def test_who_signs_waits_until_others_have_read(tmp_path: Path) -> None:
    """A ring that was just replaced is not used yet; one that lies a while, or comes from a later clock, is."""
    path = tmp_path / KEYS_FILE
    ring = KeyRing.open(path)
    ring.rotated().save(path)
    assert not ring.refresh(settled_s=60)
    for shift_s in (-61, 3600):
        ring.rotated().save(path)
        stamp = path.stat().st_mtime + shift_s
        os.utime(path, (stamp, stamp))
        assert ring.refresh(settled_s=60), shift_s


def test_a_key_that_left_the_ring_opens_nothing_more(tmp_path: Path) -> None:
    """Not even what it opened a moment ago, which is known again without computing it."""
    path = tmp_path / KEYS_FILE
    ring = KeyRing.open(path)
    signed = ring.sign("test", "a")
    assert ring.verifies("test", "a", *signed) and ring.verifies("test", "a", *signed)
    for other in (("else", "a", *signed), ("test", "b", *signed), ("test", "a", signed[0], signed[1][::-1])):
        assert not ring.verifies(*other)
    KeyRing.generate().save(path)
    assert ring.refresh() and not ring.verifies("test", "a", *signed)


@pytest.mark.parametrize("content", [b"", b"[]", b"{", b'[["a"]]'])
def test_a_broken_file_changes_nothing(tmp_path: Path, content: bytes) -> None:
    """The old keys stay, and the message names the file."""
    path = tmp_path / KEYS_FILE
    ring = KeyRing.open(path)
    signed = ring.sign("test", "a")
    path.write_bytes(content)
    with pytest.raises(Invalid, match="key"):
        ring.refresh()
    assert ring.verifies("test", "a", *signed)


@pytest.mark.parametrize("text", ["", "-1", "+1", " 1", "1 ", "1_0", "²", "१", "1.0", "0x1", "9" * 19, "11"])
def test_only_plain_digits_are_a_number(text: str) -> None:
    """What `int` takes or `isdigit` likes is not yet a number of a client."""
    assert whole_number(text, 10) is None
    assert whole_number("007", 10) == 7


@pytest.mark.parametrize("expires", ["²", "९९९९९९९९९९", "-1", "9" * 40])
def test_foreign_digits_open_no_door(expires: str) -> None:
    """A time in a token that is no number refuses it, and raises nothing."""
    ring, clock = KeyRing.generate(), SystemClock()
    assert is_peer(ring, clock, peer_token(ring, clock))
    name, signature = ring.sign("peer", expires)
    assert not is_peer(ring, clock, f"{PREFIX}{name}.{expires}.{signature}")
