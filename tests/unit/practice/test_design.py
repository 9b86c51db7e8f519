"""Design rounds: asking is credited, the board is judged as a graph, and numbers meet what is measured."""

from __future__ import annotations

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reelwright.kernel.errors import Invalid
from reelwright.practice.adapters.bank import load_questions
from reelwright.practice.contract import Area
from reelwright.practice.core.board import (
    KINDS,
    MOST_BOXES,
    Arrow,
    Board,
    Box,
    add_arrow,
    add_box,
    bottlenecks,
    draw_board,
    judge_board,
    remove,
)
from reelwright.practice.core.design import PHASES, Design, judge_design, written
from reelwright.practice.core.facts import ask, sheet
from reelwright.practice.labs.run_it import (
    EXPERIMENT,
    LIMITER,
    PIPELINE,
    Gap,
    Simulated,
    WrongNumbers,
    follow_up,
    read_numbers,
    run_it,
    say,
)
from reelwright.practice.labs.simulations import OF_AREA

LIMITERS = next(one for one in load_questions() if one.id == "limiter-for-millions")
GOOD = Board(
    (
        Box("app", "client", 9), Box("edge", "edge", 4), Box("gate", "gateway", 8), Box("api", "service", 8),
        Box("counters", "cache", 3), Box("accounts", "store", 3),
    ),
    (
        Arrow("app", "edge", "segments"), Arrow("app", "gate", "requests"), Arrow("gate", "counters", "leases"),
        Arrow("gate", "api", "requests"), Arrow("api", "accounts", "reads"),
    ),
)  # fmt: skip
NUMBERS: dict[str, dict[str, float]] = {
    "limiter": {"nodes": 200, "asked_a_s": 50_000, "limit_a_s": 20_000, "burst": 5_000, "lease_ms": 200,
                "calls_share": 0.01, "over_share": 0.05, "unused_share": 0.05},
    "pipeline": {"events_a_s": 50_000, "event_bytes": 300, "linger_ms": 5, "copies": 3, "ack_p99_ms": 20,
                 "gb_a_day": 1_300, "commits_a_s": 90},
    "experiment": {"users_a_day": 20_000, "base_share": 0.1, "effect_share": 0.02, "days": 14, "looks": 14,
                   "users_needed": 700_000, "power": 0.35, "naive_false_share": 0.05},
    "cdn": {"streams": 20e6, "mbps": 5, "catalogue_tb": 3_000, "edges": 1_500, "edge_gbps": 100, "edge_tb": 100,
            "inside_share": 0.7, "fill_from": 2, "fill_hours": 6, "offload": 0.95, "offload_without": 0.9,
            "fill_gbps": 100, "peak_left": 0.7, "dearer": 0.05},
    "bitrate": {"rungs": 6, "lowest_mbps": 0.235, "highest_mbps": 5.8, "safe_share": 0.8, "buffer_s": 30,
                "starts_with_s": 4, "start_s": 1, "stalled_share": 0.01, "shown_mbps": 4, "changes_a_minute": 2},
    "encoding": {"hours_a_day": 100, "catalogue_hours": 20_000, "rungs": 7, "lowest_mbps": 0.2, "highest_mbps": 8,
                 "core_hours": 2, "cores": 20, "catalogue_tb": 150, "quality": 85, "stalled_share": 0.01},
    "recommendation": {"viewers_m": 200, "titles": 10_000, "pages_a_s": 20_000, "dimensions": 128,
                       "candidates": 1_000, "watched": 30, "trained_each_h": 24, "vectors_gb": 100, "page_cores": 3,
                       "training_core_h": 20, "kept": 0.8, "seen": 0.3},
    "offline": {"people_m": 20, "titles_a_week": 2, "title_hours": 0.8, "mbps": 1.5, "expires_days": 7,
                "automatic_share": 0.5, "night_from": 2, "night_hours": 4, "size_gb": 0.5, "took_h": 1,
                "peak_gbps": 500, "expired_share": 0.2, "held_gb": 5},
}  # fmt: skip


def test_a_clarifying_question_is_told_its_fact_and_no_other() -> None:
    """What was not asked is not told, and asking for everything at once tells two at most."""
    assert list(ask(LIMITERS, "What is the budget?")) == ["budget"]
    assert list(ask(LIMITERS, "How exact must it be: is overshoot allowed?")) == ["accuracy"]
    assert ask(LIMITERS, "hello") == ask(LIMITERS, "") == {}
    assert len(ask(LIMITERS, "users devices regions budget availability store latency")) == 2


@pytest.mark.parametrize(
    "question", [one for one in load_questions() if "design" in one.stages], ids=lambda one: one.id
)
def test_every_fact_of_a_design_question_can_be_asked_for(question: object) -> None:
    """By the words of the fact itself, with users, devices, regions and budget on every sheet."""
    for one in load_questions():
        if one is question or one == question:
            assert {"users", "devices", "regions", "budget"} <= set(sheet(one))
            for key in sheet(one):
                assert key in ask(one, f"What about {key.replace('-', ' ')}?"), key


def test_asking_is_credited() -> None:
    """Two facts found out are worth communication 3; none are not."""
    assert ("communication", 3, True) in judge_design(Design(asked=("users", "budget")), LIMITERS)
    assert judge_design(Design(), LIMITERS) == (("communication", 3, False),)


def test_a_sound_board_shows_every_rule_and_an_empty_one_none() -> None:
    """The graph is judged, whatever the boxes are called."""
    assert [one.says for one in judge_board(GOOD, "rate_limiting") if not one.met] == []
    assert [one.says for one in judge_board(Board(), "cdn") if one.met] == []


def test_what_there_is_one_of_on_every_way_is_named() -> None:
    """A single box beside others is no harm; one that everything goes through is."""
    single = add_box(GOOD, Box("accounts", "store", 1))
    assert bottlenecks(single) == ["accounts"]
    assert bottlenecks(add_box(GOOD, Box("edge", "edge", 1))) == []
    verdict = next(one for one in judge_board(single, "rate_limiting") if "every way" in one.says)
    assert (verdict.met, verdict.parts) == (False, ("accounts",))


def test_a_client_at_the_store_and_a_loose_box_are_seen() -> None:
    """With the arrow or the box that is meant."""
    bare = add_arrow(GOOD, Arrow("app", "accounts"))
    assert ("app → accounts",) in [one.parts for one in judge_board(bare, "cdn") if not one.met]
    loose = add_box(GOOD, Box("alone", "job"))
    assert ("alone",) in [one.parts for one in judge_board(loose, "cdn") if not one.met]


def test_a_pipeline_needs_its_queue_and_a_network_of_caches_its_tier() -> None:
    """What belongs to the field is asked of that field only."""
    queued = add_arrow(add_arrow(add_box(GOOD, Box("log", "queue", 3)), Arrow("gate", "log", "events")),
                       Arrow("log", "api", "events"))  # fmt: skip
    assert not judge_board(GOOD, "data_processing")[-1].met and judge_board(queued, "data_processing")[-1].met
    tiered = add_arrow(add_box(GOOD, Box("shield", "cache", 2)), Arrow("edge", "shield", "misses"))
    assert not judge_board(GOOD, "cdn")[-1].met and judge_board(tiered, "cdn")[-1].met


@settings(max_examples=100, deadline=None)
@given(st.lists(st.tuples(st.text(max_size=8), st.sampled_from(KINDS), st.integers(1, 9)), max_size=12),
       st.lists(st.tuples(st.integers(0, 11), st.integers(0, 11), st.text(max_size=8)), max_size=30))  # fmt: skip
def test_any_board_can_be_drawn_and_judged(
    boxes: list[tuple[str, str, int]], arrows: list[tuple[int, int, str]]
) -> None:
    """Circles, loose parts and odd names included; names are escaped."""
    board = Board()
    for name, kind, copies in boxes:
        if name.strip():
            board = add_box(board, Box(name, kind, copies))  # type: ignore[arg-type]
    for source, target, carries in arrows:
        if max(source, target) < len(board.boxes) and source != target:
            board = add_arrow(board, Arrow(board.boxes[source].name, board.boxes[target].name, carries))
    picture = draw_board(board)
    assert picture.count("<rect") == len(board.boxes) and len(judge_board(board, "cdn")) == 7
    for one in board.boxes:
        assert one not in remove(board, one.name).boxes


@pytest.mark.parametrize("box", [Box("", "client"), Box("x" * 61, "client"), Box("a", "client", 0)])
def test_a_box_that_is_none_is_refused(box: Box) -> None:
    """With what is allowed."""
    with pytest.raises(Invalid):
        add_box(GOOD, box)


def test_a_board_is_bounded_and_arrows_join_what_is_there() -> None:
    """Nobody draws a thousand boxes, or an arrow to nowhere."""
    board = Board()
    for number in range(MOST_BOXES):
        board = add_box(board, Box(f"b{number}", "service"))
    with pytest.raises(Invalid):
        add_box(board, Box("one more", "service"))
    for arrow in (Arrow("app", "nowhere"), Arrow("app", "app"), Arrow("app", "gate", "x" * 61)):
        with pytest.raises(Invalid):
            add_arrow(GOOD, arrow)


def test_notes_become_one_answer_in_the_order_of_the_phases() -> None:
    """What was left empty is left out."""
    assert written(Design(phases={"failure": "It fails.", "requirements": "It must.", "api": "  "})) == (
        "Requirements.\nIt must.\n\nFailure.\nIt fails."
    )
    assert len(PHASES) == 8 and written(Design()) == ""


@pytest.mark.parametrize("simulated", OF_AREA.values(), ids=lambda one: one.id)
def test_the_same_numbers_come_to_the_same_gaps(simulated: Simulated) -> None:
    """And the largest gap is the one that is asked about."""
    numbers = {key: float(value) for key, value in NUMBERS[simulated.id].items()}
    gaps = run_it(simulated, numbers)
    assert gaps == run_it(simulated, numbers)
    assert gaps[0].times == max(one.times for one in gaps)
    assert gaps[0].times < 1.2 or gaps[0].asks in follow_up(simulated, gaps)


@pytest.mark.parametrize("simulated", OF_AREA.values(), ids=lambda one: one.id)
@pytest.mark.parametrize("end", ["least", "most"])
def test_extreme_numbers_come_to_figures_too(simulated: Simulated, end: str) -> None:
    """Finite ones, and soon."""
    numbers = {one.key: float(getattr(one, end)) for one in (*simulated.design, *simulated.estimates)}
    assert all(math.isfinite(one.measured) for one in run_it(simulated, numbers))


def test_estimates_that_are_right_are_told_so() -> None:
    """Whoever estimates what is measured has no gap."""
    numbers = {key: float(value) for key, value in NUMBERS["pipeline"].items()}
    for gap in run_it(PIPELINE, numbers):
        numbers[gap.key] = gap.measured
    assert "within a fifth" in follow_up(PIPELINE, run_it(PIPELINE, numbers))


def test_the_simulations_know_what_is_known() -> None:
    """Peeking finds more than the bound allows; longer slices cost fewer calls."""
    experiment = {key: float(value) for key, value in NUMBERS["experiment"].items()}
    measured = {one.key: one.measured for one in run_it(EXPERIMENT, experiment)}
    assert measured["naive_false_share"] > 0.1
    assert 690_000 < measured["users_needed"] < 720_000
    limiter = {key: float(value) for key, value in NUMBERS["limiter"].items()}
    short = {one.key: one.measured for one in run_it(LIMITER, {**limiter, "lease_ms": 50.0})}
    long = {one.key: one.measured for one in run_it(LIMITER, {**limiter, "lease_ms": 1_000.0})}
    assert long["calls_share"] < short["calls_share"]


def measured(area: Area, **changed: float) -> dict[str, float]:
    """What a design with some numbers changed comes to."""
    simulated = OF_AREA[area]
    numbers = {key: float(value) for key, value in {**NUMBERS[simulated.id], **changed}.items()}
    return {one.key: one.measured for one in run_it(simulated, numbers)}


def test_the_network_knows_what_is_known() -> None:
    """Too few edges and too little disk cost offload, a lost site costs no less, a late window raises the peak."""
    whole, few, small = measured("cdn"), measured("cdn", edges=700), measured("cdn", edge_tb=1)
    assert few["offload"] < whole["offload"] and small["offload"] < whole["offload"]
    assert all(one["offload_without"] <= one["offload"] for one in (whole, few, small))
    assert small["peak_left"] > whole["peak_left"]
    late = measured("cdn", fill_from=22, fill_hours=2)
    assert late["peak_left"] > whole["peak_left"] and late["fill_gbps"] == pytest.approx(3 * whole["fill_gbps"])


def test_many_edges_are_put_together_without_a_change_of_what_they_carry() -> None:
    """Ten times the edges with a tenth of everything carry the same; only parts of sites are rounded."""
    few, many = measured("cdn"), measured("cdn", edges=15_000, edge_gbps=10, edge_tb=10)
    assert few == pytest.approx(many)


def test_the_player_knows_what_is_known() -> None:
    """Asking for more shows more and stalls more; starting later and a deeper buffer stall less."""
    plain, greedy = measured("streaming"), measured("streaming", safe_share=1.2)
    assert greedy["shown_mbps"] > plain["shown_mbps"] and greedy["stalled_share"] > plain["stalled_share"]
    patient = measured("streaming", starts_with_s=20)
    assert patient["start_s"] > plain["start_s"] and patient["stalled_share"] < plain["stalled_share"]
    assert measured("streaming", buffer_s=8)["stalled_share"] > plain["stalled_share"]
    assert measured("streaming", rungs=20)["changes_a_minute"] > plain["changes_a_minute"]


def test_a_start_that_no_buffer_holds_is_at_its_fill() -> None:
    """A player that waits for more than fits would never begin."""
    asked = measured("streaming", buffer_s=8, starts_with_s=60)
    assert asked == measured("streaming", buffer_s=8, starts_with_s=8)


@pytest.mark.parametrize("text", ["", "nan", "inf", "-1", "1e400", "ten", "1" * 500, "٣"])
def test_a_number_that_is_none_is_refused_with_its_bounds(text: str) -> None:
    """NaN is within no bounds."""
    form = {key: str(value) for key, value in NUMBERS["pipeline"].items()}
    if text == "٣":
        assert read_numbers(PIPELINE, {**form, "copies": text})["copies"] == 3
        return
    with pytest.raises(Invalid, match="Copies kept"):
        read_numbers(PIPELINE, {**form, "copies": text})


def test_each_number_that_is_wrong_says_what_fits() -> None:
    """By its field, in words without an exponent, and in what was typed."""
    form = {key: str(value) for key, value in NUMBERS["pipeline"].items()}
    with pytest.raises(WrongNumbers) as wrong:
        read_numbers(PIPELINE, {**form, "events_a_s": "a lot", "copies": ""})
    assert wrong.value.by_key == {
        "events_a_s": "a number from 1 to 10,000,000; got a lot", "copies": "a number from 1 to 10; got nothing",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("value", "said"),
    [
        (1e6, "1,000,000"),
        (0.0178, "0.0178"),
        (4.04e-6, "0.00000404"),
        (4.4e-15, "0"),
        (12_345.6, "12,350"),
        (0, "0"),
        (3.139e13, "31,390 billion"),
    ],
)
def test_figures_are_said_without_an_exponent(value: float, said: str) -> None:
    """In four digits; what rounding leaves of nothing is nothing."""
    assert say(value) == said


@pytest.mark.parametrize(("measured", "said"), [(3.2, "3.2 times"), (12_345, "12,340 times"), (0, "one is 0")])
def test_a_gap_is_said_in_words(measured: float, said: str) -> None:
    """Also where no factor leads from one to the other."""
    assert Gap("x", "X", 1.0, measured).apart == said


def test_encoding_knows_what_is_known() -> None:
    """More rungs cost cores and storage, a low top costs quality, a high bottom stalls."""
    plain, many = measured("encoding"), measured("encoding", rungs=14)
    assert many["cores"] > plain["cores"] and many["catalogue_tb"] > plain["catalogue_tb"]
    assert measured("encoding", highest_mbps=2)["quality"] < plain["quality"]
    assert measured("encoding", lowest_mbps=1)["stalled_share"] > plain["stalled_share"]
    assert measured("encoding", hours_a_day=200)["cores"] == pytest.approx(2 * plain["cores"])


def test_recommendation_knows_what_is_known() -> None:
    """Few candidates cost quality and breadth, an old training costs quality, all of it fresh costs none."""
    whole = measured("recommendation", candidates=10_000, trained_each_h=1)
    assert whole["kept"] == 1.0
    few = measured("recommendation", candidates=700, trained_each_h=1)
    assert few["kept"] < 1 and few["seen"] < whole["seen"]
    assert measured("recommendation", candidates=10_000, trained_each_h=600)["kept"] < 1
    assert few["vectors_gb"] == pytest.approx((200e6 + 10_000) * 128 * 4 / 1e9)


def test_offline_knows_what_is_known() -> None:
    """The night takes the peak away, a longer life saves what expires and fills devices."""
    plain, by_day = measured("offline"), measured("offline", automatic_share=0)
    assert plain["peak_gbps"] < by_day["peak_gbps"]
    assert measured("offline", automatic_share=1, night_hours=0.5)["peak_gbps"] > by_day["peak_gbps"]
    long = measured("offline", expires_days=30)
    assert long["expired_share"] < plain["expired_share"] and long["held_gb"] >= plain["held_gb"]
    assert plain["size_gb"] == pytest.approx(1.5e6 * 0.8 * 3600 / 8e9)
