"""Interviewer mode: setting up, what each link's holder sees, the decision, the packet."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, get_args

import msgspec
from litestar import Controller, Request, Response, get, post
from litestar.datastructures import Cookie

from reelwright.accounts.api import Cookies
from reelwright.accounts.service import AccountsService
from reelwright.kernel.errors import Conflict, Invalid
from reelwright.kernel.system import Resources
from reelwright.practice.adapters.bank import load_questions
from reelwright.practice.contract import NoInvite, Role
from reelwright.practice.core.committee import DIMENSION_NAMES
from reelwright.practice.core.panels import (
    MOST_INTERVIEWERS,
    Decision,
    Outcome,
    PanelDraft,
    Recommends,
    Scorecard,
    criteria_of,
)
from reelwright.practice.core.wrong import say_wrong
from reelwright.practice.service import PanelsService
from reelwright.practice.service.panels import Pack
from reelwright.web.forms import go, read_form
from reelwright.web.practice.visit import VISIT, Visit
from reelwright.web.render import Renderer

UNSURE = "type the word erase; nothing was erased"
PACK_CHARS = 200_000
ANSWER_CHARS = 100_000
PRIVATE = {"Cache-Control": "no-store", "X-Robots-Tag": "noindex"}
"""Of pages whose address is a secret."""

LINKS = "links"
LINKS_S = 600
MOST_LINKS = 2 * (1 + MOST_INTERVIEWERS)
"""Of a cookie that carries the links just made from the form to the page that shows them, for so many seconds."""

AREA_NAMES = {
    "cdn": "CDN and edge computing",
    "api_design": "API design and microservices",
    "client_server": "Client and server",
    "hard_tradeoffs": "Hard trade-offs",
    "non_engineers": "Working with non-engineers",
}
"""Of areas whose id does not say it."""


class PanelPages(Controller):
    """Interviews that one runs."""

    path = "/practice/interviewer"
    include_in_schema = False
    dependencies = VISIT

    @get("/")
    async def show(self, visit: Visit, practice_panels: PanelsService) -> Response[Any]:
        """The interviews, the packs, and the audit log."""
        return await _list(visit, practice_panels)

    @get("/new")
    async def blank(self, visit: Visit, practice_panels: PanelsService) -> Response[Any]:
        """The form of a new interview."""
        return await _new(visit, practice_panels, {})

    @post("/new")
    async def create(self, visit: Visit, practice_panels: PanelsService, cookie_jar: Cookies) -> Response[Any]:
        """Set up an interview; its links are shown on its page, for ten minutes."""
        form = await visit.form()
        try:
            panel_id, tokens = await practice_panels.create(person=visit.person, draft=_draft(form))
        except Invalid as error:
            return await _new(visit, practice_panels, form, problem=str(error))
        return _told(cookie_jar, panel_id, tokens.values(), more="?kept=1")

    @post("/packs")
    async def put_pack(self, visit: Visit, practice_panels: PanelsService) -> Response[Any]:
        """Keep a question file, or forget one."""
        form = await visit.form(most=PACK_CHARS)
        name = form.get("name", "").strip()
        try:
            if form.get("do") == "delete":
                await practice_panels.delete_pack(person=visit.person, name=name)
            else:
                await practice_panels.put_pack(person=visit.person, pack=Pack(name=name, text=form.get("text", "")))
        except Invalid as error:
            return await _list(visit, practice_panels, problem=str(error), sent=form)
        return go("/practice/interviewer?kept=1")

    @get("/{panel_id:str}")
    async def open(
        self, visit: Visit, practice_panels: PanelsService, resources: Resources, panel_id: str
    ) -> Response[Any]:
        """One interview as its owner may see it, with the links that were made in this browser just now."""
        tokens = await practice_panels.find_links(person=visit.person, panel_id=panel_id, tokens=_just_made(visit))
        links = {seat_id: f"{resources.public_url}/invited/{token}" for seat_id, token in tokens.items()}
        return await _panel(visit, practice_panels, panel_id, links=links)

    @get("/{panel_id:str}/packet")
    async def packet(self, visit: Visit, practice_panels: PanelsService, panel_id: str) -> Response[Any]:
        """The same to be printed."""
        return await _panel(visit, practice_panels, panel_id, template="panel_packet")

    @post("/{panel_id:str}")
    async def act(
        self, visit: Visit, practice_panels: PanelsService, cookie_jar: Cookies, panel_id: str
    ) -> Response[Any]:
        """Decide, renew or revoke a link, export, erase."""
        form, named = await visit.form(), {"person": visit.person, "panel_id": panel_id}
        if form.get("do") == "erase" and form.get("word", "").strip().lower() != "erase":
            return await _panel(visit, practice_panels, panel_id, problem=UNSURE)
        if form.get("do") == "erase":
            await practice_panels.erase(**named)
            return go("/practice/interviewer")
        if form.get("do") == "excuse":
            await practice_panels.excuse(**named, seat_id=form.get("seat", ""))
            return go(f"/practice/interviewer/{panel_id}")
        if form.get("do") == "export":
            return _download(await practice_panels.export(**named), "interview.json")
        if form.get("do") in ("renew", "revoke"):
            days = 7 if form["do"] == "renew" else 0
            token = await practice_panels.renew(**named, seat_id=form.get("seat", ""), days=days)
            return _told(cookie_jar, panel_id, [*_just_made(visit), token])
        try:
            if not form.get("outcome"):
                raise Invalid("choose a decision: it is made once, and stands")
            decision = _converted(Decision, {name: form.get(name, "") for name in Decision.__struct_fields__})
            await practice_panels.decide(**named, decision=decision)
        except Invalid as error:
            return await _panel(visit, practice_panels, panel_id, problem=str(error), sent=form)
        return go(f"/practice/interviewer/{panel_id}")


class InvitedPages(Controller):
    """What the holder of a link sees, without an account."""

    path = "/invited/{token:str}"
    include_in_schema = False

    @get("/")
    async def show(
        self, request: Request[Any, Any, Any], renderer: Renderer, practice_panels: PanelsService, token: str
    ) -> Response[Any]:
        """The candidate's room, or the interviewer's form."""
        try:
            return await _invited(request, renderer, practice_panels, token)
        except NoInvite as error:
            return _void(request, renderer, error)

    @post("/")
    async def act(
        self, request: Request[Any, Any, Any], renderer: Renderer, practice_panels: PanelsService,
        accounts: AccountsService, token: str,
    ) -> Response[Any]:  # fmt: skip
        """Agree, answer, finish, take away, withdraw; or give a scorecard."""
        form = await read_form(request, accounts, most=ANSWER_CHARS)
        do = form.get("do", "")
        try:
            if do == "score":
                await practice_panels.score(token, _card(form))
            elif do == "agree":
                if form.get("agreed") != "yes":
                    raise Invalid("tick that you agree, or close this page: then nothing is kept")
                await practice_panels.consent(token)
            elif do == "export":
                return _download(await practice_panels.export_own(token), "my-answers.json")
            elif do == "erase":
                if form.get("word", "").strip().lower() != "erase":
                    raise Invalid(UNSURE)
                await practice_panels.erase_own(token)
                page = renderer.page(request, "practice/invited_gone.html")
                page.headers.update(PRIVATE)
                return page
            else:
                await _keep(practice_panels, token, form)
        except (Invalid, Conflict) as error:
            return await _invited(request, renderer, practice_panels, token, error=error, sent=form)
        except NoInvite as error:
            return _void(request, renderer, error, unsaved=_written(form))
        return go(f"/invited/{token}")


async def _keep(panels: PanelsService, token: str, form: Mapping[str, str]) -> None:
    """All answers of the candidate's form; with `finish` they stand."""
    for name, text in form.items():
        number = name.removeprefix("answer-")
        if name != number and number.isdecimal():
            await panels.answer(token, number=int(number[:4]), text=text)
    if form.get("do") == "finish":
        await panels.finish(token)


def _void(
    request: Request[Any, Any, Any], renderer: Renderer, error: NoInvite, *, unsaved: Sequence[str] = ()
) -> Response[Any]:
    page = renderer.page(
        request, "practice/invited_void.html", status=error.status, problem=str(error), unsaved=unsaved
    )
    page.headers.update(PRIVATE)
    return page


def _written(form: Mapping[str, str]) -> list[str]:
    """What somebody wrote that would be gone with the page."""
    own = (text for name, text in form.items() if name.startswith(("answer-", "quote-", "reasons")))
    return [text for text in own if text.strip()]


async def _invited(
    request: Request[Any, Any, Any], renderer: Renderer, panels: PanelsService, token: str, *,
    error: Invalid | Conflict | None = None, sent: Mapping[str, str] | None = None,
) -> Response[Any]:  # fmt: skip
    panel, seat = await panels.open(token)
    kept = {one.text for one in panel.answers}
    page = renderer.page(
        request, f"practice/invited_{seat.kind}.html", status=error.status if error else 200, panel=panel, seat=seat,
        problem=str(error or ""), sent=sent or {},
        unsaved=[text for text in _written(sent or {}) if text not in kept],
        recommends=get_args(Recommends), dimensions=DIMENSION_NAMES, criteria_of=criteria_of,
        mine=panel.seen.scorecards.get(seat.id),
    )  # fmt: skip
    page.headers.update(PRIVATE)
    return page


async def _list(
    visit: Visit, panels: PanelsService, *, problem: str = "", sent: Mapping[str, str] | None = None
) -> Response[Any]:
    return await visit.page(
        "panels", status=400 if problem else 200, panels=await panels.list_panels(person=visit.person),
        packs=await panels.list_packs(person=visit.person), entries=await panels.list_entries(person=visit.person),
        problem=problem, sent=sent or {},
    )  # fmt: skip


async def _new(visit: Visit, panels: PanelsService, sent: Mapping[str, str], *, problem: str = "") -> Response[Any]:
    packs = await panels.list_packs(person=visit.person)
    areas: dict[str, list[Any]] = {f"Pack: {name}": list(pack) for name, pack in packs.items()}
    for one in load_questions():
        areas.setdefault(AREA_NAMES.get(one.area, one.area.replace("_", " ").capitalize()), []).append(one)
    return await visit.page(
        "panel_new", status=400 if problem else 200, areas=areas, sent=sent, problem=problem,
        asked={name.removeprefix("ask-") for name in sent if name.startswith("ask-")},
        limits={"minutes": 60, "extra_time": 0, "retention_days": 90, "invite_days": 7},
    )  # fmt: skip


async def _panel(
    visit: Visit, panels: PanelsService, panel_id: str, *, template: str = "panel", problem: str = "",
    links: Mapping[str, str] | None = None, sent: Mapping[str, str] | None = None,
) -> Response[Any]:  # fmt: skip
    page = await visit.page(
        template, status=400 if problem else 200, panel=await panels.get(person=visit.person, panel_id=panel_id),
        entries=await panels.list_entries(person=visit.person, panel_id=panel_id), links=links or {},
        problem=problem, sent=sent or {}, outcomes=get_args(Outcome), criteria_of=criteria_of,
    )  # fmt: skip
    page.headers["Cache-Control"] = "no-store"
    return page


def _draft(form: Mapping[str, str]) -> PanelDraft:
    values: dict[str, Any] = {
        "candidate": form.get("candidate", "").strip(), "role": form.get("role", get_args(Role)[0]),
        "question_ids": [name.removeprefix("ask-") for name in form if name.startswith("ask-")],
        "interviewers": [one.strip() for one in form.get("interviewers", "").splitlines() if one.strip()],
    }  # fmt: skip
    for name in ("minutes", "extra_time", "retention_days", "invite_days"):
        values[name] = form.get(name, "")
    found: PanelDraft = _converted(PanelDraft, values)
    return found


def _card(form: Mapping[str, str]) -> Scorecard:
    if not form.get("recommends"):
        raise Invalid("choose what you recommend: your scorecard is given once, and stands")
    marks = {
        name.removeprefix("state-"): {"state": value, "quote": form.get(f"quote-{name.removeprefix('state-')}", "")}
        for name, value in form.items()
        if name.startswith("state-")
    }
    found: Scorecard = _converted(
        Scorecard, {"marks": marks, "recommends": form.get("recommends", ""), "reasons": form.get("reasons", "")}
    )
    return found


def _converted(kind: type[Any], values: Any) -> Any:
    try:
        return msgspec.convert(values, kind, strict=False)
    except msgspec.ValidationError as error:
        raise Invalid(f"this cannot be kept: {say_wrong(error)}") from error


def _told(cookies: Cookies, panel_id: str, tokens: Iterable[str], *, more: str = "") -> Response[None]:
    """Go on to the interview's page. Only hashes are stored, so this browser carries the links there: else a reload
    of the page that shows them would make others."""
    path = f"/practice/interviewer/{panel_id}"
    value = ".".join(list(tokens)[-MOST_LINKS:])
    cookie = Cookie(LINKS, value=value, path=path, max_age=LINKS_S, httponly=True, secure=cookies.secure)
    return go(f"{path}{more}", cookies=[cookie])


def _just_made(visit: Visit) -> list[str]:
    return [one for one in visit.request.cookies.get(LINKS, "").split(".")[:MOST_LINKS] if one]


def _download(body: Any, name: str) -> Response[bytes]:
    headers = {**PRIVATE, "Content-Disposition": f'attachment; filename="{name}"'}
    return Response(msgspec.json.encode(body), media_type="application/json", headers=headers)
