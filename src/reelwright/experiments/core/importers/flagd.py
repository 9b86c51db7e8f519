"""flagd's flags with flagd's buckets: targeting in JSON Logic, `fractional` by MurmurHash3 of canonical CBOR.

The bucketing is that of flagd's evaluators since their second major version (`openfeature-flagd-core` 2).
"""

from __future__ import annotations

import hashlib
import json
import math
import struct
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from reelwright.experiments.contract import Attributes, BadConfiguration, Resolution, UnknownOperator
from reelwright.experiments.core.hashing import murmur3_32
from reelwright.experiments.core.importers import jsonlogic
from reelwright.experiments.core.versions import VersionKey, version_key

Json = dict[str, Any]
WEIGHT_MOST = 2**31 - 1
_FLAG = frozenset({"state", "variants", "defaultVariant", "targeting", "metadata", "source", "selector"})


class Flagd:
    """A flag definition file of flagd. `now_ms` tells the time to rules that ask for `$flagd.timestamp`.

    Raises BadConfiguration for a file of something else, UnknownOperator for what we do not know.
    """

    def __init__(self, document: Mapping[str, Any], *, now_ms: Callable[[], int] = lambda: 0) -> None:
        flags = document.get("flags")
        if not isinstance(flags, Mapping):
            raise BadConfiguration(["a flag definition of flagd has an object 'flags'"])
        shared = document.get("$evaluators") or {}
        self._now_ms = now_ms
        self._metadata = document.get("metadata") or {}
        self._flags = {key: _checked(key, flag, shared) for key, flag in flags.items()}
        self.version = hashlib.blake2b(json.dumps(document, sort_keys=True).encode(), digest_size=12).hexdigest()

    def keys(self) -> Sequence[str]:
        """All flags."""
        return tuple(self._flags)

    def resolve(self, key: str, attributes: Attributes) -> Resolution:
        """One flag; without a value where flagd leaves it to the caller's default."""
        flag = self._flags.get(key)
        if flag is None:
            return _error(key, "FLAG_NOT_FOUND", f"no flag {key[:60]!r}")
        metadata = {**self._metadata, **(flag.get("metadata") or {})}
        if flag["state"] == "DISABLED":
            return Resolution(key=key, reason="DISABLED", metadata=metadata)
        variant, reason = flag.get("defaultVariant"), "STATIC"
        if flag.get("targeting"):
            found = jsonlogic.apply(flag["targeting"], self._data(key, attributes), OPERATORS)
            variant, reason = (variant, "DEFAULT") if found is None else (found, "TARGETING_MATCH")
        if variant is None or variant == "":
            return Resolution(key=key, reason="DEFAULT", metadata=metadata)
        name = str(variant).lower() if isinstance(variant, bool) else str(variant)
        if flag["variants"].get(name) is None:
            return _error(key, "GENERAL", f"variant {name[:60]!r} is not one of the flag's")
        return Resolution(key=key, value=flag["variants"][name], variant=name, reason=reason, metadata=metadata)

    def resolve_all(self, attributes: Attributes) -> Sequence[Resolution]:
        """Every flag."""
        return [self.resolve(key, attributes) for key in self._flags]

    def _data(self, key: str, attributes: Attributes) -> Json:
        own = {"flagKey": key, "timestamp": self._now_ms() // 1000}
        return {"targetingKey": None, **attributes, "$flagd": own}


def _error(key: str, code: str, message: str) -> Resolution:
    return Resolution(key=key, reason="ERROR", error_code=code, message=message)


def _checked(key: str, flag: Any, shared: Mapping[str, Any]) -> Json:
    named = f"flag {key[:60]!r}"
    if not isinstance(flag, Mapping) or not isinstance(flag.get("variants"), Mapping) or not flag["variants"]:
        raise BadConfiguration([f"{named}: 'variants' is an object with at least one"])
    if flag.get("state") not in ("ENABLED", "DISABLED"):
        raise BadConfiguration([f"{named}: state {str(flag.get('state'))[:60]!r} is neither ENABLED nor DISABLED"])
    for name in sorted(set(flag) - _FLAG):
        raise UnknownOperator(f"{named}: {name[:60]!r} is not one of flagd's")
    targeting = _expanded(flag.get("targeting") or {}, shared, named, ())
    if not isinstance(targeting, Mapping):
        raise BadConfiguration([f"{named}: 'targeting' is an object"])
    for operator in jsonlogic.unknown_operators(targeting, OPERATORS):
        raise UnknownOperator(f"{named}: operator {operator[:60]!r} is not one of flagd's")
    return {**flag, "targeting": targeting}


def _expanded(rule: Any, shared: Mapping[str, Any], named: str, opened: tuple[str, ...], depth: int = 0) -> Any:
    """With the shared evaluators in place of what refers to them."""
    if depth > jsonlogic.DEPTH_MOST:
        raise BadConfiguration([f"{named}: a rule is nested more than {jsonlogic.DEPTH_MOST} deep"])
    if isinstance(rule, list):
        return [_expanded(one, shared, named, opened, depth + 1) for one in rule]
    if not isinstance(rule, Mapping):
        return rule
    if set(rule) == {"$ref"}:
        name = str(rule["$ref"])
        if name not in shared or name in opened:
            why = "refers to itself" if name in opened else "is not there"
            raise BadConfiguration([f"{named}: evaluator {name[:60]!r} {why}"])
        return _expanded(shared[name], shared, named, (*opened, name), depth + 1)
    return {name: _expanded(one, shared, named, opened, depth + 1) for name, one in rule.items()}


def fractional(data: Any, *arguments: Any) -> Any:
    """The variant that a unit falls to, by weights; None where the rule or the unit is no good."""
    if not arguments:
        return None
    unit, shares = arguments[0], arguments[1:]
    if isinstance(unit, list):
        key, shares = data.get("targetingKey"), arguments
        unit = [data["$flagd"]["flagKey"], key] if isinstance(key, str) and key else None
    weights = [_weight(one) for one in shares]
    try:
        packed = None if unit is None else cbor(unit)
    except (UnicodeEncodeError, TypeError):
        packed = None
    total = sum(weight or 0 for weight in weights)
    if packed is None or None in weights or not 0 < total <= WEIGHT_MOST:
        return None
    bucket, reached = murmur3_32(packed) * total >> 32, 0
    for share, weight in zip(shares, weights, strict=True):
        reached += weight or 0
        if bucket < reached:
            return share[0]
    return None


def _weight(share: Any) -> int | None:
    """Of `[variant]` 1, of `[variant, weight]` the weight, never negative; None where it is something else."""
    if not isinstance(share, list) or not 1 <= len(share) <= 2:
        return None
    weight = share[1] if len(share) == 2 else 1
    return max(0, weight) if isinstance(weight, int) and not isinstance(weight, bool) else None


def cbor(value: Any) -> bytes:
    """Canonical CBOR (RFC 8949, section 4.2) of a JSON value; whole numbers are integers. Raises TypeError."""
    if value is None or isinstance(value, bool):
        return {None: b"\xf6", False: b"\xf4", True: b"\xf5"}[value]
    if isinstance(value, float) and value.is_integer() and -(2**63) <= value < 2**64:
        value = int(value)
    if isinstance(value, int):
        return _integer(value)
    if isinstance(value, float):
        return _float(value)
    if isinstance(value, str):
        packed = value.encode("utf-8")
        return _head(3, len(packed)) + packed
    if isinstance(value, list):
        return _head(4, len(value)) + b"".join(map(cbor, value))
    if isinstance(value, Mapping):
        pairs = sorted(((cbor(key), cbor(one)) for key, one in value.items()), key=lambda pair: (len(pair[0]), pair))
        return _head(5, len(pairs)) + b"".join(key + one for key, one in pairs)
    raise TypeError(f"{type(value).__name__} is no JSON value")


def _head(kind: int, size: int) -> bytes:
    if size < 24:
        return bytes([kind << 5 | size])
    width = next(at for at in range(4) if size < 1 << (8 << at))
    return bytes([kind << 5 | 24 + width]) + size.to_bytes(1 << width, "big")


def _integer(value: int) -> bytes:
    kind, size = (0, value) if value >= 0 else (1, -1 - value)
    if size < 2**64:
        return _head(kind, size)
    packed = size.to_bytes((size.bit_length() + 7) // 8, "big")
    return bytes([0xC2 + kind]) + _head(2, len(packed)) + packed


def _float(value: float) -> bytes:
    if math.isnan(value):
        return b"\xf9\x7e\x00"
    for mark, form in ((0xF9, ">e"), (0xFA, ">f")):
        try:
            packed = struct.pack(form, value)
        except OverflowError:
            continue
        if struct.unpack(form, packed)[0] == value:
            return bytes([mark]) + packed
    return b"\xfb" + struct.pack(">d", value)


def _texts(test: Callable[[str, str], bool]) -> Callable[..., bool | None]:
    def compare(_data: Any, *arguments: Any) -> bool | None:
        fits = len(arguments) == 2 and all(isinstance(one, str) for one in arguments)
        return test(*arguments) if fits else None

    return compare


def semver(_data: Any, *arguments: Any) -> bool | None:
    """Two versions compared; None where one is none, or for a comparison that flagd does not have."""
    if len(arguments) != 3:
        return None
    left, right = _version(arguments[0]), _version(arguments[2])
    test = _COMPARISONS.get(arguments[1]) if isinstance(arguments[1], str) else None
    return None if left is None or right is None or test is None else test(left, right)


def _version(value: Any) -> VersionKey | None:
    """A version; `1` and `v1.2` are filled up with zeros."""
    whole = str(value)
    whole = whole[1:] if whole[:1] in ("v", "V") else whole
    numeric = whole.split("-")[0].split("+")[0]
    return version_key(numeric + ".0" * (2 - numeric.count(".")) + whole[len(numeric) :])


_COMPARISONS: Mapping[str, Callable[[VersionKey, VersionKey], bool]] = {
    "=": lambda left, right: left == right,
    "!=": lambda left, right: left != right,
    "<": lambda left, right: left < right,
    "<=": lambda left, right: left <= right,
    ">": lambda left, right: left > right,
    ">=": lambda left, right: left >= right,
    "^": lambda left, right: left[0] == right[0],
    "~": lambda left, right: left[:2] == right[:2],
}
OPERATORS: jsonlogic.Operators = {
    "fractional": fractional,
    "starts_with": _texts(str.startswith),
    "ends_with": _texts(str.endswith),
    "sem_ver": semver,
}
