"""When a fill may run and how fast: pure, with the time passed in."""

from __future__ import annotations

from reelwright.kernel.errors import Invalid


def window_of(text: str) -> tuple[int, int]:
    """Minutes after midnight of `02:00-14:00`. Raises Invalid."""
    try:
        begin, end = (int(one[:2]) * 60 + int(one[3:]) for one in text.split("-"))
    except ValueError:
        raise Invalid(f"a window is like 02:00-14:00, got {text!r}") from None
    return begin, end


def is_open(window: tuple[int, int], minute: float) -> bool:
    """Whether a minute of the day lies in a window; one that ends before it begins lasts over midnight."""
    begin, end = window
    if begin == end:
        return True
    return begin <= minute < end if begin < end else minute >= begin or minute < end


class Pace:
    """Bytes at a steady rate: never more than a tenth of a second ahead of it."""

    def __init__(self, rate_bps: float) -> None:
        self._bytes_per_s = rate_bps / 8
        self._due_s = 0.0
        """When what was taken so far is paid for."""

    def take(self, size: int, now_s: float) -> float:
        """Take in bytes; the seconds to wait before the next."""
        self._due_s = max(self._due_s, now_s) + size / self._bytes_per_s
        return max(0.0, self._due_s - now_s)
