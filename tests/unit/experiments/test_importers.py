"""Other vendors' configuration: their own cases, bit by bit, and what we do not know is refused by name."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import pytest

from reelwright.experiments.adapters.openfeature import Provider
from reelwright.experiments.adapters.openfeature_cases import openfeature_cases
from reelwright.experiments.contract import BadConfiguration, UnknownOperator
from reelwright.experiments.core.hashing import fnv1a_32, murmur3_32
from reelwright.experiments.core.importers.flagd import Flagd
from reelwright.experiments.core.importers.growthbook import GrowthBookFlags
from reelwright.experiments.core.importers.unleash import Unleash
from reelwright.experiments.replay import Case, growthbook_cases, unleash_cases
from reelwright.kernel.errors import Unavailable

CASES = Path(__file__).resolve().parents[4] / "shared" / "cases" / "experiments"
needs_cases = pytest.mark.skipif(not CASES.is_dir(), reason=f"no foreign cases at {CASES}")


def failures(cases: Iterable[Case]) -> tuple[int, list[str]]:
    """How many cases there are, and those that fail."""
    found = list(cases)
    return len(found), [f"{name}: {says}" for name, passed, says in found if not passed]


@needs_cases
def test_growthbooks_cases() -> None:
    """All 517, from the hash to contextual bandits."""
    assert failures(growthbook_cases(CASES / "growthbook" / "cases.json")) == (517, [])


@needs_cases
def test_unleashs_cases() -> None:
    """All 279, variants, segments, dependencies and delta events among them."""
    assert failures(unleash_cases(CASES / "unleash" / "specifications")) == (279, [])


@needs_cases
def test_openfeatures_cases() -> None:
    """All 132 rows: evaluation, targeting, errors, hooks, merging of contexts, states of a provider, metadata."""
    assert failures(openfeature_cases(CASES / "openfeature" / "gherkin")) == (132, [])


def test_a_step_that_nobody_knows_fails_its_case(tmp_path: Path) -> None:
    """So that a newer file cannot pass by being misunderstood."""
    (tmp_path / "test-flags.json").write_text('{"boolean-flag": {"variants": {"on": true}, "defaultVariant": "on"}}')
    (tmp_path / "a.feature").write_text(
        "Feature: a\n Scenario: b\n  Given a stable provider\n  Then it sings\n"
        " Scenario: c\n  Given a stable provider\n"
        '  And a Boolean-flag with key "boolean-flag" and a fallback value "false"\n'
        '  When the flag was evaluated with details\n  Then the resolved details value should be "false"\n'
    )
    count, failed = failures(openfeature_cases(tmp_path))
    assert count == len(failed) == 2 and "it sings" in str(failed[0]) and "saw True" in str(failed[1])


def test_the_provider_follows_its_source() -> None:
    """A swapped configuration is answered from and told; what cannot be read is stale; objects are copies."""
    from openfeature import api
    from openfeature.event import ProviderEvent

    told: list[str] = []
    sources: list[Any] = [
        Flagd({"flags": {"f": {"state": "ENABLED", "variants": {"a": [1]}, "defaultVariant": "a"}}})
    ]
    provider = Provider(lambda: sources[-1], remembered=2)
    api.set_provider_and_wait(provider, "follows")
    client = api.get_client("follows")
    client.add_handler(ProviderEvent.PROVIDER_CONFIGURATION_CHANGED, lambda _: told.append("changed"))
    client.add_handler(ProviderEvent.PROVIDER_STALE, lambda _: told.append("stale"))
    value = client.get_object_value("f", [])
    assert isinstance(value, list)
    value.append(2)
    assert client.get_object_details("f", []).value == [1] and client.get_object_details("f", []).reason == "CACHED"
    sources.append(Flagd({"flags": {"f": {"state": "ENABLED", "variants": {"a": 2.0}, "defaultVariant": "a"}}}))
    provider.look()
    provider.look()
    assert (
        client.get_float_value("f", 0.0) == 2.0 and client.get_integer_details("f", 7).error_code == "TYPE_MISMATCH"
    )

    def gone() -> Any:
        raise Unavailable("the database is away")

    provider._source = gone
    provider.look()
    wait_until(lambda: told == ["changed", "stale"])
    assert told == ["changed", "stale"]
    api.clear_providers()


def wait_until(holds: Callable[[], bool]) -> None:
    """Handlers of events run in threads; the deadline is for hangs."""
    deadline = time.monotonic() + 60
    while not holds() and time.monotonic() < deadline:
        time.sleep(0.01)


@pytest.mark.parametrize(
    ("data", "seed", "expected"),
    [
        (b"", 0, 0),
        (b"", 1, 0x514E28B7),
        (b"\xff\xff\xff\xff", 0, 0x76293B50),
        (b"Hello, world!", 0x9747B28C, 0x24884CBA),
    ],
)
def test_murmur3(data: bytes, seed: int, expected: int) -> None:
    """The published verification values of MurmurHash3_x86_32."""
    assert murmur3_32(data, seed) == expected


def test_fnv_1a() -> None:
    """The published values; outside the basic plane both halves of the surrogate pair are hashed."""
    assert (fnv1a_32(""), fnv1a_32("a"), fnv1a_32("foobar")) == (0x811C9DC5, 0xE40C292C, 0xBF9CF968)
    assert fnv1a_32("😀") == fnv1a_32("\ud83d\ude00") != fnv1a_32("\ud83d")


GROWTHBOOK_RULES: list[tuple[dict[str, Any], str]] = [
    ({"force": 1, "condition": {"country": {"$near": "DE"}}}, "'$near'"),
    ({"force": 1, "condition": {"$or": [{"a": {"$not": {"$like": 1}}}]}}, "'$like'"),
    ({"force": 1, "parentConditions": [{"id": "b", "condition": {"value": {"$is": 1}}}]}, "'$is'"),
    ({"forced": 1}, "'forced'"),
]


@pytest.mark.parametrize(("rule", "says"), GROWTHBOOK_RULES)
def test_growthbooks_unknown_parts_are_refused_by_name(rule: dict[str, Any], says: str) -> None:
    """Wherever they stand; never taken for false."""
    with pytest.raises(UnknownOperator, match=says.replace("$", r"\$")):
        GrowthBookFlags({"features": {"a": {"rules": [rule]}}})


def test_a_file_of_something_else_is_refused() -> None:
    """A payload without features says what was expected."""
    with pytest.raises(BadConfiguration, match="'features'"):
        GrowthBookFlags({"flags": {}})


def test_growthbooks_flags_say_where_they_come_from() -> None:
    """Values, variants and reasons in OpenFeature's words."""
    flags = GrowthBookFlags(
        {
            "features": {
                "ranker": {"defaultValue": "old", "rules": [{"variations": ["old", "new"], "hashVersion": 2}]},
                "off": {"defaultValue": False, "rules": [{"force": True, "condition": {"country": "DE"}}]},
            }
        }
    )
    ranker = flags.resolve("ranker", {"id": "1"})
    assert ranker.value in ("old", "new") and ranker.variant in ("0", "1") and ranker.reason == "SPLIT"
    assert flags.resolve("off", {"country": "DE"}).reason == "TARGETING_MATCH"
    assert flags.resolve("off", {}).value is False
    assert flags.resolve("none", {}).error_code == "FLAG_NOT_FOUND"
    assert [one.key for one in flags.resolve_all({})] == list(flags.keys()) == ["ranker", "off"]


def unleash(**strategy: Any) -> dict[str, Any]:
    """A state with one feature of one strategy."""
    return {"features": [{"name": "f", "enabled": True, "strategies": [{"name": "default", **strategy}]}]}


@pytest.mark.parametrize(
    ("state", "says"),
    [
        (unleash(name="gradualRolloutMoon"), "strategy 'gradualRolloutMoon'"),
        (unleash(constraints=[{"contextName": "a", "operator": "NEAR", "values": []}]), "operator 'NEAR'"),
        ({"segments": [{"id": 1, "constraints": [{"contextName": "a", "operator": "SOUND"}]}]}, "operator 'SOUND'"),
        ({"events": [{"type": "feature-sunk"}]}, "event 'feature-sunk'"),
    ],
)
def test_unleashs_unknown_parts_are_refused_by_name(state: dict[str, Any], says: str) -> None:
    """Strategies, operators and events."""
    with pytest.raises(UnknownOperator, match=says):
        Unleash(state)


def test_what_unleash_leaves_to_chance_is_passed_in() -> None:
    """The same draw gives the same answer, and the share of draws is the percentage."""
    flags = Unleash(unleash(name="gradualRolloutRandom", parameters={"percentage": "30"}))
    draws = [random.Random(seed).random() for seed in range(400)]
    assert sum(flags.enabled("f", {}, draw=draw) for draw in draws) == sum(draw < 0.3 for draw in draws)


def test_a_catastrophic_pattern_of_a_file_is_harmless() -> None:
    """RE2 also runs what is imported."""
    state = unleash(constraints=[{"contextName": "t", "operator": "REGEX", "value": "^(a+)+$"}])
    assert not Unleash(state).enabled("f", {"properties": {"t": "a" * 50_000 + "!"}})
