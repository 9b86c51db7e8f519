"""Lab: titles and people that nobody knows yet, in a loop of pages, choices and what is learnt from them."""

from __future__ import annotations

import functools
import math
from collections import Counter, defaultdict
from collections.abc import Callable, Mapping, Sequence
from random import Random
from typing import Any

import msgspec

from reelwright.catalog.contract import Title
from reelwright.events.contract import View
from reelwright.kernel.ids import ProfileId, TitleId
from reelwright.practice.adapters.sandbox import Bounds
from reelwright.practice.contract import Broken
from reelwright.practice.labs.drawing import picture
from reelwright.practice.labs.lab import Decider, Judged, Lab, Prediction
from reelwright.practice.labs.objects import DRIVER, Remote, own
from reelwright.practice.labs.ranker import AUDIENCES, heard, numbers, ours, told
from reelwright.practice.labs.viewing import DAY_MS, DAYS, NOW_DAY, Audience, audience
from reelwright.recommend.core.exploring import EvenAndTaste, Exploring, draw
from reelwright.recommend.core.ranking import Ranking

SHOWN, AT_ONCE, ACTIVE = 10, 60, 0.5
NEW_DAYS = 14
"""A title is fresh for so many days."""
LEAVES = 60.0
"""How much leaving pulls, where a title of no special pull has 1."""
ENOUGH = 12.0
"""Propensities that a fresh title's log must add up to before it can be judged."""
LEAST_WARM, LEAST_COLD, MOST_UNJUDGED = 1.05, 0.75, 0.1
"""Chance that a page is played from, beside that of the most popular; share of the fresh titles."""
BRIEF = """\
Write `class Home` with three methods. `__init__(self, titles, views, now_ms)`: made anew each day. `scores(self,
history)`: a dict from title ids to numbers, larger is better; the page shows the nine best that are there and not
watched. `chances(self, scores, viewers)`: what may take the tenth place, a dict from title ids to chances that add up
to at most 1; what is left keeps the place for the tenth best. Only fresh titles may, which are the keys of `viewers`:
it says how many have watched each.

`titles` have `id`, `genres`, `people` (names) and `added_ms`; `views` have `profile_id`, `title_id` and `at_ms`.
`scores` is asked with an empty history for people who are new, and of titles that came today only their words are
known. The place is drawn with your chances and logged with the one it was drawn by. People choose from what they see,
or leave; what they chose is among the views of the next day.

A week of two made-up audiences passes when pages of people who are known are played from 1.05 times as often as with
what is most popular, those of new people 0.75 times as often, and of at most a tenth of the fresh titles the logged
chances add up to less than 12: with less nobody can tell what they are worth.
"""


class Home(msgspec.Struct, frozen=True):
    """What decides pages for a day, asked for many at once."""

    scores: Callable[[Sequence[Sequence[TitleId]]], list[Mapping[str, float]]]
    chances: Callable[[Sequence[tuple[Mapping[str, float], Mapping[TitleId, int]]]], list[Mapping[str, float]]]


Make = Callable[[int, Sequence[Title], Sequence[View], int], Home]
"""A home for a day, from what there is and was watched until then."""


class Page(msgspec.Struct, frozen=True):
    """A page, and how it was received."""

    day: int
    cold: bool
    """Its viewer has watched nothing."""
    ten: list[TitleId]
    played: float
    """The chance that something of it is played."""


class Week(msgspec.Struct, frozen=True):
    """All pages, and of each fresh title what its logged chances add up to."""

    pages: list[Page]
    propensities: dict[TitleId, float]

    def played(self, *, cold: bool) -> float:
        """The mean chance that a page is played from."""
        some = [page.played for page in self.pages if page.cold == cold]
        return sum(some) / max(1, len(some))


def asked(decider: Decider, number: int) -> Make:
    """The person's home in an audience, held to finite numbers and to chances."""

    def make(day: int, titles: Sequence[Title], views: Sequence[View], now_ms: int) -> Home:
        some = [told(title) for title in titles]
        remote = Remote(decider, f"{number} on day {day}", "Home", some, msgspec.to_builtins(views), now_ms)

        def each(method: str, arguments: Sequence[Sequence[Any]]) -> list[Mapping[str, float]]:
            parts = (arguments[at : at + AT_ONCE] for at in range(0, len(arguments), AT_ONCE))
            return [numbers(one) for part in parts for one in remote.calls([(method, each) for each in part])]

        def chances(pairs: Sequence[tuple[Mapping[str, float], Mapping[TitleId, int]]]) -> list[Mapping[str, float]]:
            return [_chances(one, pair[1]) for one, pair in zip(each("chances", pairs), pairs, strict=True)]

        return Home(scores=lambda many: each("scores", [[history] for history in many]), chances=chances)

    return make


def _chances(answer: Mapping[str, float], viewers: Mapping[TitleId, int]) -> Mapping[str, float]:
    if min(answer.values(), default=0) < 0 or sum(answer.values()) > 1 + 1e-9:
        raise Broken(f"chances are 0 or more and add up to at most 1, got {str(answer)[:80]}")
    if not answer.keys() <= viewers.keys():
        raise Broken(f"only fresh titles may take the place, got {sorted(answer.keys() - viewers.keys())[:3]}")
    return answer


def judge(decider: Decider, seed: int) -> Judged:
    """A week of each audience, and of what is most popular beside it."""
    weeks = [live(audience(seed, number), seed, asked(decider, number)) for number in range(AUDIENCES)]
    popular = [by_popularity(seed, number) for number in range(AUDIENCES)]

    def share(*, cold: bool) -> float:
        theirs, yours = (sum(one.played(cold=cold) for one in some) for some in (popular, weeks))
        return theirs / max(1e-9, yours)

    propensities = [each for week in weeks for each in week.propensities.values()]
    measures = {
        "popular_to_yours": share(cold=False), "popular_to_yours_cold": share(cold=True),
        "unjudged_share": sum(one < ENOUGH for one in propensities) / len(propensities),
    }  # fmt: skip
    reason = _tell(weeks, measures)
    worst = max(weeks, key=lambda week: sum(one < ENOUGH for one in week.propensities.values()))
    return Judged(passed=not reason, reason=reason, picture=_draw(worst) if reason else "", measures=measures)


def live(world: Audience, seed: int, make: Make) -> Week:
    """Days of pages; who is there sees one page a day and chooses from it, or leaves."""
    chance = Random(f"cold start|{seed}")  # noqa: S311 (repeatable, not secret)
    number = {who: at for at, who in enumerate(world.profiles)}
    place = {title.id: at for at, title in enumerate(world.titles)}
    views, pages, summed = list(world.before), list[Page](), defaultdict[TitleId, float](float)
    for day in range(NOW_DAY, DAYS):
        now_ms = day * DAY_MS
        titles = [title for title in world.titles if title.added_ms <= now_ms]
        watched = defaultdict[ProfileId, list[TitleId]](list)
        for view in reversed(views):
            watched[view.profile_id].append(view.title_id)
        count = Counter(view.title_id for view in views)
        fresh = {title.id: count[title.id] for title in titles if title.added_ms > now_ms - NEW_DAYS * DAY_MS}
        there = [one for one in world.profiles if chance.random() < ACTIVE]
        home = make(day, titles, views, now_ms)
        scores = home.scores([watched[one] for one in there])
        viewers = [{one: n for one, n in fresh.items() if one not in watched[who]} for who in there]
        chances = home.chances(list(zip(scores, viewers, strict=True)))
        for who, score, given in zip(there, scores, chances, strict=True):
            ten = _ten(titles, score, given, watched[who], chance.random())
            for title_id, propensity in given.items():
                summed[TitleId(title_id)] += propensity
            pull = [math.exp(world.appeal[number[who]][place[one]]) for one in ten]
            played = sum(pull) / (sum(pull) + LEAVES)
            pages.append(Page(day, not watched[who], ten, played))
            if chance.random() < played:
                views.append(View(who, chance.choices(ten, pull)[0], now_ms))
    last_ms = (DAYS - 2) * DAY_MS
    judged = [one.id for one in world.titles if (NOW_DAY - NEW_DAYS + 2) * DAY_MS < one.added_ms <= last_ms]
    return Week(pages, {one: summed[one] for one in judged})


def _ten(
    titles: Sequence[Title],
    scores: Mapping[str, float],
    chances: Mapping[str, float],
    watched: Sequence[TitleId],
    at: float,
) -> list[TitleId]:
    """Nine by score, and the place that is drawn for."""
    newest = sorted((one for one in titles if one.id not in {*watched}), key=lambda one: -one.added_ms)
    ranked = [one.id for one in sorted(newest, key=lambda one: -scores.get(one.id, 0.0))]
    drawn = draw({TitleId(one): chance for one, chance in chances.items()}, at)
    ten = ranked[:SHOWN]
    return [*ten[:-1], drawn.title_id] if drawn and drawn.title_id not in ten else ten


@functools.lru_cache(maxsize=16)
def by_popularity(seed: int, number: int) -> Week:
    """What most have watched, to everybody, and no place for anything else."""

    def make(_day: int, _titles: Sequence[Title], views: Sequence[View], _now_ms: int) -> Home:
        counted: Counter[str] = Counter(view.title_id for view in views)
        return Home(lambda many: [counted] * len(many), lambda many: [{}] * len(many))

    return live(audience(seed, number), seed, make)


def _tell(weeks: Sequence[Week], measures: Mapping[str, float]) -> str:
    for key, least, whose in (
        ("popular_to_yours", LEAST_WARM, "people who are known"),
        ("popular_to_yours_cold", LEAST_COLD, "new people"),
    ):
        if 1 / measures[key] < least:
            return (
                f"pages of {whose} are played from {1 / measures[key]:.2f} times as often as with what is most "
                f"popular, less than {least}"
            )
    if measures["unjudged_share"] > MOST_UNJUDGED:
        least, title_id = min((each, one) for week in weeks for one, each in week.propensities.items())
        return (
            f"{measures['unjudged_share']:.0%} of the fresh titles cannot be judged, more than {MOST_UNJUDGED:.0%}: "
            f"the chances of {title_id} add up to {least:.1f}"
        )
    return ""


def _draw(week: Week) -> str:
    """A column for each fresh title: what its logged chances add up to."""
    sums = sorted(week.propensities.values(), reverse=True)
    top, wide, columns = 4 * ENOUGH, 560 / len(sums), []
    for at, one in enumerate(sums):
        high = max(4.0, 130 * min(1.0, one / top))
        columns.append(
            f'<rect class="{"allowed" if one >= ENOUGH else "wrong"}" x="{20 + wide * at:.1f}" y="{150 - high:.1f}" '
            f'width="{max(2.0, wide - 3):.1f}" height="{high:.1f}"/>'
        )
    return picture(
        f"Fresh titles by what their logged chances add up to in a week; {ENOUGH:g} are enough to judge one",
        f'{"".join(columns)}<path class="line" d="M20 {150 - 130 * ENOUGH / top:.1f}H580"/>'
        '<path class="axis" d="M20 150H580"/>',
        height=156,
        across=f"{len(sums)} fresh titles",
        up=f"sum of chances, {top:g} and more at the top",
        key={"allowed": "enough", "wrong": "too few to judge", "line": f"{ENOUGH:g}"},
    )


class _Even:
    """Every fresh title alike."""

    def chances(self, _scores: Mapping[TitleId, float], viewers: Mapping[TitleId, int]) -> Mapping[TitleId, float]:
        return dict.fromkeys(viewers, 1 / max(1, len(viewers)))


class _Never:
    """No place for what is fresh."""

    def chances(self, _scores: Mapping[TitleId, float], _viewers: Mapping[TitleId, int]) -> Mapping[TitleId, float]:
        return {}


class _Fed:
    """A ranking and an exploring of our own, told in the words of JSON."""

    def __init__(self, rank: Callable[..., Ranking], explore: Callable[[], Exploring], *given: Any) -> None:
        self._ranking, self._exploring = rank(*heard(*given)), explore()

    def scores(self, history: Sequence[TitleId]) -> dict[TitleId, float]:
        return dict(self._ranking.scores(history))

    def chances(self, scores: Mapping[TitleId, float], viewers: Mapping[TitleId, int]) -> dict[TitleId, float]:
        return dict(self._exploring.chances(scores, viewers))


def _policy(rank: Callable[..., Ranking], explore: Callable[[], Exploring]) -> Callable[[], Decider]:
    return lambda: own(Home=functools.partial(_Fed, rank, explore))


LAB = Lab(
    id="cold-start",
    title="Titles and people that nobody knows yet",
    brief=BRIEF,
    driver=DRIVER,
    judge=judge,
    policies={
        "reelwright": _policy(ours, EvenAndTaste),
        "textbook, every fresh title alike": _policy(ours, _Even),
        "textbook, nothing explored": _policy(ours, _Never),
    },
    predicts=Prediction(
        asks="How often are pages of new people played from with what is most popular, beside Reelwright's own?",
        measure="popular_to_yours_cold",
        policy="reelwright",
    ),
    shows=(("domain", 5), ("judgment", 4), ("design", 3)),
    bounds=Bounds(cpu_s=60, wall_s=150),
)
