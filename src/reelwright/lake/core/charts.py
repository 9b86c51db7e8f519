"""The questions behind the product's own charts: over computed tables, without the synthetic audience. Pure."""

from __future__ import annotations

from reelwright.lake.contract import Chart, Refused

HOUR_US = 3_600_000_000
DIMENSIONS = {"edge": "edge", "device": "device", "title": "title_id"}


def ledger(since_hour: int) -> tuple[str, str]:
    """Stored and refused events an hour and source."""
    hour = f"epoch_us(received_at) // {HOUR_US}"
    since = f"{hour} >= {since_hour}"
    stored = f"SELECT {hour}, source, synthetic, count(*) FROM events WHERE {since} GROUP BY ALL"  # noqa: S608
    failed = f"SELECT {hour}, source, synthetic, count(*) FROM failed_events WHERE {since} GROUP BY ALL"  # noqa: S608
    return stored, failed


_FAILED = """
SELECT f.id, epoch_ms(f.received_at) received_ms, f.source, f.event_id, f.reason, f.raw, f.profile_id, f.synthetic
FROM failed_events f
WHERE (f.event_id IS NULL OR NOT EXISTS (SELECT 1 FROM events e WHERE e.id = f.event_id))
"""


def failed(limit: int, after: Refused | None) -> str:
    """Refused events that are not stored by now, newest first; those that follow one of them, or the first."""
    where = ""
    if after is not None:
        quoted = after.id.replace("'", "''")
        same = f"received_ms = {after.received_ms} AND f.id > '{quoted}'"
        where = f"AND (received_ms < {after.received_ms} OR {same})"
    return f"{_FAILED} {where} ORDER BY received_ms DESC, f.id LIMIT {limit}"


def _window(first: str, last: str) -> str:
    return f"day BETWEEN DATE '{first}' AND DATE '{last}' AND NOT synthetic"


_QUALITY = """
  count(*), count(*) FILTER (started),
  quantile_cont(start_ms, 0.5), quantile_cont(start_ms, 0.95),
  sum(stalled_s) / nullif(sum(watched_s + stalled_s), 0), sum(stalls) * 3600 / nullif(sum(watched_s), 0),
  sum(bitrate_bps * watched_s) / nullif(sum(watched_s) FILTER (bitrate_bps IS NOT NULL), 0),
  count(*) FILTER (errors > 0 AND NOT started), sum(watched_s)
"""
QUALITY = (
    "sessions", "started", "start_p50_ms", "start_p95_ms", "stall_ratio", "stalls_an_hour", "bitrate_bps",
    "failed", "watched_s",
)  # fmt: skip
"""Names of the columns that the three questions below share, at their end."""


def quality(first: str, last: str, by: str) -> tuple[str, str, str, str]:
    """Quality of experience: in all, a day, by a dimension, and how far sessions came; days as ISO dates."""
    column, where = DIMENSIONS[by], _window(first, last)
    return (
        f"SELECT {_QUALITY} FROM playback_sessions WHERE {where}",  # noqa: S608
        f"SELECT day, {_QUALITY} FROM playback_sessions WHERE {where} GROUP BY day ORDER BY day",  # noqa: S608
        f"SELECT {column}, {_QUALITY} FROM playback_sessions WHERE {where} GROUP BY {column} "  # noqa: S608
        "ORDER BY count(*) DESC LIMIT 100",
        f"SELECT count(*), count(*) FILTER (started), count(*) FILTER (watched_s >= 30), "  # noqa: S608
        "count(*) FILTER (position_s >= duration_s / 2), count(*) FILTER (position_s >= duration_s * 0.95) "
        f"FROM playback_sessions WHERE {where}",
    )


STEPS = ("asked to play", "saw a picture", "watched 30 s", "came half way", "saw it to the end")

_RATES = """
  count(*) AS sessions, count(*) FILTER (started) AS started, avg(start_ms) AS start_mean_ms,
  sum(stalled_s) / nullif(sum(watched_s + stalled_s), 0) AS stall_ratio,
  sum(bitrate_bps * watched_s) / nullif(sum(watched_s) FILTER (bitrate_bps IS NOT NULL), 0) AS bitrate_bps,
  count(*) FILTER (errors > 0 AND NOT started) AS failed, sum(watched_s) AS watched_s
"""
_CHARTS: dict[Chart, tuple[str, str, str]] = {
    "quality": (f"day, {_RATES}", "playback_sessions", "GROUP BY day ORDER BY day"),
    "devices": (f"device, {_RATES}", "playback_sessions", "GROUP BY device ORDER BY sessions DESC"),
    "edges": (
        "edge, sum(sessions) AS sessions, sum(watched_s) AS watched_s, sum(bits) AS bits, "
        "sum(stalled_s) AS stalled_s",
        "edge_days",
        "GROUP BY edge ORDER BY watched_s DESC",
    ),
    "titles": (
        "title_id, sum(viewers) AS viewer_days, sum(sessions) AS sessions, sum(watched_s) AS watched_s, "
        "sum(completed) AS completed",
        "title_days",
        "GROUP BY title_id ORDER BY watched_s DESC, title_id",
    ),
    "funnel": (
        "day, count(*) AS asked, count(*) FILTER (started) AS started, count(*) FILTER (watched_s >= 30) AS watched, "
        "count(*) FILTER (position_s >= duration_s / 2) AS half, "
        "count(*) FILTER (position_s >= duration_s * 0.95) AS completed",
        "playback_sessions",
        "GROUP BY day ORDER BY day",
    ),
    "experiments": (
        "experiment, cell, count(DISTINCT profile_id) AS profiles, sum(exposures) AS exposures",
        "exposures",
        "GROUP BY experiment, cell ORDER BY experiment, cell",
    ),
}


SESSIONS = ("playback_sessions",)
"""The table of the questions of `quality`."""
BOOKS = ("events", "failed_events")
"""The tables of the ledger, and of refused events."""


def chart_tables(chart: Chart) -> tuple[str, ...]:
    """The table that a chart's question names."""
    return (_CHARTS[chart][1],)


def chart_sql(chart: Chart, first: str, last: str) -> str:
    """The question behind a chart, from day to day (ISO dates), without the synthetic audience."""
    columns, table, rest = _CHARTS[chart]
    return f"SELECT {columns} FROM {table} WHERE {_window(first, last)} {rest}"  # noqa: S608 (our own words only)
