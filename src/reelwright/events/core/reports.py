"""Reports of CMCD's event mode as events. Pure."""

from __future__ import annotations

import hashlib

from reelwright.events.contract import Event
from reelwright.events.core.cmcd import BadReport, Value, read_report
from reelwright.kernel.clock import VirtualClock
from reelwright.kernel.ids import EventId, PlayableId, ProfileId, SessionId, is_id, new_id

_LATEST_MS = (1 << 48) - 1
_LONGEST_S = 86_400.0


def cmcd_event(line: str, profile_id: ProfileId, now_ms: int) -> Event:
    """One line that was posted. Its id is made from it, since a player that hears no answer sends it again.

    A line that cannot be read becomes an event too, which is then refused and kept with the reason. Session and
    playable are those of our own player, which names them as `sid` and `cid`.
    """
    text = line.strip()
    try:
        keys: dict[str, Value] = read_report("event", text)
    except BadReport:
        keys = {}
    told_ms, sid, cid, playhead = keys.get("ts"), keys.get("sid"), keys.get("cid"), keys.get("pt")
    at_ms = min(told_ms, _LATEST_MS) if isinstance(told_ms, int) else now_ms
    return Event(
        id=_id_of(text, profile_id, at_ms if keys else 0),
        type="cmcd",
        at_ms=at_ms,
        session_id=SessionId(sid) if isinstance(sid, str) and is_id(sid) else None,
        playable_id=PlayableId(cid) if isinstance(cid, str) and is_id(cid) else None,
        position_s=min(playhead / 1000, _LONGEST_S) if isinstance(playhead, int) else None,
        data={"mode": "event", "text": text},
    )


def _id_of(text: str, profile_id: ProfileId, at_ms: int) -> EventId:
    digest = hashlib.blake2b(f"{profile_id}|{text}".encode(errors="replace"), digest_size=10).digest()
    return EventId(new_id(VirtualClock(at_ms * 1_000_000), entropy=int.from_bytes(digest, "big")))
