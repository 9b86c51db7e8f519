"""What of a batch is stored, what is known already, and what is refused. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Protocol

import msgspec

from reelwright.events.contract import MAX_BATCH, MAX_EVENT_BYTES, FailedEvent, Verdict
from reelwright.events.core.check import are_ids, is_oversized, reason_to_refuse
from reelwright.events.core.schema import Cmcd, Schema, Typed
from reelwright.kernel.errors import Invalid

KEPT_BYTES = 64 << 10
"""So much of a refused event is kept."""
_SMALLEST_EVENT_BYTES = 64
_RAWS = msgspec.json.Decoder(list[msgspec.Raw])
_BROKEN = (msgspec.MsgspecError, UnicodeDecodeError, RecursionError)


class Known(Protocol):
    """Ids that were seen."""

    def has_any(self, ids: set[str]) -> bool:
        """Whether one of them was seen."""
        ...

    def __contains__(self, event_id: str) -> bool: ...


class Recent:
    """The newest ids, in two generations of `most` each: sets, which a whole batch is asked of at once."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._new: set[str] = set()
        self._old: set[str] = set()

    def add(self, ids: Iterable[str]) -> None:
        """Remember ids; the oldest are forgotten, a generation at once."""
        self._new.update(ids)
        if len(self._new) >= self._most:
            self._old, self._new = self._new, set()

    def has_any(self, ids: set[str]) -> bool:
        """Whether one of them was seen."""
        return not (self._new.isdisjoint(ids) and self._old.isdisjoint(ids))

    def __contains__(self, event_id: str) -> bool:
        return event_id in self._new or event_id in self._old


class Sifted(msgspec.Struct, frozen=True, gc=False):
    """What becomes of a batch."""

    verdicts: list[Verdict]
    ids: Sequence[str]
    """Of the events that are stored."""
    array: bytes
    """Those events as they were sent, a JSON array."""
    failed: Sequence[FailedEvent] = ()


def sift_array(array: msgspec.Raw, known: Known, schema: Schema) -> Sifted:
    """A batch as it came. Raises Invalid where it is no array, or has too many events.

    The rule is a batch of which all is stored: it is decoded once, and stored as it is.
    """
    try:
        events = schema.read_array(array)
    except _BROKEN:
        return sift_each(_split(array), known, schema)
    _check_count(len(events))
    ids = [event.id for event in events]
    unique = set(ids)
    data = bytes(array)
    sound = (
        len(unique) == len(ids)
        and Cmcd not in set(map(type, events))  # whose text is read one by one
        and not known.has_any(unique)
        and are_ids(ids)
        and are_ids(_named(events))
        and len(data) <= MAX_EVENT_BYTES + _SMALLEST_EVENT_BYTES * (len(ids) - 1)  # none of them can be oversized
    )
    if not sound:
        return sift_each(_split(array), known, schema)
    return Sifted([Verdict(id=event_id, status="stored") for event_id in ids], ids, data)


def sift_each(raws: Sequence[msgspec.Raw], known: Known, schema: Schema) -> Sifted:
    """Events one by one: a bad one never fails the others, and the same id twice is one event."""
    verdicts, failed, fresh = list[Verdict](), list[FailedEvent](), dict[str, bytes]()
    for raw in raws:
        data = bytes(raw)
        found = read_event(data, schema)
        if isinstance(found, str):
            verdicts.append(Verdict(id=_claimed_id(data), status="failed", reason=found))
            failed.append(FailedEvent(raw=data[:KEPT_BYTES], reason=found))
        elif found.id in known or found.id in fresh:
            verdicts.append(Verdict(id=found.id, status="duplicate"))
        else:
            fresh[found.id] = data
            verdicts.append(Verdict(id=found.id, status="stored"))
    return Sifted(verdicts, list(fresh), b"[" + b",".join(fresh.values()) + b"]", failed)


def read_event(data: bytes, schema: Schema) -> Typed | str:
    """One event, or why it is refused."""
    if is_oversized(data):
        return f"the event has {len(data)} bytes; at most {MAX_EVENT_BYTES} are taken"
    try:
        event = schema.read(data)
    except _BROKEN as error:
        return str(error)
    return reason_to_refuse(event) or event


def _named(events: Sequence[Typed]) -> set[str]:
    """What else than themselves the events name; mostly few."""
    names = {event.session_id for event in events}
    names.update(event.title_id for event in events)
    names.update(event.playable_id for event in events)
    return {name for name in names if name is not None}


def _split(array: msgspec.Raw) -> list[msgspec.Raw]:
    try:
        raws = _RAWS.decode(array)
    except _BROKEN as error:
        raise Invalid(f'a batch looks like {{"events": […]}}: {error}') from error
    _check_count(len(raws))
    return raws


def _check_count(count: int) -> None:
    if count > MAX_BATCH:
        raise Invalid(f"a batch has at most {MAX_BATCH} events, got {count}")


def _claimed_id(data: bytes) -> str:
    try:
        found = msgspec.json.decode(data).get("id", "")
    except (*_BROKEN, AttributeError):
        return ""
    return str(found)[:26]
