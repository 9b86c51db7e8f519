"""What steering gave to edges since they last reported: until their load shows it, it counts here. No I/O."""

from __future__ import annotations

from collections import Counter, OrderedDict

SESSIONS_KEPT = 50_000


class Given:
    """By edge what was given, and by session where it was sent."""

    def __init__(self) -> None:
        self._bps: Counter[str] = Counter()
        self._sent: OrderedDict[str, str] = OrderedDict()

    def give(self, session: str, edge: str, bps: float) -> bool:
        """Send a session to an edge; whether it was not there already."""
        moved = self._sent.get(session) != edge
        if moved:
            self._bps[edge] += bps  # type: ignore[assignment]
        self._sent[session] = edge
        self._sent.move_to_end(session)
        if len(self._sent) > SESSIONS_KEPT:
            self._sent.popitem(last=False)
        return moved

    def sent(self, session: str) -> str:
        """The edge that a session was told to use last; empty where it was told none."""
        return self._sent.get(session, "")

    def bps(self, edge: str) -> float:
        """What an edge was given since its last report."""
        return float(self._bps[edge])

    def reported(self, edge: str) -> None:
        """Its load says it now."""
        self._bps.pop(edge, None)

    def settle(self) -> None:
        """All loads say it now."""
        self._bps.clear()
