"""Assets in the database: where each encode is, which package is current, and what its steps have published."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any

import msgspec
import sqlalchemy as sa

from reelwright.kernel.database import row_dict
from reelwright.kernel.ids import AssetId, PlayableId
from reelwright.media.contract import ENDED, Progress
from reelwright.media.core.assemble import Piece

METADATA = sa.MetaData()
ASSETS = sa.Table(
    "media_assets",
    METADATA,
    sa.Column("id", sa.String(26), primary_key=True),
    sa.Column("playable_id", sa.String(26), nullable=False, index=True),
    sa.Column("source_path", sa.Text, nullable=False),
    sa.Column("source_name", sa.Text, nullable=False),
    sa.Column("subtitles", sa.JSON, nullable=False),
    sa.Column("stage", sa.String(16), nullable=False),
    sa.Column("percent", sa.Float, nullable=False),
    sa.Column("speed", sa.Float),
    sa.Column("eta_s", sa.Float),
    sa.Column("problem", sa.Text, nullable=False),
    sa.Column("package", sa.Text, nullable=False),
    sa.Column("attempt", sa.Integer, nullable=False),
    sa.Column("created_ms", sa.BigInteger, nullable=False),
    sa.Column("updated_ms", sa.BigInteger, nullable=False, index=True),
    sa.Column("backlog", sa.Boolean, nullable=False),
    sa.Column("plan", sa.String(64), nullable=False, server_default=""),
)
PIECES = sa.Table(
    "media_pieces",
    METADATA,
    sa.Column("asset_id", sa.String(26), primary_key=True),
    sa.Column("attempt", sa.Integer, primary_key=True),
    sa.Column("track", sa.String(40), primary_key=True),
    sa.Column("start", sa.Integer, primary_key=True),
    sa.Column("piece", sa.Text, nullable=False),
)


def put_asset(connection: sa.Connection, row: dict[str, Any]) -> bool:
    """Insert an asset; False when it is there already."""
    if get_asset(connection, row["id"]) is not None:
        return False
    connection.execute(ASSETS.insert().values(**row))
    return True


def get_asset(connection: sa.Connection, asset_id: AssetId) -> dict[str, Any] | None:
    """The asset's row."""
    row = connection.execute(sa.select(ASSETS).where(ASSETS.c.id == asset_id)).first()
    return row_dict(row) if row else None


def set_running(connection: sa.Connection, /, asset_id: AssetId, attempt: int, **values: Any) -> bool:
    """Change columns of an asset whose encode runs; False when that attempt has ended meanwhile."""
    running = (ASSETS.c.id == asset_id) & (ASSETS.c.attempt == attempt) & ASSETS.c.stage.not_in(ENDED)
    return connection.execute(ASSETS.update().where(running).values(**values)).rowcount == 1


def move_asset(connection: sa.Connection, asset_id: AssetId, /, **where: Any) -> None:
    """Its source, and the subtitles beside it, are somewhere else now."""
    connection.execute(ASSETS.update().where(ASSETS.c.id == asset_id).values(**where))


def list_away(connection: sa.Connection) -> list[dict[str, Any]]:
    """Encodes that did not find their source, the oldest first."""
    query = sa.select(ASSETS).where(ASSETS.c.stage == "away").order_by(ASSETS.c.created_ms, ASSETS.c.id)
    return [row_dict(row) for row in connection.execute(query)]


def list_owned(connection: sa.Connection) -> list[dict[str, Any]]:
    """Of each encode its playable, stage, attempt, and when it last changed."""
    names = ("id", "playable_id", "stage", "attempt", "updated_ms")
    rows = connection.execute(sa.select(*(ASSETS.c[name] for name in names)))
    return [dict(zip(names, row, strict=True)) for row in rows]


def delete_asset(connection: sa.Connection, asset_id: AssetId) -> None:
    """Forget an encode."""
    delete_pieces(connection, asset_id)
    connection.execute(ASSETS.delete().where(ASSETS.c.id == asset_id))


def list_queued(connection: sa.Connection) -> list[dict[str, Any]]:
    """Encodes that have not begun, in the order in which they came."""
    query = sa.select(ASSETS).where(ASSETS.c.stage == "queued").order_by(ASSETS.c.created_ms, ASSETS.c.id)
    return [row_dict(row) for row in connection.execute(query)]


def begin_attempt(
    connection: sa.Connection, asset_id: AssetId, attempt: int, *, backlog: bool, updated_ms: int
) -> None:
    """Queue an asset anew; nothing that the former attempt does from now on counts."""
    begun = {"attempt": attempt, "stage": "queued", "percent": 0.0, "speed": None, "eta_s": None}
    fresh = {**begun, "problem": "", "backlog": backlog, "updated_ms": updated_ms}
    connection.execute(ASSETS.update().where(ASSETS.c.id == asset_id).values(**fresh))


def set_replaced(
    connection: sa.Connection, /, asset_id: AssetId, playable_id: PlayableId, source_path: str, **values: Any
) -> None:
    """End the encodes of other files that had the source's path, and forget how they failed: theirs is away."""
    others = (ASSETS.c.playable_id == playable_id) & (ASSETS.c.source_path == source_path) & (ASSETS.c.id != asset_id)
    left = others & ASSETS.c.stage.not_in(("done", "cancelled"))
    connection.execute(ASSETS.update().where(left).values(stage="away", eta_s=None, speed=None, **values))


def put_pieces(connection: sa.Connection, asset_id: AssetId, attempt: int, pieces: Sequence[Piece]) -> None:
    """Keep what a step published; a step done again brings the same, which is kept once."""
    for piece in pieces:
        key = {"asset_id": asset_id, "attempt": attempt, "track": piece.track, "start": piece.start}
        there = sa.and_(*(PIECES.c[name] == value for name, value in key.items()))
        if connection.execute(sa.select(PIECES.c.start).where(there)).first() is None:
            connection.execute(PIECES.insert().values(**key, piece=msgspec.json.encode(piece).decode()))


def list_pieces(connection: sa.Connection, asset_id: AssetId, attempt: int) -> list[Piece]:
    """Everything that one attempt has published."""
    wanted = (PIECES.c.asset_id == asset_id) & (PIECES.c.attempt == attempt)
    rows = connection.execute(sa.select(PIECES.c.piece).where(wanted).order_by(PIECES.c.track, PIECES.c.start))
    return [msgspec.json.decode(row.piece, type=Piece) for row in rows]


def take_over_pieces(
    connection: sa.Connection, asset_id: AssetId, attempt: int, *, plan: str, stored: Collection[str]
) -> None:
    """Give an attempt what the one before published, if the digest of its plan is the same and all is stored."""
    own, known = PIECES.c.asset_id == asset_id, get_asset(connection, asset_id)
    before = connection.scalar(sa.select(sa.func.max(PIECES.c.attempt)).where(own & (PIECES.c.attempt != attempt)))
    begun = connection.execute(sa.select(PIECES.c.start).where(own & (PIECES.c.attempt == attempt))).first()
    if before is not None and begun is None and known is not None and known["plan"] == plan:
        names = {name for piece in list_pieces(connection, asset_id, before) for name in piece.objects}
        if names <= set(stored):
            connection.execute(PIECES.update().where(own & (PIECES.c.attempt == before)).values(attempt=attempt))
    connection.execute(PIECES.delete().where(own & (PIECES.c.attempt != attempt)))
    connection.execute(ASSETS.update().where(ASSETS.c.id == asset_id).values(plan=plan))


def delete_pieces(connection: sa.Connection, asset_id: AssetId) -> None:
    """Forget them: the package says it all now, or they do not fit together."""
    connection.execute(PIECES.delete().where(PIECES.c.asset_id == asset_id))


def list_progress(connection: sa.Connection, limit: int) -> list[Progress]:
    """Encodes at work, those that wait in the order in which they are taken, then those that ended, the last first.

    At most `limit` that have not ended, and as many that have: a queue of thousands hides neither.
    """
    ended = ASSETS.c.stage.in_(ENDED)
    first = ((ASSETS.c.stage == "queued").asc(), ASSETS.c.backlog, ASSETS.c.created_ms, ASSETS.c.id)
    last = (ASSETS.c.updated_ms.desc(), ASSETS.c.id)
    queries = [
        sa.select(ASSETS).where(~ended).order_by(*first).limit(limit),
        sa.select(ASSETS).where(ended).order_by(*last).limit(limit),
    ]
    return [progress_of(row_dict(row)) for query in queries for row in connection.execute(query)]


def list_progress_of(connection: sa.Connection, playable_ids: Collection[PlayableId]) -> list[Progress]:
    """The encodes of these playables, the oldest first."""
    found: list[Progress] = []
    every = sorted(playable_ids)
    for start in range(0, len(every), 500):
        some = ASSETS.c.playable_id.in_(every[start : start + 500])
        rows = connection.execute(sa.select(ASSETS).where(some).order_by(ASSETS.c.created_ms, ASSETS.c.id))
        found += [progress_of(row_dict(row)) for row in rows]
    return found


def count_stages(connection: sa.Connection) -> dict[str, int]:
    """How many encodes are in each stage that has any."""
    rows = connection.execute(sa.select(ASSETS.c.stage, sa.func.count()).group_by(ASSETS.c.stage))
    return {row.stage: row[1] for row in rows}


def list_unfinished(connection: sa.Connection) -> list[str]:
    """Names of the sources whose encodes have not ended, the oldest first."""
    query = sa.select(ASSETS.c.source_name).where(ASSETS.c.stage.not_in(ENDED)).order_by(ASSETS.c.created_ms)
    return list(connection.scalars(query))


def progress_of(row: dict[str, Any]) -> Progress:
    """An asset's row as people see it."""
    return Progress(
        asset_id=AssetId(row["id"]),
        playable_id=PlayableId(row["playable_id"]),
        source_name=row["source_name"],
        stage=row["stage"],
        percent=row["percent"],
        speed=row["speed"],
        eta_s=row["eta_s"],
        problem=row["problem"],
        updated_ms=row["updated_ms"],
        backlog=row["backlog"],
    )
