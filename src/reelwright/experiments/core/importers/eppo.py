"""Eppo's flags with Eppo's buckets: the server's universal flag configuration, shards by MD5."""

from __future__ import annotations

import hashlib
import json
import math
import re
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from reelwright.experiments.contract import Attributes, BadConfiguration, Resolution, UnknownOperator
from reelwright.experiments.core.targeting import compile_pattern
from reelwright.experiments.core.versions import version_key

Json = dict[str, Any]
Test = Callable[[Any], bool]
_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?|[+-]?(inf|infinity)", re.IGNORECASE)
_TYPES: Mapping[str, Callable[[Any], bool]] = {
    "BOOLEAN": lambda value: isinstance(value, bool),
    "INTEGER": lambda value: _is_number(value) and float(value).is_integer(),
    "NUMERIC": lambda value: _is_number(value),
    "STRING": lambda value: isinstance(value, str),
    "JSON": lambda value: isinstance(value, str),
}


def shard(salt: str, unit: str, shards: int) -> int:
    """Where a unit falls, from 0 to `shards` − 1."""
    digest = hashlib.md5(f"{salt}-{unit}".encode("utf-8", "surrogatepass"), usedforsecurity=False).digest()
    return int.from_bytes(digest[:4], "big") % shards


class Eppo:
    """A flag configuration of Eppo. `now_ms` tells when allocations begin and end.

    Raises BadConfiguration for a file of something else, UnknownOperator for what we do not know.
    """

    def __init__(self, document: Mapping[str, Any], *, now_ms: Callable[[], int] = lambda: 0) -> None:
        flags = document.get("flags")
        if not isinstance(flags, Mapping):
            raise BadConfiguration(["a configuration of Eppo has an object 'flags'"])
        if document.get("format", "SERVER") != "SERVER":
            raise UnknownOperator(f"format {str(document['format'])[:60]!r}: only SERVER is not obfuscated")
        self._now_ms = now_ms
        self._flags = {key: _Flag(key, flag) for key, flag in flags.items()}
        self.version = hashlib.blake2b(json.dumps(document, sort_keys=True).encode(), digest_size=12).hexdigest()

    def keys(self) -> Sequence[str]:
        """All flags."""
        return tuple(self._flags)

    def resolve(self, key: str, attributes: Attributes) -> Resolution:
        """One flag for the unit `targetingKey`; without a value where Eppo leaves it to the caller's default."""
        flag = self._flags.get(key)
        if flag is None:
            return Resolution(key=key, reason="ERROR", error_code="FLAG_NOT_FOUND", message=f"no flag {key[:60]!r}")
        unit = attributes.get("targetingKey")
        if not isinstance(unit, str) or not unit:
            why = "the unit is the text 'targetingKey'"
            return Resolution(key=key, reason="ERROR", error_code="TARGETING_KEY_MISSING", message=why)
        given = {"id": unit, **{name: one for name, one in attributes.items() if name != "targetingKey"}}
        return flag.resolve(unit, given, self._now_ms())

    def resolve_all(self, attributes: Attributes) -> Sequence[Resolution]:
        """Every flag."""
        return [self.resolve(key, attributes) for key in self._flags]


class _Flag:
    """One flag, checked once."""

    def __init__(self, key: str, flag: Any) -> None:
        named = f"flag {key[:60]!r}"
        if not isinstance(flag, Mapping) or not isinstance(flag.get("allocations"), list):
            raise BadConfiguration([f"{named}: 'allocations' is a list"])
        kind = str(flag.get("variationType"))
        if kind not in _TYPES:
            raise UnknownOperator(f"{named}: variation type {kind[:60]!r} is not one of Eppo's")
        self._key = key
        self._enabled = flag.get("enabled", False)
        self._shards = flag.get("totalShards", 0)
        if not isinstance(self._shards, int) or self._shards < 1:
            raise BadConfiguration([f"{named}: 'totalShards' is at least 1"])
        self._values = {name: _value(named, kind, one) for name, one in (flag.get("variations") or {}).items()}
        self._allocations = [_Allocation(named, one) for one in flag["allocations"]]

    def resolve(self, unit: str, given: Mapping[str, Any], now_ms: int) -> Resolution:
        if not self._enabled:
            return Resolution(key=self._key, reason="DISABLED")
        for allocation in self._allocations:
            if not allocation.is_open(given, now_ms):
                continue
            for variant, shards in allocation.splits:
                if all(self._holds(salt, ranges, unit) for salt, ranges in shards):
                    return self._found(allocation, variant, split=bool(shards))
        return Resolution(key=self._key, reason="DEFAULT")

    def _found(self, allocation: _Allocation, variant: str, *, split: bool) -> Resolution:
        if variant not in self._values:
            why = f"variation {variant[:60]!r} is not one of the flag's"
            return Resolution(key=self._key, reason="ERROR", error_code="PARSE_ERROR", message=why)
        reason = "SPLIT" if split else "TARGETING_MATCH" if allocation.rules else "STATIC"
        return Resolution(
            key=self._key,
            value=self._values[variant],
            variant=variant,
            reason=reason,
            metadata={"allocation": allocation.key},
        )

    def _holds(self, salt: str, ranges: Sequence[tuple[int, int]], unit: str) -> bool:
        at = shard(salt, unit, self._shards)
        return any(start <= at < end for start, end in ranges)


class _Allocation:
    """Who is in it, when, and how they are split."""

    def __init__(self, named: str, given: Mapping[str, Any]) -> None:
        self.key = str(given.get("key", ""))
        self._starts_ms, self._ends_ms = (_moment_ms(named, given.get(name)) for name in ("startAt", "endAt"))
        self.rules = [
            [(str(one.get("attribute")), _test(named, one)) for one in rule.get("conditions") or ()]
            for rule in given.get("rules") or ()
        ]
        self.splits = [
            (
                str(split.get("variationKey")),
                [
                    (str(one.get("salt", "")), [(int(span["start"]), int(span["end"])) for span in one["ranges"]])
                    for one in split.get("shards") or ()
                ],
            )
            for split in given.get("splits") or ()
        ]

    def is_open(self, given: Mapping[str, Any], now_ms: int) -> bool:
        if self._starts_ms is not None and now_ms < self._starts_ms:
            return False
        if self._ends_ms is not None and now_ms > self._ends_ms:
            return False
        return not self.rules or any(all(test(given.get(name)) for name, test in rule) for rule in self.rules)


def _value(named: str, kind: str, variation: Mapping[str, Any]) -> Any:
    value: Any = variation.get("value")
    if not _TYPES[kind](value):
        raise BadConfiguration([f"{named}: a variation's value is no {kind}"])
    if kind == "JSON":
        try:
            return json.loads(value)
        except ValueError as error:
            raise BadConfiguration([f"{named}: a variation's value is no JSON: {error}"]) from None
    return int(value) if kind == "INTEGER" else value


def _moment_ms(named: str, value: Any) -> int | None:
    if value is None:
        return None
    try:
        found = datetime.fromisoformat(str(value))
    except ValueError as error:
        raise BadConfiguration([f"{named}: {str(value)[:60]!r} is no moment: {error}"]) from None
    return round((found if found.tzinfo else found.replace(tzinfo=UTC)).timestamp() * 1000)


def _test(named: str, condition: Mapping[str, Any]) -> Test:
    operator, value = condition.get("operator"), condition.get("value")
    make = OPERATORS.get(str(operator))
    if make is None:
        raise UnknownOperator(f"{named}: operator {str(operator)[:60]!r} is not one of Eppo's")
    test = make(value)
    if test is None:
        raise BadConfiguration([f"{named}: {operator} does not take {str(value)[:60]!r}"])
    return test


def _written(value: Any) -> str | None:
    """An attribute as text, numbers in full digits as Rust writes them; None where it is nothing that compares."""
    if isinstance(value, str):
        return value
    if isinstance(value, bool):
        return str(value).lower()
    if not isinstance(value, int | float):
        return None
    if isinstance(value, float) and not math.isfinite(value):
        return {"inf": "inf", "-inf": "-inf"}.get(str(value), "NaN")
    return _digits(float(value))


def _digits(value: float) -> str:
    """Shortest digits that read back as the same number, without an exponent."""
    found = f"{Decimal(repr(value)):f}"
    return found.removesuffix(".0")


def _matching(expected: bool) -> Callable[[Any], Test | None]:
    def make(pattern: Any) -> Test | None:
        if not isinstance(pattern, str):
            return None
        compiled = compile_pattern(pattern)

        def test(value: Any) -> bool:
            seen = _written(value)
            return seen is not None and (compiled.search(seen) is not None) is expected

        return test

    return make


def _member(expected: bool) -> Callable[[Any], Test | None]:
    def make(values: Any) -> Test | None:
        if not isinstance(values, list) or not all(isinstance(one, str) for one in values):
            return None
        members = frozenset(values)

        def test(value: Any) -> bool:
            seen = _written(value)
            return seen is not None and (seen in members) is expected

        return test

    return make


def _compared(compare: Callable[[Any, Any], bool]) -> Callable[[Any], Test | None]:
    def make(bound: Any) -> Test | None:
        version = _version(bound)
        if version is not None:
            return lambda value: (own := _version(value)) is not None and compare(own, version)
        number = _number(bound)
        if number is None:
            return None
        return lambda value: (own := _number(value)) is not None and compare(own, number)

    return make


def _null(expected: Any) -> Test | None:
    return (lambda value: (value is None) is expected) if isinstance(expected, bool) else None


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def _number(value: Any) -> float | None:
    if isinstance(value, int | float) and not isinstance(value, bool):
        return float(value)
    return float(value) if isinstance(value, str) and _NUMBER.fullmatch(value) else None


def _version(value: Any) -> tuple[Any, Any] | None:
    """A version with its build, which Eppo's core orders by as well."""
    found = version_key(value) if isinstance(value, str) else None
    if found is None:
        return None
    _, built, build = value.partition("+")
    parts = build.split(".") if built else []
    return found, [
        (0, int(part), len(part), "") if part.isascii() and part.isdigit() else (1, 0, 0, part) for part in parts
    ]


OPERATORS: Mapping[str, Callable[[Any], Test | None]] = {
    "MATCHES": _matching(True),
    "NOT_MATCHES": _matching(False),
    "ONE_OF": _member(True),
    "NOT_ONE_OF": _member(False),
    "GTE": _compared(lambda own, bound: own >= bound),
    "GT": _compared(lambda own, bound: own > bound),
    "LTE": _compared(lambda own, bound: own <= bound),
    "LT": _compared(lambda own, bound: own < bound),
    "IS_NULL": _null,
}
