"""Second opinions: whatever an endpoint does, no turn is lost and no invented quote is believed."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import anyio
import httpx
import msgspec
import pytest
from tests.composed import Composed, composed
from tests.integration.practice import endpoint as fake
from typer.testing import CliRunner

from reelwright.practice.adapters.bank import load_questions
from reelwright.practice.adapters.chat import ChatEndpoint, EndpointFailed
from reelwright.practice.adapters.gold import load_gold
from reelwright.practice.adapters.llm_grader import LlmGrader
from reelwright.practice.cli import app
from reelwright.practice.contract import Calibration
from reelwright.practice.core.evidence import is_quoted
from reelwright.practice.core.followup import usable
from reelwright.practice.system import PracticeSystem

pytestmark = pytest.mark.anyio
API = "/api/v1/practice"
GOLD = load_gold()[0]
ANSWER = GOLD.answers[0].text


def grader(server: fake.Endpoint, timeout_s: float = 30.0) -> LlmGrader:
    """The grader that asks this endpoint."""
    return LlmGrader(ChatEndpoint(url=server.url, model="m", key="secret", timeout_s=timeout_s))


def states(server: fake.Endpoint) -> set[str]:
    """What an answer of the gold set is said to be."""
    found = grader(server).grade(asks=GOLD.asks, criteria=GOLD.criteria, answer=ANSWER)
    assert all(is_quoted(one, ANSWER) for one in found)
    return {one.state for one in found}


@pytest.mark.parametrize(
    ("behaviour", "expected"),
    [
        (fake.honest, {"met"}), (fake.lying, {"unmet"}), (fake.cut_off, {"not_assessable"}),
        (fake.busy_once, {"met"}), (fake.without_json_mode, {"met"}), (fake.reasoning, {"met"}),
    ],
)  # fmt: skip
def test_only_quotes_that_are_in_the_answer_are_believed(behaviour: fake.Behaviour, expected: set[str]) -> None:
    """Lies are unmet, what is cut off is not assessable, a busy endpoint is asked again."""
    with fake.endpoint(behaviour) as server:
        assert states(server) == expected


def test_two_passes_that_disagree_say_nothing() -> None:
    """The second sees the criteria in reverse; a verdict that depends on the order is none."""

    def moody(asked: fake.Asked) -> None:
        first = len(asked.server.bodies) % 2 == 1
        quote = ANSWER.split(". ")[0]
        asked.say(fake.verdicts(asked, lambda *_: {"verdict": "met" if first else "unmet", "quote": quote}))

    with fake.endpoint(moody) as server:
        assert states(server) == {"not_assessable"}


@pytest.mark.parametrize(
    ("behaviour", "timeout_s"),
    [
        (fake.hanging, 0.5), (fake.dripping, 0.5), (fake.dripping_head, 0.5), (fake.busy, 5.0), (fake.endless, 30.0),
        (fake.no_completion, 30.0),
    ],
)  # fmt: skip
def test_an_endpoint_that_fails_is_given_up(behaviour: fake.Behaviour, timeout_s: float) -> None:
    """Hanging, dripping, busy, endless, of another kind: an error that says so, without the key in it.

    It is given up before the endpoint ends by itself.
    """
    with fake.endpoint(behaviour) as server, pytest.raises(EndpointFailed) as told:
        grader(server, timeout_s).grade(asks=GOLD.asks, criteria=GOLD.criteria, answer=ANSWER)
    assert "secret" not in str(told.value)


def test_a_reply_may_be_compressed() -> None:
    """A proxy in front of an endpoint does so wherever a client says that it can read it."""
    with fake.endpoint(fake.compressed) as server:
        assert ChatEndpoint(url=server.url, model="m").ask("ready?", as_json=False).text == "ready"


@asynccontextmanager
async def home_with(tmp_path: Path, url: str, **settings: Any) -> AsyncIterator[Composed]:
    """The application with a model at this endpoint."""
    practice = {"llm_url": url, "llm_model": "m", "llm_timeout_s": 5, **settings}
    async with composed(tmp_path, practice=practice) as made:
        yield made


async def answered(client: httpx.AsyncClient, text: str = "") -> tuple[str, dict[str, Any]]:
    """An interview with its first answer given."""
    made = (await client.post(f"{API}/interviews", json={"stage": "design"})).json()
    question = next(one for one in load_questions() if one.id == made["turns"][0]["question_id"])
    body = {"turn": 0, "text": text or question.model_answer}
    told = await client.post(f"{API}/interviews/{made['id']}/answers", json=body)
    assert told.status_code == 201, told.text
    return made["id"], told.json()


async def opinion_of(client: httpx.AsyncClient, interview_id: str) -> dict[str, Any]:
    """The model's opinion on the first answer, once it is there."""
    with anyio.fail_after(60):
        while True:
            found = (await client.get(f"{API}/interviews/{interview_id}/opinions")).json()
            if found:
                opinion: dict[str, Any] = found["0"][0]
                return opinion
            await anyio.sleep(0.02)


@pytest.mark.parametrize(
    "behaviour", [fake.lying, fake.cut_off, fake.busy, fake.no_completion, fake.hanging], ids=lambda one: one.__name__
)
async def test_no_turn_is_lost_whatever_the_endpoint_does(tmp_path: Path, behaviour: fake.Behaviour) -> None:
    """The rules judge at once, the scripted tree goes on, and what the endpoint did is told on the page."""
    with fake.endpoint(behaviour) as server:
        async with home_with(tmp_path, server.url, llm_timeout_s=0.5) as home:
            client = home.client()
            interview_id, state = await answered(client)
            assert len(state["turns"]) == 2 and any(one["state"] == "met" for one in state["turns"][0]["verdicts"])
            scripted = {one.asks for question in load_questions() for one in question.challenges}
            assert state["turns"][1]["kind"] == "question" or state["turns"][1]["asks"] in scripted
            opinion = await opinion_of(client, interview_id)
            assert not any(one["state"] == "met" for one in opinion["verdicts"]) and not opinion["counts"]
            assert opinion["verdicts"] or opinion["problem"]
            page = (await client.get(f"/practice/interviews/{interview_id}/turns/0")).text
            assert "llm m" in page and (not opinion["problem"] or "endpoint" in page)


async def test_an_uncalibrated_model_moves_no_curve_and_a_calibrated_one_does(tmp_path: Path) -> None:
    """Its verdicts are shown either way; another model is another grader, and begins uncalibrated."""
    with fake.endpoint(fake.lying) as server:
        async with home_with(tmp_path, server.url) as home:
            client = home.client()
            interview_id, _ = await answered(client)
            opinion = await opinion_of(client, interview_id)
            before = (await client.get(f"{API}/skills")).json()
            system = next(one for one in home.wiring.systems if isinstance(one, PracticeSystem))
            good = Calibration(
                grader=opinion["grader"], answers=1, verdicts=1, coverage=1, kappa=0.9, qwk=0.9, lift=0, reached=0,
                overpraise=0, attacks=1,
            )  # fmt: skip
            await system.model.put_calibration(msgspec.structs.replace(good, kappa=0.5))
            assert (await client.get(f"{API}/skills")).json() == before
            await system.model.put_calibration(good)
            after = (await client.get(f"{API}/skills")).json()
            assert max(one["mean"] for one in after) < max(one["mean"] for one in before)
            assert "its verdicts move the curve" in (await client.get("/practice/graders")).text


async def test_the_budget_ends_the_calls_and_not_the_interview(tmp_path: Path) -> None:
    """What a call costs is counted; beyond the budget the rules go on alone, and the page says so."""
    with fake.endpoint(fake.honest) as server:
        async with home_with(tmp_path, server.url, llm_budget_usd=0.5, llm_usd_per_million_in=1000) as home:
            client = home.client()
            await answered(client)
            with anyio.fail_after(60):
                while (await client.get(f"{API}/model")).json()["spent_usd"] < 0.5:
                    await anyio.sleep(0.02)
            told = (await client.get(f"{API}/model")).json()
            assert told["spent_usd"] >= 0.5 and told["calls"] >= 1 and "secret" not in json.dumps(told)
            second, _ = await answered(client)
            assert "budget" in (await opinion_of(client, second))["problem"]
            assert len((await client.get(f"{API}/interviews/{second}")).json()["turns"]) == 2


async def test_testing_the_connection_costs_no_more_than_the_budget(tmp_path: Path) -> None:
    """Anybody may press that button, as often as the limits let them."""
    with fake.endpoint(lambda asked: asked.say("ready")) as server:
        async with home_with(tmp_path, server.url, llm_budget_usd=0.5, llm_usd_per_million_in=1000) as home:
            told = [(await home.client().post(f"{API}/model/test")).json()["said"] for _ in range(3)]
            assert "ready" in told[0] and told[1:] == ["Not asked: today's budget is spent."] * 2
            assert len(server.bodies) == 1


async def test_the_connection_is_tested_from_the_page(tmp_path: Path) -> None:
    """It says what came of it, also where nobody listens."""
    with fake.endpoint(fake.honest) as server:
        url = server.url
        async with home_with(tmp_path / "a", url) as home:
            server.behaviour = lambda asked: asked.say("ready")
            assert "It answers" in (await home.client().post("/practice/graders", data={})).text
    async with home_with(tmp_path / "b", url) as home:
        assert "Failed." in (await home.client().post("/practice/graders", data={})).text


@pytest.mark.parametrize(
    "said",
    ["Why?", 'You said "I never said these words", why?', 'Good. "the store is gone and".', "x" * 500 + "?", ""],
)
def test_a_follow_up_without_the_candidates_words_is_not_used(said: str) -> None:
    """No quote, an invented one, no question, too long: the scripted one is asked."""
    assert usable(said, answer="The store is gone and we fail open.") == ""
    assert usable('"store is gone and we": for how long?', answer="The store is gone and we fail open.")


async def test_a_pasted_reply_is_checked_as_strictly(tmp_path: Path) -> None:
    """True quotes are met, invented ones are not; a reply that is none says nothing; it never counts."""
    async with composed(tmp_path) as home:
        client = home.client()
        interview_id, state = await answered(client)
        path = f"{API}/interviews/{interview_id}/turns/0"
        prompt = (await client.get(f"{path}/prompt")).json()["prompt"]
        answer, names = state["turns"][0]["answer"], [one["criterion"] for one in state["turns"][0]["verdicts"]]
        assert answer in prompt and all(name in prompt for name in names)
        quotes = [answer.split(". ")[0], "words that nobody ever said here"]
        rows = [
            {"criterion": name, "verdict": "met", "quote": quote} for name, quote in zip(names, quotes, strict=False)
        ]
        body = {"kind": "paste", "reply": f"Sure:\n```json\n{json.dumps({'verdicts': rows})}\n```"}
        told = (await client.post(f"{path}/opinions", json=body)).json()
        found = [one["state"] for one in told["verdicts"]]
        assert found[:3] == ["met", "unmet", "not_assessable"] and not told["counts"]
        cut_off, foreign = body["reply"][:60], body["reply"].replace('"criterion": "', '"criterion": "other-')
        for reply in ("great answer! 5/5", "", cut_off, foreign):
            refused = await client.post(f"{path}/opinions", json={"kind": "paste", "reply": reply})
            assert refused.status_code == 400 and "no verdict on this question" in refused.text, reply
        page = f"/practice/interviews/{interview_id}/turns/0"
        shown = await client.post(page, data={"kind": "paste", "reply": "TYPED {"})
        assert shown.status_code == 400 and "TYPED {" in shown.text and "paste" in shown.text
        assert quotes[0] in (await client.get(page)).text, "the earlier one stands"


async def test_ones_own_verdicts_and_anothers_through_the_page(tmp_path: Path) -> None:
    """Met needs words of the answer, else the form comes back with what was typed; only another's verdicts count."""
    async with composed(tmp_path) as home:
        client = home.client()
        interview_id, state = await answered(client)
        page = f"/practice/interviews/{interview_id}/turns/0"
        names = [one["criterion"] for one in state["turns"][0]["verdicts"]]
        bad = {"kind": "self", f"state-{names[0]}": "met", f"quote-{names[0]}": "never said <this>"}
        refused = await client.post(page, data=bad)
        assert refused.status_code == 400 and "never said &lt;this&gt;" in refused.text
        before = (await client.get(f"{API}/skills")).json()
        form = {f"state-{name}": "unmet" for name in names}
        assert (await client.post(page, data={"kind": "self", **form})).status_code == 303
        assert (await client.get(f"{API}/skills")).json() == before
        assert (await client.post(page, data={"kind": "human", **form})).status_code == 400
        assert (await client.post(page, data={"kind": "human", "name": "Ada", **form})).status_code == 303
        after = (await client.get(f"{API}/skills")).json()
        assert max(one["mean"] for one in after) < max(one["mean"] for one in before)
        assert "human Ada" in (await client.get(page)).text


def test_calibrate_measures_an_endpoint_and_keeps_what_it_found(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A model that praises everything does not pass, and the exit code says so."""
    with fake.endpoint(fake.honest) as server:
        monkeypatch.setenv("REELWRIGHT_PRACTICE_LLM_URL", server.url)
        monkeypatch.setenv("REELWRIGHT_PRACTICE_LLM_MODEL", "m")
        arguments = ["calibrate", "--grader", "llm", "--each", "2", "--data", str(tmp_path)]
        run = CliRunner().invoke(app, arguments)
        assert run.exit_code == 1 and "does not pass" in run.output, run.output
        server.behaviour = fake.busy
        run = CliRunner().invoke(app, arguments)
        assert run.exit_code == 2 and "nothing was kept" in run.output
