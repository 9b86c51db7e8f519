"""Use cases of the lake for those who ask: SQL in a child process, and how fresh the tables are."""

from __future__ import annotations

import asyncio
import contextlib
import sys
from importlib.util import find_spec
from pathlib import Path

import msgspec

from reelwright.events.adapters.reader import LogReader
from reelwright.kernel.clock import Clock
from reelwright.kernel.errors import MissingExtra
from reelwright.lake.adapters.published import get_snapshot
from reelwright.lake.contract import Answer, Freshness, NotReadable, Question, Refusal, TookTooLong
from reelwright.lake.core.offsets import place
from reelwright.lake.core.tables import EVENTS, TABLES
from reelwright.lake.settings import LakeSettings

LATE_S = 60.0
"""A committer that has left acknowledged events alone for so long is in trouble."""
_MOST_BYTES = 64 << 20


def is_installed() -> bool:
    """Whether the extra is there; imports none of it."""
    return all(find_spec(name) for name in ("duckdb", "pyarrow", "pyiceberg"))


class LakeService:
    """Implements `LakeClient`; holds no engine itself, so that any process may have one."""

    def __init__(self, *, folder: Path, events: Path, settings: LakeSettings, clock: Clock) -> None:
        self.settings = settings
        self._folder = folder
        self._events = events
        self._clock = clock
        self._reader = LogReader(events)
        self._spare: asyncio.subprocess.Process | None = None
        self._behind_since: tuple[int, float] | None = None

    @property
    def is_kept(self) -> bool:
        """Whether events become tables here."""
        return self.settings.enabled and is_installed()

    async def ask(self, sql: str) -> Answer:
        """Answer one SELECT over tables and hot tail. Raises NotReadable, TookTooLong, MissingExtra.

        A child that has read its libraries already waits for the next question.
        """
        if not is_installed():
            raise MissingExtra("lake", "a question to the lake")
        child, self._spare = self._spare or await self._start_child(), None
        question = Question(
            sql=sql,
            lake=str(self._folder),
            warehouse=self.settings.warehouse.removeprefix("file://") or f"{self._folder}/warehouse",
            events=str(self._events),
            memory_mb=self.settings.sql_memory_mb,
            rows=self.settings.sql_rows,
        )
        try:
            out, err = await asyncio.wait_for(
                child.communicate(msgspec.json.encode(question) + b"\n"), self.settings.sql_s
            )
        except TimeoutError:
            raise TookTooLong(f"the question was stopped after {self.settings.sql_s:g} s") from None
        finally:
            await _end(child)
        return self._understood(child.returncode, out, err)

    def _understood(self, status: int | None, out: bytes, err: bytes) -> Answer:
        if status != 0 or not out:
            last = err.decode("utf-8", "replace").strip().splitlines()[-1:] or ["no reason given"]
            raise TookTooLong(f"the question's process ended with status {status}: {last[0][:300]}")
        found = msgspec.json.decode(out, type=Answer | Refusal)
        if isinstance(found, Answer):
            return found
        raise (TookTooLong if found.too_much else NotReadable)(found.says)

    async def _start_child(self) -> asyncio.subprocess.Process:
        return await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "reelwright.lake.adapters.ask"),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            limit=_MOST_BYTES,
        )

    async def warm(self) -> None:
        """Have a child ready for the next question."""
        if self._spare is None and is_installed():
            self._spare = await self._start_child()

    async def stop(self) -> None:
        """End the child that waits."""
        if self._spare is not None:
            await _end(self._spare)
            self._spare = None

    def freshness(self) -> list[Freshness]:
        """Every table, with when it was committed last."""
        found = []
        for table in TABLES:
            snapshot = get_snapshot(self._folder, table.name)
            found.append(
                Freshness(
                    table=table.name,
                    says=table.says,
                    rows=snapshot.rows,
                    files=len(snapshot.files),
                    size_bytes=sum(file.size_bytes for file in snapshot.files),
                    days=len({file.day for file in snapshot.files}),
                    committed_ms=snapshot.committed_ms,
                )
            )
        return found

    def problem(self) -> str:
        """What is wrong with the committer, empty when nothing is: called now and then, it notices standstill."""
        snapshot = get_snapshot(self._folder, EVENTS)
        behind = [
            source
            for source in self._reader.sources()
            if self._reader.durable(source) > place(snapshot.offsets, source)
            and self._reader.durable(source) > (1, 0)
        ]
        now_s = self._clock.monotonic_ns() / 1e9
        if not behind:
            self._behind_since = None
        elif self._behind_since is None or self._behind_since[0] != snapshot.snapshot_id:
            self._behind_since = (snapshot.snapshot_id, now_s)
        elif now_s - self._behind_since[1] > LATE_S:
            return f"events of {', '.join(behind)} are acknowledged but have not reached the lake for {LATE_S:g} s"
        return ""


async def _end(child: asyncio.subprocess.Process) -> None:
    with contextlib.suppress(ProcessLookupError):
        child.kill()
    await child.wait()
