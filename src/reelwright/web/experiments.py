"""Studio's pages about experiments: what runs, who would see what, what it says, and the steps of its life."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Any

import msgspec
from litestar import Controller, Request, Response, get, post
from litestar.params import Parameter

from reelwright.accounts.service import AccountsService
from reelwright.experiments.contract import (
    BUCKETS,
    BadConfiguration,
    Cell,
    Experiment,
    Guardrail,
    NotMeasured,
    RampStep,
)
from reelwright.experiments.core import lifecycle
from reelwright.experiments.core.metrics import EVERY, METRICS, NO_BASELINE
from reelwright.experiments.service import ExperimentsService
from reelwright.kernel.errors import ReelwrightError, Terminal
from reelwright.kernel.principal import principal_of, require
from reelwright.web.forms import go, read_form
from reelwright.web.intervals import Interval, band, forest
from reelwright.web.pages.profiles import profile_of
from reelwright.web.render import Renderer

if TYPE_CHECKING:
    from reelwright.experiments.core.scorecard import Scorecard

PATH = "/studio/experiments"
RAMP_DAYS = ("3", "7", "14")
DETECT = "5"
"""Percent: a change worth finding, until somebody says another."""
LOOKS = ("1", "2", "3", "4", "5")
UNITS_MOST = 1_000_000_000
SHOWN, NAMED = 100, 5
"""Experiments in the list at once, and live ones in its headline."""
RAMP_SHARES = (0.1, 0.25, 0.5, 1.0)
STEPS: Any = {"canary": "canary", "start": "running", "stop": "stopped", "archive": "archived"}


class ExperimentPages(Controller):
    """For editors."""

    include_in_schema = False
    path = PATH
    guards = (require("editor"),)

    @get("/")
    async def experiments(
        self,
        request: Request[Any, Any, Any],
        accounts: AccountsService,
        experiments: ExperimentsService,
        renderer: Renderer,
        profile: Annotated[str, Parameter(max_length=100)] = "",
        attributes: Annotated[str, Parameter(max_length=2000)] = "",
        q: Annotated[str, Parameter(max_length=200)] = "",
    ) -> Response[Any]:
        """What is being tried, and who would see what?"""
        every = experiments.snapshot.configuration.experiments
        found = _found(every, q)
        problem, seen = "", None
        if profile or attributes:
            try:
                every_one = experiments.assign({"profile": profile, **_attributes(attributes)})
                seen = sorted(every_one, key=lambda one: one.cell is None)
            except ReelwrightError as error:
                problem = str(error)
        return renderer.page(
            request,
            "studio/experiments.html",
            profile=await profile_of(request, accounts),
            shown=found[:SHOWN],
            found=len(found),
            total=sum(one.state != "archived" for one in every),
            archived=sum(one.state == "archived" for one in every),
            live=[one.key for one in every if one.live],
            named=NAMED,
            q=q,
            cards={one.key: await _card(experiments, one) for one in found[:SHOWN]},
            share=_share,
            calibrations=await experiments.list_calibrations(),
            metrics=METRICS,
            now_ms=int(time.time() * 1000),
            seen=seen and seen[:SHOWN],
            unseen=len(seen or ()) - SHOWN,
            who=profile,
            attributes=attributes,
            problem=problem,
        )

    @get("/new")
    async def new(
        self,
        request: Request[Any, Any, Any],
        accounts: AccountsService,
        experiments: ExperimentsService,
        renderer: Renderer,
    ) -> Response[Any]:
        """What is to be tried?"""
        return await _new_page(request, accounts, experiments, renderer, {}, "")

    @post("/new")
    async def create(
        self,
        request: Request[Any, Any, Any],
        accounts: AccountsService,
        experiments: ExperimentsService,
        renderer: Renderer,
    ) -> Response[Any]:
        """Keep it as a draft; or say how many viewers it would need, and keep nothing but what was typed."""
        form = await read_form(request, accounts)
        if form.get("do") == "size":
            return await _new_page(request, accounts, experiments, renderer, form, "")
        try:
            if any(one.key == form.get("key") for one in experiments.snapshot.configuration.experiments):
                raise BadConfiguration([f"there is an experiment {form['key'][:60]!r} already"])
            made = await experiments.put_experiment(_draft(form), by=_who(request))
        except Terminal as error:
            return await _new_page(request, accounts, experiments, renderer, form, str(error))
        return go(f"{PATH}/{made.key}")

    @get("/{key:str}")
    async def experiment(
        self,
        request: Request[Any, Any, Any],
        key: str,
        accounts: AccountsService,
        experiments: ExperimentsService,
        renderer: Renderer,
        detect: Annotated[str, Parameter(max_length=20)] = DETECT,
    ) -> Response[Any]:
        """What does it say?"""
        return await _page(request, key, accounts, experiments, renderer, detect=detect)

    @post("/{key:str}")
    async def change(
        self,
        request: Request[Any, Any, Any],
        key: str,
        accounts: AccountsService,
        experiments: ExperimentsService,
        renderer: Renderer,
    ) -> Response[Any]:
        """Resize it, or take the next step of its life."""
        form = await read_form(request, accounts)
        step = form.get("do", "")
        try:
            if step in ("resize", "canary", "start") and form.get("share"):
                await experiments.resize(key, _percent(form["share"]), by=_who(request))
            if step == "start" and form.get("days"):
                await experiments.put_experiment(_ramped(experiments, key, form["days"]), by=_who(request))
            if step in STEPS:
                await experiments.move(key, STEPS[step], by=_who(request))
            await experiments.measure(key)
        except Terminal as error:
            return await _page(request, key, accounts, experiments, renderer, status=error.status, problem=str(error))
        return go(f"{PATH}/{key}")


async def _page(
    request: Request[Any, Any, Any],
    key: str,
    accounts: AccountsService,
    experiments: ExperimentsService,
    renderer: Renderer,
    *,
    status: int = 200,
    problem: str = "",
    detect: str = DETECT,
) -> Response[Any]:
    experiment = lifecycle.find(experiments.snapshot.configuration, key)
    card = await _card(experiments, experiment)
    layer = next(one for one in experiments.snapshot.layers if one.key == experiment.layer)
    return renderer.page(
        request,
        "studio/experiment.html",
        status=status,
        profile=await profile_of(request, accounts),
        one=experiment,
        layer=layer,
        sizing=await _sizing(experiments, experiment, detect)
        if experiment.state == "draft" and experiment.kind == "split" and layer.unit == "profile"
        else None,
        card=card,
        plots=_plots(card) if card else [],
        metrics=EVERY,
        share=_share,
        ramp_days=RAMP_DAYS,
        reached=max((step.share for step in experiment.ramp if step.at_ms <= time.time() * 1000), default=0.0),
        next=lifecycle.STEPS[experiment.state],
        changes=await experiments.list_changes(limit=20, key=key),
        people={str(one.id): one.name for one in await accounts.list_users()},
        problem=problem,
        now_ms=int(time.time() * 1000),
    )


async def _new_page(
    request: Request[Any, Any, Any],
    accounts: AccountsService,
    experiments: ExperimentsService,
    renderer: Renderer,
    form: dict[str, str],
    problem: str,
) -> Response[Any]:
    return renderer.page(
        request,
        "studio/experiment_new.html",
        status=422 if problem else 200,
        profile=await profile_of(request, accounts),
        layers=experiments.snapshot.layers,
        metrics=METRICS,
        looks=LOOKS,
        sizing=await _sizing_of(experiments, form),
        form=form,
        problem=problem,
    )


async def _sizing_of(experiments: ExperimentsService, form: dict[str, str]) -> dict[str, Any]:
    """The same for what a form says so far; where that makes no sense yet, or nothing is typed, for two halves."""
    detect = form.get("detect") or DETECT
    halves = Experiment(key="", layer="", cells=(Cell(key="control", weight=0.5), Cell(key="new", weight=0.5)))
    if form.get("kind") == "interleaving":
        return {"detect": detect, "problem": "This counts viewers of a split; interleaving needs far fewer."}
    try:
        cells, looks = _cells(form.get("arms", "")), _looks(form.get("looks", ""))
    except Terminal as error:
        return {"detect": detect, "problem": str(error)}
    return await _sizing(
        experiments, msgspec.structs.replace(halves, cells=cells or halves.cells, looks=looks), detect
    )


async def _sizing(experiments: ExperimentsService, experiment: Experiment, detect: str) -> dict[str, Any]:
    """Viewers that a split of profiles needs to find a change of so many percent, or why nobody can say."""
    from reelwright.experiments.core.sizes import sizes_of

    known = await experiments.list_baselines()
    try:
        found, problem = sizes_of(experiment, known, _percent(detect)), ""
    except Terminal as error:
        found, problem = [], str(error)
    return {
        "detect": detect,
        "sizes": found,
        "problem": problem or ("" if found else NO_BASELINE),
        "known": known,
        "looks": experiment.looks,
    }


async def _card(experiments: ExperimentsService, experiment: Experiment) -> Scorecard | None:
    """What it says, where it has been measured."""
    with contextlib.suppress(NotMeasured):
        return await experiments.get_scorecard(experiment.key)
    return None


def _plots(card: Scorecard) -> list[dict[str, Any]]:
    """For each arm but control: its forest, and the band of the metric that decides."""
    plots = []
    for arm in card.arms[1:]:
        lines = [line for line in card.lines if line.cell == arm.cell and line.now is not None]
        if not lines:
            continue
        rows = [
            Interval(EVERY[one.metric].says, one.now.low, one.now.estimate, one.now.high, one.state)
            for one in lines
            if one.now
        ]
        days = [Interval(_day(one.day), one.low, one.estimate, one.high) for one in lines[0].points]
        first = EVERY[lines[0].metric].says
        plots.append(
            {
                "cell": arm.cell,
                "first": first,
                "forest": forest(f"{arm.cell} against {card.arms[0].cell}", rows),
                "band": band(f"{first}, up to each {'look' if card.looks else 'day'}", days),
            }
        )
    return plots


def _draft(form: dict[str, str]) -> Experiment:
    kind: Any = "interleaving" if form.get("kind") == "interleaving" else "split"
    guarded = "" if kind == "interleaving" else form.get("guardrail", "")
    guardrails: tuple[Guardrail, ...] = ()
    if guarded in METRICS:
        worse: Any = "up" if METRICS[guarded].better == "down" else "down"
        guardrails = (Guardrail(metric=guarded, worse=worse),)
    key = form.get("key", "").strip()
    if not key.replace("-", "").replace("_", "").isalnum() or not key.isascii() or len(key) > 60 or key == "new":
        raise BadConfiguration([f"a name is up to 60 letters, digits, - and _, and not `new`; got {key[:60]!r}"])
    return Experiment(
        key=key,
        layer=form.get("layer", ""),
        kind=kind,
        cells=_cells(form.get("arms", "")),
        owner=form.get("owner", ""),
        hypothesis=form.get("hypothesis", ""),
        metrics=tuple(dict.fromkeys((form.get("metric", ""), *METRICS)))
        if form.get("metric") and kind == "split"
        else (),
        guardrails=guardrails,
        planned_units=_units(form.get("planned_units") or "10000"),
        looks=_looks(form.get("looks", "")) if kind == "split" else (),
    )


def _units(text: str) -> int:
    if not (text.isascii() and text.isdigit() and 1 <= int(text[:20]) <= UNITS_MOST):
        raise BadConfiguration([f"planned viewers are a whole number up to {UNITS_MOST:,}, got {text[:30]!r}"])
    return int(text)


def _looks(text: str) -> tuple[float, ...]:
    """So many, evenly apart; of none, anybody looks at any time."""
    if text and text not in LOOKS:
        raise BadConfiguration([f"looks are planned {', '.join(LOOKS)} times or not at all, got {text[:20]!r}"])
    return tuple((at + 1) / int(text) for at in range(int(text or "0")))


def _ramped(experiments: ExperimentsService, key: str, days: str) -> Experiment:
    """With steps of a ramp from now on, evenly over some days."""
    if days not in RAMP_DAYS:
        raise BadConfiguration([f"a ramp takes {' or '.join(RAMP_DAYS)} days, got {days[:20]!r}"])
    each_ms = int(days) * 86_400_000 // (len(RAMP_SHARES) - 1)
    now_ms = int(time.time() * 1000)
    steps = tuple(RampStep(at_ms=now_ms + at * each_ms, share=share) for at, share in enumerate(RAMP_SHARES))
    return msgspec.structs.replace(lifecycle.find(experiments.snapshot.configuration, key), ramp=steps)


def _cells(text: str) -> tuple[Cell, ...]:
    """One arm a line: its name, its weight in percent, and what it sets as JSON."""
    cells = []
    for line in filter(None, map(str.strip, text.splitlines())):
        name, _, rest = line.partition(" ")
        weight, _, parameters = rest.strip().partition(" ")
        cells.append(Cell(key=name, weight=_percent(weight), parameters=_attributes(parameters)))
    return tuple(cells)


def _attributes(text: str) -> dict[str, Any]:
    try:
        return msgspec.json.decode(text or "{}", type=dict[str, Any])
    except (msgspec.MsgspecError, UnicodeError) as error:
        raise BadConfiguration([f'a JSON object such as {{"country": "DE"}} was expected: {error}']) from None


def _percent(text: str) -> float:
    try:
        share = float(text.strip().removesuffix("%")) / 100
    except ValueError:
        share = -1.0
    if not 0 <= share <= 1:
        raise BadConfiguration([f"a share is from 0 to 100 percent, got {text[:30]!r}"])
    return share


def _found(every: Sequence[Experiment], wanted: str) -> list[Experiment]:
    """Those with all these words in key, layer, owner, hypothesis or state, live ones first; of none, all in work."""
    terms = wanted.casefold().split()
    found = [one for one in every if all(term in _words(one) for term in terms)]
    kept = found if terms else [one for one in found if one.state != "archived"]
    return sorted(kept, key=lambda one: not one.live)


def _words(one: Experiment) -> str:
    return " ".join((one.key, one.layer, one.owner, one.hypothesis, one.state)).casefold()


def _share(experiment: Experiment) -> str:
    return f"{experiment.size / BUCKETS * 100:g} %"


def _day(day: int) -> str:
    return datetime.fromtimestamp(day * 86_400, UTC).strftime("%d %b")


def _who(request: Request[Any, Any, Any]) -> str:
    caller = principal_of(request)
    return str(caller.user_id or caller.kind)


ROUTES = (ExperimentPages,)
