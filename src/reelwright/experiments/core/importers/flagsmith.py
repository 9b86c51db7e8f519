"""Flagsmith's features with Flagsmith's buckets: MD5 modulo 9,999, segments, overrides, multivariate values.

Read are the environment document of its API, and the evaluation context of its engine. Traits are read as its engine
reads them: a text of digits is a number.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import math
import operator
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any
from uuid import UUID

from reelwright.experiments.contract import Attributes, BadConfiguration, Resolution, UnknownOperator
from reelwright.experiments.core.hashing import md5_number
from reelwright.experiments.core.importers.jsonlogic import DEPTH_MOST
from reelwright.experiments.core.targeting import compile_pattern
from reelwright.experiments.core.versions import version_key

Json = dict[str, Any]
Test = Callable[[Any], bool]
_SEMVER = ":semver"
_STEP = re.compile(r"\.([^\W\d]\w*)|\[(?:'([^'\\]*)'|\"([^\"\\]*)\")\]")
_ROOTS = ("identity", "environment")


def percentage(*ids: object) -> float:
    """Where these ids fall together, from 0 to below 100."""
    for times in range(1, 100):
        found = md5_number(",".join([*map(str, ids)] * times)) % 9999 / 9998 * 100
        if found != 100:
            return found
    return 0.0


class Flagsmith:
    """An environment of Flagsmith. Raises BadConfiguration for a file of something else, UnknownOperator by name."""

    def __init__(self, document: Mapping[str, Any]) -> None:
        context = _mapped(document) if "feature_states" in document else document
        features = context.get("features")
        if not isinstance(features, Mapping):
            raise BadConfiguration(["an environment of Flagsmith has 'feature_states', or an object 'features'"])
        self._environment = context.get("environment") or {}
        self._features: Mapping[str, Json] = {one["name"]: one for one in features.values()}
        self._segments = [_Segment(one) for one in (context.get("segments") or {}).values()]
        self._targeted = {one["name"] for segment in self._segments for one in segment.overrides}
        self.version = hashlib.blake2b(json.dumps(document, sort_keys=True).encode(), digest_size=12).hexdigest()

    def keys(self) -> Sequence[str]:
        """All features."""
        return tuple(self._features)

    def evaluate(self, attributes: Attributes) -> dict[str, Json]:
        """Every feature: whether it is enabled, its value, variant and reason. The identity is `targetingKey`."""
        data = self._data(attributes)
        best: dict[str, tuple[Json, str]] = {}
        for segment in self._segments:
            if segment.holds(data):
                for one in segment.overrides:
                    known = best.get(one["name"])
                    if known is None or _priority(one) < _priority(known[0]):
                        best[one["name"]] = one, f"TARGETING_MATCH; segment={segment.name}"
        found = {}
        for name, feature in self._features.items():
            default = feature, "DEFAULT" if name in self._targeted else "STATIC"
            found[name] = _result(*best.get(name, default), data)
        return found

    def resolve(self, key: str, attributes: Attributes) -> Resolution:
        """One feature: false where it is off, else its value, or true where it has none."""
        if key not in self._features:
            return Resolution(
                key=key, reason="ERROR", error_code="FLAG_NOT_FOUND", message=f"no feature {key[:60]!r}"
            )
        return _resolution(key, self.evaluate(attributes)[key])

    def resolve_all(self, attributes: Attributes) -> Sequence[Resolution]:
        """Every feature."""
        return [_resolution(key, found) for key, found in self.evaluate(attributes).items()]

    def _data(self, attributes: Attributes) -> Json:
        identifier = attributes.get("targetingKey")
        if identifier is None or identifier == "":
            return {"environment": self._environment}
        key = f"{self._environment.get('key', '')}_{identifier}"
        traits = {name: one for name, one in attributes.items() if name != "targetingKey"}
        return {
            "environment": self._environment,
            "identity": {"identifier": identifier, "key": key, "traits": traits},
        }


def _resolution(key: str, found: Mapping[str, Any]) -> Resolution:
    if not found["enabled"]:
        return Resolution(key=key, value=False, reason="DISABLED")
    value = True if found["value"] is None else found["value"]
    return Resolution(key=key, value=value, variant=found["variant"], reason=found["reason"].split(";")[0])


def _result(feature: Json, reason: str, data: Json) -> Json:
    key, value, variant = (data.get("identity") or {}).get("key"), feature["value"], None
    variants = feature.get("variants")
    if key is not None and variants:
        variant, start = "control", 0.0
        at = percentage(feature["key"], key)
        for one in sorted(variants, key=lambda one: one["priority"]):
            end = one["weight"] + start
            if start <= at < end:
                value, variant, reason = one["value"], one.get("key"), f"SPLIT; weight={one['weight']}"
                break
            start = end
    return {"enabled": feature["enabled"], "value": value, "variant": variant, "reason": reason}


def _priority(override: Mapping[str, Any]) -> float:
    return float(override.get("priority", math.inf))


class _Segment:
    """Rules, checked and compiled once; what it overrides."""

    def __init__(self, given: Mapping[str, Any]) -> None:
        self.name = str(given.get("name", ""))
        self.overrides: Sequence[Json] = given.get("overrides") or ()
        named = f"segment {self.name[:60]!r}"
        self._rules = [_rule(named, str(given["key"]), one, 0) for one in given.get("rules") or ()]

    def holds(self, data: Json) -> bool:
        return bool(self._rules) and all(rule(data) for rule in self._rules)


def _rule(named: str, segment: str, rule: Mapping[str, Any], depth: int) -> Test:
    if depth > DEPTH_MOST:
        raise BadConfiguration([f"{named}: a rule is nested more than {DEPTH_MOST} deep"])
    join = _JOINS.get(str(rule.get("type")))
    if join is None:
        raise UnknownOperator(f"{named}: rule type {str(rule.get('type'))[:60]!r} is not one of Flagsmith's")
    conditions = [_condition(named, segment, one) for one in rule.get("conditions") or ()]
    rules = [_rule(named, segment, one, depth + 1) for one in rule.get("rules") or ()]

    def holds(data: Json) -> bool:
        return all(join(test(data) for test in tests) for tests in (conditions, rules) if tests)

    return holds


_JOINS: Mapping[str, Callable[[Iterable[bool]], bool]] = {
    "ALL": all,
    "ANY": any,
    "NONE": lambda held: not any(held),
}


def _condition(named: str, segment: str, condition: Mapping[str, Any]) -> Test:
    name, value = str(condition.get("operator")), condition.get("value")
    if name == "PERCENTAGE_SPLIT":
        return _split(named, segment, str(condition.get("property") or ""), value)
    make = OPERATORS.get(name)
    if make is None:
        raise UnknownOperator(f"{named}: operator {name[:60]!r} is not one of Flagsmith's")
    look, test = _getter(named, str(condition.get("property") or "")), make(value)
    return lambda data: test(_read(look(data)))


def _split(named: str, segment: str, name: str, value: Any) -> Test:
    try:
        share = float(value)
    except (TypeError, ValueError):
        return lambda _: False
    look = _getter(named, name)

    def holds(data: Json) -> bool:
        unit = _read(look(data)) if name else (data.get("identity") or {}).get("key")
        return unit is not None and percentage(segment, unit) <= share

    return holds


def _getter(named: str, name: str) -> Callable[[Json], Any]:
    """A trait by its name, or the one value at a JSONPath."""
    path = _path(named, name) if name.startswith("$.") else ()

    def look(data: Json) -> Any:
        found = ((data.get("identity") or {}).get("traits") or {}).get(name)
        if found is not None or not path:
            return found
        place: Any = data
        for step in path:
            place = place.get(step) if isinstance(place, Mapping) else None
        return place if isinstance(place, str | int | float | bool) else None

    return look


def _path(named: str, text: str) -> tuple[str, ...]:
    steps, at = [], 1
    while at < len(text):
        found = _STEP.match(text, at)
        if found is None:
            raise UnknownOperator(f"{named}: property {text[:60]!r} is not a path to one value")
        steps.append(next(one for one in found.groups() if one is not None))
        at = found.end()
    if steps[0] not in _ROOTS:
        raise UnknownOperator(f"{named}: property {text[:60]!r} is not below {' or '.join(_ROOTS)}")
    return tuple(steps)


def _read(value: Any) -> Any:
    """A trait as the engine reads it."""
    if isinstance(value, str):
        if re.fullmatch(r"-?[0-9]+", value):
            return int(value) if len(value) < 4000 else value
        return float(value) if re.fullmatch(r"-?[0-9]+\.[0-9]+", value) else value
    return value if value is None or isinstance(value, bool | int | float) else str(value)


def _typed(test: Callable[[Any, Any], bool]) -> Callable[[Any], Test]:
    """Compares after the condition's text has been read as the type of the trait; what cannot be is false."""

    def make(text: Any) -> Test:
        def holds(value: Any) -> bool:
            if value is None:
                return False
            try:
                if isinstance(value, str) and str(text).endswith(_SEMVER):
                    own, bound = version_key(value), version_key(str(text).removesuffix(_SEMVER))
                    return own is not None and bound is not None and test(own, bound)
                return test(value, _cast(text, value))
            except (TypeError, ValueError):
                return False

        return holds

    return make


def _cast(text: Any, like: Any) -> Any:
    if isinstance(like, bool):
        return text not in ("False", "false")
    return type(like)(text)


def _contains(text: Any) -> Test:
    return lambda value: isinstance(value, str) and str(text) in value


def _not_contains(text: Any) -> Test:
    return lambda value: isinstance(value, str) and str(text) not in value


def _regex(text: Any) -> Test:
    pattern = compile_pattern(str(text))
    return lambda value: value is not None and pattern.match(str(value)) is not None


def _modulo(text: Any) -> Test:
    parts = str(text).split("|")
    try:
        divisor, rest = (float(part) for part in parts)
    except ValueError:
        return lambda _: False
    return lambda value: isinstance(value, int | float) and divisor != 0 and value % divisor == rest


def _in(given: Any) -> Test:
    values: Any = given
    if isinstance(given, str):
        values = given.split(",")
        if given.startswith("["):
            with contextlib.suppress(ValueError):
                values = json.loads(given)
    members = frozenset(map(str, values if isinstance(values, list) else ()))
    return lambda value: (str(value) if type(value) is int else value) in members


OPERATORS: Mapping[str, Callable[[Any], Test]] = {
    "EQUAL": _typed(operator.eq),
    "NOT_EQUAL": _typed(operator.ne),
    "GREATER_THAN": _typed(operator.gt),
    "GREATER_THAN_INCLUSIVE": _typed(operator.ge),
    "LESS_THAN": _typed(operator.lt),
    "LESS_THAN_INCLUSIVE": _typed(operator.le),
    "CONTAINS": _contains,
    "NOT_CONTAINS": _not_contains,
    "REGEX": _regex,
    "MODULO": _modulo,
    "IN": _in,
    "IS_SET": lambda _: lambda value: value is not None,
    "IS_NOT_SET": lambda _: lambda value: value is None,
}


def _mapped(document: Mapping[str, Any]) -> Json:
    """An environment document as an evaluation context; overrides of identities are segments that win."""
    segments = {
        str(one["id"]): {
            "key": str(one["id"]),
            "name": one["name"],
            "rules": [_mapped_rule(rule) for rule in one.get("rules") or ()],
            "overrides": [_mapped_feature(state) for state in one.get("feature_states") or ()],
        }
        for one in (document.get("project") or {}).get("segments") or ()
    }
    for number, one in enumerate(document.get("identity_overrides") or ()):
        condition = {"property": "$.identity.identifier", "operator": "IN", "value": [one["identifier"]]}
        segments[f"identity {number}"] = {
            "key": "",
            "name": "identity_overrides",
            "rules": [{"type": "ALL", "conditions": [condition]}],
            "overrides": [
                {**_mapped_feature(state), "key": "", "variants": [], "priority": -math.inf}
                for state in one.get("identity_features") or ()
            ],
        }
    features = [_mapped_feature(state) for state in document["feature_states"]]
    return {
        "environment": {"key": document.get("api_key", ""), "name": document.get("name", "")},
        "features": {one["name"]: one for one in features},
        "segments": segments,
    }


def _mapped_rule(rule: Mapping[str, Any]) -> Json:
    conditions = [
        {"property": one.get("property_"), "operator": one.get("operator"), "value": one.get("value")}
        for one in rule.get("conditions") or ()
    ]
    rules = [_mapped_rule(one) for one in rule.get("rules") or ()]
    return {"type": rule.get("type"), "conditions": conditions, "rules": rules}


def _mapped_feature(state: Mapping[str, Any]) -> Json:
    found: Json = {
        "key": str(state.get("django_id") or state.get("featurestate_uuid")),
        "name": state["feature"]["name"],
        "enabled": state["enabled"],
        "value": state.get("feature_state_value"),
        "variants": [_mapped_variant(one) for one in state.get("multivariate_feature_state_values") or ()],
    }
    if state.get("feature_segment"):
        found["priority"] = state["feature_segment"]["priority"]
    return found


def _mapped_variant(given: Mapping[str, Any]) -> Json:
    option = given["multivariate_feature_option"]
    key = {} if option.get("key") is None else {"key": option["key"]}
    priority = given.get("id") or UUID(given["mv_fs_value_uuid"]).int
    return {"value": option["value"], "weight": given["percentage_allocation"], "priority": priority, **key}
