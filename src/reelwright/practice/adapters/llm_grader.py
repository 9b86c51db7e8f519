"""The grader that asks a language model, twice, and believes only quotes that code finds in the answer."""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Callable, Sequence

from reelwright.practice.adapters.chat import ChatEndpoint, Reply
from reelwright.practice.contract import Criterion, Verdict
from reelwright.practice.core.reply import agree, prompt, read_reply

BATCH = 6
"""Criteria a call: long lists are judged carelessly."""
Spent = Callable[[Reply], None]


class LlmGrader:
    """Two passes, the second with the criteria reversed; where they disagree nothing is said."""

    def __init__(self, endpoint: ChatEndpoint, *, spent: Spent = lambda _reply: None) -> None:
        self._endpoint = endpoint
        self._spent = spent
        form = prompt(asks="", criteria=(), answer="", fence="")
        self.id = f"llm:{endpoint.model}:{hashlib.sha256(form.encode()).hexdigest()[:8]}"

    def grade(self, *, asks: str, criteria: Sequence[Criterion], answer: str) -> tuple[Verdict, ...]:
        """One verdict for each criterion, in their order. Raises EndpointFailed."""
        found: dict[str, Verdict] = {}
        for at in range(0, len(criteria), BATCH):
            batch = tuple(criteria[at : at + BATCH])
            first, second = (self._pass(asks, order, answer) for order in (batch, batch[::-1]))
            found |= {verdict.criterion: verdict for verdict in agree(first, second)}
        return tuple(found[criterion.id] for criterion in criteria)

    def _pass(self, asks: str, criteria: Sequence[Criterion], answer: str) -> tuple[Verdict, ...]:
        fence = secrets.token_hex(8)
        reply = self._endpoint.ask(prompt(asks=asks, criteria=criteria, answer=answer, fence=fence))
        self._spent(reply)
        return read_reply(reply.text, asks=asks, criteria=criteria, answer=answer, grader=self.id)
