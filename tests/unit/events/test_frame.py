"""Frames tell whole payloads from torn ones."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from reelwright.events.core.frame import HEAD_BYTES, frame, frames

PAYLOADS = st.lists(st.binary(min_size=1, max_size=200), max_size=8)


def read(data: bytes) -> list[bytes]:
    """The payloads that frames finds."""
    return [payload for _, payload in frames(data)]


@given(PAYLOADS)
def test_what_was_framed_is_read(payloads: list[bytes]) -> None:
    """In order, each with the offset behind it."""
    data = b"".join(map(frame, payloads))
    found = list(frames(data))
    assert [payload for _, payload in found] == payloads
    assert not payloads or found[-1][0] == len(data)
    middle = found[len(found) // 2][0] if found else 0
    assert [payload for _, payload in frames(data, middle)] == payloads[len(found) // 2 + 1 :]


@given(PAYLOADS, st.data())
def test_a_torn_end_loses_only_the_torn_payload(payloads: list[bytes], data: st.DataObject) -> None:
    """Cut at any byte: a prefix of whole payloads is left."""
    whole = b"".join(map(frame, payloads))
    cut = data.draw(st.integers(0, len(whole)))
    found = read(whole[:cut])
    assert found == payloads[: len(found)]
    assert sum(len(payload) + HEAD_BYTES for payload in payloads[: len(found) + 1]) > cut or cut == len(whole)


@given(PAYLOADS.filter(bool), st.data())
def test_a_flipped_bit_is_noticed(payloads: list[bytes], data: st.DataObject) -> None:
    """Nothing damaged is ever read; what lies before is."""
    whole = bytearray(b"".join(map(frame, payloads)))
    at = data.draw(st.integers(0, len(whole) - 1))
    whole[at] ^= 1 << data.draw(st.integers(0, 7))
    found = read(bytes(whole))
    assert found == payloads[: len(found)] and len(found) < len(payloads)


@given(PAYLOADS, st.integers(1, 5000))
def test_zeros_behind_the_end_are_nothing(payloads: list[bytes], zeros: int) -> None:
    """A power cut may leave a file longer than what was written to it."""
    assert read(b"".join(map(frame, payloads)) + bytes(zeros)) == payloads
