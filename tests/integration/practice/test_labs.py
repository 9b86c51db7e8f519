"""Labs judge by behaviour: the reference passes, every seeded mistake fails, and runs agree.

`REELWRIGHT_TEST_LAB_SEEDS` says on how many hidden seeds, each by itself; one by default.
"""

from __future__ import annotations

import os

import pytest

from reelwright.practice.adapters.sandbox import bubblewrap_works
from reelwright.practice.labs.lab import Lab, draw_seeds, grade, practise, run_alone, solutions, starter
from reelwright.practice.labs.labs import LABS

pytestmark = pytest.mark.skipif(
    not bubblewrap_works(), reason="bubblewrap with user namespaces: apt-get install bubblewrap"
)
every_lab = pytest.mark.parametrize("lab", LABS.values(), ids=lambda one: one.id)
SEEDS = int(os.environ.get("REELWRIGHT_TEST_LAB_SEEDS", "1"))
WRONG = [(lab, name) for lab in LABS.values() for name in solutions(lab) if name != "reference"]


@every_lab
def test_the_reference_passes(lab: Lab) -> None:
    """On hidden seeds, and ours stands beside it."""
    result = grade(lab, solutions(lab)["reference"])
    assert (result.valid, result.reason, result.hidden, result.exit_code) == ("true", "", True, 0)
    assert "reelwright" in result.standing


@every_lab
def test_the_reference_passes_on_every_seed(lab: Lab) -> None:
    """Whoever is right need not be lucky, too."""
    found = [run_alone(lab, solutions(lab)["reference"], (seed,), hidden=True) for seed in draw_seeds(SEEDS)]
    assert [(one.seeds, one.measures, one.reason) for one in found if one.valid != "true"] == []


@pytest.mark.parametrize(("lab", "name"), WRONG, ids=lambda one: one if isinstance(one, str) else one.id)
def test_a_seeded_mistake_fails(lab: Lab, name: str) -> None:
    """On every seed, though a grading takes three; with a reason that says where."""
    found = [run_alone(lab, solutions(lab)[name], (seed,), hidden=True) for seed in draw_seeds(SEEDS)]
    assert [(one.seeds, one.measures) for one in found if one.valid != "false"] == []
    assert all(one.reason and one.exit_code == 1 for one in found)


@every_lab
def test_there_are_at_least_four_mistakes(lab: Lab) -> None:
    """A lab that kills fewer says little."""
    assert len(solutions(lab)) >= 5


@every_lab
def test_our_own_policy_passes_the_same_judge(lab: Lab) -> None:
    """What production does is asked of nobody else alone."""
    assert all(lab.judge(lab.policies["reelwright"](), seed).passed for seed in draw_seeds())


@every_lab
def test_the_same_seeds_give_the_same_result(lab: Lab) -> None:
    """A stored result can be repeated, also one that failed."""
    wrong = next(source for name, source in sorted(solutions(lab).items()) if name.startswith("wrong"))
    first = grade(lab, wrong, seeds=draw_seeds(1))
    again = grade(lab, wrong, seeds=first.seeds)
    assert (again.valid, again.reason, again.seeds) == (first.valid, first.reason, first.seeds)


@every_lab
@pytest.mark.parametrize(
    "source", ["", "def (", "raise SystemExit", "token_bucket = 1", "import os; os.abort()", "\x00"]
)
def test_code_that_is_none_fails_with_its_reason(lab: Lab, source: str) -> None:
    """It is the person's result, and no error of ours."""
    result = practise(lab, source)
    assert result.valid == "false" and result.reason


NONSENSE = {
    "token-bucket": "EMPTY = 0\ndef token_bucket(c, p, b): return lambda s, n, k: (0, {0}, {0}, {0}, 0)\n",
    "distributed-limiter": (
        "class Lease:\n    def __init__(self, h, m): pass\n    def __getattr__(self, name): return lambda *a: {0}\n"
    ),
    "experiment-readout": "class Readout:\n    def decide(self, e): return {0}\n",
    "incident-day": "class OnCall:\n    def handle(self, i): return [i.look({0}), i.do({0}, {0})] and ({0}, {0})\n",
    "cache-policy": (
        "class Policy:\n    def __init__(self, b): pass\n    def note(self, v): pass\n"
        "    def use(self, k): return {0}\n    def put(self, k, s): return {0}\n"
    ),
    "fill": "class Filling:\n    def choose(self, n): return {0}\n",
    "bitrate": "class Bitrate:\n    def choose(self, k): return {0}\n",
    "ladder": "class Ladder:\n    def steps(self, s, t): return {0}\n",
    "ranker": "class Ranking:\n    def __init__(self, t, v, n): pass\n    def scores(self, h): return {'t1': {0}}\n",
    "cold-start": (
        "class Home:\n    def __init__(self, t, v, n): pass\n    def scores(self, h): return {}\n"
        "    def chances(self, s, v): return {t: {0} for t in v}\n"
    ),
    "steering": "class Steering:\n    def plan(self, d, e): return {0}\n    def rank(self, r, e, b): return {0}\n",
    "make-it-fast": "def aggregate(rows): return {0}\n",
}


@pytest.mark.parametrize("value", ["float('nan')", "float('-inf')", "None", "'x' * (20 << 20)", "[[]] * 9", "-1"])
@pytest.mark.parametrize("lab_id", NONSENSE)
def test_answers_that_make_no_sense_fail_with_their_reason(lab_id: str, value: str) -> None:
    """NaN is no JSON, twenty megabytes are too many, and a list is no decision; none of it is an error of ours."""
    result = practise(LABS[lab_id], NONSENSE[lab_id].replace("{0}", value))
    assert result.valid == "false" and result.reason


def test_who_fails_stands_beside_the_others_on_the_replays_that_were_run() -> None:
    """The starter is the textbook's bucket: its figures are the textbook's, and not those of other seeds."""
    lab = LABS["token-bucket"]
    found = practise(lab, starter(lab))
    assert found.seeds == (1,)
    assert found.standing["textbook, floating point"] == found.measures


FORGED = """
import json, os, time
honest = aggregate

def aggregate(rows):
    time.process_time_ns = time.thread_time_ns = lambda: 0
    os.write(1, json.dumps({"answer": {"made": honest(rows), "cpu_ns": 1}}).encode() + b"\\n")
    os._exit(0)
"""


def test_what_code_says_of_its_own_speed_is_not_believed() -> None:
    """Whoever has the other end of the pipe can write whatever the driver would."""
    lab = LABS["make-it-fast"]
    assert practise(lab, solutions(lab)["starter"] + FORGED).valid == "false"


def test_hidden_seeds_differ() -> None:
    """Drawn anew for each grading."""
    assert len({*draw_seeds(50)}) == 50
