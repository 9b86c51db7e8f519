"""Flags of flagd, Flagsmith and Eppo fall as their vendors' own evaluators let them fall.

The oracle of each is the vendor's evaluator from PyPI; configurations and viewers are drawn from a seed. Odd
ones stand beside them, and what a file has that nobody knows is refused by its name.
"""

from __future__ import annotations

import json
import logging
from random import Random
from typing import Any

import pytest

from reelwright.experiments.contract import BadConfiguration, Resolution, UnknownOperator
from reelwright.experiments.core.importers.eppo import Eppo, shard
from reelwright.experiments.core.importers.flagd import Flagd, cbor
from reelwright.experiments.core.importers.flagsmith import Flagsmith, percentage
from reelwright.experiments.core.importers.vendors import VENDORS, read_flags

UNITS = ["", "a", "user-1", "Świętopełk", "😀", "0", "007", "1.50", "x" * 300, "tab\tnul\x00", '"quoted"', "null"]
VALUES: list[Any] = [
    *(
        None,
        True,
        False,
        0,
        1,
        -3,
        7,
        12,
        1.0,
        1.5,
        -0.5,
        1e20,
        1e-4,
        2**40,
        "",
        "a",
        "A",
        "abc",
        "b",
        "1",
        "1.5",
        " 5",
    ),
    *(
        "true",
        "True",
        "False",
        "1.2.3",
        "1.2.10",
        "v1.2",
        "1.2",
        "2.0.0-rc.1",
        "2.0.0+build",
        "x@y.z",
        "😀",
        "12",
        "1e3",
    ),
]


def context(draw: Random) -> dict[str, Any]:
    """Somebody."""
    found = {name: draw.choice(VALUES) for name in ("x", "y", "version", "id") if draw.random() < 0.7}
    return found


# --- flagd


def rule(draw: Random, depth: int = 0) -> Any:
    """Targeting at random, of what flagd's schema allows."""
    name = draw.choice(["x", "y", "version", "targetingKey", "none", "$flagd.flagKey"])
    look: Any = {"var": name if draw.random() < 0.7 else [name, draw.choice(VALUES)]}
    plain = draw.choice(VALUES)
    if depth > 3 or draw.random() < 0.2:
        return look if draw.random() < 0.5 else plain
    deeper = [rule(draw, depth + 1) for _ in range(draw.randint(1, 3))]
    forms: list[Any] = [
        {draw.choice(["==", "!=", "===", "!==", "<", ">", "<=", ">="]): [look, plain]},
        {draw.choice(["<", "<="]): [draw.randint(-2, 3), look, draw.randint(2, 20)]},
        {draw.choice(["and", "or", "cat", "max", "min", "+", "*", "merge", "if", "?:"]): deeper},
        {draw.choice(["!", "!!"]): [deeper[0]]},
        {"if": [deeper[0], "one", deeper[-1], "two", "three"]},
        {"in": [look, draw.choice(["abc", ["a", "b", 1], "x@y.z"])]},
        {draw.choice(["starts_with", "ends_with"]): [look, draw.choice(["a", "c", ".z", 1])]},
        {"sem_ver": [look, draw.choice(["=", "!=", "<", "<=", ">", ">=", "^", "~", "?"]), draw.choice(VALUES)]},
        {"fractional": [look, ["one", draw.randint(-1, 5)], ["two", draw.randint(0, 5)], ["three"]]},
        {"fractional": [["one", 25], ["two", 75]]},
        {"fractional": [{"cat": [{"var": "$flagd.flagKey"}, look]}, ["one", 1], [{"var": "x"}, 1]]},
        {draw.choice(["all", "some", "none", "filter", "map"]): [["a", 1, plain], {"==": [{"var": ""}, plain]}]},
        {"reduce": [[1, 2, 3], {"+": [{"var": "current"}, {"var": "accumulator"}]}, 0]},
        {"missing": ["x", "none"]},
        {"missing_some": [1, ["x", "y"]]},
        {"substr": [look, draw.randint(-3, 3), *([draw.randint(-2, 3)] if draw.random() < 0.5 else [])]},
        {draw.choice(["-", "%", "/"]): [draw.randint(1, 9), draw.randint(1, 5)]},
    ]
    return draw.choice(forms)


def flagd_file(draw: Random) -> dict[str, Any]:
    """One flag."""
    variants = {"one": 1, "two": 2, "three": 3, "true": True, "false": False, "1": "number", "abc": "text"}
    flag: dict[str, Any] = {"state": draw.choice(["ENABLED"] * 9 + ["DISABLED"]), "variants": variants}
    flag["defaultVariant"] = draw.choice(["one", "two", None, ""])
    targeting = rule(draw)
    flag["targeting"] = targeting if isinstance(targeting, dict) else {"if": [True, targeting]}
    return {"flags": {"f": flag}, "metadata": {"set": "s"}}


def flagds(document: dict[str, Any], unit: str, given: dict[str, Any]) -> tuple[Any, Any, str] | None:
    """flagd's own (value, variant, reason); None where it fails in its own way."""
    from openfeature.contrib.tools.flagd.core import FlagdCore
    from openfeature.evaluation_context import EvaluationContext

    core = FlagdCore()
    core.set_flags(json.dumps(document))
    try:
        found = core._resolve("f", None, EvaluationContext(unit, given), None)
    except Exception:
        return None
    return found.value, found.variant, str(found.reason)


def test_flagds_flags_fall_as_in_flagds_evaluator() -> None:
    """8,000 targetings with every operator: value, variant and reason."""
    logging.getLogger("openfeature.contrib").setLevel(logging.CRITICAL)
    draw, compared = Random(20261126), 0
    for _ in range(8_000):
        document, unit, given = flagd_file(draw), draw.choice(UNITS), context(draw)
        theirs = flagds(document, unit, given)
        ours = Flagd(json.loads(json.dumps(document))).resolve("f", {"targetingKey": unit, **given})
        if theirs is None:
            assert ours.value is None, (document, unit, given, ours)
            continue
        compared += 1
        assert (ours.value, ours.variant, ours.reason) == theirs, (document, unit, given)
    assert compared > 4_000


def test_flagds_fractions_are_bit_equal() -> None:
    """Every unit of 20,000 in the variant of flagd's evaluator, whatever it is bucketed by."""
    from openfeature.contrib.tools.flagd.core.targeting.custom_ops import fractional

    from reelwright.experiments.core.importers.flagd import fractional as ours

    draw = Random(7)
    for number in range(20_000):
        unit: Any = draw.choice(
            [f"user-{number}", number, number / 3, -number, [number, "x"], {"b": 1, "aa": number}]
        )
        shares = [[name, draw.randint(0, 9)] for name in "abcde"]
        assert ours({}, unit, *shares) == fractional({}, unit, *shares), (unit, shares)


def test_canonical_cbor() -> None:
    """Appendix A of RFC 8949, and what its encoder in Python writes for 3,000 numbers."""
    import cbor2

    examples = {"f90000": 0.1 - 0.1, "00": 0, "1903e8": 1000, "3903e7": -1000, "f93e00": 1.5, "fa47c35040": 100000.5}
    examples |= {"c249010000000000000000": 18446744073709551616, "3bffffffffffffffff": -18446744073709551616}
    for packed, value in examples.items():
        expected = "00" if value == 0 else packed
        if packed != "fa47c35040":
            assert cbor(value).hex() == expected
    draw = Random(3)
    for _ in range(3_000):
        number: Any = draw.choice(
            [draw.random(), draw.gauss(0, 1e9), 2 ** -draw.randint(1, 30), draw.getrandbits(80)]
        )
        whole = int(number) if isinstance(number, float) and number.is_integer() else number
        assert cbor(number) == cbor2.dumps(whole, canonical=True)
    assert cbor({"b": [None, True], "aa": "ü"}) == cbor2.dumps({"b": [None, True], "aa": "ü"}, canonical=True)


# --- Flagsmith


def smith_condition(draw: Random) -> dict[str, Any]:
    """One condition at random."""
    operators = ["EQUAL", "NOT_EQUAL", "GREATER_THAN", "GREATER_THAN_INCLUSIVE", "LESS_THAN", "LESS_THAN_INCLUSIVE"]
    operators += ["CONTAINS", "NOT_CONTAINS", "REGEX", "MODULO", "IN", "IS_SET", "IS_NOT_SET", "PERCENTAGE_SPLIT"]
    name = draw.choice(operators)
    prop = draw.choice(
        ["x", "y", "version", "$.identity.identifier", "$.environment.name", "$.identity['traits']['x']"]
    )
    value: Any = draw.choice(["a", "1", "1.5", "abc", "True", "false", "1.2.3:semver", "1.2:semver", "0", "-3", ""])
    if name == "REGEX":
        value = draw.choice(["a.*", "b", "^1$", "[0-9]+", ""])
    elif name == "MODULO":
        value = draw.choice(["2|1", "3|0", "1.5|0", "x", "2", ""])
    elif name == "IN":
        value = draw.choice(["a,b,1", '["a", 1, true]', ["a", "1", "True"], "[broken", ""])
    elif name == "PERCENTAGE_SPLIT":
        prop, value = draw.choice([prop, ""]), draw.choice(["50", "10.5", "100", "0", "x"])
    return {"property": prop, "operator": name, "value": value}


def smith_rule(draw: Random, depth: int = 0) -> dict[str, Any]:
    """A rule with conditions, and rules below it."""
    found: dict[str, Any] = {"type": draw.choice(["ALL", "ANY", "NONE"])}
    found["conditions"] = [smith_condition(draw) for _ in range(draw.randint(0, 3))]
    if depth < 2 and draw.random() < 0.4:
        found["rules"] = [smith_rule(draw, depth + 1) for _ in range(draw.randint(1, 2))]
    return found


def smith_feature(draw: Random, name: str) -> dict[str, Any]:
    """A feature, with variants now and then."""
    found: dict[str, Any] = {"key": str(draw.randint(1, 99)), "name": name, "enabled": draw.random() < 0.8}
    found["value"] = draw.choice(["v", 1, None, True])
    if draw.random() < 0.6:
        places = draw.sample(range(9), 3)
        found["variants"] = [
            {"value": f"w{at}", "weight": draw.choice([10, 33.3, 25]), "priority": place, "key": f"k{at}"}
            for at, place in enumerate(places)
        ]
    return found


def smith_file(draw: Random) -> dict[str, Any]:
    """An environment as the engine's context, without an identity."""
    segments = {}
    for number in range(3):
        overrides = [smith_feature(draw, draw.choice(["f", "g"]))]
        if draw.random() < 0.6:
            overrides[0]["priority"] = draw.randint(0, 3)
        rules = [smith_rule(draw) for _ in range(draw.randint(0, 2))]
        segments[str(number)] = {"key": str(number), "name": f"s{number}", "rules": rules, "overrides": overrides}
    features = {name: smith_feature(draw, name) for name in ("f", "g")}
    return {"environment": {"key": "env", "name": "abc"}, "features": features, "segments": segments}


def test_flagsmiths_features_fall_as_in_flagsmiths_engine() -> None:
    """4,000 environments with every operator: enabled, value, variant and reason of both features."""
    from flag_engine.engine import get_evaluation_result

    draw = Random(20261126)
    for _ in range(4_000):
        document, unit, traits = smith_file(draw), draw.choice(UNITS), context(draw)
        known: Any = json.loads(json.dumps(document))
        if unit:
            known["identity"] = {"identifier": unit, "traits": traits}
        theirs = get_evaluation_result(known)["flags"]
        ours = Flagsmith(document).evaluate({"targetingKey": unit, **traits})
        names = ("enabled", "value", "variant", "reason")
        seen = {key: tuple(one[name] for name in names) for key, one in ours.items()}
        expected = {key: tuple(one[name] for name in names) for key, one in theirs.items()}  # type: ignore[literal-required]
        assert seen == expected, (document, unit, traits)


def test_flagsmiths_percentages_are_bit_equal() -> None:
    """100,000 units, among them one that falls on 100 and is hashed again."""
    from flag_engine.utils.hashing import get_hashed_percentage_for_object_ids as theirs

    found = [(percentage("12", str(number)), theirs(["12", str(number)])) for number in range(100_000)]
    assert all(ours == other for ours, other in found)
    again = [number for number in range(60_000) if _first_percentage(number) == 100]
    assert again and all(percentage("12", str(number)) < 100 for number in again)


def _first_percentage(number: int) -> float:
    from reelwright.experiments.core.hashing import md5_number

    return md5_number(f"12,{number}") % 9999 / 9998 * 100


def test_flagsmiths_environment_document_means_the_same_as_its_context() -> None:
    """Segments, overrides and their priority, multivariate values by uuid, and an identity's own override."""
    state = {
        "feature": {"id": 1, "name": "ranker"},
        "enabled": True,
        "feature_state_value": "old",
        "django_id": None,
        "featurestate_uuid": "f0",
        "multivariate_feature_state_values": [
            {
                "id": None,
                "mv_fs_value_uuid": "00000000-0000-0000-0000-000000000001",
                "percentage_allocation": 100.0,
                "multivariate_feature_option": {"value": "new"},
            }
        ],
    }
    override = {**state, "feature_state_value": "for testers", "multivariate_feature_state_values": []}
    condition = {"operator": "EQUAL", "property_": "role", "value": "tester"}
    segment = {
        "id": 7,
        "name": "testers",
        "rules": [{"type": "ALL", "rules": [{"type": "ANY", "conditions": [condition], "rules": []}]}],
        "feature_states": [{**override, "feature_segment": {"priority": 0}}],
    }
    document = {
        "api_key": "env",
        "name": "home",
        "feature_states": [state],
        "project": {"segments": [segment]},
        "identity_overrides": [
            {"identifier": "ada", "identity_features": [{**override, "feature_state_value": "hers"}]}
        ],
    }
    flags = Flagsmith(document)
    assert flags.resolve("ranker", {"targetingKey": "bo"}).value == "new"
    assert flags.resolve("ranker", {"targetingKey": "bo", "role": "tester"}).value == "for testers"
    assert flags.resolve("ranker", {"targetingKey": "ada", "role": "tester"}).value == "hers"
    assert flags.resolve("ranker", {}) == Resolution(key="ranker", value="old", reason="DEFAULT")


# --- Eppo


def eppo_condition(draw: Random) -> dict[str, Any]:
    """One condition that Eppo's core accepts."""
    name = draw.choice(["ONE_OF", "NOT_ONE_OF", "MATCHES", "NOT_MATCHES", "GTE", "GT", "LTE", "LT", "IS_NULL"])
    value: Any = draw.choice([5, 1.5, "5", "1.2.3", "2.0.0-rc.1", "2.0.0+build", 0, -1, "1e1"])
    if name.endswith("ONE_OF"):
        value = draw.sample(["a", "1", "true", "1.5", "100000000000000000000", "user-1", "0.0001", ""], 3)
    elif name.endswith("MATCHES"):
        value = draw.choice(["a", "^1", "tru", "[0-9]+$", "^$", "x@", "(a|b)c?"])
    elif name == "IS_NULL":
        value = draw.random() < 0.5
    return {"attribute": draw.choice(["x", "y", "version", "id"]), "operator": name, "value": value}


def eppo_flag(draw: Random, key: str) -> dict[str, Any]:
    """A flag with allocations in and out of time."""
    allocations = []
    for number in range(draw.randint(1, 3)):
        shards = [
            {"salt": f"{key}-{number}-{draw.randint(0, 2)}", "ranges": [{"start": 0, "end": draw.randint(0, 10_000)}]}
            for _ in range(draw.randint(0, 2))
        ]
        rules = [
            {"conditions": [eppo_condition(draw) for _ in range(draw.randint(0, 2))]}
            for _ in range(draw.randint(0, 2))
        ]
        splits = [{"variationKey": "one", "shards": shards}, {"variationKey": "two", "shards": []}]
        times = draw.choice([{}, {}, {"startAt": "2091-01-01T00:00:00Z"}, {"endAt": "2020-01-01T00:00:00.5Z"}])
        allocations.append(
            {"key": f"a{number}", "rules": rules, "splits": splits[: draw.randint(1, 2)], "doLog": False, **times}
        )
    variations = {name: {"key": name, "value": f"{name}!"} for name in ("one", "two")}
    return {
        "key": key,
        "enabled": draw.random() < 0.95,
        "variationType": "STRING",
        "variations": variations,
        "allocations": allocations,
        "totalShards": draw.choice([10_000, 7]),
    }


NOW_MS = 1_795_600_000_000


def test_eppos_flags_fall_as_in_eppos_core() -> None:
    """400 flags for 60 viewers in Eppo's Rust core: 24,000 values."""
    import eppo_client

    draw = Random(20261126)
    flags = {f"f{number}": eppo_flag(draw, f"f{number}") for number in range(400)}
    document = {
        "createdAt": "2026-11-25T00:00:00.000Z",
        "format": "SERVER",
        "environment": {"name": "t"},
        "flags": flags,
    }
    client = eppo_client.init(
        eppo_client.ClientConfig(
            api_key="none",
            base_url="http://127.0.0.1:9/",
            assignment_logger=eppo_client.AssignmentLogger(),
            poll_interval_seconds=None,
            initial_configuration=eppo_client.Configuration(flags_configuration=json.dumps(document).encode()),
        )
    )
    ours, split = Eppo(document, now_ms=lambda: NOW_MS), 0
    for number in range(60):
        unit, given = draw.choice([*UNITS[1:], f"user-{number}"]), context(draw)
        for key in flags:
            theirs = client.get_string_assignment(key, unit, given, "default")
            found = ours.resolve(key, {"targetingKey": unit, **given})
            assert ("default" if found.value is None else found.value) == theirs, (flags[key], unit, given)
            split += found.reason == "SPLIT"
    assert split > 2_000


def test_eppos_shards() -> None:
    """The first four bytes of the MD5 of salt and unit, worked by hand."""
    import hashlib

    expected = int(hashlib.md5("salt-Świętopełk".encode()).hexdigest()[:8], 16) % 10_000
    assert shard("salt", "Świętopełk", 10_000) == expected


# --- what nobody knows

FLAG = {"state": "ENABLED", "variants": {"on": True}, "defaultVariant": "on"}
REF = {"$ref": "a"}
SEGMENT = {"key": "1", "name": "s", "overrides": []}


def eppo_with(**flag: Any) -> dict[str, Any]:
    """One flag."""
    base = {"enabled": True, "variationType": "BOOLEAN", "variations": {}, "allocations": [], "totalShards": 10}
    return {"flags": {"f": {**base, **flag}}}


def eppo_rule(**condition: Any) -> dict[str, Any]:
    """One condition."""
    return eppo_with(
        allocations=[{"key": "a", "rules": [{"conditions": [{"attribute": "x", **condition}]}], "splits": []}]
    )


def smith_with(**condition: Any) -> dict[str, Any]:
    """One condition."""
    rules = [{"type": "ALL", "conditions": [{"property": "x", **condition}]}]
    return {"features": {}, "segments": {"1": {**SEGMENT, "rules": rules}}}


NO_OBJECTS: list[Any] = [[], 7, None]
REFUSED: list[tuple[str, Any, str]] = [
    ("flagd", {"flags": {"f": {**FLAG, "targeting": {"if": [{"near": [1]}, "on"]}}}}, "operator 'near'"),
    ("flagd", {"flags": {"f": {**FLAG, "targeting": {"if": [{"$ref": "none"}]}}}}, "evaluator 'none' is not there"),
    (
        "flagd",
        {"$evaluators": {"a": {"!": {"$ref": "a"}}}, "flags": {"f": {**FLAG, "targeting": {"$ref": "a"}}}},
        "refers to itself",
    ),
    ("flagd", {"flags": {"f": {**FLAG, "state": "MAYBE"}}}, "state 'MAYBE'"),
    ("flagd", {"flags": {"f": {**FLAG, "rollout": {}}}}, "'rollout' is not one of flagd's"),
    ("flagd", {"flags": {"f": {"state": "ENABLED", "variants": {}}}}, "'variants'"),
    ("flagd", {"features": {}}, "object 'flags'"),
    ("flagsmith", smith_with(operator="NEAR", value="1"), "operator 'NEAR'"),
    ("flagsmith", {"features": {}, "segments": {"1": {**SEGMENT, "rules": [{"type": "SOME"}]}}}, "rule type 'SOME'"),
    (
        "flagsmith",
        smith_with(operator="EQUAL", value="1", property="$.flags.a.enabled"),
        "not below identity or environment",
    ),
    ("flagsmith", smith_with(operator="EQUAL", value="1", property="$..traits"), "is not a path to one value"),
    ("flagsmith", smith_with(operator="REGEX", value="(?=a)"), "not RE2"),
    ("flagsmith", {"feature_states": [{}]}, "no file of flagsmith: KeyError"),
    ("flagsmith", {}, "'feature_states'"),
    ("eppo", eppo_rule(operator="SOUNDS_LIKE", value="a"), "operator 'SOUNDS_LIKE'"),
    ("eppo", eppo_rule(operator="ONE_OF", value="a"), "ONE_OF does not take 'a'"),
    ("eppo", eppo_rule(operator="IS_NULL", value="yes"), "IS_NULL does not take"),
    ("eppo", eppo_rule(operator="MATCHES", value="("), "not RE2"),
    ("eppo", eppo_with(variationType="COLOUR"), "variation type 'COLOUR'"),
    ("eppo", eppo_with(variations={"a": {"value": "yes"}}), "value is no BOOLEAN"),
    ("eppo", eppo_with(totalShards=0), "'totalShards'"),
    ("eppo", {**eppo_with(), "format": "CLIENT"}, "format 'CLIENT'"),
    ("eppo", eppo_with(allocations=[{"startAt": "soon"}]), "'soon' is no moment"),
    ("unleash", {"features": [{}]}, "no file of unleash: KeyError"),
    ("growthbook", {"features": {"a": []}}, "no file of growthbook"),
    ("launchdarkly", {}, "vendor 'launchdarkly' is none of growthbook, unleash, flagd, flagsmith, eppo"),
    *((vendor, document, "is a JSON object") for vendor in VENDORS for document in NO_OBJECTS),
]


@pytest.mark.parametrize(("vendor", "document", "says"), REFUSED)
def test_what_nobody_knows_is_refused_by_name(vendor: str, document: Any, says: str) -> None:
    """Never guessed, never taken for false, and never a stack trace."""
    with pytest.raises((UnknownOperator, BadConfiguration), match=says.replace("(", r"\(").replace("$", r"\$")):
        read_flags(vendor, document, now_ms=lambda: 0)


def test_a_rule_that_is_too_deep_is_refused() -> None:
    """Before Python's own stack ends."""
    rule: Any = True
    for _ in range(400):
        rule = {"!": [rule]}
    smith: Any = {"type": "ALL", "rules": []}
    for _ in range(400):
        smith = {"type": "ALL", "rules": [smith]}
    for vendor, document in (
        ("flagd", {"flags": {"f": {**FLAG, "targeting": rule}}}),
        ("flagsmith", {"features": {}, "segments": {"1": {**SEGMENT, "rules": [smith]}}}),
    ):
        with pytest.raises(BadConfiguration, match="nested more than 100 deep"):
            read_flags(vendor, document, now_ms=lambda: 0)


@pytest.mark.parametrize("vendor", list(VENDORS))
def test_an_unknown_flag_and_nobody_are_answered(vendor: str) -> None:
    """FLAG_NOT_FOUND, and no failure for a viewer of whom nothing is known."""
    documents: dict[str, Any] = {
        "growthbook": {"features": {"f": {"defaultValue": 1}}},
        "unleash": {"features": [{"name": "f", "enabled": True}]},
        "flagd": {"flags": {"f": {**FLAG, "targeting": {"fractional": [["on", 1]]}}}},
        "flagsmith": {"features": {"f": {"key": "1", "name": "f", "enabled": True, "value": None}}},
        "eppo": eppo_with(),
    }
    flags = read_flags(vendor, documents[vendor], now_ms=lambda: 0)
    assert flags.resolve("none", {}).error_code == "FLAG_NOT_FOUND"
    assert [one.key for one in flags.resolve_all({})] == list(flags.keys()) == ["f"]
    assert flags.version == read_flags(vendor, documents[vendor], now_ms=lambda: 0).version != ""
