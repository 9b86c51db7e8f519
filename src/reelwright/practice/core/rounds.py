"""The interviews of a loop: which rounds there are, in which sitting, and when."""

from __future__ import annotations

from reelwright.practice.contract import Pace, Round, Sitting, Stage
from reelwright.practice.core.loop import STAGE_MINUTES

DAY_MS = 86_400_000
SITTINGS: dict[Sitting, tuple[int, tuple[Stage, ...]]] = {
    "recruiter": (0, ("recruiter",)),
    "phone": (7, ("phone",)),
    "onsite_engineers": (21, ("coding", "design", "deep_dive")),
    "onsite_managers": (21, ("behavioural", "manager")),
    "product": (24, ("product",)),
    "designer": (24, ("designer",)),
}
"""Days after the loop began, and rounds: six interviews; the onsite takes five hours, the meetings two."""


def plan_rounds(*, pace: Pace, begins_ms: int) -> tuple[Round, ...]:
    """Every round in order; in one sitting all of them on the first day."""
    return tuple(
        Round(
            stage=stage, sitting=sitting, minutes=STAGE_MINUTES[stage],
            planned_ms=begins_ms + (days * DAY_MS if pace == "weeks" else 0),
        )
        for sitting, (days, stages) in SITTINGS.items()
        for stage in stages
    )  # fmt: skip
