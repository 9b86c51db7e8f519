"""What an event must be before it is stored, and how a client's clock is corrected. Pure."""

from __future__ import annotations

from collections.abc import Iterable

from reelwright.events.contract import MAX_EVENT_BYTES
from reelwright.events.core.cmcd import BadReport, read_report
from reelwright.events.core.schema import Cmcd, Typed

ON_THE_WAY_MS = 30_000
"""A request may take this long."""
PAST_MS = 30 * 86_400_000
"""Events queued on a device for up to this long keep their own time."""

_ALPHABET = b"0123456789abcdefghjkmnpqrstvwxyz"


def reason_to_refuse(event: Typed) -> str:
    """Why an event of the right shape cannot be stored all the same; empty when it can."""
    for name in ("id", "session_id", "title_id", "playable_id"):
        value = getattr(event, name)
        if value is not None and not are_ids((value,)):
            return (
                f"{name}: 26 characters of Crockford's base 32, as the client or the service made it, got {value!r}"
            )
    if isinstance(event, Cmcd):
        try:
            read_report(event.data.mode, event.data.text)
        except BadReport as error:
            return f"CMCD: {error}"
    return ""


def are_ids(texts: Iterable[str]) -> bool:
    """Whether texts of the right length have only the letters of ids; all at once, since one by one costs more."""
    return not "".join(texts).encode(errors="replace").translate(None, _ALPHABET)


def clock_skew_ms(*, sent_ms: int | None, received_ms: int) -> int:
    """How much must be added to a client's times: what its clock said when it sent, against ours when that came.

    A difference that the way here may explain is none; nor is one of a client that does not say.
    """
    if sent_ms is None or abs(received_ms - sent_ms) <= ON_THE_WAY_MS:
        return 0
    return received_ms - sent_ms


def corrected_ms(at_ms: int, received_ms: int, skew_ms: int = 0) -> int:
    """When an event happened: the client's time without its clock's skew, unless that lies in the future or too far
    in the past.
    """
    at_ms += skew_ms
    return at_ms if received_ms - PAST_MS <= at_ms <= received_ms else received_ms


def is_oversized(raw: bytes | memoryview) -> bool:
    """Whether one event is larger than any honest one."""
    return len(raw) > MAX_EVENT_BYTES
