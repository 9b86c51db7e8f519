"""Everything of a person: taken away as one document, or deleted at once and for good."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import anyio.to_thread
import msgspec

from reelwright.kernel.database import Database
from reelwright.kernel.ids import UserId
from reelwright.practice.adapters import notes, sql
from reelwright.practice.contract import Interview, LabRun, Loop, Opinion
from reelwright.practice.service.interviews import PracticeService
from reelwright.practice.service.labs import LabsService
from reelwright.practice.service.loops import LoopsService
from reelwright.practice.service.opinions import OpinionsService
from reelwright.practice.service.panels import Entry, Panel, PanelsService

Forget = Callable[[UserId], Awaitable[None]]
"""Forgets what is kept of a person elsewhere: answers under Idempotency-Keys."""


class Everything(msgspec.Struct, frozen=True, kw_only=True):
    """All that practice keeps of one person."""

    interviews: tuple[Interview, ...]
    opinions: dict[str, dict[int, list[Opinion]]]
    """By interview and turn."""
    loops: tuple[Loop, ...]
    lab_runs: tuple[LabRun, ...]
    notes: dict[str, dict[str, Any]]
    """Stories, projects, offers, level tables, plan, cards and question packs: by kind and id."""
    panels: tuple[Panel, ...]
    """Interviews that the person runs, as far as they may see them."""
    audit: tuple[Entry, ...]


class EverythingService:
    """One place for export and deletion, so that neither forgets a table."""

    def __init__(
        self, *, database: Database, interviews: PracticeService, opinions: OpinionsService, loops: LoopsService,
        labs: LabsService, panels: PanelsService, forget: Forget | None = None,
    ) -> None:  # fmt: skip
        self._database = database
        self._interviews = interviews
        self._opinions = opinions
        self._loops = loops
        self._labs = labs
        self._panels = panels
        self._forget = forget

    async def export(self, *, person: str) -> Everything:
        """All of it."""
        interviews = await self._interviews.export(person=person)
        kept: dict[str, dict[str, Any]] = {}
        for row in await self._database.read(notes.list_notes, person):
            kept.setdefault(row["kind"], {})[row["id"]] = row["body"]
        return Everything(
            interviews=tuple(interviews), notes=kept,
            opinions={
                one.id: await self._opinions.list_opinions(person=person, interview_id=one.id) for one in interviews
            },
            loops=tuple(await self._loops.list_loops(person=person)),
            lab_runs=tuple(await self._labs.export(person=person)),
            panels=tuple(await self._panels.list_panels(person=person)),
            audit=tuple(await self._panels.list_entries(person=person)),
        )  # fmt: skip

    async def delete(self, *, person: str) -> None:
        """Forget all of it: no byte stays in SQLite's files, nor in those of PostgreSQL's tables."""
        await self._database.write(sql.delete_person, person)
        if self._forget is not None:
            await self._forget(UserId(person))
        await anyio.to_thread.run_sync(self._database.scrub, *sql.KEPT_OF_PEOPLE)
