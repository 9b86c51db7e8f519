"""Labs: run a person's code in the sandbox beside the request that asked for it, and keep what came of it."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import Awaitable, Callable, Collection, Mapping
from typing import Any, Literal, get_args

import anyio.to_thread
import msgspec
import sqlalchemy as sa

from reelwright.kernel.clock import Clock
from reelwright.kernel.database import Database
from reelwright.kernel.errors import Conflict, ReelwrightError
from reelwright.kernel.ids import new_id
from reelwright.practice.adapters import lab_runs, room
from reelwright.practice.adapters.sandbox import ENDING, Confinement, choose_confinement, end_all
from reelwright.practice.contract import LabResult, LabRun, LabTold, NoLab, Valid
from reelwright.practice.labs.lab import Lab, grade, practise, starter

AT_ONCE = 2
"""Runs at a time in this process; the others wait their turn."""
OPEN_MOST = 2
"""Runs of one person that wait or run: a class shares this machine."""
BEAT_S = 15.0
SILENT_MS = 60_000
"""A run of which nothing was heard for so long had its process ended under it."""
Count = Callable[[], Awaitable[int]]


class LabsService:
    """Labs of the people of this installation."""

    def __init__(
        self, *, database: Database, clock: Clock, labs: Mapping[str, Lab], count_people: Count, loopback: bool
    ) -> None:
        self._database = database
        self._clock = clock
        self._labs = labs
        self._count_people = count_people
        self._loopback = loopback
        self._slots = asyncio.Semaphore(AT_ONCE)
        self._ending = threading.Event()
        self._running: set[asyncio.Task[None]] = set()

    async def list_labs(self, *, person: str) -> list[LabTold]:
        """Every lab with the best verdict so far."""
        graded = await self._database.read(lab_runs.list_graded, person)
        verdicts = {(row["lab"], row["result"]["valid"]) for row in graded}
        return [_told(lab, verdicts) for lab in self._labs.values()]

    def get_lab(self, lab_id: str) -> Lab:
        """The lab. Raises NoLab."""
        if lab_id not in self._labs:
            raise NoLab(f"no lab {lab_id[:40]!r}; the labs are {', '.join(self._labs)}")
        return self._labs[lab_id]

    async def confinement(self, *, agreed: bool) -> Confinement:
        """How code may run here, found out by running some. Raises Refused."""
        people = await self._count_people()
        return await anyio.to_thread.run_sync(
            lambda: choose_confinement(people=people, loopback=self._loopback, agreed=agreed)
        )

    async def run(
        self,
        *,
        person: str,
        lab_id: str,
        source: str,
        hidden: bool,
        predicted: float | None = None,
        agreed: bool = False,
    ) -> LabRun:
        """Begin a run; its result comes later.

        Raises NoLab, Refused, Conflict while two of the person's are open and where practice is full.
        """
        lab = self.get_lab(lab_id)
        await self._database.read(room.check_room, person)
        confinement = await self.confinement(agreed=agreed)
        row = {
            "id": new_id(self._clock), "person": person, "lab": lab_id, "hidden": hidden,
            "source": source.encode("utf-8", "replace").decode().replace("\x00", "\ufffd"), "predicted": predicted,
            "log": [], "result": None, "created_ms": self._now_ms(), "beat_ms": self._now_ms(),
        }  # fmt: skip

        def put(connection: sa.Connection) -> None:
            newest = lab_runs.list_runs(connection, person, limit=2 * OPEN_MOST)
            if sum(self._is_open(one) for one in newest) >= OPEN_MOST:
                raise Conflict(f"{OPEN_MOST} of your runs are not finished; wait for one of them")
            lab_runs.put_run(connection, **row)

        await self._database.write(put)
        task = asyncio.get_running_loop().create_task(self._finish(lab, row, confinement))
        self._running.add(task)
        task.add_done_callback(self._running.discard)
        return self._run_of(row)

    async def get_run(self, *, person: str, run_id: str) -> LabRun:
        """The run as it stands. Raises NoLab."""
        row = await self._database.read(lab_runs.get_run, run_id, person)
        if row is None:
            raise NoLab(f"no run {run_id[:40]!r} of yours")
        return self._run_of(row)

    async def list_runs(self, *, person: str, lab_id: str) -> list[LabRun]:
        """The person's runs of a lab, the newest 500 of them, newest first."""
        rows = await self._database.read(lab_runs.list_runs, person, lab=lab_id, limit=500)
        return [self._run_of(row) for row in rows]

    async def export(self, *, person: str) -> list[LabRun]:
        """All runs of the person, newest first."""
        return [self._run_of(row) for row in await self._database.read(lab_runs.list_runs, person)]

    async def stop(self) -> None:
        """End what runs; such a run is told as one that the service ended."""
        self._ending.set()
        for task in self._running:
            task.cancel()
        end_all()
        await asyncio.gather(*self._running, return_exceptions=True)

    async def _finish(self, lab: Lab, row: dict[str, Any], confinement: Confinement) -> None:
        beating = asyncio.create_task(self._beat(row["id"]))
        try:
            result = await self._result(lab, row, confinement)
        finally:
            beating.cancel()
        await self._database.write(lab_runs.change_run, row["id"], {"result": msgspec.to_builtins(result)})

    async def _beat(self, run_id: str) -> None:
        while True:
            await asyncio.sleep(BEAT_S)
            with contextlib.suppress(ReelwrightError):
                await self._database.write(lab_runs.change_run, run_id, {"beat_ms": self._now_ms()})

    async def _result(self, lab: Lab, row: dict[str, Any], confinement: Confinement) -> LabResult:
        log: list[str] = []

        def told(said: str) -> None:
            log.append(said)
            self._database.transact(lab_runs.change_run, row["id"], {"log": [*log]})

        def run() -> LabResult:
            begin = grade if row["hidden"] else practise
            return begin(lab, row["source"], confinement=confinement, told=told)

        if self._slots.locked():
            log.append(f"waits for its turn: {len(self._running) - 1} came before it, {AT_ONCE} run at a time")
            await self._database.write(lab_runs.change_run, row["id"], {"log": [*log]})
        ENDING.set(self._ending)
        async with self._slots:
            try:
                return await anyio.to_thread.run_sync(run, abandon_on_cancel=True)
            except Exception as error:
                return _unknown(row, f"the lab itself failed: {error}")

    def _is_open(self, row: Mapping[str, Any]) -> bool:
        return row["result"] is None and self._now_ms() - row["beat_ms"] <= SILENT_MS

    def _run_of(self, row: Mapping[str, Any]) -> LabRun:
        result = msgspec.convert(row["result"], LabResult) if row["result"] is not None else None
        if result is None and not self._is_open(row):
            result = _unknown(row, "the service ended while this ran; run it again")
        return LabRun(
            id=row["id"], lab=row["lab"], hidden=row["hidden"], source=row["source"], predicted=row["predicted"],
            created_ms=row["created_ms"], log=tuple(row["log"]), result=result,
            surprise=self._surprise(row, result),
        )  # fmt: skip

    def _surprise(self, row: Mapping[str, Any], result: LabResult | None) -> float | None:
        lab = self._labs.get(row["lab"])
        if lab is None or result is None or row["predicted"] is None:
            return None
        measures = result.standing.get(lab.predicts.policy, {}) if lab.predicts.policy else result.measures
        measured = measures.get(lab.predicts.measure)
        return None if measured is None else round(abs(measured - row["predicted"]), 4)

    def _now_ms(self) -> int:
        return self._clock.wall_ns() // 1_000_000


def _told(lab: Lab, verdicts: Collection[tuple[str, Valid]]) -> LabTold:
    best: Valid | Literal[""] = next((one for one in get_args(Valid) if (lab.id, one) in verdicts), "")
    return LabTold(
        id=lab.id, title=lab.title, brief=lab.brief, predicts=lab.predicts.asks, starter=starter(lab), best=best
    )


def _unknown(row: Mapping[str, Any], reason: str) -> LabResult:
    return LabResult(lab=row["lab"], valid="unknown", reason=reason, seeds=(), hidden=row["hidden"], measures={})
