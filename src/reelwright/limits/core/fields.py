"""RateLimit and RateLimit-Policy header fields, Retry-After, and the problem of a refused request.

Source: draft-ietf-httpapi-ratelimit-headers-11 (syntax as of -10), RFC 9651 structured fields, RFC 9457 problems.
Every time is a difference: no clock of client or server enters.
"""

from __future__ import annotations

import base64
import binascii
import re
from functools import lru_cache

import msgspec

from reelwright.kernel.errors import Invalid
from reelwright.limits.contract import NEVER, Answer, Limit, Verdict

RETRY_NEVER_S = 86_400
"""What a request is told that can never be admitted: it is to stop asking."""
_INTEGER_MOST = 10**15 - 1
FIELD_BYTES_MOST = 8_192


class QuotaPolicy(msgspec.Struct, frozen=True):
    """One item of RateLimit-Policy."""

    name: str
    quota: int
    window_s: int | None = None
    unit: str = "requests"
    partition: bytes | None = None


class ServiceLimit(msgspec.Struct, frozen=True):
    """One item of RateLimit."""

    name: str
    remaining: int
    reset_s: int | None = None
    partition: bytes | None = None


def headers(answer: Answer) -> dict[str, str]:
    """The header fields of an answer; those of limits in shadow mode are not told."""
    told = [verdict for verdict in answer.verdicts if not verdict.ask.shadow]
    if not told:
        return {} if answer.allowed else {"Retry-After": str(retry_after_s(answer))}
    found = {
        "RateLimit-Policy": ", ".join([policy_item(verdict.ask.limit) for verdict in told]),
        "RateLimit": limit_field(answer).decode(),
    }
    if not answer.allowed:
        found["Retry-After"] = str(retry_after_s(answer))
    return found


def retry_after_s(answer: Answer) -> int:
    """Whole seconds after which the refused request is admitted, at least 1."""
    wait_ns = answer.wait_ns
    return RETRY_NEVER_S if wait_ns == NEVER else max(1, -(-wait_ns // 10**9))


@lru_cache(maxsize=4096)
def policy_item(limit: Limit) -> str:
    """The limit as RateLimit-Policy tells it: `"name";q=quota;w=window`."""
    quota = min(limit.most, _INTEGER_MOST)
    if limit.algorithm == "concurrency":
        return f'{_string(limit.name)};q={quota};qu="concurrent-requests"'
    return f"{_string(limit.name)};q={quota};w={limit.quota_window_s}"


def limit_field(answer: Answer) -> bytes:
    """RateLimit of an answer; limits in shadow mode are not told."""
    verdicts = answer.verdicts
    if len(verdicts) == 1:
        return limit_item(verdicts[0]).encode()
    return ", ".join([limit_item(verdict) for verdict in verdicts if not verdict.ask.shadow]).encode()


def limit_item(verdict: Verdict) -> str:
    """The verdict as RateLimit tells it: `"name";r=remaining;t=seconds`; t of a refused one is its Retry-After."""
    ns = verdict.reset_ns if verdict.allowed else verdict.wait_ns
    seconds = RETRY_NEVER_S if ns == NEVER else -(-ns // 10**9)
    return f"{_quoted(verdict.ask.limit.name)};r={verdict.remaining};t={seconds}"


def parse_policy(value: str) -> tuple[QuotaPolicy, ...]:
    """The items of a RateLimit-Policy field. Raises Invalid where it does not conform: such a field is ignored."""
    return tuple(_policy(name, parameters) for name, parameters in _items(value))


def parse_limit_field(value: str) -> tuple[ServiceLimit, ...]:
    """The items of a RateLimit field. Raises Invalid where it does not conform: such a field is ignored."""
    return tuple(_service_limit(name, parameters) for name, parameters in _items(value))


def _policy(name: str, parameters: dict[str, object]) -> QuotaPolicy:
    window_s = _number(parameters, "w", least=1)
    unit = parameters.get("qu", "requests")
    if not isinstance(unit, str) or isinstance(unit, _Token):
        raise Invalid(f"qu is a String, got {unit!r}")
    return QuotaPolicy(name, _required(parameters, "q"), window_s, unit, _bytes(parameters))


def _service_limit(name: str, parameters: dict[str, object]) -> ServiceLimit:
    return ServiceLimit(name, _required(parameters, "r"), _number(parameters, "t", least=0), _bytes(parameters))


def _required(parameters: dict[str, object], key: str) -> int:
    found = _number(parameters, key, least=0)
    if found is None:
        raise Invalid(f"the parameter {key} is required")
    return found


def _number(parameters: dict[str, object], key: str, *, least: int) -> int | None:
    found = parameters.get(key)
    if found is None:
        return None
    if not isinstance(found, int) or isinstance(found, bool) or found < least:
        raise Invalid(f"{key} is an Integer of at least {least}, got {found!r}")
    return found


def _bytes(parameters: dict[str, object]) -> bytes | None:
    found = parameters.get("pk")
    if found is not None and not isinstance(found, bytes):
        raise Invalid(f"pk is a Byte Sequence, got {found!r}")
    return found


def _string(text: str) -> str:
    """A structured-field String; what it cannot hold becomes `?`."""
    plain = "".join(letter if " " <= letter <= "~" else "?" for letter in text[:128])
    return '"' + plain.replace("\\", "\\\\").replace('"', '\\"') + '"'


_quoted = lru_cache(maxsize=4096)(_string)
_BARE = re.compile(
    r'"(?P<string>(?:[ !#-\[\]-~]|\\["\\])*)"|:(?P<bytes>[A-Za-z0-9+/=]*):|(?P<decimal>-?\d{1,12}\.\d{1,3})'
    r'|(?P<integer>-?\d{1,15})|@(?P<date>-?\d{1,15})|%"(?P<display>(?:[ !#$&-~]|%[0-9a-f]{2})*)"'
    r"|\?(?P<boolean>[01])|(?P<token>[A-Za-z*][A-Za-z0-9:/!#$%&'*+.^_`|~-]*)",
    re.ASCII,
)
_KEY = re.compile(r";[ ]*(?P<key>[a-z*][a-z0-9_.*-]*)(?P<equals>=)?", re.ASCII)
_COMMA = re.compile(r"[ \t]*,[ \t]*")


class _Token(str):
    """A structured-field Token, which is no String."""


def _items(value: str) -> list[tuple[str, dict[str, object]]]:
    """A List of Items whose values are Strings (RFC 9651, section 4.2.1)."""
    if len(value) > FIELD_BYTES_MOST:
        raise Invalid(f"a header field of at most {FIELD_BYTES_MOST} characters, got {len(value)}")
    text, place, found = value.strip(" "), 0, []
    while place < len(text):
        name, place = _bare(text, place)
        if not isinstance(name, str) or isinstance(name, _Token):
            raise Invalid(f"the name is a String, got {name!r}")
        parameters: dict[str, object] = {}
        while key := _KEY.match(text, place):
            place = key.end()
            parameters[key["key"]], place = _bare(text, place) if key["equals"] else (True, place)
        found.append((name, parameters))
        place = _next(text, place)
    return found


def _next(text: str, place: int) -> int:
    if place == len(text):
        return place
    comma = _COMMA.match(text, place)
    if not comma or comma.end() == len(text):
        raise Invalid(f"items are separated by commas, got {text[place : place + 20]!r}")
    return comma.end()


def _bare(text: str, place: int) -> tuple[object, int]:
    found = _BARE.match(text, place)
    if not found:
        raise Invalid(f"a structured field's value, got {text[place : place + 20]!r}")
    kind, said = found.lastgroup, found[found.lastgroup or 0]
    if kind == "string":
        return re.sub(r"\\(.)", r"\1", said), found.end()
    if kind == "bytes":
        try:
            return base64.b64decode(said + "=" * (-len(said) % 4)), found.end()
        except binascii.Error as error:
            raise Invalid(f"a Byte Sequence in base64, got {said[:40]!r}") from error
    if kind == "integer":
        return int(said), found.end()
    if kind in ("decimal", "date"):  # what is no Integer here
        return float(said), found.end()
    return said == "1" if kind == "boolean" else _Token(said), found.end()
