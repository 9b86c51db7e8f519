"""What lies beside a film: `.json` of ours, `.nfo` of others. Tolerant of content, strict in size and entities."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from typing import Annotated, Any, Literal, cast
from xml.etree import ElementTree

import msgspec
from msgspec import Meta

from reelwright.catalog.contract import Person
from reelwright.catalog.core.maturity import maturity_of
from reelwright.kernel.errors import Invalid

LARGEST_BYTES = 1 << 20
_ROLES: dict[str, Literal["director", "writer"]] = {"director": "director", "credits": "writer"}


class Facts(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What is known of a title, and of one episode of it; what is not known is left as it is."""

    name: str | None = None
    year: Annotated[int, Meta(ge=1870, le=2200)] | None = None
    summary: str | None = None
    maturity: Annotated[int, Meta(ge=0, le=21)] | None = None
    genres: tuple[str, ...] = ()
    people: tuple[Person, ...] = ()
    language: Annotated[str, Meta(pattern="^([a-z]{2,3}(-[A-Za-z0-9]{2,8}){0,3})?$")] = ""
    synthetic: bool = False
    episode_name: str | None = None
    episode_summary: str | None = None


def read_json(data: bytes, name: str) -> Facts:
    """Our own form. Raises Invalid, naming the field."""
    _check_size(data, name)
    try:
        facts = msgspec.json.decode(data.removeprefix(b"\xef\xbb\xbf"), type=Facts)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise Invalid(f"{name}: {error}") from error
    return msgspec.structs.replace(
        facts,
        name=_text(facts.name, 300),
        summary=_text(facts.summary, 4000),
        genres=_texts(facts.genres, 60, most=20),
        people=tuple(_person(row.name, row.role, row.character) for row in facts.people if _text(row.name, 100))[
            :100
        ],
        episode_name=_text(facts.episode_name, 300),
        episode_summary=_text(facts.episode_summary, 4000),
    )


def read_nfo(data: bytes, name: str) -> Facts:
    """Kodi's XML form, of a film, a series or an episode. Raises Invalid for what is not XML, or brings entities."""
    _check_size(data, name)
    if b"\0" in data or re.search(rb"<!(?:DOCTYPE|ENTITY)", data, re.IGNORECASE):
        raise Invalid(f"{name} declares a document type or entities, or is no UTF-8; neither is read")
    root = _first_document(data, name)

    def text(tag: str, most: int = 4000) -> str | None:
        return _text(root.findtext(tag), most)

    year = text("year") or (text("premiered") or "")[:4]
    summary = text("plot") or text("outline")
    about_title = root.tag != "episodedetails"
    return Facts(
        name=text("title", 300) if about_title else text("showtitle", 300),
        year=int(year) if about_title and re.fullmatch(r"(?:18[789]|19\d|20\d|21\d)\d", year or "") else None,
        summary=summary if about_title else None,
        maturity=maturity_of(text("mpaa") or text("certification") or ""),
        genres=_texts([node.text for node in root.findall("genre")], 60, most=20),
        people=tuple(_people(root)),
        episode_name=None if about_title else text("title", 300),
        episode_summary=None if about_title else summary,
    )


def merged(first: Facts, then: Facts) -> Facts:
    """The first's word wherever it has one; of two ratings the higher."""
    ages = [age for age in (first.maturity, then.maturity) if age is not None]
    fields = {key: value or getattr(then, key) for key, value in msgspec.structs.asdict(first).items()}
    return msgspec.convert({**fields, "maturity": max(ages, default=None)}, Facts)


def _first_document(data: bytes, name: str) -> ElementTree.Element:
    """The first whole element: what follows it (a link to a web page, by custom) is not looked at."""
    parser: ElementTree.XMLPullParser[Any] = ElementTree.XMLPullParser(("start", "end"))
    root: ElementTree.Element | None = None
    try:
        parser.feed(data)
        for event, node in cast("Iterator[tuple[str, ElementTree.Element]]", parser.read_events()):
            root = node if root is None else root
            if event == "end" and node is root:
                return root
    except (ElementTree.ParseError, ValueError, LookupError) as error:
        raise Invalid(f"{name} is not XML: {error}") from error
    raise Invalid(f"{name} is not XML: it ends in the middle")


def _people(root: ElementTree.Element) -> list[Person]:
    named = [(node.text, _ROLES[tag], "") for tag in _ROLES for node in root.findall(tag)]
    acting = [(node.findtext("name"), "actor", node.findtext("role") or "") for node in root.findall("actor")]
    return [
        _person(name, role, character) for name, role, character in (*named[:20], *acting[:50]) if _text(name, 100)
    ]


def _person(name: str | None, role: str, character: str) -> Person:
    fields = {"name": _text(name, 100), "role": role, "character": _text(character, 100) or ""}
    return msgspec.convert(fields, Person)


def _texts(texts: object, longest: int, *, most: int) -> tuple[str, ...]:
    found = dict.fromkeys(text for one in texts if (text := _text(one, longest)))  # type: ignore[attr-defined]
    return tuple(found)[:most]


def _text(text: str | None, longest: int) -> str | None:
    """A text that can be kept and shown: no control characters, bounded; None where nothing is left."""
    kept = "".join(c if c == "\n" or unicodedata.category(c) != "Cc" else " " for c in (text or "")[: 2 * longest])
    return kept.strip()[:longest] or None


def _check_size(data: bytes, name: str) -> None:
    if len(data) > LARGEST_BYTES:
        raise Invalid(f"{name} has more than {LARGEST_BYTES} bytes; it is not read")


def picture_suffix(data: bytes) -> str | None:
    """`.jpg`, `.png` or `.webp` by the first bytes; None for anything else."""
    if data[:3] == b"\xff\xd8\xff":
        return ".jpg"
    if data[:8] == b"\x89PNG\r\n\x1a\n":
        return ".png"
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        return ".webp"
    return None
