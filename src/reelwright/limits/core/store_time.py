"""Time as shared stores count it, and what a caller knows of it by its own monotonic clock."""

from __future__ import annotations

TICKS_A_SECOND = 4_000_000
"""250 ns: times since 1970 stay whole numbers in Lua's doubles until 2041, and in 64 bits for ever."""
TICK_NS = 10**9 // TICKS_A_SECOND


class ServerTime:
    """What a caller knows of the server's clock: bounds by its own monotonic one.

    An answer was written after its question was sent and before it was received. So later the server's time is at
    least what it told and the time since it was received; and at most what it told, the time since it was sent, and
    `slack_s` for the way of the next question.
    """

    __slots__ = ("_received_ns", "_sent_ns", "_slack_ns", "_told", "epoch")

    def __init__(self, slack_s: float) -> None:
        self._slack_ns = round(slack_s * 1e9)
        self._told = self._sent_ns = self._received_ns = 0
        self.epoch = ""
        """Changes where the store has lost everything."""

    @property
    def ticks(self) -> int:
        """What it told last."""
        return self._told

    def bounds(self, now_ns: int) -> tuple[int, int]:
        """The earliest and the latest that the server's time can be, in ticks; 0, 0 where nothing is known."""
        if not self._told:
            return 0, 0
        earliest = self._told + (now_ns - self._received_ns) // TICK_NS
        return earliest, self._told + (now_ns - self._sent_ns + self._slack_ns) // TICK_NS

    def told(self, ticks: int, epoch: str, sent_ns: int, received_ns: int) -> None:
        """The server said that it was `ticks`, in an answer to what was sent at `sent_ns`."""
        self._told, self._sent_ns, self._received_ns, self.epoch = ticks, sent_ns, received_ns, epoch


class StoreClock:
    """The store's side: its own clock, moved by an offset so that it keeps within the callers' bounds.

    `decide.lua` and `decide.sql` do the same; this one is for simulations.
    """

    __slots__ = ("_high", "_offset")

    def __init__(self) -> None:
        self._high = self._offset = 0

    def read(self, wall_ticks: int, bounds: tuple[int, int]) -> int:
        """The time at a call by a caller who knows these bounds (0, 0: none); never less than the last time."""
        now = wall_ticks + self._offset
        if bounds[1] and not bounds[0] <= now <= bounds[1]:
            now = bounds[0]  # it has stepped; the earliest never admits too much
        self._high = now = max(now, self._high)
        self._offset = now - wall_ticks
        return now
