"""The interviewer converses: words come as they are said, and whatever the endpoint does a challenge waits."""

from __future__ import annotations

import json
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import aclosing, asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from tests.composed import Composed, composed
from tests.integration.practice import endpoint as fake
from typer.testing import CliRunner

from reelwright.practice.adapters.bank import load_questions
from reelwright.practice.cli import app
from reelwright.practice.contract import Interview, Said, TurnMoved
from reelwright.practice.core.followup import showable
from reelwright.practice.service import model
from reelwright.practice.service.interviews import PracticeService
from reelwright.practice.system import PracticeSystem

pytestmark = pytest.mark.anyio
SCRIPTED = {one.asks for question in load_questions() for one in question.challenges}
ANSWER = "We keep one counter for each key in one place, and every node asks it before it lets a request in."
QUOTE = "every node asks it"
ENDS = f'You said "{QUOTE}". What happens when it is gone?'
LONG_S = 30.0
PERSON = "local"


def pieces(text: str) -> Iterator[str]:
    """A sentence as models say it."""
    yield from (text[at : at + 3] for at in range(0, len(text), 3))


@asynccontextmanager
async def home_with(tmp_path: Path, behaviour: fake.Behaviour, **settings: Any) -> AsyncIterator[Home]:
    """The application with a model that behaves so when it is asked to converse, and hangs up on all else."""

    def behaves(asked: fake.Asked) -> None:
        behaviour(asked) if "Challenge:" in asked.prompt else fake.busy(asked)

    with fake.endpoint(behaves) as server:
        async with composed(tmp_path, practice={"llm_url": server.url, "llm_model": "m", **settings}) as made:
            yield Home(made, server)


class Home:
    """The application and its endpoint."""

    def __init__(self, made: Composed, server: fake.Endpoint) -> None:
        self.made, self.server = made, server

    @property
    def service(self) -> PracticeService:
        """Interviews."""
        return next(one for one in self.made.wiring.systems if isinstance(one, PracticeSystem)).service

    async def challenged(self) -> Interview:
        """An interview whose first answer is challenged."""
        for _ in range(8):
            begun = await self.service.start(person=PERSON, stage="design", role="senior", track="streaming")
            found = await self.service.answer(person=PERSON, interview_id=begun.id, turn=0, text=ANSWER)
            if found.turns[1].challenge_id:
                assert found.turns[1].asks in SCRIPTED and found.turns[1].to_word
                return found
        raise AssertionError("no answer was challenged")

    async def hear(self, interview: Interview) -> list[Said]:
        """All that is said."""
        said = await self.service.say(person=PERSON, interview_id=interview.id, turn=1)
        return [one async for one in said]

    async def asks(self, interview: Interview) -> str:
        """What is asked now."""
        found = await self.service.get(person=PERSON, interview_id=interview.id)
        assert not found.turns[1].to_word
        return found.turns[1].asks

    @property
    def conversations(self) -> int:
        """How often the endpoint was asked to converse."""
        return sum("Challenge:" in one["messages"][0]["content"] for one in self.server.bodies)


async def test_words_are_heard_while_the_endpoint_is_still_speaking(tmp_path: Path) -> None:
    """The endpoint goes on only once its first words were heard: nothing waits for the whole sentence."""
    heard = threading.Event()

    def speaks(asked: fake.Asked) -> None:
        def halting() -> Iterator[str]:
            yield "You said "
            assert heard.wait(LONG_S)
            yield from pieces(ENDS.removeprefix("You said "))

        asked.stream(halting())

    async with home_with(tmp_path, speaks) as home:
        interview, said = await home.challenged(), []
        async for one in await home.service.say(person=PERSON, interview_id=interview.id, turn=1):
            said.append(one)
            heard.set()
        assert said[0].more == "You said" and len(said) > 5
        assert "".join(one.more for one in said) == ENDS == said[-1].asks
        assert await home.asks(interview) == ENDS
        answered = await home.service.answer(
            person=PERSON, interview_id=interview.id, turn=1, text="Then we fail open."
        )
        assert answered.turns[1].asks == ENDS and answered.turns[1].verdicts


async def test_over_http_the_last_message_is_what_is_asked(tmp_path: Path) -> None:
    """As Server-Sent Events; a turn that does not wait is refused before anything is said."""
    async with home_with(tmp_path, lambda asked: asked.stream(pieces(ENDS))) as home:
        interview, client = await home.challenged(), home.made.client()
        room = (await client.get(f"/practice/interviews/{interview.id}")).text
        path = f"/api/v1/practice/interviews/{interview.id}/turns"
        assert f'data-words="{path}/1/words"' in room
        told = await client.post(f"{path}/1/words")
        assert told.status_code == 200 and told.headers["content-type"].startswith("text/event-stream")
        messages = [json.loads(line.removeprefix("data: ")) for line in told.text.split("\n\n") if line]
        assert messages[-1] == {"asks": ENDS} and all(set(one) == {"more"} for one in messages[:-1])
        room = (await client.get(f"/practice/interviews/{interview.id}")).text
        assert "data-words" not in room and "What happens when it is gone?" in room
        for turn in (0, 2, 99):
            assert (await client.post(f"{path}/{turn}/words")).status_code == 409


def plain(asked: fake.Asked) -> None:
    """A whole completion: it knows no streams."""
    asked.say(ENDS)


def without_counting(asked: fake.Asked) -> None:
    """400 for what it does not know."""
    if "stream_options" in asked.server.bodies[-1]:
        asked.send(400, b"no stream_options")
    else:
        asked.stream(pieces(ENDS))


def reasoning(asked: fake.Asked) -> None:
    """400 for the bound and the temperature that other models take; and it thinks aloud first."""
    if fake.particular(asked) == "bounded":
        asked.stream(pieces(f"<think>{'It asks what happens then. ' * 40}</think>\n\n{ENDS}"))


@pytest.mark.parametrize("behaviour", [plain, without_counting, reasoning], ids=lambda one: one.__name__)
async def test_endpoints_that_know_less_are_understood(tmp_path: Path, behaviour: fake.Behaviour) -> None:
    """One piece, no count of tokens, or other names for the same."""
    async with home_with(tmp_path, behaviour) as home:
        interview = await home.challenged()
        heard = await home.hear(interview)
        assert heard[-1].asks == ENDS == await home.asks(interview)
        assert not any("asks what" in one.more for one in heard)


def silent_after_a_word(asked: fake.Asked) -> None:
    """It hangs in the middle."""

    def hanging() -> Iterator[str]:
        yield "You said "
        asked.server.ending.wait(LONG_S)

    asked.stream(hanging())


def breaking_off(asked: fake.Asked) -> None:
    """The connection ends in the middle."""
    asked.stream(pieces(ENDS[:30]), ends=False)


def inventing(asked: fake.Asked) -> None:
    """A quotation of what nobody said."""
    asked.stream(pieces('You said "I never thought about this at all". Why?'))


def praising(asked: fake.Asked) -> None:
    """No question."""
    asked.stream(pieces(f'"{QUOTE}" is a great answer!'))


def no_chunks(asked: fake.Asked) -> None:
    """Events of another kind."""
    asked.send(200, b'data: ["what"]\n\n', Content_Type="text/event-stream")


FAILURES = [
    fake.hanging, fake.dripping, fake.busy, fake.endless, fake.no_completion, silent_after_a_word, breaking_off,
    inventing, praising, no_chunks,
]  # fmt: skip


@pytest.mark.parametrize("behaviour", FAILURES, ids=lambda one: one.__name__)
async def test_whatever_the_endpoint_does_the_scripted_challenge_waits(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, behaviour: fake.Behaviour
) -> None:
    """It was saved before the endpoint was asked, it is what is told last, and it can be answered."""
    monkeypatch.setattr(model, "PIECE_S", 0.3)
    async with home_with(tmp_path, behaviour) as home:
        interview = await home.challenged()
        said = await home.hear(interview)
        assert said[-1].asks == interview.turns[1].asks == await home.asks(interview)
        shown = "".join(one.more for one in said)
        assert showable(shown, answer=ANSWER) == shown and "never thought" not in shown
        answered = await home.service.answer(person=PERSON, interview_id=interview.id, turn=1, text="We fail open.")
        assert answered.turns[1].answer == "We fail open."


async def test_who_answers_meanwhile_answers_what_was_scripted(tmp_path: Path) -> None:
    """What somebody answered is not changed under them, and the interview has gone on."""
    answered = threading.Event()

    def slow(asked: fake.Asked) -> None:
        def halting() -> Iterator[str]:
            yield "You said "
            assert answered.wait(LONG_S)
            yield from pieces(ENDS.removeprefix("You said "))

        asked.stream(halting())

    async with home_with(tmp_path, slow) as home:
        interview, last = await home.challenged(), Said()
        async for one in await home.service.say(person=PERSON, interview_id=interview.id, turn=1):
            last = one
            if not answered.is_set():
                await home.service.answer(person=PERSON, interview_id=interview.id, turn=1, text="We fail open.")
                answered.set()
        assert last.asks == interview.turns[1].asks == await home.asks(interview)
        with pytest.raises(TurnMoved):
            await home.service.say(person=PERSON, interview_id=interview.id, turn=1)


async def test_of_two_devices_one_hears_the_words_come(tmp_path: Path) -> None:
    """The endpoint is asked once, also after a reload; the other device hears what is asked."""
    async with home_with(tmp_path, lambda asked: asked.stream(pieces(ENDS))) as home:
        interview = await home.challenged()
        first = await home.service.say(person=PERSON, interview_id=interview.id, turn=1)
        assert await home.hear(interview) == [Said(asks=interview.turns[1].asks)]
        assert [one async for one in first][-1].asks == ENDS
        assert await home.hear(interview) == [Said(asks=ENDS)] and home.conversations == 1


async def test_who_goes_away_in_the_middle_loses_no_turn_and_what_was_said_is_paid_for(tmp_path: Path) -> None:
    """Also where the endpoint has not counted: the budget knows."""
    async with home_with(tmp_path, silent_after_a_word, llm_usd_per_million_in=1000) as home:
        interview = await home.challenged()
        said = await home.service.say(person=PERSON, interview_id=interview.id, turn=1)
        async with aclosing(said) as stream:  # type: ignore[type-var]
            assert (await anext(stream)).more == "You said"
        assert await home.asks(interview) == interview.turns[1].asks
        assert (await home.made.client().get("/api/v1/practice/model")).json()["spent_usd"] > 0


async def test_beyond_the_budget_nobody_is_asked(tmp_path: Path) -> None:
    """The scripted challenge is told at once."""
    async with home_with(tmp_path, lambda asked: asked.stream(pieces(ENDS)), llm_budget_usd=0) as home:
        interview = await home.challenged()
        assert await home.hear(interview) == [Said(asks=interview.turns[1].asks)] and home.conversations == 0


@pytest.mark.parametrize(("behaviour", "asked"), [(plain, True), (breaking_off, False)], ids=["speaks", "breaks off"])
def test_the_terminal_converses_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, behaviour: fake.Behaviour, asked: bool
) -> None:
    """What was said is asked, or, where it broke off, the scripted challenge after it."""
    with fake.endpoint(behaviour) as server:
        monkeypatch.setenv("REELWRIGHT_PRACTICE_LLM_URL", server.url)
        monkeypatch.setenv("REELWRIGHT_PRACTICE_LLM_MODEL", "m")
        for number in range(8):
            data = str(tmp_path / str(number))
            run = CliRunner().invoke(app, ["start", "--stage", "design", "--data", data], input=f"{ANSWER}\n\n")
            assert run.exit_code == 0, run.output
            if "You said" in run.output:
                break
        else:
            pytest.fail("no answer was challenged")
    told = " ".join(run.output.split())
    assert told.count(ENDS) == asked
    assert any(" ".join(one.split()) in told for one in SCRIPTED) != asked


async def test_without_a_model_nothing_is_to_be_put_in_words(tmp_path: Path) -> None:
    """The page does not ask for any."""
    async with composed(tmp_path) as made:
        service = next(one for one in made.wiring.systems if isinstance(one, PracticeSystem)).service
        begun = await service.start(person=PERSON, stage="design", role="senior", track="streaming")
        found = await service.answer(person=PERSON, interview_id=begun.id, turn=0, text=ANSWER)
        assert not any(one.to_word for one in found.turns)
        said = await service.say(person=PERSON, interview_id=begun.id, turn=1)
        assert [one async for one in said] == [Said(asks=found.turns[1].asks)]
