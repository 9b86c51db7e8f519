"""Which files a question or a commit must look into, and which are merged. Pure."""

from __future__ import annotations

import bisect
from collections.abc import Iterable, Sequence

from reelwright.lake.contract import LakeFile

TARGET_BYTES = 128 << 20
TIERS_BYTES = (1 << 20, 16 << 20, TARGET_BYTES)
"""Files are merged with those of their size, so that each row is rewritten once a tier and not once a merge."""
TIER_FILES = 12
"""How many files of one day and tier are left alone."""


def overlapping(files: Iterable[LakeFile], ids: Sequence[str]) -> list[LakeFile]:
    """Files that may hold one of the ids, which are sorted; ids are as old as their events, so these are few."""
    return [file for file in files if _may_hold(file, ids)]


def _may_hold(file: LakeFile, ids: Sequence[str]) -> bool:
    place = bisect.bisect_left(ids, file.first_id)
    return place < len(ids) and ids[place] <= file.last_id


def merges(files: Iterable[LakeFile], *, today: int) -> list[list[LakeFile]]:
    """Groups of files, each of one day, to be merged into one; a day that is over is merged to the end."""
    groups: dict[tuple[int, int], list[LakeFile]] = {}
    for file in files:
        tier = tier_of(file.size_bytes)
        if tier < len(TIERS_BYTES):
            over = file.day < today
            groups.setdefault((file.day, 0 if over else tier), []).append(file)
    return [
        part
        for (day, _), group in sorted(groups.items())
        if len(group) >= (2 if day < today else TIER_FILES)
        for part in _parts(group)
        if len(part) > 1
    ]


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
