"""The control plane's state in the database, shared by all web processes."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import sqlalchemy as sa

from reelwright.kernel.database import row_dict, upsert

METADATA = sa.MetaData()
EDGES = sa.Table(
    "cdn_edges",
    METADATA,
    sa.Column("name", sa.String(48), primary_key=True),
    sa.Column("boot", sa.String(32), nullable=False),
    sa.Column("told", sa.JSON, nullable=False),
    sa.Column("inventory", sa.JSON, nullable=False),
    sa.Column("beat", sa.BigInteger, nullable=False),
    sa.Column("seen_ms", sa.BigInteger, nullable=False),
    sa.Column("registered_ms", sa.BigInteger, nullable=False),
    sa.Column("drained", sa.Boolean, nullable=False),
    sa.Column("price", sa.Float, nullable=False),
)
PURGES = sa.Table(
    "cdn_purges",
    METADATA,
    sa.Column("seq", sa.BigInteger, primary_key=True, autoincrement=False),
    sa.Column("at_ms", sa.BigInteger, nullable=False),
    sa.Column("by", sa.String(64), nullable=False),
    sa.Column("order", sa.JSON, nullable=False),
)
SIGNALS = sa.Table(
    "cdn_signals",
    METADATA,
    sa.Column("edge", sa.String(48), primary_key=True),
    sa.Column("viewer", sa.String(64), primary_key=True),
    sa.Column("failed", sa.Boolean, nullable=False),
    sa.Column("at_ms", sa.BigInteger, nullable=False, index=True),
)
DECISIONS = sa.Table(
    "cdn_decisions",
    METADATA,
    sa.Column("token", sa.String(64), primary_key=True),
    sa.Column("session_id", sa.String(64), nullable=False, index=True),
    sa.Column("region", sa.String(40), nullable=False),
    sa.Column("chosen", sa.String(48), nullable=False),
    sa.Column("nearest", sa.String(48), nullable=False),
    sa.Column("why", sa.String(16), nullable=False),
    sa.Column("bps", sa.Float, nullable=False),
    sa.Column("at_ms", sa.BigInteger, nullable=False, index=True),
    sa.Column("decision_id", sa.String(26), nullable=False),
)
MISSES = sa.Table(
    "cdn_misses",
    METADATA,
    sa.Column("minute_ms", sa.BigInteger, primary_key=True),
    sa.Column("edge", sa.String(48), primary_key=True),
    sa.Column("kind", sa.String(16), primary_key=True),
    sa.Column("requests", sa.BigInteger, nullable=False),
    sa.Column("bytes", sa.BigInteger, nullable=False),
)
AUDIT = sa.Table(
    "cdn_audit",
    METADATA,
    sa.Column("id", sa.String(26), primary_key=True),
    sa.Column("at_ms", sa.BigInteger, nullable=False, index=True),
    sa.Column("by", sa.String(64), nullable=False),
    sa.Column("what", sa.Text, nullable=False),
)
FILLS = sa.Table(
    "cdn_fills",
    METADATA,
    sa.Column("edge", sa.String(48), primary_key=True),
    sa.Column("plan", sa.JSON, nullable=False),
    sa.Column("planned_ms", sa.BigInteger, nullable=False),
)

Row = dict[str, Any]


def get_edge(connection: sa.Connection, name: str) -> Row | None:
    """An edge's row."""
    row = connection.execute(sa.select(EDGES).where(EDGES.c.name == name)).first()
    return row_dict(row) if row else None


def put_report(
    connection: sa.Connection,
    name: str,
    *,
    boot: str,
    told: Row,
    inventory: Row | None,
    now_ms: int,
    takeover: bool,
) -> Row | None:
    """Note a report; the edge's row, or None where another edge has the name and `takeover` is not given."""
    known = get_edge(connection, name)
    if known is None:
        fresh = {"name": name, "boot": boot, "told": told, "inventory": inventory or {}, "beat": 1, "seen_ms": now_ms}
        row = {**fresh, "registered_ms": now_ms, "drained": False, "price": 0.0}
        connection.execute(EDGES.insert().values(**row))
        return row
    if known["told"]["url"] != told["url"] and known["boot"] != boot and not takeover:
        return None
    changed: Row = {"boot": boot, "told": told, "beat": known["beat"] + 1, "seen_ms": now_ms}
    if inventory is not None:
        changed["inventory"] = inventory
    connection.execute(EDGES.update().where(EDGES.c.name == name).values(**changed))
    return {**known, **changed}


def list_edges(connection: sa.Connection) -> list[Row]:
    """All edges, by name."""
    return [row_dict(row) for row in connection.execute(sa.select(EDGES).order_by(EDGES.c.name))]


def set_edge(connection: sa.Connection, name: str, audit: Row, /, **values: Any) -> bool:
    """Change an edge; False where there is none."""
    found = connection.execute(EDGES.update().where(EDGES.c.name == name).values(**values)).rowcount
    if found:
        connection.execute(AUDIT.insert().values(**audit))
    return bool(found)


def delete_edge(connection: sa.Connection, name: str, audit: Row) -> bool:
    """Forget an edge and all that is known of it; False where there is none."""
    found = connection.execute(EDGES.delete().where(EDGES.c.name == name)).rowcount
    connection.execute(SIGNALS.delete().where(SIGNALS.c.edge == name))
    connection.execute(FILLS.delete().where(FILLS.c.edge == name))
    if found:
        connection.execute(AUDIT.insert().values(**audit))
    return bool(found)


def set_prices(connection: sa.Connection, prices: Mapping[str, float]) -> None:
    """What another bit of each edge's capacity is worth now."""
    for name, price in prices.items():
        connection.execute(EDGES.update().where(EDGES.c.name == name).values(price=price))


def add_purge(connection: sa.Connection, *, order: Row, at_ms: int, by: str, audit: Row, forget_ms: int) -> int:
    """Append an order; its number. Numbers rise by one, so that an edge sees when it has missed some."""
    last: int = connection.scalar(sa.select(sa.func.coalesce(sa.func.max(PURGES.c.seq), -1))) or 0
    connection.execute(PURGES.delete().where(PURGES.c.at_ms < forget_ms, PURGES.c.seq < last))
    connection.execute(PURGES.insert().values(seq=last + 1, at_ms=at_ms, by=by, order=order))
    connection.execute(AUDIT.insert().values(**audit))
    return last + 1


def purges_after(connection: sa.Connection, seq: int, limit: int) -> tuple[list[Row], int, int]:
    """Orders after `seq`, and the first and last number that are kept; (-1, -1) where there are none."""
    kept = connection.execute(sa.select(sa.func.min(PURGES.c.seq), sa.func.max(PURGES.c.seq))).one()
    query = sa.select(PURGES).where(PURGES.c.seq > seq).order_by(PURGES.c.seq).limit(limit)
    rows = [row_dict(row) for row in connection.execute(query)]
    first, last = (-1 if one is None else int(one) for one in kept)
    return rows, first, last


def put_signal(connection: sa.Connection, *, edge: str, viewer: str, failed: bool, at_ms: int) -> None:
    """A viewer's newest word on an edge."""
    upsert(connection, SIGNALS, [{"edge": edge, "viewer": viewer, "failed": failed, "at_ms": at_ms}])


def count_signals(connection: sa.Connection, since_ms: int, until_ms: int) -> dict[str, tuple[int, int]]:
    """By edge, viewers who told of it in a window, and how many of them met a failure."""
    failed = sa.func.sum(sa.case((SIGNALS.c.failed, 1), else_=0))
    query = (
        sa.select(SIGNALS.c.edge, sa.func.count(), failed)
        .where(SIGNALS.c.at_ms >= since_ms, SIGNALS.c.at_ms <= until_ms)
        .group_by(SIGNALS.c.edge)
    )
    return {row[0]: (int(row[1]), int(row[2])) for row in connection.execute(query)}


def put_decision(connection: sa.Connection, /, *, forget_ms: int, **values: Any) -> str:
    """Keep a decision for the join with what edges report; the id under which it is known.

    Old ones go, and the session's URLs follow the newest. One that says what the session's last has said is that one.
    """
    connection.execute(DECISIONS.delete().where(DECISIONS.c.at_ms < forget_ms))
    newest = {name: values[name] for name in ("chosen", "nearest", "why")}
    of_session = DECISIONS.c.session_id == values["session_id"]
    same = sa.and_(of_session, DECISIONS.c.decision_id != "", *(DECISIONS.c[name] == newest[name] for name in newest))
    known = connection.scalar(sa.select(DECISIONS.c.decision_id).where(same).limit(1))
    newest["decision_id"] = known or values["decision_id"]
    connection.execute(DECISIONS.update().where(of_session).values(**newest))
    upsert(connection, DECISIONS, [{**values, **newest}])
    return str(newest["decision_id"])


def put_decided(connection: sa.Connection, rows: Sequence[Row], forget_ms: int) -> list[str]:
    """Decisions that edges made by themselves, for the sessions whose URLs they were asked with; their ids."""
    tokens = [row["token"] for row in rows]
    query = sa.select(DECISIONS.c.token, DECISIONS.c.session_id).where(DECISIONS.c.token.in_(tokens))
    sessions = {row[0]: row[1] for row in connection.execute(query)}
    found = []
    for row in rows:
        session_id = sessions.get(row["token"], f"url {row['token']}"[:64])
        found.append(put_decision(connection, forget_ms=forget_ms, session_id=session_id, **row))
    return found


def get_decisions(connection: sa.Connection, tokens: Iterable[str]) -> dict[str, Row]:
    """Decisions by the signature that they made."""
    query = sa.select(DECISIONS).where(DECISIONS.c.token.in_(sorted(set(tokens))))
    rows = [row_dict(row) for row in connection.execute(query)]
    return {row["token"]: row for row in rows}


def demand_by_region(connection: sa.Connection, since_ms: int) -> dict[str, float]:
    """Bits per second by region of the sessions steered since; each session counts once."""
    newest = (
        sa.select(DECISIONS.c.region, DECISIONS.c.session_id, sa.func.max(DECISIONS.c.bps).label("bps"))
        .where(DECISIONS.c.at_ms >= since_ms)
        .group_by(DECISIONS.c.region, DECISIONS.c.session_id)
        .subquery()
    )
    query = sa.select(newest.c.region, sa.func.sum(newest.c.bps)).group_by(newest.c.region)
    return {row[0]: float(row[1]) for row in connection.execute(query)}


def add_misses(connection: sa.Connection, rows: Sequence[Row], forget_ms: int) -> None:
    """Add counts to the minutes they belong to."""
    connection.execute(MISSES.delete().where(MISSES.c.minute_ms < forget_ms))
    upsert(
        connection,
        MISSES,
        rows,
        lambda new: {"requests": MISSES.c.requests + new.requests, "bytes": MISSES.c.bytes + new.bytes},
    )


def count_misses(connection: sa.Connection, since_ms: int) -> list[Row]:
    """Requests and bytes since, by edge and class."""
    query = (
        sa.select(
            MISSES.c.edge,
            MISSES.c.kind,
            sa.func.sum(MISSES.c.requests),
            sa.func.sum(MISSES.c.bytes),
        )
        .where(MISSES.c.minute_ms >= since_ms)
        .group_by(MISSES.c.edge, MISSES.c.kind)
        .order_by(MISSES.c.edge, MISSES.c.kind)
    )
    rows = connection.execute(query)  # PostgreSQL adds up to decimals
    return [{"edge": row[0], "kind": row[1], "requests": int(row[2]), "bytes": int(row[3])} for row in rows]


def list_audit(connection: sa.Connection, limit: int) -> list[Row]:
    """What people did, the newest first."""
    query = sa.select(AUDIT).order_by(AUDIT.c.at_ms.desc(), AUDIT.c.id.desc()).limit(limit)
    return [row_dict(row) for row in connection.execute(query)]


def put_fills(connection: sa.Connection, plans: Mapping[str, Row], now_ms: int) -> None:
    """What each edge is to hold; edges that are not named keep their plan."""
    upsert(connection, FILLS, [{"edge": edge, "plan": plan, "planned_ms": now_ms} for edge, plan in plans.items()])


def list_fills(connection: sa.Connection) -> dict[str, str]:
    """By edge the id of its plan."""
    rows = connection.execute(sa.select(FILLS.c.edge, FILLS.c.plan))
    return {row[0]: str(row[1].get("id", "")) for row in rows}


def get_fill(connection: sa.Connection, edge: str) -> Row | None:
    """An edge's plan."""
    row = connection.execute(sa.select(FILLS).where(FILLS.c.edge == edge)).first()
    return row_dict(row) if row else None
