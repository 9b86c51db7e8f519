"""Run it: a recommender's sizes, with candidates and training put to the lab's audience."""

from __future__ import annotations

import functools
from collections import Counter
from collections.abc import Mapping

from reelwright.kernel.ids import ProfileId
from reelwright.practice.labs.ranker import SHOWN, judged, show, there_now
from reelwright.practice.labs.run_it import SEED, Field, Simulated
from reelwright.practice.labs.viewing import DAY_MS, NOW_DAY, NOW_MS, audience
from reelwright.recommend.core.likeness import Likeness
from reelwright.recommend.core.ranking import HISTORY_MOST, ByTaste, ByViewers, Together

NUMBER_BYTES, CORE_FLOPS, CORE_PAIRS_A_S = 4, 2e9, 5e6
"""A float; what a core multiplies and adds in memory, and counts of titles watched together, a second."""
HOURS_STEP = 6
"""Training is looked at in steps of so many hours."""


def _run_recommendation(numbers: Mapping[str, float]) -> dict[str, float]:
    """Bytes and work follow from the numbers; what is lost is measured with the ranking of the home page."""
    viewers, titles = 1e6 * numbers["viewers_m"], numbers["titles"]
    candidates = min(numbers["candidates"], titles)
    watched = min(numbers["watched"], HISTORY_MOST)
    share = round(candidates / titles, 2)
    kept, seen = _judged(share, HOURS_STEP * round(numbers["trained_each_h"] / HOURS_STEP))
    whole, _ = _judged(1.0, 0)
    return {
        "vectors_gb": (viewers + titles) * numbers["dimensions"] * NUMBER_BYTES / 1e9,
        "page_cores": numbers["pages_a_s"] * candidates * numbers["dimensions"] * 2 / CORE_FLOPS,
        "training_core_h": viewers * watched**2 / CORE_PAIRS_A_S / 3600,
        "kept": kept / whole,
        "seen": seen,
    }


@functools.lru_cache(maxsize=256)  # a page shows its last run each time
def _judged(share: float, hours: int) -> tuple[float, float]:
    """NDCG@10 and the share of titles that somebody is shown.

    The candidates are the most watched share of the titles, and the ranking is half of the time between two trainings
    old when a page is asked for.
    """
    world, trained_ms = audience(SEED, 0), NOW_MS - hours * 3_600_000 // 2
    together = Together(world.before, now_ms=trained_ms)
    ranking = ByViewers(ByTaste(Likeness(world.titles), world.titles), together)
    counted = Counter(view.title_id for view in world.before if view.at_ms <= trained_ms)
    there = sorted((title.id for title in there_now(world)), key=lambda one: -counted[one])
    among = {*there[: max(SHOWN, round(share * len(there)))]}
    scores: dict[ProfileId, dict[str, float]] = {}
    for profile_id in judged(world):
        history = [one for one in world.histories[profile_id] if counted[one]]
        found = ranking.scores(history)
        scores[profile_id] = {one: 1.0 + found.get(one, 0.0) for one in among}
    shown = show(world, scores)
    seen = {one for each in shown for one in each.ten}
    return sum(one.ndcg for one in shown) / len(shown), len(seen) / len(there)


RECOMMENDATION = Simulated(
    id="recommendation",
    says=(
        "The home page's own ranking over a made-up audience. As large a share of its titles are candidates as of "
        "yours, the most watched first, and pages are asked for midway between two trainings. A core multiplies and "
        "adds two thousand million times a second, and counts five million pairs of titles watched together."
    ),
    design=(
        Field("viewers_m", "Viewers, millions", 0.001, 10_000),
        Field("titles", "Titles", 10, 1e7),
        Field("pages_a_s", "Pages a second at the peak", 1, 1e7),
        Field("dimensions", "Numbers in the vector of a viewer or a title", 1, 4_096),
        Field("candidates", "Candidates that are ranked for a page", 1, 1e7),
        Field("watched", "Titles a viewer has watched that training counts", 1, 1_000),
        Field("trained_each_h", "Hours between two trainings", 1, NOW_DAY * DAY_MS / 3_600_000),
    ),
    estimates=(
        Field("vectors_gb", "All vectors, GB", 0, 1e9),
        Field("page_cores", "Cores that rank at the peak", 0, 1e9),
        Field("training_core_h", "Core hours of a training", 0, 1e9),
        Field("kept", "NDCG@10, of what all titles and a training this minute would have", 0, 2, 0.01),
        Field("seen", "Share of the titles that somebody is shown among their ten", 0, 1, 0.01),
    ),
    run=_run_recommendation,
    left_out={
        "vectors_gb": "Each number takes four bytes, and viewers are many times the titles.",
        "page_cores": "Each candidate costs a multiplication and an addition for each number of its vector.",
        "training_core_h": (
            f"Pairs go with the square of what a viewer has watched, of which the latest {HISTORY_MOST} are learnt."
        ),
        "kept": "What is not among the candidates cannot be ranked, and what came after the training is not known.",
        "seen": "People's tens overlap, and a title that is no candidate is shown to nobody.",
    },
)
