"""Projections of events in the database, and the statements on them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec
import sqlalchemy as sa

from reelwright.events.contract import Event, Fact, SentHour, StoredBatch, View, Watched
from reelwright.events.core.frame import START, Position
from reelwright.events.core.projection import POSITIONS, Watching, day_of, was_view, watch, watched_s
from reelwright.events.core.tally import OLDEST_H, changes
from reelwright.events.ports import Projector
from reelwright.kernel.database import among, row_dict, upsert
from reelwright.kernel.ids import PlayableId, ProfileId, TitleId

METADATA = sa.MetaData()
HOUR_MS = 3_600_000
SEEN_MS = 45 * 24 * HOUR_MS
"""How long an event id is remembered: half as long again as a device may keep its events."""
_SUMMED = ("made", "done", "stored", "failed")
Told = tuple[ProfileId, bool, Event]
"""Who, synthetic or not, and what."""


def _table(name: str, *columns: Any) -> sa.Table:
    return sa.Table(f"events_{name}", METADATA, *columns)


OFFSETS = _table(
    "offsets",
    sa.Column("source", sa.String(64), primary_key=True),
    sa.Column("segment", sa.BigInteger, nullable=False),
    sa.Column("offset", sa.BigInteger, nullable=False),
)
SEEN = _table(
    "seen",
    sa.Column("id", sa.String(26), primary_key=True),
    sa.Column("received_ms", sa.BigInteger, nullable=False, index=True),
)
WATCHED = _table(
    "watched",
    sa.Column("profile_id", sa.String(26), nullable=False),
    sa.Column("playable_id", sa.String(26), nullable=False),
    sa.Column("title_id", sa.String(26), nullable=False),
    sa.Column("position_s", sa.Float, nullable=False),
    sa.Column("duration_s", sa.Float, nullable=False),
    sa.Column("started_s", sa.Float, nullable=False),
    sa.Column("finished", sa.Boolean, nullable=False),
    sa.Column("last_ms", sa.BigInteger, nullable=False),
    sa.PrimaryKeyConstraint("profile_id", "playable_id"),
)
VIEWS = _table(
    "views",
    sa.Column("profile_id", sa.String(26), nullable=False),
    sa.Column("title_id", sa.String(26), nullable=False),
    sa.Column("day", sa.Integer, nullable=False),
    sa.Column("at_ms", sa.BigInteger, nullable=False, index=True),
    sa.Column("synthetic", sa.Boolean, nullable=False),
    sa.PrimaryKeyConstraint("profile_id", "title_id", "day"),
)
THUMBS = _table(
    "thumbs",
    sa.Column("profile_id", sa.String(26), nullable=False),
    sa.Column("title_id", sa.String(26), nullable=False),
    sa.Column("value", sa.Integer, nullable=False),
    sa.Column("at_ms", sa.BigInteger, nullable=False),
    sa.PrimaryKeyConstraint("profile_id", "title_id"),
)
SAVED = _table(
    "saved",
    sa.Column("profile_id", sa.String(26), nullable=False),
    sa.Column("title_id", sa.String(26), nullable=False),
    sa.Column("saved", sa.Boolean, nullable=False),
    sa.Column("at_ms", sa.BigInteger, nullable=False),
    sa.PrimaryKeyConstraint("profile_id", "title_id"),
)
LEDGER = _table(
    "ledger",
    sa.Column("hour", sa.Integer, nullable=False),
    sa.Column("source", sa.String(64), nullable=False),
    sa.Column("synthetic", sa.Boolean, nullable=False),
    sa.Column("stored", sa.BigInteger, nullable=False),
    sa.Column("duplicate", sa.BigInteger, nullable=False),
    sa.PrimaryKeyConstraint("hour", "source", "synthetic"),
)

TALLY = _table(
    "tally",
    sa.Column("profile_id", sa.String(26), nullable=False),
    sa.Column("sender", sa.String(26), nullable=False),
    sa.Column("hour", sa.Integer, nullable=False, index=True),
    sa.Column("synthetic", sa.Boolean, nullable=False),
    sa.Column("made", sa.BigInteger, nullable=False),
    sa.Column("done", sa.BigInteger, nullable=False),
    sa.Column("stored", sa.BigInteger, nullable=False),
    sa.Column("failed", sa.BigInteger, nullable=False),
    sa.Column("told_ms", sa.BigInteger, nullable=False),
    sa.PrimaryKeyConstraint("profile_id", "sender", "hour"),
)


def get_offset(connection: sa.Connection, source: str) -> tuple[int, int]:
    """Up to where a source's log has been projected."""
    row = connection.execute(sa.select(OFFSETS).where(OFFSETS.c.source == source)).first()
    return (row.segment, row.offset) if row else START


def get_offsets(connection: sa.Connection) -> dict[str, Position]:
    """Up to where every source's log has been projected."""
    return {row.source: (row.segment, row.offset) for row in connection.execute(sa.select(OFFSETS))}


def project(
    connection: sa.Connection,
    source: str,
    batches: list[StoredBatch],
    after: Position,
    until: Position,
    now_ms: int,
    projectors: Sequence[Projector] = (),
) -> Position:
    """Apply batches and the new offset in one transaction; an event that was seen before changes nothing.

    Returns how far the source is projected now: further than `after` where the answer of an earlier commit was lost.
    """
    known = get_offset(connection, source)
    if known != after:
        return known
    fresh, ledger = _sift(connection, batches)
    upsert(connection, SEEN, [{"id": event.id, "received_ms": batch.received_ms} for batch, event in fresh])
    upsert(
        connection,
        LEDGER,
        [
            {"hour": hour, "source": whose, "synthetic": synthetic, "stored": stored, "duplicate": duplicate}
            for (hour, whose, synthetic), (stored, duplicate) in ledger.items()
        ],
        lambda new: {name: LEDGER.c[name] + new[name] for name in ("stored", "duplicate")},
    )
    _account(connection, batches, fresh)
    named = [(batch.profile_id, batch.synthetic, event) for batch, event in fresh if batch.profile_id is not None]
    added = _project_positions(connection, [row for row in named if row[2].type in POSITIONS])
    _project_latest(connection, THUMBS, "value", int, [row for row in named if row[2].type == "thumb"])
    _project_latest(connection, SAVED, "saved", bool, [row for row in named if row[2].type == "list_change"])
    if projectors and named:
        facts = [_fact(row, *added.get(row[2].id, (0.0, False))) for row in named]
        for projector in projectors:
            projector(connection, facts)
    upsert(connection, OFFSETS, [{"source": source, "segment": until[0], "offset": until[1]}])
    connection.execute(SEEN.delete().where(SEEN.c.received_ms < now_ms - SEEN_MS))
    connection.execute(TALLY.delete().where(TALLY.c.hour < now_ms // HOUR_MS - OLDEST_H))
    return until


def _sift(
    connection: sa.Connection, batches: list[StoredBatch]
) -> tuple[list[tuple[StoredBatch, Event]], dict[tuple[int, str, bool], list[int]]]:
    """Events that come for the first time, and per hour and source how many do and how many came before."""
    known = _known(connection, [event.id for batch in batches for event in batch.events])
    fresh = []
    ledger: dict[tuple[int, str, bool], list[int]] = {}
    for batch in batches:
        counts = ledger.setdefault((batch.received_ms // HOUR_MS, batch.source, batch.synthetic), [0, 0])
        for event in batch.events:
            counts[event.id in known] += 1
            if event.id not in known:
                known.add(event.id)
                fresh.append((batch, event))
    return fresh, ledger


def _account(connection: sa.Connection, batches: list[StoredBatch], fresh: list[tuple[StoredBatch, Event]]) -> None:
    """Note what devices say they sent, and what of it came."""
    if all(batch.tally is None for batch in batches):
        return
    places = {id(batch): place for place, batch in enumerate(batches)}
    ids: dict[int, list[str]] = {}
    for batch, event in fresh:
        ids.setdefault(places[id(batch)], []).append(event.id)
    rows = [
        {"profile_id": profile_id, "sender": sender, "hour": hour, **msgspec.structs.asdict(change)}
        for (profile_id, sender, hour), change in changes(batches, ids).items()
    ]
    upsert(connection, TALLY, rows, lambda new: {**_grown(new), **_added(new)})


def _grown(new: Any) -> dict[str, Any]:
    names = ("made", "done", "told_ms")
    return {name: sa.case((new[name] > TALLY.c[name], new[name]), else_=TALLY.c[name]) for name in names}


def _added(new: Any) -> dict[str, Any]:
    return {name: TALLY.c[name] + new[name] for name in ("stored", "failed")}


def _known(connection: sa.Connection, ids: list[str]) -> set[str]:
    return set(
        connection.scalars(sa.select(SEEN.c.id).where(among(connection, [SEEN.c.id], [(one,) for one in ids])))
    )


def _fact(told: Told, seconds: float, viewed: bool) -> Fact:
    profile_id, synthetic, event = told
    return Fact(profile_id=profile_id, synthetic=synthetic, event=event, watched_s=seconds, viewed=viewed)


def _project_positions(connection: sa.Connection, events: list[Told]) -> dict[str, tuple[float, bool]]:
    """By event: seconds watched since the one before, and whether that makes a view."""
    keys = {(profile_id, event.playable_id) for profile_id, _, event in events}
    state: dict[tuple[Any, Any], Watching | None] = {}
    query = sa.select(WATCHED).where(among(connection, [WATCHED.c.profile_id, WATCHED.c.playable_id], keys))
    for row in connection.execute(query):
        state[row.profile_id, row.playable_id] = msgspec.convert(row_dict(row), Watching)
    views: dict[tuple[Any, ...], dict[str, Any]] = {}
    added: dict[str, tuple[float, bool]] = {}
    for profile_id, synthetic, event in events:
        key = (profile_id, event.playable_id)
        before = state.get(key)
        state[key], viewed = watch(before, event)
        added[event.id] = watched_s(before, event), viewed and not was_view(before, event)
        if viewed:
            day = day_of(event.at_ms)
            view = {"profile_id": profile_id, "title_id": event.title_id, "day": day, "at_ms": event.at_ms}
            views.setdefault((profile_id, event.title_id, day), {**view, "synthetic": synthetic})
    changed = [
        {"profile_id": profile_id, "playable_id": playable_id, **msgspec.structs.asdict(row)}
        for (profile_id, playable_id), row in state.items()
        if row is not None
    ]
    upsert(connection, WATCHED, changed)
    upsert(connection, VIEWS, list(views.values()), lambda _new: {})
    return added


def _project_latest(
    connection: sa.Connection, table: sa.Table, column: str, kind: type[int], events: list[Told]
) -> None:
    """What was said last of each title, by the time it was said."""
    latest: dict[tuple[Any, Any], dict[str, Any]] = {}
    for profile_id, _, event in sorted(events, key=lambda row: row[2].at_ms):
        row = {"profile_id": profile_id, "title_id": event.title_id, "at_ms": event.at_ms}
        latest[profile_id, event.title_id] = {**row, column: kind(event.data[column])}
    upsert(connection, table, list(latest.values()), newer="at_ms")


def get_position(connection: sa.Connection, profile_id: str, playable_id: str) -> Watched | None:
    """How far a profile is in a playable."""
    where = (WATCHED.c.profile_id == profile_id, WATCHED.c.playable_id == playable_id)
    row = connection.execute(sa.select(WATCHED).where(*where)).first()
    return _watched(row_dict(row)) if row else None


def list_watched(
    connection: sa.Connection, profile_id: str, limit: int, before: tuple[int, PlayableId] | None
) -> list[Watched]:
    """What a profile has watched, latest first."""
    query = sa.select(WATCHED).where(WATCHED.c.profile_id == profile_id)
    if before is not None:
        last_ms, playable_id = before
        same = sa.and_(WATCHED.c.last_ms == last_ms, WATCHED.c.playable_id > playable_id)
        query = query.where(sa.or_(WATCHED.c.last_ms < last_ms, same))
    rows = connection.execute(query.order_by(WATCHED.c.last_ms.desc(), WATCHED.c.playable_id).limit(limit))
    return [_watched(row_dict(row)) for row in rows]


def _watched(row: dict[str, Any]) -> Watched:
    return Watched(
        playable_id=PlayableId(row["playable_id"]),
        title_id=TitleId(row["title_id"]),
        position_s=row["position_s"],
        duration_s=row["duration_s"],
        finished=row["finished"],
        last_ms=row["last_ms"],
    )


def count_views(connection: sa.Connection, since_ms: int, until_ms: int) -> dict[TitleId, int]:
    """Viewers per title in a window."""
    query = (
        sa.select(VIEWS.c.title_id, sa.func.count(sa.distinct(VIEWS.c.profile_id)))
        .where(VIEWS.c.at_ms >= since_ms, VIEWS.c.at_ms < until_ms)
        .group_by(VIEWS.c.title_id)
    )
    return {TitleId(row[0]): row[1] for row in connection.execute(query)}


def list_views(connection: sa.Connection, since_ms: int, limit: int) -> list[View]:
    """Who viewed what, latest first."""
    columns = (VIEWS.c.profile_id, VIEWS.c.title_id, VIEWS.c.at_ms)
    query = sa.select(*columns).where(VIEWS.c.at_ms >= since_ms)
    rows = connection.execute(query.order_by(VIEWS.c.at_ms.desc(), *columns[:2]).limit(limit))
    return [View(ProfileId(row[0]), TitleId(row[1]), row[2]) for row in rows]


def list_thumbs(connection: sa.Connection, profile_id: str) -> dict[TitleId, int]:
    """A profile's judgements."""
    query = sa.select(THUMBS.c.title_id, THUMBS.c.value).where(THUMBS.c.profile_id == profile_id, THUMBS.c.value != 0)
    return {TitleId(row[0]): row[1] for row in connection.execute(query)}


def list_saved(connection: sa.Connection, profile_id: str) -> list[TitleId]:
    """A profile's list, latest first."""
    query = sa.select(SAVED.c.title_id).where(SAVED.c.profile_id == profile_id, SAVED.c.saved.is_(True))
    return [TitleId(row[0]) for row in connection.execute(query.order_by(SAVED.c.at_ms.desc(), SAVED.c.title_id))]


def list_ledger(connection: sa.Connection, since_hour: int) -> list[dict[str, Any]]:
    """What was stored per hour and source."""
    query = sa.select(LEDGER).where(LEDGER.c.hour >= since_hour).order_by(LEDGER.c.hour, LEDGER.c.source)
    return [row_dict(row) for row in connection.execute(query)]


def list_sent(connection: sa.Connection, since_hour: int, settled_ms: int) -> list[SentHour]:
    """What devices say they sent, an hour; missing is what they told before `settled_ms`."""
    short = TALLY.c.done - TALLY.c.stored - TALLY.c.failed
    is_missing = sa.and_(short > 0, TALLY.c.told_ms <= settled_ms)
    sums = [sa.cast(sa.func.sum(TALLY.c[name]), sa.BigInteger).label(name) for name in _SUMMED]
    query = (
        sa.select(
            TALLY.c.hour,
            TALLY.c.synthetic,
            sa.func.count().label("senders"),
            *sums,
            sa.cast(sa.func.sum(sa.case((is_missing, short), else_=0)), sa.BigInteger).label("missing"),
            sa.func.sum(sa.case((is_missing, 1), else_=0)).label("missing_senders"),
        )
        .where(TALLY.c.hour >= since_hour)
        .group_by(TALLY.c.hour, TALLY.c.synthetic)
        .order_by(TALLY.c.hour.desc(), TALLY.c.synthetic)
    )
    return [msgspec.convert(row_dict(row), SentHour) for row in connection.execute(query)]
