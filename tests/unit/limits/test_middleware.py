"""The door of any ASGI application: header fields for those who pass, a problem for those who do not."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import httpx
import pytest
from litestar import Litestar, get
from litestar.plugins.problem_details import ProblemDetailsPlugin
from litestar.types import Message, Scope
from tests.unit.limits.cases import S

from reelwright.kernel.clock import VirtualClock
from reelwright.kernel.errors import Invalid
from reelwright.limits import Limits, MemoryStore, TooManyRequests
from reelwright.limits.adapters.guarded import GuardedStore
from reelwright.limits.api import LimitsMiddleware, SheddingMiddleware, limit_guard, limit_of, weight_of
from reelwright.limits.contract import StoreUnavailable
from reelwright.limits.core.adaptive import Gradient
from reelwright.limits.core.fields import parse_limit_field, parse_policy
from reelwright.limits.core.rules import read_rules
from reelwright.limits.core.shedding import Gate
from reelwright.limits.settings import LimitsSettings
from reelwright.limits.system import doors, open_store

pytestmark = pytest.mark.anyio
RULES = """
domain: reelwright
descriptors:
  - key: door
    value: api
    limit: 10/minute
    descriptors:
      - {key: caller, limit: 2/minute}
  - key: door
    value: trial
    descriptors:
      - {key: caller, limit: 1/hour, shadow_mode: true}
"""


class Client:
    """Sends requests through the middleware to an application that answers 200, or what the path ends with."""

    def __init__(self, **options: Any) -> None:
        limits = Limits(store=MemoryStore(clock=VirtualClock()), domains=read_rules([("rules", RULES)]))
        self._middleware = LimitsMiddleware(self._app, limits=limits, **options)
        self.reached = 0

    async def _app(self, scope: Scope, receive: Any, send: Any) -> None:
        self.reached += 1
        status = int(scope["path"][-3:]) if scope["path"][-3:].isdigit() else 200
        await send({"type": "http.response.start", "status": status, "headers": [(b"x", b"1")]})
        await send({"type": "http.response.body", "body": b"ok", "more_body": False})

    async def get(self, path: str, address: str = "1.2.3.4", **headers: str) -> tuple[int, dict[str, str], bytes]:
        """Status, header fields and body."""
        sent: list[Any] = []

        async def send(message: Message) -> None:
            sent.append(message)

        scope: Any = {
            **{"type": "http", "method": "GET", "path": path, "client": (address, 1)},
            "headers": [(name.encode(), value.encode()) for name, value in headers.items()],
        }
        await self._middleware(scope, None, send)  # type: ignore[arg-type]
        fields = {name.decode(): value.decode() for name, value in sent[0]["headers"]}
        return sent[0]["status"], fields, sent[1]["body"]


async def test_who_passes_is_told_what_is_left_of_each_limit() -> None:
    """Both policies, of the door and of the caller, beside the application's own fields."""
    status, fields, body = await Client().get("/api/x")
    assert (status, body, fields["x"]) == (200, b"ok", "1")
    assert [one.quota for one in parse_policy(fields["ratelimit-policy"])] == [10, 2]
    assert [one.remaining for one in parse_limit_field(fields["ratelimit"])] == [9, 1]


async def test_who_does_not_pass_gets_a_problem_before_any_work_is_done() -> None:
    """429 with Retry-After and the violated policies; the application is not reached."""
    client = Client()
    answers = [await client.get("/api/x") for _ in range(3)]
    status, fields, body = answers[-1]
    assert status == 429 and client.reached == 2
    assert fields["content-type"] == "application/problem+json" and fields["retry-after"] == "30"
    assert json.loads(body)["violated-policies"] == ["reelwright.door_api.caller"]
    assert (await client.get("/api/x", "5.6.7.8"))[0] == 200


async def test_a_forged_header_changes_nobodys_counter() -> None:
    """X-Forwarded-For is believed nowhere here: the address is that of the connection."""
    client = Client()
    codes = [(await client.get("/api/x", **{"x-forwarded-for": f"9.9.9.{turn}"}))[0] for turn in range(3)]
    assert codes == [200, 200, 429]


async def test_where_only_failures_count_what_fits_gives_back() -> None:
    """What failed stays taken, and refuses also what would fit."""
    client = Client(failures=("api",))
    for path, code in (("/api/x", 200), ("/api/303", 303), ("/api/429", 429), ("/api/503", 503)):
        assert {(await client.get(path, path))[0] for _ in range(20)} == {code}
        assert (await client.get("/api/x", path))[0] == 200
    asked = ("/api/401", "/api/x", "/api/403", "/api/x", "/api/400")
    assert [(await client.get(path))[0] for path in asked] == [401, 200, 403, 429, 429]


async def test_an_answer_is_given_also_where_nothing_can_be_given_back(monkeypatch: pytest.MonkeyPatch) -> None:
    """The store went away between the two: what was taken stays taken."""

    async def away(*_: object) -> None:
        raise StoreUnavailable("gone")

    monkeypatch.setattr(MemoryStore, "settle", away)
    client = Client(failures=("api",))
    assert [(await client.get("/api/x"))[0] for _ in range(3)] == [200, 200, 429]


async def test_an_application_with_errors_of_its_own_is_given_one() -> None:
    """Where it asks for that, TooManyRequests is raised, with the fields that go with it."""
    client = Client(raises=True)
    with pytest.raises(TooManyRequests) as refused:
        for _ in range(3):
            await client.get("/api/x")
    assert refused.value.headers["Retry-After"] == "30" and refused.value.retry_after_s == 30


async def test_a_limit_in_shadow_mode_is_neither_felt_nor_told() -> None:
    """Only metrics see it."""
    client = Client(identify=lambda scope: ("trial", "x"))
    for _ in range(3):
        status, fields, _ = await client.get("/")
        assert status == 200 and "ratelimit" not in fields


async def test_what_no_rule_names_is_free() -> None:
    """Health checks, and doors without rules."""
    assert limit_of({"path": "/healthz"}) is None  # type: ignore[typeddict-item]
    client = Client()
    assert {(await client.get("/page"))[0] for _ in range(30)} == {200}


async def test_settings_are_limits_of_our_own_doors() -> None:
    """A setting that is no limit is refused at start."""
    found = doors(LimitsSettings(api="7/minute; 9/day"))["reelwright"]
    policy = Limits(domains={"reelwright": found}).policy("reelwright", [(("door", "api"), ("caller", "x"))])
    assert [(ask.limit.name, ask.limit.count) for ask in policy.asks] == [("api-1", 7), ("api-2", 9)]
    assert policy.asks[0].limit.period_ns == 60 * S
    with pytest.raises(Invalid, match="100/minute"):
        doors(LimitsSettings(pages="many"))


async def test_what_the_application_cannot_do_in_time_waits_or_is_shed() -> None:
    """Four at once; those who press play go before those who prefetch; who waits too long gets a problem."""
    order: list[str] = []
    running, go = 0, asyncio.Event()

    async def app(scope: Any, receive: Any, send: Any) -> None:
        nonlocal running
        running += 1
        assert running <= 4
        order.append(scope["path"])
        await go.wait()
        await asyncio.sleep(0)
        running -= 1
        await send({"type": "http.response.start", "status": 200, "headers": []})

    clock = VirtualClock()
    gate = Gate(limit=Gradient(estimate=4.0))
    middleware = SheddingMiddleware(
        app, rank=lambda scope: (int("prefetch" in scope["path"]), "t"), gate=gate, clock=clock
    )

    async def get(path: str) -> tuple[int, list[Any]]:
        sent: list[Any] = []

        async def send(message: Message) -> None:
            sent.append(message)

        await middleware({"type": "http", "path": path}, None, send)  # type: ignore[arg-type]
        return sent[0]["status"], sent

    first = [asyncio.create_task(get(f"/{number}")) for number in range(4)]
    await asyncio.sleep(0)
    late = [
        asyncio.create_task(get("/prefetch")),
        asyncio.create_task(get("/gone")),
        asyncio.create_task(get("/play")),
    ]
    await asyncio.sleep(0)
    late[1].cancel()
    go.set()
    codes = [(await task)[0] for task in (*first, late[0], late[2])]
    assert codes == [200] * 6 and order[4:] == ["/play", "/prefetch"] and gate.inflight == 0
    go.clear()
    held = [asyncio.create_task(get(f"/{number}")) for number in range(4)]
    await asyncio.sleep(0)
    waits = asyncio.create_task(get("/prefetch"))
    await asyncio.sleep(0)
    clock.advance(1)
    go.set()
    await asyncio.gather(*held)
    status, sent = await waits
    told = {name.decode(): value.decode() for name, value in sent[0]["headers"]}
    assert status == 503 and told["retry-after"] == "1"
    assert json.loads(sent[1]["body"])["type"].endswith("#temporary-reduced-capacity")


def test_a_store_is_chosen_by_its_url() -> None:
    """Shared ones are guarded; what is no store is refused with what is one."""
    clock = VirtualClock()
    assert isinstance(open_store(LimitsSettings(), clock), MemoryStore)
    for url in ("redis://x", "sqlite:///tmp/x", "postgresql://x", "redis+cluster://a:1,b:2"):
        assert isinstance(open_store(LimitsSettings(store=url), clock), GuardedStore)
    with pytest.raises(Invalid, match=r"memory://.*got memcached") as refused:
        open_store(LimitsSettings(store="memcached://ada:secret@x"), clock)
    assert "secret" not in str(refused.value)


async def test_a_guard_of_litestar_limits_single_routes() -> None:
    """By address or by a key of one's own; a problem with the fields, where the application makes problems."""

    @get("/dear", guards=[limit_guard(Limits(store=MemoryStore(clock=VirtualClock())), "2/hour", name="dear")])
    async def dear() -> str:
        return "done"

    by_user = limit_guard(
        Limits(store=MemoryStore(clock=VirtualClock())), "1/hour", name="u", key=lambda one: one.headers["x-user"]
    )

    @get("/mine", guards=[by_user])
    async def mine() -> str:
        return "done"

    app = Litestar([dear, mine], plugins=[ProblemDetailsPlugin()])
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://x") as client:  # type: ignore[arg-type]
        answers = [await client.get("/dear") for _ in range(3)]
        assert [answer.status_code for answer in answers] == [200, 200, 429]
        assert answers[2].headers["content-type"].startswith("application/problem+json")
        assert answers[2].json()["violated-policies"] == ["dear"]
        assert answers[2].headers["retry-after"] == "1800" and "r=0" in answers[2].headers["ratelimit"]
        codes = [(await client.get("/mine", headers={"x-user": user})).status_code for user in "aab"]
        assert codes == [200, 429, 200]
    with pytest.raises(Invalid, match="a limit looks like"):
        limit_guard(Limits(), "often", name="x")


@pytest.mark.parametrize(
    ("path", "fields", "weight"),
    [
        ("/api/v1/events", {"content-length": "900"}, 1),
        ("/api/v1/events", {"content-length": str(100 << 10)}, 4),
        ("/api/v1/cmcd", {"content-length": str(100 << 10)}, 4),
        ("/api/v1/events", {"content-length": "900", "content-encoding": "gzip"}, 1),
        ("/api/v1/events", {"content-length": str(10 << 10), "content-encoding": "GZIP"}, 11),
        ("/api/v1/events", {"content-length": "9" * 30}, 65),
        ("/api/v1/events", {"content-length": "-1"}, 65),
        ("/api/v1/events", {}, 65),
        ("/api/v1/practice/stories", {}, 1),
    ],
)
def test_a_batch_counts_by_its_length(path: str, fields: dict[str, str], weight: int) -> None:
    """What is sent there lies on the disk; who does not say how much comes is taken at the most."""
    scope: Any = {"path": path, "headers": [(name.encode(), value.encode()) for name, value in fields.items()]}
    assert weight_of(scope) == weight


async def test_a_long_request_takes_several_and_never_more_than_there_are() -> None:
    """Of each limit as many as its weight, so that the longest still passes once."""
    client = Client(weigh=lambda scope: int(scope["path"].rpartition("/")[2]))
    status, fields, _ = await client.get("/api/2")
    assert (status, [one.remaining for one in parse_limit_field(fields["ratelimit"])]) == (200, [8, 0])
    assert (await client.get("/api/1"))[0] == 429
    status, fields, _ = await Client(weigh=lambda _: 1000).get("/api/x")
    assert (status, [one.remaining for one in parse_limit_field(fields["ratelimit"])]) == (200, [0, 0])
