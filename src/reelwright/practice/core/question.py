"""Question files: read and checked, each problem with its line; questions/README.md tells their form."""

from __future__ import annotations

import re
import string
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from typing import Any, get_args

import yaml

from reelwright.practice.contract import (
    Area,
    BadQuestions,
    Challenge,
    Criterion,
    Dimension,
    Kind,
    Predicate,
    Problem,
    Question,
    Role,
    Stage,
    Structure,
    Track,
)

MOST_CHARACTERS, MOST_DEPTH = 2_000_000, 12
LEAST_CRITERIA, LEAST_LEVELS, MOST_LEVELS = 4, 2, 50
MOST_PROBLEMS = 100
"""Told of one file: who has mended these sees whether more are left."""
MOST_ASKS = 20_000
"""Characters of what is asked, its parameters filled in: a short file could else ask something of gigabytes."""
_Loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_ID = re.compile(r"[a-z0-9]+(?:-[a-z0-9]+)*")
_DIMENSIONS = get_args(Dimension)
_KINDS = get_args(Kind)
_QUESTION_KEYS = {
    "id", "stages", "roles", "tracks", "minutes", "asks", "parameters", "facts", "criteria", "challenges",
    "model_answer", "lab", "always",
}  # fmt: skip
_DEFAULTS = {"stages", "roles", "tracks", "minutes"}


def read_questions(text: str, file: str) -> tuple[Question, ...]:
    """The questions of one file. Raises BadQuestions with the problems found; cost: linear in the text."""
    if len(text) > MOST_CHARACTERS:
        raise BadQuestions(
            [Problem(file, 1, f"a file has at most {MOST_CHARACTERS} characters, this has {len(text)}")]
        )
    reader = _Reader(file)
    try:
        _refuse_aliases(text, file)
        root = yaml.compose(text, Loader=_Loader)
        found = tuple(reader.read(root))
    except _Enough:
        found = ()
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        raise BadQuestions([Problem(file, mark.line + 1 if mark else 1, f"not YAML: {error.problem}")]) from None
    except yaml.YAMLError as error:
        raise BadQuestions([Problem(file, 1, f"not YAML: {str(error)[:200]}")]) from None
    if reader.problems:
        raise BadQuestions(sorted(reader.problems, key=lambda problem: problem.line))
    return found


def check_bank(questions: Sequence[Question]) -> list[str]:
    """What is wrong between files: ids that are there twice, areas without a question."""
    counts = Counter(question.id for question in questions)
    problems = [f"the id {name} is there {count} times" for name, count in sorted(counts.items()) if count > 1]
    covered = {question.area for question in questions}
    return problems + [f"no question of the area {area}" for area in get_args(Area) if area not in covered]


def parse_predicate(text: str) -> Predicate:
    """A predicate as it is written: `a|b & c & @number`, within one sentence unless it begins with `answer:`.

    Raises ValueError saying what is wrong.
    """
    within, _, rest = text.rpartition("answer:")
    if within.strip():
        raise ValueError(f"'answer:' stands at the beginning of a predicate, got {text!r}")
    groups: list[tuple[str, ...]] = []
    structures: list[Structure] = []
    for part in rest.split("&"):
        terms = tuple(term.strip() for term in part.split("|"))
        if not all(terms):
            raise ValueError(f"an empty term can never be found, got {text!r}")
        if terms[0].startswith("@"):
            structures.append(_structure(terms, text))
        else:
            groups.append(terms)
    return Predicate(
        all=tuple(groups),
        structures=tuple(structures),
        within="answer" if "answer:" in text else "sentence",
    )


def fill(text: str, values: dict[str, str]) -> str:
    """A text with its parameters filled in."""
    return text.format_map(values)


def _structure(terms: tuple[str, ...], text: str) -> Structure:
    name = terms[0][1:]
    if len(terms) > 1 or name not in get_args(Structure):
        raise ValueError(f"a structure is one of {', '.join('@' + one for one in get_args(Structure))}, got {text!r}")
    return name  # type: ignore[return-value]


def _refuse_aliases(text: str, file: str) -> None:
    """An alias can make a small file endless, or hide a cycle; depth is bounded for the same reason."""
    depth = 0
    for event in yaml.parse(text, Loader=_Loader):
        line = event.start_mark.line + 1
        if isinstance(event, yaml.AliasEvent):
            raise BadQuestions([Problem(file, line, f"aliases are not allowed, got *{event.anchor}")])
        depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
        if depth > MOST_DEPTH:
            raise BadQuestions([Problem(file, line, f"nested deeper than {MOST_DEPTH} levels")])


class _Enough(Exception):
    """So much is wrong that no more of it is looked for."""


class _Reader:
    """Turns nodes into questions, and writes down what is wrong instead of stopping at the first."""

    def __init__(self, file: str) -> None:
        self._file = file
        self.problems: list[Problem] = []

    def read(self, root: yaml.Node | None) -> Iterator[Question]:
        if root is None:
            self._say(None, "the file is empty; it has area, defaults and questions")
            return
        fields = self._mapping(root, "the file", {"area", "defaults", "questions"})
        area = self._choice(fields.get("area"), root, "area", get_args(Area))
        defaults = self._mapping(fields["defaults"], "defaults", _DEFAULTS) if "defaults" in fields else {}
        seen: set[str] = set()
        for node in self._sequence(fields.get("questions"), root, "questions"):
            before = len(self.problems)
            question = self._question(node, area, defaults)
            if question.id in seen:
                self._say(node, f"the id {question.id} is there twice")
            seen.add(question.id)
            if len(self.problems) == before:
                self._check(node, question)
            yield question

    def _question(self, node: yaml.Node, area: Any, defaults: dict[str, yaml.Node]) -> Question:
        fields = defaults | self._mapping(node, "a question", _QUESTION_KEYS)
        name = self._id(fields.get("id"), node, "a question")
        asks = self._text(fields.get("asks"), node, "asks")
        return Question(
            id=name,
            area=area,
            stages=self._choices(fields.get("stages"), node, "stages", get_args(Stage)),
            roles=self._choices(fields.get("roles"), node, "roles", get_args(Role)),
            tracks=self._choices(fields.get("tracks"), node, "tracks", get_args(Track)),
            minutes=self._number(fields.get("minutes"), node, "minutes", 1, 90),
            asks=asks,
            parameters=self._parameters(fields.get("parameters"), asks, fields.get("asks", node)),
            facts={
                key: self._text(value, value, key)
                for key, value in self._optional(fields.get("facts"), "facts").items()
            },
            criteria=tuple(self._criteria(fields.get("criteria"), node)),
            challenges=tuple(self._challenges(fields.get("challenges"), node)),
            model_answer=self._text(fields.get("model_answer"), node, "model_answer"),
            lab=self._text(fields["lab"], node, "lab") if "lab" in fields else None,
            always="always" in fields and self._text(fields["always"], node, "always") == "true",
        )

    def _criteria(self, node: yaml.Node | None, parent: yaml.Node) -> Iterator[Criterion]:
        if node is None:
            self._say(parent, "criteria are missing")
        for name, value in self._optional(node, "criteria").items():
            self._id_text(name, value)
            yield self._criterion(name, value)

    def _criterion(self, name: str, node: yaml.Node) -> Criterion:
        fields = self._mapping(node, f"the criterion {name}", {"says", "needs", "match", *_DIMENSIONS})
        tagged = [key for key in fields if key in _DIMENSIONS]
        if len(tagged) != 1:
            self._say(node, f"the criterion {name} has one dimension of {', '.join(_DIMENSIONS)}, got {tagged}")
        dimension = tagged[0] if tagged else "correctness"
        needs = [self._predicate(one) for one in self._sequence(fields.get("needs"), node, f"needs of {name}")]
        if not needs:
            self._say(node, f"the criterion {name} can never be met: it needs nothing")
        return Criterion(
            id=name,
            dimension=dimension,  # type: ignore[arg-type]
            level=self._number(fields.get(dimension), node, f"level of {name}", 1, 5),  # type: ignore[arg-type]
            says=self._text(fields.get("says"), node, f"says of {name}"),
            needs=tuple(needs),
            match=self._choice(fields["match"], node, "match", ("any", "all")) if "match" in fields else "any",
        )

    def _predicate(self, node: yaml.Node) -> Predicate:
        text = self._text(node, node, "a predicate")
        try:
            return parse_predicate(text)
        except ValueError as error:
            self._say(node, str(error))
            return Predicate()

    def _challenges(self, node: yaml.Node | None, parent: yaml.Node) -> Iterator[Challenge]:
        if node is None:
            self._say(parent, "challenges are missing")
        for name, value in self._optional(node, "challenges").items():
            self._id_text(name, value)
            yield self._challenge(name, value)

    def _challenge(self, name: str, node: yaml.Node) -> Challenge:
        known = {"met", "unmet", "scores", "answer", "then", *_KINDS}
        fields = self._mapping(node, f"the challenge {name}", known)
        kinds = [key for key in fields if key in _KINDS]
        if len(kinds) != 1:
            self._say(node, f"the challenge {name} has one kind of {', '.join(_KINDS)}, got {kinds}")
        whens = [key for key in ("met", "unmet") if key in fields]
        if len(whens) > 1:
            self._say(node, f"the challenge {name} follows a criterion that is met or unmet, not both")
        if "scores" not in fields:
            self._say(node, f"the challenge {name} says nowhere what it scores")
        kind = kinds[0] if kinds else "why"
        return Challenge(
            id=name,
            kind=kind,  # type: ignore[arg-type]
            asks=self._text(fields.get(kind), node, f"the words of {name}"),
            when=whens[0] if whens else "after",
            criterion=self._text(fields[whens[0]], node, whens[0]) if whens else None,
            criteria=(self._criterion(name, fields["scores"]),) if "scores" in fields else (),
            answer=self._text(fields.get("answer"), node, f"answer of {name}"),
            then=tuple(self._text(one, node, "then") for one in self._sequence(fields.get("then"), None, "then")),
        )

    def _parameters(self, node: yaml.Node | None, asks: str, asked: yaml.Node) -> dict[str, tuple[str, ...]]:
        values = {
            name: tuple(self._text(one, value, name) for one in self._sequence(value, value, name))
            for name, value in self._optional(node, "parameters").items()
        }
        try:
            fields = [
                (name, bool(spec or to)) for _, name, spec, to in string.Formatter().parse(asks) if name is not None
            ]
        except ValueError as error:
            self._say(asked, f"the braces of asks do not match: {error}")
            return values
        used = {name for name, _ in fields}
        for name, more in fields:
            if more:
                self._say(asked, f"a parameter of asks is {{{name}}} and nothing more in its braces")
        for name in sorted(used - set(values)):
            self._say(asked, f"asks names the parameter {{{name}}}, which has no values")
        for name in sorted(set(values) - used):
            self._say(node, f"the parameter {name} is not used in asks")
        for name, some in values.items():
            if len(set(some)) < 2:
                self._say(node, f"the parameter {name} has at least two values, got {len(set(some))}")
            if any("{" in one for one in some):
                self._say(node, f"the values of {name} have no braces: nothing is filled into them")
        longest = len(asks) + sum(
            asks.count(f"{{{name}}}") * max(map(len, some), default=0) for name, some in values.items()
        )
        if longest > MOST_ASKS:
            self._say(asked, f"asks has at most {MOST_ASKS} characters with its parameters, got {longest}")
        return values

    def _check(self, node: yaml.Node, question: Question) -> None:
        """What can only be seen in the whole question."""
        if len(question.criteria) < LEAST_CRITERIA:
            self._say(node, f"{question.id} has at least {LEAST_CRITERIA} criteria, got {len(question.criteria)}")
        names = [one.id for one in question.criteria] + [one.id for one in question.challenges]
        for name, count in Counter(names).items():
            if count > 1:
                self._say(node, f"{question.id}: the id {name} is there twice")
        _check_tree(question, lambda text: self._say(node, f"{question.id}: {text}"))

    def _mapping(self, node: yaml.Node, what: str, known: set[str] | None = None) -> dict[str, yaml.Node]:
        if not isinstance(node, yaml.MappingNode):
            self._say(node, f"{what} is a mapping, got {_kind(node)}")
            return {}
        fields: dict[str, yaml.Node] = {}
        for key, value in node.value:
            name = str(key.value)
            if name in fields:
                self._say(key, f"{name} is there twice in {what}")
            if known is not None and name not in known:
                self._say(key, f"{what} has no field {name}; it has {', '.join(sorted(known))}")
            fields[name] = value
        return fields

    def _optional(self, node: yaml.Node | None, what: str) -> dict[str, yaml.Node]:
        return {} if node is None else self._mapping(node, what)

    def _sequence(self, node: yaml.Node | None, parent: yaml.Node | None, what: str) -> list[yaml.Node]:
        if isinstance(node, yaml.SequenceNode):
            return list(node.value)
        if node is not None or parent is not None:
            self._say(node or parent, f"{what} is a list, got {_kind(node)}")
        return []

    def _text(self, node: yaml.Node | None, parent: yaml.Node | None, what: str) -> str:
        if isinstance(node, yaml.ScalarNode) and str(node.value).strip():
            return str(node.value).strip()
        self._say(node or parent, f"{what} is a text, got {_kind(node)}")
        return ""

    def _number(self, node: yaml.Node | None, parent: yaml.Node, what: str, least: int, most: int) -> int:
        text = str(node.value) if isinstance(node, yaml.ScalarNode) else ""
        if text.isascii() and text.isdigit() and len(text) < 5 and least <= int(text) <= most:
            return int(text)
        self._say(node or parent, f"{what} is a whole number from {least} to {most}, got {text[:40] or _kind(node)}")
        return least

    def _choice(self, node: yaml.Node | None, parent: yaml.Node, what: str, choices: tuple[Any, ...]) -> Any:
        text = self._text(node, parent, what)
        if text and text not in choices:
            self._say(node or parent, f"unknown {what} {text}; it is one of {', '.join(choices)}")
        return text

    def _choices(
        self, node: yaml.Node | None, parent: yaml.Node, what: str, choices: tuple[Any, ...]
    ) -> tuple[Any, ...]:
        return tuple(self._choice(one, parent, what, choices) for one in self._sequence(node, parent, what))

    def _id(self, node: yaml.Node | None, parent: yaml.Node, what: str) -> str:
        text = self._text(node, parent, f"id of {what}")
        self._id_text(text, node or parent)
        return text

    def _id_text(self, text: str, node: yaml.Node) -> None:
        if text and not _ID.fullmatch(text):
            self._say(node, f"an id has small letters, digits and hyphens, got {text!r}")

    def _say(self, node: yaml.Node | None, text: str) -> None:
        self.problems.append(Problem(self._file, node.start_mark.line + 1 if node is not None else 1, text))
        if len(self.problems) >= MOST_PROBLEMS:
            raise _Enough


def _kind(node: yaml.Node | None) -> str:
    if node is None:
        return "nothing"
    scalar = "a text" if str(node.value).strip() else "an empty text"
    return {yaml.MappingNode: "a mapping", yaml.SequenceNode: "a list"}.get(type(node), scalar)


def _check_tree(question: Question, say: Callable[[str], None]) -> None:
    """Challenges: each can be reached, none comes again, and some path has two levels."""
    challenges = {one.id: one for one in question.challenges}
    criteria = {one.id for one in question.criteria}
    for one in question.challenges:
        if one.criterion is not None and one.criterion not in criteria:
            say(f"the challenge {one.id} follows the criterion {one.criterion}, which is missing")
        for name in one.then:
            if name not in challenges:
                say(f"the challenge {one.id} goes on to {name}, which is missing")
    roots = [one.id for one in question.challenges if one.when != "after"]
    depths: dict[str, int] = {}
    depth = max((_depth(name, challenges, (), depths, say) for name in roots), default=0)
    for name in sorted(set(challenges) - set(depths)):
        say(f"the challenge {name} is never reached: it follows neither a criterion nor another challenge")
    if depth < LEAST_LEVELS:
        say(f"challenges go at least {LEAST_LEVELS} levels deep, got {depth}")


def _depth(
    name: str,
    challenges: dict[str, Challenge],
    path: tuple[str, ...],
    depths: dict[str, int],
    say: Callable[[str], None],
) -> int:
    """Levels from a challenge on; found once for each, however many ways lead to it."""
    if name in path:
        say(f"the challenges go in a circle: {' → '.join((*path[path.index(name) :], name))}")
        return 0
    if name not in challenges:
        return 0
    if len(path) >= MOST_LEVELS:
        say(f"challenges go at most {MOST_LEVELS} levels deep; {name} is deeper")
        return 0
    if name not in depths:
        below = [_depth(one, challenges, (*path, name), depths, say) for one in challenges[name].then]
        depths[name] = 1 + max(below, default=0)
    return depths[name]
