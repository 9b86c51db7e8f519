"""The key ring is one, however many processes make it at once."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from reelwright.kernel.keys import KeyRing


def test_processes_that_start_at_once_share_one_ring(tmp_path: Path) -> None:
    """A ring that each process made for itself would refuse what the others signed."""
    path = tmp_path / "keys.json"
    with ThreadPoolExecutor(16) as pool:
        rings = list(pool.map(lambda _: KeyRing.open(path), range(64)))
    assert len({ring.newest.secret for ring in rings}) == 1
    assert [entry.name for entry in tmp_path.iterdir()] == ["keys.json"]
    assert path.stat().st_mode & 0o777 == 0o600
