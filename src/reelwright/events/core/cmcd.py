"""Common Media Client Data, versions 1 and 2 (CTA-5004), as query, as headers and as event reports. Pure.

Keys and values are written as dictionaries of structured fields (RFC 8941). What a version does not define is left
out, but for custom keys, which carry a hyphen. A key whose value is of another type than the standard's makes the
whole report bad.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any, Literal

Mode = Literal["query", "header", "event"]
Value = bool | int | float | str | list[dict[str, Any]]
"""A list has one `{"value": …}` an entry, with `of` where it is about one kind of object, or a range."""
HEADERS = ("cmcd-object", "cmcd-request", "cmcd-session", "cmcd-status")

_V1 = {
    "bl": "integer", "br": "integer", "bs": "boolean", "cid": "string", "d": "integer", "dl": "integer",
    "mtp": "integer", "nor": "string", "nrr": "string", "ot": "token", "pr": "decimal", "rtp": "integer",
    "sf": "token", "sid": "string", "st": "token", "su": "boolean", "tb": "integer", "v": "integer",
}  # fmt: skip
_V2 = {
    **_V1,
    **dict.fromkeys(("ab", "bl", "br", "bsa", "bsd", "bsda", "lab", "lb", "mtp", "pb", "tab", "tb", "tbl", "tpb"),
                    "integers"),
    **dict.fromkeys(("ec", "nor"), "strings"),
    **dict.fromkeys(("dfa", "ltc", "msd", "pt", "rc", "sn", "ts", "ttfb", "ttfbb", "ttlb"), "integer"),
    **dict.fromkeys(("bg", "nr"), "boolean"),
    **dict.fromkeys(("cdn", "cen", "cmsdd", "cmsds", "cs", "h", "smrt", "url"), "string"),
    **dict.fromkeys(("e", "sta"), "token"),
}  # fmt: skip
_TOKENS = {
    "e": {"ps", "e", "t", "c", "b", "bc", "m", "um", "pe", "pc", "rr", "as", "ae", "abs", "abe", "sk", "ce"},
    "ot": {"m", "a", "v", "av", "i", "c", "tt", "k", "o"},
    "sf": {"d", "h", "s", "o", "e"},
    "st": {"v", "l", "ll"},
    "sta": {"s", "p", "k", "r", "a", "w", "e", "f", "q", "d"},
}
_LONGEST = {"sid": 64, "cid": 128, "cdn": 128, "h": 128, "cen": 64}
_NEEDS = {"ps": ("sta",), "rr": ("url",), "ce": ("cen",), "e": ("ec",)}
"""What a report of an event must carry besides `e`, `ts` and `v`."""
_KEY = re.compile(r"[A-Za-z*][A-Za-z0-9_.*-]*")
_NUMBER = re.compile(r"-?\d{1,12}\.\d{1,3}|-?\d{1,15}(?!\.)")
_STRING = re.compile(r'"((?:[\x20-\x21\x23-\x5b\x5d-\x7e]|\\["\\])*)"')
_TOKEN = re.compile(r"[A-Za-z*][A-Za-z0-9!#$%&'*+.^_`|~:/-]*")
_END = re.compile(r"[ \t]*(,[ \t]*|$)")
_MOST_KEYS = 80
_MOST_ITEMS = 40


class BadReport(ValueError):
    """The text is no CMCD, and why."""


class Token(str):
    """A word without quotes."""

    __slots__ = ()


Bare = bool | int | float | str
Item = tuple[Bare, dict[str, Bare]]


def read_report(mode: Mode, text: str) -> dict[str, Value]:
    """The keys of one report. Raises BadReport.

    `text` is the value of the query's `CMCD`, not encoded any more; or header fields, `Name: value` a line; or a line
    of what is posted in event mode.
    """
    raw: dict[str, Bare | list[Item]] = {}
    for part in _parts(mode, text):
        raw.update(_dictionary(part))
    if len(raw) > _MOST_KEYS:
        raise BadReport(f"a report has at most {_MOST_KEYS} keys, got {len(raw)}")
    version = raw.get("v", 1)
    if version not in (1, 2) or isinstance(version, bool | float):
        raise BadReport(f"v: versions 1 and 2 are known, got {version!r}")
    kinds = _V1 if version == 1 else _V2
    keys = {key: _checked(key, value, kinds.get(key)) for key, value in raw.items() if key in kinds or "-" in key}
    if mode == "event":
        _check_event(keys)
    return keys


def version_of(keys: Mapping[str, Value]) -> int:
    """The version that a report is written in."""
    return 2 if keys.get("v") == 2 else 1


def _parts(mode: Mode, text: str) -> Iterator[str]:
    if mode != "header":
        yield text
        return
    for line in text.splitlines():
        name, colon, value = line.partition(":")
        if not colon or name.lower() not in HEADERS:
            raise BadReport(f"{', '.join(HEADERS)} are CMCD's headers, got {name[:40]!r}")
        yield value


def _check_event(keys: Mapping[str, Value]) -> None:
    event = keys.get("e")
    missing = [key for key in ("e", "ts", "v", *_NEEDS.get(str(event), ())) if key not in keys]
    if missing or keys["v"] != 2:
        raise BadReport(f"an event's report carries {', '.join(missing) or 'v=2'}")


def _dictionary(text: str) -> Iterator[tuple[str, Bare | list[Item]]]:
    text, at = text.strip(" \t\r"), 0
    while at < len(text):
        key = _match(_KEY, text, at, "a key")
        at = key.end()
        value: Bare | list[Item] = True
        if text[at : at + 1] == "=":
            value, at = _inner_list(text, at + 1) if text[at + 1 : at + 2] == "(" else _bare(text, at + 1)
        if not isinstance(value, list):
            _, at = _parameters(text, at)
        yield key[0], value
        end = _match(_END, text, at, "a comma")
        if end[1] and end.end() == len(text):
            raise BadReport("the report ends with a comma")
        at = end.end()


def _inner_list(text: str, at: int) -> tuple[list[Item], int]:
    items: list[Item] = []
    at += 1
    while True:
        while text[at : at + 1] == " ":
            at += 1
        if text[at : at + 1] == ")":
            _, at = _parameters(text, at + 1)
            return items, at
        value, at = _bare(text, at)
        parameters, at = _parameters(text, at)
        items.append((value, parameters))
        if len(items) > _MOST_ITEMS:
            raise BadReport(f"a list has at most {_MOST_ITEMS} values")
        if text[at : at + 1] not in (" ", ")"):
            raise BadReport(f"a list goes on with a space or ends with ')', got {text[at : at + 10]!r}")


def _parameters(text: str, at: int) -> tuple[dict[str, Bare], int]:
    found: dict[str, Bare] = {}
    while text[at : at + 1] == ";":
        key = _match(_KEY, text, at + 1, "a parameter")
        at, value = key.end(), True
        if text[at : at + 1] == "=":
            value, at = _bare(text, at + 1)  # type: ignore[assignment]
        found[key[0]] = value
    return found, at


def _bare(text: str, at: int) -> tuple[Bare, int]:
    if number := _NUMBER.match(text, at):
        return float(number[0]) if "." in number[0] else int(number[0]), number.end()
    if string := _STRING.match(text, at):
        return re.sub(r'\\(["\\])', r"\1", string[1]), string.end()
    if text[at : at + 2] in ("?0", "?1"):
        return text[at + 1] == "1", at + 2
    token = _match(_TOKEN, text, at, "a number, a string in quotes or a token")
    return Token(token[0]), token.end()


def _match(pattern: re.Pattern[str], text: str, at: int, what: str) -> re.Match[str]:
    found = pattern.match(text, at)
    if found is None:
        raise BadReport(f"expected {what}, got {text[at : at + 20]!r}")
    return found


def _checked(key: str, value: Bare | list[Item], kind: str | None) -> Value:
    """The value as plain data, if it is of the key's type; a custom key may have any."""
    if kind in ("integers", "strings"):
        return [_entry(key, item, kind.removesuffix("s")) for item in _as_list(value)]
    if isinstance(value, list):
        if kind is not None:
            raise BadReport(f"{key}: one {kind}, got a list")
        return [_entry(key, item, None) for item in value]
    return _plain(key, value, kind)


def _as_list(value: Bare | list[Item]) -> list[Item]:
    return value if isinstance(value, list) else [(value, {})]


def _entry(key: str, item: Item, kind: str | None) -> dict[str, Any]:
    value, parameters = item
    about = {"of": str(of)} if (of := next(_named(parameters), None)) else {}
    return {"value": _plain(key, value, kind), **about}


def _named(parameters: Mapping[str, Bare]) -> Iterator[str]:
    """`;v` says of which kind of object a value is, `;r="0-99"` of which range."""
    for name, value in parameters.items():
        yield name if value is True else str(value)


def _plain(key: str, value: Bare, kind: str | None) -> Bare:
    fits = {
        None: True,
        "boolean": isinstance(value, bool),
        "integer": type(value) is int and (value >= 0 or key == "ltc"),
        "decimal": type(value) in (int, float) and value >= 0,  # type: ignore[operator]
        "string": type(value) is str,
        "token": isinstance(value, Token) and value in _TOKENS.get(key, ()),
    }[kind]
    if not fits:
        raise BadReport(f"{key}: {kind}, got {value!r:.40}")
    if isinstance(value, str) and len(value) > _LONGEST.get(key, 2000 if kind else 64):
        raise BadReport(f"{key}: too long")
    return str(value) if isinstance(value, str) else value
