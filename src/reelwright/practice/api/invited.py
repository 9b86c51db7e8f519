"""Routes of those who were invited by a link."""

from __future__ import annotations

from typing import Any

import msgspec
from litestar import Controller, delete, get, post, put

from reelwright.practice.core.panels import Scorecard, Seat
from reelwright.practice.service import (
    PanelsService,
)
from reelwright.practice.service.panels import Panel


class Opened(msgspec.Struct, frozen=True):
    """An interview as the holder of a link may see it."""

    panel: Panel
    seat: Seat


class Written(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A candidate's answer to one question."""

    number: int
    text: str


class InvitedRoutes(Controller):
    """What the holder of a link may do, without an account."""

    path = "/api/v1/invited/{token:str}"
    tags = ("practice",)

    @get("/", summary="Open an invitation")
    async def open_invite(self, practice_panels: PanelsService, token: str) -> Opened:
        """Open an interview by its link: an interviewer sees criteria and challenges, too."""
        return Opened(*await practice_panels.open(token))

    @post("/consent", summary="Agree and begin", status_code=204)
    async def consent(self, practice_panels: PanelsService, token: str) -> None:
        """Agree as the candidate to what is kept and for how long; the time begins."""
        await practice_panels.consent(token)

    @put("/answers", summary="Keep an answer", status_code=204)
    async def put_answer(self, practice_panels: PanelsService, token: str, data: Written) -> None:
        """Keep the candidate's answer to a question; 409 before consent and after the end."""
        await practice_panels.answer(token, number=data.number, text=data.text)

    @post("/finish", summary="Finish", status_code=204)
    async def finish(self, practice_panels: PanelsService, token: str) -> None:
        """Finish as the candidate; answers stand as they are."""
        await practice_panels.finish(token)

    @post("/scorecard", summary="Give a scorecard", status_code=204)
    async def score(self, practice_panels: PanelsService, token: str, data: Scorecard) -> None:
        """Give an interviewer's scorecard, once; each 'met' has the candidate's words."""
        await practice_panels.score(token, data)

    @post("/export", summary="Export one's answers", status_code=200)
    async def export_own(self, practice_panels: PanelsService, token: str) -> dict[str, Any]:
        """Get what the candidate gave."""
        return await practice_panels.export_own(token)

    @delete("/", summary="Withdraw")
    async def erase_own(self, practice_panels: PanelsService, token: str) -> None:
        """Withdraw as the candidate: answers, scorecards and names are erased for good."""
        await practice_panels.erase_own(token)
