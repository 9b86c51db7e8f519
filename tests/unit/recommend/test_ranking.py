"""What a ranking learns from who watched what."""

from __future__ import annotations

import subprocess
import sys
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reelwright.catalog.contract import Person, Title
from reelwright.events.contract import View
from reelwright.kernel.ids import ProfileId, TitleId
from reelwright.recommend.core.likeness import Likeness
from reelwright.recommend.core.ranking import HISTORY_MOST, ByTaste, ByViewers, Together

NOW_MS = 100 * 86_400_000
TITLES = [
    Title(id=TitleId(name), kind="film", name=name, genres=genres, people=(Person(name=who, role="director"),))
    for name, genres, who in (
        ("a", ("drama",), "Ada"), ("b", ("drama",), "Bo"), ("c", ("comedy",), "Ada"), ("d", ("horror",), "Cy"),
    )
]  # fmt: skip
A, B, C, D = (title.id for title in TITLES)


def view(profile: str, title: TitleId, at_ms: int = NOW_MS) -> View:
    """One view."""
    return View(ProfileId(profile), title, at_ms)


def together(*watched: str, **more: float) -> Together:
    """Of profiles who watched titles named by letters."""
    views = [view(f"p{number}", TitleId(one)) for number, titles in enumerate(watched) for one in titles]
    return Together(views, now_ms=NOW_MS, **more)


def test_titles_with_the_same_viewers_are_alike() -> None:
    """By the cosine: of those who watched either, how many watched both."""
    found = together("ab", "ab", "a", "cd", shrinkage=0).alike
    assert found[A][B] == pytest.approx(2 / 6**0.5) and C not in found[A] and found[C] == {D: 1.0}


def test_few_viewers_are_believed_less() -> None:
    """One who watched both makes the same cosine as ten, and less of it counts."""
    few, many = together("ab").alike[A][B], together(*["ab"] * 10).alike[A][B]
    assert few < many < 1


VIEWS = st.lists(st.tuples(st.sampled_from("pqr"), st.sampled_from("abcd"), st.integers(0, 2 * NOW_MS)), max_size=30)


@given(VIEWS)
def test_what_comes_later_is_not_known(told: list[tuple[str, str, int]]) -> None:
    """Tables are filled late, and clocks run ahead: rows after now change nothing."""
    views = [view(profile, TitleId(title), at_ms) for profile, title, at_ms in told]
    known = Together([one for one in views if one.at_ms <= NOW_MS], now_ms=NOW_MS)
    whole = Together(views, now_ms=NOW_MS)
    assert (whole.alike, whole.popular) == (known.alike, known.popular)


@given(VIEWS, st.randoms(use_true_random=False))
def test_the_order_of_rows_does_not_matter(told: list[tuple[str, str, int]], random: Random) -> None:
    """A table has none."""
    views = [view(profile, TitleId(title), at_ms) for profile, title, at_ms in told]
    shuffled = random.sample(views, len(views))
    one, other = (Together(some, now_ms=NOW_MS) for some in (views, shuffled))
    assert (one.alike, one.popular) == (other.alike, other.popular)


def test_who_watches_all_day_does_not_decide_for_everybody() -> None:
    """Only the latest titles of a profile are learnt from."""
    views = [view("p", TitleId(f"t{number}"), number) for number in range(HISTORY_MOST + 5)]
    assert len(Together(views, now_ms=NOW_MS).alike) == HISTORY_MOST


def test_what_nobody_watched_has_its_words() -> None:
    """A title that came today is placed by genres and people, and what was watched together comes before it."""
    taste = ByTaste(Likeness(TITLES), TITLES)
    scores = ByViewers(taste, together("ad", "ad", "ad")).scores([A])
    assert scores[D] > scores[C] > 0 and scores[B] > 0


def test_what_was_watched_last_counts_most() -> None:
    """The further back, the less it says of now."""
    ranking = ByViewers(ByTaste(Likeness([]), ()), together("ab", "cd"))
    assert ranking.scores([A, C])[B] > ranking.scores([A, C])[D] > 0


def test_without_anything_known_nothing_is_said() -> None:
    """Ids of titles that went are no error."""
    assert not ByViewers(ByTaste(Likeness([]), ()), Together()).scores([A, TitleId("gone")])


LIKENESS = """
from random import Random
from reelwright.catalog.contract import Title
from reelwright.recommend import Likeness
draw = Random(1)
words = [tuple(draw.sample("abcdefgh", draw.randint(1, 5))) for _ in range(60)]
words += [one[::-1] for one in words]
films = [Title(id=f"{at}", kind="film", name="", genres=one) for at, one in enumerate(words)]
likeness = Likeness(films)
print([[(row.title_id, row.score) for row in likeness.alike(film)] for film in films])
"""


def test_every_process_ranks_alike() -> None:
    """Words are hashed with another seed in each process; sums must not depend on the order they come in."""
    told = {
        subprocess.run(
            [sys.executable, "-c", LIKENESS], env={"PYTHONHASHSEED": seed}, check=True, capture_output=True
        ).stdout
        for seed in ("1", "2", "3")
    }
    assert len(told) == 1
