"""Replays of the event log against a disk that forgets: the same log code, cut off at every operation."""

from __future__ import annotations

import random
from pathlib import Path

import msgspec

from reelwright.events.adapters.wal import Log
from reelwright.events.core.frame import START, frame
from reelwright.kernel.files import ForgetfulDisk, PowerCut

FOLDER = Path("/events/web")
SEGMENT_BYTES = 4096


class Account(msgspec.Struct, frozen=True):
    """What came of one run with power cuts."""

    acknowledged: int
    lost: int
    """Acknowledged, and not read afterwards."""
    doubled: int
    """Read more than once."""
    damaged: int
    """Read, and never written."""
    operations: int
    """Changing operations of the disk, each a point where the power may go."""


def run(seed: int, crash_at: int, *, commits: int = 12, faults: bool = False) -> Account:
    """Write to a log until the power goes at operation `crash_at`, begin again, and account for everything.

    A reader follows the log as the projector does, its place kept in a database that survives. With `faults` some
    writes find the disk full and some syncs fail.
    """
    chance = random.Random(f"{seed}|{crash_at}")  # noqa: S311 (a repeatable fate, not a secret)
    fail = {chance.randint(1, 60): chance.choice(["write", "sync"]) for _ in range(4)} if faults else {}
    disk = ForgetfulDisk(chance, crash_at=crash_at, fail=fail)
    acknowledged: list[bytes] = []
    tried: set[bytes] = set()
    read: list[bytes] = []
    place = START
    for life in range(2):
        try:
            log = Log(disk, FOLDER, segment_bytes=SEGMENT_BYTES, after=place)
            for number in range(commits):
                batch = [b"%d.%d.%d|" % (life, number, row) * chance.randint(1, 120) for row in range(3)]
                tried.update(batch)
                try:
                    log.commit(b"".join(map(frame, batch)))
                except OSError:
                    continue
                acknowledged += batch
                if chance.random() < 0.4:
                    for position, payload in log.read(place):
                        read.append(payload)
                        place = position
        except PowerCut:
            pass
        disk.cut_power()
    log = Log(disk, FOLDER, segment_bytes=SEGMENT_BYTES, after=place)
    read += [payload for _, payload in log.read(place)]
    return Account(
        acknowledged=len(acknowledged),
        lost=len(set(acknowledged) - set(read)),
        doubled=len(read) - len(set(read)),
        damaged=len(set(read) - tried),
        operations=disk.operations,
    )
