"""What may be stored and for how long it is fresh: RFC 9111 sections 3 and 4.2, RFC 5861, RFC 9213."""

from __future__ import annotations

import re

import msgspec

from reelwright.cdn.core.fields import (
    Fields,
    date_s,
    delta_s,
    dictionary_of,
    directives_of,
    lines_of,
    value_of,
)

SURROGATE = "reelwright"
"""Our name in Surrogate-Capability, which Surrogate-Control may address."""
HEURISTIC_SHARE = 0.1
HEURISTIC_MOST_S = 86_400
_HEURISTIC = frozenset({200, 203, 204, 206, 300, 301, 308, 404, 405, 410, 414, 501})
_UNDERSTOOD = frozenset({*_HEURISTIC, 302, 303, 307, 400, 401, 403, 500, 502, 503, 504})
_FORBID_STALE = ("must-revalidate", "proxy-revalidate", "no-cache", "s-maxage")


class Control(msgspec.Struct, frozen=True):
    """The directives that hold for this cache."""

    directives: dict[str, str | None]
    targeted: bool
    """They come from a field addressed to CDNs, which replaces Cache-Control and Expires."""

    def says(self, name: str) -> bool:
        """Whether a directive is there."""
        return name in self.directives

    def seconds(self, name: str) -> int:
        """A directive's seconds; 0 where it is absent or no number."""
        return delta_s(self.directives.get(name))


def control_of(fields: Fields) -> Control:
    """CDN-Cache-Control where it is valid (RFC 9213), else Surrogate-Control for us, else Cache-Control."""
    targeted = value_of(fields, "cdn-cache-control")
    found = _targeted(targeted) if targeted else None
    if found is None and (addressed := value_of(fields, "surrogate-control")) is not None:
        found = _surrogate(addressed)
    if found is not None:
        return Control(found, targeted=True)
    return Control(directives_of(value_of(fields, "cache-control") or ""), targeted=False)


def _targeted(text: str) -> dict[str, str | None] | None:
    """Directives of a valid, non-empty dictionary; a number in another type is left out (RFC 9213 section 2.1)."""
    members = dictionary_of(text)
    if not members:
        return None
    plain = {name: value.partition(";")[0] if value else value for name, value in members.items()}
    timed = ("max-age", "s-maxage", "stale-while-revalidate", "stale-if-error")
    return {
        name: value for name, value in plain.items() if name not in timed or re.fullmatch(r"-?\d{1,15}", value or "")
    }


def _surrogate(text: str) -> dict[str, str | None] | None:
    """Directives of Surrogate-Control without a target, or with us as target; None when none is for us."""
    found: dict[str, str | None] = {}
    ours = False
    for name, argument in directives_of(text).items():
        bare, _, target = name.partition(";")
        value, _, value_target = (argument or "").partition(";")
        if (target or value_target).strip().lower() in ("", SURROGATE):
            found[bare], ours = (value if argument is not None else None), True
    return found if ours else None


def age_s(fields: Fields) -> int | None:
    """The Age field (RFC 9111 section 5.1): 0 when absent, None when it cannot be trusted.

    The first member of one list counts; repeated lines or members show a broken chain of caches.
    """
    lines = lines_of(fields, "age")
    if not lines:
        return 0
    members = [member.strip() for member in ",".join(lines).split(",")]
    if len(lines) > 1 or len(set(members)) < len(members) or not re.fullmatch(r"[0-9]{1,10}", members[0]):
        return None
    return int(members[0])


def lifetime_s(status: int, fields: Fields, received_s: float) -> float:
    """Seconds for which a response is fresh (RFC 9111 section 4.2.1); 0 when it says nothing.

    One without a valid Date is dated when it was received.
    """
    control = control_of(fields)
    for name in ("s-maxage", "max-age"):
        if control.says(name):
            return control.seconds(name)
    if control.targeted:
        return 0
    date = date_s(value_of(fields, "date"))
    date = received_s if date is None else date
    if value_of(fields, "expires") is not None:
        expires = date_s(lines_of(fields, "expires")[0])
        return max(0.0, expires - date) if expires is not None else 0
    modified = date_s(value_of(fields, "last-modified"))
    if modified is None or not (status in _HEURISTIC or control.says("public")):
        return 0
    return min(HEURISTIC_MOST_S, max(0.0, date - modified) * HEURISTIC_SHARE)


def may_store(method: str, status: int, request: Fields, fields: Fields, received_s: float) -> bool:
    """Whether a shared cache may keep this response (RFC 9111 section 3) and has any use for it."""
    control = control_of(fields)
    if status < 200 or status == 304 or not (method == "GET" or _names_itself(method, fields)):
        return False
    if control.says("private") and control.directives["private"] is None:
        return False
    if control.says("must-understand"):
        if status not in _UNDERSTOOD:
            return False
    elif control.says("no-store"):
        return False
    if value_of(fields, "vary") is not None and "*" in (value_of(fields, "vary") or ""):
        return False
    if value_of(request, "authorization") is not None and not any(
        control.says(name) for name in ("public", "must-revalidate", "s-maxage")
    ):
        return False
    return lifetime_s(status, fields, received_s) > 0 or (status in _HEURISTIC and _has_validator(fields))


def _names_itself(method: str, fields: Fields) -> bool:
    """A POST whose answer is what a GET would bring (RFC 9110 section 9.3.3)."""
    return method == "POST" and value_of(fields, "content-location") is not None and _is_explicit(fields)


def _is_explicit(fields: Fields) -> bool:
    control = control_of(fields)
    return control.says("max-age") or control.says("s-maxage") or value_of(fields, "expires") is not None


def _has_validator(fields: Fields) -> bool:
    return value_of(fields, "etag") is not None or value_of(fields, "last-modified") is not None


def stale_s(control: Control, name: str, default_s: float) -> float:
    """For how long past its lifetime a response may be used (RFC 5861); never where its origin forbids it."""
    if any(control.says(forbids) for forbids in _FORBID_STALE):
        return 0
    return control.seconds(name) if control.says(name) else default_s
