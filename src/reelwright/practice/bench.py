"""How well practice grades: agreement, evidence, attacks, speed; through the grader that the service runs."""

from __future__ import annotations

import contextlib
import functools
import os
import random
import string
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator

import anyio
import httpx
import numpy as np

from reelwright.kernel.bench import Row, measured
from reelwright.kernel.clock import SystemClock
from reelwright.kernel.database import Database
from reelwright.kernel.processes import free_port
from reelwright.practice.adapters.bank import load_questions
from reelwright.practice.adapters.gold import load_gold
from reelwright.practice.adapters.guide import load_styles
from reelwright.practice.adapters.meaning import find_meaning
from reelwright.practice.adapters.short_answers import find_folder, read_beetle, read_mohler, read_own
from reelwright.practice.contract import Calibration, GoldAnswer, GoldQuestion, Verdict
from reelwright.practice.core import marks, reference, skill
from reelwright.practice.core.agreement import macro_f1
from reelwright.practice.core.calibration import calibrate
from reelwright.practice.core.evidence import is_quoted
from reelwright.practice.core.reply import read_reply
from reelwright.practice.core.rules import RuleGrader
from reelwright.practice.labs.measure import lab_parts
from reelwright.practice.service import LoopsService, PracticeService
from reelwright.practice.service.sample import put_sample

SEED = 7
FUZZED = 10_000
LEARNERS = 1_000
START_MOST_S = 120.0


def rows(only: str = "") -> Iterator[Row]:
    """Every row whose id starts with `only`."""
    parts = (
        ("agreement", _agreement),
        ("evidence", _evidence),
        ("attacks", _attacks),
        ("speed", _speed),
        ("start", _start),
        *lab_parts(),
        ("calibration", _calibration),
    )
    yield from measured(parts, only)


def _graded() -> Iterator[tuple[GoldQuestion, GoldAnswer, tuple[Verdict, ...]]]:
    grader = RuleGrader()
    for question in load_gold():
        for answer in question.answers:
            yield question, answer, grader.grade(asks=question.asks, criteria=question.criteria, answer=answer.text)


@functools.cache
def _calibration_of_rules() -> Calibration:
    return calibrate(RuleGrader(), load_gold())


def _agreement() -> Iterator[Row]:
    found = _calibration_of_rules()
    note = f"{found.answers} author-labelled answers, {found.verdicts} verdicts; answers and terms have one author"
    yield Row(
        id="agreement.gold_kappa", what="Cohen's kappa, verdict by verdict", value=found.kappa, unit="", op=">=",
        goal=0.6, note=note,
    )  # fmt: skip
    yield Row(
        id="agreement.gold_qwk", what="quadratically weighted kappa of levels", value=found.qwk, unit="", op=">=",
        goal=0.7, note=note,
    )  # fmt: skip
    judged: dict[str, list[bool]] = {"technical": [], "behavioural": []}
    for question, _, verdicts in _graded():
        judged[question.kind] += [verdict.state != "not_assessable" for verdict in verdicts]
    for kind, goal in (("technical", 0.85), ("behavioural", 0.6)):
        yield Row(
            id=f"agreement.coverage_{kind}", what="share of criteria judged without a model",
            value=round(float(np.mean(judged[kind])), 3), unit="", op=">=", goal=goal,
        )  # fmt: skip
    yield from _short_answers()


def _short_answers() -> Iterator[Row]:
    """Other people's answers and marks, through the rules on criteria derived from the reference; weights of Beetle's
    training answers (CC-BY) alone. Every answer gets a mark."""
    folder = find_folder()
    if folder is None:
        yield Row(
            id="agreement.beetle_ua", what="short answers", value=None, unit="", note="shared/data/grading is absent"
        )
        return
    beetle = read_beetle(folder)
    rare = reference.rarity(text for one in beetle["train"] for text in (one.answer, *one.references))
    known: dict[str, list[reference.Graded]] = {}
    for one in beetle["train"]:
        known.setdefault(one.question, []).append(one)
    for name, split, goal in (("ua", "test-unseen-answers", 0.82), ("uq", "test-unseen-questions", 0.74)):
        graded = beetle[split]
        rights = np.array([reference.grade(one, known.get(one.question, ()), rare) for one in graded])
        majority = macro_f1([one.mark >= 0.5 for one in graded], [True] * len(graded))
        yield Row(
            id=f"agreement.beetle_{name}", what=f"macro-F1, Beetle, {split[5:].replace('-', ' ')}",
            value=round(macro_f1([one.mark >= 0.5 for one in graded], list(rights >= 0.5)), 3), unit="", op=">=",
            goal=goal, peer="always correct", peer_value=round(majority, 3),
            note=f"{len(graded)} answers, all marked; weights of the training answers",
        )  # fmt: skip
    yield from _marks(read_mohler(folder))


def _marks(mohler: list[reference.Graded]) -> Iterator[Row]:
    """Marks from 0 to 5 where no weight has seen the question: ours, by leaving questions out, and Mohler's."""
    spelling, meaning = marks.Spelling(), find_meaning()
    goal: marks.Reader = meaning or spelling
    by = (
        "by meaning (the extra [meaning])"
        if meaning
        else "by spelling; pip install 'reelwright[meaning]' for meaning"
    )
    own = read_own()
    theirs = np.array([marks.TOP * one.mark for one in mohler])
    note = f"{len(mohler)} answers, all marked {by}; nothing was fitted or chosen on these marks: weights and what to"
    note += " look at come from our own answers and Beetle's training part"
    found = np.array([marks.mark(one, goal) for one in mohler])
    overlap = [reference.features(one.asks, one.references, one.answer, {})[2] for one in mohler]
    yield Row(
        id="agreement.mohler_r", what="Pearson's r, Mohler", value=_r(found, theirs), unit="", op=">=", goal=0.55,
        peer="word overlap", peer_value=_r(overlap, theirs), note=note,
    )  # fmt: skip
    yield Row(
        id="agreement.mohler_rmse", what="root mean square error, Mohler, of 5", value=_rmse(found, theirs), unit="",
        op="<=", goal=0.93, note=note,
    )  # fmt: skip
    plain = found if meaning is None else np.array([marks.mark(one, spelling) for one in mohler])
    yield Row(
        id="agreement.mohler_spelling_r", what="Pearson's r, Mohler, without the extra",
        value=_r(plain, theirs), unit="",
        note=f"root mean square error {_rmse(plain, theirs)}; an installation without extras",
    )  # fmt: skip
    readers: list[marks.Reader] = [spelling, *([meaning] if meaning else [])]
    for reader in readers:
        left_out = marks.leave_out(own, reader)
        ours = np.array([marks.TOP * one.mark for one in own])
        mix = marks.shares(ours)
        yield Row(
            id=f"agreement.own_{reader.id}_r", what=f"Pearson's r, our short answers, by {reader.id}",
            value=_r(left_out, ours), unit="",
            note=f"{len(own)} answers of one author, each question marked by the others; root mean square error "
            f"{float(np.sqrt(np.average((left_out - ours) ** 2, weights=mix))):.3f} in the mix of a class",
        )  # fmt: skip


def _r(one: object, other: object) -> float:
    return round(float(np.corrcoef(np.asarray(one, float), np.asarray(other, float))[0, 1]), 3)


def _rmse(one: marks.Floats, other: marks.Floats) -> float:
    return round(float(np.sqrt(np.mean((one - other) ** 2))), 3)


def _evidence() -> Iterator[Row]:
    unquoted = sum(not is_quoted(verdict, answer.text) for _, answer, verdicts in _graded() for verdict in verdicts)
    yield Row(
        id="evidence.unquoted", what="met verdicts without a matching quote, gold set", value=unquoted, unit="",
        op="==", goal=0,
    )  # fmt: skip
    rng = random.Random(SEED)  # noqa: S311
    fabricated = met = 0
    for _ in range(FUZZED):
        question = rng.choice(load_gold())
        answer = rng.choice(question.answers).text
        reply = fuzzed_reply(rng, question, answer)
        for verdict in read_reply(
            reply, asks=question.asks, criteria=question.criteria, answer=answer, grader="fuzz"
        ):
            met += verdict.state == "met"
            fabricated += not is_quoted(verdict, answer)
    yield Row(
        id="evidence.fabricated", what="fabricated quotes accepted", value=fabricated, unit="", op="==", goal=0,
        note=f"of {FUZZED} fuzzed replies, which held {met} met verdicts with a true quote; seed {SEED}",
    )  # fmt: skip


def fuzzed_reply(rng: random.Random, question: GoldQuestion, answer: str) -> str:
    """A reply as models give them: true quotes, changed ones, invented ones, other text, cut JSON, wrong types."""
    import json

    listed: list[object] = []
    for criterion in question.criteria:
        start = rng.randrange(max(1, len(answer) - 20))
        true = answer[start : start + rng.randrange(5, 90)]
        other = rng.choice(rng.choice(load_gold()).answers).text[:60]
        changed = true.replace("e", "a", 2) if "e" in true else true + "!"
        noise = "".join(rng.choices(string.printable, k=rng.randrange(60)))
        quote: object = rng.choice([true, true.upper(), true.replace(" ", "\n "), changed, other, criterion.says,
                                    noise, "", None, 7, ["a"], "the candidate said so"])  # fmt: skip
        verdict: object = rng.choice(["met", "met", "met", "unmet", "MET", "maybe", None, 1])
        name = rng.choice([criterion.id, criterion.id, criterion.id, "all", "", None])
        listed.append(rng.choice([{"criterion": name, "verdict": verdict, "quote": quote}] * 9 + [None, "met"]))
    text = json.dumps({"verdicts": listed})
    shape = rng.random()
    if shape < 0.15:
        return text[: rng.randrange(len(text))]
    if shape < 0.25:
        return f"Sure! ```json\n{text}\n``` Hope that helps."
    if shape < 0.3:
        position = rng.randrange(len(text))
        return text[:position] + rng.choice(string.printable) + text[position + 1 :]
    return text


def _attacks() -> Iterator[Row]:
    found = _calibration_of_rules()
    yield Row(
        id="attacks.lift", what="levels that an attack adds, mean", value=found.lift, unit="", op="<=", goal=0.1,
        note=f"{found.attacks} attacks",
    )  # fmt: skip
    yield Row(
        id="attacks.reach_3", what="attacks that reach level 3", value=found.reached, unit="", op="==", goal=0,
        note=", ".join(found.attacked),
    )  # fmt: skip
    yield Row(
        id="attacks.overpraise", what="share of bad answers at level 3 or more", value=found.overpraise, unit="",
        op="<=", goal=0.02, note="answers that the author puts at level 0 or 1",
    )  # fmt: skip


def _speed() -> Iterator[Row]:
    grader = RuleGrader()
    times = []
    bank = load_questions()
    for question in bank:
        start = time.perf_counter()
        grader.grade(asks=question.asks, criteria=question.criteria, answer=question.model_answer * 3)
        times.append((time.perf_counter() - start) * 1000)
    yield Row(
        id="speed.feedback", what="judging an answer by rules, 95th percentile",
        value=round(float(np.percentile(times, 95)), 2), unit="ms", op="<=", goal=300,
        note=f"{len(bank)} questions, three times their model answer",
    )  # fmt: skip
    reader: marks.Reader = find_meaning() or marks.Spelling()
    times = []
    for one in read_own():
        start = time.perf_counter()
        marks.mark(one, reader)
        times.append((time.perf_counter() - start) * 1000)
    yield Row(
        id="speed.mark", what="marking a short answer, 95th percentile",
        value=round(float(np.percentile(times, 95)), 2), unit="ms", op="<=", goal=300,
        note=f"{len(times)} short answers of our own, by {reader.id}",
    )  # fmt: skip
    seconds, verdicts = anyio.run(_packet)
    yield Row(
        id="speed.packet", what="the committee's packet of a whole loop, from the database", value=round(seconds, 3),
        unit="s", op="<=", goal=2, note=f"{verdicts} verdicts, SQLite",
    )  # fmt: skip


async def _packet() -> tuple[float, int]:
    """How long the packet of the sample loop takes, and on how many verdicts it rests."""
    questions, styles = {one.id: one for one in load_questions()}, load_styles()
    with tempfile.TemporaryDirectory() as folder:
        database, clock, grader = Database(f"sqlite:///{folder}/practice.sqlite"), SystemClock(), RuleGrader()
        database.migrate(["reelwright.practice"])
        loop = await put_sample(
            database=database, questions=questions, grader=grader, styles=styles, person="bench",
            now_ns=clock.wall_ns(),
        )  # fmt: skip
        interviews = PracticeService(
            database=database, clock=clock, questions=tuple(questions.values()), grader=grader
        )
        loops = LoopsService(database=database, clock=clock, interviews=interviews, styles=styles)
        begun = time.perf_counter()
        packet = await loops.get_packet(person="bench", loop_id=loop.id)
        seconds = time.perf_counter() - begun
        database.close()
    return seconds, sum(one.verdicts for one in packet.standings)


def _start() -> Iterator[Row]:
    """From the start of the command to the first question, in an empty data folder."""
    took = {"serve --only practice": _served(), "practice start": _in_terminal()}
    yield Row(
        id="start.first_question", what="start of the command to the first question, the slower of page and terminal",
        value=round(max(took.values()), 1), unit="s", op="<=", goal=10,
        note=", ".join(f"{name} {seconds:.1f} s" for name, seconds in took.items()) + "; an empty data folder",
    )  # fmt: skip


def _served() -> float:
    """The page: ask until it answers, then begin a stage as its form does."""
    port = free_port()
    command = [sys.executable, "-m", "reelwright.app.serve", "practice"]
    with tempfile.TemporaryDirectory() as folder, _begun(command, folder, REELWRIGHT_PORT=str(port)) as process:
        began = time.perf_counter()
        url = f"http://127.0.0.1:{port}"
        with httpx.Client(base_url=url, headers={"origin": url}, follow_redirects=True, timeout=60) as client:
            while process.poll() is None and time.perf_counter() - began < START_MOST_S:
                with contextlib.suppress(httpx.TransportError):
                    client.get("/readyz")
                    break
                time.sleep(0.05)
            form = {"stage": "phone", "role": "senior", "track": "streaming"}
            client.post("/practice", data=form).raise_for_status()
        return time.perf_counter() - began


def _in_terminal() -> float:
    """The terminal: its first line of text is the question."""
    command = [sys.executable, "-c", "from reelwright.app.cli import main; main()", "practice", "start"]
    with tempfile.TemporaryDirectory() as folder, _begun(command, folder) as process:
        began = time.perf_counter()
        assert process.stdout is not None
        if not any(line.strip() for line in process.stdout):
            raise AssertionError("no question came")
        return time.perf_counter() - began


@contextlib.contextmanager
def _begun(command: list[str], folder: str, **environ: str) -> Iterator[subprocess.Popen[bytes]]:
    with subprocess.Popen(
        command, env={**os.environ, **environ, "REELWRIGHT_DATA": f"{folder}/data"},
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
    ) as process:  # fmt: skip
        try:
            yield process
        finally:
            process.terminate()
            process.wait(60)


def _calibration() -> Iterator[Row]:
    """Learners who walk as the model says and answer by the item curve: how often the bands hold their skill."""
    rng = random.Random(SEED)  # noqa: S311
    held = 0
    for _ in range(LEARNERS):
        true = rng.gauss(skill.PRIOR_MEAN, skill.PRIOR_VARIANCE**0.5)
        belief, day = skill.Belief(), 0.0
        for _ in range(rng.randrange(1, 15)):
            days = rng.expovariate(1 / 3)
            day += days
            true += rng.gauss(0, (skill.WALK * days) ** 0.5)
            levels = [rng.choice((1, 2, 3, 3, 4, 5)) for _ in range(rng.randrange(2, 6))]
            belief = skill.updated(belief, [(one, rng.random() < skill.p_met(true, one)) for one in levels], day)
        low, high = belief.band
        held += low <= true <= high
    share = round(held / LEARNERS, 3)
    what = "share of simulated learners whose skill lies in the 80 % band"
    note = f"{LEARNERS} learners drawn from the model itself, seed {SEED}"
    yield Row(id="calibration.low", what=what, value=share, unit="", op=">=", goal=0.75, note=note)
    yield Row(id="calibration.high", what=what, value=share, unit="", op="<=", goal=0.85, note=note)
