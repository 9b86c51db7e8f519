"""An assignment as it is written down, with what it was decided on; and made again from that. Pure."""

from __future__ import annotations

from typing import Any

import msgspec

from reelwright.experiments.contract import Assignment, Attributes, Configuration, Experiment
from reelwright.experiments.core.assign import assign
from reelwright.experiments.core.snapshot import Snapshot

POLICY = "assign/1"
INPUT_MOST = 2000
"""An input that is longer is not written down: the event has no room for it."""


class Grounds(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What an assignment was decided on."""

    revision: int
    """Of the configuration; the database keeps each."""
    compiled_ms: int
    """When it was compiled: ramps and canaries depend on it."""
    experiment: str
    attributes: Attributes
    sticky: dict[str, str] = {}
    """By experiment, the cell that the viewer was in before."""


def decision_of(grounds: Grounds, found: Assignment, experiment: Experiment) -> dict[str, Any] | None:
    """The data of a `decision` event; None where its input is too long."""
    told = msgspec.json.encode(grounds).decode()
    if len(told) > INPUT_MOST or found.cell is None:
        return None
    whole = sum(cell.weight for cell in experiment.cells)
    shares = {cell.key: cell.weight / whole for cell in experiment.cells}
    return {
        "system": "experiments",
        "policy_version": POLICY,
        "input": told,
        "choice": found.cell,
        "alternatives": [{"id": key, "score": share} for key, share in shares.items()],
        "reason": found.reason.name.lower(),
        "propensity": shares[found.cell],
    }


def assigned_again(snapshot: Snapshot, grounds: Grounds) -> tuple[str | None, str]:
    """(cell, reason) for the same grounds; `snapshot_of` gives the snapshot. Raises NoSuchExperiment."""
    found = assign(snapshot, grounds.attributes, sticky=grounds.sticky)[grounds.experiment]
    return found.cell, found.reason.name.lower()


def snapshot_of(configuration: Configuration, grounds: Grounds) -> Snapshot:
    """The configuration of the grounds' revision as it was in force then."""
    return Snapshot(configuration, now_ms=grounds.compiled_ms)
