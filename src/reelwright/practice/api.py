"""Routes of practice."""

from __future__ import annotations

from typing import Annotated, Any, Literal

import anyio.to_thread
import msgspec
from litestar import Controller, Request, Response, delete, get, post, put
from litestar.di import Provide
from litestar.exceptions import NotAuthorizedException
from litestar.response import Stream
from msgspec import Meta

from reelwright.kernel.live import live
from reelwright.kernel.principal import principal_of
from reelwright.kernel.system import Resources
from reelwright.practice.contract import (
    GraderTold,
    Interview,
    LabRun,
    LabTold,
    Loop,
    Opinion,
    Pace,
    Packet,
    Pay,
    Role,
    Skill,
    Stage,
    Track,
)
from reelwright.practice.core.cards import Card, Rating, Reviewed
from reelwright.practice.core.panels import Decision, PanelDraft, Scorecard, Seat
from reelwright.practice.core.past_work import ASKED, LineQuestion, Project, questions_about
from reelwright.practice.core.pay import Assumptions, Comparison, Offer
from reelwright.practice.core.plan import Plan, PlanWish
from reelwright.practice.core.reply import MAX_REPLY_CHARS
from reelwright.practice.core.stories import Flag, Matrix, Story, draw_matrix, find_flags
from reelwright.practice.service import (
    CardsService,
    Everything,
    EverythingService,
    LabsService,
    LoopsService,
    ModelService,
    OpinionsService,
    PanelsService,
    PayService,
    PlansService,
    PracticeService,
    StoriesService,
)
from reelwright.practice.service.panels import Entry, Pack, Panel

LOCAL = "local"
MAX_SOURCE_CHARS = 100_000


def person_of(request: Request[Any, Any, Any], resources: Resources) -> str:
    """Who practises: whoever is signed in; else, on this machine itself and behind no proxy, its one local person."""
    caller = principal_of(request)
    if caller.user_id is not None:
        return caller.user_id
    near = request.client is not None and request.client.host in ("127.0.0.1", "::1")
    if near and not resources.settings.trusted_proxies and caller.kind == "nobody":
        return LOCAL
    raise NotAuthorizedException("sign in first; without an account one practises only on the machine itself")


PERSON = {"person": Provide(person_of, sync_to_thread=False)}


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


class NewComparison(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Two offers, and what nobody promises."""

    first: Offer
    second: Offer
    assumptions: Assumptions = Assumptions()


class NewId(msgspec.Struct, frozen=True):
    """The id of what was made."""

    id: str


class PayRoutes(Controller):
    """What levels pay, and what offers are worth."""

    path = "/api/v1/practice/pay"
    tags = ("practice",)
    dependencies = PERSON

    @get("/levels", summary="Get the level table")
    async def get_levels(self, person: str, practice_pay: PayService, style: str = "netflix") -> Pay:
        """Get what each level pays: the style's estimates, or your own edition of them."""
        return await practice_pay.get_levels(person=person, style=style)

    @put("/levels", summary="Edit the level table")
    async def put_levels(self, person: str, practice_pay: PayService, data: Pay, style: str = "netflix") -> Pay:
        """Edit what each level pays, for yourself alone."""
        return await practice_pay.put_levels(person=person, pay=data, style=style)

    @get("/offers", summary="List offers")
    async def list_offers(self, person: str, practice_pay: PayService) -> dict[str, Offer]:
        """List your offers by id."""
        return await practice_pay.list_offers(person=person)

    @post("/offers", summary="Keep an offer")
    async def create_offer(self, person: str, practice_pay: PayService, data: Offer) -> NewId:
        """Keep an offer with its base, bonus, sign-on, grant, cliff, refreshers and vacation."""
        return NewId(await practice_pay.create_offer(person=person, offer=data))

    @put("/offers/{offer_id:str}", summary="Change an offer")
    async def put_offer(self, person: str, practice_pay: PayService, offer_id: str, data: Offer) -> Offer:
        """Change an offer of yours."""
        return await practice_pay.put_offer(person=person, offer_id=offer_id, offer=data)

    @delete("/offers/{offer_id:str}", summary="Delete an offer")
    async def delete_offer(self, person: str, practice_pay: PayService, offer_id: str) -> None:
        """Forget an offer of yours."""
        await practice_pay.delete_offer(person=person, offer_id=offer_id)

    @post("/comparison", summary="Compare two offers", status_code=200)
    async def compare(self, person: str, practice_pay: PayService, data: NewComparison) -> Comparison:  # noqa: ARG002
        """Compare two offers: paths, certainty equivalents, break-even growth, what speaks for each."""
        return await practice_pay.compare(**msgspec.structs.asdict(data))


class StoryTold(msgspec.Struct, frozen=True):
    """A story, and what would be doubted in it."""

    story: Story
    flags: tuple[Flag, ...]


class StoryRoutes(Controller):
    """Stories of one's own, and the past work that interviews ask about."""

    path = "/api/v1/practice"
    tags = ("practice",)
    dependencies = PERSON

    @get("/stories", summary="List stories")
    async def list_stories(self, person: str, practice_stories: StoriesService) -> dict[str, StoryTold]:
        """List your stories by id, each with what would be doubted in it and by which words."""
        stories = await practice_stories.list_stories(person=person)
        return {name: StoryTold(story, find_flags(story)) for name, story in stories.items()}

    @post("/stories", summary="Keep a story")
    async def create_story(self, person: str, practice_stories: StoriesService, data: Story) -> NewId:
        """Keep a story: situation, own action, measured outcome, reflection, and the topics it shows."""
        return NewId(await practice_stories.create(person=person, story=data))

    @get("/stories/matrix", summary="Get the matrix of stories")
    async def get_matrix(self, person: str, practice_stories: StoriesService) -> Matrix:
        """Get which stories speak for which topic, where there are gaps, and which story is told too often."""
        return draw_matrix(await practice_stories.list_stories(person=person))

    @put("/stories/{story_id:str}", summary="Change a story")
    async def put_story(self, person: str, practice_stories: StoriesService, story_id: str, data: Story) -> StoryTold:
        """Change a story, and see what would be doubted in it now."""
        story = await practice_stories.put(person=person, story_id=story_id, story=data)
        return StoryTold(story, find_flags(story))

    @delete("/stories/{story_id:str}", summary="Delete a story")
    async def delete_story(self, person: str, practice_stories: StoriesService, story_id: str) -> None:
        """Forget a story of yours."""
        await practice_stories.delete(person=person, story_id=story_id)

    @get("/projects", summary="List projects")
    async def list_projects(self, person: str, practice_stories: StoriesService) -> dict[str, Project]:
        """List your projects by id; the pasted CV has the id `cv`."""
        return await practice_stories.list_projects(person=person)

    @post("/projects", summary="Keep a project")
    async def create_project(self, person: str, practice_stories: StoriesService, data: Project) -> NewId:
        """Keep one of three projects, whose lines interviews then ask about."""
        return NewId(await practice_stories.put_project(person=person, project=data))

    @put("/projects/{project_id:str}", summary="Change a project")
    async def put_project(
        self, person: str, practice_stories: StoriesService, project_id: str, data: Project
    ) -> NewId:
        """Change a project of yours, or keep a pasted CV under the id `cv`."""
        return NewId(await practice_stories.put_project(person=person, project=data, project_id=project_id))

    @delete("/projects/{project_id:str}", summary="Delete a project")
    async def delete_project(self, person: str, practice_stories: StoriesService, project_id: str) -> None:
        """Forget a project of yours, or the CV."""
        await practice_stories.delete_project(person=person, project_id=project_id)

    @get("/projects/questions", summary="List questions about your lines")
    async def list_questions(self, person: str, practice_stories: StoriesService) -> list[LineQuestion]:
        """List what recruiter, phone and deep-dive interviews would ask, each with the line it quotes."""
        lines = await practice_stories.list_lines(person)
        return [one for stage in ASKED for one in questions_about(lines, stage, seed=person)]


class NewReview(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How a card was recalled: in a sentence that is judged, else by one's own rating."""

    rating: Rating = "again"
    text: Annotated[str, Meta(max_length=10_000)] = ""


class PlanRoutes(Controller):
    """The plan until the interview, and the cards of what was missed."""

    path = "/api/v1/practice"
    tags = ("practice",)
    dependencies = PERSON

    @get("/plan", summary="Get the plan")
    async def get_plan(self, person: str, practice_plans: PlansService) -> Plan | None:
        """Get the plan by day, made anew from what you did, with one thing to do today; null where there is none."""
        return await practice_plans.find_plan(person=person)

    @put("/plan", summary="Plan until the interview")
    async def put_plan(self, person: str, practice_plans: PlansService, data: PlanWish) -> Plan | None:
        """Say when the interview is and how many hours a week there are."""
        await practice_plans.put_wish(person=person, wish=data)
        return await practice_plans.find_plan(person=person)

    @delete("/plan", summary="Forget the plan")
    async def delete_plan(self, person: str, practice_plans: PlansService) -> None:
        """Forget the date and the hours."""
        await practice_plans.delete_wish(person=person)

    @get("/plan.ics", summary="Get the plan as a calendar", media_type="text/calendar")
    async def get_calendar(self, person: str, practice_plans: PlansService, resources: Resources) -> Response[bytes]:
        """Get the plan as an iCalendar file (RFC 5545); importing it again doubles nothing."""
        body = await practice_plans.write_calendar(person=person, url=resources.public_url)
        return Response(body, media_type="text/calendar; charset=utf-8")

    @get("/cards", summary="List cards")
    async def list_cards(self, person: str, practice_cards: CardsService) -> list[Card]:
        """List each criterion that your latest answer missed, with when it is due, the first due first."""
        return await practice_cards.list_cards(person=person)

    @post("/cards/{card_id:str}/reviews", summary="Recall a card", status_code=200)
    async def review(self, person: str, practice_cards: CardsService, card_id: str, data: NewReview) -> Reviewed:
        """Recall a card: a sentence is judged by its criterion, else your rating counts; FSRS sets the date."""
        return await practice_cards.review(person=person, card_id=card_id, rating=data.rating, text=data.text)


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


ROUTES = (PracticeRoutes, OpinionRoutes, LabRoutes, PayRoutes, StoryRoutes, PlanRoutes, PanelRoutes, InvitedRoutes)
