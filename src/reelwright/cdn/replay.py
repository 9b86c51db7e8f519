"""Traces through the cache policies that run live: hit ratios, and how far an all-knowing cache would get."""

from __future__ import annotations

import csv
import gzip
import heapq
import json
import lzma
import math
import struct
import zlib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import IO

import msgspec

from reelwright.cdn.core.eviction import Key, Policy, Visit, make_policy
from reelwright.kernel.errors import Invalid

_ORACLE = struct.Struct("<IQIq")
FORMATS = ("csv", "oracle", "events")
LARGEST_BYTES = 1 << 50
"""No object is larger; what says so is a mistake of whoever wrote the trace."""


class Outcome(msgspec.Struct, frozen=True):
    """What a replay found."""

    requests: int
    hits: int
    bytes: int
    hit_bytes: int

    @property
    def object_miss_ratio(self) -> float:
        """Misses per request."""
        return 1 - self.hits / self.requests if self.requests else 0.0

    @property
    def byte_miss_ratio(self) -> float:
        """Missed bytes per byte asked for."""
        return 1 - self.hit_bytes / self.bytes if self.bytes else 0.0


class Trace(msgspec.Struct, frozen=True):
    """A trace in memory, and the lines that could not be read."""

    visits: list[Visit]
    refused: list[str] = []

    def working_set_bytes(self) -> int:
        """Bytes of all distinct objects."""
        return sum({visit.key: visit.size for visit in self.visits}.values())


class Order(msgspec.Struct, frozen=True, kw_only=True):
    """What befalls a cache between two requests: objects are purged, or a plan leaves it another room."""

    drop: tuple[Key, ...] = ()
    budget_bytes: int | None = None

    def give(self, policy: Policy) -> None:
        """As an edge tells its policy; only of what is held."""
        for key in self.drop:
            if key in policy:
                policy.drop(key)
        if self.budget_bytes is not None:
            policy.resize(self.budget_bytes)


def replay(visits: Iterable[Visit], policy: Policy, orders: Mapping[int, Order] | None = None) -> Outcome:
    """Requests through a policy; an order is given before the request of its number, counted from 0."""
    requests = hits = total = hit_bytes = 0
    for visit in visits:
        if orders and requests in orders:
            orders[requests].give(policy)
        requests += 1
        total += visit.size
        policy.note(visit)
        if visit.key in policy:
            policy.use(visit.key)
            hits += 1
            hit_bytes += visit.size
        else:
            policy.put(visit.key, visit.size)
    return Outcome(requests, hits, total, hit_bytes)


def replay_named(trace: Trace, name: str, budget_bytes: int) -> Outcome:
    """A trace through a policy by name; `belady` knows the future."""
    if name == "belady":
        return belady(trace.visits, budget_bytes)
    return replay(trace.visits, make_policy(name, budget_bytes))


def belady(visits: list[Visit], budget_bytes: int) -> Outcome:
    """The cache that gives up what is wanted last, a newcomer included: a reference, no bound where sizes differ."""
    never = len(visits)
    following = [never] * len(visits)
    last: dict[Key, int] = {}
    for at in range(len(visits) - 1, -1, -1):
        following[at] = last.get(visits[at].key, never)
        last[visits[at].key] = at
    held: dict[Key, tuple[int, int]] = {}
    heap: list[tuple[int, int, Key]] = []
    held_bytes = hits = hit_bytes = 0
    for at, visit in enumerate(visits):
        if visit.key in held:
            hits += 1
            hit_bytes += visit.size
            held_bytes -= held[visit.key][1]
        held[visit.key] = (following[at], visit.size)
        held_bytes += visit.size
        heapq.heappush(heap, (-following[at], at, visit.key))
        while held_bytes > budget_bytes:
            wanted, _, victim = heapq.heappop(heap)
            if held.get(victim, (None, 0))[0] == -wanted:
                held_bytes -= held.pop(victim)[1]
    return Outcome(len(visits), hits, sum(visit.size for visit in visits), hit_bytes)


def read_trace(path: Path, *, kind: str = "") -> Trace:
    """A trace by its format, which the file's name tells where `kind` does not. Raises Invalid.

    csv: `time,key,size` with or without header, also `session,stream,index`; blanks may stand for commas. oracle:
    libCacheSim's oracleGeneral records. events: our access log or `edge_access` events, one JSON document a line.
    `.gz` and `.xz` are opened. Lines that make no sense are left out and reported.
    """
    kind = kind or _kind_of(path)
    if path.suffix == ".zst":
        raise Invalid(f"{path} is packed by zstd, which is not opened here: unpack it with `zstd -d` first")
    if kind not in FORMATS:
        raise Invalid(f"a trace is one of {', '.join(FORMATS)}, got {kind!r}; name it with --format")
    try:
        with _open(path) as file:
            trace = _READERS[kind](file)
    except (OSError, EOFError, lzma.LZMAError, zlib.error) as error:
        raise Invalid(f"cannot read {path}: {error}") from error
    if not trace.visits:
        raise Invalid(
            f"{path} holds no request that can be read as {kind}{', `time,key,size`' if kind == 'csv' else ''}: "
            f"{'; '.join(trace.refused[:3]) or 'empty'}"
        )
    return trace


def _kind_of(path: Path) -> str:
    name = path.name.removesuffix(".gz").removesuffix(".xz")
    if "oracleGeneral" in name or name.endswith(".bin"):
        return "oracle"
    return "events" if name.endswith((".jsonl", ".ndjson")) else "csv"


def _open(path: Path) -> IO[bytes]:
    if path.suffix == ".xz":
        return lzma.open(path)
    return gzip.open(path) if path.suffix == ".gz" else path.open("rb")  # type: ignore[return-value]


def _read_oracle(file: IO[bytes]) -> Trace:
    data = file.read()
    visits = [
        Visit(key, max(1, size), float(time_s))
        for time_s, key, size, _ in _ORACLE.iter_unpack(data[: len(data) // _ORACLE.size * _ORACLE.size])
    ]
    odd = len(data) % _ORACLE.size
    return Trace(visits, [f"{odd} bytes after the last whole record"] if odd else [])


def _read_csv(file: IO[bytes]) -> Trace:
    visits: list[Visit] = []
    refused: list[str] = []
    for number, raw in enumerate(file, 1):
        line = raw.decode("utf-8-sig", "replace")
        try:
            row = next(csv.reader([line])) if "," in line else line.split()
            if not row or (number == 1 and not row[0].strip().replace(".", "", 1).isdigit()):
                continue
            visits.append(_visit(row))
        except (ValueError, IndexError, csv.Error):
            refused.append(f"line {number}: {line.strip()[:60]!r}")
    return Trace(visits, refused)


def _visit(row: list[str]) -> Visit:
    size, at_s = int(row[2]), float(row[0])
    _check(size, at_s)
    session, stream, index = [*row[3:6], "", "", "-1"][:3] if len(row) >= 6 else ["", "", "-1"]
    return Visit(row[1].strip(), size, at_s, session, stream, int(index))


def _check(size: int, at_s: float) -> None:
    """Raise ValueError for what no request has."""
    if not 0 < size <= LARGEST_BYTES or not math.isfinite(at_s):
        raise ValueError(f"{size} bytes at {at_s}")


def _read_events(file: IO[bytes]) -> Trace:
    visits: list[Visit] = []
    refused: list[str] = []
    for number, line in enumerate(file, 1):
        try:
            one = json.loads(line)
            if one.get("type", "edge_access") != "edge_access":
                continue
            said, at_s = one.get("data", one), one["at_ms"] / 1000
            size = max(1, int(said["size_bytes"] if "data" in one else said["size"]))
            _check(size, at_s)
            session = (one["session_id"] if "data" in one else one["session"]) or ""
            visits.append(Visit(str(said["object"]), size, at_s, str(session)))
        except (ValueError, KeyError, TypeError, AttributeError, OverflowError, RecursionError):
            refused.append(f"line {number}: {line[:60]!r}")
    return Trace(visits, refused)


_READERS = {"csv": _read_csv, "oracle": _read_oracle, "events": _read_events}


def gap_closed(lru: float, ours: float, best: float) -> float:
    """Share of the way from LRU's miss ratio to the reference's; 0 where there is no way."""
    return (lru - ours) / (lru - best) if lru > best else 0.0
