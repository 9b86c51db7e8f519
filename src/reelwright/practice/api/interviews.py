"""Routes of interviews, loops, skills, and of everything that is kept."""

from __future__ import annotations

from typing import Any

import msgspec
from litestar import Controller, Request, delete, get, post, put
from litestar.response import Stream

from reelwright.kernel.live import sent
from reelwright.kernel.system import Resources
from reelwright.practice.api.person import person_of
from reelwright.practice.contract import (
    Interview,
    Loop,
    Pace,
    Packet,
    Role,
    Skill,
    Stage,
    Track,
)
from reelwright.practice.service import (
    Everything,
    EverythingService,
    LoopsService,
    PracticeService,
)


class NewInterview(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What to begin."""

    stage: Stage
    role: Role = "senior"
    track: Track = "streaming"


class NewAnswer(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """An answer to the turn that waits."""

    turn: int
    text: str


class NewLoop(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What to plan."""

    role: Role = "senior"
    track: Track = "streaming"
    pace: Pace = "weeks"
    style: str = "netflix"


class NewRound(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Which round to begin or go on with."""

    stage: Stage


class Timer(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Whether the timer runs."""

    running: bool


class PracticeRoutes(Controller):
    """Interviews, their feedback and what they say of one's skills."""

    path = "/api/v1/practice"
    tags = ("practice",)

    @get("/interviews", summary="List interviews")
    async def list_interviews(
        self, request: Request[Any, Any, Any], practice: PracticeService, resources: Resources
    ) -> list[Interview]:
        """List your interviews, newest first, without their turns."""
        return await practice.list_interviews(person=person_of(request, resources))

    @post("/interviews", summary="Start an interview")
    async def start_interview(
        self, request: Request[Any, Any, Any], practice: PracticeService, resources: Resources, data: NewInterview
    ) -> Interview:
        """Start a stage; its first question is in the answer."""
        person = person_of(request, resources)
        return await practice.start(person=person, stage=data.stage, role=data.role, track=data.track)

    @get("/interviews/{interview_id:str}", summary="Get an interview")
    async def get_interview(
        self, request: Request[Any, Any, Any], practice: PracticeService, resources: Resources, interview_id: str
    ) -> Interview:
        """Get an interview with every turn, its verdicts and their quotes."""
        return await practice.get(person=person_of(request, resources), interview_id=interview_id)

    @post("/interviews/{interview_id:str}/answers", summary="Answer the turn that waits")
    async def answer(
        self,
        request: Request[Any, Any, Any],
        practice: PracticeService,
        resources: Resources,
        interview_id: str,
        data: NewAnswer,
    ) -> Interview:
        """Save and judge an answer; 409 where another device answered that turn first."""
        person = person_of(request, resources)
        return await practice.answer(person=person, interview_id=interview_id, turn=data.turn, text=data.text)

    @put("/interviews/{interview_id:str}/timer", summary="Pause or go on")
    async def put_timer(
        self,
        request: Request[Any, Any, Any],
        practice: PracticeService,
        resources: Resources,
        interview_id: str,
        data: Timer,
    ) -> Interview:
        """Pause the timer of an interview, or let it run on."""
        person = person_of(request, resources)
        return await practice.put_timer(person=person, interview_id=interview_id, running=data.running)

    @put("/interviews/{interview_id:str}/draft", summary="Keep a draft", status_code=204)
    async def put_draft(
        self,
        request: Request[Any, Any, Any],
        practice: PracticeService,
        resources: Resources,
        interview_id: str,
        data: NewAnswer,
    ) -> None:
        """Keep what was typed so far; 409 where the turn has its answer."""
        person = person_of(request, resources)
        await practice.put_draft(person=person, interview_id=interview_id, turn=data.turn, text=data.text)

    @post(
        "/interviews/{interview_id:str}/turns/{turn:int}/words", summary="Hear the waiting challenge",
        status_code=200, media_type="text/event-stream",
    )  # fmt: skip
    async def say(
        self,
        request: Request[Any, Any, Any],
        practice: PracticeService,
        resources: Resources,
        interview_id: str,
        turn: int,
    ) -> Stream:
        """Hear the waiting challenge put in words that take up your answer, as they come.

        Server-Sent Events with `more`; the last has `asks`, what is asked: as scripted where the words failed.
        """
        said = await practice.say(person=person_of(request, resources), interview_id=interview_id, turn=turn)
        return sent(said)

    @get("/loops", summary="List loops")
    async def list_loops(
        self, request: Request[Any, Any, Any], practice_loops: LoopsService, resources: Resources
    ) -> list[Loop]:
        """List your interview loops, newest first."""
        return await practice_loops.list_loops(person=person_of(request, resources))

    @post("/loops", summary="Plan a loop")
    async def create_loop(
        self, request: Request[Any, Any, Any], practice_loops: LoopsService, resources: Resources, data: NewLoop
    ) -> Loop:
        """Plan six interviews over four weeks or in one sitting."""
        return await practice_loops.create(person=person_of(request, resources), **msgspec.structs.asdict(data))

    @get("/loops/{loop_id:str}", summary="Get a loop")
    async def get_loop(
        self, request: Request[Any, Any, Any], practice_loops: LoopsService, resources: Resources, loop_id: str
    ) -> Loop:
        """Get a loop with its rounds and their states."""
        return await practice_loops.get(person=person_of(request, resources), loop_id=loop_id)

    @post("/loops/{loop_id:str}/rounds", summary="Begin a round")
    async def begin_round(
        self,
        request: Request[Any, Any, Any],
        practice_loops: LoopsService,
        resources: Resources,
        loop_id: str,
        data: NewRound,
    ) -> Interview:
        """Begin a round of a loop, or go on with it where it has begun."""
        person = person_of(request, resources)
        return await practice_loops.begin_round(person=person, loop_id=loop_id, stage=data.stage)

    @get("/loops/{loop_id:str}/packet", summary="Get the committee's packet")
    async def get_packet(
        self, request: Request[Any, Any, Any], practice_loops: LoopsService, resources: Resources, loop_id: str
    ) -> Packet:
        """Get the decision with its reason and quotes, each dimension against the bar, and every round's levels."""
        return await practice_loops.get_packet(person=person_of(request, resources), loop_id=loop_id)

    @get("/skills", summary="List skills")
    async def list_skills(
        self, request: Request[Any, Any, Any], practice: PracticeService, resources: Resources
    ) -> list[Skill]:
        """List what your answers say of each dimension: a mean with its 80 % band, on the scale of levels."""
        return await practice.list_skills(person=person_of(request, resources))

    @get("/export", summary="Export everything")
    async def export(
        self, request: Request[Any, Any, Any], practice_everything: EverythingService, resources: Resources
    ) -> Everything:
        """Get everything that practice keeps of you, of every kind."""
        return await practice_everything.export(person=person_of(request, resources))

    @delete("/everything", summary="Delete everything")
    async def delete_everything(
        self, request: Request[Any, Any, Any], practice_everything: EverythingService, resources: Resources
    ) -> None:
        """Delete all that practice keeps of you, at once and for good; on SQLite no byte of it stays in the files."""
        await practice_everything.delete(person=person_of(request, resources))
