"""Pay through page, API and terminal."""

from __future__ import annotations

import json
import re
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from tests.composed import Composed, composed
from typer.testing import CliRunner

from reelwright.practice.cli import app

pytestmark = pytest.mark.anyio
OFFER = {"name": "Growth Inc", "base": "220,000", "bonus": "15", "grant": "400000", "refresher": "60000"}


@pytest.fixture
async def home(tmp_path: Path) -> AsyncIterator[Composed]:
    """The application, with nobody signed up."""
    async with composed(tmp_path) as made:
        yield made


async def test_an_offer_is_set_against_a_level(home: Composed) -> None:
    """Typed, compared, changed, deleted; the first visit has an empty page that says what to do."""
    client = home.client()
    assert "No offer to compare yet" in (await client.get("/practice/pay")).text
    added = await client.post("/practice/pay/offers", data=OFFER)
    assert added.status_code == 303
    page = (await client.get(added.headers["location"])).text
    for said in ("Growth Inc", "no upside", "not guaranteed", "Certainty equivalent", "Break-even", "<svg"):
        assert said in page, said
    picture = page[page.index('<svg class="paths"') :]
    assert re.search(r"<text[^>]*>[\d,]+ USD</text>", picture) and ">4 years</text>" in picture
    assert "8 paths of 10" in page and "cash, which is certain" in page
    offer_id = re.search(r"/practice/pay/offers/(\w+)", page)
    assert offer_id
    form = (await client.get(offer_id[0])).text
    assert 'value="15"' in form and 'value="220000"' in form
    await client.post(offer_id[0], data={**OFFER, "base": "1"})
    offers = (await client.get("/api/v1/practice/pay/offers")).json()
    assert [one["base"] for one in offers.values()] == [1]
    await client.post(offer_id[0], data={"do": "delete"})
    assert (await client.get("/api/v1/practice/pay/offers")).json() == {}


@pytest.mark.parametrize(
    ("typed", "base"),
    [("$200,000", 200_000), ("200.000 €", 200_000), ("200k", 200_000), ("0.2M", 200_000), ("£95 500", 95_500),
     ("1234,5", 1234.5)],
)  # fmt: skip
async def test_money_is_read_as_people_write_it(home: Composed, typed: str, base: float) -> None:
    """In any currency; a point or comma that groups thousands is none before decimals."""
    client = home.client()
    assert (await client.post("/practice/pay/offers", data={**OFFER, "base": typed})).status_code == 303
    offers = (await client.get("/api/v1/practice/pay/offers")).json()
    assert [one["base"] for one in offers.values()] == [base]


async def test_what_is_wrong_is_said_in_words(home: Composed) -> None:
    """As it was typed: percent, years; what was typed stays, and a cliff after the last vesting is no offer."""
    client = home.client()
    await client.post("/practice/pay/offers", data=OFFER)
    page = await client.get("/practice/pay?tax=100&growth=7,5")
    assert page.status_code == 400 and "tax: at most 90 %" in page.text and 'name="growth"' in page.text
    assert 'value="7,5"' in page.text and "Over 4 years" in page.text
    refused = await client.post("/practice/pay/offers", data={**OFFER, "base": "1e12"})
    assert "base: at most 1,000,000,000" in refused.text
    refused = await client.post("/practice/pay/offers", data={**OFFER, "vest_years": "4", "cliff_months": "60"})
    assert refused.status_code == 400 and "longer than the 4 years of vesting" in refused.text
    planned = await client.post(
        "/practice/plan", data={"interview": "31.12.2026", "hours_a_week": "5", "begins_at": "18:00"}
    )
    assert "a date is needed, like 2026-12-31, in `interview`" in planned.text
    planned = await client.post(
        "/practice/plan", data={"interview": "2026-12-31", "hours_a_week": "0", "begins_at": "6pm"}
    )
    assert "hours a week: at least 0.5" in planned.text or "a time is needed, like 18:00" in planned.text


@pytest.mark.parametrize(
    "field", [{"base": "lots"}, {"base": "-1"}, {"base": "nan"}, {"name": ""}, {"grant": "1e99"}]
)
async def test_a_wrong_offer_is_given_back(home: Composed, field: dict[str, str]) -> None:
    """What was typed stays in the form, and nothing is kept."""
    client = home.client()
    answered = await client.post("/practice/pay/offers", data={**OFFER, **field})
    assert answered.status_code == 400 and 'role="alert"' in answered.text and "60000" in answered.text
    assert (await client.get("/api/v1/practice/pay/offers")).json() == {}


async def test_assumptions_out_of_bounds_are_said(home: Composed) -> None:
    """A hand-made address does not break the page."""
    answered = await home.client().get("/practice/pay?years=1e9&tax=<b>")
    assert answered.status_code == 400 and "<b>" not in answered.text


async def test_the_table_is_edited_for_oneself(home: Composed) -> None:
    """Another person still sees the style's."""
    ada, bob = [await home.session(await home.person(name)) for name in ("Ada", "Bob")]
    table = (await ada.get("/api/v1/practice/pay/levels")).json()
    table["levels"]["senior"] = [310_000, 420_000]
    assert (await ada.put("/api/v1/practice/pay/levels", json={**table, "dated": "2027-01"})).status_code == 200
    assert "310,000 to 420,000" in (await ada.get("/practice/pay")).text
    assert "300,000 to 400,000" in (await bob.get("/practice/pay")).text
    wrong = {**table, "levels": {**table["levels"], "staff": [2, 1]}}
    assert (await ada.put("/api/v1/practice/pay/levels", json=wrong)).status_code == 422


async def test_offers_belong_to_who_typed_them(home: Composed) -> None:
    """Another person's offer is not there: neither read, changed nor deleted."""
    ada, bob = [await home.session(await home.person(name)) for name in ("Ada", "Bob")]
    made = (await ada.post("/api/v1/practice/pay/offers", json={"name": "A", "base": 1})).json()["id"]
    where = f"/api/v1/practice/pay/offers/{made}"
    assert (await bob.put(where, json={"name": "B"})).status_code == 404
    assert (await bob.delete(where)).status_code == 404
    assert (await bob.get(f"/practice/pay/offers/{made}")).status_code == 404
    for _ in range(19):
        await ada.post("/api/v1/practice/pay/offers", json={"name": "A", "base": 1})
    assert (await ada.post("/api/v1/practice/pay/offers", json={"name": "A"})).status_code == 409


def test_the_terminal_compares() -> None:
    """Both sides in words, or all of it as JSON; impossible figures end with 2."""
    told = CliRunner().invoke(app, ["pay", "--base", "220000", "--grant", "400000"])
    assert told.exit_code == 0 and "Break-even growth" in told.output and "no upside" in told.output
    as_json = CliRunner().invoke(app, ["pay", "--base", "220000", "--grant", "400000", "--json"])
    assert json.loads(as_json.output)["second"]["offer"]["grant"] == 400_000
    wrong = CliRunner().invoke(app, ["pay", "--base", "200000", "--tax", "100"])
    assert wrong.exit_code == 2 and "tax: at most 90 %" in wrong.output
    assert CliRunner().invoke(app, ["pay", "--base", "-1"]).exit_code == 2
