"""A configuration compiled to columns, never changed afterwards: what assignment runs on."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec
import numpy as np
import numpy.typing as npt

from reelwright.experiments.contract import (
    BUCKETS,
    ROOT,
    BadConfiguration,
    Condition,
    Configuration,
    Experiment,
    Ranges,
)
from reelwright.experiments.core.buckets import first_of
from reelwright.experiments.core.check import check, in_order
from reelwright.experiments.core.hashing import U64, salt_hash
from reelwright.experiments.core.targeting import Builder, Targeting, Truth

Column = npt.NDArray[np.int64]
SCALE = 1 << 32
"""Cells and holdouts are drawn from this many values."""


class Rows:
    """Ranges of buckets as columns: who holds them, in which layer."""

    def __init__(self, rows: Sequence[tuple[int, int, int, int]]) -> None:
        table = np.array(rows, dtype=np.int64).reshape(-1, 4)
        self.owner, self.layer = _fixed(table[:, 0]), _fixed(table[:, 1])
        self.start = _fixed(table[:, 2].astype(np.uint64))
        self.width = _fixed((table[:, 3] - table[:, 2]).astype(np.uint64))


class Snapshot:
    """Everything that assignment reads; immutable, so that a newer one is swapped in by one store."""

    def __init__(self, configuration: Configuration, *, now_ms: int) -> None:
        """Check and compile. Raises BadConfiguration."""
        check(configuration)
        self.configuration, self.now_ms = configuration, now_ms
        self.experiments: tuple[Experiment, ...] = tuple(one for one in in_order(configuration) if one.live)
        self.index: Mapping[str, int] = {one.key: at for at, one in enumerate(self.experiments)}
        self.layers = configuration.layers
        layer_at = {layer.key: at for at, layer in enumerate(self.layers)}
        self.units = tuple(dict.fromkeys([*(x.unit for x in self.layers), *(x.unit for x in configuration.holdouts)]))
        unit_at = {unit: at for at, unit in enumerate(self.units)}
        self.layer_unit = _column([unit_at[layer.unit] for layer in self.layers])
        self.layer_salt = _salts("layer", [layer.salt or layer.key for layer in self.layers])
        self.layer_of = _column([layer_at[one.layer] for one in self.experiments])
        self.unit_of = _fixed(self.layer_unit[self.layer_of])
        self.cell_salt = _salts("cell", [one.salt or one.key for one in self.experiments])
        self.bounds = _bounds(self.experiments)
        self.rows = Rows(
            [
                (at, layer_at[one.layer], start, end)
                for at, one in enumerate(self.experiments)
                for start, end in taking_part(one, now_ms=now_ms)
            ]
        )
        self._domains(configuration, layer_at)
        self._holdouts(configuration, unit_at, layer_at)
        self._target(configuration)
        self.dependent = [at for at, one in enumerate(self.experiments) if one.prerequisites]
        self.forcing = [at for at, one in enumerate(self.experiments) if one.forced]
        self.version = _version(configuration, self.rows)

    def _domains(self, configuration: Configuration, layer_at: Mapping[str, int]) -> None:
        """Domains outermost first; `layer_domain` is one for the root, which everybody is in."""
        domains = {domain.key: domain for domain in configuration.domains}
        layers = {layer.key: layer for layer in configuration.layers}

        def depth(key: str) -> int:
            return 0 if key == ROOT else 1 + depth(layers[domains[key].layer].domain)

        ordered = sorted(domains, key=depth)
        place = {ROOT: 0, **{key: at for at, key in enumerate(ordered, 1)}}
        self.domains = [
            (place[key], place[layers[domains[key].layer].domain], layer_at[domains[key].layer], domains[key].buckets)
            for key in ordered
        ]
        self.layer_domain = _column([place[layer.domain] for layer in self.layers])

    def _holdouts(
        self, configuration: Configuration, unit_at: Mapping[str, int], layer_at: Mapping[str, int]
    ) -> None:
        holdouts = configuration.holdouts
        self.holdout_unit = _column([unit_at[one.unit] for one in holdouts])
        self.holdout_salt = _salts("holdout", [one.key for one in holdouts])
        self.holdout_bound = _fixed(np.array([round(one.share * SCALE) for one in holdouts], dtype=np.uint64))
        held = np.zeros((len(holdouts), len(self.layers)), dtype=np.bool_)
        for row, holdout in enumerate(holdouts):
            held[row, [layer_at[key] for key in holdout.layers] if holdout.layers else slice(None)] = True
        self.held = _fixed(held)

    def _target(self, configuration: Configuration) -> None:
        segments: dict[str, Condition] = {segment.key: segment.condition for segment in configuration.segments}
        builder = Builder(segments)
        problems = []
        for segment in configuration.segments:
            problems += _problems(builder, segment.condition, f"segment {segment.key!r}")
        for experiment in configuration.experiments:
            problems += _problems(builder, experiment.targeting, f"experiment {experiment.key!r}")
        if problems:
            raise BadConfiguration(problems)
        wanted = [builder.add(experiment.targeting) for experiment in self.experiments]
        self.targeting: Targeting
        self.target_at: npt.NDArray[np.intp]
        self.target_negated: Truth
        self.targeting, self.target_at, self.target_negated = builder.build(wanted)


def taking_part(experiment: Experiment, *, now_ms: int) -> Ranges:
    """The buckets that take part now: all of them, or what the canary's share or the ramp has reached.

    They are always the first ones, so that nobody leaves when more come.
    """
    if experiment.state == "canary":
        return first_of(experiment.buckets, experiment.canary_share)
    if not experiment.ramp:
        return experiment.buckets
    reached = [step.share for step in experiment.ramp if step.at_ms <= now_ms]
    return first_of(experiment.buckets, reached[-1]) if reached else ()


def next_step_ms(configuration: Configuration, *, now_ms: int) -> int | None:
    """When the next ramp of a live experiment takes its next step, and a new snapshot is due."""
    moments = [step.at_ms for one in configuration.experiments if one.live for step in one.ramp]
    return min((moment for moment in moments if moment > now_ms), default=None)


def owners(snapshot: Snapshot, layer: int) -> Column:
    """For each bucket of a layer, the experiment that holds it, or -1: shape (BUCKETS,)."""
    table = np.full(BUCKETS, -1, dtype=np.int64)
    rows = snapshot.rows
    for at in np.flatnonzero(rows.layer == layer):
        start = int(rows.start[at])
        table[start : start + int(rows.width[at])] = rows.owner[at]
    return table


def _problems(builder: Builder, condition: Condition | None, says: str) -> list[str]:
    try:
        builder.add(condition)
    except BadConfiguration as error:
        return [f"{says}: {problem}" for problem in error.problems]
    return []


def _bounds(experiments: Sequence[Experiment]) -> U64:
    """Upper bounds of the cells on the scale: shape (n_experiments, most cells - 1); the last cell has none."""
    most = max((len(one.cells) for one in experiments), default=1)
    bounds = np.full((len(experiments), most - 1), SCALE, dtype=np.uint64)
    for row, one in enumerate(experiments):
        upper = np.cumsum([cell.weight for cell in one.cells])[:-1]
        bounds[row, : len(upper)] = np.rint(upper * SCALE).astype(np.uint64)
    return _fixed(bounds)


def _salts(kind: str, salts: Sequence[str]) -> U64:
    return _fixed(np.array([salt_hash(kind, salt) for salt in salts], dtype=np.uint64))


def _column(values: Sequence[int]) -> Column:
    return _fixed(np.array(values, dtype=np.int64))


def _fixed(array: npt.NDArray[Any]) -> npt.NDArray[Any]:
    array.setflags(write=False)
    return array


def _version(configuration: Configuration, rows: Rows) -> str:
    digest = hashlib.blake2b(msgspec.json.encode(configuration), digest_size=12)
    digest.update(rows.width.tobytes())
    return digest.hexdigest()
