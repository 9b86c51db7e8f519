"""Benchmark rows: what `reelwright bench SYSTEM` prints, ours and the peers' from the same run."""

from __future__ import annotations

import operator
import os
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator
from typing import Literal

import msgspec

Operator = Literal["<=", ">=", "==", ""]
_COMPARE: dict[str, Callable[[float, float], bool]] = {
    "<=": operator.le,
    ">=": operator.ge,
    "==": operator.eq,
}


class Row(msgspec.Struct, frozen=True, kw_only=True):
    """One measured figure: against its goal, and beside a peer where one was measured."""

    id: str
    what: str
    value: float | None
    unit: str
    op: Operator = ""
    goal: float | None = None
    peer: str = ""
    peer_value: float | None = None
    note: str = ""

    @property
    def met(self) -> bool | None:
        """Whether the goal is met; None where there is no goal or nothing could be measured."""
        if self.goal is None or self.value is None or not self.op:
            return None
        return _COMPARE[self.op](self.value, self.goal)

    @property
    def ratio(self) -> float | None:
        """Our value over the peer's."""
        return self.value / self.peer_value if self.value is not None and self.peer_value else None

    def document(self) -> dict[str, object]:
        """The row as `--json` prints it."""
        fields = msgspec.structs.asdict(self)
        return {**fields, "met": self.met, "ratio": self.ratio}


def measured(parts: Iterable[tuple[str, Callable[[], Iterator[Row]]]], only: str) -> Iterator[Row]:
    """The rows whose id begins with `only`; parts are (beginning of their ids, how to measure them)."""
    for name, measure in parts:
        if name.startswith(only) or only.startswith(name):
            yield from (row for row in measure() if row.id.startswith(only))


def calibration() -> list[Row]:
    """How fast this machine is now: an empty call, a memory copy, one durable write."""

    def empty() -> None:
        return None

    count = 200_000
    start = time.process_time_ns()
    for _ in range(count):
        empty()
    call_ns = (time.process_time_ns() - start) / count
    block = bytearray(64 << 20)
    start = time.perf_counter_ns()
    bytes(block)
    copy = len(block) / (time.perf_counter_ns() - start)
    return [
        Row(id="calibration.call", what="empty function call", value=round(call_ns, 1), unit="ns"),
        Row(id="calibration.copy", what="memory copy", value=round(copy, 2), unit="GB/s"),
        Row(
            id="calibration.sync",
            what="4 KB write and fdatasync, median",
            value=round(_sync_ms(), 3),
            unit="ms",
        ),
    ]


def _sync_ms() -> float:
    times = []
    with tempfile.TemporaryFile(dir=".") as file:
        for _ in range(15):
            start = time.perf_counter_ns()
            file.write(b"\0" * 4096)
            file.flush()
            os.fdatasync(file.fileno())
            times.append((time.perf_counter_ns() - start) / 1e6)
    return sorted(times)[7]
