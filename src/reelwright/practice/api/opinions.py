"""Routes of second opinions and of the language model."""

from __future__ import annotations

from typing import Annotated, Any, Literal

import anyio.to_thread
import msgspec
from litestar import Controller, get, post
from msgspec import Meta

from reelwright.practice.api.person import PERSON
from reelwright.practice.contract import (
    GraderTold,
    Opinion,
)
from reelwright.practice.core.reply import MAX_REPLY_CHARS
from reelwright.practice.service import (
    ModelService,
    OpinionsService,
)


class NewOpinion(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Verdicts on an answer: a pasted reply, or a form filled by oneself or another person."""

    kind: Literal["paste", "self", "human"]
    reply: Annotated[str, Meta(max_length=MAX_REPLY_CHARS)] = ""
    """What a chat replied to the prompt; for `paste`."""
    name: Annotated[str, Meta(max_length=80)] = ""
    """Who judges; for `human`."""
    form: dict[str, tuple[Literal["met", "unmet", "not_assessable"], str]] = {}
    """Criterion to state and the words it rests on."""


class Tested(msgspec.Struct, frozen=True):
    """What a first call to the endpoint brought."""

    said: str


class OpinionRoutes(Controller):
    """Second opinions on answers, and the language model that gives some."""

    path = "/api/v1/practice"
    tags = ("practice",)
    dependencies = PERSON

    @get("/interviews/{interview_id:str}/opinions", summary="List opinions")
    async def list_opinions(
        self, person: str, practice_opinions: OpinionsService, interview_id: str
    ) -> dict[int, list[Opinion]]:
        """List what other graders said, by number of the turn."""
        return await practice_opinions.list_opinions(person=person, interview_id=interview_id)

    @get("/interviews/{interview_id:str}/turns/{number:int}/prompt", summary="Get the prompt of an answer")
    async def get_prompt(
        self, person: str, practice_opinions: OpinionsService, interview_id: str, number: int
    ) -> dict[str, str]:
        """Get the prompt to carry to any chat by hand."""
        return {"prompt": await practice_opinions.get_prompt(person=person, interview_id=interview_id, number=number)}

    @post("/interviews/{interview_id:str}/turns/{number:int}/opinions", summary="Give an opinion")
    async def put_opinion(
        self, person: str, practice_opinions: OpinionsService, interview_id: str, number: int, data: NewOpinion
    ) -> Opinion:
        """Give verdicts on an answer; each 'met' needs words that are in the answer."""
        named: dict[str, Any] = {"person": person, "interview_id": interview_id, "number": number}
        if data.kind == "paste":
            return await practice_opinions.put_pasted(**named, reply=data.reply)
        return await practice_opinions.put_form(**named, kind=data.kind, name=data.name, form=data.form)

    @get("/model", summary="Get the language model")
    async def get_model(self, person: str, practice_model: ModelService) -> GraderTold | None:  # noqa: ARG002
        """Get the language model with its calibration, calls and cost of today; null where none is configured."""
        return await practice_model.tell()

    @post("/model/test", summary="Test the language model", status_code=200)
    async def test_model(self, person: str, practice_model: ModelService) -> Tested:  # noqa: ARG002
        """Call the endpoint once, and say what came of it."""
        return Tested(await anyio.to_thread.run_sync(practice_model.test))
