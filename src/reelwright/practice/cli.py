"""`reelwright practice`: a stage and the labs in the terminal, and how well the grader agrees with the gold set."""

from __future__ import annotations

import contextlib
import functools
import io
import signal
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Annotated

import anyio
import msgspec
import typer
from rich.table import Table
from rich.text import Text

from reelwright.kernel.clock import SystemClock
from reelwright.kernel.database import Database
from reelwright.kernel.errors import Invalid, NotFound
from reelwright.kernel.settings import DATABASE_FILE, ServiceSettings, Source, database_url, require_kept
from reelwright.kernel.terminal import console
from reelwright.practice.adapters.bank import load_questions
from reelwright.practice.adapters.chat import EndpointFailed
from reelwright.practice.adapters.gold import load_gold
from reelwright.practice.adapters.guide import load_styles
from reelwright.practice.adapters.sandbox import choose_confinement
from reelwright.practice.contract import (
    Calibration,
    Interview,
    LabResult,
    NoInterview,
    Refused,
    Role,
    Stage,
    Track,
    Turn,
    TurnMoved,
)
from reelwright.practice.core.calibration import LEAST_KAPPA, LEAST_QWK, MOST_LIFT, MOST_OVERPRAISE, passes
from reelwright.practice.core.calibration import calibrate as measure
from reelwright.practice.core.pay import SHARES, Assumptions, Comparison, Offer, cash_offer, compare, say_growth
from reelwright.practice.core.rules import RuleGrader
from reelwright.practice.core.wrong import say_wrong
from reelwright.practice.labs.lab import Lab, grade, practise, starter, unheard
from reelwright.practice.labs.labs import LABS
from reelwright.practice.service import ModelService, PracticeService, StoriesService
from reelwright.practice.service.pay import SEED
from reelwright.practice.settings import PracticeSettings

with contextlib.suppress(ImportError):  # without it a terminal hands over no line of more than 4,095 bytes
    import readline

    readline.parse_and_bind("tab: self-insert")

_SIGNS = {"met": ("shown", "green"), "unmet": ("not found", "red"), "not_assessable": ("cannot be judged", "yellow")}
app = typer.Typer(help="Interviews and labs in the terminal, the grader's agreement.", no_args_is_help=True)
LOCAL = "local"
"""The one person at this machine, as in the pages without an account."""


@app.command()
def start(
    stage: Annotated[Stage, typer.Option(help="Which stage of the loop.")] = "phone",
    role: Annotated[Role, typer.Option(help="senior, staff or senior_staff.")] = "senior",
    track: Annotated[Track, typer.Option(help="Which track chooses the questions.")] = "streaming",
    data: Annotated[Path | None, typer.Option(help="The service's data folder, unless the settings name it.")] = None,
) -> None:
    """Start a stage here; each answer ends with an empty line, and is judged and saved at once."""
    _interview(_start, _service(data), stage, role, track)


@app.command()
def resume(
    interview_id: Annotated[str, typer.Argument(help="Which; without it the newest that is not finished.")] = "",
    data: Annotated[Path | None, typer.Option(help="The service's data folder, unless the settings name it.")] = None,
) -> None:
    """Go on with a stage where it was left, here or in the browser; what was half written is there."""
    try:
        service = _service(data, begins=False)
    except NotFound as error:
        raise NoInterview(f"{error}, or begin one with `reelwright practice start`") from None
    _interview(_resume, service, interview_id)


@app.command()
def calibrate(
    grader: Annotated[str, typer.Option(help="rules, or llm: the endpoint of the section [practice].")] = "rules",
    each: Annotated[int, typer.Option(help="Answers and attacks a question; 0 takes all.", min=0)] = 0,
    data: Annotated[Path | None, typer.Option(help="The service's data folder, unless the settings name it.")] = None,
) -> None:
    """Measure a grader on the gold set and under attack; only one that passes may move a curve.

    Ends with 1 where it does not pass. With an endpoint the result is kept, and answers are sent to it.
    """
    if grader == "rules":
        found = measure(RuleGrader(), load_gold(), each=each)
        found = msgspec.structs.replace(found, passed=passes(found))
    elif grader == "llm":
        found = _calibrate_model(data, each)
    else:
        typer.echo(f"reelwright: no grader {grader!r}; it is rules or llm", err=True)
        raise typer.Exit(2)
    _tell_calibration(found)
    raise typer.Exit(0 if found.passed else 1)


def _calibrate_model(data: Path | None, each: int) -> Calibration:
    source = Source.open()
    database = _database(source, data)
    model = ModelService(
        database=database, clock=SystemClock(), settings=source.section("practice", PracticeSettings)
    )
    if model.grader is None:
        typer.echo("reelwright: no endpoint; set llm_url and llm_model in the section [practice]", err=True)
        raise typer.Exit(2)
    try:
        found = measure(model.grader, load_gold(), each=each)
    except EndpointFailed as error:
        typer.echo(f"reelwright: {error}; nothing was kept", err=True)
        raise typer.Exit(2) from None
    return anyio.run(model.put_calibration, found)


def _tell_calibration(found: Calibration) -> None:
    table = Table("figure", "found", "asked for", title=found.grader)
    table.add_row("Cohen's kappa", f"{found.kappa:g}", f">= {LEAST_KAPPA:g}")
    table.add_row("quadratically weighted kappa of levels", f"{found.qwk:g}", f">= {LEAST_QWK:g}")
    table.add_row(f"levels that {found.attacks} attacks add", f"{found.lift:g}", f"<= {MOST_LIFT:g}")
    table.add_row("attacks that reach level 3", f"{found.reached}", "0")
    table.add_row("bad answers at level 3 or more", f"{found.overpraise:.1%}", f"<= {MOST_OVERPRAISE:.0%}")
    table.add_row(f"criteria judged, of {found.answers} answers", f"{found.coverage:.1%}", "")
    console.print(table)
    console.print("It may move a curve." if found.passed else "It does not pass: its verdicts move no curve.")


def _interview(goes: Callable[..., Awaitable[None]], *arguments: object) -> None:
    """Ctrl-C while an answer is judged or a challenge is said finds everything saved but the words under way."""
    try:
        anyio.run(goes, *arguments)
    except KeyboardInterrupt:
        typer.echo("\nStopped. What was answered is saved; go on with it by `reelwright practice resume`.")


def _service(data: Path | None, *, begins: bool = True) -> PracticeService:
    source = Source.open()
    database, clock = _database(source, data, begins=begins), SystemClock()
    model = ModelService(database=database, clock=clock, settings=source.section("practice", PracticeSettings))
    return PracticeService(
        database=database, clock=clock, questions=load_questions(), grader=RuleGrader(),
        converse=model.converse if model.grader else None,
        read_lines=StoriesService(database=database, clock=clock).list_lines,
    )  # fmt: skip


def _database(source: Source, data: Path | None, *, begins: bool = True) -> Database:
    settings = source.section("", ServiceSettings, data=str(data) if data else None)
    if not begins:
        require_kept(settings, file=DATABASE_FILE)
    Path(settings.data).mkdir(parents=True, exist_ok=True)
    database = Database(database_url(settings))
    database.migrate(["reelwright.practice"])
    return database


@app.command()
def pay(
    base: Annotated[float, typer.Option(help="The offer's base salary, a year.")],
    level: Annotated[Role, typer.Option(help="The all-cash level to compare with.")] = "senior",
    salary: Annotated[float, typer.Option(help="Its salary; 0 takes the middle of the level's range.")] = 0.0,
    bonus: Annotated[float, typer.Option(help="Bonus, percent of the base.")] = 0.0,
    sign_on: Annotated[float, typer.Option(help="Paid once, at the start.")] = 0.0,
    grant: Annotated[float, typer.Option(help="Stock granted on the first day, vesting over four years.")] = 0.0,
    refresher: Annotated[float, typer.Option(help="Stock granted at each year's end.")] = 0.0,
    years: Annotated[float, typer.Option(help="How long you would stay.")] = 4.0,
    growth: Annotated[float, typer.Option(help="Expected growth of the stock, percent a year.")] = 7.0,
    volatility: Annotated[float, typer.Option(help="Volatility of the stock, percent a year.")] = 40.0,
    tax: Annotated[float, typer.Option(help="Tax, percent.")] = 35.0,
    risk_aversion: Annotated[float, typer.Option(help="0 is none, 2 to 4 are usual.")] = 2.0,
    as_json: Annotated[bool, typer.Option("--json", help="Print the comparison as JSON.")] = False,
) -> None:
    """Compare an offer that holds stock with an all-cash level: paths, certainty equivalent, break-even growth."""
    offered = {
        "name": "Offer", "base": base, "bonus": bonus / 100, "sign_on": sign_on, "grant": grant,
        "refresher": refresher,
    }  # fmt: skip
    assumed = {
        "years": years, "growth": growth / 100, "volatility": volatility / 100, "tax": tax / 100,
        "risk_aversion": risk_aversion,
    }  # fmt: skip
    cash = cash_offer(load_styles()["netflix"].pay, level)
    try:
        offer, assumptions = msgspec.convert(offered, Offer), msgspec.convert(assumed, Assumptions)
        cash = msgspec.convert({"name": cash.name, "base": salary or cash.base}, Offer)
    except msgspec.ValidationError as error:
        typer.echo(f"reelwright: {say_wrong(error, shares=SHARES)}", err=True)
        raise typer.Exit(2) from None
    found = compare(cash, offer, assumptions, seed=SEED)
    if as_json:
        typer.echo(msgspec.json.encode(found).decode())
    else:
        _tell_pay(found)


def _tell_pay(found: Comparison) -> None:
    both = (found.first, found.second)
    table = Table("present value after tax", *(f"{one.offer.name} {one.offer.base:,.0f}" for one in both))
    for name in ("cash", "p10", "p50", "p90", "mean", "certain", "certain_a_year"):
        table.add_row(name.replace("_", " "), *(f"{getattr(one, name):,.0f}" for one in both))
    console.print(table)
    typer.echo(f"Break-even growth by the mean: {say_growth(found.break_even)}")
    typer.echo(f"Break-even growth at this risk aversion: {say_growth(found.break_even_certain)}")
    for one, said in zip(both, (found.for_first, found.for_second), strict=True):
        typer.echo(f"\n{one.offer.name}\n" + "\n".join(f"- {line}" for line in said))


labs = typer.Typer()
app.add_typer(labs, name="lab")


@labs.callback(invoke_without_command=True)
def list_labs(context: typer.Context) -> None:
    """Labs: write a decision, and see what it does. Without a command: which labs there are."""
    if context.invoked_subcommand:
        return
    widest = max(map(len, LABS))
    for lab in LABS.values():
        typer.echo(f"{lab.id:{widest}}  {lab.title}")
    typer.echo("\nreelwright practice lab show NAME says what to write, and what passes.")


@labs.command("show")
def show_lab(
    lab_id: Annotated[str, typer.Argument(help="Which lab.")],
    code: Annotated[bool, typer.Option(help="Print only the code to begin with.")] = False,
) -> None:
    """Print what to write, and what passes; with --code, code to begin with."""
    lab = _lab(lab_id)
    typer.echo(starter(lab) if code else f"{lab.title}\n\n{lab.brief}\nPredict: {lab.predicts.asks}")


@labs.command("run")
def run_lab(
    lab_id: Annotated[str, typer.Argument(help="Which lab.")],
    file: Annotated[Path, typer.Argument(help="Your code.")],
    hidden: Annotated[bool, typer.Option(help="Grade on hidden seeds, drawn now.")] = False,
    agree: Annotated[
        bool, typer.Option(help="Where bubblewrap does not work: run my own code as myself, under limits alone.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print the result as JSON.")] = False,
) -> None:
    """Run a file in the sandbox; ends with 0 for valid, 1 for not valid, 2 for unknown."""
    lab = _lab(lab_id)
    try:
        source = file.read_text(encoding="utf-8")
        confinement = choose_confinement(people=1, loopback=True, agreed=agree)
    except (OSError, UnicodeDecodeError, Refused) as error:
        typer.echo(f"reelwright: {error}{'; --agree says so' if isinstance(error, Refused) else ''}", err=True)
        raise typer.Exit(2) from None
    told = unheard if as_json else typer.echo
    result = (grade if hidden else practise)(lab, source, confinement=confinement, told=told)
    if as_json:
        typer.echo(msgspec.json.encode(result).decode())
    else:
        _tell_result(result)
    raise typer.Exit(result.exit_code)


def _lab(lab_id: str) -> Lab:
    if lab_id not in LABS:
        typer.echo(f"reelwright: no lab {lab_id!r}; the labs are {', '.join(LABS)}", err=True)
        raise typer.Exit(2)
    return LABS[lab_id]


def _tell_result(result: LabResult) -> None:
    typer.echo(f"\nvalid: {result.valid}" + (f"\n{result.reason}" if result.reason else ""))
    if names := list(result.measures):
        table = Table("policy", *names)
        for policy, measures in {"yours": result.measures, **result.standing}.items():
            table.add_row(policy, *(f"{measures[name]:.4g}" if name in measures else "" for name in names))
        console.print(table)
    typer.echo(f"seeds {', '.join(map(str, result.seeds))}")


async def _start(service: PracticeService, stage: Stage, role: Role, track: Track) -> None:
    await _go_on(service, await service.start(person=LOCAL, stage=stage, role=role, track=track))


async def _resume(service: PracticeService, interview_id: str) -> None:
    """Raises NoInterview, Conflict where it is finished."""
    known = await service.list_interviews(person=LOCAL)
    open_ids = [one.id for one in known if one.state != "finished"]
    if not interview_id and not open_ids:
        raise NoInterview("no stage waits to be gone on with; begin one with `reelwright practice start`")
    await _go_on(
        service, await service.put_timer(person=LOCAL, interview_id=interview_id or open_ids[0], running=True)
    )


async def _go_on(service: PracticeService, interview: Interview) -> None:
    if isinstance(sys.stdin, io.TextIOWrapper):
        sys.stdin.reconfigure(errors="replace")
    typer.echo("An empty line ends an answer. Ctrl-C stops here, and keeps what is written.")
    while interview.state != "finished":
        waiting = interview.turns[-1]
        await _ask(service, interview.id, waiting)
        keep = functools.partial(_keep, service, interview.id, waiting.number)
        try:
            text, given = await _read_answer(waiting.draft, keep)
            if not given:
                await _stop(service, interview.id, waiting, text)
                return
            interview = await service.answer(person=LOCAL, interview_id=interview.id, turn=waiting.number, text=text)
        except (Invalid, TurnMoved) as error:
            typer.echo(f"reelwright: {error}", err=True)
            interview = await service.get(person=LOCAL, interview_id=interview.id)
            continue
        _tell(interview.turns[waiting.number])
    minutes = interview.elapsed_s // 60
    console.print(f"\nThis stage is finished, after {minutes} {'minute' if minutes == 1 else 'minutes'}.")


async def _stop(service: PracticeService, interview_id: str, waiting: Turn, text: str) -> None:
    """Keep what was written, and let the timer stand. Raises Invalid where it is too long."""
    await _keep(service, interview_id, waiting.number, text)
    await service.put_timer(person=LOCAL, interview_id=interview_id, running=False)
    typer.echo("\nSaved. Go on with it by `reelwright practice resume`, or in the browser at")
    typer.echo(f"/practice/interviews/{interview_id}")


async def _keep(service: PracticeService, interview_id: str, turn: int, text: str) -> None:
    await service.put_draft(person=LOCAL, interview_id=interview_id, turn=turn, text=text)


async def _ask(service: PracticeService, interview_id: str, waiting: Turn) -> None:
    """Print what is asked, as it is said; what was said in vain is followed by what is scripted."""
    said, asks = "", waiting.asks
    console.print()
    if waiting.to_word:
        async for one in await service.say(person=LOCAL, interview_id=interview_id, turn=waiting.number):
            console.print(one.more, end="", style="bold", soft_wrap=True)
            said, asks = said + one.more, one.asks or asks
    if said != asks:
        console.print(f"{' …' if said else ''}\n{asks}".lstrip("\n"), style="bold")
    else:
        console.print()


async def _read_answer(draft: str, keep: Callable[[str], Awaitable[None]]) -> tuple[str, bool]:
    """What was written, after what had been, and whether it is an answer: an empty line after some text, or the end
    of the input. Ctrl-C, and an end without text, stop. Each line is kept: a terminal that is closed costs only one.
    """
    typer.echo(draft, nl=bool(draft))
    lines = draft.splitlines()
    try:
        while True:
            line = _read_line()
            if line.strip():
                lines.append(line)
                await keep("\n".join(lines))
            elif lines:
                return "\n".join(lines), True
    except EOFError:
        return "\n".join(lines), len(lines) > len(draft.splitlines())
    except KeyboardInterrupt:
        editor = sys.modules.get("readline")
        return "\n".join([*lines, editor.get_line_buffer() if editor else ""]).rstrip(), False


def _read_line() -> str:
    """A line; it holds the event loop, where Ctrl-C would only ask a task to end that waits for the next line."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        return input()
    finally:
        signal.signal(signal.SIGINT, before)


def _tell(turn: Turn) -> None:
    for line in turn.feedback:
        console.print(Text.assemble(_SIGNS[line.state], f" {line.dimension} {line.level}: {line.says}"))
        if line.quote:
            console.print(f"   “{line.quote}”", style="dim")
        for more in filter(None, (line.why, line.drill)):
            console.print(f"   {more}")
