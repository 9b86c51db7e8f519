"""What the service itself can experiment with: layers with the parameters that its own decisions read, and drafts.

They are part of every configuration, so that an update brings new ones without a migration; what is stored wins.
"""

from __future__ import annotations

from msgspec.structs import replace

from reelwright.experiments.contract import Cell, Configuration, Experiment, Guardrail, Layer

HOME, PLAYER, STEERING, LADDER = "home-page", "player", "steering", "ladder"
INTERLEAVED = (HOME,)
"""Layers whose decisions are lists, and which can show two of them at once."""
LAYERS = (
    Layer(key=HOME, parameters={"home.ranker": "popular", "home.explore": 0.0}),
    Layer(key=PLAYER, parameters={"player.start_share": 1.0}),
    Layer(key=STEERING, parameters={"steering.edges": "listed"}),
    Layer(key=LADDER, parameters={"ladder.rungs": "full"}),
)
DRAFTS = (
    Experiment(
        key="home-ranker",
        layer=HOME,
        cells=(
            Cell(key="popular", weight=0.5),
            Cell(key="taste", weight=0.5, parameters={"home.ranker": "taste"}),
        ),
        hypothesis="Genre rows ordered by what a viewer watched last lead to more watching than by the week's views.",
        metrics=("watch_hours", "views", "active_days"),
        guardrails=(
            Guardrail(metric="watch_hours", worse="down", margin=0.01),
            Guardrail(metric="errors_per_play", worse="up", margin=0.1),
        ),
    ),
    Experiment(
        key="home-interleaved",
        layer=HOME,
        kind="interleaving",
        cells=(
            Cell(key="popular", weight=0.5),
            Cell(key="taste", weight=0.5, parameters={"home.ranker": "taste"}),
        ),
        hypothesis="On one page with both, viewers rather play what was picked by their taste.",
    ),
    Experiment(
        key="player-start",
        layer=PLAYER,
        cells=(
            Cell(key="estimate", weight=0.5),
            Cell(key="cautious", weight=0.5, parameters={"player.start_share": 0.6}),
        ),
        hypothesis="A first quality chosen from 60 % of the estimated throughput starts sooner and stalls less.",
        metrics=("start_ms", "start_p95_ms", "stalls_per_hour", "watch_hours"),
        guardrails=(
            Guardrail(metric="watch_hours", worse="down", margin=0.01),
            Guardrail(metric="stalls_per_hour", worse="up", margin=0.05),
        ),
    ),
    Experiment(
        key="edge-order",
        layer=STEERING,
        cells=(
            Cell(key="listed", weight=0.5),
            Cell(key="by-title", weight=0.5, parameters={"steering.edges": "by_title"}),
        ),
        hypothesis="Viewers of a title who meet at one edge start sooner, for what they ask for lies there already.",
        metrics=("start_ms", "start_p95_ms", "stalls_per_hour", "errors_per_play"),
        guardrails=(
            Guardrail(metric="stalls_per_hour", worse="up", margin=0.05),
            Guardrail(metric="errors_per_play", worse="up", margin=0.1),
        ),
    ),
    Experiment(
        key="ladder-rungs",
        layer=LADDER,
        cells=(
            Cell(key="full", weight=0.5),
            Cell(key="sparse", weight=0.5, parameters={"ladder.rungs": "sparse"}),
        ),
        hypothesis="Half the rungs between the lowest and the highest are enough: as much is watched.",
        metrics=("watch_hours", "stall_share", "stalls_per_hour", "start_ms", "start_p95_ms"),
        guardrails=(
            Guardrail(metric="watch_hours", worse="down", margin=0.01),
            Guardrail(metric="stalls_per_hour", worse="up", margin=0.05),
        ),
    ),
)


def completed(configuration: Configuration) -> Configuration:
    """With the product's layers and parameters, and with those drafts that nobody has touched yet."""
    layers = {one.key: one for one in configuration.layers}
    for own in LAYERS:
        known = layers.get(own.key, own)
        layers[own.key] = replace(known, parameters={**own.parameters, **known.parameters})
    experiments = {one.key: one for one in (*DRAFTS, *configuration.experiments)}
    return replace(configuration, layers=tuple(layers.values()), experiments=tuple(experiments.values()))
