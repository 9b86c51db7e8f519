"""The home page is decided on recorded signals alone, shows nothing twice, and tells the truth about its reasons."""

from __future__ import annotations

from random import Random

from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from reelwright.catalog.contract import Person, Playable, Title, TitleDetail
from reelwright.events.contract import View, Watched
from reelwright.experiments.core.interleaving import team_draft
from reelwright.kernel.ids import PlayableId, ProfileId, TitleId
from reelwright.recommend.contract import Page, Slot
from reelwright.recommend.core.interleave import interleave_pages
from reelwright.recommend.core.likeness import Likeness
from reelwright.recommend.core.page import BEGUN_S, Signals, build_page, top_ten
from reelwright.recommend.core.ranking import Together

NOW_MS = 1_800_000_000_000
GENRES = ("Drama", "Nature", "Mystery", "Family")
PEOPLE = ("Ada Low", "Bo Tan", "Cy Ek")


def title_of(
    number: int, genres: tuple[str, ...] = (), people: tuple[str, ...] = (), *, episodes: int = 0
) -> TitleDetail:
    """A title with playables that are ready."""
    title_id = TitleId(f"t{number:03}")
    title = Title(
        id=title_id,
        kind="series" if episodes else "film",
        name=f"Title {number}",
        genres=genres,
        people=tuple(Person(name=name, role="director") for name in people),
        added_ms=NOW_MS - number * 1000,
    )
    playables = tuple(
        Playable(
            id=PlayableId(f"p{number:03}-{episode}"),
            title_id=title_id,
            name=f"Part {episode}",
            season=1 if episodes else None,
            episode=episode if episodes else None,
            state="ready",
            duration_s=100,
        )
        for episode in range(1, max(1, episodes) + 1)
    )
    return TitleDetail(title=title, playables=playables)


TITLES = st.lists(
    st.tuples(
        st.lists(st.sampled_from(GENRES), max_size=3, unique=True),
        st.lists(st.sampled_from(PEOPLE), max_size=2, unique=True),
        st.sampled_from((0, 0, 3)),
    ),
    max_size=25,
).map(lambda rows: [title_of(n, tuple(g), tuple(p), episodes=e) for n, (g, p, e) in enumerate(rows)])


@st.composite
def signals(draw: st.DrawFn) -> Signals:
    """Any recorded state, also of titles that are gone."""
    titles = draw(TITLES)
    playables = [playable for detail in titles for playable in detail.playables]
    watched = [
        Watched(
            playable_id=playable.id,
            title_id=playable.title_id,
            position_s=draw(st.sampled_from((0.0, 2.0, 40.0, 99.0))),
            duration_s=100.0,
            finished=draw(st.booleans()),
            last_ms=NOW_MS - draw(st.integers(0, 10**9)),
        )
        for playable in playables
        if draw(st.booleans())
    ]
    ids = [detail.title.id for detail in titles] + [TitleId("gone")]
    return Signals(
        titles=titles,
        watched=sorted(watched, key=lambda row: -row.last_ms),
        saved=draw(st.lists(st.sampled_from(ids), unique=True)),
        thumbs=draw(st.dictionaries(st.sampled_from(ids), st.sampled_from((-1, 1)))),
        views_day=draw(st.dictionaries(st.sampled_from(ids), st.integers(1, 9))),
        views_week=draw(st.dictionaries(st.sampled_from(ids), st.integers(1, 9))),
        now_ms=NOW_MS,
    )


def slots(page: Page) -> list[Slot]:
    """Everything on the page."""
    return [*([page.billboard] if page.billboard else []), *(slot for row in page.rows for slot in row.slots)]


@given(signals())
def test_no_title_stands_twice_on_a_page(given_signals: Signals) -> None:
    """A viewer never meets the same card again further down."""
    ids = [slot.title.id for slot in slots(build_page(given_signals))]
    assert len(ids) == len(set(ids))


@given(signals())
def test_a_page_is_empty_only_where_there_is_nothing(given_signals: Signals) -> None:
    """Whoever has seen all of a small library is not told to put films into it."""
    assert bool(slots(build_page(given_signals))) == bool(given_signals.titles)


@given(signals())
def test_only_what_the_viewer_may_see_is_shown(given_signals: Signals) -> None:
    """Views, thumbs and lists may name titles that this viewer must not learn of."""
    there = {detail.title.id for detail in given_signals.titles}
    assert {slot.title.id for slot in slots(build_page(given_signals))} <= there


@given(signals())
def test_the_same_signals_give_the_same_page(given_signals: Signals) -> None:
    """Nothing is random, and no order depends on a hash."""
    assert build_page(given_signals) == build_page(given_signals)


@given(signals())
def test_continue_watching_holds_what_was_begun_and_not_finished(given_signals: Signals) -> None:
    """The latest begun first; nothing that was finished or hardly opened."""
    page = build_page(given_signals)
    row = next((row for row in page.rows if row.kind == "continue"), None)
    last: dict[TitleId, Watched] = {}
    for entry in given_signals.watched:
        last.setdefault(entry.title_id, entry)
    expected = [entry.playable_id for entry in last.values() if not entry.finished and entry.position_s >= BEGUN_S]
    assert [slot.playable_id for slot in row.slots] == expected[:24] if row else expected == []


@given(TITLES)
def test_a_reason_names_what_is_truly_shared(titles: list[TitleDetail]) -> None:
    """ "Shares X" is said of both titles, for every pair."""
    by_id = {detail.title.id: detail.title for detail in titles}
    likeness = Likeness(list(by_id.values()))
    for seed in by_id.values():
        for found in likeness.alike(seed):
            other = by_id[found.title_id]
            names = {*seed.genres, *(person.name for person in seed.people)}
            others = {*other.genres, *(person.name for person in other.people)}
            said = found.evidence.removeprefix("shares ").replace("the director ", "").split(" and ")
            assert set(said) <= names & others and said


def test_a_rare_shared_person_says_more_than_a_common_genre() -> None:
    """Every title is a drama; one shares the director."""
    titles = [title_of(n, ("Drama",), ("Ada Low",) if n in (0, 7) else ()).title for n in range(10)]
    best = Likeness(titles).alike(titles[0])[0]
    assert best.title_id == "t007" and "the director Ada Low" in best.evidence


def test_a_finished_episode_offers_the_next_one() -> None:
    """Season order, and only what is ready."""
    series = title_of(1, ("Drama",), episodes=3)
    watched = Watched(
        playable_id=series.playables[0].id,
        title_id=series.title.id,
        position_s=99,
        duration_s=100,
        finished=True,
        last_ms=NOW_MS,
    )
    page = build_page(_signals([series], watched=[watched]))
    row = next(row for row in page.rows if row.kind == "next_episode")
    assert row.slots[0].playable_id == series.playables[1].id


def test_a_series_seeds_because_you_watched() -> None:
    """Not only films have something in common."""
    series = title_of(1, ("Mystery",), ("Ada Low",), episodes=2)
    likes = [title_of(n, ("Mystery",), ("Ada Low",)) for n in (2, 3, 4)]
    others = [title_of(n, ("Nature",)) for n in (5, 6, 7)]
    watched = Watched(
        playable_id=series.playables[0].id,
        title_id=series.title.id,
        position_s=50,
        duration_s=100,
        finished=False,
        last_ms=NOW_MS,
    )
    page = build_page(_signals([series, *likes, *others], watched=[watched]))
    row = next(row for row in page.rows if row.kind == "because")
    assert row.heading == "Because you watched Title 1"
    assert {slot.title.id for slot in row.slots} | {page.billboard.title.id if page.billboard else ""} == {
        "t002",
        "t003",
        "t004",
    }


def test_an_empty_catalogue_gives_an_empty_page() -> None:
    """The page says then what will be here."""
    assert build_page(_signals([])) == Page(billboard=None, rows=())


@given(st.dictionaries(st.sampled_from([TitleId(f"t{n}") for n in range(15)]), st.integers(1, 5)))
def test_the_top_ten_is_ordered_by_viewers_and_never_flickers(views: dict[TitleId, int]) -> None:
    """Most viewers first; ties in a fixed order, whatever order the counts come in."""
    there = [TitleId(f"t{n}") for n in range(15)]
    top = top_ten({}, views, there)
    counts = [views[title_id] for title_id in top.title_ids]
    assert counts == sorted(views.values(), reverse=True)[:10]
    assert top == top_ten({}, dict(reversed(views.items())), there[::-1])


def _signals(titles: list[TitleDetail], *, watched: list[Watched] | None = None) -> Signals:
    return Signals(
        titles=titles, watched=watched or [], saved=[], thumbs={}, views_day={}, views_week={}, now_ms=NOW_MS
    )


@given(signals(), st.randoms(use_true_random=False))
def test_interleaved_pages_show_what_both_show_and_nothing_twice(found: Signals, random: Random) -> None:
    """Rows that are ordered alike stay, and what is in them is nobody's; each pick stands in one of both rows."""
    first, second = build_page(found, ranker="popular"), build_page(found, ranker="taste")
    page, picks = interleave_pages(
        first, second, lambda _, ours, theirs, most: team_draft(ours, theirs, most, lambda: random.random() < 0.5)
    )
    shown = [slot.title.id for row in page.rows for slot in row.slots]
    assert len(set(shown)) == len(shown) and picks.keys() <= set(shown)
    others = {(row.kind, row.heading): row for row in second.rows}
    sources = {(row.kind, row.heading): row for row in first.rows}
    for row in page.rows:
        key = row.kind, row.heading
        both = {slot.title.id for one in (sources[key], others.get(key, sources[key])) for slot in one.slots}
        assert {slot.title.id for slot in row.slots} <= both and len(row.slots) <= len(sources[key].slots)
    if first == second:
        assert page == first and not picks


def test_the_ranker_by_viewers_puts_first_what_the_same_people_watched() -> None:
    """Among what is new, whatever its age and genre."""
    titles = [title_of(number) for number in range(6)]
    watched = Watched(
        playable_id=titles[0].playables[0].id, title_id=titles[0].title.id, position_s=99, duration_s=100,
        finished=True, last_ms=NOW_MS,
    )  # fmt: skip
    views = [View(ProfileId(who), titles[number].title.id, NOW_MS) for who in "pqr" for number in (0, 4)]
    signals = replace(_signals(titles, watched=[watched]), together=Together(views, now_ms=NOW_MS))
    firsts = [
        next(
            slot.title.id
            for row in build_page(signals, ranker=ranker).rows
            if row.kind == "new"
            for slot in row.slots
        )
        for ranker in ("viewers", "popular")
    ]
    assert firsts[0] == titles[4].title.id != firsts[1]
