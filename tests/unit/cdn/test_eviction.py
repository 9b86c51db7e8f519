"""Every eviction policy keeps its budget and its word, and replays are what they should be."""

from __future__ import annotations

import gzip
import struct
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from reelwright.cdn.core.eviction import POLICIES, ForesightPolicy, Visit, make_policy
from reelwright.cdn.core.foresight import Outlook
from reelwright.cdn.core.traces import VodScenario, vod_trace, zipf_trace
from reelwright.cdn.replay import Order, Trace, belady, read_trace, replay, replay_named
from reelwright.kernel.errors import Invalid

steps = st.lists(st.tuples(st.sampled_from(["get", "drop"]), st.integers(0, 30), st.integers(1, 40)), max_size=200)


@pytest.mark.parametrize("name", POLICIES)
@given(steps=steps)
def test_a_policy_keeps_its_budget_and_says_all_it_gives_up(name: str, steps: list[tuple[str, int, int]]) -> None:
    """What a disk holds is what was put less what was given up; the policy never differs from that."""
    policy = make_policy(name, 100)
    disk: dict[int, int] = {}
    for verb, key, size in steps:
        policy.note(Visit(key, size, 0.0))
        if verb == "drop":
            policy.drop(key)
            disk.pop(key, None)
        elif key in policy:
            policy.use(key)
        else:
            disk[key] = size
            for victim in policy.put(key, size):
                del disk[victim]  # type: ignore[arg-type]
        assert {one for one in range(31) if one in policy} == set(disk)
        assert policy.held_bytes == sum(disk.values()) <= 100
        assert len(policy) == len(disk)


def test_lru_gives_up_the_least_recently_used() -> None:
    """A hit renews."""
    policy = make_policy("lru", 3)
    for key in "abc":
        policy.put(key, 1)
    policy.use("a")
    assert policy.put("d", 1) == ["b"]


@pytest.mark.parametrize("name", ["sieve", "s3fifo", "wtinylfu", "foresight"])
def test_a_scan_does_not_push_out_what_is_used(name: str) -> None:
    """One-hit wonders leave before an object that was asked for five times."""
    visits = [Visit("hot", 1, float(at)) for at in range(5)]
    visits += [Visit(f"scan{at}", 1, 5.0 + at) for at in range(30)]
    policy = make_policy(name, 20)
    replay(visits, policy)
    assert "hot" in policy
    assert replay([*visits, Visit("hot", 1, 99.0)], make_policy("lru", 20)).hits == 4


def test_foresight_keeps_what_a_session_is_about_to_ask_for() -> None:
    """Of a film being watched the segments ahead of a second viewer stay; those behind the last go."""
    policy = make_policy("foresight", 20)

    def watch(session: str, index: int, now_s: float) -> bool:
        visit = Visit(("film", index), 1, now_s, session, "film/1080", index)
        policy.note(visit)
        hit = visit.key in policy
        if not hit:
            policy.put(visit.key, 1)
        return hit

    hits = [0, 0]
    for at in range(100):
        watch("first", at, at * 4.0)
        if at >= 12:
            hits[0 if at < 50 else 1] += watch("second", at - 12, at * 4.0 + 1)
    assert hits == [38, 50]


def _play(outlook: Outlook, title: str, session: str, begins_s: float, segments: int) -> None:
    for at in range(segments):
        outlook.note((title, at), 1, begins_s + 4.0 * at, session, f"{title}/1", at)


def test_foresight_believes_the_last_hours_before_the_last_days() -> None:
    """A release that is being begun is worth more than yesterday's success; one viewer does not make a success."""
    outlook = Outlook()
    for at in range(40):
        _play(outlook, "yesterday's", f"y{at}", 1000.0 * at, 1)
    for at in range(4):
        _play(outlook, "released", f"r{at}", 100_000.0 + 300 * at, 1)
    _play(outlook, "played once", "o", 101_400.0, 1)
    worth = {title: outlook.worth((title, 0)) for title in ("released", "yesterday's", "played once")}
    assert worth["released"] > worth["yesterday's"] > worth["played once"] > 0


def test_foresight_knows_from_long_films_where_viewers_leave_a_short_one() -> None:
    """By the part of the film: what half of all leave before its middle is worth half beyond it."""
    outlook = Outlook()
    _play(outlook, "short", "s", 0.0, 20)
    _play(outlook, "long", "whole", 0.0, 100)
    for at in range(60):
        _play(outlook, "long", f"l{at}", 1000.0 + 400 * at, 100 if at % 2 else 40)
    _play(outlook, "other", "last", 30_000.0, 1100)
    early, late = (outlook.worth(("short", at)) for at in (6, 12))
    assert late == pytest.approx(early / 2, rel=0.2)


def test_foresight_forgets_the_films_that_were_asked_for_longest_ago() -> None:
    """A film that comes back after that begins anew; one that stayed in demand does not."""
    outlook = Outlook(most=10)
    for at in range(20):
        _play(outlook, "old success", f"o{at}", 100.0 * at, 3)
    for at in range(12):
        _play(outlook, f"film {at}", f"f{at}", 5000.0 + 100 * at, 1)
        _play(outlook, "lasting success", f"l{at}", 5050.0 + 100 * at, 3)
    assert outlook.worth(("old success", 0)) == outlook.worth(("film 0", 0)) == 0
    assert outlook.worth(("film 11", 0)) > 0
    for at, title in enumerate(("old success", "never seen")):
        _play(outlook, title, f"again{at}", 6300.0 + at, 1)
    old, new, lasting = (outlook.worth((title, 0)) for title in ("old success", "never seen", "lasting success"))
    assert lasting > 2 * old > 0
    assert old == pytest.approx(new, rel=1e-4)


def test_foresight_remembers_an_object_once_though_two_streams_share_it() -> None:
    """The stream that asked for it last has it; the other goes when it has none, and may come back."""
    outlook = Outlook(most=2)
    for at in range(6):
        outlook.note("shared", 1, 10.0 * at, f"s{at}", f"film/{at % 2}", 0)
    outlook.note("other", 1, 70.0, "t", "other/0", 0)
    assert outlook.worth("shared") > 0 and outlook.worth("other") > 0
    outlook.note("third", 1, 80.0, "u", "other/0", 1)
    assert outlook.worth("shared") == 0 < outlook.worth("third")


def test_belady_is_never_worse_than_any_policy_on_equal_sizes() -> None:
    """It knows the future."""
    rng = np.random.default_rng(3)
    visits = [Visit(int(key), 1, float(at)) for at, key in enumerate(rng.zipf(1.3, 3000) % 200)]
    best = belady(visits, 30).hits
    assert all(replay(visits, make_policy(name, 30)).hits <= best for name in POLICIES)


def test_foresight_beats_lru_on_viewers_and_is_no_worse_on_pages() -> None:
    """The reason why it is there."""
    small = VodScenario(titles=40, sessions_a_day=60, days=1)
    films = Trace(list(vod_trace(small, np.random.default_rng(5))))
    pages = Trace(list(zipf_trace(8000, 3000, 0.8, np.random.default_rng(5))))
    for trace, factor in ((films, 0.97), (pages, 1.01)):
        budget = trace.working_set_bytes() // 10
        lru, ours = (replay_named(trace, name, budget).byte_miss_ratio for name in ("lru", "foresight"))
        assert ours <= lru * factor


@pytest.mark.parametrize("name", POLICIES)
def test_a_policy_with_less_room_is_one_that_never_had_more(name: str) -> None:
    """A plan to fill takes most of a cache's room: also what a policy measures itself by then has the rest."""
    visits = list(zipf_trace(3000, 800, 0.8, np.random.default_rng(7)))
    budget = Trace(visits).working_set_bytes() // 20
    shrunk = make_policy(name, 8 * budget)
    shrunk.resize(budget)
    assert replay(visits, shrunk) == replay(visits, make_policy(name, budget))


def test_foresight_judges_also_while_it_holds_nothing() -> None:
    """Its trials have objects when all of its own were purged."""
    policy = make_policy("foresight", 100)
    for key in range(300):
        policy.note(Visit(key, 7, 0.0))
        policy.put(key, 7)
        policy.drop(key)
    assert policy.held_bytes == 0


@pytest.mark.timeout(60)
@pytest.mark.parametrize("name", POLICIES)
def test_a_full_cache_whose_room_shrinks_gives_up_each_object_once(name: str) -> None:
    """With the next object, be that the least worth of all."""
    policy = make_policy(name, 1000)
    for key in [*range(100), *range(100)]:
        policy.note(Visit(key, 10, float(key)))
        if key in policy:
            policy.use(key)
        else:
            policy.put(key, 10)
    policy.resize(200)
    policy.note(Visit("new", 10, 300.0))
    given_up = policy.put("new", 10)
    assert len(given_up) == len(set(given_up)) >= 80
    assert policy.held_bytes <= 200 and not any(key in policy for key in given_up)


def _keys(kind: str) -> npt.NDArray[np.int64]:
    rng, turns = np.random.default_rng(8), np.arange(30_000)
    return {
        "popular": rng.zipf(1.2, 30_000) % 5000,
        "moving": turns // 6 + rng.integers(0, 120, 30_000),
        "round": turns % 400,
    }[kind]


@pytest.mark.parametrize(("kind", "style"), [("popular", "counting"), ("moving", "recent"), ("round", "regular")])
def test_foresight_follows_the_style_that_hits_most_and_is_never_much_worse_than_lru(kind: str, style: str) -> None:
    """A popularity that stays wants counting; a window that moves on wants recency; what comes round, its turn."""
    keys = _keys(kind)
    visits = [Visit(int(key), 1, float(at)) for at, key in enumerate(keys)]
    policy = ForesightPolicy(200)
    ours, lru = replay(visits, policy), replay(visits, make_policy("lru", 200))
    assert ours.byte_miss_ratio <= 1.01 * lru.byte_miss_ratio
    assert policy.style in (style, "fading")
    if kind != "moving":
        assert policy.style == style
    if kind == "round":
        assert lru.hits == 0 and ours.hits > 0.75 * len(visits) * 200 / 400


def test_traces_of_each_format_are_read_and_bad_lines_are_named(tmp_path: Path) -> None:
    """Nothing is lost for one bad line."""
    table = tmp_path / "a.csv"
    table.write_text("time,key,size\n1,a,10\nx,y\n2,b,-5\n3,a,10\n")
    oracle = tmp_path / "b.oracleGeneral"
    oracle.write_bytes(struct.pack("<IQIq", 1, 7, 10, -1) * 2 + b"odd")
    events = tmp_path / "c.jsonl"
    events.write_text('{"at_ms": 1, "object": "a", "size": 5, "session": "s"}\nnonsense\n')
    found = [read_trace(path) for path in (table, oracle, events)]
    assert [(len(one.visits), len(one.refused)) for one in found] == [(2, 2), (2, 1), (1, 1)]
    for path, text in ((tmp_path / "d.csv", "nothing\n"), (tmp_path / "e.csv.xz", "not xz")):
        path.write_text(text)
        with pytest.raises(Invalid):
            read_trace(path)
    with pytest.raises(Invalid, match="policy is one of"):
        make_policy("fifo", 1)


HUGE = "1" + "0" * 400


@pytest.mark.parametrize(
    ("name", "line"),
    [
        ("field.csv", f"1,{'k' * 200_000},5"),
        ("return.csv", "1,k,5\r2,k,5"),
        ("time.jsonl", f'{{"at_ms": {HUGE}, "object": "a", "size": 5, "session": ""}}'),
        ("never.jsonl", '{"at_ms": NaN, "object": "a", "size": 5, "session": ""}'),
        ("endless.jsonl", '{"at_ms": 1, "object": "a", "size": Infinity, "session": ""}'),
        ("size.jsonl", f'{{"at_ms": 1, "object": "a", "size": {2**60}, "session": ""}}'),
        ("deep.jsonl", "[" * 100_000),
    ],
)
def test_a_line_that_no_request_can_be_costs_only_itself(tmp_path: Path, name: str, line: str) -> None:
    """Whatever it holds; the next one is read, and replayed."""
    path = tmp_path / name
    good = "1,a,5" if path.suffix == ".csv" else '{"at_ms": 1, "object": "a", "size": 5, "session": ""}'
    path.write_bytes(f"{good}\n{line}\n{good}\n".encode())
    found = read_trace(path)
    assert (len(found.visits), len(found.refused)) == (2, 1)
    assert replay_named(found, "foresight", 10).hits == 1


def test_a_packed_trace_that_cannot_be_unpacked_is_refused_in_words(tmp_path: Path) -> None:
    """A damaged one, and zstd, in which the public oracleGeneral traces come: its bytes are no records."""
    packed = bytearray(gzip.compress(b"".join(b"%d,k%d,%d\n" % (at, at % 7, 1000 + at) for at in range(200))))
    packed[40] ^= 0xFF
    packed[60] ^= 0xFF
    (tmp_path / "damaged.csv.gz").write_bytes(packed)
    (tmp_path / "x.oracleGeneral.zst").write_bytes(b"\x28\xb5\x2f\xfd" * 60)
    for name, says in (("damaged.csv.gz", "cannot read"), ("x.oracleGeneral.zst", "zstd -d")):
        with pytest.raises(Invalid, match=says):
            read_trace(tmp_path / name)


@pytest.mark.parametrize("name", POLICIES)
def test_a_replay_gives_orders_before_the_request_they_are_for(name: str) -> None:
    """What is purged is missed once more, what is not held is left alone, and a smaller room holds from then on."""
    visits = [Visit(key, 10, float(at)) for at, key in enumerate("aabab" + "cdefgh")]
    assert replay(visits[:5], make_policy(name, 100)).hits == 3
    purged = {3: Order(drop=("a", "z"))}
    assert replay(visits[:5], make_policy(name, 100), purged).hits == 2
    policy = make_policy(name, 100)
    replay(visits, policy, {6: Order(budget_bytes=30)})
    assert policy.held_bytes <= 30
