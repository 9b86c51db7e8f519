"""Practice as other systems see it: questions, their criteria and the challenges that follow an answer.

PracticeError
├── BadQuestions   Terminal, 422   a question file is wrong; every problem with its file and line
├── Unfit          Terminal, 422   well-formed, but it does not fit what is there
├── Broken         Terminal, 400   a person's code ended, was too slow, or answered no JSON
├── Refused        Terminal, 403   code may not run here; the message says what is missing
├── NoInterview    Terminal, 404   no such interview, or another person's
├── NoLoop         Terminal, 404   no such interview loop, or another person's
├── NoLab          Terminal, 404   no such lab, or no such run of this person's
├── NoNote         Terminal, 404   no such story, project, offer or card of this person
├── NoPanel        Terminal, 404   no such interview that this person runs
├── NoInvite       Terminal, 404   no such invitation, or it has expired
├── NoStyle        Terminal, 404   no such style, or it has no such role
└── TurnMoved      Terminal, 409   another device went on meanwhile
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Literal, Protocol

import msgspec
from msgspec import Meta

from reelwright.kernel.errors import Conflict, Forbidden, Invalid, NotFound, Terminal

Area = Literal[
    "rate_limiting", "recommendation", "cdn", "streaming", "encoding", "offline", "experimentation", "api_design",
    "data_processing", "performance", "client_server", "past_work", "judgment", "impact", "courage", "candor",
    "failure", "disagreement", "high_standards", "hard_tradeoffs", "non_engineers",
]  # fmt: skip
Dimension = Literal[
    "correctness", "scale", "design", "domain", "reliability", "judgment", "impact", "communication", "leadership"
]
Stage = Literal[
    "recruiter", "phone", "coding", "design", "deep_dive", "behavioural", "manager", "product", "designer"
]
"""Where a question may be asked; coding to manager are rounds of the onsite, product and designer are the meetings
with people of other functions."""
Role = Literal["senior", "staff", "senior_staff"]
Track = Literal["streaming", "recommendation", "data", "api_platform", "client_performance"]
Kind = Literal["missing_point", "why", "number", "failure", "sceptic", "new_information"]
Structure = Literal["own_action", "number", "cause", "concession", "outcome", "reflection", "question", "work"]
Level = Literal[1, 2, 3, 4, 5]


class Problem(msgspec.Struct, frozen=True):
    """One thing wrong with a question file."""

    file: str
    line: int
    text: str

    def __str__(self) -> str:
        return f"{self.file}:{self.line}: {self.text}"


class BadQuestions(Invalid):
    """A question file is wrong; `problems` holds all that was found."""

    slug = "bad-questions"
    status = 422

    def __init__(self, problems: Sequence[Problem]) -> None:
        super().__init__("\n".join(map(str, problems)))
        self.problems = tuple(problems)


class Unfit(Invalid):
    """Well-formed, but it does not fit what is there: a range backwards, an unknown question, a fourth project."""

    slug = "unfit"
    status = 422


class Broken(Terminal):
    """A person's code ended, was too slow, or answered no JSON; this is a result, not a fault of ours."""

    slug = "lab-code-broken"


class Refused(Forbidden):
    """Code may not run here."""

    slug = "lab-refused"


Valid = Literal["true", "unknown", "false"]
"""Best first, as Maelstrom's verdicts."""


class LabResult(msgspec.Struct, frozen=True, kw_only=True):
    """What came of running a person's code in a lab."""

    lab: str
    valid: Valid
    """`unknown` where the lab itself could not be run to its end."""
    reason: str
    """The counter-example in words, where there is one."""
    seeds: tuple[int, ...]
    """Those that it was judged on, drawn when it was graded unless practising."""
    hidden: bool
    measures: dict[str, float]
    """Figures by name, units in the names."""
    picture: str = ""
    """The counter-example as SVG."""
    standing: dict[str, dict[str, float]] = {}
    """The same measures of Reelwright's own policy and of the textbook's, on the same seeds."""

    @property
    def exit_code(self) -> int:
        """As Maelstrom's: 0 valid, 1 not, 2 unknown."""
        return {"true": 0, "false": 1, "unknown": 2}[self.valid]


class Chapter(msgspec.Struct, frozen=True):
    """One page of the guide, in Markdown."""

    id: str
    title: str
    text: str


class Option(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What one might do, and why it fits or does not."""

    text: str
    fits: bool
    why: str


class Scenario(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A scene that checks acting on a culture."""

    id: str
    scene: str
    options: tuple[Option, ...]


class ReadinessItem(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A question of the ten-minute check, and what to build where the answer is no."""

    id: str
    asks: str
    weight: int
    build: str


class Readiness(msgspec.Struct, frozen=True):
    """What the check says."""

    share: float
    verdict: Literal["ready", "almost", "build_first"]
    build: tuple[str, ...]
    """What to build, the heaviest first."""


class Pay(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Public estimates, dated, to be edited."""

    dated: str
    currency: str
    levels: dict[Role, Annotated[list[int], Meta(min_length=2, max_length=2)]]
    """A year's salary, from and to."""
    stock: str
    bonus: str
    vacation: str


class Style(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How a company interviews and decides, as data."""

    id: str
    name: str
    source: str
    described: str
    roles: tuple[Role, ...]
    must_clear: tuple[Literal["technical", "culture"], ...]
    """Neither makes up for the other."""
    technical: tuple[Dimension, ...]
    culture: tuple[Dimension, ...]
    decisions: dict[Literal["clear_yes", "no", "not_enough"], str]
    pay: Pay


class Predicate(msgspec.Struct, frozen=True, kw_only=True):
    """What a text must hold: of each group one term, and each structure, all within one span."""

    all: tuple[tuple[str, ...], ...] = ()
    """Groups of terms; the terms of a group are alternatives."""
    structures: tuple[Structure, ...] = ()
    within: Literal["sentence", "answer"] = "sentence"


class Criterion(msgspec.Struct, frozen=True, kw_only=True):
    """One thing that an answer shows or does not show."""

    id: str
    dimension: Dimension
    level: Level
    says: str
    """What an answer that meets it says."""
    needs: tuple[Predicate, ...]
    match: Literal["any", "all"] = "any"
    """Whether one predicate is enough."""


class Challenge(msgspec.Struct, frozen=True, kw_only=True):
    """What the interviewer asks back."""

    id: str
    kind: Kind
    asks: str
    when: Literal["met", "unmet", "after"]
    """Asked when the criterion named is met or unmet; `after`: only as the next level of another challenge."""
    criterion: str | None = None
    criteria: tuple[Criterion, ...]
    """Scored for defending (sceptic) or updating (new_information), else as any other."""
    answer: str
    """A reply that meets them."""
    then: tuple[str, ...] = ()
    """Challenges of the next level."""


class Question(msgspec.Struct, frozen=True, kw_only=True):
    """One question of the bank."""

    id: str
    area: Area
    stages: tuple[Stage, ...]
    roles: tuple[Role, ...]
    tracks: tuple[Track, ...]
    minutes: int
    asks: str
    """May name parameters in braces."""
    parameters: dict[str, tuple[str, ...]] = {}
    """The variants: values of each parameter."""
    facts: dict[str, str] = {}
    """What the interviewer knows and tells when asked."""
    criteria: tuple[Criterion, ...]
    challenges: tuple[Challenge, ...]
    model_answer: str
    lab: str | None = None
    always: bool = False
    """Present in every loop."""


class NoInterview(NotFound):
    """No such interview, or none of this person's."""

    slug = "no-interview"


class NoLoop(NotFound):
    """No such interview loop, or none of this person's."""

    slug = "no-loop"


class NoStyle(NotFound):
    """No such style, or one without that role."""

    slug = "no-style"


class NoLab(NotFound):
    """No such lab, or no such run of this person's."""

    slug = "no-lab"


class NoNote(NotFound):
    """No such document, or none of this person's."""

    slug = "no-note"


class NoPanel(NotFound):
    """No such interview of a company, or another owner's."""

    slug = "no-panel"


class NoInvite(NotFound):
    """No such invitation, or one that is void."""

    slug = "no-invite"


class TurnMoved(Conflict):
    """The interview went on from another device since this one looked; nothing was lost."""

    slug = "turn-moved"


class Verdict(msgspec.Struct, frozen=True, kw_only=True):
    """What a grader says of one criterion; met always has a quote of the transcript."""

    criterion: str
    state: Literal["met", "unmet", "not_assessable"]
    start: int = 0
    end: int = 0
    quote: str = ""
    """Equals `transcript[start:end]`, by offsets in characters."""
    confidence: float = 1.0
    grader: str
    rubric: str
    """Hash of the criterion that was judged."""
    says: str = ""
    """Why, where the grader has more to say than the state."""


class DimensionLevel(msgspec.Struct, frozen=True, kw_only=True):
    """The level of one dimension; None when nothing could be judged."""

    level: int | None
    not_assessable: float
    """Share of the criteria that could not be judged."""


class Grader(Protocol):
    """Judges an answer by criteria."""

    @property
    def id(self) -> str:
        """Name and version; figures of different graders are never mixed."""
        ...

    def grade(self, *, asks: str, criteria: Sequence[Criterion], answer: str) -> tuple[Verdict, ...]:
        """One verdict for each criterion, in their order."""
        ...


class FeedbackLine(msgspec.Struct, frozen=True, kw_only=True):
    """What one criterion came to: the words it rests on, or what was not found, and what to do about it."""

    dimension: Dimension
    state: Literal["met", "unmet", "not_assessable"]
    quote: str
    says: str
    level: int
    drill: str = ""
    why: str = ""
    """Why it cannot be judged, where it cannot."""


class Turn(msgspec.Struct, frozen=True, kw_only=True):
    """One question or challenge, and the answer to it once given."""

    number: int
    question_id: str
    challenge_id: str = ""
    kind: str = "question"
    asks: str
    answer: str | None = None
    verdicts: tuple[Verdict, ...] = ()
    levels: dict[Dimension, DimensionLevel] = {}
    feedback: tuple[FeedbackLine, ...] = ()
    model_answer: str = ""
    """Shown once the answer is given."""
    draft: str = ""
    """What was typed so far, kept on the server so that another device goes on with it."""
    to_word: bool = False
    """Whether the interviewer is about to put this challenge in words that take up the answer before it."""


class Said(msgspec.Struct, frozen=True, omit_defaults=True):
    """A piece of what the interviewer is saying, or, last, the whole of what is asked."""

    more: str = ""
    asks: str = ""


class Interview(msgspec.Struct, frozen=True, kw_only=True):
    """One stage with one person: what was asked and answered so far; the last turn waits unless it is finished."""

    id: str
    stage: Stage
    role: Role
    track: Track
    state: Literal["running", "paused", "finished"]
    minutes: int
    elapsed_s: int
    """On the running timer; pauses are left out, and a clock that was set back adds nothing."""
    created_ms: int
    turns: tuple[Turn, ...]
    loop_id: str = ""
    """Of the loop it is a round of; empty for a stage by itself."""
    sample: bool = False
    """Made by the demo; nobody gave these answers."""


class Skill(msgspec.Struct, frozen=True, kw_only=True):
    """What is believed of one dimension: mean and 80 % band on the scale of levels, 0 to 5."""

    dimension: Dimension
    mean: float
    low: float
    high: float
    verdicts: int
    improved: float
    """The probability that the skill is higher now than at its first verdict."""


class SkillPoint(msgspec.Struct, frozen=True, kw_only=True):
    """What was believed of one dimension after a day's verdicts."""

    at_ms: int
    mean: float
    low: float
    high: float
    """The 80 % band."""


Sitting = Literal["recruiter", "phone", "onsite_engineers", "onsite_managers", "product", "designer"]
"""An interview of the loop; the onsite's hold several rounds."""
Pace = Literal["weeks", "one_sitting"]


class Round(msgspec.Struct, frozen=True, kw_only=True):
    """One stage within a loop."""

    stage: Stage
    sitting: Sitting
    planned_ms: int
    minutes: int
    state: Literal["waiting", "running", "paused", "finished"] = "waiting"
    interview_id: str = ""


class Loop(msgspec.Struct, frozen=True, kw_only=True):
    """Six interviews, planned over weeks or in one sitting."""

    id: str
    role: Role
    track: Track
    style: str
    pace: Pace
    created_ms: int
    sample: bool
    """Made by the demo; nobody gave these answers."""
    rounds: tuple[Round, ...]

    @property
    def open_rounds(self) -> tuple[Round, ...]:
        """Those not finished, in order."""
        return tuple(one for one in self.rounds if one.state != "finished")


class Quote(msgspec.Struct, frozen=True, kw_only=True):
    """Words of the candidate on which a decision rests, or what was asked for and not found."""

    dimension: Dimension
    stage: Stage
    level: int
    met: bool
    says: str
    quote: str


class Standing(msgspec.Struct, frozen=True, kw_only=True):
    """Where one dimension stands against the role's bar, from this loop alone."""

    dimension: Dimension
    group: Literal["technical", "culture"]
    must_have: bool
    bar: float
    mean: float
    low: float
    high: float
    verdicts: int
    not_assessable: float
    """Share of the criteria that could not be judged."""
    p_bar: float
    """The probability that the skill is at the bar or above."""
    state: Literal["clears", "below", "not_enough"]


class PacketRound(msgspec.Struct, frozen=True, kw_only=True):
    """What one round adds to the packet."""

    stage: Stage
    state: str
    interview_id: str
    levels: dict[Dimension, DimensionLevel]
    quotes: tuple[Quote, ...]
    """The best of what was said, at most three."""


class Packet(msgspec.Struct, frozen=True, kw_only=True):
    """What the committee reads, and its decision."""

    loop: Loop
    decision: Literal["clear_yes", "no", "not_enough"]
    says: str
    """The decision in the words of the style."""
    reason: str
    """One sentence."""
    technical: Literal["clears", "below", "not_enough"]
    culture: Literal["clears", "below", "not_enough"]
    standings: tuple[Standing, ...]
    quotes: tuple[Quote, ...]
    """What the reason rests on."""
    rounds: tuple[PacketRound, ...]


class LabRun(msgspec.Struct, frozen=True, kw_only=True):
    """A person's code on a lab: running, or with its result."""

    id: str
    lab: str
    hidden: bool
    source: str
    predicted: float | None
    created_ms: int
    log: tuple[str, ...]
    """What went on, in order."""
    result: LabResult | None = None
    """None while it runs."""
    surprise: float | None = None
    """By how much the prediction was off, in the measure's own unit."""


class LabTold(msgspec.Struct, frozen=True, kw_only=True):
    """A lab as it is listed."""

    id: str
    title: str
    brief: str
    predicts: str
    starter: str
    best: Valid | Literal[""] = ""
    """The best verdict on hidden seeds so far; empty before the first."""


class GoldAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """An answer, and which criteria its author says it meets."""

    met: frozenset[str]
    text: str


class GoldQuestion(msgspec.Struct, frozen=True, kw_only=True):
    """A question of the gold set with its answers."""

    id: str
    area: str
    asks: str
    criteria: tuple[Criterion, ...]
    answers: tuple[GoldAnswer, ...]
    kind: Literal["technical", "behavioural"] = "technical"


class Calibration(msgspec.Struct, frozen=True, kw_only=True):
    """How a grader did on the gold set and under attack."""

    grader: str
    answers: int
    verdicts: int
    coverage: float
    """Share of the criteria that it judged."""
    kappa: float
    qwk: float
    lift: float
    """Levels that an attack adds, mean."""
    reached: int
    """Attacks that reach level 3."""
    overpraise: float
    """Share of bad answers at level 3 or more."""
    attacks: int
    attacked: tuple[str, ...] = ()
    """The attacks that reached level 3."""
    passed: bool = False
    at_ms: int = 0


class Opinion(msgspec.Struct, frozen=True, kw_only=True):
    """What another grader says of an answer, beside the rules."""

    grader: str
    kind: Literal["llm", "paste", "self", "human"]
    counts: bool
    """Whether it moves the curve in place of the rules: a person, or a model that passed its calibration."""
    verdicts: tuple[Verdict, ...]
    levels: dict[Dimension, DimensionLevel]
    at_ms: int
    problem: str = ""
    """Why there are no verdicts, where the grader failed."""


class GraderTold(msgspec.Struct, frozen=True, kw_only=True):
    """The language model that is configured, and what is known of it."""

    grader: str
    url: str
    model: str
    calibration: Calibration | None
    spent_usd: float
    """Today."""
    budget_usd: float
    calls: int
    """Today."""
