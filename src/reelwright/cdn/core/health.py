"""Whether an edge may be sent viewers: its own word, whether it still reports, and what players say.

No clock of an edge plays a part, and none of ours that can be set: silence is counted on a monotonic clock from the
moment a report arrived. Where all edges fall silent at once the fault is more likely ours, and they stay as they are.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

import msgspec

SILENT_BEATS = 3
FAILED_LEAST = 2
"""Viewers who must have met a failure: one alone may have a bad line, or bad intentions."""
FAILED_SHARE = 0.2
_Z = 1.64


class Evidence(msgspec.Struct, frozen=True, kw_only=True):
    """What is known of one edge."""

    silent_s: float
    """Since its last report arrived, on a monotonic clock."""
    says: str = "ok"
    drained: bool = False
    viewers: int = 0
    """Who told of it in the last minute."""
    failed: int = 0
    """How many of them met a failure."""


def judge(edges: Mapping[str, Evidence], heartbeat_s: float) -> dict[str, tuple[str, str]]:
    """By edge its state (ok, draining, down, distrusted), and why."""
    lease_s = SILENT_BEATS * heartbeat_s
    silent = {name for name, one in edges.items() if one.silent_s > lease_s}
    if silent == set(edges) and len(edges) > 1:
        silent = set()
    return {name: _judge(one, silent=name in silent) for name, one in edges.items()}


def _judge(one: Evidence, *, silent: bool) -> tuple[str, str]:
    if silent:
        return "down", f"no report for {one.silent_s:.0f} s"
    if one.drained:
        return "draining", "drained by hand"
    if one.says != "ok":
        return "down", "it says that it fails"
    if is_distrusted(one.viewers, one.failed):
        return "distrusted", f"{one.failed} of {one.viewers} viewers met failures there, whatever it says"
    return "ok", ""


def is_distrusted(viewers: int, failed: int) -> bool:
    """Whether so many failures among so many viewers are more than a few bad lines (Wilson's lower bound)."""
    if failed < FAILED_LEAST or viewers < failed:
        return False
    share, square = failed / viewers, _Z * _Z
    spread = _Z * math.sqrt(share * (1 - share) / viewers + square / (4 * viewers * viewers))
    return (share + square / (2 * viewers) - spread) / (1 + square / viewers) > FAILED_SHARE
