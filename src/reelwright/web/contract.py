"""Pages as other systems see them: the report on the running service, and the demo's account."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from reelwright.kernel.ids import ProfileId, UserId
from reelwright.kernel.operations import Incident, ProcessState
from reelwright.kernel.system import Health
from reelwright.limits.core.traffic import Counts
from reelwright.web.charts import Bars


class ToldIncident(msgspec.Struct, frozen=True, kw_only=True):
    """A death of a process, with who was watching then."""

    incident: Incident
    watching: int
    """Playback sessions that were alive when it happened; players go on from their buffer and other edges."""


class Report(msgspec.Struct, frozen=True, kw_only=True):
    """The service now."""

    processes: Sequence[ProcessState]
    incidents: Sequence[ToldIncident]
    health: Sequence[Health]


class RuleSeen(msgspec.Struct, frozen=True, kw_only=True):
    """What one limit did, minute by minute."""

    name: str
    counts: Counts
    bars: Bars
    said: str


class LimitsSeen(msgspec.Struct, frozen=True, kw_only=True):
    """What all limits did in the minutes that a page shows."""

    rules: Sequence[RuleSeen]
    totals: Counts
    """Of limits; `shed` is that of load shedding."""
    hot: Sequence[tuple[str, int]]
    processes: int


DEMO_FILE = "demo.json"
"""In the data folder of a demo: there the front door lets people on this machine in without a password."""


class DemoAccount(msgspec.Struct, frozen=True, kw_only=True):
    """Whom a visitor of the demo is signed in as."""

    user_id: UserId
    profiles: list[ProfileId]
    """In the order of the demo's profiles; the first is the one that watches."""
    audience: int = 0
    """Synthetic events that were imported; 0 while they were not."""
