"""Where limits stand: a tree of (key, value) pairs, as in Envoy's rate limit service, and the look-up of a request.

A request is described by entries `((key, value), …)`. Each level is met by the exact pair, else by a pair whose value
holds `*`, else by the key alone; a limit applies where the depths of request and rule agree. Source: the documented
behaviour of envoyproxy/ratelimit ("Loading" and "Descriptor list definition" in its README).
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from typing import Any

import msgspec

from reelwright.limits.contract import Limit, Outage

Entries = Sequence[tuple[str, str]]
VALUE_LETTERS_MOST = 128


class Rules(msgspec.Struct, frozen=True, kw_only=True):
    """What stands at one place of the tree."""

    limits: tuple[Limit, ...] = ()
    """None where it is unlimited."""
    name: str = ""
    """By which other rules replace it."""
    replaces: tuple[str, ...] = ()
    """Names of the rules that are left out of a request that meets this one."""
    shadow: bool = False
    on_outage: Outage = "share"
    metadata: Any = None
    line: int = 0


class Node(msgspec.Struct, frozen=True, kw_only=True):
    """One level: the children by `key_value` or `key`, and by pattern."""

    key: str = ""
    value: str = ""
    rules: Rules | None = None
    share: bool = False
    """Whether all values that the pattern meets take from one counter."""
    detailed: bool = False
    """Whether it is told under the values that came, not under its own place."""
    told_by_value: bool = False
    children: dict[str, Node] = {}
    patterns: tuple[tuple[re.Pattern[str], str], ...] = ()


class Match(msgspec.Struct, frozen=True, kw_only=True):
    """What a request met."""

    rules: Rules
    key: str
    """Whose counter it takes from."""
    place: str
    """Where in the tree it stands: what metrics and Studio call it."""
    shared: tuple[str | None, ...] = ()
    """By entry, the pattern whose values share one counter."""


def pattern_of(text: str) -> re.Pattern[str]:
    """What a value with `*` meets: each star stands for any text, the rest for itself."""
    return re.compile(".*".join(re.escape(part) for part in text.split("*")), re.DOTALL)


def find(domain: str, root: Node, entries: Entries) -> Match | None:
    """The rules that stand where `entries` lead; None where none do."""
    at, path = root, []
    for depth, (key, value) in enumerate(entries):
        met = _child(at, key, value)
        if met is None or (depth < len(entries) - 1 and not met.children):
            return None
        path.append(met)
        at = met
    if not path or at.rules is None:
        return None
    shared = tuple(node.value if node.share else None for node in path)
    return Match(
        rules=at.rules,
        key=_counter_key(domain, entries, shared),
        place=_place(domain, path, entries),
        shared=shared,
    )


def prefixes(hierarchy: Sequence[str], attributes: dict[str, str]) -> list[Entries]:
    """The descriptors of a request in a hierarchy: (organisation), (organisation, user), … as far as known."""
    entries: list[tuple[str, str]] = []
    found: list[Entries] = []
    for key in hierarchy:
        if key not in attributes:
            break
        entries.append((key, attributes[key]))
        found.append(tuple(entries))
    return found


def without_replaced(matches: Sequence[Match]) -> list[Match]:
    """`matches` without those whose name another one replaces."""
    replaced = {name for match in matches for name in match.rules.replaces}
    return [match for match in matches if not match.rules.name or match.rules.name not in replaced]


def _child(at: Node, key: str, value: str) -> Node | None:
    exact = at.children.get(pair_of(key, value))
    if exact is not None and (exact.value == value and exact.key == key):
        return exact
    for pattern, child in at.patterns:
        node = at.children[child]
        if node.key == key and pattern.fullmatch(value):
            return node
    return at.children.get(pair_of(key, ""))


def pair_of(key: str, value: str) -> str:
    """A child's name in its parent: unambiguous whatever key and value hold."""
    return f"{len(key)}:{key}:{value}"


def _counter_key(domain: str, entries: Entries, shared: Sequence[str | None]) -> str:
    parts = [domain]
    for (key, value), pattern in zip(entries, shared, strict=True):
        told = bounded(value if pattern is None else pattern)
        parts.append(f"{len(key)}:{key}{len(told)}:{told}")
    return "|".join(parts)


_LENGTH = re.compile(r"(\d{1,9}):", re.ASCII)


def say_key(key: str) -> str:
    """A counter's key as people read it: `door api · caller address 10.0.0.1`; one that is no counter's as it is."""
    _, bar, rest = key.partition("|")
    said: list[str] = []
    while bar and rest:
        pair = []
        for _ in range(2):
            length = _LENGTH.match(rest)
            if length is None:
                return key
            end = length.end() + int(length[1])
            pair.append(rest[length.end() : end])
            rest = rest[end:]
        said.append(" ".join(pair))
        if rest and not rest.startswith("|"):
            return key
        rest = rest[1:]
    return " · ".join(said) or key


def bounded(value: str) -> str:
    """The value, or where it is long its digest: nobody fills the store with what they are called."""
    if len(value) <= VALUE_LETTERS_MOST:
        return value
    digest = hashlib.blake2b(value.encode("utf-8", "surrogatepass"), digest_size=16).hexdigest()
    return f"{value[:32]}#{digest}"


def _place(domain: str, path: Sequence[Node], entries: Entries) -> str:
    detailed = path[-1].detailed
    parts = [domain]
    for node, (key, value) in zip(path, entries, strict=True):
        said = node.value
        if not node.share and (detailed or (node.told_by_value and not said)):
            said = value
        parts.append(f"{key}_{said}" if said else key)
    return ".".join(parts)
