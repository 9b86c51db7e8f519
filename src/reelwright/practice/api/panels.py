"""Routes of interviews that a company runs."""

from __future__ import annotations

from typing import Annotated

import msgspec
from litestar import Controller, delete, get, post, put
from msgspec import Meta

from reelwright.practice.api.person import PERSON
from reelwright.practice.core.panels import Decision, PanelDraft
from reelwright.practice.service import (
    PanelsService,
)
from reelwright.practice.service.panels import Entry, Pack, Panel


class PanelMade(msgspec.Struct, frozen=True):
    """A new interview, and each seat's link token, told this once."""

    id: str
    tokens: dict[str, str]


class NewLink(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """For how long a new link holds; 0 only revokes the old one."""

    days: Annotated[int, Meta(ge=0, le=60)] = 7


class PackTold(msgspec.Struct, frozen=True):
    """What a question file holds."""

    questions: tuple[str, ...]


class PanelRoutes(Controller):
    """Interviews that one runs: people decide, machines never do."""

    path = "/api/v1/practice/panels"
    tags = ("practice",)
    dependencies = PERSON

    @get("/", summary="List interviews that you run")
    async def list_panels(self, person: str, practice_panels: PanelsService) -> list[Panel]:
        """List the interviews that you run, newest first; scorecards are sealed until all of an interview are in."""
        return await practice_panels.list_panels(person=person)

    @post("/", summary="Set up an interview")
    async def create_panel(self, person: str, practice_panels: PanelsService, data: PanelDraft) -> PanelMade:
        """Set up an interview: questions, interviewers, time, retention; each seat's link token is told this once."""
        return PanelMade(*await practice_panels.create(person=person, draft=data))

    @get("/audit", summary="Get the audit log")
    async def list_entries(self, person: str, practice_panels: PanelsService) -> list[Entry]:
        """Get who set up, agreed, scored, decided, exported and erased, without names."""
        return await practice_panels.list_entries(person=person)

    @put("/packs", summary="Keep a question pack")
    async def put_pack(self, person: str, practice_panels: PanelsService, data: Pack) -> PackTold:
        """Check and keep a private question file; all that is wrong with it comes back with its lines."""
        return PackTold(tuple(one.id for one in await practice_panels.put_pack(person=person, pack=data)))

    @get("/{panel_id:str}", summary="Get an interview that you run")
    async def get_panel(self, person: str, practice_panels: PanelsService, panel_id: str) -> Panel:
        """Get an interview that you run, without scores while a scorecard is missing."""
        return await practice_panels.get(person=person, panel_id=panel_id)

    @post("/{panel_id:str}/decision", summary="Decide")
    async def decide(self, person: str, practice_panels: PanelsService, panel_id: str, data: Decision) -> Panel:
        """Write down what people decided and why; once, and only when all scorecards are in."""
        return await practice_panels.decide(person=person, panel_id=panel_id, decision=data)

    @post("/{panel_id:str}/seats/{seat_id:str}/link", summary="Renew a link")
    async def renew(
        self, person: str, practice_panels: PanelsService, panel_id: str, seat_id: str, data: NewLink
    ) -> PanelMade:
        """Make a new link for a seat; the old one is void at once."""
        token = await practice_panels.renew(person=person, panel_id=panel_id, seat_id=seat_id, days=data.days)
        return PanelMade(panel_id, {seat_id: token} if data.days else {})

    @post("/{panel_id:str}/export", summary="Export an interview", status_code=200)
    async def export_panel(self, person: str, practice_panels: PanelsService, panel_id: str) -> Panel:
        """Get all that you may see of an interview; the audit log says that you did."""
        return await practice_panels.export(person=person, panel_id=panel_id)

    @delete("/{panel_id:str}", summary="Erase an interview")
    async def erase_panel(self, person: str, practice_panels: PanelsService, panel_id: str) -> None:
        """Erase an interview for good; that it was erased stays in the audit log."""
        await practice_panels.erase(person=person, panel_id=panel_id)
