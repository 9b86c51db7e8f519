"""What the demo lays on a person's desk beside its loop: stories, past work, an offer, a plan, an interview.

All of it is labelled wherever it is shown; one's own takes its place, or stands beside it until that is deleted.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from reelwright.kernel.clock import Clock
from reelwright.practice.contract import Question
from reelwright.practice.core.panels import Decision, Mark, PanelDraft, Scorecard
from reelwright.practice.core.past_work import Project
from reelwright.practice.core.pay import Offer
from reelwright.practice.core.plan import PlanWish
from reelwright.practice.core.predicate import sentences
from reelwright.practice.core.stories import Story
from reelwright.practice.service.panels import PanelsService
from reelwright.practice.service.pay import PayService
from reelwright.practice.service.plans import PlansService
from reelwright.practice.service.stories import StoriesService

DAYS_AHEAD = 21
STORIES = (
    Story(
        title="The freeze before the finale",
        situation="Three days before a finale one play in fifty failed to start, and a large release was due.",
        own_action="I traced 400 failed starts by hand and asked for a freeze, against the release's owner. "
        "I wrote the fix for the licence call.",
        outcome="Failed starts fell from 2.1 % to 0.6 %, measured against a control; the release came a week later.",
        reflection="Since then I bring the figures before I ask anybody to stop.",
        shows=("courage", "impact", "judgment"),
    ),
    Story(
        title="The cache that I filled wrong",
        situation="I owned the nightly fill of our caches.",
        own_action="I changed the key of the fill and tested it in one region only.",
        outcome="The hit ratio fell from 97 % to 61 % in two regions for four hours; 30,000 plays stalled.",
        reflection="I wrote my mistake down for everyone, and since then each fill runs beside the old one first.",
        shows=("failure", "candor"),
    ),
    Story(
        title="Two teams, one schema",
        situation="Two teams disagreed on the schema of playback events.",
        own_action="We agreed on a common schema after some meetings.",
        outcome="It went much better for everybody.",
        reflection="Next time I would write the two options down first.",
        shows=("disagreement",),
    ),
)
"""The third is flagged, so that one sees what a flag looks like; standards are a gap."""
PROJECT = Project(
    name="Licence service",
    text="Cut the p99 of the licence service from 900 ms to 120 ms by batching key fetches.\n"
    "We moved 40 clients to the new schema together with the data team.\n"
    "Designed the shard map that every region uses today.",
)
OFFER = Offer(
    name="An offer with stock", base=225_000, bonus=0.15, bonus_paid=0.9, sign_on=50_000, grant=420_000,
    refresher=80_000, vacation_days=25,
)  # fmt: skip
REASONS = "Measured before deciding and named what the change cost; said little of what breaks next."


class SampleDesk:
    """Lays the sample out, once for each person."""

    def __init__(
        self, *, clock: Clock, stories: StoriesService, pay: PayService, plans: PlansService, panels: PanelsService
    ) -> None:
        self._clock = clock
        self._stories = stories
        self._pay = pay
        self._plans = plans
        self._panels = panels

    async def put(self, *, person: str, question: Question) -> None:
        """All of it, unless the person has stories already."""
        if await self._stories.list_stories(person=person):
            return
        for story in STORIES:
            await self._stories.create(person=person, story=story, sample=True)
        await self._stories.put_project(person=person, project=PROJECT, sample=True)
        await self._pay.create_offer(person=person, offer=OFFER, sample=True)
        today = datetime.fromtimestamp(self._clock.wall_ns() / 1e9, UTC).date()
        wish = PlanWish(interview=today + timedelta(days=DAYS_AHEAD), hours_a_week=6)
        await self._plans.put_wish(person=person, wish=wish, sample=True)
        await self._put_panel(person, question)

    async def _put_panel(self, person: str, question: Question) -> None:
        """An interview that was held, scored and decided; its answer is our model answer."""
        draft = PanelDraft(
            candidate="Sample Candidate", role="senior", question_ids=(question.id,),
            interviewers=("Sample Kim", "Sample Lee"),
        )  # fmt: skip
        panel_id, tokens = await self._panels.create(person=person, draft=draft, sample=True)
        candidate, *interviewers = tokens.values()
        await self._panels.consent(candidate)
        await self._panels.answer(candidate, number=0, text=question.model_answer)
        await self._panels.finish(candidate)
        first = sentences(question.model_answer)[0]
        quote = question.model_answer[first.start : first.end]
        marks = {f"0/{question.criteria[0].id}": Mark(state="met", quote=quote)}
        for token in interviewers:
            await self._panels.score(token, Scorecard(marks=marks, recommends="yes", reasons=REASONS))
        decision = Decision(outcome="hire", reasons=f"Both interviewers agree. {REASONS}", decided_by="Sample Kim")
        await self._panels.decide(person=person, panel_id=panel_id, decision=decision)
