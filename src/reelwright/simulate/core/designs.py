"""What finds things out faster, tried on the closed loop: interleaving, CUPED, canaries that stop themselves."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec
import numpy as np
import numpy.typing as npt

from reelwright.catalog.contract import Title
from reelwright.experiments.contract import Guardrail
from reelwright.experiments.core.analysis import checks, effects
from reelwright.experiments.core.analysis.designs import viewers_for
from reelwright.experiments.core.analysis.guardrails import breached
from reelwright.experiments.core.analysis.moments import Moments, from_sums, moments_of
from reelwright.experiments.core.interleaving import team_draft
from reelwright.kernel.ids import ProfileId, TitleId
from reelwright.recommend.contract import Page, Slot
from reelwright.recommend.core.interleave import interleave_pages
from reelwright.recommend.core.page import build_page
from reelwright.simulate.contract import Told, Viewer
from reelwright.simulate.core.audience import DAY_MS, liked, offers_of
from reelwright.simulate.core.loop import SINCE_MS, World, run
from reelwright.simulate.core.scenarios import (
    CANARIES,
    CANARY_HORIZON,
    CANARY_LOOKS,
    CANARY_WORSE,
    POPULATION,
    RANKERS,
    Scenario,
)

Floats = npt.NDArray[np.float64]


class Rankers(World):
    """Everybody's page is two rankers' pages interleaved; whose pick is chosen is counted."""

    def __init__(self, scenario: Scenario) -> None:
        super().__init__(scenario)
        self.credit: dict[ProfileId, int] = {}
        self.plays: dict[ProfileId, int] = {}
        """Plays from rows that the rankers order differently."""
        self.gains: dict[ProfileId, Floats] = {}
        """What the second ranker's pages would bring more than the first's: hours watched, plays from those rows."""
        self._teams: dict[TitleId, int] = {}

    def _page(self, viewer: Viewer, at_ms: int) -> Page:
        signals = self._signals(viewer, at_ms)
        first, second = (build_page(signals, ranker=one) for one in ("popular", "taste"))
        page, self._teams = interleave_pages(first, second, self._draft)
        gain = self._expected(viewer, second) - self._expected(viewer, first)
        self.gains[viewer.profile_id] = self.gains.get(viewer.profile_id, np.zeros(2)) + gain
        return page

    def _draft(
        self, _row: str, first: list[TitleId], second: list[TitleId], length: int
    ) -> tuple[list[TitleId], list[int]]:
        return team_draft(first, second, length, lambda: self._chance.random() < 0.5)

    def _choose(self, viewer: Viewer, page: Page) -> Slot | None:
        slot = super()._choose(viewer, page)
        team = self._teams.get(slot.title.id) if slot is not None else None
        if team is not None:
            self.credit[viewer.profile_id] = self.credit.get(viewer.profile_id, 0) + (1 if team else -1)
            self.plays[viewer.profile_id] = self.plays.get(viewer.profile_id, 0) + 1
        return slot

    def _expected(self, viewer: Viewer, page: Page) -> Floats:
        """Of one choice from a page, on average: hours watched, and plays from rows that the rankers differ in."""
        offers = list(offers_of(viewer, page))
        worth = [(self._hours(viewer, slot.title), float(slot.title.id in self._teams)) for _, slot in offers]
        return np.average(worth, axis=0, weights=[weight for weight, _ in offers]) if offers else np.zeros(2)

    def _hours(self, viewer: Viewer, title: Title) -> float:
        length_s = next(one for one in self._titles if one.title.id == title.id).playables[0].duration_s or 0.0
        return length_s / 3600 * (0.5 + 0.5 * liked(viewer, title))


class Interleaved(msgspec.Struct, frozen=True, kw_only=True):
    """How many viewers each design needs to tell two rankers apart, at 80 % power."""

    split: float
    interleaved: float
    share: float
    """Viewers who prefer the second, of those with a preference."""
    metric: str
    """On which a split test needs fewest viewers."""
    gain: float
    """Relative gain of the second in it."""
    agree: bool
    """Whether both designs find the same ranker better."""


def interleave(scenario: Scenario = RANKERS) -> Interleaved:
    """Two rankers of the home page, same viewers and days; the split test has the metric that suits it best."""
    world = Rankers(scenario)
    hours: dict[ProfileId, float] = {}
    for told in world.run(SINCE_MS, scenario.days):
        hours[told.profile_id] = hours.get(told.profile_id, 0.0) + _hours_of(told)
    gains = np.array([world.gains.get(one, np.zeros(2)) for one in hours])
    values = np.array([(hours[one], world.plays.get(one, 0)) for one in hours], dtype=np.float64)
    gain, level, spread = gains.mean(axis=0), values.mean(axis=0), values.var(axis=0, ddof=1)
    needed = [2 * float(checks.sample_size(abs(gain[at]), spread[at])) for at in range(2)]
    best = int(np.argmin(needed))
    decided = [one for one in world.credit.values() if one]
    share = sum(one > 0 for one in decided) / len(decided)
    return Interleaved(
        split=needed[best],
        interleaved=viewers_for(share) * len(hours) / len(decided),
        share=share,
        metric=("hours watched", "plays from the rows that are ordered")[best],
        gain=float(gain[best] / level[best]),
        agree=(share > 0.5) == bool(gain[best] > 0),
    )


def _hours_of(told: Told) -> float:
    """A stop adds where it is, a play takes away where it began."""
    event = told.event
    if event.type not in ("play", "stop") or event.position_s is None:
        return 0.0
    return event.position_s / 3600 * (1 if event.type == "stop" else -1)


class Canaries(msgspec.Struct, frozen=True, kw_only=True):
    """What guardrails make of canaries that harm, and of those that do not."""

    false_stops: float
    """Share of harmless canaries that were stopped at any look."""
    stops: float
    """Share of harmful ones that were stopped."""
    stop_sessions: float
    """Median sessions of both arms when a harmful one is stopped; those that are not count as the last look."""
    power_sessions: float
    """Sessions of both arms that a single test with 80 % power needs."""
    within: float
    """Share of harmful ones that were stopped within those."""


def canaries(days: Mapping[tuple[ProfileId, int], Mapping[str, float]], *, seed: int = POPULATION.seed) -> Canaries:
    """Canaries of viewers drawn from a simulated population, with the days that each had; stalls an hour watched."""
    viewers: dict[ProfileId, Floats] = {}
    for (who, _), found in days.items():
        row = np.array([found.get(name, 0.0) for name in ("stalls", "watch_s", "plays")])
        viewers[who] = viewers.get(who, np.zeros(3)) + row
    people = np.array(list(viewers.values()))
    stalls, hours = people[:, 0], people[:, 1] / 3600
    level = stalls.sum() / hours.sum()
    spread = np.var((stalls - level * hours) / hours.mean(), ddof=1)
    needed = float(checks.sample_size(CANARY_WORSE * level, spread))
    batch = int(np.ceil(needed * CANARY_HORIZON / CANARY_LOOKS))
    rho = effects.best_rho(2 * needed, alpha=0.1)
    draw = np.random.default_rng(seed)
    each = float(people[:, 2].mean())
    none, harmful = (
        np.array([_stopped(draw, stalls, hours, batch, worse, rho) for _ in range(CANARIES)])
        for worse in (0.0, CANARY_WORSE)
    )
    ends = np.where(harmful > 0, harmful, CANARY_LOOKS) * batch
    return Canaries(
        false_stops=float((none > 0).mean()),
        stops=float((harmful > 0).mean()),
        stop_sessions=float(np.median(ends)) * 2 * each,
        power_sessions=needed * 2 * each,
        within=float(((harmful > 0) & (ends <= needed)).mean()),
    )


def _stopped(draw: np.random.Generator, stalls: Floats, hours: Floats, batch: int, worse: float, rho: float) -> int:
    """The look at which a canary is stopped, 0 for never."""
    arms = []
    for extra in (0.0, worse):
        who = draw.integers(0, len(stalls), (CANARY_LOOKS, batch))
        seen, watched = stalls[who], hours[who]
        if extra:
            seen = seen + draw.binomial(seen.astype(np.int64), extra)
        arms.append(effects.ratio_arm(_cumulated(seen, watched)))
    over = breached(effects.effect(*arms, relative=True), Guardrail(metric="stalls_per_hour", worse="up"), rho=rho)
    return int(over.argmax()) + 1 if over.any() else 0


def _cumulated(first: Floats, second: Floats) -> Moments:
    sums = {(0, 0): first * first, (1, 1): second * second, (0, 1): first * second}
    return from_sums(
        np.arange(1, len(first) + 1) * float(first.shape[1]),
        [one.sum(axis=1).cumsum() for one in (first, second)],
        {at: one.sum(axis=1).cumsum() for at, one in sums.items()},
    )


def cuped_differences(
    days: Mapping[tuple[ProfileId, int], Mapping[str, float]], *, seed: int = POPULATION.seed, viewers: int = 50_000
) -> dict[str, float]:
    """By metric: the sample that CUPED saves less rho squared, which is theory; one week tells of the next."""
    draw = np.random.default_rng(seed)
    found: dict[str, float] = {}
    people = sorted({who for who, _ in days})
    number = {who: at for at, who in enumerate(people)}
    half = SINCE_MS // DAY_MS + POPULATION.days // 2
    for name in ("watch_s", "plays", "stalls"):
        table = np.zeros((len(people), 2))
        for (who, day), values in days.items():
            table[number[who], int(day < half)] += values.get(name, 0.0)
        rho = float(np.corrcoef(table[:, 0], table[:, 1])[0, 1])
        arms = [moments_of(table[draw.integers(0, len(people), viewers)]) for _ in range(2)]
        adjusted = effects.effect(*effects.cuped_arms(*arms))
        raw = effects.effect(effects.mean_arm(arms[0]), effects.mean_arm(arms[1]))
        found[name] = abs(1 - float(adjusted.error / raw.error) ** 2 - rho**2)
    return found


def population() -> Any:
    """The viewers' days that canaries and CUPED are tried on."""
    return run(POPULATION).days
