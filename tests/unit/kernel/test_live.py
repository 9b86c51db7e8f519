"""Live streams end, so that who may see them is asked again."""

from __future__ import annotations

from typing import Any

import pytest

from reelwright.kernel import live

pytestmark = pytest.mark.anyio


async def test_a_stream_ends_and_is_asked_for_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever was shut out meanwhile watches no longer; each change until then is told once."""
    monkeypatch.setattr(live, "LONGEST_S", 0.05)
    monkeypatch.setattr(live, "closing", live.Closing())  # that of the process may be over since another test
    looks = iter([1, 1, 2, 2, 2, 3])

    async def look() -> int:
        return next(looks)

    messages: Any = live.live(look, every_s=0.01).iterator
    told = [message async for message in messages]
    assert told == [b"data: 1\n\n", b"data: 2\n\n"]
    assert next(looks) == 3
