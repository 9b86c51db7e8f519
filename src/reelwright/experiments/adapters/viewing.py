"""First exposures and viewers' days, projected from events; and the daily statistics of experiments."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import msgspec
import sqlalchemy as sa

from reelwright.events.contract import Fact
from reelwright.experiments.adapters.sql import METADATA
from reelwright.experiments.contract import Experiment, NotMeasured
from reelwright.experiments.core.daily import DailySums, Exposed, Statistics, Sums, daily_sums, exposed_of
from reelwright.experiments.core.interleaving import Shown, credits_of
from reelwright.experiments.core.metrics import (
    DAY_MS,
    STORED,
    Metric,
    days_of,
    hour_starts_of,
    hours_of,
    row_of,
    starts_of,
)
from reelwright.kernel.database import Database, row_dict, upsert
from reelwright.kernel.ids import ProfileId

if TYPE_CHECKING:
    from reelwright.experiments.core.calibration import Calibration
    from reelwright.experiments.core.sizes import Baseline

PAST_DAYS = 14
"""Days before the exposure that CUPED looks at."""
NAME_MOST = 100
ASKED_MOST = 500
"""Viewers of one question to the database."""
EXPOSURES = sa.Table(
    "experiments_exposures",
    METADATA,
    sa.Column("experiment", sa.String(NAME_MOST), primary_key=True),
    sa.Column("profile_id", sa.String(26), primary_key=True),
    sa.Column("cell", sa.String(NAME_MOST), nullable=False),
    sa.Column("at_ms", sa.BigInteger, nullable=False),
    sa.Column("synthetic", sa.Boolean, nullable=False),
)
VIEWING = sa.Table(
    "experiments_viewing",
    METADATA,
    sa.Column("profile_id", sa.String(26), primary_key=True),
    sa.Column("day", sa.Integer, primary_key=True),
    *(sa.Column(name, sa.Float, nullable=False) for name in STORED),
)
STARTS = sa.Table(
    "experiments_starts",
    METADATA,
    sa.Column("profile_id", sa.String(26), primary_key=True),
    sa.Column("day", sa.Integer, primary_key=True),
    sa.Column("start_ms", sa.Integer, primary_key=True),
    sa.Column("plays", sa.Integer, nullable=False),
)
PAGES = sa.Table(
    "experiments_pages",
    METADATA,
    sa.Column("experiment", sa.String(NAME_MOST), primary_key=True),
    sa.Column("profile_id", sa.String(26), primary_key=True),
    sa.Column("at_ms", sa.BigInteger, nullable=False),
    sa.Column("picks", sa.Text, nullable=False),
)
CREDITS = sa.Table(
    "experiments_credits",
    METADATA,
    sa.Column("experiment", sa.String(NAME_MOST), primary_key=True),
    sa.Column("profile_id", sa.String(26), primary_key=True),
    sa.Column("day", sa.Integer, primary_key=True),
    sa.Column("title_id", sa.String(26), primary_key=True),
    sa.Column("cell", sa.String(NAME_MOST), nullable=False),
)
PERIODS = sa.Table(
    "experiments_periods",
    METADATA,
    sa.Column("experiment", sa.String(NAME_MOST), primary_key=True),
    sa.Column("hour", sa.Integer, primary_key=True),
    sa.Column("synthetic", sa.Boolean, primary_key=True),
    sa.Column("cell", sa.String(NAME_MOST), nullable=False),
)
HOURS = sa.Table(
    "experiments_hours",
    METADATA,
    sa.Column("hour", sa.Integer, primary_key=True),
    sa.Column("synthetic", sa.Boolean, primary_key=True),
    *(sa.Column(name, sa.Float, nullable=False) for name in STORED),
)
HOUR_STARTS = sa.Table(
    "experiments_hour_starts",
    METADATA,
    sa.Column("hour", sa.Integer, primary_key=True),
    sa.Column("synthetic", sa.Boolean, primary_key=True),
    sa.Column("start_ms", sa.Integer, primary_key=True),
    sa.Column("plays", sa.Integer, nullable=False),
)
CALIBRATIONS = sa.Table(
    "experiments_calibrations",
    METADATA,
    sa.Column("metric", sa.String(NAME_MOST), primary_key=True),
    sa.Column("at_ms", sa.BigInteger, nullable=False),
    sa.Column("viewers", sa.Integer, nullable=False),
    sa.Column("draws", sa.Integer, nullable=False),
    sa.Column("called", sa.Float, nullable=False),
    sa.Column("p", sa.Float, nullable=False),
)
BASELINES = sa.Table(
    "experiments_baselines",
    METADATA,
    sa.Column("metric", sa.String(NAME_MOST), primary_key=True),
    sa.Column("day", sa.Integer, nullable=False),
    sa.Column("viewers", sa.Integer, nullable=False),
    sa.Column("level", sa.Float, nullable=False),
    sa.Column("deviation", sa.Float, nullable=False),
)
DAILY = sa.Table(
    "experiments_daily",
    METADATA,
    sa.Column("experiment", sa.String(NAME_MOST), primary_key=True),
    sa.Column("day", sa.Integer, primary_key=True),
    sa.Column("sums", sa.Text, nullable=False),
)
MEASURED = sa.Table(
    "experiments_measured",
    METADATA,
    sa.Column("experiment", sa.String(NAME_MOST), primary_key=True),
    sa.Column("at_ms", sa.BigInteger, nullable=False),
    sa.Column("synthetic", sa.Boolean, nullable=False),
)


def project_viewing(connection: sa.Connection, facts: Sequence[Fact]) -> None:
    """Implements events' `Projector`: first exposures, and what each viewer's day adds up to."""
    exposed = [row for fact in facts if fact.event.type == "exposure" and (row := _exposure(fact))]
    exposed.sort(key=lambda row: -row["at_ms"])
    first = {(row["experiment"], row["profile_id"]): row for row in exposed}
    upsert(connection, EXPOSURES, list(first.values()), lambda _new: {})
    rows = [
        {"profile_id": profile_id, "day": day, **dict.fromkeys(STORED, 0.0), **added}
        for (profile_id, day), added in days_of(facts).items()
    ]
    upsert(connection, VIEWING, rows, lambda new: {name: VIEWING.c[name] + new[name] for name in STORED})
    starts = [
        {"profile_id": profile_id, "day": day, "start_ms": start_ms, "plays": plays}
        for (profile_id, day), found in starts_of(facts).items()
        for start_ms, plays in found.items()
    ]
    upsert(connection, STARTS, starts, lambda new: {"plays": STARTS.c.plays + new["plays"]})
    _project_credits(connection, facts)
    _project_hours(connection, facts)


def _project_hours(connection: sa.Connection, facts: Sequence[Fact]) -> None:
    """Which hour was in which cell, and what all viewers did in each."""
    switched = [
        {**{name: row[name] for name in ("experiment", "cell", "synthetic")}, "hour": fact.event.data["hour"]}
        for fact in facts
        if "hour" in fact.event.data and (row := _exposure(fact))
    ]
    kept = {(row["experiment"], row["hour"], row["synthetic"]): row for row in reversed(switched)}
    upsert(connection, PERIODS, list(kept.values()), lambda _new: {})
    rows = [
        {"hour": hour, "synthetic": synthetic, **dict.fromkeys(STORED, 0.0), **added}
        for (hour, synthetic), added in hours_of(facts).items()
    ]
    upsert(connection, HOURS, rows, lambda new: {name: HOURS.c[name] + new[name] for name in STORED})
    starts = [
        {"hour": hour, "synthetic": synthetic, "start_ms": start_ms, "plays": plays}
        for (hour, synthetic), found in hour_starts_of(facts).items()
        for start_ms, plays in found.items()
    ]
    upsert(connection, HOUR_STARTS, starts, lambda new: {"plays": HOUR_STARTS.c.plays + new["plays"]})


def _project_credits(connection: sa.Connection, facts: Sequence[Fact]) -> None:
    telling = [fact for fact in facts if fact.event.type == "play" or _exposure(fact)]
    people = sorted({fact.profile_id for fact in telling})
    pages = [
        row
        for at in range(0, len(people), ASKED_MOST)
        for row in connection.execute(sa.select(PAGES).where(PAGES.c.profile_id.in_(people[at : at + ASKED_MOST])))
    ]
    known = {
        (row.experiment, ProfileId(row.profile_id)): Shown(row.at_ms, msgspec.json.decode(row.picks)) for row in pages
    }
    shown = dict(known)
    credited = [msgspec.structs.asdict(one) for one in credits_of(telling, shown)]
    upsert(connection, CREDITS, credited, lambda _new: {})
    changed = [
        {
            "experiment": experiment,
            "profile_id": profile_id,
            "at_ms": page.at_ms,
            "picks": msgspec.json.encode(page.picks).decode(),
        }
        for (experiment, profile_id), page in shown.items()
        if known.get((experiment, profile_id)) is not page
    ]
    upsert(connection, PAGES, changed)


def _exposure(fact: Fact) -> dict[str, Any] | None:
    if "experiment" not in fact.event.data:
        return None
    named = {name: fact.event.data.get(name) for name in ("experiment", "cell")}
    if not all(isinstance(one, str) and 0 < len(one) <= NAME_MOST for one in named.values()):
        return None
    return {"profile_id": fact.profile_id, "at_ms": fact.event.at_ms, "synthetic": fact.synthetic, **named}


class ProjectedViewing:
    """Implements `ViewingFacts` on the projections."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def daily(self, experiment: Experiment, metrics: Sequence[Metric]) -> tuple[bool, Sequence[DailySums]]:
        """What each day adds."""
        synthetic, exposed = await self._database.read(read_exposed, experiment)
        return synthetic, daily_sums(exposed, metrics, cells=len(experiment.cells))


def read_exposed(connection: sa.Connection, experiment: Experiment) -> tuple[bool, Exposed]:
    """(whether they are simulated, the viewers with their days). O(viewers × days)."""
    ours = EXPOSURES.c.experiment == experiment.key
    real = connection.execute(
        sa.select(EXPOSURES.c.profile_id).where(ours, EXPOSURES.c.synthetic.is_(False)).limit(1)
    ).first()
    synthetic = real is None
    place = {cell.key: at for at, cell in enumerate(experiment.cells)}
    wanted = (ours, EXPOSURES.c.synthetic.is_(synthetic), EXPOSURES.c.cell.in_(list(place)))
    columns = EXPOSURES.c.profile_id, EXPOSURES.c.cell, EXPOSURES.c.at_ms
    viewers = connection.execute(sa.select(*columns).where(*wanted).order_by(EXPOSURES.c.profile_id)).all()
    days = connection.execute(
        sa.select(VIEWING)
        .join(EXPOSURES, EXPOSURES.c.profile_id == VIEWING.c.profile_id)
        .where(*wanted, VIEWING.c.day >= EXPOSURES.c.at_ms // DAY_MS - PAST_DAYS)
        .order_by(VIEWING.c.profile_id, VIEWING.c.day)
    ).all()
    starts = connection.execute(
        sa.select(STARTS)
        .join(EXPOSURES, EXPOSURES.c.profile_id == STARTS.c.profile_id)
        .where(*wanted, STARTS.c.day >= EXPOSURES.c.at_ms // DAY_MS)
        .order_by(STARTS.c.profile_id, STARTS.c.day, STARTS.c.start_ms)
    ).all()
    second = experiment.cells[-1].key
    credited = {
        (row.profile_id, row.day): (float(row.titles), float(row.won))
        for row in connection.execute(
            sa.select(
                CREDITS.c.profile_id,
                CREDITS.c.day,
                sa.func.count().label("titles"),
                sa.func.sum(sa.case((CREDITS.c.cell == second, 1), else_=0)).label("won"),
            )
            .where(CREDITS.c.experiment == experiment.key)
            .group_by(CREDITS.c.profile_id, CREDITS.c.day)
        )
    }
    return synthetic, exposed_of(
        [(row.profile_id, place[row.cell], row.at_ms // DAY_MS) for row in viewers],
        [
            (
                row.profile_id,
                row.day,
                row_of(dict(zip(STORED, row[2:], strict=True)), credited.get((row.profile_id, row.day), (0.0, 0.0))),
            )
            for row in days
        ],
        [(row.profile_id, row.day, row.start_ms, row.plays) for row in starts],
    )


def read_hours(connection: sa.Connection, experiment: Experiment) -> tuple[bool, Exposed]:
    """The hours of a switchback with what was watched in them, as if each were a viewer. O(hours)."""
    ours = PERIODS.c.experiment == experiment.key
    real = connection.execute(sa.select(PERIODS.c.hour).where(ours, PERIODS.c.synthetic.is_(False)).limit(1)).first()
    synthetic = real is None
    place = {cell.key: at for at, cell in enumerate(experiment.cells)}
    wanted = (ours, PERIODS.c.synthetic.is_(synthetic), PERIODS.c.cell.in_(list(place)))
    columns = [HOURS.c[name] for name in STORED]
    same = (HOURS.c.hour == PERIODS.c.hour) & (HOURS.c.synthetic == PERIODS.c.synthetic)
    rows = connection.execute(
        sa.select(PERIODS.c.hour, PERIODS.c.cell, *columns).join(HOURS, same).where(*wanted).order_by(PERIODS.c.hour)
    ).all()
    told = (HOUR_STARTS.c.hour == PERIODS.c.hour) & (HOUR_STARTS.c.synthetic == PERIODS.c.synthetic)
    columns = [HOUR_STARTS.c[name] for name in ("hour", "start_ms", "plays")]
    starts = connection.execute(
        sa.select(*columns).join(PERIODS, told).where(*wanted).order_by(HOUR_STARTS.c.hour, HOUR_STARTS.c.start_ms)
    ).all()
    return synthetic, exposed_of(
        [(str(row.hour), place[row.cell], row.hour // 24) for row in rows],
        [(str(row.hour), row.hour // 24, row_of(dict(zip(STORED, row[2:], strict=True)))) for row in rows],
        [(str(row.hour), row.hour // 24, row.start_ms, row.plays) for row in starts],
    )


def read_lately(connection: sa.Connection, *, today: int, most: int) -> Exposed:
    """Everybody who watched in the week before `today`, with the week before that as their past."""
    week = VIEWING.c.day >= today - 7
    people = sa.select(VIEWING.c.profile_id).where(week).distinct().order_by(VIEWING.c.profile_id).limit(most)
    rows = connection.execute(
        sa.select(VIEWING)
        .where(VIEWING.c.profile_id.in_(people), VIEWING.c.day >= today - 14, VIEWING.c.day < today)
        .order_by(VIEWING.c.profile_id, VIEWING.c.day)
    ).all()
    starts = connection.execute(
        sa.select(STARTS)
        .where(STARTS.c.profile_id.in_(people), STARTS.c.day >= today - 7, STARTS.c.day < today)
        .order_by(STARTS.c.profile_id, STARTS.c.day, STARTS.c.start_ms)
    ).all()
    known = dict.fromkeys(row.profile_id for row in rows)
    return exposed_of(
        [(who, 0, today - 7) for who in known],
        [(row.profile_id, row.day, row_of(dict(zip(STORED, row[2:], strict=True)))) for row in rows],
        [(row.profile_id, row.day, row.start_ms, row.plays) for row in starts if row.profile_id in known],
    )


def put_calibrations(connection: sa.Connection, found: Sequence[Calibration]) -> None:
    """The latest, in place of those before."""
    connection.execute(CALIBRATIONS.delete())
    upsert(connection, CALIBRATIONS, [msgspec.structs.asdict(one) for one in found])


def list_calibrations(connection: sa.Connection) -> list[Calibration]:
    """The latest, by metric; those that are off first."""
    from reelwright.experiments.core.calibration import Calibration

    rows = connection.execute(sa.select(CALIBRATIONS).order_by(CALIBRATIONS.c.p))
    return [Calibration(**row_dict(row)) for row in rows]


def put_baselines(connection: sa.Connection, found: Sequence[Baseline]) -> None:
    """The latest, in place of those before."""
    connection.execute(BASELINES.delete())
    upsert(connection, BASELINES, [msgspec.structs.asdict(one) for one in found])


def list_baselines(connection: sa.Connection) -> dict[str, Baseline]:
    """The latest, by metric."""
    from reelwright.experiments.core.sizes import Baseline

    rows = connection.execute(sa.select(BASELINES).order_by(BASELINES.c.metric))
    return {row.metric: Baseline(**row_dict(row)) for row in rows}


def get_cells(connection: sa.Connection, profile_id: str, keys: Sequence[str]) -> dict[str, str]:
    """The cell of a viewer's first exposure to each of these experiments."""
    wanted = (EXPOSURES.c.profile_id == profile_id, EXPOSURES.c.experiment.in_(keys))
    rows = connection.execute(sa.select(EXPOSURES.c.experiment, EXPOSURES.c.cell).where(*wanted))
    return {row.experiment: row.cell for row in rows}


def put_statistics(connection: sa.Connection, statistics: Statistics) -> None:
    """The daily statistics of an experiment, in place of those before; one transaction, so that none mixes two."""
    connection.execute(DAILY.delete().where(DAILY.c.experiment == statistics.experiment))
    rows = [
        {"experiment": statistics.experiment, "day": one.day, "sums": msgspec.json.encode(one.sums).decode()}
        for one in statistics.days
    ]
    upsert(connection, DAILY, rows)
    told = {"experiment": statistics.experiment, "at_ms": statistics.at_ms, "synthetic": statistics.synthetic}
    upsert(connection, MEASURED, [told])


def get_statistics(connection: sa.Connection, key: str) -> Statistics:
    """The daily statistics as they were measured last. Raises NotMeasured."""
    told = connection.execute(sa.select(MEASURED).where(MEASURED.c.experiment == key)).first()
    if told is None:
        raise NotMeasured(f"experiment {key[:60]!r} has not been measured; it is once it runs")
    rows = connection.execute(
        sa.select(DAILY.c.day, DAILY.c.sums).where(DAILY.c.experiment == key).order_by(DAILY.c.day)
    )
    return Statistics(
        experiment=key,
        at_ms=told.at_ms,
        synthetic=told.synthetic,
        days=tuple(DailySums(row.day, _sums(row.sums)) for row in rows),
    )


def _sums(document: str) -> tuple[Sums, ...]:
    return msgspec.json.decode(document, type=tuple[Sums, ...])
