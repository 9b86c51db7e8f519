"""Pages of practice: today, the interview room with its feedback, progress."""

from __future__ import annotations

from typing import Any, get_args

import msgspec
from litestar import Controller, Request, Response, get, post

from reelwright.accounts.service import AccountsService
from reelwright.kernel.errors import Invalid
from reelwright.kernel.system import Resources
from reelwright.practice.api import person_of
from reelwright.practice.contract import Role, Stage, Track, TurnMoved
from reelwright.practice.core.levels import WORDS
from reelwright.practice.core.loop import STAGE_MINUTES
from reelwright.practice.service import PracticeService
from reelwright.web.forms import go, read_form
from reelwright.web.pages import profile_of
from reelwright.web.render import Renderer

STAGE_NAMES: dict[Stage, str] = {
    "recruiter": "Recruiter screen", "phone": "Technical phone screen", "coding": "Onsite: coding on a real problem",
    "design": "Onsite: system design", "deep_dive": "Onsite: deep dive", "behavioural": "Onsite: behavioural",
    "manager": "Onsite: engineering manager", "product": "Product manager", "designer": "Designer",
}  # fmt: skip
CHOICES: dict[str, Any] = {
    "roles": get_args(Role),
    "tracks": get_args(Track),
    "stages": STAGE_NAMES,
    "minutes": STAGE_MINUTES,
}


class PracticePages(Controller):
    """Practice for whoever is signed in, and for the one person at the machine itself."""

    path = "/practice"
    include_in_schema = False

    @get("/")
    async def today(
        self,
        request: Request[Any, Any, Any],
        practice: PracticeService,
        resources: Resources,
        accounts: AccountsService,
        renderer: Renderer,
    ) -> Response[Any]:
        """What to do next, the stages, and what was done."""
        interviews = await practice.list_interviews(person=person_of(request, resources))
        profile = await profile_of(request, accounts)
        return renderer.page(request, "practice/today.html", profile=profile, interviews=interviews, **CHOICES)

    @post("/")
    async def start(
        self,
        request: Request[Any, Any, Any],
        practice: PracticeService,
        resources: Resources,
        accounts: AccountsService,
    ) -> Response[Any]:
        """Begin a stage."""
        person, form = person_of(request, resources), await read_form(request, accounts)
        try:
            stage = msgspec.convert(form.get("stage"), Stage)
            role = msgspec.convert(form.get("role", "senior"), Role)
            track = msgspec.convert(form.get("track", "streaming"), Track)
        except msgspec.ValidationError as error:
            raise Invalid(f"no such stage, role or track: {error}") from error
        interview = await practice.start(person=person, stage=stage, role=role, track=track)
        return go(f"/practice/interviews/{interview.id}")

    @get("/interviews/{interview_id:str}")
    async def room(
        self,
        request: Request[Any, Any, Any],
        practice: PracticeService,
        resources: Resources,
        accounts: AccountsService,
        renderer: Renderer,
        interview_id: str,
    ) -> Response[Any]:
        """The question that waits, and the feedback on every answer so far, the newest first."""
        interview = await practice.get(person=person_of(request, resources), interview_id=interview_id)
        return renderer.page(
            request, "practice/room.html", profile=await profile_of(request, accounts), interview=interview,
            problem="", draft="", words=WORDS, **CHOICES,
        )  # fmt: skip

    @post("/interviews/{interview_id:str}")
    async def answer(
        self,
        request: Request[Any, Any, Any],
        practice: PracticeService,
        resources: Resources,
        accounts: AccountsService,
        renderer: Renderer,
        interview_id: str,
    ) -> Response[Any]:
        """Answer, pause or go on; an answer that came too late is given back, not lost."""
        person, form = person_of(request, resources), await read_form(request, accounts)
        if form.get("do") in ("pause", "go_on"):
            await practice.put_timer(person=person, interview_id=interview_id, running=form["do"] == "go_on")
            return go(f"/practice/interviews/{interview_id}")
        turn, text = form.get("turn", ""), form.get("answer", "")
        try:
            if not turn.isdecimal():
                raise Invalid("the form named no turn; reload the page")
            await practice.answer(person=person, interview_id=interview_id, turn=int(turn[:6]), text=text)
        except TurnMoved as error:
            interview = await practice.get(person=person, interview_id=interview_id)
            return renderer.page(
                request, "practice/room.html", status=409, profile=await profile_of(request, accounts),
                interview=interview, problem=str(error), draft=text, words=WORDS, **CHOICES,
            )  # fmt: skip
        return go(f"/practice/interviews/{interview_id}")

    @get("/progress")
    async def progress(
        self,
        request: Request[Any, Any, Any],
        practice: PracticeService,
        resources: Resources,
        accounts: AccountsService,
        renderer: Renderer,
    ) -> Response[Any]:
        """What the answers say of each dimension."""
        skills = await practice.list_skills(person=person_of(request, resources))
        profile = await profile_of(request, accounts)
        return renderer.page(request, "practice/progress.html", profile=profile, skills=skills)


ROUTES = (PracticePages,)
