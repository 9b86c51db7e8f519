"""What is computed from events: a graph of tables, each one SELECT that DuckDB and Spark run alike. Pure.

Every table is a function of one day's events: an event counts for the day that its session began, so that no session
lies in two. Late data therefore reopen one day, and a run over any set of days replaces just those.

The SQL keeps to what both engines mean by the same words, which the tests compare. The newest of several values is
the one with the greatest event id: ids begin with their time and are unique, so that no engine has to choose.
"""

from __future__ import annotations

import datetime
from collections.abc import Iterable, Mapping

import msgspec

from reelwright.lake.contract import LakeFile, Snapshot
from reelwright.lake.core.rows import date_of


class Node(msgspec.Struct, frozen=True):
    """A table and how it is computed."""

    table: str
    reads: tuple[str, ...]
    sql: str


def _newest(column: str) -> str:
    return f"max_by({column}, CASE WHEN {column} IS NOT NULL THEN id END)"


_SESSIONS = f"""
SELECT session_id, day,
  max(profile_id) AS profile_id, max(title_id) AS title_id, max(playable_id) AS playable_id,
  bool_or(synthetic) AS synthetic,
  {_newest("device")} AS device, {_newest("edge")} AS edge,
  min(happened_at) AS began_at, max(happened_at) AS ended_at,
  bool_or(type IN ('play', 'heartbeat', 'stop')) AS started,
  max(start_ms) AS start_ms,
  CAST(coalesce(max(watched_ms) / 1000, max(position_s) - min(position_s), 0) AS DOUBLE) AS watched_s,
  CAST(greatest(coalesce(max(stalls), 0), count(CASE WHEN type = 'stall' THEN 1 END)) AS BIGINT) AS stalls,
  CAST(greatest(coalesce(max(stalled_ms), 0), coalesce(sum(stall_ms), 0)) / 1000 AS DOUBLE) AS stalled_s,
  max_by(bitrate_bps, CASE WHEN bitrate_bps IS NOT NULL AND type <> 'quality_change' THEN id END) AS bitrate_bps,
  CAST(count(CASE WHEN type = 'error' THEN 1 END) AS BIGINT) AS errors,
  max(position_s) AS position_s, max(duration_s) AS duration_s
FROM events
WHERE session_id IS NOT NULL
  AND type IN ('play', 'heartbeat', 'stop', 'seek', 'quality_change', 'stall', 'error')
GROUP BY session_id, day
"""  # noqa: S608 (our own words only)

_QOE = """
SELECT day, device, edge, title_id, synthetic,
  CAST(count(*) AS BIGINT) AS sessions,
  CAST(count(CASE WHEN started THEN 1 END) AS BIGINT) AS started,
  coalesce(sum(start_ms), CAST(0 AS DOUBLE)) AS start_ms,
  sum(watched_s) AS watched_s,
  CAST(sum(stalls) AS BIGINT) AS stalls,
  sum(stalled_s) AS stalled_s,
  coalesce(sum(bitrate_bps * watched_s), CAST(0 AS DOUBLE)) AS bits,
  CAST(sum(errors) AS BIGINT) AS errors,
  CAST(count(CASE WHEN errors > 0 AND NOT started THEN 1 END) AS BIGINT) AS failed
FROM playback_sessions
GROUP BY day, device, edge, title_id, synthetic
"""

_TITLES = """
SELECT day, title_id, synthetic,
  CAST(count(*) AS BIGINT) AS sessions,
  CAST(count(DISTINCT profile_id) AS BIGINT) AS viewers,
  sum(watched_s) AS watched_s,
  CAST(count(CASE WHEN position_s >= duration_s * CAST(0.95 AS DOUBLE) THEN 1 END) AS BIGINT) AS completed
FROM playback_sessions
WHERE title_id IS NOT NULL AND started
GROUP BY day, title_id, synthetic
"""

_EDGES = """
SELECT day, edge, synthetic,
  CAST(count(*) AS BIGINT) AS sessions,
  CAST(count(DISTINCT title_id) AS BIGINT) AS titles,
  sum(watched_s) AS watched_s,
  coalesce(sum(bitrate_bps * watched_s), CAST(0 AS DOUBLE)) AS bits,
  sum(stalled_s) AS stalled_s
FROM playback_sessions
WHERE edge IS NOT NULL
GROUP BY day, edge, synthetic
"""

_EXPOSURES = """
SELECT day, experiment, cell, profile_id, bool_or(synthetic) AS synthetic,
  min(happened_at) AS first_at,
  CAST(count(*) AS BIGINT) AS exposures
FROM events
WHERE type = 'exposure' AND experiment IS NOT NULL AND profile_id IS NOT NULL
GROUP BY day, experiment, cell, profile_id
"""


def _fact(metric: str, value: str, weight: str, source: str, where: str) -> str:
    return f"""
SELECT day, profile_id, '{metric}' AS metric, bool_or(synthetic) AS synthetic,
  CAST({value} AS DOUBLE) AS value, CAST({weight} AS DOUBLE) AS weight
FROM {source}
WHERE profile_id IS NOT NULL AND {where}
GROUP BY day, profile_id"""  # noqa: S608 (our own words only)


_SEEN = "position_s >= duration_s * CAST(0.95 AS DOUBLE)"
_FACTS = "\nUNION ALL".join(
    (
        _fact("watched_s", "sum(watched_s)", "1", "playback_sessions", "started"),
        _fact("sessions", "count(*)", "1", "playback_sessions", "day IS NOT NULL"),
        _fact("started", "count(CASE WHEN started THEN 1 END)", "count(*)", "playback_sessions", "day IS NOT NULL"),
        _fact("start_ms", "sum(start_ms)", "count(start_ms)", "playback_sessions", "start_ms IS NOT NULL"),
        _fact("stall_ratio", "sum(stalled_s)", "sum(watched_s + stalled_s)", "playback_sessions", "started"),
        _fact("errors", "sum(errors)", "1", "playback_sessions", "day IS NOT NULL"),
        _fact("completed", f"count(CASE WHEN {_SEEN} THEN 1 END)", "count(*)", "playback_sessions", "started"),
        _fact("thumbs", "sum(value)", "1", "events", "type = 'thumb' AND value IS NOT NULL"),
        _fact("searches", "count(*)", "1", "events", "type = 'search'"),
    )
)

GRAPH = (
    Node("playback_sessions", ("events",), _SESSIONS),
    Node("qoe_days", ("playback_sessions",), _QOE),
    Node("title_days", ("playback_sessions",), _TITLES),
    Node("edge_days", ("playback_sessions",), _EDGES),
    Node("exposures", ("events",), _EXPOSURES),
    Node("metric_facts", ("playback_sessions", "events"), _FACTS),
)
"""In the order they are computed."""


def stages(graph: Iterable[Node]) -> list[list[Node]]:
    """The nodes, in groups that can be computed at once: none reads what another of its group makes."""
    place: dict[str, int] = {}
    for node in graph:
        place[node.table] = max((place[name] + 1 for name in node.reads if name in place), default=0)
    found: list[list[Node]] = [[] for _ in set(place.values())]
    for node in graph:
        found[place[node.table]].append(node)
    return found


def rows_a_day(events: Snapshot) -> dict[int, int]:
    """How many rows each day has: what a computed table remembers of its source."""
    found: dict[int, int] = {}
    for file in events.files:
        found[file.day] = found.get(file.day, 0) + file.rows
    return found


def stale_days(events: Snapshot, computed: Mapping[str, int]) -> list[int]:
    """Days whose events are not those that a table was computed from."""
    now = rows_a_day(events)
    known = {name: rows for name, rows in computed.items() if rows}
    gone = [day for day in map(_day_of, known) if day not in now]
    return sorted({day for day, rows in now.items() if known.get(name_of(day)) != rows}.union(gone))


def files_of(snapshot: Snapshot, days: list[int]) -> list[LakeFile]:
    """A table's files of some days."""
    wanted = frozenset(days)
    return [file for file in snapshot.files if file.day in wanted]


def name_of(day: int) -> str:
    """A day's name."""
    return date_of(day).isoformat()


def _day_of(name: str) -> int:
    return (datetime.date.fromisoformat(name) - date_of(0)).days
