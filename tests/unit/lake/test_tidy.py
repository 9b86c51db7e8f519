"""Files are merged by size within their day, and only those are read that may hold an id."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from reelwright.lake.contract import LakeFile
from reelwright.lake.core.tidy import (
    LATE_DAYS,
    TAIL_BYTES,
    TARGET_BYTES,
    TIERS_FILES,
    merges,
    oldest_to_keep,
    overlapping,
    tails,
)

TODAY = 20_000


def small(number: int, *, day: int = TODAY, size: int = 1000) -> LakeFile:
    """A file that holds ids of its own number."""
    return LakeFile(
        path=f"{number}", day=day, rows=1, size_bytes=size, first_id=f"{number:04}a", last_id=f"{number:04}z"
    )


def test_a_day_in_progress_is_merged_when_a_tier_is_full() -> None:
    """Each row is rewritten a few times a tier; large files are merged in pairs."""
    files = [small(number) for number in range(TIERS_FILES[0] - 1)]
    assert merges(files, today=TODAY) == []
    assert [len(group) for group in merges([*files, small(99)], today=TODAY)] == [TIERS_FILES[0]]
    assert merges([*files, small(99, size=9 << 20)], today=TODAY) == []
    large = [small(number, size=9 << 20) for number in (1, 2)]
    assert [len(group) for group in merges(large, today=TODAY)] == [2]


def test_a_day_that_late_events_no_longer_reach_is_merged_to_the_end() -> None:
    """Whatever came late included; large files are left alone."""
    files = [small(1, day=5), small(2, day=5, size=9 << 20), small(3, day=6), small(4, day=5, size=TARGET_BYTES)]
    assert [{file.path for file in group} for group in merges(files, today=TODAY)] == [{"1", "2"}]
    assert merges(files, today=5 + LATE_DAYS) == []


def test_rows_are_written_with_the_smallest_file_of_their_day() -> None:
    """If it is small; days without new rows are left alone."""
    files = [small(1, day=5, size=300), small(2, day=5, size=200), small(3, day=6, size=TAIL_BYTES), small(4, day=7)]
    assert [file.path for file in tails(files, {5, 6, 8}, tail_bytes=TAIL_BYTES)] == ["2"]
    assert tails(files, {5, 6, 7}, tail_bytes=0) == []


def test_a_snapshot_is_kept_from_when_it_was_superseded() -> None:
    """How old it was by then says nothing about who still reads it."""
    assert oldest_to_keep([10, 500, 900], before_ms=499) is None
    assert oldest_to_keep([10, 500, 900], before_ms=500) == 500
    assert oldest_to_keep([900, 10, 500], before_ms=10_000) == 900
    assert oldest_to_keep([], before_ms=10_000) is None


@given(st.lists(st.tuples(st.integers(0, 3), st.integers(1, TARGET_BYTES * 2)), max_size=60))
def test_merges_never_mix_days_and_never_take_a_file_twice(shapes: list[tuple[int, int]]) -> None:
    """For any set of files."""
    files = [small(number, day=TODAY - day, size=size) for number, (day, size) in enumerate(shapes)]
    groups = merges(files, today=TODAY)
    taken = [file.path for group in groups for file in group]
    assert len(taken) == len(set(taken))
    assert all(len({file.day for file in group}) == 1 and len(group) > 1 for group in groups)


@given(st.lists(st.integers(0, 50), max_size=20).map(sorted))
def test_only_files_whose_bounds_hold_an_id_are_read(numbers: list[int]) -> None:
    """No file that holds one is left out."""
    files = [small(number) for number in range(0, 50, 2)]
    found = overlapping(files, [f"{number:04}m" for number in numbers])
    assert {int(file.path) for file in found} == {number for number in numbers if number % 2 == 0 and number < 50}


@given(st.integers(100, 20_000))
def test_a_day_of_small_commits_stays_a_handful_of_files(commit_bytes: int) -> None:
    """Whatever a commit brings, and merged once a minute; each byte is written a few times more than commits do."""
    files: list[LakeFile] = []
    merged_bytes = 0
    for number in range(3000):
        tail = tails(files, {TODAY}, tail_bytes=TAIL_BYTES)
        files = [file for file in files if file not in tail]
        files.append(small(number, size=commit_bytes + sum(file.size_bytes for file in tail)))
        for group in merges(files, today=TODAY) if number % 12 == 0 else ():
            size = sum(file.size_bytes for file in group)
            files = [file for file in files if file not in group] + [small(10_000 + number, size=size)]
            merged_bytes += size
    assert len(files) <= 4
    assert merged_bytes <= 20 * 3000 * commit_bytes
