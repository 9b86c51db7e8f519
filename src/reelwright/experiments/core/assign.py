"""Assignment: everything for one viewer in one pass over the columns; one experiment is a view of it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from reelwright.experiments.contract import BUCKETS, Assignment, Attributes, NoSuchExperiment, Reason
from reelwright.experiments.core.hashing import U64, mix, scaled, text_of, unit_hash
from reelwright.experiments.core.snapshot import Column, Snapshot, owners

Cells = npt.NDArray[np.int16]
Reasons = npt.NDArray[np.uint8]
_NO_UNIT = np.uint8(Reason.NO_UNIT)
_EMPTY: Mapping[str, Any] = {}


class Assignments:
    """All experiments of a snapshot for one viewer: columns, and views that are made when asked for.

    `cells` has each experiment's cell, -1 for none; `reasons` why.
    """

    __slots__ = ("cells", "reasons", "snapshot", "units")

    def __init__(self, snapshot: Snapshot, cells: Cells, reasons: Reasons, units: tuple[str | None, ...]) -> None:
        self.snapshot = snapshot
        self.cells = cells
        self.reasons = reasons
        self.units = units

    def __len__(self) -> int:
        return len(self.cells)

    def __getitem__(self, key: str) -> Assignment:
        at = self.snapshot.index.get(key)
        if at is None:
            raise NoSuchExperiment(f"no experiment {key[:60]!r} is running")
        return self._view(at)

    def __iter__(self) -> Iterator[Assignment]:
        """Every running experiment."""
        return (self._view(at) for at in range(len(self.cells)))

    def assigned(self) -> Iterator[Assignment]:
        """Those in which the viewer has a cell."""
        return (self._view(int(at)) for at in np.flatnonzero(self.cells >= 0))

    def parameters(self) -> dict[str, Any]:
        """Every parameter: its default, over it what a launch sets, over that what an experiment sets."""
        snapshot = self.snapshot
        values: dict[str, Any] = {}
        for layer in sorted(snapshot.layers, key=lambda layer: not layer.launch):
            for name, default in layer.parameters.items():
                values.setdefault(name, default)
        found = sorted(
            np.flatnonzero(self.cells >= 0).tolist(), key=lambda at: not snapshot.layers[self._layer(at)].launch
        )
        for at in found:
            values.update(snapshot.experiments[at].cells[self.cells[at]].parameters)
        return values

    def _layer(self, at: int) -> int:
        return int(self.snapshot.layer_of[at])

    def _view(self, at: int) -> Assignment:
        snapshot, cell = self.snapshot, int(self.cells[at])
        experiment = snapshot.experiments[at]
        return Assignment(
            experiment=experiment.key,
            layer=experiment.layer,
            cell=experiment.cells[cell].key if cell >= 0 else None,
            reason=Reason(int(self.reasons[at])),
            parameters=experiment.cells[cell].parameters if cell >= 0 else _EMPTY,
            unit=self.units[int(snapshot.unit_of[at])],
        )


def assign(
    snapshot: Snapshot,
    attributes: Attributes,
    *,
    sticky: Mapping[str, str] = _EMPTY,
    forced: Mapping[str, str] = _EMPTY,
) -> Assignments:
    """Assign one viewer to every running experiment.

    `sticky` and `forced` name the cell by experiment: the one the unit was in before, the one a tester asks for.
    Cost: about 20 vector operations over the experiments, none of them a Python loop over them.
    """
    units = tuple(_unit(attributes.get(name)) for name in snapshot.units)
    hashes = np.array([0 if unit is None else unit_hash(unit) for unit in units], dtype=np.uint64)
    buckets = scaled(mix(hashes[snapshot.layer_unit] ^ snapshot.layer_salt), BUCKETS)
    reasons = np.zeros(len(snapshot.experiments), dtype=np.uint8)
    inside = _inside(snapshot, buckets)
    rows = snapshot.rows
    place = buckets[rows.layer]
    place -= rows.start
    reasons[rows.owner[place < rows.width]] = Reason.SPLIT
    keep = _keep(snapshot, reasons, sticky)
    _refuse(snapshot, reasons, snapshot.targeting.evaluate(attributes))
    _hold_out(snapshot, hashes, reasons, inside)
    if None in units:
        missing = np.array([unit is None for unit in units])
        reasons[missing[snapshot.unit_of]] = _NO_UNIT
    cells = np.full(len(reasons), -1, dtype=np.int16)
    drawn = np.flatnonzero((reasons == Reason.SPLIT) | (reasons == Reason.STICKY))
    value = mix(hashes[snapshot.unit_of[drawn]] ^ snapshot.cell_salt[drawn])
    value >>= np.uint64(32)
    cells[drawn] = _cell(value, snapshot, drawn)
    for at, cell in keep.items():
        if reasons[at] == Reason.STICKY:
            cells[at] = cell
    _force(snapshot, units, forced, cells, reasons)
    _require(snapshot, cells, reasons)
    return Assignments(snapshot, cells, reasons, units)


def assign_layer(snapshot: Snapshot, layer: int, hashes: Mapping[str, U64]) -> tuple[Column, Column]:
    """(experiment, cell) of many units in one layer, -1 for none, by the same arithmetic; targeting does not enter.

    `hashes` has the 64-bit hashes of the units by attribute, each of shape (n_units,), in one order.
    """
    inside, held = many_inside(snapshot, hashes), many_held(snapshot, hashes)
    own = hashes[snapshot.layers[layer].unit]
    place = scaled(mix(own ^ snapshot.layer_salt[layer]), BUCKETS).astype(np.int64)
    experiment = owners(snapshot, layer)[place]
    experiment[~inside[int(snapshot.layer_domain[layer])] | held[layer]] = -1
    found = experiment >= 0
    at = experiment[found]
    value = mix(own[found] ^ snapshot.cell_salt[at]) >> np.uint64(32)
    cell = np.full(len(own), -1, dtype=np.int64)
    cell[found] = _cell(value, snapshot, at)
    return experiment, cell


def many_inside(snapshot: Snapshot, hashes: Mapping[str, U64]) -> dict[int, npt.NDArray[np.bool_]]:
    """For each domain, which units are in it."""
    count = len(next(iter(hashes.values())))
    inside = {0: np.ones(count, dtype=np.bool_)}
    for domain, outer, layer, ranges in snapshot.domains:
        own = hashes[snapshot.layers[layer].unit]
        place = scaled(mix(own ^ snapshot.layer_salt[layer]), BUCKETS)
        inside[domain] = inside[outer] & np.logical_or.reduce(
            [(place >= np.uint64(start)) & (place < np.uint64(end)) for start, end in ranges]
            or [np.zeros(count, dtype=np.bool_)]
        )
    return inside


def many_held(snapshot: Snapshot, hashes: Mapping[str, U64]) -> npt.NDArray[np.bool_]:
    """Which units a holdout keeps out of which layer: shape (n_layers, n_units)."""
    count = len(next(iter(hashes.values())))
    held = np.zeros((len(snapshot.layers), count), dtype=np.bool_)
    for row, holdout in enumerate(snapshot.configuration.holdouts):
        value = mix(hashes[holdout.unit] ^ snapshot.holdout_salt[row]) >> np.uint64(32)
        held[snapshot.held[row]] |= value < snapshot.holdout_bound[row]
    return held


def _cell(value: U64, snapshot: Snapshot, at: npt.NDArray[Any]) -> Column:
    """The cell of each value in its experiment: how many bounds it has reached."""
    cell = np.zeros(len(value), dtype=np.int64)
    for bounds in snapshot.bounds.T:
        cell += value >= bounds[at]
    return cell


def _unit(value: object) -> str | None:
    if value is None or value == "" or isinstance(value, list | dict | tuple | set):
        return None
    return text_of(value)


def _inside(snapshot: Snapshot, buckets: U64) -> npt.NDArray[np.bool_] | None:
    """Which domains the viewer is in; None where there is only the root."""
    if not snapshot.domains:
        return None
    inside = np.ones(len(snapshot.domains) + 1, dtype=np.bool_)
    for domain, outer, layer, ranges in snapshot.domains:
        place = int(buckets[layer])
        inside[domain] = inside[outer] and any(start <= place < end for start, end in ranges)
    return inside


def _keep(snapshot: Snapshot, reasons: Reasons, sticky: Mapping[str, str]) -> dict[int, int]:
    """The cells that are kept; whoever else holds the bucket in that layer gives way: layers stay exclusive."""
    keep: dict[int, int] = {}
    for key, name in sticky.items():
        at = snapshot.index.get(key)
        if at is None or not snapshot.experiments[at].sticky:
            continue
        cell = next((n for n, one in enumerate(snapshot.experiments[at].cells) if one.key == name), None)
        layer = snapshot.layer_of[at]
        if cell is None or any(snapshot.layer_of[other] == layer for other in keep):
            continue
        keep[at] = cell
        reasons[snapshot.layer_of == layer] = Reason.OUTSIDE
        reasons[at] = Reason.STICKY
    return keep


def _refuse(snapshot: Snapshot, reasons: Reasons, truth: npt.NDArray[np.bool_]) -> None:
    meant = truth[snapshot.target_at]
    meant ^= snapshot.target_negated
    reasons[~meant & (reasons > 0)] = Reason.TARGETING


def _hold_out(snapshot: Snapshot, hashes: U64, reasons: Reasons, inside: npt.NDArray[np.bool_] | None) -> None:
    if inside is not None and not inside.all():
        reasons[~inside[snapshot.layer_domain][snapshot.layer_of]] = Reason.DOMAIN
    if len(snapshot.holdout_salt):
        value = mix(hashes[snapshot.holdout_unit] ^ snapshot.holdout_salt) >> np.uint64(32)
        caught = np.flatnonzero(value < snapshot.holdout_bound)
        if len(caught):
            layers = np.logical_or.reduce(snapshot.held[caught], axis=0)
            reasons[layers[snapshot.layer_of]] = Reason.HOLDOUT


def _force(
    snapshot: Snapshot, units: tuple[str | None, ...], forced: Mapping[str, str], cells: Cells, reasons: Reasons
) -> None:
    wanted = {
        key: cell
        for at in snapshot.forcing
        if (unit := units[int(snapshot.unit_of[at])]) is not None
        and (cell := snapshot.experiments[at].forced.get(unit))
        and (key := snapshot.experiments[at].key)
    }
    for key, name in {**wanted, **forced}.items():
        at_ = snapshot.index.get(key)
        if at_ is None:
            continue
        cell_ = next((n for n, one in enumerate(snapshot.experiments[at_].cells) if one.key == name), None)
        if cell_ is not None:
            cells[at_], reasons[at_] = cell_, Reason.FORCED


def _require(snapshot: Snapshot, cells: Cells, reasons: Reasons) -> None:
    """Those that need another experiment, in an order in which the others are decided first."""
    for at in snapshot.dependent:
        if cells[at] < 0 or reasons[at] == Reason.FORCED:
            continue
        for needed in snapshot.experiments[at].prerequisites:
            other = snapshot.index.get(needed.experiment)
            cell = -1 if other is None else int(cells[other])
            if other is None or cell < 0 or not _allowed(snapshot, other, cell, needed.cells):
                cells[at], reasons[at] = -1, Reason.PREREQUISITE
                break


def _allowed(snapshot: Snapshot, at: int, cell: int, cells: tuple[str, ...]) -> bool:
    return not cells or snapshot.experiments[at].cells[cell].key in cells
