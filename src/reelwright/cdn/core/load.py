"""How much a process sends: pure, with the time passed in."""

from __future__ import annotations


class Load:
    """Bits a second between two looks at a count of bytes."""

    def __init__(self) -> None:
        self._before: tuple[int, int] | None = None

    def bps(self, sent_bytes: int, now_ns: int) -> float:
        """Since the last look, by a monotonic clock; 0 at the first, and where the count began anew."""
        before, self._before = self._before, (sent_bytes, now_ns)
        if before is None or now_ns <= before[1]:
            return 0.0
        return max(0.0, 8e9 * (sent_bytes - before[0]) / (now_ns - before[1]))
