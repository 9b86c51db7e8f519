"""JSON Logic, as flagd's targeting has it: one rule is an object with one operator.

Comparisons turn types into each other as JavaScript does; what an operator makes of too few arguments is what the
reference evaluators make of them.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from reelwright.experiments.contract import BadConfiguration

DEPTH_MOST = 100
Operators = Mapping[str, Callable[..., Any]]
"""By name: called with the data and the evaluated arguments."""


def apply(rule: Any, data: Any, operators: Operators) -> Any:
    """What a rule says of the data. `operators` are the vendor's own beside JSON Logic's."""
    if isinstance(rule, list):
        return [apply(one, data, operators) for one in rule]
    if not isinstance(rule, dict) or len(rule) != 1:
        return rule
    (name, given), *_ = rule.items()
    arguments = given if isinstance(given, list) else [given]
    if name in _LAZY:
        return _LAZY[name](arguments, data, lambda rule, data: apply(rule, data, operators))
    found = [apply(one, data, operators) for one in arguments]
    operator = operators.get(name) or _EAGER[name]
    return operator(data, *found)


def unknown_operators(rule: Any, operators: Operators, *, depth: int = 0) -> Iterator[str]:
    """Operators that nobody knows, wherever they stand. Raises BadConfiguration for a rule too deep to evaluate."""
    if depth > DEPTH_MOST:
        raise BadConfiguration([f"a rule is nested more than {DEPTH_MOST} deep"])
    if isinstance(rule, list):
        for one in rule:
            yield from unknown_operators(one, operators, depth=depth + 1)
    elif isinstance(rule, dict) and len(rule) == 1:
        (name, given), *_ = rule.items()
        if name not in _LAZY and name not in _EAGER and name not in operators:
            yield name
        yield from unknown_operators(given, operators, depth=depth + 1)


def number(value: Any) -> float:
    """A value as a number; NaN where it is none."""
    if isinstance(value, bool | int | float):
        return value
    if value is None:
        return 0
    if isinstance(value, list):
        return number(value[0]) if len(value) == 1 else 0 if not value else math.nan
    if not isinstance(value, str) or value.strip().lower().lstrip("+-") in ("inf", "infinity"):
        return math.nan
    try:
        return float(value)
    except ValueError:
        return math.nan


def text(value: Any) -> str:
    """A value as text."""
    if isinstance(value, str):
        return value
    if value is None:
        return "null"
    if isinstance(value, bool):
        return str(value)
    if isinstance(value, float):
        return f"{value:.15g}"
    if isinstance(value, list):
        return ",".join(map(text, value))
    return "[object Object]" if isinstance(value, dict) else str(value)


def truthy(value: Any) -> bool:
    """Whether a value counts as true: an empty list does not, an empty object does."""
    if isinstance(value, float) and math.isnan(value):
        return False
    return isinstance(value, dict) or bool(value)


def look_up(data: Any, key: Any = None, default: Any = None) -> Any:
    """The value at a dotted path; of nothing, the data."""
    if key is None or key == "":
        return data
    for part in text(key).split("."):
        if isinstance(data, dict):
            data = data.get(part)
        elif isinstance(data, list | str):
            if part == "length":
                return len(data)
            if not part.isdecimal() or str(int(part)) != part or int(part) >= len(data):
                return default
            data = data[int(part)]
        else:
            return default
    return default if data is None else data


def equal(left: Any, right: Any) -> bool:
    """`==`, which turns one type into another."""
    if type(left) is type(right):
        return left is right if isinstance(left, list | dict) else bool(left == right)
    if isinstance(left, int | float) or isinstance(right, int | float):
        return number(left) == number(right) if left is not None or right is not None else True
    if left is None or right is None:
        return False
    return text(left) == text(right) if isinstance(left, str) or isinstance(right, str) else False


def _ordered(left: Any, right: Any, test: Callable[[Any, Any], bool]) -> bool:
    texts = isinstance(left, str) or isinstance(right, str)
    if texts and not isinstance(left, int | float) and not isinstance(right, int | float):
        return test(text(left), text(right))
    return test(number(left), number(right))


def _chain(test: Callable[[Any, Any], bool]) -> Callable[..., bool]:
    def compare(_data: Any, left: Any = None, right: Any = None, last: Any = None, *_rest: Any) -> bool:
        return _ordered(left, right, test) and (last is None or _ordered(right, last, test))

    return compare


def _if(arguments: Sequence[Any], data: Any, ask: Callable[[Any, Any], Any]) -> Any:
    pairs = len(arguments) // 2
    for at in range(pairs):
        if truthy(ask(arguments[2 * at], data)):
            return ask(arguments[2 * at + 1], data)
    return ask(arguments[-1], data) if len(arguments) % 2 else None


def _and(arguments: Sequence[Any], data: Any, ask: Callable[[Any, Any], Any]) -> Any:
    found = None
    for one in arguments:
        found = ask(one, data)
        if not truthy(found):
            return found
    return found


def _or(arguments: Sequence[Any], data: Any, ask: Callable[[Any, Any], Any]) -> Any:
    found = None
    for one in arguments:
        found = ask(one, data)
        if truthy(found):
            return found
    return found


def _items(arguments: Sequence[Any], data: Any, ask: Callable[[Any, Any], Any]) -> list[Any]:
    found = ask(arguments[0], data) if arguments else None
    return found if isinstance(found, list) else []


def _over(decide: Callable[[list[bool], list[Any]], Any]) -> Callable[..., Any]:
    """Of a list and a rule for its items: what is made of the verdicts."""

    def evaluate(arguments: Sequence[Any], data: Any, ask: Callable[[Any, Any], Any]) -> Any:
        items = _items(arguments, data, ask) if len(arguments) > 1 else []
        return decide([truthy(ask(arguments[1], item)) for item in items], items)

    return evaluate


def _map(arguments: Sequence[Any], data: Any, ask: Callable[[Any, Any], Any]) -> Any:
    rule = arguments[1] if len(arguments) > 1 else None
    return [ask(rule, item) for item in _items(arguments, data, ask)]


def _reduce(arguments: Sequence[Any], data: Any, ask: Callable[[Any, Any], Any]) -> Any:
    rule, found = (*arguments[1:3], None, None)[:2]
    for item in _items(arguments, data, ask):
        found = ask(rule, {"current": item, "accumulator": found})
    return found


_LAZY: Mapping[str, Callable[..., Any]] = {
    "if": _if,
    "?:": _if,
    "and": _and,
    "or": _or,
    "map": _map,
    "reduce": _reduce,
    "filter": _over(lambda held, items: [item for item, holds in zip(items, held, strict=True) if holds]),
    "all": _over(lambda held, _: bool(held) and all(held)),
    "some": _over(lambda held, _: any(held)),
    "none": _over(lambda held, _: not any(held)),
}


def _substring(_data: Any, given: Any = None, start: Any = 0, length: Any = None, *_rest: Any) -> str:
    whole, first = text(given), number(start)
    begin = 0 if math.isnan(first) else int(first)
    begin = min(begin, len(whole)) if begin >= 0 else max(0, len(whole) + begin)
    if length is None:
        return whole[begin:]
    most = number(length)
    most = 0 if math.isnan(most) else int(most)
    return whole[begin : max(begin, len(whole) + most) if most < 0 else begin + most]


def _missing(data: Any, *keys: Any) -> list[Any]:
    wanted = keys[0] if keys and isinstance(keys[0], list) else keys
    return [key for key in wanted if look_up(data, key) in (None, "")]


def _missing_some(data: Any, needed: Any = 0, keys: Any = None, *_rest: Any) -> list[Any]:
    gone = _missing(data, keys) if isinstance(keys, list) else []
    return [] if not isinstance(keys, list) or len(keys) - len(gone) >= number(needed) else gone


def _divided(left: float, right: float) -> float:
    if right == 0:
        return math.nan if left == 0 or math.isnan(left) else math.copysign(math.inf, left)
    return left / right


def _within(_data: Any, needle: Any = None, hay: Any = None, *_rest: Any) -> bool:
    return needle in hay if isinstance(hay, list) else isinstance(hay, str) and text(needle) in hay


_EAGER: Operators = {
    "==": lambda _, left=None, right=None, *_rest: equal(left, right),
    "!=": lambda _, left=None, right=None, *_rest: not equal(left, right),
    "===": lambda _, left=None, right=None, *_rest: left == right,
    "!==": lambda _, left=None, right=None, *_rest: left != right,
    "<": _chain(lambda left, right: left < right),
    ">": _chain(lambda left, right: left > right),
    "<=": _chain(lambda left, right: left <= right),
    ">=": _chain(lambda left, right: left >= right),
    "!": lambda _, value=None, *_rest: not truthy(value),
    "!!": lambda _, value=None, *_rest: truthy(value),
    "+": lambda _, *values: sum(map(number, values)),
    "*": lambda _, *values: math.prod(map(number, values)),
    "-": lambda _, left=None, right=None, *_rest: -number(left) if right is None else number(left) - number(right),
    "/": lambda _, left=None, right=None, *_rest: _divided(number(left), number(right)),
    "%": lambda _, left=None, right=None, *_rest: number(left) % number(right) if number(right) else math.nan,
    "in": _within,
    "min": lambda _, *values: min(map(number, values), default=math.nan),
    "max": lambda _, *values: max(map(number, values), default=math.nan),
    "cat": lambda _, *values: "".join(map(text, values)),
    "var": lambda data, key=None, default=None, *_rest: look_up(data, key, default),
    "substr": _substring,
    "merge": lambda _, *values: [one for value in values for one in (value if isinstance(value, list) else [value])],
    "missing": _missing,
    "missing_some": _missing_some,
    "log": lambda _, value=None, *_rest: value,
}
