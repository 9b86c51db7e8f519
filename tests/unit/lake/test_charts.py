"""Charts say the same of quality as Studio's page does, also of sessions of which not all is known."""

from __future__ import annotations

import duckdb
import pytest

from reelwright.lake.core.charts import QUALITY, chart_sql, quality
from reelwright.lake.core.pipelines import GRAPH

EVENTS = """
SELECT * FROM (VALUES
  ('1', 'a', 'play', 2000.0, NULL, NULL), ('2', 'a', 'heartbeat', NULL, 10_000.0, 3e6),
  ('3', 'b', 'heartbeat', NULL, 30_000.0, NULL), ('4', 'c', 'error', NULL, NULL, NULL)
) AS row(id, session_id, type, start_ms, watched_ms, bitrate_bps)
"""
"""One session of which all is known, one of which a heartbeat came alone, and one that failed."""


@pytest.mark.parametrize("chart", ["quality", "devices"])
def test_what_is_not_known_of_a_session_does_not_count_as_nothing(chart: str) -> None:
    """Start time and bitrate are means of the sessions that told them."""
    asked = duckdb.connect()
    asked.execute(f"""CREATE TABLE events AS SELECT *, DATE '2026-02-28' AS day, false AS synthetic,
      'p' AS profile_id, 't' AS title_id, 'u' AS playable_id, 'tv' AS device, 'e' AS edge, now() AS happened_at,
      NULL::BIGINT AS stalls,
      NULL::DOUBLE AS stalled_ms, NULL::DOUBLE AS stall_ms, NULL::DOUBLE AS position_s, NULL::DOUBLE AS duration_s,
      NULL::DOUBLE AS value, NULL AS experiment, NULL AS cell FROM ({EVENTS})""")
    for node in GRAPH:
        asked.execute(f"CREATE TABLE {node.table} AS {node.sql}")
    found = asked.execute(chart_sql(chart, "2026-02-01", "2026-03-01"))  # type: ignore[arg-type]
    names = [column[0] for column in found.description]
    told = dict(zip(names, found.fetchone() or (), strict=True))
    assert (told["start_mean_ms"], told["bitrate_bps"]) == (2000.0, 3e6)
    whole = asked.execute(quality("2026-02-01", "2026-03-01", "device")[0]).fetchone() or ()
    page = dict(zip(QUALITY, whole, strict=True))
    same = ("sessions", "started", "failed", "watched_s", "bitrate_bps", "stall_ratio")
    assert {name: told[name] for name in same} == {name: page[name] for name in same}
