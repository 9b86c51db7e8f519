"""GrowthBook's features with GrowthBook's buckets, bit by bit (SDK specification 0.8.0)."""

from __future__ import annotations

import base64
import binascii
import hashlib
import json
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

from cryptography.hazmat.primitives import padding
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

from reelwright.experiments.contract import Attributes, BadConfiguration, Resolution, UnknownOperator
from reelwright.experiments.core.hashing import fnv1a_32
from reelwright.experiments.core.importers import javascript as js
from reelwright.experiments.core.importers.conditions import holds, unknown_operators
from reelwright.experiments.core.targeting import compile_pattern

Json = dict[str, Any]
_COPIED = (
    *("coverage", "weights", "hashAttribute", "fallbackAttribute", "disableStickyBucketing", "bucketVersion"),
    *("minBucketVersion", "namespace", "meta", "ranges", "name", "phase", "seed", "hashVersion", "filters"),
    "condition",
)
_KNOWN_RULE = frozenset(
    {*_COPIED, "id", "force", "variations", "key", "range", "parentConditions", "tracks", "type", "banditVersion"}
) | {"contextualVariations", "contextualBanditRef"}


def bucket(seed: str, value: str, version: int) -> float | None:
    """Where a value falls in [0, 1]; None for a version that we do not know."""
    if version == 2:
        return fnv1a_32(str(fnv1a_32(seed + value))) % 10_000 / 10_000
    if version == 1:
        return fnv1a_32(value + seed) % 1000 / 1000
    return None


def equal_weights(count: int) -> list[float]:
    """The same weight for each."""
    return [1 / count] * count if count > 0 else []


def bucket_ranges(count: int, coverage: float, weights: Sequence[float] | None) -> list[tuple[float, float]]:
    """Where each variation begins and ends; weights that do not fit are replaced by equal ones."""
    coverage = min(max(coverage, 0.0), 1.0)
    if weights is None or len(weights) != count or not 0.99 <= sum(weights) <= 1.01:
        weights = equal_weights(count)
    ranges, start = [], 0.0
    for weight in weights:
        ranges.append((start, start + coverage * weight))
        start += weight
    return ranges


def choose(value: float, ranges: Iterable[Sequence[float]]) -> int:
    """Which range holds the value, -1 for none."""
    return next((at for at, (start, end) in enumerate(ranges) if start <= value < end), -1)


def in_namespace(value: str, namespace: Sequence[Any]) -> bool:
    """Whether a value lies in its part of a namespace."""
    found = bucket(f"__{namespace[0]}", value, 1)
    return found is not None and namespace[1] <= found < namespace[2]


def query_override(key: str, url: str, count: int) -> int | None:
    """The variation that the query string asks for, where it is one of `count`."""
    _, asked, query = url.partition("?")
    if not asked:
        return None
    for pair in query.split("?")[0].split("#")[0].split("&"):
        name, _, value = pair.partition("=")
        found = re.match(r"\s*([+-]?\d+)", value)
        if name == key:
            return int(found[1]) if found and 0 <= int(found[1]) < count else None
    return None


def decrypt(payload: str, key: str) -> str | None:
    """The text of an encrypted payload (AES-CBC); None where anything about it is wrong."""
    try:
        vector, body = (base64.b64decode(part, validate=True) for part in payload.split("."))
        decryptor = Cipher(algorithms.AES(base64.b64decode(key, validate=True)), modes.CBC(vector)).decryptor()
        unpadder = padding.PKCS7(128).unpadder()
        plain = unpadder.update(decryptor.update(body) + decryptor.finalize()) + unpadder.finalize()
        return plain.decode("utf-8")
    except (ValueError, binascii.Error):
        return None


class GrowthBook:
    """GrowthBook's features for one context; `sticky` holds the documents of earlier assignments, or is None."""

    def __init__(self, context: Mapping[str, Any], *, sticky: dict[str, Json] | None = None) -> None:
        self.attributes: Mapping[str, Any] = context.get("attributes") or {}
        self.features: Mapping[str, Json] = context.get("features") or {}
        self.groups = context.get("savedGroups") or {}
        self.bandits: Mapping[str, Json] = context.get("contextualBandits") or {}
        self.enabled = context.get("enabled", True)
        self.forced: Mapping[str, int] = context.get("forcedVariations") or {}
        self.url: str = context.get("url") or ""
        self.tests_only = bool(context.get("qaMode"))
        self.sticky = sticky

    def evaluate(self, key: str, opened: tuple[str, ...] = ()) -> Json:
        """A feature: value, on, off, source, rule and the experiment it comes from."""
        if key in opened:
            return _feature(None, "cyclicPrerequisite")
        feature = self.features.get(key)
        if feature is None:
            return _feature(None, "unknownFeature")
        opened = (*opened, key)
        for rule in feature.get("rules") or ():
            found = self._rule(key, rule, opened)
            if found is not None:
                return found
        return _feature(feature.get("defaultValue"), "defaultValue")

    def run(self, experiment: Json, feature: str | None = None, opened: tuple[str, ...] = ()) -> Json:
        """One experiment: which variation, and whether the hash decided it."""
        count = len(experiment["variations"])
        key = experiment["key"]
        if count < 2 or not self.enabled:
            return self._result(experiment, -1, feature)
        patterns = experiment.get("urlPatterns")
        if patterns and not url_targeted(self.url, patterns):
            return self._result(experiment, -1, feature)
        asked = query_override(key, self.url, count)
        if asked is not None:
            return self._result(experiment, asked, feature)
        if key in self.forced:
            return self._result(experiment, self.forced[key], feature)
        if experiment.get("active", True) is False or experiment.get("status") == "draft":
            return self._result(experiment, -1, feature)
        return self._bucketed(experiment, feature, opened)

    def _bucketed(self, experiment: Json, feature: str | None, opened: tuple[str, ...]) -> Json:
        name, value = self._unit(experiment)
        if not value:
            return self._result(experiment, -1, feature)
        kept, blocked = self._kept(experiment)
        if kept < 0 and self._excluded(experiment, value, opened):
            return self._result(experiment, -1, feature)
        place = bucket(experiment.get("seed") or experiment["key"], value, experiment.get("hashVersion") or 1)
        if place is None:
            return self._result(experiment, -1, feature)
        chosen = kept
        if kept < 0:
            coverage = experiment.get("coverage", 1)
            count = len(experiment["variations"])
            ranges = experiment.get("ranges") or bucket_ranges(count, coverage, experiment.get("weights"))
            chosen = choose(place, ranges)
        if blocked:
            return self._result(experiment, -1, feature, sticky=True)
        if chosen < 0:
            return self._result(experiment, -1, feature)
        if "force" in experiment:
            return self._result(experiment, experiment["force"], feature)
        if self.tests_only or experiment.get("status") == "stopped":
            return self._result(experiment, -1, feature)
        result = self._result(experiment, chosen, feature, place=place, sticky=kept >= 0)
        self._keep(experiment, name, value, result["key"])
        return result

    def _excluded(self, experiment: Json, value: str, opened: tuple[str, ...]) -> bool:
        if experiment.get("filters"):
            if self._filtered(experiment["filters"]):
                return True
        elif experiment.get("namespace") and not in_namespace(value, experiment["namespace"]):
            return True
        if not holds(self.attributes, experiment.get("condition") or {}, self.groups):
            return True
        return any(self._parent(parent, opened)[0] != "met" for parent in experiment.get("parentConditions") or ())

    def _rule(self, key: str, rule: Json, opened: tuple[str, ...]) -> Json | None:
        for parent in rule.get("parentConditions") or ():
            state, gate = self._parent(parent, opened)
            if state == "cyclic":
                return _feature(None, "cyclicPrerequisite")
            if state == "unmet":
                return _feature(None, "prerequisite") if gate else None
        if rule.get("filters") and self._filtered(rule["filters"]):
            return None
        if "force" in rule:
            condition = rule.get("condition") or {}
            if not holds(self.attributes, condition, self.groups) or not self._rolled_out(key, rule):
                return None
            return _feature(rule["force"], "force", rule.get("id", ""))
        variations = rule.get("contextualVariations") or rule.get("variations")
        if not variations:
            return None
        experiment = {"variations": variations, "key": rule.get("key") or key}
        experiment.update({name: rule[name] for name in _COPIED if name in rule})
        leaf = self._leaf(rule, experiment)
        result = self.run(experiment, key, opened)
        if not result["inExperiment"] or result.get("passthrough"):
            return None
        if leaf and result["hashUsed"]:
            experiment["contextualBandit"] = leaf
            result.update(leaf)
        return {
            **_feature(result["value"], "experiment", rule.get("id", "")),
            "experiment": experiment,
            "experimentResult": result,
        }

    def _leaf(self, rule: Json, experiment: Json) -> Json | None:
        """The leaf of a contextual bandit; its weights become the experiment's."""
        bandit = self.bandits.get(rule.get("contextualBanditRef", ""))
        if bandit is None or "contextualVariations" not in rule:
            return None
        leaf = {"leafId": -1, "weights": experiment.get("weights")}
        for one in bandit.get("contexts") or ():
            if holds(self.attributes, one.get("condition") or {}, self.groups):
                leaf = one
                break
        experiment["weights"] = leaf["weights"]
        found = {"leafId": leaf["leafId"], "variationWeights": leaf["weights"]}
        if "banditVersion" in bandit:
            found["banditVersion"] = bandit["banditVersion"]
        return found

    def _parent(self, parent: Json, opened: tuple[str, ...]) -> tuple[str, bool]:
        """(met, unmet or cyclic; whether it is a gate) of one prerequisite."""
        found = self.evaluate(parent["id"], opened)
        if found["source"] == "cyclicPrerequisite":
            return "cyclic", True
        met = holds({"value": found["value"]}, parent.get("condition") or {}, self.groups)
        return ("met" if met else "unmet"), bool(parent.get("gate"))

    def _rolled_out(self, key: str, rule: Json) -> bool:
        place, coverage = rule.get("range"), rule.get("coverage")
        if place is None and coverage is None:
            return True
        _, value = self._unit(rule)
        if not value or (place is None and coverage == 0):
            return False
        found = bucket(rule.get("seed") or key, value, rule.get("hashVersion") or 1)
        if found is None:
            return False
        return bool(place[0] <= found < place[1]) if place is not None else found <= float(coverage or 0)

    def _filtered(self, filters: Iterable[Json]) -> bool:
        for one in filters:
            value = self._text(one.get("attribute") or "id")
            found = bucket(one["seed"], value, one.get("hashVersion") or 2) if value else None
            if found is None or choose(found, one["ranges"]) < 0:
                return True
        return False

    def _text(self, name: str) -> str:
        value = self.attributes.get(name)
        return "" if value is None or value is False or value == "" else js.text(value)

    def _unit(self, rule: Json) -> tuple[str, str]:
        name = rule.get("hashAttribute") or "id"
        value, other = self._text(name), rule.get("fallbackAttribute")
        if not value and other and self._sticks(rule) and self._text(other):
            return other, self._text(other)
        return name, value

    def _sticks(self, rule: Json) -> bool:
        return self.sticky is not None and not rule.get("disableStickyBucketing")

    def _kept(self, experiment: Json) -> tuple[int, bool]:
        """(variation of an earlier assignment or -1, whether an earlier version keeps the unit out)."""
        if self.sticky is None or not self._sticks(experiment):
            return -1, False
        assignments: dict[str, str] = {}
        for name in (experiment.get("fallbackAttribute"), experiment.get("hashAttribute") or "id"):
            if name and self._text(name):
                assignments |= self.sticky.get(f"{name}||{self._text(name)}", {}).get("assignments", {})
        key, least = experiment["key"], experiment.get("minBucketVersion") or 0
        if any(f"{key}__{version}" in assignments for version in range(least)):
            return -1, True
        kept = assignments.get(f"{key}__{experiment.get('bucketVersion') or 0}")
        names = [one.get("key") for one in experiment.get("meta") or ()]
        return (names.index(kept) if kept in names else -1), False

    def _keep(self, experiment: Json, name: str, value: str, variation: str) -> None:
        if self.sticky is None or not self._sticks(experiment):
            return
        document = self.sticky.get(f"{name}||{value}", {"attributeName": name, "attributeValue": value})
        place = f"{experiment['key']}__{experiment.get('bucketVersion') or 0}"
        kept = {**document.get("assignments", {}), place: variation}
        self.sticky[f"{name}||{value}"] = {**document, "assignments": kept}

    def _result(
        self,
        experiment: Json,
        variation: int,
        feature: str | None,
        *,
        place: float | None = None,
        sticky: bool = False,
    ) -> Json:
        inside = 0 <= variation < len(experiment["variations"])
        chosen = variation if inside else 0
        name, value = self._unit(experiment)
        meta = (experiment.get("meta") or [{}] * (chosen + 1))[chosen]
        result: Json = {
            "key": meta.get("key") or str(chosen),
            "featureId": feature,
            "inExperiment": inside,
            "hashUsed": place is not None,
            "variationId": chosen,
            "value": experiment["variations"][chosen] if experiment["variations"] else None,
            "hashAttribute": name,
            "hashValue": self.attributes.get(name, value) if value else "",
            "stickyBucketUsed": sticky,
        }
        if "name" in meta:
            result["name"] = meta["name"]
        if place is not None:
            result["bucket"] = place
        if meta.get("passthrough"):
            result["passthrough"] = True
        return result


class GrowthBookFlags:
    """A GrowthBook payload as a source of flags. Raises UnknownOperator for what we do not know, by name."""

    def __init__(self, payload: Mapping[str, Any]) -> None:
        features = payload.get("features")
        if not isinstance(features, Mapping):
            raise BadConfiguration(["a GrowthBook payload has an object 'features'"])
        self._payload = payload
        self._features: Mapping[str, Json] = features
        for key, feature in features.items():
            for rule in feature.get("rules") or ():
                self._check(key, rule)
        self.version = hashlib.blake2b(json.dumps(payload, sort_keys=True).encode(), digest_size=12).hexdigest()

    def keys(self) -> Sequence[str]:
        """All features."""
        return tuple(self._features)

    def resolve(self, key: str, attributes: Attributes) -> Resolution:
        """One feature."""
        found = GrowthBook({**self._payload, "attributes": attributes}).evaluate(key)
        source = found["source"]
        if source == "unknownFeature":
            return Resolution(
                key=key, reason="ERROR", error_code="FLAG_NOT_FOUND", message=f"no feature {key[:60]!r}"
            )
        result = found.get("experimentResult", {})
        reasons = {"experiment": "SPLIT", "force": "TARGETING_MATCH", "cyclicPrerequisite": "ERROR"}
        return Resolution(
            key=key,
            value=found["value"],
            variant=result.get("key"),
            reason=reasons.get(source, "DEFAULT"),
            error_code="GENERAL" if source == "cyclicPrerequisite" else "",
            message="its prerequisites go in a circle" if source == "cyclicPrerequisite" else "",
        )

    def resolve_all(self, attributes: Attributes) -> Sequence[Resolution]:
        """Every feature."""
        return [self.resolve(key, attributes) for key in self._features]

    def _check(self, key: str, rule: Mapping[str, Any]) -> None:
        conditions = [rule.get("condition"), *(one.get("condition") for one in rule.get("parentConditions") or ())]
        for operator in unknown_operators(conditions):
            raise UnknownOperator(f"feature {key[:60]!r}: operator {operator[:60]!r} is not one of GrowthBook's")
        for name in rule:
            if name not in _KNOWN_RULE:
                raise UnknownOperator(f"feature {key[:60]!r}: a rule has {name[:60]!r}, which we do not know")


def url_targeted(url: str, targets: Iterable[Mapping[str, Any]]) -> bool:
    """Whether a page is meant: one of the patterns that include, and none that exclude."""
    includes = included = False
    for target in targets:
        met = _url_matches(url, target)
        if target.get("include", True) is False:
            if met:
                return False
        else:
            includes = True
            included = included or met
    return included or not includes


def redirect(experiment: Mapping[str, Any], result: Mapping[str, Any], url: str) -> str:
    """Where an experiment leads, with the query of the page where it is to be kept."""
    target = str(result["value"]["urlRedirect"])
    if not experiment.get("persistQueryString"):
        return target
    new = urlsplit(target)
    query = dict(parse_qsl(new.query, keep_blank_values=True))
    query |= {name: value for name, value in parse_qsl(urlsplit(url).query) if name not in query}
    return urlunsplit(new._replace(query=urlencode(query)))


def _url_matches(url: str, target: Mapping[str, Any]) -> bool:
    pattern = str(target.get("pattern", ""))
    if target.get("type") == "regex":
        try:
            found = compile_pattern(pattern)
        except BadConfiguration:
            return False
        parts = urlsplit(url)
        return found.search(url) is not None or found.search(urlunsplit(("", "", *parts[2:]))) is not None
    wanted, seen = urlsplit(pattern), urlsplit(url)
    if wanted.netloc and not _wild(wanted.netloc, seen.netloc):
        return False
    if not _wild(wanted.path.strip("/"), seen.path.strip("/")):
        return False
    if wanted.fragment and not _wild(wanted.fragment, seen.fragment):
        return False
    query = dict(parse_qsl(seen.query, keep_blank_values=True))
    return all(_wild(value, query.get(name, "")) for name, value in parse_qsl(wanted.query, keep_blank_values=True))


def _wild(pattern: str, value: str) -> bool:
    parts = [part.lower() for part in pattern.split("*")]
    rest = value.lower()
    if len(parts) == 1:
        return parts[0] == rest
    if not rest.startswith(parts[0]) or not rest.endswith(parts[-1]) or len(rest) < len(parts[0]) + len(parts[-1]):
        return False
    rest = rest[len(parts[0]) : len(rest) - len(parts[-1])]
    for part in parts[1:-1]:
        _, found, rest = rest.partition(part)
        if part and not found:
            return False
    return True


def _feature(value: Any, source: str, rule: str = "") -> Json:
    return {"value": value, "on": js.truthy(value), "off": not js.truthy(value), "source": source, "ruleId": rule}
