"""GrowthBook's conditions: MongoDB's operators over attributes."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from functools import lru_cache
from typing import Any

from reelwright.experiments.contract import BadConfiguration
from reelwright.experiments.core.importers import javascript as js
from reelwright.experiments.core.targeting import compile_pattern

Groups = Mapping[str, list[Any]]
_JOINS = frozenset({"$or", "$nor", "$and", "$not"})


def holds(attributes: Any, condition: Mapping[str, Any], groups: Groups) -> bool:
    """Whether a condition holds for these attributes."""
    for key, expected in condition.items():
        if key == "$or":
            met = _any(attributes, expected, groups)
        elif key == "$nor":
            met = not _any(attributes, expected, groups)
        elif key == "$and":
            met = all(holds(attributes, one, groups) for one in expected)
        elif key == "$not":
            met = not holds(attributes, expected, groups)
        else:
            met = _value_holds(expected, path(attributes, key), groups)
        if not met:
            return False
    return True


def path(attributes: Any, key: str) -> Any:
    """The value at a dotted path, None where there is none."""
    for part in key.split("."):
        attributes = attributes.get(part) if isinstance(attributes, Mapping) else None
    return attributes


def padded_version(version: Any) -> str:
    """A version as text whose order is the order of versions."""
    if isinstance(version, int | float) and not isinstance(version, bool):
        version = js.text(version)
    if not isinstance(version, str) or not version:
        version = "0"
    parts = re.split(r"[-.]", re.sub(r"^v|\+.*$", "", version))
    if len(parts) == 3:
        parts.append("~")
    return "-".join(part.rjust(5) if part.isascii() and part.isdigit() else part for part in parts)


def unknown_operators(condition: Any) -> Iterator[str]:
    """Operators in a condition that we do not know."""
    if isinstance(condition, Mapping):
        for key, value in condition.items():
            if key.startswith("$") and key not in OPERATORS and key not in _JOINS and key != "$groups":
                yield key
            yield from unknown_operators(value)
    elif isinstance(condition, list):
        for one in condition:
            yield from unknown_operators(one)


def _any(attributes: Any, conditions: list[Any], groups: Groups) -> bool:
    return not conditions or any(holds(attributes, one, groups) for one in conditions)


def _value_holds(condition: Any, value: Any, groups: Groups) -> bool:
    if isinstance(condition, str):
        return js.text(value) == condition
    if isinstance(condition, bool):
        return value is not None and js.truthy(value) == condition
    if isinstance(condition, int | float):
        return js.number(value) == condition
    if condition is None:
        return value is None
    if _is_operators(condition):
        return all(
            OPERATORS.get(operator, _never)(value, expected, groups) for operator, expected in condition.items()
        )
    return js.equal_json(value, condition)


def _is_operators(condition: Any) -> bool:
    return isinstance(condition, Mapping) and bool(condition) and all(key.startswith("$") for key in condition)


def _never(_actual: Any, _expected: Any, _groups: Groups) -> bool:
    return False


def _folded(value: Any) -> Any:
    return value.lower() if isinstance(value, str) else value


def _within(actual: Any, expected: list[Any], *, fold: bool = False) -> bool:
    known = [_folded(one) for one in expected] if fold else expected
    values = actual if isinstance(actual, list) else [actual]
    return any(js.same(_folded(value) if fold else value, one) for value in values for one in known)


def _elements(actual: Any, expected: Any, groups: Groups) -> bool:
    if not isinstance(actual, list):
        return False
    if _is_operators(expected):
        return any(_value_holds(expected, one, groups) for one in actual)
    return any(holds(one, expected, groups) for one in actual)


def _every(actual: Any, expected: Any, groups: Groups, *, fold: bool = False) -> bool:
    if not isinstance(actual, list):
        return False
    values = [_folded(one) for one in actual] if fold else actual
    return all(
        any(_value_holds(_folded(one) if fold else one, value, groups) for value in values) for one in expected
    )


@lru_cache(maxsize=4096)
def _pattern(pattern: str) -> Any:
    try:
        return compile_pattern(pattern)
    except BadConfiguration:
        return None


def _matches(actual: Any, expected: Any, *, fold: bool = False) -> bool:
    pattern = _pattern(f"(?i){expected}" if fold else str(expected))
    return pattern is not None and pattern.search(js.text(actual)) is not None


def _version(compare: Callable[[str, str], bool]) -> Callable[[Any, Any, Groups], bool]:
    return lambda actual, expected, _: compare(padded_version(actual), padded_version(expected))


OPERATORS: Mapping[str, Callable[[Any, Any, Groups], bool]] = {
    "$eq": lambda actual, expected, _: js.same(actual, expected),
    "$ne": lambda actual, expected, _: not js.same(actual, expected),
    "$lt": lambda actual, expected, _: js.less(actual, expected),
    "$gt": lambda actual, expected, _: js.less(expected, actual),
    "$lte": lambda actual, expected, _: js.less(actual, expected) or not (js.less(expected, actual)),
    "$gte": lambda actual, expected, _: js.less(expected, actual) or not (js.less(actual, expected)),
    "$exists": lambda actual, expected, _: (actual is not None) == js.truthy(expected),
    "$in": lambda actual, expected, _: isinstance(expected, list) and _within(actual, expected),
    "$nin": lambda actual, expected, _: isinstance(expected, list) and not _within(actual, expected),
    "$ini": lambda actual, expected, _: isinstance(expected, list) and _within(actual, expected, fold=True),
    "$nini": lambda actual, expected, _: isinstance(expected, list) and not _within(actual, expected, fold=True),
    "$inGroup": lambda actual, expected, groups: _within(actual, groups.get(expected, [])),
    "$notInGroup": lambda actual, expected, groups: not _within(actual, groups.get(expected, [])),
    "$not": lambda actual, expected, groups: not _value_holds(expected, actual, groups),
    "$size": lambda actual, expected, groups: (
        isinstance(actual, list) and _value_holds(expected, len(actual), groups)
    ),
    "$elemMatch": _elements,
    "$all": lambda actual, expected, groups: _every(actual, expected, groups),
    "$alli": lambda actual, expected, groups: _every(actual, expected, groups, fold=True),
    "$regex": lambda actual, expected, _: _matches(actual, expected),
    "$notRegex": lambda actual, expected, _: not _matches(actual, expected),
    "$regexi": lambda actual, expected, _: _matches(actual, expected, fold=True),
    "$notRegexi": lambda actual, expected, _: not _matches(actual, expected, fold=True),
    "$type": lambda actual, expected, _: js.type_of(actual) == expected,
    "$veq": _version(str.__eq__),
    "$vne": _version(str.__ne__),
    "$vlt": _version(str.__lt__),
    "$vlte": _version(str.__le__),
    "$vgt": _version(str.__gt__),
    "$vgte": _version(str.__ge__),
}
