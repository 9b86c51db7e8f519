"""Header fields as caches read them: lists, directives, dates, structured dictionaries."""

from __future__ import annotations

import calendar
import re
from collections.abc import Iterable

Fields = tuple[tuple[str, str], ...]
"""(name in lower case, value) in the order they came; a name may be there more than once."""

DELTA_MOST_S = 2**31
"""RFC 9111 section 1.2.2: a larger delta is taken as this."""

_MONTHS = {text: at for at, text in enumerate(("jan", "feb", "mar", "apr", "may", "jun"), 1)} | {
    text: at for at, text in enumerate(("jul", "aug", "sep", "oct", "nov", "dec"), 7)
}
_TIME = r"(\d{2}):(\d{2}):(\d{2})"
_IMF = re.compile(rf"[a-z]{{3}}, (\d{{2}}) ([a-z]{{3}}) (\d{{4}}) {_TIME} gmt", re.IGNORECASE)
_RFC850 = re.compile(rf"[a-z]{{6,9}}, (\d{{2}})-([a-z]{{3}})-(\d{{2}}) {_TIME} gmt", re.IGNORECASE)
_ASCTIME = re.compile(rf"[a-z]{{3}} ([a-z]{{3}}) ([ \d]\d) {_TIME} (\d{{4}})", re.IGNORECASE)
_MEMBER = re.compile(r"\s*([^\s=,;\"]+)(?:=(\"(?:[^\"\\]|\\.)*\"|[^,]*))?[^,]*(?:,|$)")
_SF_MEMBER = re.compile(
    r"[ \t]*([a-z*][a-z0-9_\-.*]*)"
    r"(?:=(\?[01]|-?\d{1,15}(?:\.\d{1,3})?|\"(?:[\x20-\x21\x23-\x5b\x5d-\x7e]|\\[\"\\])*\""
    r"|:[A-Za-z0-9+/=]*:|[A-Za-z*][!#$%&'*+\-.^_`|~:/A-Za-z0-9]*))?"
    r"((?:;[ \t]*[a-z*][^,;]*)*)[ \t]*"
)


def value_of(fields: Fields, name: str) -> str | None:
    """All lines of a field as one list; None when it is not there."""
    found = [value for known, value in fields if known == name]
    return ", ".join(found) if found else None


def lines_of(fields: Fields, name: str) -> list[str]:
    """Each line of a field."""
    return [value for known, value in fields if known == name]


def without(fields: Fields, names: Iterable[str]) -> Fields:
    """The fields but those named."""
    gone = set(names)
    return tuple(field for field in fields if field[0] not in gone)


def members_of(fields: Fields, name: str) -> list[str]:
    """The members of a list field of tokens, in lower case."""
    return [word.strip().lower() for word in (value_of(fields, name) or "").split(",") if word.strip()]


def directives_of(text: str) -> dict[str, str | None]:
    """Cache directives (RFC 9111 section 5.2): the first of each name, arguments without quotes.

    What stands inside a quoted argument is no directive.
    """
    found: dict[str, str | None] = {}
    for match in _MEMBER.finditer(text):
        argument = match[2]
        if argument is not None and argument.startswith('"') and argument.endswith('"'):
            argument = re.sub(r"\\(.)", r"\1", argument[1:-1])
        found.setdefault(match[1].lower(), argument)
    return found


def delta_s(argument: str | None) -> int:
    """Seconds of a directive; 0 where they are not a whole number, so that doubt makes stale."""
    if argument is None or not (argument.isascii() and argument.isdigit()):
        return 0
    return min(int(argument[-20:]) if len(argument) <= 20 else DELTA_MOST_S, DELTA_MOST_S)


def date_s(text: str | None) -> float | None:
    """Seconds since the epoch of an HTTP date in its three formats (RFC 9110 section 5.6.7), else None."""
    text = (text or "").strip()
    if match := _IMF.fullmatch(text):
        day, month, year, *clock = match.groups()
    elif match := _RFC850.fullmatch(text):
        day, month, year, *clock = match.groups()
        year = f"{'20' if int(year) < 70 else '19'}{year}"
    elif match := _ASCTIME.fullmatch(text):
        month, day, *clock, year = match.groups()
    else:
        return None
    number = _MONTHS.get(month.lower())
    if number is None:
        return None
    return float(calendar.timegm((int(year), number, int(day), int(clock[0]), int(clock[1]), int(clock[2]))))


def dictionary_of(text: str) -> dict[str, str | None] | None:
    """A structured dictionary (RFC 8941), values as text and true as None; None when it is not one."""
    found: dict[str, str | None] = {}
    at = 0
    while True:
        match = _SF_MEMBER.match(text, at)
        if match is None:
            return None
        found[match[1]] = match[2] + (match[3] or "") if match[2] is not None else None
        at = match.end()
        if at == len(text):
            return found
        if text[at] != "," or not text[at + 1 :].strip():
            return None
        at += 1
