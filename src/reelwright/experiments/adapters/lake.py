"""Daily statistics from the lake's events: the same projection over the same events, so that figures are bit-equal.

Events of one batch are taken in the order in which they happened, which is how clients send them: the tables do not
keep their place in it. Read are the events of those who were exposed, one answered row a viewer, page by page, and
nothing of the others.
"""

from __future__ import annotations

import functools
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal

import msgspec

from reelwright.events.contract import Event, Fact
from reelwright.events.core.projection import facts_of
from reelwright.experiments.adapters.viewing import PAST_DAYS
from reelwright.experiments.contract import Experiment
from reelwright.experiments.core.comparison import Measure
from reelwright.experiments.core.daily import DailySums, Exposed, daily_sums, exposed_of, merged, spreads_of
from reelwright.experiments.core.histograms import Spreads, merged_spreads
from reelwright.experiments.core.interleaving import credits_of
from reelwright.experiments.core.metrics import DAY_MS, Metric, days_of, row_of, starts_of
from reelwright.kernel.errors import Invalid
from reelwright.kernel.ids import EventId, PlayableId, ProfileId, TitleId
from reelwright.lake.contract import LakeClient

if TYPE_CHECKING:
    from reelwright.lake.service import LakeService

TYPES = ("exposure", "play", "heartbeat", "stop", "seek", "stall", "error", "thumb")
PAGE = 2000
"""Viewers of one answer."""
_COLUMNS = (
    "type, epoch_ms(happened_at), title_id, playable_id, position_s, duration_s, start_ms, stall_ms, value, "
    "experiment, cell, synthetic, data"
)
_NAMES = (
    *("type", "at_ms", "title_id", "playable_id", "position_s", "duration_s", "start_ms", "stall_ms", "value"),
    *("experiment", "cell", "synthetic", "data"),
)
_SPARK_COLUMNS = ", ".join("unix_millis(happened_at) AS at_ms" if name == "at_ms" else name for name in _NAMES)
Row = Sequence[Any]


class LakeViewing:
    """Implements `ViewingFacts` on the lake."""

    def __init__(self, lake: LakeClient) -> None:
        self._lake = lake

    async def daily(self, experiment: Experiment, metrics: Sequence[Metric]) -> tuple[bool, Sequence[DailySums]]:
        """What each day adds. O(events of the exposed)."""
        found = [_seen(viewer, rows, experiment) async for viewer, rows in self._viewers(experiment.key)]
        synthetic = not any(one and not one.synthetic for one in found)
        return synthetic, daily_sums(_exposed(found, synthetic=synthetic), metrics, cells=len(experiment.cells))

    async def _viewers(self, key: str) -> AsyncIterator[tuple[str, list[Row]]]:
        """Each viewer with their events, in the order in which they were stored."""
        exposed = f"SELECT profile_id FROM events WHERE type = 'exposure' AND experiment = {_quoted(key)}"  # noqa: S608
        last = ""
        while True:
            answer = await self._lake.ask(
                f"SELECT profile_id, list([{_packed()}] ORDER BY received_at, happened_at, id) FROM events "  # noqa: S608
                f"WHERE profile_id IN ({exposed}) AND profile_id > {_quoted(last)} "
                f"AND type IN ({', '.join(map(_quoted, TYPES))}) GROUP BY profile_id ORDER BY profile_id LIMIT {PAGE}"
            )
            for viewer, rows in answer.rows:
                yield viewer, [_unpacked(row) for row in rows]
            if len(answer.rows) < PAGE:
                return
            last = answer.rows[-1][0]


async def quality_of(
    lake: LakeClient, by: Literal["edge", "device", "title_id"], measure: Measure, *, synthetic: bool
) -> dict[str, dict[str, float]]:
    """A figure by unit and day (ISO), from the table `playback_sessions`."""
    answer = await lake.ask(
        f"SELECT {by}, strftime(day, '%Y-%m-%d'), {measure.top} / {measure.bottom} FROM playback_sessions "  # noqa: S608
        f"WHERE {by} IS NOT NULL AND synthetic = {synthetic} GROUP BY ALL HAVING {measure.bottom} > 0"
    )
    if answer.truncated:
        raise Invalid(f"more than {len(answer.rows)} figures by {by} and day; raise [lake] sql_rows")
    found: dict[str, dict[str, float]] = {}
    for unit, day, value in answer.rows:
        found.setdefault(unit, {})[day] = value
    return found


class SparkViewing:
    """Implements `ViewingFacts` on the lake, as of its last commit, by Spark.

    Each executor makes the daily sums of its share of the viewers with the function that the others use; they add up.
    For quantiles the events are read twice: whoever fills bins knows the edges, which all values decide.
    """

    def __init__(self, lake: LakeService) -> None:
        self._lake = lake

    async def daily(self, experiment: Experiment, metrics: Sequence[Metric]) -> tuple[bool, Sequence[DailySums]]:
        """What each day adds. Raises MissingExtra."""
        import pyarrow as pa

        exposed = f"SELECT profile_id FROM events WHERE type = 'exposure' AND experiment = {_escaped(experiment.key)}"  # noqa: S608
        sql = (
            f"SELECT profile_id, received_at, id, {_SPARK_COLUMNS}, substr(profile_id, -1) AS share FROM events "  # noqa: S608
            f"WHERE profile_id IN ({exposed}) AND type IN ({', '.join(map(_escaped, TYPES))})"
        )
        into = pa.schema([("synthetic", pa.bool_()), ("real", pa.int64()), ("told", pa.string())])
        spreads: dict[bool, dict[str, Spreads]] = {False: {}, True: {}}
        quantiles = tuple(one for one in metrics if one.quantile is not None)
        if quantiles:
            fold = functools.partial(_folded, experiment=experiment, tell=functools.partial(_spreads, quantiles))
            rows = (await self._lake.fold(sql, by="share", fold=fold, into=into)).to_pylist()
            for synthetic in spreads:
                known = [
                    msgspec.json.decode(row["told"], type=dict[str, Spreads])
                    for row in rows
                    if row["synthetic"] is synthetic
                ]
                spreads[synthetic] = {one.key: merged_spreads(part[one.key] for part in known) for one in quantiles}
        tell = functools.partial(_days_told, tuple(metrics), len(experiment.cells), spreads)
        fold = functools.partial(_folded, experiment=experiment, tell=tell)
        rows = (await self._lake.fold(sql, by="share", fold=fold, into=into)).to_pylist()
        synthetic = not any(row["real"] for row in rows)
        parts = [
            msgspec.json.decode(row["told"], type=tuple[DailySums, ...])
            for row in rows
            if row["synthetic"] is synthetic
        ]
        return synthetic, merged(parts)


def viewing_of(lake: LakeService) -> LakeViewing | SparkViewing:
    """On the engine that computes the lake's tables."""
    return LakeViewing(lake) if lake.settings.engine == "duckdb" else SparkViewing(lake)


def _spreads(metrics: Sequence[Metric], exposed: Exposed, _synthetic: bool) -> dict[str, Spreads]:
    return spreads_of(exposed, metrics)


def _days_told(
    metrics: Sequence[Metric],
    cells: int,
    spreads: Mapping[bool, Mapping[str, Spreads]],
    exposed: Exposed,
    synthetic: bool,
) -> tuple[DailySums, ...]:
    return daily_sums(exposed, metrics, cells=cells, spreads=spreads[synthetic])


def _folded(table: Any, *, experiment: Experiment, tell: Callable[[Exposed, bool], Any]) -> Any:
    """What is told of some viewers' events, of real and of simulated ones; runs where Spark has the events."""
    import pyarrow as pa

    viewers: dict[str, list[Row]] = {}
    order = [("profile_id", "ascending"), ("received_at", "ascending"), ("at_ms", "ascending"), ("id", "ascending")]
    for row in table.sort_by(order).to_pylist():
        viewers.setdefault(row["profile_id"], []).append([row[name] for name in _NAMES])
    found = [_seen(viewer, rows, experiment) for viewer, rows in viewers.items()]
    real = sum(one is not None and not one.synthetic for one in found)
    told = [
        msgspec.json.encode(tell(_exposed(found, synthetic=synthetic), synthetic)).decode()
        for synthetic in (False, True)
    ]
    return pa.table({"synthetic": [False, True], "real": [real, real], "told": told})


class _Seen(msgspec.Struct, frozen=True):
    """A viewer who was exposed, with their days."""

    viewer: str
    synthetic: bool
    cell: int | None
    since: int
    days: list[tuple[str, int, list[float]]]
    starts: list[tuple[str, int, int, int]]


def _seen(viewer: str, rows: Sequence[Row], experiment: Experiment) -> _Seen | None:
    shown = next((row for row in rows if row[0] == "exposure" and row[9] == experiment.key), None)
    if shown is None:
        return None
    cells = [cell.key for cell in experiment.cells]
    since = shown[1] // DAY_MS
    facts = list(facts_of([(ProfileId(viewer), row[11], _event(row)) for row in rows]))
    return _Seen(
        viewer=viewer,
        synthetic=bool(shown[11]),
        cell=cells.index(shown[10]) if shown[10] in cells else None,
        since=since,
        days=[row for row in _days(viewer, facts, experiment) if row[1] >= since - PAST_DAYS],
        starts=[
            (viewer, day, start_ms, starts[start_ms])
            for (_, day), starts in sorted(starts_of(facts).items())
            if day >= since
            for start_ms in sorted(starts)
        ],
    )


def _exposed(found: Sequence[_Seen | None], *, synthetic: bool) -> Exposed:
    """The real or the simulated viewers."""
    kept = [one for one in found if one and one.synthetic is synthetic and one.cell is not None]
    return exposed_of(
        [(one.viewer, one.cell, one.since) for one in kept if one.cell is not None],
        [row for one in kept for row in one.days],
        [row for one in kept for row in one.starts],
    )


def _packed() -> str:
    """The columns of an event as texts: a list has one type."""
    return ", ".join(f"CAST({one.strip()} AS VARCHAR)" for one in _COLUMNS.split(","))


def _unpacked(texts: Sequence[str | None]) -> Row:
    kind, at_ms, title, playable, *numbers, experiment, cell, synthetic, data = texts
    found = [None if one is None else float(one) for one in numbers]
    return (kind, int(at_ms or 0), title, playable, *found, experiment, cell, synthetic == "true", data)


def _days(viewer: str, facts: Sequence[Fact], experiment: Experiment) -> list[tuple[str, int, list[float]]]:
    credited: dict[int, dict[str, str]] = {}
    for credit in credits_of(facts, {}):
        if credit.experiment == experiment.key:
            credited.setdefault(credit.day, {}).setdefault(credit.title_id, credit.cell)
    found = {day: added for (_, day), added in days_of(facts).items()}
    second = experiment.cells[-1].key
    return [(viewer, day, row_of(found[day], _counted(credited.get(day, {}), second))) for day in sorted(found)]


def _counted(cells: Mapping[str, str], second: str) -> tuple[float, float]:
    return float(len(cells)), float(sum(cell == second for cell in cells.values()))


def _event(row: Row) -> Event:
    kind, at_ms, title, playable, position_s, duration_s, start_ms, stall_ms, value, experiment, _, _, data = row
    carried = {"duration_s": duration_s, "start_ms": start_ms, "ms": stall_ms, "value": value}
    if kind == "exposure":
        carried |= {"experiment": experiment, **msgspec.json.decode(data or "{}")}
    return Event(
        id=EventId(""),
        type=kind,
        at_ms=at_ms,
        title_id=TitleId(title) if title else None,
        playable_id=PlayableId(playable) if playable else None,
        position_s=position_s,
        data={name: one for name, one in carried.items() if one is not None},
    )


def _escaped(text: str) -> str:
    """A text in Spark's SQL, which knows backslashes."""
    return "'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'"


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"
