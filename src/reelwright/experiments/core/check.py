"""What is wrong with a configuration: everything at once, each with its name."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence

from reelwright.experiments.contract import (
    BUCKETS,
    ROOT,
    BadConfiguration,
    Configuration,
    Experiment,
    Layer,
    Ranges,
)
from reelwright.experiments.core.product import INTERLEAVED

WEIGHTS_OFF = 1e-6
"""How far the weights of an experiment may be from one."""
LOOKS_MOST = 20
CELLS_MOST = 64


def check(configuration: Configuration) -> None:
    """Raise BadConfiguration with every problem; conditions are checked where they are compiled."""
    problems = [*_names(configuration), *_tree(configuration), *_fights(configuration)]
    layers = {layer.key: layer for layer in configuration.layers}
    for experiment in configuration.experiments:
        problems += _experiment(experiment, layers)
    problems += _overlaps(configuration)
    problems += _prerequisites(configuration)
    for holdout in configuration.holdouts:
        if not 0 <= holdout.share <= 1:
            problems.append(f"holdout {holdout.key!r}: a share is from 0 to 1, got {holdout.share}")
        problems += [f"holdout {holdout.key!r}: no layer {key!r}" for key in holdout.layers if key not in layers]
    if problems:
        raise BadConfiguration(problems)


def in_order(configuration: Configuration) -> list[Experiment]:
    """Experiments, each after those it requires. Raises BadConfiguration with the circle."""
    known = {experiment.key: experiment for experiment in configuration.experiments}
    done: dict[str, Experiment] = {}
    for start in configuration.experiments:
        path = [(start, iter(start.prerequisites))]
        opened = {start.key: None}
        while path and start.key not in done:
            experiment, remaining = path[-1]
            needed = next((one for one in remaining if one.experiment not in done), None)
            if needed is None:
                done[experiment.key] = experiment
                path.pop()
                opened.pop(experiment.key)
            elif needed.experiment in opened:
                names = [*opened, needed.experiment]
                raise BadConfiguration([f"prerequisites go in a circle: {' → '.join(names)}"])
            elif needed.experiment in known:
                path.append((known[needed.experiment], iter(known[needed.experiment].prerequisites)))
                opened[needed.experiment] = None
    return list(done.values())


def _names(configuration: Configuration) -> Iterator[str]:
    named: Mapping[str, Sequence[str]] = {
        "layer": [one.key for one in configuration.layers],
        "experiment": [one.key for one in configuration.experiments],
        "domain": [one.key for one in configuration.domains],
        "holdout": [one.key for one in configuration.holdouts],
        "segment": [one.key for one in configuration.segments],
        "import": [one.key for one in configuration.imports],
    }
    for kind, keys in named.items():
        yield from (f"two {kind}s are called {key!r}" for key, count in Counter(keys).items() if count > 1)
        yield from (f"a {kind} needs a name" for key in keys if not key)


def _tree(configuration: Configuration) -> Iterator[str]:
    layers = {layer.key: layer for layer in configuration.layers}
    domains = {domain.key: domain for domain in configuration.domains}
    for layer in configuration.layers:
        if layer.domain != ROOT and layer.domain not in domains:
            yield f"layer {layer.key!r}: no domain {layer.domain!r}"
    for domain in configuration.domains:
        if domain.layer not in layers:
            yield f"domain {domain.key!r}: no layer {domain.layer!r}"
        yield from _ranges(f"domain {domain.key!r}", domain.buckets)
        seen, at = {domain.key}, domain
        while (layer_ := layers.get(at.layer)) and (outer := domains.get(layer_.domain)):
            if outer.key in seen:
                yield f"domain {domain.key!r} lies within itself"
                break
            seen.add(outer.key)
            at = outer


def _fights(configuration: Configuration) -> Iterator[str]:
    """Two layers of one kind that set one parameter would give a unit two values."""
    owners: dict[tuple[bool, str], str] = {}
    for layer in configuration.layers:
        for name in layer.parameters:
            other = owners.setdefault((layer.launch, name), layer.key)
            if other != layer.key:
                yield f"parameter {name!r} belongs to layer {other!r}; layer {layer.key!r} may not set it too"


def _experiment(experiment: Experiment, layers: Mapping[str, Layer]) -> Iterator[str]:
    says = f"experiment {experiment.key!r}"
    layer = layers.get(experiment.layer)
    if layer is None:
        yield f"{says}: no layer {experiment.layer!r}"
    yield from _ranges(says, experiment.buckets)
    cells = [cell.key for cell in experiment.cells]
    if not 1 <= len(cells) <= CELLS_MOST:
        yield f"{says}: has from 1 to {CELLS_MOST} cells, got {len(cells)}"
    if len(set(cells)) < len(cells):
        yield f"{says}: two cells have one name"
    weights = [cell.weight for cell in experiment.cells]
    if any(not math.isfinite(weight) or weight < 0 for weight in weights):
        yield f"{says}: weights are finite and not below 0, got {weights}"
    elif cells and abs(sum(weights) - 1) > WEIGHTS_OFF:
        yield f"{says}: weights add up to 1, these to {sum(weights):g}"
    for cell in experiment.cells:
        for name in cell.parameters:
            if layer is not None and name not in layer.parameters:
                yield f"{says}, cell {cell.key!r}: parameter {name!r} is not of layer {layer.key!r}"
    yield from (
        f"{says}: no cell {cell!r} to force" for cell in sorted(set(experiment.forced.values())) if cell not in cells
    )
    if experiment.kind == "interleaving":
        yield from _interleaving(says, experiment)
    if not 0 < experiment.canary_share <= 1:
        yield f"{says}: the share of a canary is above 0 and at most 1, got {experiment.canary_share}"
    if experiment.planned_units < 1:
        yield f"{says}: planned units are at least 1, got {experiment.planned_units}"
    if experiment.looks:
        yield from _looks(says, experiment)
    moments = [step.at_ms for step in experiment.ramp]
    if moments != sorted(set(moments)):
        yield f"{says}: the steps of a ramp come one after the other"
    if any(not 0 <= step.share <= 1 for step in experiment.ramp):
        yield f"{says}: the share of a ramp is from 0 to 1"


def _looks(says: str, experiment: Experiment) -> Iterator[str]:
    looks = experiment.looks
    if len(looks) > LOOKS_MOST or not all(0 < one <= 1 for one in looks) or looks[-1] != 1:
        yield f"{says}: up to {LOOKS_MOST} looks are shares of the planned units up to 1, got {list(looks)[:30]}"
    elif list(looks) != sorted(set(looks)):
        yield f"{says}: looks rise, got {list(looks)}"
    if experiment.kind == "interleaving":
        yield f"{says}: looks are planned for splits; an interleaved test can be looked at at any time"


def _interleaving(says: str, experiment: Experiment) -> Iterator[str]:
    if experiment.layer not in INTERLEAVED:
        yield f"{says}: only {', '.join(INTERLEAVED)} can be interleaved, not layer {experiment.layer!r}"
    if len(experiment.cells) != 2:
        yield f"{says}: two cells are interleaved, got {len(experiment.cells)}"
    if experiment.metrics or experiment.guardrails:
        yield f"{says}: whose picks are played decides; metrics and guardrails need viewers who see one cell alone"


def _ranges(says: str, ranges: Ranges) -> Iterator[str]:
    last = 0
    for start, end in sorted(ranges):
        if not last <= start < end <= BUCKETS:
            yield f"{says}: buckets are ranges that do not overlap within 0 to {BUCKETS}, got {start} to {end}"
            return
        last = end


def _overlaps(configuration: Configuration) -> Iterator[str]:
    held: dict[str, list[tuple[int, int, str]]] = {}
    for experiment in configuration.experiments:
        if experiment.state not in ("stopped", "archived"):
            rows = held.setdefault(experiment.layer, [])
            rows += [(start, end, f"experiment {experiment.key!r}") for start, end in experiment.buckets]
    for domain in configuration.domains:
        rows = held.setdefault(domain.layer, [])
        rows += [(start, end, f"domain {domain.key!r}") for start, end in domain.buckets]
    for layer, rows in held.items():
        yield from _clashes(layer, sorted(rows))


def _clashes(layer: str, rows: Iterable[tuple[int, int, str]]) -> Iterator[str]:
    until, owner = 0, ""
    for start, end, who in rows:
        if start < until and who != owner:
            yield f"layer {layer!r} is overcommitted: {owner} and {who} both hold bucket {start}"
        if end > until:
            until, owner = end, who


def _prerequisites(configuration: Configuration) -> Iterator[str]:
    known = {experiment.key: experiment for experiment in configuration.experiments}
    missing = False
    for experiment in configuration.experiments:
        for needed in experiment.prerequisites:
            other = known.get(needed.experiment)
            if other is None:
                missing = True
                yield f"experiment {experiment.key!r}: no experiment {needed.experiment!r} to require"
                continue
            cells = {cell.key for cell in other.cells}
            for cell in needed.cells:
                if cell not in cells:
                    yield f"experiment {experiment.key!r}: {other.key!r} has no cell {cell!r}"
    if not missing:
        try:
            in_order(configuration)
        except BadConfiguration as error:
            yield from error.problems
