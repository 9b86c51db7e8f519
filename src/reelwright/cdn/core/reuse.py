"""Which stored response answers a request, and what must be asked first: RFC 9111 section 4."""

from __future__ import annotations

import enum
import re
from collections.abc import Iterable, Sequence

import msgspec

from reelwright.cdn.core.fields import Fields, date_s, directives_of, lines_of, members_of, value_of, without
from reelwright.cdn.core.freshness import age_s, control_of, lifetime_s, stale_s
from reelwright.kernel.urls import parts_of

HOP_BY_HOP = frozenset(
    {
        "connection",
        "keep-alive",
        "proxy-authenticate",
        "proxy-authentication-info",
        "proxy-authorization",
        "proxy-connection",
        "te",
        "trailer",
        "transfer-encoding",
        "upgrade",
    }
)
NOT_UPDATED = frozenset(["content-encoding", "content-length", "content-md5", "content-range", "etag"])
"""What a 304 leaves as stored: it describes the bytes that are held."""


class Stored(msgspec.Struct):
    """A response that is held: its head, and when it was asked for and came."""

    status: int
    fields: Fields
    requested: Fields
    """The request's fields, for Vary."""
    request_s: float
    response_s: float

    def age_s(self, now_s: float) -> float | None:
        """Current age (RFC 9111 section 4.2.3); None when its Age field cannot be trusted."""
        told = age_s(self.fields)
        if told is None:
            return None
        date = date_s(value_of(self.fields, "date"))
        apparent = max(0.0, self.response_s - date) if date is not None else 0.0
        return max(apparent, told + self.response_s - self.request_s) + max(0.0, now_s - self.response_s)

    def ttl_s(self, now_s: float) -> float:
        """Seconds for which it stays fresh; negative since when it is stale."""
        age = self.age_s(now_s)
        return -float("inf") if age is None else lifetime_s(self.status, self.fields, self.response_s) - age


class Action(enum.Enum):
    """What to do for a request."""

    HIT = "hit"
    STALE = "stale"
    """Serve it, and ask behind the client's back (RFC 5861 section 3)."""
    VALIDATE = "validate"
    FORWARD = "forward"
    GIVE_UP = "give up"
    """only-if-cached, and it is not: 504."""


class Decision(msgspec.Struct, frozen=True):
    """An action, the stored response it is about, and why a request goes on (RFC 9211 `fwd`)."""

    action: Action
    stored: Stored | None = None
    forward: str = ""


def decide(request: Fields, held: Sequence[Stored], now_s: float) -> Decision:
    """The decision for a GET or HEAD. Requests cannot force a fetch: an edge shields its origin from them."""
    chosen = select(request, held)
    if chosen is None:
        why = "vary-miss" if held else "uri-miss"
        only = "only-if-cached" in directives_of(value_of(request, "cache-control") or "")
        return Decision(Action.GIVE_UP if only else Action.FORWARD, None, why)
    control = control_of(chosen.fields)
    ttl = chosen.ttl_s(now_s)
    if ttl > 0 and not (control.says("no-cache") and control.directives["no-cache"] is None):
        return Decision(Action.HIT, chosen)
    if max(-ttl, 0) < stale_s(control, "stale-while-revalidate", 0):
        return Decision(Action.STALE, chosen, "stale")
    return Decision(Action.VALIDATE, chosen, "stale")


def may_serve_on_error(stored: Stored, now_s: float, default_s: float) -> bool:
    """Whether a stale response may stand in for an origin that fails (RFC 5861 section 4)."""
    return max(-stored.ttl_s(now_s), 0) < stale_s(control_of(stored.fields), "stale-if-error", default_s)


def select(request: Fields, held: Sequence[Stored]) -> Stored | None:
    """The newest stored response whose selecting fields match (RFC 9111 section 4.1)."""
    fitting = [stored for stored in held if matches(request, stored)]
    return max(fitting, key=lambda stored: stored.response_s, default=None)


def matches(request: Fields, stored: Stored) -> bool:
    """Whether every field that Vary names has an equal meaning in both requests."""
    return all(_selects(name, request, stored) for name in members_of(stored.fields, "vary"))


def _selects(name: str, request: Fields, stored: Stored) -> bool:
    asked, known = value_of(request, name), value_of(stored.requested, name)
    if name != "accept-language" or asked is None or known is None:
        return _plain(asked) == _plain(known)
    best = _languages(asked)
    return best == _languages(known) or [members_of(stored.fields, "content-language")] == best[:1]


def _plain(text: str | None) -> list[str] | None:
    return None if text is None else [member.strip() for member in text.split(",")]


def _languages(text: str) -> list[list[str]]:
    """Languages in order of preference, those of equal weight together."""
    weighed: dict[float, list[str]] = {}
    for member in text.lower().split(","):
        language, _, weight = member.partition(";")
        try:
            q = float(weight.strip().removeprefix("q=") or 1)
        except ValueError:
            q = 0
        weighed.setdefault(q, []).append(language.strip())
    return [sorted(weighed[q]) for q in sorted(weighed, reverse=True)]


def end_to_end(fields: Fields) -> Fields:
    """The fields but those that concern one connection only (RFC 9110 section 7.6.1)."""
    return without(fields, {*HOP_BY_HOP, *members_of(fields, "connection")})


def storable_fields(fields: Fields) -> Fields:
    """What is kept of a response: end to end, without fields that no-cache or private name.

    CMSD-Dynamic (CTA-5006) speaks of one transfer, CMSD-Static of the object.
    """
    control = control_of(fields)
    named = {
        word.strip().lower()
        for directive in ("no-cache", "private")
        for word in (control.directives.get(directive) or "").split(",")
    }
    return without(end_to_end(fields), {*named, "cmsd-dynamic"})


def validators(stored: Stored) -> Fields:
    """The fields that make a request conditional on what is held (RFC 9111 section 4.3.1)."""
    names = (("etag", "if-none-match"), ("last-modified", "if-modified-since"))
    return tuple((asks, value) for has, asks in names if (value := value_of(stored.fields, has)) is not None)


def freshened(stored: Stored, fields: Fields, request_s: float, response_s: float) -> Stored:
    """A stored response after a 304 for it (RFC 9111 section 3.2)."""
    news = without(storable_fields(fields), NOT_UPDATED)
    kept = without(stored.fields, {name for name, _ in news} | {"age"})
    return Stored(stored.status, kept + news, stored.requested, request_s, response_s)


def not_modified(request: Fields, stored: Stored) -> bool:
    """Whether the client holds these bytes already (RFC 9110 section 13.2.2)."""
    if stored.status != 200:
        return False
    tags = value_of(request, "if-none-match")
    tag = value_of(stored.fields, "etag")
    if tags is not None:
        if tags.strip() == "*":
            return True
        return tag is not None and _bare(tag) in _TAG.findall(tags)
    since = date_s(value_of(request, "if-modified-since"))
    modified = date_s(value_of(stored.fields, "last-modified"))
    return since is not None and modified is not None and modified <= since


_TAG = re.compile(r'(?:W/)?("[^"]*"|[^\s",]+)')
"""An entity tag in a list, without its weakness."""


def _bare(tag: str) -> str:
    return tag.strip().removeprefix("W/")


def range_applies(request: Fields, stored_fields: Fields) -> bool:
    """If-Range: a strong tag or an exact date (RFC 9110 section 13.1.5); without it a range always applies."""
    condition = value_of(request, "if-range")
    if condition is None:
        return True
    if condition.startswith('"'):
        return condition == value_of(stored_fields, "etag")
    return date_s(condition) is not None and condition == value_of(stored_fields, "last-modified")


def invalidated(method: str, target: str, host: str, status: int, fields: Fields) -> list[str]:
    """The targets an unsafe request makes void (RFC 9111 section 4.4): its own, and same-host ones it names."""
    if method in ("GET", "HEAD", "OPTIONS", "TRACE") or not 200 <= status < 400:
        return []
    named = [link for name in ("location", "content-location") for link in lines_of(fields, name)]
    return list(dict.fromkeys([target, *_same_host(named, target, host)]))


def _same_host(links: Iterable[str], target: str, host: str) -> list[str]:
    found = []
    for link in links:
        parts = parts_of(link, f"http://{host}{target}")
        if parts.netloc == host:
            found.append(parts.path + (f"?{parts.query}" if parts.query else ""))
    return found


def cache_status(
    cache: str, decision: Decision, now_s: float, *, stored: bool = False, collapsed: bool = False
) -> str:
    """A member of Cache-Status (RFC 9211)."""
    if decision.action in (Action.HIT, Action.STALE) and decision.stored is not None:
        ttl = decision.stored.ttl_s(now_s)
        return f"{cache}; hit" + (f"; ttl={int(ttl)}" if ttl > -1e9 else "")
    words = [cache, f"fwd={decision.forward or 'miss'}"]
    return "; ".join([*words, *(["stored"] if stored else []), *(["collapsed"] if collapsed else [])])
