"""Rule files: Envoy's load as they are, wrong ones are refused with file, line and reason."""

from __future__ import annotations

import math
import re
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.unit.limits.cases import S, case_file, cases

import reelwright.limits
from reelwright.kernel.clock import VirtualClock
from reelwright.kernel.errors import Invalid
from reelwright.limits import Limits, MemoryStore
from reelwright.limits.contract import BadRules
from reelwright.limits.core.descriptors import Match, find, pattern_of, prefixes, say_key, without_replaced
from reelwright.limits.core.rules import ENVOY_UNITS_S, Domain, read_rules
from reelwright.limits.system import RuleFile

OURS = """
domain: films
hierarchy: [organisation, user, device]
descriptors:
  - key: organisation
    limit: 1000/minute burst 50; 100000/day
    descriptors:
      - key: user
        limit: 3/minute
        descriptors:
          - key: device
            limit: 2/minute
            shadow_mode: true
            on_outage: open
  - key: organisation
    value: ours
    limit: unlimited
"""


def read(*names: str, merge_domains: bool = False) -> dict[str, Domain]:
    """The domains of Envoy's files."""
    texts = []
    for name in names:
        folder = "envoy_ratelimit" if "/" in name else "envoy_ratelimit/config"
        texts.append((name, case_file(f"{folder}/{name}").read_text("utf-8")))
    return read_rules(texts, merge_domains=merge_domains)


def look_up(domains: dict[str, Domain], domain: str, entries: list[list[str]]) -> Match | None:
    """What a request meets."""
    rules = domains.get(domain)
    return find(domain, rules.root, [(key, value) for key, value in entries]) if rules else None


def test_envoys_files_are_accepted_and_rejected_alike() -> None:
    """Twenty files, each with the reason that Envoy's own service gives."""
    table = cases("envoy_ratelimit/expectations.json")
    for name in table["accepted_files"]:
        assert read(name)
    for case in table["rejected"]:
        name, reason = case["error"].split(": ", 1)
        with pytest.raises(BadRules) as refused:
            read(*case["files"], merge_domains=case.get("merge_domains", False))
        assert refused.value.origin == name
        assert case["test"] == "TestBadYaml" or refused.value.reason == reason, case
        assert refused.value.line > 0


@pytest.mark.parametrize("name", ["example.yaml", "config.yaml"])
def test_envoys_examples_load(name: str) -> None:
    """Several documents in one file are several domains."""
    assert read(f"examples/{name}")


def test_envoys_look_ups() -> None:
    """Which limit each descriptor meets, under which name, and what shares one counter."""
    for case in cases("envoy_ratelimit/expectations.json")["lookups"]:
        domains = read(*case["files"], merge_domains=case.get("merge_domains", False))
        found = look_up(domains, case["domain"], case["entries"])
        assert (found is not None) == case["match"], case
        if found is None or "override" in case:
            continue
        assert_as_told(found, case)
        if "same_limit_as" in case:
            other = look_up(domains, case["domain"], case["same_limit_as"])
            assert other is not None and other.rules is found.rules


def assert_as_told(found: Match, case: dict[str, Any]) -> None:
    """The rule that was met says what the case says."""
    rules = found.rules
    if "requests_per_unit" in case:
        assert rules.limits[0].count == case["requests_per_unit"]
    if "unit" in case:
        assert rules.limits[0].period_ns == ENVOY_UNITS_S[case["unit"]] * S
    assert bool(case.get("unlimited")) == (not rules.limits)
    assert case.get("stats_key", found.place) == found.place
    assert case.get("shadow_mode", rules.shadow) == rules.shadow
    assert case.get("metadata", rules.metadata) == rules.metadata
    assert case.get("name", rules.name) == rules.name
    for place, pattern in (case.get("share_patterns") or {}).items():
        assert found.shared[int(place)] == (pattern or None)


def test_values_of_a_shared_pattern_take_from_one_counter() -> None:
    """Under `share_threshold` only; without it each value has its own."""
    domains = read("share_threshold.yaml")
    keys = [look_up(domains, "test-domain", [["files", f"files/{name}"]]) for name in ("a.pdf", "b.csv")]
    assert keys[0] is not None and keys[1] is not None and keys[0].key == keys[1].key
    wild = read("wildcard.yaml")
    apart = [look_up(wild, "test-domain", [["wild", name]]) for name in ("foo1", "foo2")]
    assert apart[0] is not None and apart[1] is not None and apart[0].key != apart[1].key


async def ask(limits: Limits, domain: str, *descriptors: list[list[str]]) -> tuple[bool, list[tuple[bool, int]]]:
    """One request with these descriptors: allowed, and each limit's allowed and remaining."""
    entries = [tuple((key, value) for key, value in one) for one in descriptors]
    answer = await limits.decide(limits.policy(domain, entries).asks)
    return answer.allowed, [(verdict.allowed, verdict.remaining) for verdict in answer.verdicts]


@pytest.mark.anyio
async def test_envoys_sequences() -> None:
    """The answers that its integration test expects; two descriptors as by a store that charges all or none."""
    domains = read(*(f"integration/config/{name}.yaml" for name in ("basic", "another", "share_threshold")))
    clock = VirtualClock()
    limits = Limits(store=MemoryStore(clock=clock), domains=domains)
    assert await ask(limits, "foo", [["hello", "world"]]) == (True, [])
    assert await ask(limits, "basic", [["key1", "foo"]]) == (True, [(True, 49)])
    for turn in range(25):
        assert await ask(limits, "another", [["key2", "a"]]) == (turn < 20, [(turn < 20, max(0, 19 - turn))])
    for turn in range(15):
        allowed, told = await ask(limits, "another", [["key2", "b"]], [["key3", "b"]])
        assert allowed == (turn < 10)
        assert told == [(True, max(10, 19 - turn)), (turn < 10, max(0, 9 - turn))]
    resets = []
    for _ in range(2):
        policy = limits.policy("another", [(("key4", "durTest"),)])
        resets.append((await limits.decide(policy.asks)).verdicts[0].reset_ns)
        clock.advance(2)
    assert all(later <= earlier for earlier, later in pairwise(resets))
    for _ in range(10):
        await ask(limits, "share-threshold-test", [["files", "files/a.pdf"]])
    assert await ask(limits, "share-threshold-test", [["files", "files/b.csv"]]) == (False, [(False, 0)])


@pytest.mark.anyio
async def test_limits_of_a_hierarchy_are_asked_together() -> None:
    """Organisation, user and device in one trip; a shadow is told and refuses nothing; one's own is free."""
    limits = Limits(store=MemoryStore(clock=VirtualClock()), domains=read_rules([("ours.yaml", OURS)]))
    who = {"organisation": "a", "user": "u", "device": "d"}
    for turn in range(3):
        answer = await limits.check(who)
        assert answer and len(answer.verdicts) == 4
        assert answer.verdicts[3].allowed == (turn < 2) and answer.verdicts[3].ask.on_outage == "open"
    refused = await limits.check(who)
    assert not refused and [verdict.limit.count for verdict in refused.violated] == [3]
    assert refused.verdicts[0].remaining == 47, "nothing was charged to the organisation"
    assert (await limits.check({"organisation": "ours", "user": "u"})).verdicts == ()
    assert len((await limits.check({"organisation": "a"})).verdicts) == 2


@pytest.mark.anyio
async def test_the_readmes_example_is_as_printed() -> None:
    """Its rules, under the request that stands above them."""
    readme = Path(reelwright.limits.__file__).with_name("README.md").read_text("utf-8")
    text = readme.split("```yaml\n")[1].split("```")[0]
    limits = Limits(domains=read_rules([("limits.yaml", text)]))
    assert len((await limits.check({"organisation": "a", "user": "u7"}, cost=3)).verdicts) == 3
    async with limits.reserve({"organisation": "a"}, cost=100) as reservation:
        reservation.settle(42)


@pytest.mark.parametrize(
    ("text", "domain", "says"),
    [
        ("domain: d\ndescriptors: [{key: user, limit: 1/day}]\n", "", "has no hierarchy"),
        (OURS, "film", "no domain 'film'; known: films"),
        (f"{OURS}---\ndomain: d\n", "", "which domain\\? known: films, d"),
        ("", "", "no rules were loaded"),
    ],
)
def test_rules_that_can_limit_nobody_are_refused(text: str, domain: str, says: str) -> None:
    """A program whose every request is admitted would believe that it is limited."""
    limits = Limits(domains=read_rules([("rules", text)]))
    with pytest.raises(Invalid, match=says):
        limits.check_now({"user": "u"}, domain=domain)


@pytest.mark.parametrize("cost", [-1, math.nan, 0.5, math.inf])
def test_a_cost_that_is_none_is_refused(cost: float) -> None:
    """Not a number would be admitted for ever, and a part of one makes a state that no shared store can read."""
    limits = Limits(domains=read_rules([("ours.yaml", OURS)]))
    with pytest.raises(Invalid, match="at least 0"):
        limits.check_now({"organisation": "a"}, cost=cost)  # type: ignore[arg-type]
    with limits.reserve_now({"organisation": "a"}) as reservation, pytest.raises(Invalid, match="at least 0"):
        reservation.settle(cost)  # type: ignore[arg-type]


def test_a_rule_replaces_another_by_name() -> None:
    """What is replaced is left out of a request that meets both."""
    domains = read("examples/example.yaml") | read("examples/config.yaml")
    one = look_up(domains, "rl", [["category", "account"]])
    other = look_up(domains, "rl", [["source_cluster", "proxy"], ["destination_cluster", "fake"]])
    assert one is not None and other is not None
    assert without_replaced([one, other]) == [one] and without_replaced([other]) == [other]


@pytest.mark.parametrize(
    ("text", "line", "reason"),
    [
        ("domain: x\ndescriptors:\n  - key: a\n    limit: 5/fortnight\n", 4, "a limit looks like"),
        ("domain: x\ndescriptors:\n  - key: a\n    limit: 5/s\n    on_outage: maybe\n", 5, "on_outage is"),
        (
            "domain: x\ndescriptors:\n  - key: a\n    rate_limit: {unit: day, requests_per_unit: -1}\n",
            4,
            "whole number",
        ),
        (
            "domain: x\ndescriptors:\n  - key: a\n    rate_limit: {unit: day, requests_per_unit: 1.5}\n",
            4,
            "whole number",
        ),
        ("domain: x\ndescriptors:\n  - key: a\n    key: b\n", 4, "there twice"),
        ("domain: x\ndescriptors: {a: b}\n", 2, "expected a list"),
        ("domain: [x]\n", 1, "expected a text"),
        ("- a\n", 1, "other than map"),
        ("domain: x\n  bad: [\n", 2, "error loading"),
        ("domain: x\ndescriptors: &a\n  - key: k\n    descriptors: *a\n", 2, "deep"),
        ("domain: x\ndescriptors:\n  - key: a\n    limit: 5/s\n    rate_limit: {unit: day}\n", 3, "not both"),
        ("domain: x\ndescriptors:\n  - key: a\n    share_threshold: true\n    limit: 5/s\n", 3, "share_threshold"),
        ("\x00", 0, "error loading"),
        ("domain: x\n" + "#" * (5 << 20), 0, "at most"),
    ],
)
def test_a_wrong_file_is_refused_with_its_line(text: str, line: int, reason: str) -> None:
    """Whoever wrote it is told where and why."""
    with pytest.raises(BadRules, match=re.escape(reason)) as refused:
        read_rules([("rules.yaml", text)])
    assert refused.value.line == line


@given(st.text(max_size=200))
def test_no_text_breaks_the_reader(text: str) -> None:
    """Whatever a file holds, it is rules or BadRules."""
    try:
        read_rules([("rules.yaml", text)])
    except BadRules:
        return


@given(st.text("ab*", min_size=1, max_size=6), st.text("ab", max_size=8))
def test_a_star_stands_for_any_text(pattern: str, value: str) -> None:
    """A pattern meets what a matcher by hand says."""

    def meets(parts: list[str], rest: str) -> bool:
        if len(parts) == 1:
            return rest == parts[0]
        head, *tail = parts
        return rest.startswith(head) and any(
            meets_after(tail, rest[len(head) :], skip) for skip in range(len(rest) - len(head) + 1)
        )

    def meets_after(tail: list[str], rest: str, skip: int) -> bool:
        return meets(tail, rest[skip:])

    assert bool(pattern_of(pattern).fullmatch(value)) == meets(pattern.split("*"), value)


@given(st.lists(st.tuples(st.text(max_size=5), st.text(max_size=5)), min_size=1, max_size=3))
def test_no_two_requests_share_a_counter_by_their_names(entries: list[tuple[str, str]]) -> None:
    """Separators in keys and values confuse nobody: `a|b` and `a`, `b` are different."""
    text = "domain: d\nhierarchy: []\ndescriptors: []\n"
    assert read_rules([("x", text)])
    from reelwright.limits.core.descriptors import _counter_key

    shared = [None] * len(entries)
    joined = [("".join(key for key, _ in entries), "".join(value for _, value in entries))]
    if joined != entries:
        assert _counter_key("d", entries, shared) != _counter_key("d", joined, [None])


def test_prefixes_end_where_the_request_says_nothing() -> None:
    """Without a user there is no device of a user."""
    assert prefixes(("a", "b", "c"), {"a": "1", "c": "3"}) == [(("a", "1"),)]


def test_a_file_is_read_again_when_it_changes_and_not_when_it_is_wrong(tmp_path: Path) -> None:
    """The old rules stay live, and the error names line and reason."""
    path = tmp_path / "rules.yaml"
    path.write_text(OURS)
    limits = Limits()
    file = RuleFile([path], limits)
    file.load()
    before = limits.domains
    path.write_text(OURS + "  - key: [\n")
    file.look()
    assert limits.domains is before and f"{path}:" in file.wrong
    path.unlink()
    file.look()
    assert limits.domains is before and "No such file" in file.wrong
    path.write_text(OURS.replace("3/minute", "4/minute"))
    file.look()
    assert limits.domains is not before and file.wrong == ""


def test_a_counters_key_is_told_as_people_read_it() -> None:
    """Whatever its values hold; what is no such key is told as it is."""
    root = read_rules([("rules", OURS)])["films"].root
    met = find("films", root, (("organisation", "a|9:x"), ("user", "Zoë 7")))
    assert met is not None and say_key(met.key) == "organisation a|9:x · user Zoë 7"
    for other in ("plain", "", "d|", "d|x", "d|3:abc", "d|99999:a", "d|1:a1:bX"):
        assert say_key(other) == other
