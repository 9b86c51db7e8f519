"""Made-up viewing histories: what people watch follows tastes that genres and names tell only in part. Pure."""

from __future__ import annotations

import functools

import msgspec
import numpy as np
from numpy.typing import NDArray

from reelwright.catalog.contract import Person, Title
from reelwright.events.contract import View
from reelwright.kernel.ids import ProfileId, TitleId

DAY_MS = 86_400_000
DAYS, NOW_DAY = 35, 28
"""What is watched from NOW_DAY on is what a ranking is judged by."""
NOW_MS = NOW_DAY * DAY_MS
TITLES, VIEWERS, MANY_VIEWS = 160, 360, 30
TASTES, GENRES, DIRECTORS = 8, 12, 40
LATER = 0.25
"""Share of the titles that come during the days, the others are there from the beginning."""
KNOWN_BY_WORDS = 0.6
"""Share of what a title is that its genres and its director tell."""
PULL, FOLLOWS, FAME = 1.6, 0.6, 0.9
"""What taste, the title watched last, and fame count when somebody chooses."""


class Audience(msgspec.Struct, frozen=True, dict=True):
    """A catalogue, and who watched what on which day."""

    titles: tuple[Title, ...]
    appeal: NDArray[np.float64]
    """Of each title to each profile, in their order: the logarithm of how much it pulls."""
    before: tuple[View, ...]
    """Until now."""
    after: tuple[View, ...]

    @property
    def profiles(self) -> list[ProfileId]:
        """Everybody, also who is new."""
        return [ProfileId(f"p{number}") for number in range(len(self.appeal))]

    @functools.cached_property
    def histories(self) -> dict[ProfileId, list[TitleId]]:
        """What each profile watched until now, latest first."""
        found: dict[ProfileId, list[TitleId]] = {}
        for view in reversed(self.before):
            found.setdefault(view.profile_id, []).append(view.title_id)
        return found

    @functools.cached_property
    def following(self) -> dict[ProfileId, list[TitleId]]:
        """What each profile watched next."""
        found: dict[ProfileId, list[TitleId]] = {}
        for view in self.after:
            found.setdefault(view.profile_id, []).append(view.title_id)
        return found


@functools.lru_cache(maxsize=16)  # a grading puts several policies on the same people
def audience(seed: int, number: int) -> Audience:
    """People who choose among what they have not watched, by taste, by what they watched last, and by fame."""
    rng = np.random.default_rng([seed, number])
    titles, meant, fame = _catalogue(rng)
    there_ms = np.array([title.added_ms for title in titles])
    tastes = rng.normal(0, 1, (VIEWERS, TASTES))
    appeal = PULL * tastes @ meant.T + FAME * fame
    first_day = np.where(rng.random(VIEWERS) < 0.15, rng.integers(NOW_DAY - 6, NOW_DAY + 1, VIEWERS), 0)
    views = []
    for viewer in range(VIEWERS):
        count = max(2, int(MANY_VIEWS * rng.lognormal(-0.3, 0.7) * (DAYS - first_day[viewer]) / DAYS))
        times = np.sort(rng.integers(first_day[viewer] * DAY_MS, DAYS * DAY_MS, min(count, TITLES // 2)))
        pull = appeal[viewer]
        free = np.ones(TITLES, dtype=bool)
        last = np.zeros(TASTES)
        for at_ms in times:
            weight = np.where(free & (there_ms <= at_ms), np.exp(pull + FOLLOWS * meant @ last), 0.0)
            title = int(rng.choice(TITLES, p=weight / weight.sum()))
            free[title], last = False, meant[title] * TASTES**0.5
            views.append(View(ProfileId(f"p{viewer}"), titles[title].id, int(at_ms)))
    views.sort(key=lambda view: (view.at_ms, view.profile_id))
    return Audience(
        titles,
        appeal,
        tuple(view for view in views if view.at_ms < NOW_MS),
        tuple(view for view in views if view.at_ms >= NOW_MS),
    )


def _catalogue(rng: np.random.Generator) -> tuple[tuple[Title, ...], NDArray[np.float64], NDArray[np.float64]]:
    """Titles, what each is, and how famous."""
    of_genre, of_director = rng.normal(0, 1, (GENRES, TASTES)), rng.normal(0, 1, (DIRECTORS, TASTES))
    titles, meant = [], []
    for number in range(TITLES):
        genres = rng.choice(GENRES, rng.integers(1, 4), replace=False)
        director = int(rng.integers(DIRECTORS))
        told = of_genre[genres].mean(axis=0) + 0.7 * of_director[director]
        known = KNOWN_BY_WORDS**0.5 * told / np.linalg.norm(told) * TASTES**0.5
        meant.append((known + (1 - KNOWN_BY_WORDS) ** 0.5 * rng.normal(0, 1, TASTES)) / TASTES**0.5)
        added = rng.integers(0, (DAYS - 2) * DAY_MS) if rng.random() < LATER else 0
        titles.append(
            Title(
                id=TitleId(f"t{number}"), kind="film", name=f"Title {number}",
                genres=tuple(f"genre {one}" for one in sorted(genres)),
                people=(Person(name=f"director {director}", role="director"),), added_ms=int(added),
            )
        )  # fmt: skip
    return tuple(titles), np.array(meant), rng.normal(0, 1, TITLES)
