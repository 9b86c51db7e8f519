"""Targeting compiled: distinct predicates are evaluated once for a viewer, however many experiments share them.

Equality is a look-up by value, comparisons are one vector operation an attribute, patterns run one by one.
Expressions become conjunctions of literals in levels (`or` by De Morgan); those of one level and width are evaluated
together.
"""

from __future__ import annotations

import math
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
import re2

from reelwright.experiments.contract import (
    Attributes,
    BadConfiguration,
    Clause,
    Condition,
    InSegment,
    Not,
    Some,
)
from reelwright.experiments.core.versions import VersionKey, version_key

Truth = npt.NDArray[np.bool_]
Ids = npt.NDArray[np.intp]
Literal_ = tuple[int, bool]
PATTERN_MOST = 1000
"""Characters of a pattern."""
DEPTH_MOST = 40
_COMPARE: Mapping[str, Callable[[Any, Any], Any]] = {
    "lt": np.less,
    "lte": np.less_equal,
    "gt": np.greater,
    "gte": np.greater_equal,
}
_TEXT: Mapping[str, Callable[[str, str], bool]] = {
    "contains": lambda text, part: part in text,
    "starts_with": str.startswith,
    "ends_with": str.endswith,
}


class Builder:
    """Collects the conditions of a configuration."""

    def __init__(self, segments: Mapping[str, Condition]) -> None:
        self._segments = segments
        self._leaves: dict[object, tuple[Clause, int]] = {None: (Clause("", "exists"), 0)}
        self._nodes: dict[frozenset[Literal_], tuple[int, int]] = {}
        self._opened: list[str] = []

    def add(self, condition: Condition | None) -> Literal_:
        """The literal that is true when `condition` holds. Raises BadConfiguration."""
        return (0, False) if condition is None else self._literal(condition, 0)[0]

    def build(self, wanted: list[Literal_]) -> tuple[Targeting, Ids, Truth]:
        """The compiled conditions; for every wanted literal its column, and whether it is negated."""
        places = {-1 - number: 0 for number in range(len(self._nodes))}
        ordered = sorted(self._nodes.items(), key=lambda item: item[1][1])
        for place, (_, (number, _)) in enumerate(ordered, len(self._leaves)):
            places[-1 - number] = place
        levels: list[tuple[int, list[list[Literal_]]]] = []
        last = 0
        for place, (literals, (_, level)) in enumerate(ordered, len(self._leaves)):
            if level != last:
                levels.append((place, []))
                last = level
            levels[-1][1].append([(places.get(at, at), negated) for at, negated in sorted(literals)])
        columns = np.array([places.get(at, at) for at, _ in wanted], dtype=np.intp)
        leaves = [clause for clause, _ in self._leaves.values()]
        return Targeting(leaves, levels), columns, np.array([negated for _, negated in wanted], dtype=np.bool_)

    def _literal(self, condition: Condition, depth: int) -> tuple[Literal_, int]:
        """(literal, level); leaves have numbers from 0, nodes from -1 downwards."""
        if depth > DEPTH_MOST:
            raise BadConfiguration([f"a condition is nested deeper than {DEPTH_MOST}"])
        if isinstance(condition, Clause):
            _check(condition)
            name = condition.attribute, condition.operator, tuple(_key(value) for value in condition.values)
            return (self._leaves.setdefault(name, (condition, len(self._leaves)))[1], False), 0
        if isinstance(condition, Not):
            (at, negated), level = self._literal(condition.of, depth + 1)
            return (at, not negated), level
        if isinstance(condition, InSegment):
            return self._segment(condition.key, depth)
        inner = [self._literal(one, depth + 1) for one in condition.of]
        flip = isinstance(condition, Some)
        literals = frozenset((at, negated != flip) for (at, negated), _ in inner)
        if not literals:
            return (0, flip), 0
        if len(literals) == 1:
            return inner[0]
        level = 1 + max(level for _, level in inner)
        number, level = self._nodes.setdefault(literals, (len(self._nodes), level))
        return (-1 - number, flip), level

    def _segment(self, key: str, depth: int) -> tuple[Literal_, int]:
        if key in self._opened:
            raise BadConfiguration([f"segments name each other in a circle: {' → '.join([*self._opened, key])}"])
        if key not in self._segments:
            raise BadConfiguration([f"no segment {key!r}"])
        self._opened.append(key)
        try:
            return self._literal(self._segments[key], depth + 1)
        finally:
            self._opened.pop()


class Targeting:
    """All distinct predicates and conjunctions of a configuration."""

    def __init__(self, leaves: list[Clause], levels: list[tuple[int, list[list[Literal_]]]]) -> None:
        self._size = len(leaves) + sum(len(groups) for _, groups in levels)
        self._equal: dict[str, dict[object, Ids]] = {}
        self._numbers: dict[str, list[tuple[Callable[[Any, Any], Any], npt.NDArray[np.float64], Ids]]] = {}
        self._versions: dict[str, _Versions] = {}
        self._texts: dict[str, list[tuple[Callable[[str], bool], int]]] = {}
        self._exist: dict[str, Ids] = {}
        self._collect(leaves)
        self._levels = [_level(start, groups) for start, groups in levels]

    def evaluate(self, attributes: Attributes) -> Truth:
        """Which predicates and conjunctions hold: shape (n_columns,)."""
        truth = np.zeros(self._size, dtype=np.bool_)
        truth[0] = True
        for attribute, ids in self._exist.items():
            if attributes.get(attribute) is not None:
                truth[ids] = True
        for attribute, table in self._equal.items():
            value = attributes.get(attribute)
            for one in value if isinstance(value, list | tuple | set | frozenset) else (value,):
                ids = table.get(_key(one), _NONE)
                if len(ids):
                    truth[ids] = True
        self._compare(attributes, truth)
        for level in self._levels:
            for places, columns, negated in level:
                holds = truth[columns[0]] ^ negated[0]
                for column, flipped in zip(columns[1:], negated[1:], strict=True):
                    holds &= truth[column] ^ flipped
                truth[places] = holds
        return truth

    def _compare(self, attributes: Attributes, truth: Truth) -> None:
        for attribute, comparisons in self._numbers.items():
            value = attributes.get(attribute)
            if isinstance(value, int | float) and not isinstance(value, bool):
                for compare, bounds, ids in comparisons:
                    truth[ids] = compare(float(value), bounds)
        for attribute, versions in self._versions.items():
            value = attributes.get(attribute)
            if isinstance(value, str):
                versions.compare(value, truth)
        for attribute, tests in self._texts.items():
            value = attributes.get(attribute)
            if isinstance(value, str):
                for test, at in tests:
                    truth[at] = test(value)

    def _collect(self, leaves: list[Clause]) -> None:
        equal: dict[str, dict[object, list[int]]] = {}
        numbers: dict[tuple[str, str], list[tuple[float, int]]] = {}
        versions: dict[str, list[tuple[str, VersionKey, int]]] = {}
        exist: dict[str, list[int]] = {}
        for at, clause in enumerate(leaves[1:], 1):
            name, operator = clause.attribute, clause.operator
            if operator == "in":
                for value in clause.values:
                    equal.setdefault(name, {}).setdefault(_key(value), []).append(at)
            elif operator == "exists":
                exist.setdefault(name, []).append(at)
            elif operator in _COMPARE:
                numbers.setdefault((name, operator), []).append((float(clause.values[0]), at))
            elif operator.startswith("semver"):
                key = version_key(str(clause.values[0]))
                assert key is not None  # `_check` has looked
                versions.setdefault(name, []).append((operator, key, at))
            else:
                self._texts.setdefault(name, []).append((_text_test(clause), at))
        self._equal = {name: {key: _ids(ids) for key, ids in table.items()} for name, table in equal.items()}
        self._exist = {name: _ids(ids) for name, ids in exist.items()}
        self._versions = {name: _Versions(rows) for name, rows in versions.items()}
        for (name, compare), rows in numbers.items():
            bounds = np.array([bound for bound, _ in rows])
            self._numbers.setdefault(name, []).append((_COMPARE[compare], bounds, _ids([at for _, at in rows])))


class _Versions:
    """All version predicates of one attribute: one search, then comparisons of positions."""

    def __init__(self, rows: list[tuple[str, VersionKey, int]]) -> None:
        self._keys = sorted({key for _, key, _ in rows})
        place = {key: at for at, key in enumerate(self._keys)}
        self._groups = [
            (operator, _ids([place[key] for name, key, _ in rows if name == operator]), _ids(ids))
            for operator in sorted({name for name, _, _ in rows})
            if (ids := [at for name, _, at in rows if name == operator])
        ]

    def compare(self, text: str, truth: Truth) -> None:
        key = version_key(text)
        if key is None:
            return
        low, high = bisect_left(self._keys, key), bisect_right(self._keys, key)
        answers: dict[str, Callable[[Ids], Any]] = {
            "semver_gt": lambda places: places < low,
            "semver_gte": lambda places: places < high,
            "semver_lt": lambda places: places >= high,
            "semver_lte": lambda places: places >= low,
            "semver_eq": lambda places: (places >= low) & (places < high),
        }
        for name, places, ids in self._groups:
            truth[ids] = answers[name](places)


def compile_pattern(pattern: str) -> Any:
    """An RE2 pattern: linear time, whatever the text. Raises BadConfiguration."""
    if len(pattern) > PATTERN_MOST:
        raise BadConfiguration([f"a pattern has at most {PATTERN_MOST} characters, got {len(pattern)}"])
    options = re2.Options()
    options.log_errors = False
    options.max_mem = 1 << 20
    try:
        return re2.compile(pattern, options=options)
    except re2.error as error:
        raise BadConfiguration([f"pattern {pattern[:60]!r} is not RE2: {error}"]) from None


def _check(clause: Clause) -> None:
    operator, values = clause.operator, clause.values
    name = f"{clause.attribute[:60]!r} {operator}"
    if operator == "in":
        if not values:
            raise BadConfiguration([f"{name}: needs values"])
    elif operator != "exists" and len(values) != 1:
        raise BadConfiguration([f"{name}: needs one value, got {len(values)}"])
    elif operator in _COMPARE:
        bound = values[0]
        if isinstance(bound, bool | str) or not math.isfinite(bound):
            raise BadConfiguration([f"{name}: needs a finite number, got {bound!r}"])
    elif operator.startswith("semver"):
        if version_key(str(values[0])) is None:
            raise BadConfiguration([f"{name}: needs a version such as 1.2.3, got {str(values[0])[:60]!r}"])
    elif operator == "matches":
        compile_pattern(str(values[0]))


def _text_test(clause: Clause) -> Callable[[str], bool]:
    part = str(clause.values[0])
    if clause.operator == "matches":
        pattern = compile_pattern(part)
        return lambda text: pattern.search(text) is not None
    test = _TEXT[clause.operator]
    return lambda text: test(text, part)


def _key(value: object) -> object:
    """What equality looks up: 1 and 1.0 are equal, 1 and true are not."""
    if isinstance(value, bool):
        return ("bool", value)
    try:
        hash(value)
    except TypeError:
        return None
    return value


def _level(start: int, groups: list[list[Literal_]]) -> list[tuple[Ids, Ids, Truth]]:
    """(places, columns, negated) for each width: shapes (n,), (width, n), (width, n)."""
    found = []
    for width in sorted({len(group) for group in groups}):
        places = [at for at, group in enumerate(groups) if len(group) == width]
        columns = np.array([[at for at, _ in groups[place]] for place in places], dtype=np.intp).T.copy()
        negated = np.array([[flip for _, flip in groups[place]] for place in places], dtype=np.bool_).T.copy()
        found.append((_ids(places) + start, columns, negated))
    return found


def _ids(values: list[int]) -> Ids:
    return np.array(values, dtype=np.intp)


_NONE = _ids([])
