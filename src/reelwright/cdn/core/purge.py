"""What a purge means: one URL, all below a prefix, or all with a tag; hard forgets, soft makes stale."""

from __future__ import annotations

import msgspec

from reelwright.cdn.core.fields import Fields, value_of
from reelwright.cdn.core.reuse import Stored
from reelwright.kernel.errors import Invalid


class Purge(msgspec.Struct, frozen=True, kw_only=True):
    """What is to go. Exactly one of the first three is given."""

    url: str = ""
    """Host and target."""
    prefix: str = ""
    """Beginning of host and target."""
    tag: str = ""
    soft: bool = False
    """Keep it as stale: validated before use, and still there when its origin is not."""
    any_host: bool = False
    """`url` and `prefix` begin with the path, and mean it under every host."""

    def matches(self, key: str, tags: frozenset[str]) -> bool:
        """Whether a stored response is meant."""
        if self.tag:
            return self.tag in tags
        if self.any_host:
            key = key[key.find("/") :]
        return key.startswith(self.prefix) if self.prefix else key == self.url


def purge_of(host: str, target: str, fields: Fields) -> Purge:
    """A PURGE request's meaning: its URL, unless Purge-Tag or Purge-Prefix say more. Raises Invalid.

    Purge-Any-Host: the path under whichever host it was asked for.
    """
    tag, prefix = value_of(fields, "purge-tag"), value_of(fields, "purge-prefix")
    any_host = value_of(fields, "purge-any-host") == "1"
    host = "" if any_host else host
    soft = value_of(fields, "purge-soft") == "1"
    if tag is not None and prefix is not None:
        raise Invalid("a purge is by tag or by prefix, not both")
    if tag is not None:
        if not tag.strip():
            raise Invalid("Purge-Tag is empty")
        return Purge(tag=tag.strip().lower(), soft=soft)
    if prefix is not None:
        if not prefix.startswith("/"):
            raise Invalid(f"Purge-Prefix is a path, got {prefix[:60]!r}")
        return Purge(prefix=host + prefix, soft=soft, any_host=any_host)
    return Purge(url=host + target, soft=soft, any_host=any_host)


def aged(stored: Stored, now_s: float) -> tuple[float, float]:
    """The request and response times with which a response would be just stale now."""
    request_s, response_s = stored.request_s, stored.response_s
    for _ in range(2):  # a Date long before the response makes the first step too short
        one = Stored(stored.status, stored.fields, stored.requested, request_s, response_s)
        late_s = max(0.0, one.ttl_s(now_s))
        request_s, response_s = request_s - late_s, response_s - late_s
    return request_s, response_s
