"""Labs: what to build, the editor, the run as it goes, its verdict and where one stands."""

from __future__ import annotations

import html
import re
from typing import Any

from litestar import Controller, Response, get, post
from markupsafe import Markup

from reelwright.kernel.errors import Conflict, Invalid
from reelwright.practice.api.labs import MAX_SOURCE_CHARS
from reelwright.practice.contract import LabRun, Refused
from reelwright.practice.labs.lab import starter
from reelwright.practice.service import LabsService
from reelwright.web.forms import go
from reelwright.web.practice.visit import VISIT, Visit


class LabPages(Controller):
    """Labs on the running systems."""

    path = "/practice/labs"
    include_in_schema = False
    dependencies = VISIT

    @get("/")
    async def show_all(self, visit: Visit, practice_labs: LabsService) -> Response[Any]:
        """Every lab with the best verdict so far."""
        return await visit.page(
            "labs", labs=await practice_labs.list_labs(person=visit.person), first_sentence=_first_sentence
        )

    @get("/{lab_id:str}")
    async def show(
        self, visit: Visit, practice_labs: LabsService, lab_id: str, run: str = "", anew: bool = False
    ) -> Response[Any]:
        """Brief and editor, beside the run that is named or the last one; `anew` with the code to begin with."""
        source = starter(practice_labs.get_lab(lab_id)) if anew else None
        return await _page(visit, practice_labs, lab_id, run_id=run, source=source)

    @post("/{lab_id:str}")
    async def run(self, visit: Visit, practice_labs: LabsService, lab_id: str) -> Response[Any]:
        """Run the code of the editor; where it is refused, the code is given back."""
        form = await visit.form(most=MAX_SOURCE_CHARS)
        source = form.get("source", "").replace("\r\n", "\n")
        try:
            begun = await practice_labs.run(
                person=visit.person, lab_id=lab_id, source=source, hidden=form.get("do") == "grade",
                predicted=_number(form.get("predicted", "")), agreed="agreed" in form,
            )  # fmt: skip
        except (Conflict, Refused) as error:
            return await _page(visit, practice_labs, lab_id, status=error.status, problem=str(error), source=source)
        return go(f"/practice/labs/{lab_id}?run={begun.id}")


def _first_sentence(brief: str) -> str:
    """What to write, without what it is called with."""
    text = " ".join(brief.strip().partition("\n\n")[0].replace("`", "").split())
    return re.split(r"[.:](?= )", text, maxsplit=1)[0].rstrip(".:") + "."


async def _page(
    visit: Visit,
    labs: LabsService,
    lab_id: str,
    *,
    run_id: str = "",
    status: int = 200,
    problem: str = "",
    source: str | None = None,
) -> Response[Any]:
    lab = labs.get_lab(lab_id)
    runs = await labs.list_runs(person=visit.person, lab_id=lab_id)
    chosen = await labs.get_run(person=visit.person, run_id=run_id) if run_id else next(iter(runs), None)
    if source is None:
        source = chosen.source if chosen else starter(lab)
    return await visit.page(
        "lab", status=status, lab=lab, runs=runs[:10], run=chosen, source=source, problem=problem,
        paragraphs=[_with_code(one) for one in lab.brief.strip().split("\n\n")], picture=_picture(chosen),
        caption=_caption(chosen),
    )  # fmt: skip


def _picture(run: LabRun | None) -> Markup:
    """The counter-example, drawn by the lab's own judge from numbers."""
    return Markup(run.result.picture if run and run.result else "")  # noqa: S704


def _number(text: str) -> float | None:
    if not text.strip():
        return None
    try:
        return float(text.replace(",", "."))
    except ValueError:
        raise Invalid(f"a prediction is a number, got {text[:40]!r}; go back, and correct it") from None


def _caption(run: LabRun | None) -> str:
    """What the picture shows, in its own words, for those who see it as well."""
    found = re.search("<title>(.*?)</title>", run.result.picture) if run and run.result else None
    return html.unescape(found[1]) if found else ""


def _with_code(paragraph: str) -> Markup:
    """A paragraph in which what stands between backticks is code."""
    parts = paragraph.split("`")
    return Markup("").join(
        Markup("<code>{}</code>").format(part) if at % 2 else Markup.escape(part) for at, part in enumerate(parts)
    )
