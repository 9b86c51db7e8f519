"""Lab: how much each title may mean to a viewer, judged by what made-up people watched next."""

from __future__ import annotations

import functools
import math
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
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
from reelwright.practice.labs.viewing import NOW_MS, Audience, audience
from reelwright.recommend.core.likeness import Likeness
from reelwright.recommend.core.ranking import ByTaste, ByViewers, Ranking, Together

AUDIENCES, SHOWN, AT_ONCE, RETOLD = 2, 10, 60, 40
LEAST_GAIN, LEAST_EXPOSED, MOST_TIMES = 1.3, 0.42, 10
"""NDCG over popularity's; share of the titles that somebody is shown; CPU time of a page over the textbook's."""
BANDS = 10
BRIEF = """\
Write `class Ranking` with `__init__(self, titles, views, now_ms)` and `scores(self, history)`: a dict from title ids
to numbers, where larger is better and what is left out is 0. The page shows the ten best that are there and that this
viewer has not watched.

`titles` have `id`, `genres`, `people` (names) and `added_ms`; `views` have `profile_id`, `title_id` and `at_ms`, of
all people and in order of time; `history` is what one viewer has watched, latest first. Nothing after `now_ms` may be
used: tables are filled late, and rows of later hours may be among the views.

It is judged by what the people of two made-up audiences watch in the week after. It passes when NDCG@10 is at least
1.3 times that of showing everybody what is most popular, 42 % of the titles are among somebody's ten, a page takes at
most ten times the CPU time of adding up item-item cosines that were learnt beforehand, measured beside yours, and no
page changes when rows of after `now_ms` are added.
"""


class Asked:
    """The person's ranking, held to finite numbers."""

    def __init__(self, decider: Decider, key: str, world: Audience, views: Sequence[View]) -> None:
        titles = [told(title) for title in world.titles]
        self._remote = Remote(decider, key, "Ranking", titles, msgspec.to_builtins(views), NOW_MS)
        self._histories = world.histories
        self.used_ns = 0

    def scores(self, profiles: Sequence[ProfileId]) -> dict[ProfileId, dict[str, float]]:
        """Their scores for each viewer's history. Raises Broken."""
        begun_ns, found = self._remote.cpu_ns(), {}
        for some in (profiles[at : at + AT_ONCE] for at in range(0, len(profiles), AT_ONCE)):
            answers = self._remote.calls([("scores", [self._histories[one]]) for one in some])
            found.update({one: numbers(answer) for one, answer in zip(some, answers, strict=True)})
        self.used_ns += self._remote.cpu_ns() - begun_ns
        return found


def told(title: Title) -> dict[str, Any]:
    """A title in JSON, as the person is told it."""
    return {
        "id": title.id, "genres": list(title.genres), "people": [one.name for one in title.people],
        "added_ms": title.added_ms,
    }  # fmt: skip


def numbers(answer: Any) -> dict[str, float]:
    """A dict of finite numbers, or what is wrong with it. Raises Broken."""
    if not isinstance(answer, dict):
        raise Broken(f"scores returns a dict from title ids to numbers, got {str(answer)[:80]}")
    for title, score in answer.items():
        if type(score) not in (int, float) or not math.isfinite(score):
            raise Broken(f"the score of {title[:20]} is a finite number, got {str(score)[:80]}")
    return answer


class Shown(msgspec.Struct, frozen=True):
    """What one viewer was shown, and what they watched next."""

    profile_id: ProfileId
    ten: list[TitleId]
    next: list[TitleId]

    @property
    def ndcg(self) -> float:
        """Of what could be shown, the first ten they watched; 1 is all of it first."""
        wanted = self.next[:SHOWN]
        gained = sum(1 / math.log2(place + 2) for place, one in enumerate(self.ten) if one in wanted)
        return gained / sum(1 / math.log2(place + 2) for place in range(len(wanted)))

    @property
    def recall(self) -> float:
        """Share of them that was shown."""
        wanted = self.next[:SHOWN]
        return len({*self.ten} & {*wanted}) / len(wanted)


def judge(decider: Decider, seed: int) -> Judged:
    """Every viewer of every audience who watches something next."""
    found, used_ns, usual_ns, changed = list[Shown](), 0, 0, ""
    popular, exposed = list[Shown](), list[float]()
    for number in range(AUDIENCES):
        world = audience(seed, number)
        asked = Asked(decider, f"audience {number}", world, world.before)
        shown = show(world, asked.scores(judged(world)))
        used_ns += asked.used_ns
        usual_ns += _textbook_ns(seed, number)
        changed = changed or _changed(decider, f"audience {number}, later", world, shown)
        exposed.append(len({one for each in shown for one in each.ten}) / len(there_now(world)))
        found += shown
        popular += most_popular(seed, number)
        if used_ns > MOST_TIMES * usual_ns:  # all of it would take minutes
            break
    measures = {
        "ndcg_lost": 1 - _mean(found), "recall_lost": 1 - sum(one.recall for one in found) / len(found),
        "popular_to_yours": _mean(popular) / max(1e-9, _mean(found)),
        "titles_unseen": 1 - sum(exposed) / len(exposed),
        "cpu_to_textbook": used_ns / usual_ns,
    }  # fmt: skip
    reason = changed or _tell(found, measures)
    return Judged(passed=not reason, reason=reason, picture=_draw(world, shown) if reason else "", measures=measures)


def judged(world: Audience) -> list[ProfileId]:
    """Who had watched something, and watches something next that is there now."""
    there = {title.id for title in there_now(world)}
    return [one for one, then in world.following.items() if one in world.histories and there & {*then}]


def there_now(world: Audience) -> list[Title]:
    """Newest first, as the page has them."""
    return sorted((one for one in world.titles if one.added_ms <= NOW_MS), key=lambda one: -one.added_ms)


def show(world: Audience, scores: Mapping[ProfileId, Mapping[str, float]]) -> list[Shown]:
    """The ten best of what each viewer has not watched; what is equal stays in the page's order."""
    there = [title.id for title in there_now(world)]
    found = []
    for profile_id, score in scores.items():
        watched = {*world.histories[profile_id]}
        fresh = sorted((one for one in there if one not in watched), key=lambda one: -score.get(one, 0.0))
        then = [one for one in world.following[profile_id] if one in {*there}]
        found.append(Shown(profile_id, fresh[:SHOWN], then))
    return found


@functools.lru_cache(maxsize=16)
def most_popular(seed: int, number: int) -> list[Shown]:
    """What most have watched, to everybody."""
    world = audience(seed, number)
    counted: Counter[str] = Counter(view.title_id for view in world.before)
    return show(world, dict.fromkeys(judged(world), counted))


def _changed(decider: Decider, key: str, world: Audience, before: Sequence[Shown]) -> str:
    """Whether pages change when it is told what is watched later."""
    asked = Asked(decider, key, world, (*world.before, *world.after))
    again = show(world, asked.scores(judged(world)[:RETOLD]))
    for one, other in zip(before, again, strict=False):
        if one.ten != other.ten:
            return (
                f"the page of {one.profile_id} changes with what was watched after now: {_names(one.ten)} become "
                f"{_names(other.ten)}, and {_names(one.next)} is what they watch next"
            )
    return ""


def _mean(found: Sequence[Shown]) -> float:
    return sum(one.ndcg for one in found) / len(found)


def _tell(found: Sequence[Shown], measures: Mapping[str, float]) -> str:
    gain = 1 / measures["popular_to_yours"]
    if gain < LEAST_GAIN:
        worst = min(found, key=lambda one: (one.ndcg, -len(one.next)))
        return (
            f"NDCG@10 is {gain:.2f} times that of what is most popular, less than {LEAST_GAIN}; {worst.profile_id} "
            f"is shown {_names(worst.ten)}, and watches {_names(worst.next)}"
        )
    if 1 - measures["titles_unseen"] < LEAST_EXPOSED:
        often = Counter(one for each in found for one in each.ten).most_common(3)
        said = ", ".join(f"{title} on {count / len(found):.0%}" for title, count in often)
        return (
            f"{1 - measures['titles_unseen']:.0%} of the titles are shown to anybody, less than {LEAST_EXPOSED:.0%}; "
            f"of the pages {said}"
        )
    slow = measures["cpu_to_textbook"] > MOST_TIMES
    return f"a page takes more than {MOST_TIMES} times the textbook's CPU time" if slow else ""


def _names(ids: Sequence[str]) -> str:
    return " ".join(ids[:5]) + (" and others" if len(ids) > 5 else "")


def _draw(world: Audience, found: Sequence[Shown]) -> str:
    """Titles in bands by how many watched them: columns for what people watch next, dots for what they are shown."""
    views = Counter(view.title_id for view in world.before)
    there = [title.id for title in there_now(world)]
    places = {one: at * BANDS // len(there) for at, one in enumerate(sorted(there, key=lambda one: -views[one]))}
    watched = Counter(places[one] for each in found for one in each.next)
    shown = Counter(places[one] for each in found for one in each.ten)
    top = max(*(_share(of, band) for of in (watched, shown) for band in range(BANDS)), 0.01)
    wide, columns, dots = 560 / BANDS, [], []
    for band in range(BANDS):
        x, next_, now = 20 + wide * band, 130 * _share(watched, band) / top, 130 * _share(shown, band) / top
        columns.append(
            f'<rect class="batch" x="{x:.1f}" y="{150 - next_:.1f}" width="{wide - 4:.1f}" height="{next_:.1f}"/>'
        )
        kind = "wrong" if now > 1.5 * next_ or now < next_ / 3 else "allowed"
        dots.append(f'<circle class="{kind}" cx="{x + wide / 2 - 2:.1f}" cy="{150 - now:.1f}" r="4"/>')
    return picture(
        "Titles in ten bands by popularity: columns for what people watch next, dots for what they are shown",
        f'{"".join(columns)}{"".join(dots)}<path class="axis" d="M20 150H580"/>',
        height=156,
        across="the most watched tenth of the titles to the least",
        up=f"share of plays and of places, up to {top:.0%}",
        key={"batch": "watched next", "allowed": "shown", "wrong": "shown half as often again, or a third"},
    )


def _share(of: Counter[int], band: int) -> float:
    return of[band] / max(1, of.total())


def heard(titles: Sequence[Any], views: Any, now_ms: int) -> tuple[list[Title], list[View], int]:
    """What was told in JSON, as our own have it."""
    named = [
        {"kind": "film", "name": one["id"], **one, "people": [{"name": name} for name in one["people"]]}
        for one in titles
    ]
    return msgspec.convert(named, list[Title]), msgspec.convert(views, list[View]), now_ms


class _Fed:
    """One of our own, told in the words of JSON."""

    def __init__(self, make: Callable[[Sequence[Title], Sequence[View], int], Ranking], *given: Any) -> None:
        self._ranking = make(*heard(*given))

    def scores(self, history: Sequence[TitleId]) -> dict[TitleId, float]:
        return dict(self._ranking.scores(history))


def _policy(make: Callable[[Sequence[Title], Sequence[View], int], Ranking]) -> Callable[[], Decider]:
    return lambda: own(Ranking=functools.partial(_Fed, make))


class _Counted:
    """What most have watched."""

    def __init__(self, _titles: Sequence[Title], views: Sequence[View], now_ms: int) -> None:
        self._counted = Counter(view.title_id for view in views if view.at_ms <= now_ms)

    def scores(self, _history: Sequence[TitleId]) -> Mapping[TitleId, float]:
        return self._counted


class _Cosine:
    """Item-item cosine of viewers alone."""

    def __init__(self, _titles: Sequence[Title], views: Sequence[View], now_ms: int) -> None:
        self._alike = Together(views, now_ms=now_ms, shrinkage=0).alike

    def scores(self, history: Sequence[TitleId]) -> Mapping[TitleId, float]:
        found: Counter[TitleId] = Counter()
        for seed in history:
            found.update(self._alike.get(seed, {}))
        return found


@functools.lru_cache(maxsize=16)
def _textbook_ns(seed: int, number: int) -> int:
    """CPU time of the cosine's pages, here and now: how fast a machine is no person can help."""
    world = audience(seed, number)
    asked = Asked(_policy(_Cosine)(), f"audience {number}", world, world.before)
    asked.scores(judged(world))
    return asked.used_ns


def ours(titles: Sequence[Title], views: Sequence[View], now_ms: int) -> Ranking:
    """The ranking of the home page by viewers."""
    return ByViewers(_taste(titles, views, now_ms), Together(views, now_ms=now_ms))


def _taste(titles: Sequence[Title], _views: Sequence[View], _now_ms: int) -> Ranking:
    return ByTaste(Likeness(titles), titles)


LAB = Lab(
    id="ranker",
    title="What a viewer will want next",
    brief=BRIEF,
    driver=DRIVER,
    judge=judge,
    policies={
        "reelwright": _policy(ours),
        "reelwright, by taste": _policy(_taste),
        "textbook, item-item cosine": _policy(_Cosine),
        "textbook, the most popular": _policy(_Counted),
    },
    predicts=Prediction(
        asks="What share of the titles does nobody see where everybody is shown the most popular ten (0 to 1)?",
        measure="titles_unseen",
        policy="textbook, the most popular",
    ),
    shows=(("domain", 5), ("scale", 3), ("correctness", 4)),
    bounds=Bounds(cpu_s=60, wall_s=150),
)
