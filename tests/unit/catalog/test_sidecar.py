"""Sidecars are read tolerantly, and cannot hurt."""

from __future__ import annotations

import time

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from reelwright.catalog.core.maturity import maturity_of
from reelwright.catalog.core.sidecar import LARGEST_BYTES, Facts, merged, picture_suffix, read_json, read_nfo
from reelwright.kernel.errors import Invalid

MOVIE = """<?xml version="1.0" encoding="UTF-8" standalone="yes" ?>
<movie><title>Lantern</title><year>1982</year><plot> A keeper waits. </plot><mpaa>Rated PG-13 for fog</mpaa>
<genre>Drama</genre><genre>Sea</genre><genre>Drama</genre><director>R. Vale</director><credits>T. Moor</credits>
<actor><name>A. Quay</name><role>The keeper</role></actor><actor><name> </name></actor></movie>
https://somewhere.example/title/603"""


def test_kodis_form_of_a_film() -> None:
    """With the link that people put behind it."""
    facts = read_nfo(MOVIE.encode(), "movie.nfo")
    assert (facts.name, facts.year, facts.summary, facts.maturity) == ("Lantern", 1982, "A keeper waits.", 13)
    assert facts.genres == ("Drama", "Sea")
    assert [(person.name, person.role, person.character) for person in facts.people] == [
        ("R. Vale", "director", ""),
        ("T. Moor", "writer", ""),
        ("A. Quay", "actor", "The keeper"),
    ]


def test_an_episodes_title_is_not_the_series_name() -> None:
    """Else every episode would become a series of its own."""
    xml = (
        b"<episodedetails><title>The Storm</title><showtitle>Night Ferry</showtitle><plot>It rains.</plot>"
        b"<year>2009</year></episodedetails>"
    )
    facts = read_nfo(xml, "x.nfo")
    assert (facts.name, facts.episode_name, facts.episode_summary) == ("Night Ferry", "The Storm", "It rains.")
    assert facts.year is None and facts.summary is None


def test_our_own_form() -> None:
    """Everything may be left out."""
    data = (
        b'\xef\xbb\xbf{"name": "Lantern\\u0000", "maturity": 7, "people": [{"name": "A"}, {"name": " "}], "more": 1}'
    )
    facts = read_json(data, "x.json")
    assert (facts.name, facts.maturity, [person.name for person in facts.people]) == ("Lantern", 7, ["A"])
    assert read_json(b"{}", "x.json") == Facts()


@pytest.mark.parametrize(
    ("data", "word"),
    [
        (b"", "x.json"),
        (b"{", "x.json"),
        (b"[]", "x.json"),
        (b'{"maturity": -1}', "maturity"),
        (b'{"maturity": 99}', "maturity"),
        (b'{"maturity": "7"}', "maturity"),
        (b'{"year": 12}', "year"),
        (b'{"name": 7}', "name"),
        (b'{"language": "english"}', "language"),
        (b'{"people": [{"name": "A", "role": "king"}]}', "role"),
        (b"\xff\xfe{\x00}\x00", "x.json"),
        (b"[" * 200_000, "x.json"),
        (b" " * (LARGEST_BYTES + 1), "bytes"),
    ],
)
def test_a_wrong_json_is_refused_naming_the_field(data: bytes, word: str) -> None:
    """Nothing of it is taken: half a description misleads."""
    with pytest.raises(Invalid, match=word):
        read_json(data, "x.json")


LAUGHS = (
    '<!DOCTYPE m [<!ENTITY a "ha"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;&a;"><!ENTITY c "&b;&b;&b;&b;&b;&b;&b;">]>'
    "<movie><title>&c;</title></movie>"
)
THIEF = '<!DOCTYPE m [<!ENTITY x SYSTEM "file:///etc/passwd">]><movie><title>&x;</title></movie>'


@pytest.mark.parametrize(
    "xml", [LAUGHS, THIEF, LAUGHS.replace("DOCTYPE", "doctype")], ids=["laughs", "thief", "case"]
)
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-32", "utf-7"])
def test_entities_are_never_expanded(xml: str, encoding: str) -> None:
    """In whichever encoding they hide."""
    with pytest.raises(Invalid):
        read_nfo(xml.encode(encoding), "x.nfo")
    with pytest.raises(Invalid):
        read_nfo(f'<?xml version="1.0" encoding="{encoding.removesuffix("-sig")}"?>{xml}'.encode(encoding), "x.nfo")


@pytest.mark.parametrize(
    "data",
    [b"", b"<movie>", b"<movie><title>x</movie>", b"Lantern\nA film.", b"\x89PNG", b"<a/>" * 0 + b"\xff\xff",
     b'<?xml version="1.0" encoding="no-such"?><movie/>', b"<movie>&undefined;</movie>"],
)  # fmt: skip
def test_what_is_no_xml_is_refused(data: bytes) -> None:
    """Release notes are called .nfo as well."""
    with pytest.raises(Invalid, match="nfo"):
        read_nfo(data, "x.nfo")


def test_deep_and_wide_documents_take_no_time() -> None:
    """The size is bounded, and so is the work."""
    began = time.process_time()
    for data in (b"<a>" * 300_000, b"<movie>" + b"<a>" * 100_000 + b"</a>" * 100_000 + b"</movie>",
                 b"<movie>" + b"<genre>x</genre>" * 60_000 + b"</movie>",
                 b"<movie " + b" ".join(b'a%d="1"' % n for n in range(60_000)) + b"/>"):  # fmt: skip
        try:
            facts = read_nfo(data, "x.nfo")
        except Invalid:
            continue
        assert len(facts.genres) <= 20
    assert time.process_time() - began < 10


@given(st.binary(max_size=500))
def test_any_bytes_are_facts_or_a_clear_refusal(data: bytes) -> None:
    """Never another error."""
    for read in (read_json, read_nfo):
        try:
            read(data, "x")
        except Invalid as error:
            assert "x" in str(error)


def test_the_films_own_word_comes_first_and_the_higher_rating_counts() -> None:
    """A rating is a promise to parents: of two, the careful one."""
    own, folder = Facts(name="A", maturity=7), Facts(name="B", summary="S", maturity=16, genres=("G",))
    both = merged(own, folder)
    assert (both.name, both.summary, both.maturity, both.genres) == ("A", "S", 16, ("G",))
    assert merged(Facts(), Facts()) == Facts()
    assert merged(Facts(maturity=0), Facts()).maturity == 0
    assert msgspec.structs.asdict(merged(own, Facts())) == msgspec.structs.asdict(own)


@pytest.mark.parametrize(
    ("certificate", "age"),
    [("PG-13", 13), ("Rated PG-13 for violence", 13), ("US:PG-13", 13), ("FSK 12", 12), ("de:FSK 12", 12),
     ("FSK-16", 16),
     ("BBFC:15", 15), ("12A", 12), ("16+", 16), ("18", 18), ("TV-MA", 17), ("tv-y7", 7), ("TV-Y7-FV", 7),
     ("G", 0), ("U", 0),
     ("NC-17", 18), ("MA15+", 15), ("R18+", 18), ("PEGI 7", 7), ("US:R / DE:FSK 12", 17), ("0", 0),
     ("Not Rated", None), ("NR", None), ("Unrated", None), ("", None), ("Approved", None), ("99", None), ("-3", None),
     ("PG 13", 8), ("x" * 10_000, None)],
)  # fmt: skip
def test_certificates_become_an_age(certificate: str, age: int | None) -> None:
    """What is not known is unrated, which counts as above every limit."""
    assert maturity_of(certificate) == age


def test_pictures_are_told_by_their_first_bytes() -> None:
    """A name proves nothing; SVG can carry scripts and is none."""
    assert picture_suffix(b"\xff\xd8\xff\xe0") == ".jpg"
    assert picture_suffix(b"\x89PNG\r\n\x1a\n....") == ".png"
    assert picture_suffix(b"RIFF....WEBPVP8 ") == ".webp"
    assert [picture_suffix(data) for data in (b"", b"<svg>", b"GIF89a", b"RIFF....WAVE")] == [None] * 4
