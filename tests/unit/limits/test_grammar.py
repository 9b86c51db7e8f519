"""Limits are read as they are written, and what is none is refused with an example."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.unit.limits.cases import S, cases

from reelwright.kernel.errors import Invalid
from reelwright.limits.contract import Limit
from reelwright.limits.core.grammar import parse_limit, parse_limits


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("100/minute", Limit(name="x", count=100, period_ns=60 * S)),
        ("100/minute burst 20", Limit(name="x", count=100, period_ns=60 * S, burst=20)),
        ("5/10 s", Limit(name="x", count=5, period_ns=10 * S)),
        (" 3 / hours burst 1 ", Limit(name="x", count=3, period_ns=3600 * S, burst=1)),
        ("9 per day window", Limit(name="x", count=9, period_ns=86400 * S, algorithm="window")),
        ("9/min window cells 10", Limit(name="x", count=9, period_ns=60 * S, algorithm="window", cells=10)),
        ("9/h leaky", Limit(name="x", count=9, period_ns=3600 * S, algorithm="leaky")),
        ("20 concurrent", Limit(name="x", count=20, period_ns=60 * S, algorithm="concurrency")),
        ("20 concurrent for 5 s", Limit(name="x", count=20, period_ns=5 * S, algorithm="concurrency")),
        ("0/second", Limit(name="x", count=0, period_ns=S)),
    ],
)
def test_limits_are_read_as_they_are_written(text: str, expected: Limit) -> None:
    """One small grammar for settings, rule files and tests."""
    assert parse_limit(text, "x") == expected


def test_several_limits_have_names_of_their_own() -> None:
    """Header fields and metrics tell them apart."""
    assert [one.name for one in parse_limits("100/minute burst 20; 5000/day", "api")] == ["api-1", "api-2"]
    assert parse_limits("unlimited") == ()


@pytest.mark.parametrize(
    "text",
    [
        *("", "10", "10/fortnight", "-1/s", "1/0s", "5/s burst 0", "9" * 40 + "/s", "1/s;", ";", "1/s;;2/m", "1.5/s"),
        *("1e3/s", "١/s", "5/s burst 2 fixed", "5/s cells 4", "10000000000/s", "1/400 day", "x" * 10_000_000),
        *("0x10/s", "1/s\x00", "concurrent", "unlimited; 1/s", "5/s window cells 0", "NaN/s", "inf/s"),
    ],
)
def test_what_is_no_limit_is_refused(text: str) -> None:
    """Zero, negative, huge, fractional and hostile texts end in one clear error."""
    with pytest.raises(Invalid):
        parse_limits(text)


@given(st.text(max_size=60))
def test_no_text_breaks_the_parser(text: str) -> None:
    """Whatever is written, it is limits or Invalid."""
    try:
        found = parse_limits(text)
    except Invalid:
        return
    assert all(one.count >= 0 and one.period_ns > 0 for one in found)


def test_the_grammar_of_the_package_limits() -> None:
    """All its texts mean the same here; only a multiple of 0, which it reads as 1, is refused."""
    table = cases("limit_grammar.json")
    for case in table["single"]:
        if not case["valid"] or case.get("quirk"):
            with pytest.raises(Invalid):
                parse_limit(case["string"])
            continue
        one = parse_limit(case["string"])
        assert (one.count, one.period_ns) == (case["amount"], case["window_s"] * S), case
    for case in table["many"]:
        if not case["valid"]:
            with pytest.raises(Invalid):
                parse_limits(case["string"])
            continue
        found = [(one.count, one.period_ns) for one in parse_limits(case["string"])]
        assert found == [(one["amount"], one["window_s"] * S) for one in case["limits"]], case
    for case in table["units"]:
        assert parse_limit(f"1/{case['unit']}").period_ns == case["window_s"] * S
