"""The language model that is configured: whether it answers, what it has cost today, what is known of it."""

from __future__ import annotations

import secrets
from collections.abc import AsyncGenerator

import anyio
import anyio.to_thread
import msgspec
import structlog

from reelwright.kernel.clock import Clock
from reelwright.kernel.database import Database
from reelwright.practice.adapters import opinions as sql
from reelwright.practice.adapters.chat import ChatEndpoint, EndpointFailed, Reply
from reelwright.practice.adapters.llm_grader import LlmGrader
from reelwright.practice.contract import Calibration, GraderTold
from reelwright.practice.core.calibration import passes
from reelwright.practice.core.followup import followup_prompt, showable
from reelwright.practice.settings import PracticeSettings

DAY_NS = 86_400 * 10**9
PIECE_S, SENTENCE_S = 2.0, 15.0
"""How long the next piece of a sentence is waited for, and all of it; then the scripted one is asked."""
CHARS_A_TOKEN = 4
"""Roughly; for endpoints that stream without counting."""
log = structlog.get_logger(__name__)


class ModelService:
    """The one language model of this installation, if any."""

    def __init__(self, *, database: Database, clock: Clock, settings: PracticeSettings) -> None:
        self._database = database
        self._clock = clock
        self._settings = settings
        self._endpoint: ChatEndpoint | None = None
        if settings.llm_url and settings.llm_model:
            self._endpoint = ChatEndpoint(
                url=settings.llm_url, model=settings.llm_model, key=settings.llm_key, timeout_s=settings.llm_timeout_s
            )

    @property
    def grader(self) -> LlmGrader | None:
        """The grader that asks it."""
        return LlmGrader(self._endpoint, spent=self._spend) if self._endpoint else None

    def affordable(self) -> bool:
        """Whether today's budget allows another call."""
        with self._database.reading() as connection:
            spent, _ = sql.get_spending(connection, self._day())
        return spent < self._settings.llm_budget_usd

    async def converse(self, *, asked: str, answer: str, challenge: str) -> AsyncGenerator[str]:
        """The challenge in words that quote the candidate: what may be shown of it so far, again with each piece.

        It ends early where the endpoint fails or is too slow, says what it may not, or costs too much.
        """
        if self._endpoint is None or not await anyio.to_thread.run_sync(self.affordable):
            return
        prompt = followup_prompt(asked=asked, answer=answer, challenge=challenge, fence=secrets.token_hex(8))
        said, tokens_in, tokens_out = "", 0, 0
        try:
            async for piece in self._endpoint.stream(prompt, first_s=PIECE_S, timeout_s=SENTENCE_S):
                said, tokens_in, tokens_out = said + piece.text, piece.tokens_in, piece.tokens_out
                shown = showable(said, answer=answer)
                if shown is None:
                    return
                yield shown
        except EndpointFailed as error:
            log.info("interviewer_scripted", reason=str(error))
        finally:
            with anyio.CancelScope(shield=True):  # who goes away meanwhile has cost something, too
                reply = Reply(
                    text=said, tokens_in=tokens_in or len(prompt) // CHARS_A_TOKEN,
                    tokens_out=tokens_out or len(said) // CHARS_A_TOKEN,
                )  # fmt: skip
                await anyio.to_thread.run_sync(self._spend, reply)

    def test(self) -> str:
        """What a first call brings, in one sentence."""
        if self._endpoint is None:
            return "No endpoint is configured: set llm_url and llm_model in the section [practice]."
        if not self.affordable():
            return "Not asked: today's budget is spent."
        try:
            reply = self._endpoint.ask("Reply with the word ready.", as_json=False)
        except EndpointFailed as error:
            return f"Failed. {error}"
        self._spend(reply)
        return f"It answers, after {reply.seconds:.1f} s: {reply.text.strip()[:80]!r}"

    async def put_calibration(self, found: Calibration) -> Calibration:
        """Keep what a calibration found."""
        now_ms = self._clock.wall_ns() // 1_000_000
        kept = msgspec.structs.replace(found, passed=passes(found), at_ms=now_ms)
        await self._database.write(sql.put_calibration, kept.grader, msgspec.to_builtins(kept), now_ms)
        return kept

    async def list_passed(self) -> frozenset[str]:
        """Graders whose newest calibration passed."""
        known = await self._database.read(sql.list_calibrations)
        return frozenset(grader for grader, found in known.items() if found["passed"])

    async def tell(self) -> GraderTold | None:
        """The model and its figures; None where none is configured."""
        grader = self.grader
        if grader is None:
            return None
        spent, calls = await self._database.read(sql.get_spending, self._day())
        found = (await self._database.read(sql.list_calibrations)).get(grader.id)
        return GraderTold(
            grader=grader.id, url=self._settings.llm_url, model=self._settings.llm_model,
            calibration=msgspec.convert(found, Calibration) if found else None,
            spent_usd=round(spent, 4), budget_usd=self._settings.llm_budget_usd, calls=calls,
        )  # fmt: skip

    def _spend(self, reply: Reply) -> None:
        settings = self._settings
        usd = (
            reply.tokens_in * settings.llm_usd_per_million_in + reply.tokens_out * settings.llm_usd_per_million_out
        ) / 1e6
        grader = self.grader
        assert grader is not None
        tokens = (reply.tokens_in, reply.tokens_out)
        self._database.transact(sql.add_spending, self._day(), grader.id, usd=usd, tokens=tokens)

    def _day(self) -> int:
        return self._clock.wall_ns() // DAY_NS
