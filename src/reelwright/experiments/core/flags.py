"""Our own parameters as flags, in OpenFeature's words: a flag is a parameter, its variant the cell that sets it.

Flags of imported files stand beside them, each under its own name.

Answers are written once for every cell; a bulk answer joins them, so that it costs little more than the assignment.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import msgspec
import numpy as np

from reelwright.experiments.contract import HOUR, Attributes, BadConfiguration, FlagSource, Reason, Resolution
from reelwright.experiments.core.assign import Assignments, assign
from reelwright.experiments.core.importers.vendors import read_flags
from reelwright.experiments.core.snapshot import Snapshot

TARGETING_KEY = "targetingKey"
DEFAULT = "default"
"""The variant of a parameter that no experiment sets."""
MINUTE_MS = 60_000
HOUR_MS = 60 * MINUTE_MS
_REASONS = {Reason.SPLIT: "SPLIT", Reason.STICKY: "SPLIT", Reason.FORCED: "STATIC"}


class SnapshotFlags:
    """The parameters of a snapshot as a source of flags, with those of its imported files.

    Raises UnknownOperator, and BadConfiguration also where two fight for one name.
    """

    def __init__(self, snapshot: Snapshot, *, now_ms: Callable[[], int] = lambda: 0) -> None:
        self.snapshot = snapshot
        self._now_ms = now_ms
        self._defaults: dict[str, bytes] = {}
        self._order: dict[str, int] = {}
        values: dict[str, object] = {}
        for layer in sorted(snapshot.layers, key=lambda one: not one.launch):
            for name, default in layer.parameters.items():
                values.setdefault(name, default)
        self._values = values
        for at, (name, default) in enumerate(values.items()):
            self._order[name] = at
            self._defaults[name] = _encoded(_default(name, default))
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

        self._imported = {
            one.key: read_flags(one.vendor, one.document, now_ms=now_ms) for one in snapshot.configuration.imports
        }
        self._owner = _owners(self._order, self._imported)
        self._timed = HOUR in snapshot.units or any(
            one.vendor in ("eppo", "flagd") for one in snapshot.configuration.imports
        )

    @property
    def version(self) -> str:
        """Changes whenever an answer may: with the configuration, and each minute where a file has times in it."""
        return f"{self.snapshot.version}-{self._now_ms() // MINUTE_MS}" if self._timed else self.snapshot.version

    def keys(self) -> Sequence[str]:
        """All parameters, and the flags of imported files."""
        return (*self._order, *self._owner)

    def resolve(self, key: str, attributes: Attributes) -> Resolution:
        """One flag; a parameter is a view of the whole assignment."""
        if key in self._owner:
            return self._imported[self._owner[key]].resolve(key, attributes)
        if key not in self._order:
            return Resolution(key=key, reason="ERROR", error_code="FLAG_NOT_FOUND", message=f"no flag {key[:60]!r}")
        return self._view(key, self._assign(attributes))

    def resolve_all(self, attributes: Attributes) -> Sequence[Resolution]:
        """Every flag."""
        found = self._assign(attributes)
        return [*(self._view(key, found) for key in self._order), *self._others(attributes)]

    def _assign(self, attributes: Attributes) -> Assignments:
        found = unit_attributes(self.snapshot, attributes)
        if HOUR in self.snapshot.units:
            found = {**found, HOUR: str(self._now_ms() // HOUR_MS)}
        return assign(self.snapshot, found)

    def _others(self, attributes: Attributes) -> list[Resolution]:
        return [found for source in self._imported.values() for found in source.resolve_all(attributes)]

    def encode_all(self, attributes: Attributes) -> bytes:
        """Every flag, as the body of an OFREP bulk answer."""
        found = self._assign(attributes)
        parts = self._parts.copy()
        assigned = np.flatnonzero(found.cells >= 0)
        for group in (assigned[self._launch[assigned]], assigned[~self._launch[assigned]]):
            for at, cell in zip(group.tolist(), found.cells[group].tolist(), strict=True):
                for place, text in self._cells[at][cell]:
                    parts[place] = text
        parts += map(_encoded, self._others(attributes))
        return b'{"flags":[' + b",".join(parts) + b"]}"

    def _view(self, key: str, found: Assignments) -> Resolution:
        best = _default(key, self._values[key])
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


def _owners(own: Mapping[str, int], imported: Mapping[str, FlagSource]) -> dict[str, str]:
    """Which imported file each flag is of. Raises BadConfiguration with every name that two have."""
    found: dict[str, str] = {}
    problems = []
    for file, source in imported.items():
        for key in source.keys():  # noqa: SIM118
            if key in own or key in found:
                other = f"import {found[key]!r}" if key in found else "a layer"
                problems.append(f"flag {key[:60]!r} of import {file!r} is one of {other} already")
            found.setdefault(key, file)
    if problems:
        raise BadConfiguration(problems)
    return found


def _default(name: str, value: object) -> Resolution:
    return Resolution(key=name, value=value, variant=DEFAULT, reason="DEFAULT")


def _resolution(name: str, value: object, experiment: str, cell: str, reason: str) -> Resolution:
    return Resolution(key=name, value=value, variant=cell, reason=reason, metadata={"experiment": experiment})


def _encoded(found: Resolution) -> bytes:
    document: dict[str, object] = {"key": found.key}
    if found.error_code:
        document |= {"errorCode": found.error_code, "errorDetails": found.message}
    else:
        document |= (
            {"reason": found.reason} if found.value is None else {"value": found.value, "reason": found.reason}
        )
        if found.variant is not None:
            document["variant"] = found.variant
        metadata: Mapping[str, object] = found.metadata
        if metadata:
            document["metadata"] = metadata
    return msgspec.json.encode(document)
