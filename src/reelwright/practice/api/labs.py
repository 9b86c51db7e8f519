"""Routes of labs and their runs."""

from __future__ import annotations

from typing import Annotated

import msgspec
from litestar import Controller, get, post
from litestar.response import Stream
from msgspec import Meta

from reelwright.kernel.live import live
from reelwright.practice.api.person import PERSON
from reelwright.practice.contract import (
    LabRun,
    LabTold,
)
from reelwright.practice.service import (
    LabsService,
)

MAX_SOURCE_CHARS = 100_000


class NewRun(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Code to run on a lab."""

    source: Annotated[str, Meta(max_length=MAX_SOURCE_CHARS)]
    hidden: bool = False
    """On hidden seeds, drawn now: this is what counts."""
    predicted: float | None = None
    agreed: bool = False
    """Where bubblewrap does not work: whether one's own code may run as oneself, under limits alone."""


class LabRoutes(Controller):
    """Labs, and what came of one's code in them."""

    path = "/api/v1/practice/labs"
    tags = ("practice",)
    dependencies = PERSON

    @get("/", summary="List labs")
    async def list_labs(self, person: str, practice_labs: LabsService) -> list[LabTold]:
        """List the labs: what to write, code to begin with, and your best verdict."""
        return await practice_labs.list_labs(person=person)

    @post("/{lab_id:str}/runs", summary="Run code on a lab", status_code=202)
    async def run(self, person: str, practice_labs: LabsService, lab_id: str, data: NewRun) -> LabRun:
        """Begin a run in the sandbox; ask for it again until it has its result."""
        return await practice_labs.run(person=person, lab_id=lab_id, **msgspec.structs.asdict(data))

    @get("/{lab_id:str}/runs", summary="List runs of a lab")
    async def list_runs(self, person: str, practice_labs: LabsService, lab_id: str) -> list[LabRun]:
        """List your runs of a lab, newest first."""
        practice_labs.get_lab(lab_id)
        return await practice_labs.list_runs(person=person, lab_id=lab_id)

    @get("/{lab_id:str}/runs/{run_id:str}", summary="Get a run")
    async def get_run(self, person: str, practice_labs: LabsService, lab_id: str, run_id: str) -> LabRun:
        """Get a run with its log, and once it is finished verdict, counter-example, measures and standing."""
        practice_labs.get_lab(lab_id)
        return await practice_labs.get_run(person=person, run_id=run_id)

    @get("/{lab_id:str}/runs/{run_id:str}/stream", summary="Follow a run", media_type="text/event-stream")
    async def follow(self, person: str, practice_labs: LabsService, lab_id: str, run_id: str) -> Stream:
        """Follow a run by Server-Sent Events: a message whenever its log grew or its result came."""
        practice_labs.get_lab(lab_id)
        await practice_labs.get_run(person=person, run_id=run_id)

        seen = [(0, False)]  # what the page showed; whatever came since is then a change

        async def look() -> tuple[int, bool]:
            if seen:
                return seen.pop()
            run = await practice_labs.get_run(person=person, run_id=run_id)
            return len(run.log), run.result is not None

        return live(look, every_s=0.5)
