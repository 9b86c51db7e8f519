"""The life of an experiment: draft → canary → running → stopped → archived."""

from __future__ import annotations

from collections.abc import Mapping

from msgspec.structs import replace

from reelwright.experiments.contract import (
    BUCKETS,
    Configuration,
    Experiment,
    NoSuchExperiment,
    State,
    WrongState,
)
from reelwright.experiments.core.buckets import resize

STEPS: Mapping[State, tuple[State, ...]] = {
    "draft": ("canary", "running", "archived"),
    "canary": ("running", "stopped"),
    "running": ("stopped",),
    "stopped": ("archived",),
    "archived": (),
}
FIXED = ("layer", "salt", "cells", "kind", "looks")
"""What may not change once units were assigned: it would move them between cells, or looks to where they suit."""


def find(configuration: Configuration, key: str) -> Experiment:
    """The experiment of this name. Raises NoSuchExperiment."""
    for experiment in configuration.experiments:
        if experiment.key == key:
            return experiment
    raise NoSuchExperiment(f"no experiment {key[:60]!r}")


def moved(configuration: Configuration, key: str, state: State) -> Configuration:
    """The experiment one step on. A stopped one frees its buckets. Raises WrongState."""
    experiment = find(configuration, key)
    if state not in STEPS[experiment.state]:
        allowed = " or ".join(STEPS[experiment.state]) or "nothing"
        raise WrongState(f"experiment {key[:60]!r} is {experiment.state}; next is {allowed}, not {state}")
    held = () if state in ("stopped", "archived") else experiment.buckets
    return put(configuration, replace(experiment, state=state, buckets=held), checked=False)


def sized(configuration: Configuration, key: str, share: float) -> Configuration:
    """The experiment with this share of its layer: nobody elsewhere moves. Raises BadConfiguration."""
    experiment = find(configuration, key)
    if experiment.state in ("stopped", "archived"):
        raise WrongState(f"experiment {key[:60]!r} is {experiment.state} and holds no buckets")
    taken = [one.buckets for one in configuration.experiments if one.layer == experiment.layer and one.key != key]
    taken += [domain.buckets for domain in configuration.domains if domain.layer == experiment.layer]
    held = resize(experiment.buckets, taken, round(share * BUCKETS))
    return put(configuration, replace(experiment, buckets=held), checked=False)


def put(configuration: Configuration, experiment: Experiment, *, checked: bool = True) -> Configuration:
    """With this experiment, new or in place of the one of its name. Raises WrongState.

    `checked` refuses what would move units of a live one between cells, and any jump of its state.
    """
    known = {one.key: one for one in configuration.experiments}
    old = known.get(experiment.key)
    if checked:
        if (old.state if old else "draft") != experiment.state:
            raise WrongState(f"experiment {experiment.key[:60]!r}: its state changes by its own step, not by a put")
        if old is not None and old.state != "draft":
            for name in FIXED:
                if getattr(old, name) != getattr(experiment, name):
                    raise WrongState(f"experiment {experiment.key[:60]!r} is {old.state}: its {name} may not change")
            if old.looks and old.planned_units != experiment.planned_units:
                raise WrongState(f"experiment {experiment.key[:60]!r} is {old.state}: its looks are of planned_units")
    known[experiment.key] = experiment
    return replace(configuration, experiments=tuple(known.values()))
