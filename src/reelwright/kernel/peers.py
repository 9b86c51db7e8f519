"""How our own processes know each other over HTTP: short tokens signed by the shared key ring.

    token = rwp.{key}.{expires}.{signature}      HMAC-SHA256, purpose "peer", over the expiry in seconds

A token lives for minutes and is made anew for each call, so that rotating the ring rotates these as well.
"""

from __future__ import annotations

from collections.abc import Iterable
from urllib.parse import urlsplit

from reelwright.kernel.clock import Clock
from reelwright.kernel.errors import Invalid
from reelwright.kernel.keys import KeyRing
from reelwright.kernel.units import LATEST_S, whole_number

PREFIX = "rwp."
LIFE_S = 120


def peer_token(keys: KeyRing, clock: Clock) -> str:
    """A token that proves the caller holds the ring, for the next two minutes."""
    expires = str(clock.wall_ns() // 10**9 + LIFE_S)
    key, signature = keys.sign("peer", expires)
    return f"{PREFIX}{key}.{expires}.{signature}"


def is_peer(keys: KeyRing, clock: Clock, token: str) -> bool:
    """Whether `token` was made by a holder of the ring and has not expired."""
    key, _, rest = token[:120].removeprefix(PREFIX).partition(".")
    expires, _, signature = rest.partition(".")
    expires_s = whole_number(expires, LATEST_S)
    if not token.startswith(PREFIX) or expires_s is None or expires_s < clock.wall_ns() // 10**9:
        return False
    return keys.verifies("peer", expires, key, signature)


def parse_peers(entries: Iterable[str]) -> dict[str, tuple[str, ...]]:
    """Role name to URLs, from `role=https://host:port` entries; a role may be named more than once."""
    found: dict[str, tuple[str, ...]] = {}
    for entry in entries:
        role, _, url = entry.partition("=")
        if urlsplit(url).scheme not in ("http", "https") or not role:
            raise Invalid(f"a peer is role=http(s)://host:port, got {entry!r}")
        found[role] = (*found.get(role, ()), url.rstrip("/"))
    return found
