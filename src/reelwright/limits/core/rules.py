"""Rules as files: YAML, of which Envoy's rate limit configuration is a part. A wrong file is refused with its line.

Beyond Envoy's keys a descriptor knows `limit: 100/minute burst 20; 5000/day` instead of `rate_limit`, and
`on_outage: share|open|closed`; a file knows `hierarchy: [organisation, user, device]`. Limits of `rate_limit` are
exact windows, so that no window of the unit ever holds more than `requests_per_unit`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any, get_args

import msgspec
import yaml

from reelwright.kernel.errors import Invalid
from reelwright.limits.contract import BadRules, Limit, Outage
from reelwright.limits.core.descriptors import Node, Rules, pair_of, pattern_of
from reelwright.limits.core.grammar import UNITS_S, parse_limits

FILE_BYTES_MOST = 4 << 20
DEPTH_MOST = 16
_WEEK_S = 7 * 86_400
_DAY_S = 86_400
ENVOY_UNITS_S = {**UNITS_S, "week": _WEEK_S, "month": 30 * _DAY_S, "year": 365 * _DAY_S}
_FILE_KEYS = frozenset({"domain", "descriptors", "hierarchy"})
_DESCRIPTOR_KEYS = frozenset(
    {
        *("key", "value", "descriptors", "rate_limit", "limit", "shadow_mode", "on_outage", "detailed_metric"),
        *("metadata", "share_threshold", "value_to_metric", "quota_mode"),
    }
)
_RATE_KEYS = frozenset({"unit", "requests_per_unit", "unlimited", "name", "replaces", "unit_multiplier"})


class Domain(msgspec.Struct, frozen=True, kw_only=True):
    """All rules of one domain."""

    name: str
    root: Node
    hierarchy: tuple[str, ...] = ()


def read_rules(texts: Iterable[tuple[str, str]], *, merge_domains: bool = False) -> dict[str, Domain]:
    """The domains of files given as `(name, text)`. Raises BadRules with file, line and reason.

    A domain that comes in two files is an error, unless `merge_domains`; then the same descriptor twice is one.
    """
    found: dict[str, Domain] = {}
    for origin, text in texts:
        for document in _documents(origin, text):
            domain = _File(origin).domain(document)
            known = found.get(domain.name)
            if known is not None and not merge_domains:
                raise BadRules(origin, _line(document), f"duplicate domain '{domain.name}' in config file")
            found[domain.name] = domain if known is None else _merged(origin, known, domain)
    return found


def _documents(origin: str, text: str) -> list[yaml.Node]:
    if len(text) > FILE_BYTES_MOST:
        raise BadRules(origin, 0, f"a file of at most {FILE_BYTES_MOST} characters, got {len(text)}")
    try:
        return [node for node in yaml.compose_all(text, Loader=yaml.SafeLoader) if node is not None]
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        raise BadRules(origin, mark.line + 1 if mark else 0, f"error loading config file: {error.problem}") from error
    except (yaml.YAMLError, RecursionError) as error:
        raise BadRules(origin, 0, f"error loading config file: {str(error)[:200]}") from error


def _merged(origin: str, one: Domain, other: Domain) -> Domain:
    for child in other.root.children:
        if child in one.root.children:
            node = other.root.children[child]
            path = f"{one.name}.{_said(node.key, node.value)}"
            raise BadRules(origin, _line_of(node), f"duplicate descriptor composite key '{path}'")
    root = msgspec.structs.replace(
        one.root,
        children={**one.root.children, **other.root.children},
        patterns=(*one.root.patterns, *other.root.patterns),
    )
    return msgspec.structs.replace(one, root=root, hierarchy=one.hierarchy or other.hierarchy)


class _File:
    """Reads the documents of one file."""

    def __init__(self, origin: str) -> None:
        self._origin = origin

    def domain(self, document: yaml.Node) -> Domain:
        fields = self._mapping(document, _FILE_KEYS)
        name = self._text(fields.get("domain"))
        if not name:
            raise self._bad(document, "config file cannot have empty domain")
        hierarchy = tuple(self._text(one) for one in self._list(fields.get("hierarchy")))
        return Domain(name=name, root=self._level(fields.get("descriptors"), name, 0), hierarchy=hierarchy)

    def _level(self, listed: yaml.Node | None, path: str, depth: int, **given: Any) -> Node:
        children: dict[str, Node] = {}
        patterns: list[tuple[re.Pattern[str], str]] = []
        if depth > DEPTH_MOST:
            raise self._bad(listed, f"descriptors are nested at most {DEPTH_MOST} deep")
        for node in self._list(listed):
            fields = self._mapping(node, _DESCRIPTOR_KEYS)
            key, value = self._text(fields.get("key")), self._text(fields.get("value"))
            if not key:
                raise self._bad(node, "descriptor has empty key")
            pair, here = pair_of(key, value), f"{path}.{_said(key, value)}"
            if pair in children:
                raise self._bad(node, f"duplicate descriptor composite key '{here}'")
            children[pair] = self._descriptor(node, fields, key, value, here, depth)
            if "*" in value:
                patterns.append((pattern_of(value), pair))
        return Node(children=children, patterns=tuple(patterns), **given)

    def _descriptor(
        self, node: yaml.Node, fields: Mapping[str, yaml.Node], key: str, value: str, path: str, depth: int
    ) -> Node:
        share = self._flag(fields.get("share_threshold"))
        if share and "*" not in value:
            raise self._bad(node, f"share_threshold needs a value with '*', got {value!r}")
        return self._level(
            fields.get("descriptors"),
            path,
            depth + 1,
            key=key,
            value=value,
            share=share,
            detailed=self._flag(fields.get("detailed_metric")),
            told_by_value=self._flag(fields.get("value_to_metric")),
            rules=self._rules(node, fields, path),
        )

    def _rules(self, node: yaml.Node, fields: Mapping[str, yaml.Node], path: str) -> Rules | None:
        rate, text = fields.get("rate_limit"), fields.get("limit")
        if rate is not None and text is not None:
            raise self._bad(node, "a descriptor has a rate_limit or a limit, not both")
        if rate is None and text is None:
            return None
        shadow = self._flag(fields.get("shadow_mode"))
        metadata = yaml.SafeLoader("").construct_document(fields["metadata"]) if "metadata" in fields else None
        common: dict[str, Any] = {
            "shadow": shadow,
            "metadata": metadata,
            "line": _line(node),
            "on_outage": self._outage(fields),
        }
        if text is not None:
            return Rules(limits=self._written(text, path), **common)
        return self._rate(rate, path, common)

    def _rate(self, rate: yaml.Node | None, path: str, common: dict[str, Any]) -> Rules:
        fields = self._mapping(rate, _RATE_KEYS)
        name = self._text(fields.get("name"))
        replaces = tuple(self._replaced(node, name) for node in self._list(fields.get("replaces")))
        unit = self._text(fields.get("unit")).lower()
        if self._flag(fields.get("unlimited")):
            if unit:
                raise self._bad(rate, "should not specify rate limit unit when unlimited")
            return Rules(limits=(), name=name, replaces=replaces, **common)
        if unit not in ENVOY_UNITS_S:
            raise self._bad(rate, f"invalid rate limit unit '{unit}'")
        multiple = self._number(fields["unit_multiplier"]) if "unit_multiplier" in fields else 1
        if multiple < 1:
            raise self._bad(rate, "unit_multiplier is at least 1")
        count = self._number(fields["requests_per_unit"]) if "requests_per_unit" in fields else 0
        period_ns = ENVOY_UNITS_S[unit] * multiple * 10**9
        limit = self._checked(rate, name or path, count, period_ns)
        return Rules(limits=(limit,), name=name, replaces=replaces, **common)

    def _checked(self, node: yaml.Node | None, name: str, count: int, period_ns: int) -> Limit:
        try:
            return Limit(name=name, count=count, period_ns=period_ns, algorithm="window")
        except Invalid as error:
            raise self._bad(node, str(error)) from error

    def _replaced(self, node: yaml.Node, own: str) -> str:
        name = self._text(self._mapping(node, frozenset({"name"})).get("name"))
        if not name:
            raise self._bad(node, "should not have an empty replaces entry")
        if name == own:
            raise self._bad(node, "replaces should not contain name of same descriptor")
        return name

    def _written(self, node: yaml.Node, path: str) -> tuple[Limit, ...]:
        try:
            return parse_limits(self._text(node), path)
        except Invalid as error:
            raise self._bad(node, str(error)) from error

    def _outage(self, fields: Mapping[str, yaml.Node]) -> Outage:
        said = self._text(fields.get("on_outage")) or "share"
        if said not in get_args(Outage):
            raise self._bad(fields.get("on_outage"), f"on_outage is share, open or closed, got {said!r}")
        return said  # type: ignore[return-value]

    def _mapping(self, node: yaml.Node | None, known: frozenset[str]) -> dict[str, yaml.Node]:
        if node is None:
            return {}
        if not isinstance(node, yaml.MappingNode):
            said = node.value if isinstance(node, yaml.ScalarNode) else "a list"
            raise self._bad(node, f"config error, yaml file contains list of type other than map: {said}")
        found: dict[str, yaml.Node] = {}
        for key, value in node.value:
            if not isinstance(key, yaml.ScalarNode) or not key.tag.endswith(":str"):
                raise self._bad(key, f"config error, key is not of type string: {key.value}")
            if key.value not in known:
                raise self._bad(key, f"config error, unknown key '{key.value}'")
            if key.value in found:
                raise self._bad(key, f"config error, key '{key.value}' is there twice")
            found[key.value] = value
        return found

    def _list(self, node: yaml.Node | None) -> list[yaml.Node]:
        if node is None or (isinstance(node, yaml.ScalarNode) and node.tag.endswith(":null")):
            return []
        if not isinstance(node, yaml.SequenceNode):
            raise self._bad(node, "config error, expected a list")
        return list(node.value)

    def _text(self, node: yaml.Node | None) -> str:
        if node is None:
            return ""
        if not isinstance(node, yaml.ScalarNode):
            raise self._bad(node, "config error, expected a text")
        return "" if node.tag.endswith(":null") else str(node.value)

    def _number(self, node: yaml.Node) -> int:
        text = self._text(node)
        if not re.fullmatch(r"\d{1,18}", text, re.ASCII):
            raise self._bad(node, f"config error, expected a whole number from 0, got {text[:40]!r}")
        return int(text)

    def _flag(self, node: yaml.Node | None) -> bool:
        text = self._text(node).lower()
        if text not in ("", "true", "false"):
            raise self._bad(node, f"config error, expected true or false, got {text[:40]!r}")
        return text == "true"

    def _bad(self, node: yaml.Node | None, reason: str) -> BadRules:
        return BadRules(self._origin, _line(node) if node is not None else 0, reason)


def _line(node: yaml.Node) -> int:
    return int(node.start_mark.line) + 1


def _line_of(node: Node) -> int:
    return node.rules.line if node.rules else 0


def _said(key: str, value: str) -> str:
    return f"{key}_{value}" if value else key
