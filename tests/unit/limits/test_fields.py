"""Header fields: what we tell conforms to the draft, and what others tell is read as it says."""

from __future__ import annotations

import base64
from collections.abc import Callable, Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.unit.limits.cases import S, cases

from reelwright.kernel.errors import Invalid
from reelwright.limits.contract import ALGORITHMS, NEVER, Answer, Ask, Limit, Overloaded, TooManyRequests, Verdict
from reelwright.limits.core.fields import (
    QuotaPolicy,
    ServiceLimit,
    headers,
    parse_limit_field,
    parse_policy,
    retry_after_s,
)

PARSERS: dict[str, Callable[[str], Sequence[QuotaPolicy | ServiceLimit]]] = {
    "RateLimit-Policy": parse_policy,
    "RateLimit": parse_limit_field,
}
VERDICTS = st.builds(
    lambda name, count, algorithm, allowed, remaining, wait_ns, reset_ns: Verdict(
        Ask(Limit(name=name, count=count, period_ns=60 * S, algorithm=algorithm), "k"),
        allowed,
        remaining,
        0 if allowed else wait_ns,
        reset_ns,
    ),
    st.text(max_size=20),
    st.integers(0, 10_000),
    st.sampled_from(ALGORITHMS),
    st.booleans(),
    st.integers(0, 10**9),
    st.integers(1, 10**12) | st.just(NEVER),
    st.integers(0, 10**12),
)


@given(st.lists(VERDICTS, min_size=1, max_size=4))
def test_what_we_tell_can_be_read(verdicts: list[Verdict]) -> None:
    """Names are Strings whatever they hold, q and w are as asked, and Retry-After is not earlier than t."""
    answer = Answer(all(verdict.allowed for verdict in verdicts), tuple(verdicts))
    told = headers(answer)
    policies, left = parse_policy(told["RateLimit-Policy"]), parse_limit_field(told["RateLimit"])
    assert [one.name for one in policies] == [one.name for one in left]
    assert [one.quota for one in policies] == [verdict.limit.count for verdict in verdicts]
    assert [one.remaining for one in left] == [verdict.remaining for verdict in verdicts]
    if not answer.allowed:
        refused = [one.reset_s for one, verdict in zip(left, verdicts, strict=True) if not verdict.allowed]
        assert int(told["Retry-After"]) >= max(one or 0 for one in refused)


def test_one_answer_to_the_letter() -> None:
    """Two policies, one used up; seconds are rounded up; a shadow is not told."""
    minute = Verdict(Ask(Limit(name="minute", count=60, period_ns=60 * S), "k"), True, 12, 0, 29_100_000_000)
    day = Verdict(Ask(Limit(name="day", count=5000, period_ns=86400 * S, burst=50), "k"), False, 0, 17 * S + 1, 9)
    shadow = Verdict(Ask(Limit(name="new", count=1, period_ns=S), "k", 1, True), False, 0, S, S)
    answer = Answer(False, (minute, day, shadow))
    assert headers(answer) == {
        "RateLimit-Policy": '"minute";q=60;w=60, "day";q=50;w=864',
        "RateLimit": '"minute";r=12;t=30, "day";r=0;t=18',
        "Retry-After": "18",
    }
    assert TooManyRequests(answer, headers(answer)).problem["violated-policies"] == ["day"]
    assert retry_after_s(Answer(False, (Verdict(day.ask, False, 0, NEVER, 0),))) == 86400


def test_the_drafts_examples() -> None:
    """Each conforming example is read as the draft says; each other one is refused, and so ignored."""
    table = cases("ietf_ratelimit_headers.json")
    for case in table["examples"]:
        for field, values in case["fields"].items():
            parse = PARSERS[field]
            if not case["conforms"]:
                with pytest.raises(Invalid):
                    parse(", ".join(values))
                continue
            expected = [{"name": one["name"], "params": known(field, one["params"])} for one in case["parsed"][field]]
            assert [plain(one) for one in parse(", ".join(values))] == expected, case
    for case in table["not_conforming"]["cases"]:
        with pytest.raises(Invalid):
            PARSERS[case["field"]](case["value"])


@pytest.mark.parametrize("more", ["@1659578233", '%"f%c3%bc%c3%bc"', "1.5", "?1", "a/b", '"x"', ":YQ==:"])
def test_what_a_parameter_is_that_nobody_knows_does_not_matter(more: str) -> None:
    """RFC 9651 has eight kinds of bare items; a known parameter of another kind makes the field void."""
    assert parse_policy(f'"a";q=5;x={more};w=60, "b";q=1') == (QuotaPolicy("a", 5, 60), QuotaPolicy("b", 1))
    with pytest.raises(Invalid):
        parse_policy(f'"a";q={more}')


def known(field: str, parameters: dict[str, object]) -> dict[str, object]:
    """Those that the draft defines for this field; all others are comments."""
    names = ("q", "w", "qu", "pk") if field == "RateLimit-Policy" else ("r", "t", "pk")
    return {name: value for name, value in parameters.items() if name in names}


def plain(item: QuotaPolicy | ServiceLimit) -> dict[str, object]:
    """An item as the table writes it."""
    if isinstance(item, QuotaPolicy):
        numbers: dict[str, object] = {"q": item.quota, "w": item.window_s}
        if item.unit != "requests":
            numbers["qu"] = item.unit
    else:
        numbers = {"r": item.remaining, "t": item.reset_s}
    found = {name: value for name, value in numbers.items() if value is not None}
    if item.partition is not None:
        found["pk"] = {"bytes_base64": base64.b64encode(item.partition).decode()}
    return {"name": item.name, "params": found}


def test_the_problem_is_that_of_the_draft() -> None:
    """Type, status and title of an exceeded quota are the registered ones."""
    told = cases("ietf_ratelimit_headers.json")["problem_types"][0]
    limit = Limit(name="daily", count=1, period_ns=S)
    refused = TooManyRequests(Answer(False, (Verdict(Ask(limit, "k"), False, 0, S, S),)), {})
    ours = {"status": refused.status, **refused.problem}
    assert {key: ours[key] for key in ("status", "type", "title")} == {
        key: told[key] for key in ("status", "type", "title")
    }
    assert Overloaded.problem["type"] == cases("ietf_ratelimit_headers.json")["problem_types"][1]["type"]


@given(st.text(max_size=60))
def test_no_field_breaks_the_parser(value: str) -> None:
    """What a server or proxy sends is items or Invalid."""
    for parse in PARSERS.values():
        try:
            parse(value)
        except Invalid:
            continue
