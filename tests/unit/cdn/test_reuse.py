"""RFC 9111 as tables: what may be stored, how long it is fresh, which answer fits."""

from __future__ import annotations

import pytest

from reelwright.cdn.core.fields import Fields, date_s, dictionary_of, directives_of
from reelwright.cdn.core.freshness import control_of, lifetime_s, may_store
from reelwright.cdn.core.ranges import content_range_of
from reelwright.cdn.core.reuse import (
    Action,
    Stored,
    decide,
    freshened,
    invalidated,
    may_serve_on_error,
    not_modified,
    range_applies,
    storable_fields,
)

NOW = 1_700_000_000.0
DATE = "Tue, 14 Nov 2023 22:13:20 GMT"
LATER = "Tue, 14 Nov 2023 22:23:20 GMT"


def fields(*given: tuple[str, str]) -> Fields:
    """A response's fields, dated now."""
    return (("date", DATE), *given)


def stored(*given: tuple[str, str], requested: Fields = (), status: int = 200, came_s: float = NOW) -> Stored:
    """A response that came now."""
    return Stored(status, fields(*given), requested, came_s, came_s)


@pytest.mark.parametrize(
    ("given", "seconds"),
    [
        ((("cache-control", "max-age=60"),), 60),
        ((("cache-control", "max-age=60, s-maxage=5"),), 5),
        ((("cache-control", 'extension="max-age=3600", max-age=1'),), 1),
        ((("cache-control", "max-age=-60"),), 0),
        ((("cache-control", "max-age=99999999999999999999999"),), 2**31),
        ((("expires", LATER),), 600),
        ((("expires", "0"),), 0),
        ((("cache-control", "max-age=60"), ("expires", LATER)), 60),
        ((("cache-control", "max-age=60"), ("cdn-cache-control", "max-age=7")), 7),
        ((("cache-control", "max-age=60"), ("cdn-cache-control", "max-age=&&")), 60),
        ((("expires", LATER), ("cdn-cache-control", "no-cache")), 0),
        ((("cache-control", "max-age=60"), ("surrogate-control", "max-age=9;reelwright")), 9),
        ((("cache-control", "max-age=60"), ("surrogate-control", "max-age=9;another")), 60),
        ((("last-modified", "Tue, 14 Nov 2023 22:11:40 GMT"),), 10),
        ((), 0),
    ],
)
def test_lifetime(given: Fields, seconds: float) -> None:
    """The field addressed to us, then s-maxage, max-age, Expires, a tenth of the age; doubt makes stale."""
    assert lifetime_s(200, fields(*given), NOW) == seconds


@pytest.mark.parametrize(
    ("request_fields", "given", "may"),
    [
        ((), (("cache-control", "max-age=60"),), True),
        ((), (("cache-control", "max-age=60, private"),), False),
        ((), (("cache-control", "max-age=60, no-store"),), False),
        ((), (("cache-control", "no-store"), ("cdn-cache-control", "max-age=60")), True),
        ((), (("cache-control", "max-age=60"), ("vary", "*")), False),
        ((), (("etag", '"a"'),), True),
        ((), (), False),
        ((("authorization", "x"),), (("cache-control", "max-age=60"),), False),
        ((("authorization", "x"),), (("cache-control", "max-age=60, public"),), True),
    ],
)
def test_what_a_shared_cache_may_store(request_fields: Fields, given: Fields, may: bool) -> None:
    """RFC 9111 section 3, and nothing that could never be used."""
    assert may_store("GET", 200, request_fields, fields(*given), NOW) is may


@pytest.mark.parametrize(
    ("control", "after_s", "action"),
    [
        ("max-age=60", 59, Action.HIT),
        ("max-age=60", 60, Action.VALIDATE),
        ("max-age=60, no-cache", 1, Action.VALIDATE),
        ("max-age=60, stale-while-revalidate=30", 89, Action.STALE),
        ("max-age=60, stale-while-revalidate=30", 91, Action.VALIDATE),
        ("max-age=60, stale-while-revalidate=30, must-revalidate", 61, Action.VALIDATE),
    ],
)
def test_the_action_follows_age(control: str, after_s: float, action: Action) -> None:
    """Fresh is served, stale asked for, and between them RFC 5861 serves while it asks."""
    assert decide((), [stored(("cache-control", control))], NOW + after_s).action is action


@pytest.mark.parametrize(
    ("control", "after_s", "may"),
    [
        ("max-age=1", 100, True),
        ("max-age=1", 2000, False),
        ("max-age=1, stale-if-error=3000", 2000, True),
        ("max-age=1, must-revalidate", 2, False),
        ("max-age=100, no-cache", 1, False),
    ],
)
def test_what_may_stand_in_for_an_origin_that_fails(control: str, after_s: float, may: bool) -> None:
    """The origin's word, else the operator's; never against the origin's will."""
    assert may_serve_on_error(stored(("cache-control", control)), NOW + after_s, 1000) is may


@pytest.mark.parametrize("age", ["abc", "-1", "0, 0", "7200;a=1", "99999999999999999999"])
def test_an_age_that_makes_no_sense_makes_stale(age: str) -> None:
    """What cannot be dated is asked for again."""
    assert decide((), [stored(("cache-control", "max-age=3600"), ("age", age))], NOW).action is Action.VALIDATE


@pytest.mark.parametrize(
    ("first", "second", "fits"),
    [
        ((("foo", "1,2"),), (("foo", "1"), ("foo", "2")), True),
        ((("foo", "1"),), (("foo", "2"),), False),
        ((("foo", "1"),), (), False),
        ((), (), True),
    ],
)
def test_vary(first: Fields, second: Fields, fits: bool) -> None:
    """Selecting fields are compared by meaning, and an absent one only matches an absent one."""
    decision = decide(second, [stored(("cache-control", "max-age=60"), ("vary", "Foo"), requested=first)], NOW)
    assert (decision.action, decision.forward) == ((Action.HIT, "") if fits else (Action.FORWARD, "vary-miss"))


def test_languages_are_equal_by_preference() -> None:
    """Order among equals, case and blanks say nothing; the language that is held answers whoever likes it best."""
    held = stored(
        ("cache-control", "max-age=60"),
        ("vary", "Accept-Language"),
        ("content-language", "de"),
        requested=(("accept-language", "en, de"),),
    )
    for asked in ("de,  EN", "fr;q=0.5, de;q=1.0"):
        assert decide((("accept-language", asked),), [held], NOW).action is Action.HIT
    assert decide((("accept-language", "fr"),), [held], NOW).action is Action.FORWARD


def test_a_304_freshens_the_head_and_leaves_what_describes_the_bytes() -> None:
    """RFC 9111 section 3.2."""
    old = stored(("cache-control", "max-age=1"), ("etag", '"a"'), ("content-length", "5"), ("x", "1"))
    new = freshened(old, (("date", DATE), ("x", "2"), ("content-length", "0"), ("etag", '"b"')), NOW + 5, NOW + 6)
    assert dict(new.fields) == dict(old.fields) | {"x": "2"}
    assert new.response_s == NOW + 6


def test_connection_fields_and_named_fields_are_not_kept() -> None:
    """RFC 9110 section 7.6.1 and the argument of no-cache."""
    given = (("connection", "a"), ("a", "1"), ("b", "2"), ("c", "3"), ("cache-control", 'no-cache="b"'))
    assert [name for name, _ in storable_fields(given)] == ["c", "cache-control"]


def test_unsafe_requests_make_their_targets_void_and_nobody_elses() -> None:
    """RFC 9111 section 4.4: same host only, and only when the request worked."""
    links = (("location", "/b"), ("content-location", "http://other/c"), ("location", "http://["))
    assert invalidated("POST", "/a", "host", 201, links) == ["/a", "/b"]
    assert invalidated("POST", "/a", "host", 500, links) == []
    assert invalidated("GET", "/a", "host", 200, links) == []


@pytest.mark.parametrize("tag", ['"a,b"', '"a, b"', '"W/x"', "bare"])
def test_a_tag_is_what_stands_between_its_quotes(tag: str) -> None:
    """RFC 9110 section 8.8.3: commas belong to a tag; one without quotes, which is none, is still taken."""
    held = stored(("etag", tag))
    for asked in (tag, f"W/{tag}", f'"x" ,{tag}', f'W/"y",W/{tag}, "z"'):
        assert not_modified((("if-none-match", asked),), held), asked
    for asked in ('"b"', '"a"', '"x", "ba,b"'):
        assert not not_modified((("if-none-match", asked),), held), asked


def test_if_range() -> None:
    """A strong tag or the exact date; a weak tag never."""
    held = fields(("etag", '"a"'), ("last-modified", LATER))
    assert range_applies((("if-range", '"a"'),), held)
    assert range_applies((("if-range", LATER),), held)
    assert not range_applies((("if-range", 'W/"a"'),), held)
    assert not range_applies((("if-range", DATE),), held)


@pytest.mark.parametrize(
    "text", ["bytes 5-4/10", "bytes 0-10/10", "bytes */10", "bytes 0-4/99999999999999999999", ""]
)
def test_a_part_that_cannot_be_is_none(text: str) -> None:
    """A lying origin is not believed."""
    assert content_range_of(text) is None


@pytest.mark.parametrize("text", ["a=,", "A=1", "a=1 b", "a=(1 2", "=1", "a,,b"])
def test_what_is_no_dictionary_is_ignored_whole(text: str) -> None:
    """RFC 8941: parsing either works or fails, and RFC 9213 then falls back."""
    assert dictionary_of(text) is None
    assert not control_of((("cdn-cache-control", text),)).targeted


def test_directives_and_dates_take_the_odd_shapes() -> None:
    """Quotes hide commas; the three date formats are one instant."""
    assert directives_of('a="x, b=1", C , d=2') == {"a": "x, b=1", "c": None, "d": "2"}
    same = (DATE, "Tuesday, 14-Nov-23 22:13:20 GMT", "Tue Nov 14 22:13:20 2023")
    assert {date_s(text) for text in same} == {NOW}
    assert date_s("Tue, 14 Nov 2023 22:13:20") is None
