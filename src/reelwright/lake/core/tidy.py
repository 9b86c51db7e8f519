"""Which files a question or a commit must look into, and which are merged. Pure."""

from __future__ import annotations

import bisect
from collections.abc import Collection, Iterable, Sequence

from reelwright.lake.contract import LakeFile

TARGET_BYTES = 128 << 20
TAIL_BYTES = 512 << 10
"""A commit writes a smaller file of its day anew: that costs no more than the commit, and leaves no small files."""
TIERS_BYTES = (8 << 20, TARGET_BYTES)
"""Files are merged with those of their size, so that rows are rewritten a few times a tier and not once a merge."""
TIERS_FILES = (3, 2)
"""So many files of one day and tier are merged: each file more costs every scan of a day, and large ones are few."""
LATE_DAYS = 8
"""Days that late events still reach; older ones are merged to the end, which is too dear after each late event."""


def overlapping(files: Iterable[LakeFile], ids: Sequence[str]) -> list[LakeFile]:
    """Files that may hold one of the ids, which are sorted; ids are as old as their events, so these are few."""
    return [file for file in files if _may_hold(file, ids)]


def _may_hold(file: LakeFile, ids: Sequence[str]) -> bool:
    place = bisect.bisect_left(ids, file.first_id)
    return place < len(ids) and ids[place] <= file.last_id


def tails(files: Iterable[LakeFile], days: Collection[int], *, tail_bytes: int) -> list[LakeFile]:
    """The smallest file of each of the days, where it is small: rows that are added to a day are written with it."""
    found: dict[int, LakeFile] = {}
    for file in sorted(files, key=lambda file: -file.size_bytes):
        if file.day in days and file.size_bytes < tail_bytes:
            found[file.day] = file
    return list(found.values())


def oldest_to_keep(times_ms: Iterable[int], *, before_ms: float) -> int | None:
    """When the oldest snapshot was made of those that had no successor before then; None where that is all of them.

    One that was the newest for long may have been superseded a moment ago: its age says nothing of its readers.
    """
    ordered = sorted(times_ms)
    superseded = sum(successor <= before_ms for successor in ordered[1:])
    return ordered[superseded] if superseded else None


def merges(files: Iterable[LakeFile], *, today: int) -> list[list[LakeFile]]:
    """Groups of files, each of one day, to be merged into one; a day that is long over is merged to the end."""
    groups: dict[tuple[int, int], list[LakeFile]] = {}
    for file in files:
        tier = tier_of(file.size_bytes)
        if tier < len(TIERS_BYTES):
            groups.setdefault((file.day, 0 if _is_over(file.day, today) else tier), []).append(file)
    return [
        part
        for (day, tier), group in sorted(groups.items())
        if len(group) >= (2 if _is_over(day, today) else TIERS_FILES[tier])
        for part in _parts(group)
        if len(part) > 1
    ]


def _is_over(day: int, today: int) -> bool:
    return day < today - LATE_DAYS


def tier_of(size_bytes: int) -> int:
    """Which tier a file belongs to; beyond the last it is never merged again."""
    return bisect.bisect_right(TIERS_BYTES, size_bytes)


def _parts(group: list[LakeFile]) -> Iterable[list[LakeFile]]:
    """The group in parts of about the target's size, in the order of their ids."""
    part: list[LakeFile] = []
    size = 0
    for file in sorted(group, key=lambda file: (file.first_id, file.path)):
        if part and size + file.size_bytes > TARGET_BYTES:
            yield part
            part, size = [], 0
        part.append(file)
        size += file.size_bytes
    yield part
