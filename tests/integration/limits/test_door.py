"""Limits stand in front of every door of the running service."""

from __future__ import annotations

from collections.abc import Iterator

import httpx
import pytest
from tests.service import RunningService, set_up


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningService]:
    """A service with small limits."""
    limits = {
        "REELWRIGHT_LIMITS_SIGN_IN": "60/hour burst 5",
        "REELWRIGHT_LIMITS_EVENTS": "60/hour burst 3",
        "REELWRIGHT_LIMITS_PAGES": "60/hour burst 30",
    }
    with RunningService(tmp_path_factory.mktemp("limits") / "data", environ=limits) as running:
        yield running


@pytest.fixture(scope="module")
def client(service: RunningService) -> httpx.Client:
    """The administrator."""
    return set_up(service)


def test_guessing_passwords_is_slowed_down_with_a_problem_that_says_when(
    service: RunningService, client: httpx.Client
) -> None:
    """The address is counted, whatever name is guessed."""
    answers = [
        httpx.post(f"{service.url}/api/v1/session", json={"name": f"x{number}", "password": "wrong pass"})
        for number in range(8)
    ]
    refused = [answer for answer in answers if answer.status_code == 429]
    assert {answer.status_code for answer in answers} == {401, 429} and len(refused) >= 3
    problem = refused[-1]
    assert problem.headers["content-type"] == "application/problem+json"
    assert problem.json()["type"] == "https://iana.org/assignments/http-problem-types#quota-exceeded"
    assert problem.json()["violated-policies"] == ["sign_in"]
    assert int(problem.headers["Retry-After"]) >= 1
    assert "q=5;w=300" in problem.headers["RateLimit-Policy"] and "r=0" in problem.headers["RateLimit"]


def test_events_are_limited_by_profile(client: httpx.Client) -> None:
    """A player that runs wild is told to come later; nothing of what was acknowledged is lost."""
    codes = [client.post("/api/v1/events", json={"events": []}).status_code for _ in range(5)]
    assert codes[0] == 200 and codes[-1] == 429


def test_every_answer_says_how_much_is_left(client: httpx.Client) -> None:
    """A client can slow down before it is refused."""
    first, second = (client.get("/api/v1/titles").headers["RateLimit"] for _ in range(2))
    assert int(second.split("r=")[1].split(";")[0]) <= int(first.split("r=")[1].split(";")[0])


def test_a_page_that_is_refused_is_a_page(service: RunningService) -> None:
    """A person reads a sentence, not JSON."""
    for _ in range(40):
        answer = httpx.get(f"{service.url}/")
        if answer.status_code == 429:
            break
    assert answer.status_code == 429
    assert answer.headers["content-type"].startswith("text/html") and "Slow down" in answer.text
    assert int(answer.headers["Retry-After"]) >= 1


def test_an_administrator_is_told_what_limits_did_and_nobody_else(
    service: RunningService, client: httpx.Client
) -> None:
    """By limit, and whose requests were denied most often."""
    told = client.get("/api/v1/limits").json()
    assert {one["limit"] for one in told["limits"]} >= {"api", "sign_in"}
    assert any("sign_in" in key and count > 0 for key, count in told["hot"])
    assert httpx.get(f"{service.url}/api/v1/limits").status_code in (401, 429)
