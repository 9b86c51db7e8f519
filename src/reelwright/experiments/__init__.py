"""Experiments: assignment, layers, other vendors' flags, analysis; also as a library: see README.md."""

from reelwright.experiments.contract import Assignment, Cell, Configuration, Experiment, Layer, Reason
from reelwright.experiments.core.assign import Assignments, assign
from reelwright.experiments.core.snapshot import Snapshot

__all__ = [
    "Assignment",
    "Assignments",
    "Cell",
    "Configuration",
    "Experiment",
    "Layer",
    "Reason",
    "Snapshot",
    "assign",
]
