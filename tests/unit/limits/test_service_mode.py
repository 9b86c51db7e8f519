"""Limits as a service of their own: Envoy's JSON, bad requests, and the commands."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.unit.limits.cases import case_file
from typer.testing import CliRunner

from reelwright.app.cli import command_tree
from reelwright.kernel.clock import VirtualClock
from reelwright.kernel.errors import Invalid
from reelwright.limits import Limits, MemoryStore
from reelwright.limits.api import RateLimitApp
from reelwright.limits.contract import BadRules
from reelwright.limits.core.rules import read_rules

RULES = """
domain: rl
descriptors:
  - key: user
    limit: 3/minute; 5/hour
  - key: tight
    rate_limit: {unit: minute, requests_per_unit: 1, name: tight}
  - key: loose
    rate_limit: {unit: hour, requests_per_unit: 9, replaces: [{name: tight}]}
  - key: trial
    limit: 0/second
    shadow_mode: true
"""


class Service:
    """The application, called directly."""

    def __init__(self, text: str = RULES) -> None:
        limits = Limits(store=MemoryStore(clock=VirtualClock()), domains=read_rules([("rules", text)]))
        self._app = RateLimitApp(limits)

    async def post(self, document: Any, path: str = "/json") -> tuple[int, Any]:
        """Status and answer."""
        body = document if isinstance(document, bytes) else json.dumps(document).encode()
        sent: list[Any] = []

        async def receive() -> Any:
            return {"type": "http.request", "body": body, "more_body": False}

        async def send(message: Any) -> None:
            sent.append(message)

        scope: Any = {"type": "http", "method": "POST", "path": path}
        await self._app(scope, receive, send)
        return sent[0]["status"], json.loads(sent[1]["body"])


def asked(*keys: str, hits: int = 1, domain: str = "rl", **more: Any) -> dict[str, Any]:
    """A request with one descriptor a key."""
    descriptors = [{"entries": [{"key": key, "value": "v"}], **more} for key in keys]
    return {"domain": domain, "descriptors": descriptors, "hitsAddend": hits}


@pytest.mark.anyio
async def test_envoys_json_is_answered_as_its_own_service_does() -> None:
    """200 and OK, 429 and OVER_LIMIT; one status a descriptor, the tightest of its limits."""
    service = Service()
    status, answer = await service.post(asked("user", "unknown"))
    assert status == 200 and answer["overallCode"] == "OK"
    first, second = answer["statuses"]
    assert first["limitRemaining"] == 2 and first["currentLimit"]["unit"] == "MINUTE" and second == {"code": "OK"}
    assert (await service.post(asked("user", hits=2)))[0] == 200
    status, answer = await service.post(asked("user", "loose"))
    assert status == 429 and answer["overallCode"] == "OVER_LIMIT"
    assert [one["code"] for one in answer["statuses"]] == ["OVER_LIMIT", "OK"]
    assert answer["statuses"][1]["limitRemaining"] == 9, "what was refused as a whole was charged nowhere"


@pytest.mark.anyio
async def test_replaced_shadowed_and_overridden_limits() -> None:
    """A replaced one is left out, a shadow refuses nothing, and a caller may bring a limit of its own."""
    service = Service()
    for _ in range(3):
        status, answer = await service.post(asked("tight", "loose"))
        assert status == 200 and answer["statuses"][0] == {"code": "OK"}
    assert [(await service.post(asked("tight")))[0] for _ in range(2)] == [200, 429]
    assert {(await service.post(asked("trial")))[0] for _ in range(3)} == {200}
    own: dict[str, Any] = {"limit": {"requestsPerUnit": 2, "unit": "HOUR"}}
    assert [(await service.post(asked("tight", **own)))[0] for _ in range(3)] == [200, 200, 429]


@pytest.mark.anyio
async def test_every_domain_of_envoys_integration_tests_can_be_asked() -> None:
    """Its sequence of 25 on a limit of 20, through the same door that Envoy would use."""
    service = Service(case_file("envoy_ratelimit/integration/config/another.yaml").read_text())
    codes = [(await service.post(asked("key2", domain="another")))[0] for _ in range(25)]
    assert codes == [200] * 20 + [429] * 5
    assert (await service.post(asked("hello", domain="foo"))) == (
        200,
        {"overallCode": "OK", "statuses": [{"code": "OK"}]},
    )


@pytest.mark.anyio
@pytest.mark.parametrize(
    "body",
    [
        *(b"", b"{", b"[]", b"{}", b"\xff", b'{"domain": "", "descriptors": []}', b'{"domain":"x","descriptors":[]}'),
        b'{"domain":"x","descriptors":[{"entries":[]}]}',
        b'{"domain":"x","descriptors":[{"entries":[{"key":"a"}]}],"hitsAddend":-1}',
        b'{"domain":"x","descriptors":[{"entries":[{"key":"a"}],"limit":{"requestsPerUnit":1,"unit":"EON"}}]}',
        b"[" * 100_000,
    ],
)
async def test_a_request_that_cannot_be_read_is_the_callers_fault(body: bytes) -> None:
    """400 and a reason, never a 500; too much is 413; elsewhere there is nothing."""
    status, answer = await Service().post(body)
    assert status == 400 and answer["detail"]


@pytest.mark.anyio
async def test_too_much_and_nowhere() -> None:
    """A body above a megabyte is not read; an unknown path says what there is."""
    assert (await Service().post(b"x" * (2 << 20)))[0] == 413
    assert (await Service().post({}, "/other"))[0] == 404
    assert (await Service().post({}, "/healthcheck"))[0] == 200


@pytest.mark.anyio
async def test_envoy_asks_over_grpc() -> None:
    """Through a real channel: its codes, its statuses, its overrides, and INVALID_ARGUMENT for what is wrong."""
    import grpc

    from reelwright.limits.adapters.envoy import MESSAGES as made
    from reelwright.limits.adapters.envoy import METHOD, OK, OVER_LIMIT, SERVICE, UNITS, serve_grpc

    limits = Limits(store=MemoryStore(clock=VirtualClock()), domains=read_rules([("rules", RULES)]))
    server, port = await serve_grpc(limits, host="127.0.0.1", port=0)
    async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
        call = channel.unary_unary(
            f"/{SERVICE}/{METHOD}",
            request_serializer=made["Request"].SerializeToString,
            response_deserializer=made["Response"].FromString,
        )
        descriptor = made["Descriptor"](entries=[made["Entry"](key="user", value="v")])
        unknown = made["Descriptor"](entries=[made["Entry"](key="unknown", value="v")])
        first = await call(made["Request"](domain="rl", descriptors=[descriptor, unknown]))
        assert first.overall_code == OK and [status.code for status in first.statuses] == [OK, OK]
        assert first.statuses[0].limit_remaining == 2
        assert first.statuses[0].current_limit.unit == UNITS["minute"]
        second = await call(made["Request"](domain="rl", descriptors=[descriptor], hits_addend=3))
        assert second.overall_code == OVER_LIMIT and second.statuses[0].duration_until_reset.seconds == 20
        descriptor.limit.requests_per_unit, descriptor.limit.unit = 9, UNITS["hour"]
        descriptor.hits_addend.value = 4
        own = await call(made["Request"](domain="rl", descriptors=[descriptor]))
        assert own.overall_code == OK and own.statuses[0].limit_remaining == 5
        descriptor.limit.unit = 99
        for wrong in (made["Request"](domain="rl", descriptors=[descriptor]), made["Request"](domain="rl")):
            with pytest.raises(grpc.aio.AioRpcError) as refused:
                await call(wrong)
            assert refused.value.code() == grpc.StatusCode.INVALID_ARGUMENT
    await server.stop(None)


def run(*words: str) -> Any:
    """The command line, in this process."""
    import typer

    from reelwright.app.cli import app

    command_tree()
    assert isinstance(app, typer.Typer)
    return CliRunner().invoke(app, ["limits", *words])


def test_check_tells_what_is_in_a_file_or_where_it_is_wrong(tmp_path: Path) -> None:
    """A table, or file, line and reason."""
    path = tmp_path / "rules.yaml"
    path.write_text(RULES)
    found = run("check", str(path))
    assert found.exit_code == 0 and "rl" in found.output
    path.write_text(RULES.replace("3/minute", "3/fortnight"))
    wrong = run("check", str(path))
    assert isinstance(wrong.exception, BadRules) and str(wrong.exception).startswith(f"{path}:5: ")
    assert isinstance(run("check", str(tmp_path / "none.yaml")).exception, Invalid)


def test_try_tells_what_a_rule_would_have_done(tmp_path: Path) -> None:
    """From lines of text or JSON; a line that is neither is told by its number."""
    trace = tmp_path / "trace.csv"
    trace.write_text("".join(f"{second},{'a' if second % 2 else 'b'}\n" for second in range(60)) + "\n")
    found = run("try", "10/minute", "--trace", str(trace))
    assert found.exit_code == 0 and "60 requests: " in found.output
    trace.write_text('{"at_s": 1, "key": "a", "cost": 2}\n2,a,9\n')
    told = json.loads(run("try", "10/minute", "--trace", str(trace), "--json").output)
    assert (told["requests"], told["admitted"], told["by_limit"]) == (2, 1, {"limit": 1})
    trace.write_text("1,a\nnonsense\n")
    wrong = run("try", "10/minute", "--trace", str(trace))
    assert isinstance(wrong.exception, Invalid) and f"{trace}:2:" in str(wrong.exception)


@given(st.binary(max_size=200))
def test_no_body_breaks_the_service(body: bytes) -> None:
    """Whatever comes is answered."""
    import asyncio

    status, _ = asyncio.run(Service().post(body))
    assert status in (200, 400, 429)
