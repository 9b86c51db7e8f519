"""Loops: plan the interviews, begin a round, read the packet with its decision."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from reelwright.kernel.clock import Clock
from reelwright.kernel.database import Database
from reelwright.kernel.errors import Invalid
from reelwright.kernel.ids import new_id
from reelwright.practice.adapters import room, sql
from reelwright.practice.contract import (
    Interview,
    Loop,
    NoLoop,
    NoStyle,
    Pace,
    Packet,
    Role,
    Round,
    Stage,
    Style,
    Track,
)
from reelwright.practice.core import committee
from reelwright.practice.core.rounds import plan_rounds
from reelwright.practice.service.interviews import PracticeService


class LoopsService:
    """Interview loops of the people of this installation."""

    def __init__(
        self, *, database: Database, clock: Clock, interviews: PracticeService, styles: Mapping[str, Style]
    ) -> None:
        self._database = database
        self._clock = clock
        self._interviews = interviews
        self._styles = styles

    async def create(
        self, *, person: str, role: Role, track: Track, pace: Pace, style: str = "netflix", sample: bool = False
    ) -> Loop:
        """Plan a loop. Raises NoStyle, and Conflict where there are too many."""
        await self._database.read(room.check_new_loop, person)
        known = self._styles.get(style)
        if known is None or role not in known.roles:
            raise NoStyle(f"no style {style[:40]!r} with role {role}; the styles are {', '.join(self._styles)}")
        now, loop_id = self._clock.wall_ns() // 1_000_000, new_id(self._clock)
        await self._database.write(
            sql.put_loop, id=loop_id, person=person, role=role, track=track, style=style, pace=pace, sample=sample,
            rounds=msgspec.to_builtins(plan_rounds(pace=pace, begins_ms=now)), created_ms=now,
        )  # fmt: skip
        return await self.get(person=person, loop_id=loop_id)

    async def get(self, *, person: str, loop_id: str) -> Loop:
        """The loop as it stands. Raises NoLoop."""
        row = await self._database.read(sql.get_loop, loop_id, person)
        if row is None:
            raise NoLoop(f"no interview loop {loop_id[:40]!r} of yours; list them at /practice")
        return _loop(row, await self._database.read(sql.list_rounds, [loop_id]))

    async def list_loops(self, *, person: str) -> list[Loop]:
        """The person's loops, newest first."""
        rows = await self._database.read(sql.list_loops, person)
        begun = await self._database.read(sql.list_rounds, [row["id"] for row in rows])
        return [_loop(row, [one for one in begun if one["loop_id"] == row["id"]]) for row in rows]

    async def begin_round(self, *, person: str, loop_id: str, stage: Stage) -> Interview:
        """Begin a round, or go on with it. Raises NoLoop, and Invalid where the loop has no such round."""
        loop = await self.get(person=person, loop_id=loop_id)
        found = next((one for one in loop.rounds if one.stage == stage), None)
        if found is None:
            raise Invalid(f"this loop has no round {stage}")
        if found.interview_id:
            return await self._interviews.get(person=person, interview_id=found.interview_id)
        return await self._interviews.start(
            person=person, stage=stage, role=loop.role, track=loop.track, loop_id=loop_id, sample=loop.sample
        )

    async def get_packet(self, *, person: str, loop_id: str) -> Packet:
        """The committee's packet: levels and quotes a round, standings, decision. Raises NoLoop."""
        loop = await self.get(person=person, loop_id=loop_id)
        begun = [one for one in loop.rounds if one.interview_id]
        interviews = [await self._interviews.get(person=person, interview_id=one.interview_id) for one in begun]
        return committee.decide(loop, self._styles[loop.style], interviews)


def _loop(row: Mapping[str, Any], begun: Sequence[Mapping[str, Any]]) -> Loop:
    states = {one["stage"]: {"state": one["state"], "interview_id": one["id"]} for one in begun}
    planned = msgspec.convert(row["rounds"], tuple[Round, ...])
    return Loop(
        id=row["id"], role=row["role"], track=row["track"], style=row["style"], pace=row["pace"],
        created_ms=row["created_ms"], sample=row["sample"],
        rounds=tuple(msgspec.structs.replace(one, **states.get(one.stage, {})) for one in planned),
    )  # fmt: skip
