"""Unleash's features with Unleash's buckets (client specification)."""

from __future__ import annotations

import hashlib
import ipaddress
import json
import math
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from reelwright.experiments.contract import Attributes, BadConfiguration, Resolution, UnknownOperator
from reelwright.experiments.core.hashing import murmur3_32
from reelwright.experiments.core.targeting import compile_pattern
from reelwright.experiments.core.versions import version_key

Json = dict[str, Any]
VARIANT_SEED = 86028157
_FIELDS = frozenset({"userId", "sessionId", "remoteAddress", "environment", "appName", "currentTime"})


def normalised(group: str, unit: str, *, most: int = 100, seed: int = 0) -> int:
    """A number from 1 to `most`."""
    return murmur3_32(f"{group}:{unit}".encode(), seed) % most + 1


class Unleash:
    """A state of Unleash: features and segments, or the events of its delta API.

    Raises UnknownOperator for what we do not know, by name; with `strict` off it is false, as Unleash has it.
    """

    def __init__(self, state: Mapping[str, Any], *, strict: bool = True) -> None:
        state = _hydrated(state["events"]) if "events" in state else state
        self._features: Mapping[str, Json] = {one["name"]: one for one in state.get("features") or ()}
        self._segments: Mapping[int, Json] = {one["id"]: one for one in state.get("segments") or ()}
        self.version = hashlib.blake2b(json.dumps(state, sort_keys=True).encode(), digest_size=12).hexdigest()
        if strict:
            self._check()

    def keys(self) -> Sequence[str]:
        """All features."""
        return tuple(self._features)

    def enabled(self, name: str, context: Mapping[str, Any], *, draw: float = 0.0, now_ms: int = 0) -> bool:
        """Whether a feature is on. `draw` in [0, 1) decides what Unleash leaves to chance."""
        feature = self._features.get(name)
        return feature is not None and self._on(feature, _Context(context, draw, now_ms))[0]

    def variant(self, name: str, context: Mapping[str, Any], *, draw: float = 0.0, now_ms: int = 0) -> Json:
        """Which variant: name, payload, whether it is one, whether the feature is on."""
        feature = self._features.get(name)
        if feature is None:
            return _disabled(False)
        return self._variant(feature, _Context(context, draw, now_ms))

    def resolve(self, key: str, attributes: Attributes) -> Resolution:
        """One feature: on or off, or the payload of its variant. `currentTime` is an attribute."""
        if key not in self._features:
            return Resolution(
                key=key, reason="ERROR", error_code="FLAG_NOT_FOUND", message=f"no feature {key[:60]!r}"
            )
        found = self.variant(key, attributes)
        if not found["feature_enabled"]:
            off = not self._features[key].get("enabled")
            return Resolution(key=key, value=False, reason="DISABLED" if off else "TARGETING_MATCH")
        if not found["enabled"]:
            return Resolution(key=key, value=True, reason="TARGETING_MATCH")
        value = found["payload"]["value"] if "payload" in found else True
        return Resolution(key=key, value=value, variant=found["name"], reason="SPLIT")

    def resolve_all(self, attributes: Attributes) -> Sequence[Resolution]:
        """Every feature."""
        return [self.resolve(key, attributes) for key in self._features]

    def _variant(self, feature: Json, context: _Context) -> Json:
        on, strategy = self._on(feature, context)
        if not on:
            return _disabled(False)
        own = (strategy or {}).get("variants")
        variants = own or feature.get("variants") or ()
        group = (strategy or {}).get("parameters", {}).get("groupId") if own else feature["name"]
        inherited = (strategy or {}).get("parameters", {}).get("stickiness") if own else None
        found = _choose(variants, group or feature["name"], inherited or "default", context)
        if found is None:
            return _disabled(True)
        payload = {"payload": found["payload"]} if "payload" in found else {}
        return {"name": found["name"], **payload, "enabled": True, "feature_enabled": True}

    def _on(self, feature: Json, context: _Context) -> tuple[bool, Json | None]:
        """(whether it is on, the strategy that says so)."""
        if not feature.get("enabled") or not all(
            self._parent(one, context) for one in feature.get("dependencies") or ()
        ):
            return False, None
        strategies = feature.get("strategies") or ()
        if not strategies:
            return True, None
        found = next((one for one in strategies if self._strategy(feature["name"], one, context)), None)
        return found is not None, found

    def _parent(self, needed: Json, context: _Context) -> bool:
        parent = self._features.get(needed["feature"])
        if parent is None or parent.get("dependencies"):
            return False
        if needed.get("enabled", True) is False:
            return not self._on(parent, context)[0]
        if not self._on(parent, context)[0]:
            return False
        return not needed.get("variants") or self._variant(parent, context)["name"] in needed["variants"]

    def _strategy(self, name: str, strategy: Json, context: _Context) -> bool:
        constraints = list(strategy.get("constraints") or ())
        for segment in strategy.get("segments") or ():
            if segment not in self._segments:
                return False
            constraints += self._segments[segment].get("constraints") or ()
        if not all(_met(one, context) for one in constraints):
            return False
        decide = STRATEGIES.get(strategy["name"])
        return decide is not None and decide(strategy.get("parameters") or {}, name, context)

    def _check(self) -> None:
        for name, feature in self._features.items():
            for strategy in feature.get("strategies") or ():
                if strategy["name"] not in STRATEGIES:
                    raise UnknownOperator(
                        f"feature {name[:60]!r}: strategy {strategy['name'][:60]!r} is not Unleash's"
                    )
                _check_constraints(f"feature {name[:60]!r}", strategy.get("constraints") or ())
        for segment in self._segments.values():
            _check_constraints(f"segment {segment['id']}", segment.get("constraints") or ())


class _Context:
    """What is known about the viewer."""

    def __init__(self, values: Mapping[str, Any], draw: float, now_ms: int) -> None:
        self._values = values
        self.draw = draw
        self.now_ms = now_ms

    def get(self, name: str) -> str | None:
        value = self._values.get(name) if name in _FIELDS else None
        if value is None:
            value = (self._values.get("properties") or {}).get(name, self._values.get(name))
        if value is None and name == "currentTime" and self.now_ms:
            return datetime.fromtimestamp(self.now_ms / 1000, UTC).isoformat()
        return None if value is None else str(value)


def _default(_parameters: Json, _name: str, _context: _Context) -> bool:
    return True


def _with_id(parameters: Json, _name: str, context: _Context) -> bool:
    user = context.get("userId")
    return user is not None and user in [one.strip() for one in parameters.get("userIds", "").split(",")]


def _gradual(field: str) -> Callable[[Json, str, _Context], bool]:
    def decide(parameters: Json, _name: str, context: _Context) -> bool:
        unit = context.get(field)
        share = _percent(parameters.get("percentage"))
        return bool(unit) and share > 0 and normalised(parameters.get("groupId", ""), unit or "") <= share

    return decide


def _random(parameters: Json, _name: str, context: _Context) -> bool:
    return _percent(parameters.get("percentage")) > context.draw * 100


def _address(parameters: Json, _name: str, context: _Context) -> bool:
    address = context.get("remoteAddress")
    return address is not None and _in_networks(address, parameters.get("IPs", "").split(","))


def _flexible(parameters: Json, name: str, context: _Context) -> bool:
    share = _percent(parameters.get("rollout", 100))
    group, stickiness = parameters.get("groupId") or name, parameters.get("stickiness", "default")
    unit = _sticky(stickiness, context)
    if unit is None:
        return stickiness in ("default", "random") and share > context.draw * 100
    return share > 0 and normalised(group, unit) <= share


STRATEGIES: Mapping[str, Callable[[Json, str, _Context], bool]] = {
    "default": _default,
    "userWithId": _with_id,
    "gradualRolloutUserId": _gradual("userId"),
    "gradualRolloutSessionId": _gradual("sessionId"),
    "gradualRolloutRandom": _random,
    "remoteAddress": _address,
    "flexibleRollout": _flexible,
}


def _sticky(stickiness: str, context: _Context) -> str | None:
    if stickiness == "random":
        return None
    if stickiness == "default":
        return context.get("userId") or context.get("sessionId") or None
    return context.get(stickiness)


def _choose(variants: Sequence[Json], group: str, stickiness: str, context: _Context) -> Json | None:
    total = sum(one["weight"] for one in variants)
    if total <= 0:
        return None
    for one in variants:
        for override in one.get("overrides") or ():
            if context.get(override["contextName"]) in override["values"]:
                return one
    unit = _sticky(variants[0].get("stickiness") or stickiness, context) or context.get("remoteAddress")
    target = 1 + int(context.draw * total) if unit is None else normalised(group, unit, most=total, seed=VARIANT_SEED)
    reached = 0
    for one in variants:
        reached += one["weight"]
        if reached >= target:
            return one
    return None


def _disabled(on: bool) -> Json:
    return {"name": "disabled", "enabled": False, "feature_enabled": on}


def _met(constraint: Json, context: _Context) -> bool:
    operator = constraint["operator"]
    test = OPERATORS.get(operator)
    if test is None:
        return False
    value = context.get(constraint["contextName"])
    if value is None and operator not in ("IN", "NOT_IN"):
        return bool(constraint.get("inverted"))
    found = test(value, constraint)
    return found is not None and found != bool(constraint.get("inverted"))


def _texts(test: Callable[[str, str], bool]) -> Callable[[Any, Json], bool | None]:
    def compare(value: str, constraint: Json) -> bool:
        fold: Callable[[str], str] = str.lower if constraint.get("caseInsensitive") else str
        return any(test(fold(value), fold(one)) for one in constraint.get("values") or ())

    return compare


def _ordered(key: Callable[[str], Any], test: Callable[[Any, Any], bool]) -> Callable[[Any, Json], bool | None]:
    """Compares by a key; None where either side has none: such a constraint does not hold, inverted or not."""

    def compare(value: str, constraint: Json) -> bool | None:
        left, right = key(value), key(str(constraint.get("value", "")))
        return None if left is None or right is None else test(left, right)

    return compare


def _number(text: str) -> float | None:
    try:
        found = float(text)
    except ValueError:
        return None
    return found if math.isfinite(found) else None


def _moment(text: str) -> datetime | None:
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        return None
    return found if found.tzinfo else found.replace(tzinfo=UTC)


def _matches(value: str, constraint: Json) -> bool | None:
    pattern = str(constraint.get("value", ""))
    try:
        compiled = compile_pattern(f"(?i){pattern}" if constraint.get("caseInsensitive") else pattern)
    except BadConfiguration:
        return None
    return compiled.search(value) is not None


def _in_networks(address: str, networks: Sequence[str]) -> bool:
    try:
        own = ipaddress.ip_address(address.strip())
    except ValueError:
        return False
    for network in networks:
        try:
            if own in ipaddress.ip_network(network.strip(), strict=False):
                return True
        except ValueError:
            continue
    return False


OPERATORS: Mapping[str, Callable[[Any, Json], bool | None]] = {
    "IN": lambda value, constraint: value is not None and value in (constraint.get("values") or ()),
    "NOT_IN": lambda value, constraint: value is None or value not in (constraint.get("values") or ()),
    "STR_STARTS_WITH": _texts(str.startswith),
    "STR_ENDS_WITH": _texts(str.endswith),
    "STR_CONTAINS": _texts(lambda value, part: part in value),
    "NUM_EQ": _ordered(_number, lambda left, right: left == right),
    "NUM_GT": _ordered(_number, lambda left, right: left > right),
    "NUM_GTE": _ordered(_number, lambda left, right: left >= right),
    "NUM_LT": _ordered(_number, lambda left, right: left < right),
    "NUM_LTE": _ordered(_number, lambda left, right: left <= right),
    "DATE_AFTER": _ordered(_moment, lambda left, right: left > right),
    "DATE_BEFORE": _ordered(_moment, lambda left, right: left < right),
    "SEMVER_EQ": _ordered(version_key, lambda left, right: left == right),
    "SEMVER_GT": _ordered(version_key, lambda left, right: left > right),
    "SEMVER_GTE": _ordered(version_key, lambda left, right: left >= right),
    "SEMVER_LT": _ordered(version_key, lambda left, right: left < right),
    "SEMVER_LTE": _ordered(version_key, lambda left, right: left <= right),
    "REGEX": _matches,
    "IN_CIDR": lambda value, constraint: _in_networks(value, constraint.get("values") or ()),
}


def _check_constraints(says: str, constraints: Sequence[Json]) -> None:
    for constraint in constraints:
        if constraint["operator"] not in OPERATORS:
            raise UnknownOperator(f"{says}: operator {constraint['operator'][:60]!r} is not one of Unleash's")


def _percent(value: Any) -> float:
    found = _number(str(value))
    return 0.0 if found is None else found


def _hydrated(events: Sequence[Json]) -> Json:
    """The state after these events."""
    features: dict[str, Json] = {}
    segments: dict[int, Json] = {}
    for event in events:
        kind = event["type"]
        if kind == "hydration":
            features = {one["name"]: one for one in event.get("features") or ()}
            segments = {one["id"]: one for one in event.get("segments") or ()}
        elif kind == "feature-updated":
            features[event["feature"]["name"]] = event["feature"]
        elif kind == "feature-removed":
            features.pop(event["featureName"], None)
        elif kind == "segment-updated":
            segments[event["segment"]["id"]] = event["segment"]
        elif kind == "segment-removed":
            segments.pop(event["segmentId"], None)
        else:
            raise UnknownOperator(f"event {str(kind)[:60]!r} is not one of Unleash's")
    return {"features": list(features.values()), "segments": list(segments.values())}
