"""Our own parameters as flags, in OpenFeature's words: a flag is a parameter, its variant the cell that sets it.

Answers are written once for every cell; a bulk answer joins them, so that it costs little more than the assignment.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import msgspec
import numpy as np

from reelwright.experiments.contract import Attributes, Reason, Resolution
from reelwright.experiments.core.assign import Assignments, assign
from reelwright.experiments.core.snapshot import Snapshot

TARGETING_KEY = "targetingKey"
_REASONS = {Reason.SPLIT: "SPLIT", Reason.STICKY: "SPLIT", Reason.FORCED: "STATIC"}


class SnapshotFlags:
    """The parameters of a snapshot as a source of flags."""

    def __init__(self, snapshot: Snapshot) -> None:
        self.snapshot = snapshot
        self.version = snapshot.version
        self._defaults: dict[str, bytes] = {}
        self._order: dict[str, int] = {}
        values: dict[str, object] = {}
        for layer in sorted(snapshot.layers, key=lambda one: not one.launch):
            for name, default in layer.parameters.items():
                values.setdefault(name, default)
        self._values = values
        for at, (name, default) in enumerate(values.items()):
            self._order[name] = at
            self._defaults[name] = _encoded(Resolution(key=name, value=default, reason="DEFAULT"))
        self._parts = list(self._defaults.values())
        self._cells = [
            [
                [
                    (self._order[name], _encoded(_resolution(name, value, one.key, cell.key, "SPLIT")))
                    for name, value in cell.parameters.items()
                ]
                for cell in one.cells
            ]
            for one in snapshot.experiments
        ]
        self._launch = np.array([snapshot.layers[int(at)].launch for at in snapshot.layer_of], dtype=np.bool_)

    def keys(self) -> Sequence[str]:
        """All parameters."""
        return tuple(self._order)

    def resolve(self, key: str, attributes: Attributes) -> Resolution:
        """One parameter: a view of the whole assignment."""
        if key not in self._order:
            return Resolution(key=key, reason="ERROR", error_code="FLAG_NOT_FOUND", message=f"no flag {key[:60]!r}")
        return self._view(key, assign(self.snapshot, unit_attributes(self.snapshot, attributes)))

    def resolve_all(self, attributes: Attributes) -> Sequence[Resolution]:
        """Every parameter."""
        found = assign(self.snapshot, unit_attributes(self.snapshot, attributes))
        return [self._view(key, found) for key in self._order]

    def encode_all(self, attributes: Attributes) -> bytes:
        """Every parameter, as the body of an OFREP bulk answer."""
        found = assign(self.snapshot, unit_attributes(self.snapshot, attributes))
        parts = self._parts.copy()
        assigned = np.flatnonzero(found.cells >= 0)
        for group in (assigned[self._launch[assigned]], assigned[~self._launch[assigned]]):
            for at, cell in zip(group.tolist(), found.cells[group].tolist(), strict=True):
                for place, text in self._cells[at][cell]:
                    parts[place] = text
        return b'{"flags":[' + b",".join(parts) + b"]}"

    def _view(self, key: str, found: Assignments) -> Resolution:
        best = Resolution(key=key, value=self._values[key], reason="DEFAULT")
        for one in sorted(found.assigned(), key=lambda one: not self._launch[self.snapshot.index[one.experiment]]):
            if key in one.parameters:
                value, reason = one.parameters[key], _REASONS[one.reason]
                best = _resolution(key, value, one.experiment, one.cell or "", reason)
        return best


def unit_attributes(snapshot: Snapshot, attributes: Attributes) -> Attributes:
    """OpenFeature's targeting key stands for every unit that is not named itself."""
    key = attributes.get(TARGETING_KEY)
    if key is None:
        return attributes
    return {**dict.fromkeys(snapshot.units, key), **attributes}


def encode(found: Resolution) -> bytes:
    """One answer as OFREP writes it."""
    return _encoded(found)


def _resolution(name: str, value: object, experiment: str, cell: str, reason: str) -> Resolution:
    return Resolution(key=name, value=value, variant=cell, reason=reason, metadata={"experiment": experiment})


def _encoded(found: Resolution) -> bytes:
    document: dict[str, object] = {"key": found.key}
    if found.error_code:
        document |= {"errorCode": found.error_code, "errorDetails": found.message}
    else:
        document |= {"value": found.value, "reason": found.reason}
        if found.variant is not None:
            document["variant"] = found.variant
        metadata: Mapping[str, object] = found.metadata
        if metadata:
            document["metadata"] = metadata
    return msgspec.json.encode(document)
