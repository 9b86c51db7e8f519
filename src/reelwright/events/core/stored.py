"""Batches as they lie in the log: events as they were sent, read as they count. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from reelwright.events.contract import Event, StoredBatch, Tally
from reelwright.events.core.check import corrected_ms
from reelwright.events.core.cmcd import BadReport, read_report, version_of
from reelwright.events.core.schema import SCHEMA
from reelwright.kernel.ids import ProfileId

_STORED = msgspec.json.Decoder(StoredBatch)


class _Head(msgspec.Struct, omit_defaults=True):
    profile_id: ProfileId | None
    received_ms: int
    source: str
    skew_ms: int
    synthetic: bool = False
    tally: Tally | None = None
    refused: dict[int, int] = {}


def stored_batch(
    array: bytes,
    *,
    profile_id: ProfileId | None,
    received_ms: int,
    source: str,
    skew_ms: int,
    synthetic: bool,
    tally: Tally | None = None,
    refused: Mapping[int, int] | None = None,
) -> bytes:
    """A record of the log: `array` holds the events as they were sent, and is not touched."""
    head = _Head(profile_id, received_ms, source, skew_ms, synthetic, tally, dict(refused or {}))
    return msgspec.json.encode(head)[:-1] + b',"events":' + array + b"}"


def read_stored(payload: bytes) -> StoredBatch:
    """A record with the events' times corrected, and their data in the version that is written now.

    Raises msgspec's errors.
    """
    batch = _STORED.decode(payload)
    if batch.skew_ms is None and all(_is_as_it_counts(event) for event in batch.events):
        return batch
    events = [_as_it_counts(event, batch) for event in batch.events]
    return msgspec.structs.replace(batch, events=events, skew_ms=None)


def _as_it_counts(event: Event, batch: StoredBatch) -> Event:
    at_ms = event.at_ms
    if batch.skew_ms is not None:
        at_ms = corrected_ms(at_ms, batch.received_ms, batch.skew_ms)
    if at_ms == event.at_ms and _is_as_it_counts(event):
        return event
    version, data = SCHEMA.upcast(event.type, event.version, event.data)
    if event.type == "cmcd":
        data = _keys_of(data)
    return msgspec.structs.replace(event, at_ms=at_ms, version=version, data=data)


def _is_as_it_counts(event: Event) -> bool:
    return SCHEMA.current[event.type] == event.version and event.type != "cmcd"


def _keys_of(data: Mapping[str, Any]) -> Mapping[str, Any]:
    """A report's keys; what this release cannot read any more stays as it was sent."""
    try:
        keys = read_report(data["mode"], data["text"])
    except (BadReport, KeyError):
        return data
    return {"mode": data["mode"], "v": version_of(keys), "keys": keys}
