"""The table in which an edge's workers look up what its owner holds."""

from __future__ import annotations

import time
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from reelwright.cdn.adapters.worker import HeldFiles
from reelwright.cdn.core.held import NUMBERS, PLACES, HeldTable

NAMES = [f"assets/a/{number}.m4s" for number in range(20)]


def table(buckets: int) -> tuple[HeldTable, HeldTable, list[int]]:
    """A writer and a reader of the same words."""
    words = [0] * (NUMBERS + PLACES * buckets)
    return HeldTable(words), HeldTable(words), words


@given(st.lists(st.tuples(st.sampled_from(NAMES), st.booleans()), max_size=60))
def test_a_table_with_room_is_a_set_whose_words_differ_each_time(steps: list[tuple[str, bool]]) -> None:
    """What was put there and not taken away is found, under a word that no name had before."""
    writer, reader, _ = table(64)
    held: dict[str, int] = {}
    seen: set[int] = set()
    for name, put in steps:
        before = reader.removed
        left = name in held
        if put:
            writer.add(name)
            held[name] = reader.find(name)
            assert held[name] not in seen
            seen.add(held[name])
        else:
            writer.discard(name)
            held.pop(name, None)
        assert (reader.removed > before) == left
        assert {one: reader.find(one) for one in NAMES} == {one: held.get(one, 0) for one in NAMES}


def test_a_full_bucket_gives_up_one_name_and_says_so() -> None:
    """The others stay; the one that left is not found, which readers learn by the number."""
    writer, reader, words = table(1)
    for name in NAMES[:PLACES]:
        writer.add(name)
    assert (reader.removed, sum(bool(reader.find(name)) for name in NAMES)) == (0, PLACES)
    writer.add(NAMES[PLACES])
    assert reader.find(NAMES[PLACES])
    assert (reader.removed, sum(bool(reader.find(name)) for name in NAMES)) == (1, PLACES)
    assert all(0 <= word < 1 << 64 for word in words)


def test_marks_go_round_without_touching_the_name() -> None:
    """After 65,535 puttings the marks begin anew; names are found all the while."""
    writer, reader, _ = table(4)
    for _ in range(65_540):
        writer.add(NAMES[0])
    assert reader.find(NAMES[0]) and not reader.find(NAMES[1])


def test_a_doubt_is_seen_by_who_looks_at_one_number() -> None:
    """Readers compare `removed` before each answer, and look at `doubted` only where that differs."""
    writer, reader, _ = table(1)
    writer.add(NAMES[0])
    before = reader.removed
    writer.doubt()
    assert (reader.removed, reader.doubted) == (before + 1, 1)
    assert reader.find(NAMES[0])


def test_a_file_that_goes_while_it_is_opened_is_not_kept(tmp_path: Path) -> None:
    """Nor where it has come back meanwhile: what was opened may be either."""
    name = "assets_a.m4s"
    (tmp_path / name).write_bytes(b"first")
    words = [0] * (NUMBERS + PLACES)
    owner = HeldTable(words)

    class Raced(HeldTable):
        """The owner puts another file there after each look."""

        def find(self, name: str) -> int:
            found = super().find(name)
            (tmp_path / "part").write_bytes(b"second")
            (tmp_path / "part").replace(tmp_path / name)
            owner.add(name)
            return found

    owner.add(name)
    raced = HeldFiles(tmp_path, time.monotonic_ns, Raced(words))
    assert raced.open(name) is None
    calm = HeldFiles(tmp_path, time.monotonic_ns, owner)
    first = calm.open(name)
    assert first is not None and calm.open(name) is first
    owner.add(name)
    calm.catch_up()
    assert calm.open(name) is not first
    owner.discard(name)
    calm.catch_up()
    assert calm.open(name) is None
