"""Pay: the level table, one's offers, and two of them beside each other."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any, get_args

import msgspec
from litestar import Controller, Response, get, post
from markupsafe import Markup, escape

from reelwright.kernel.errors import Invalid
from reelwright.practice.contract import Pay, Role
from reelwright.practice.core.pay import (
    SHARES,
    Assumptions,
    Comparison,
    Offer,
    Year,
    cash_offer,
    path_points,
    say_growth,
)
from reelwright.practice.core.wrong import say_wrong
from reelwright.practice.service import PayService
from reelwright.web.forms import go
from reelwright.web.practice.visit import VISIT, Visit

_DECIMAL_COMMA = re.compile(r"-?\d+,\d{1,2}")
_THOUSANDS = re.compile(r"[1-9]\d{0,2}(?:\.\d{3})+")
_SCALE = {"k": 1_000, "m": 1_000_000}


class PayPages(Controller):
    """What a level pays, and what offers are worth."""

    path = "/practice/pay"
    include_in_schema = False
    dependencies = VISIT

    @get("/")
    async def show(self, visit: Visit, practice_pay: PayService) -> Response[Any]:
        """The table, the offers, and a comparison where there are two to compare."""
        return await _page(visit, practice_pay)

    @post("/offers")
    async def add(self, visit: Visit, practice_pay: PayService) -> Response[Any]:
        """Keep an offer."""
        form = await visit.form()
        try:
            offer_id = await practice_pay.create_offer(person=visit.person, offer=read_numbers(form, Offer))
        except Invalid as error:
            return await _page(visit, practice_pay, problem=str(error), sent=form)
        return go(f"/practice/pay?kept=1&second={offer_id}#compare")

    @get("/offers/{offer_id:str}")
    async def edit(self, visit: Visit, practice_pay: PayService, offer_id: str) -> Response[Any]:
        """The form of one offer."""
        offer = await practice_pay.get_offer(person=visit.person, offer_id=offer_id)
        return await visit.page("offer", sent=written(offer), problem="", name=offer.name)

    @post("/offers/{offer_id:str}")
    async def change(self, visit: Visit, practice_pay: PayService, offer_id: str) -> Response[Any]:
        """Change an offer, or forget it."""
        form = await visit.form()
        if form.get("do") == "delete":
            await practice_pay.delete_offer(person=visit.person, offer_id=offer_id)
            return go("/practice/pay")
        try:
            offer = read_numbers(form, Offer)
            await practice_pay.put_offer(person=visit.person, offer_id=offer_id, offer=offer)
        except Invalid as error:
            return await visit.page("offer", status=400, sent=form, problem=str(error), name=form.get("name", ""))
        return go(f"/practice/pay?second={offer_id}#compare")

    @post("/levels")
    async def put_levels(self, visit: Visit, practice_pay: PayService) -> Response[Any]:
        """Edit the table for oneself."""
        form = await visit.form()
        known = await practice_pay.get_levels(person=visit.person)
        try:
            levels = {role: (_whole(form, f"{role}-from"), _whole(form, f"{role}-to")) for role in get_args(Role)}
            pay = msgspec.structs.replace(known, dated=form.get("dated", ""), levels=levels)
            await practice_pay.put_levels(person=visit.person, pay=pay)
        except Invalid as error:
            return await _page(visit, practice_pay, problem=str(error))
        return go("/practice/pay")


async def _page(
    visit: Visit, pay: PayService, *, problem: str = "", sent: Mapping[str, str] | None = None
) -> Response[Any]:
    asked = {name: value for name, value in visit.request.query_params.items() if value}
    levels = await pay.get_levels(person=visit.person)
    offers = await pay.list_offers(person=visit.person)
    known = {f"level:{role}": _named(levels, role) for role in get_args(Role)} | offers
    newest = next(reversed(offers), "")
    first, second = asked.get("first", "level:senior"), asked.get("second", newest)
    try:
        assumptions = read_numbers(asked, Assumptions)
        assumed = written(assumptions)
    except Invalid as error:
        assumptions, problem = Assumptions(), problem or f"{error}; compared as usual instead"
        assumed = {**written(assumptions), **asked}
    comparison = None
    if first in known and second in known:
        comparison = await pay.compare(first=known[first], second=known[second], assumptions=assumptions)
    return await visit.page(
        "pay", status=400 if problem else 200, levels=levels, offers=offers, known=known, first=first,
        second=second, comparison=comparison, assumed=assumed, stays=written(assumptions)["years"],
        problem=problem, sent=sent or {},
        sampled=await pay.list_sampled(person=visit.person), say_growth=say_growth,
        paths=draw_both(comparison, levels.currency) if comparison else (),
    )  # fmt: skip


def _named(levels: Pay, role: Role) -> Offer:
    return cash_offer(levels, role, name=f"{role.replace('_', ' ').capitalize()}, all cash")


def read_numbers(form: Mapping[str, str], kind: type[msgspec.Struct]) -> Any:
    """The fields of a struct from text; shares are typed as percent. Raises Invalid, which names the field."""
    values: dict[str, Any] = {}
    for field in msgspec.structs.fields(kind):
        text = form.get(field.name, "").strip()
        if field.name == "name":
            values["name"] = text
        elif text:
            values[field.name] = _number(field.name, text)
    try:
        return msgspec.convert(values, kind, strict=False)
    except msgspec.ValidationError as error:
        raise Invalid(say_wrong(error, shares=SHARES)) from error


def written(struct: Offer | Assumptions) -> dict[str, str]:
    """A struct as its form shows it."""
    found = {}
    for name, value in msgspec.structs.asdict(struct).items():
        shown = round(value * 100, 4) if name in SHARES else value
        found[name] = shown if isinstance(shown, str) else f"{shown:.10g}"
    return found


def draw_both(comparison: Comparison, currency: str) -> tuple[Markup, Markup]:
    """The paths of both on one scale."""
    years = comparison.first.years, comparison.second.years
    top = max(1.0, *(path_points(one)[-1][3] for one in years if one))
    return draw_paths(years[0], top, currency), draw_paths(years[1], top, currency)


def draw_paths(years: Sequence[Year], top: float, currency: str) -> Markup:
    """Running sums over the years, 0 to `top`: the certain part, the middle, and the band of eight paths in ten."""
    points = [(0.0, 0.0, 0.0, 0.0), *path_points(years)]
    across = 300 / max(1, len(points) - 1)

    def line(at: int, *, back: bool = False) -> str:
        pairs = [f"{x * across:.1f} {118 - 110 * point[at] / top:.1f}" for x, point in enumerate(points)]
        return "L".join(pairs[::-1] if back else pairs)

    said = f"After {len(years)} years {points[-1][1]:,.0f} to {points[-1][3]:,.0f}, {points[-1][0]:,.0f} of it cash"
    axes = (
        f'<path class="grid" d="M0 8H300M0 118H300"/><text x="4" y="20">{top:,.0f} {escape(currency)}</text>'
        f'<text x="4" y="131">today</text><text x="296" y="131" text-anchor="end">{len(years)} years</text>'
    )
    return Markup(  # noqa: S704 (numbers, and a currency that is escaped)
        f'<svg class="paths" viewBox="0 0 300 136" role="img"><title>{said}</title>{axes}'
        f'<path class="band" d="M{line(1)}L{line(3, back=True)}Z"/><path class="mean" d="M{line(2)}"/>'
        f'<path class="cash" d="M{line(0)}"/></svg>'
    )


def _number(name: str, text: str) -> float:
    """A number as people write it: `$200,000`, `200.000 €`, `200k`, `7,5 %`."""
    bare = re.sub(r"[\s$€£¥]|%$", "", text).lower()
    scale = _SCALE.get(bare[-1:], 1)
    bare = bare[:-1] if scale > 1 else bare
    if _DECIMAL_COMMA.fullmatch(bare):
        bare = bare.replace(",", ".")
    elif _THOUSANDS.fullmatch(bare) and name not in SHARES:
        bare = bare.replace(".", "")
    try:
        value = float(bare.replace(",", "")) * scale
    except ValueError:
        raise Invalid(f"{name.replace('_', ' ')}: {text[:30]!r} is no number") from None
    if value - value != 0:
        raise Invalid(f"{name.replace('_', ' ')}: {text[:30]!r} is no finite number")
    return round(value / 100, 10) if name in SHARES else value


def _whole(form: Mapping[str, str], name: str) -> int:
    return int(_number(name, form.get(name, "")))
