"""The doors: middlewares in front of every route, which limit stands at which, and limits as their own service."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Collection
from typing import Annotated, Any

import msgspec
from litestar import get
from litestar.connection import ASGIConnection
from litestar.enums import ScopeType
from litestar.handlers.base import BaseRouteHandler
from litestar.params import Parameter
from litestar.plugins.problem_details import ProblemDetailsException
from litestar.response import Stream
from litestar.types import ASGIApp, HTTPScope, Message, Receive, Scope, Send
from msgspec import Meta

from reelwright.kernel.clock import Clock, SystemClock
from reelwright.kernel.errors import Conflict, Invalid
from reelwright.kernel.live import live
from reelwright.kernel.principal import NOBODY, Principal, require
from reelwright.limits.adapters.history import History
from reelwright.limits.contract import (
    Answer,
    Ask,
    Limit,
    Minute,
    Overloaded,
    Policy,
    Replayed,
    Told,
    TooManyRequests,
    UnreadableLimit,
)
from reelwright.limits.core.descriptors import bounded
from reelwright.limits.core.fields import headers, limit_field
from reelwright.limits.core.grammar import parse_limits
from reelwright.limits.core.rules import ENVOY_UNITS_S
from reelwright.limits.core.shedding import Gate
from reelwright.limits.service import Described, Limits, Status, with_cost

ATTEMPTS = frozenset(
    {
        ("POST", "/api/v1/setup"),
        ("POST", "/api/v1/session"),
        ("PUT", "/api/v1/session/profile"),
        ("PUT", "/api/v1/session/password"),
        ("POST", "/setup"),
        ("POST", "/sign-in"),
        ("POST", "/profiles/choose"),
        ("POST", "/settings"),
    }
)
"""Where a password, a code or a PIN is guessed: counted by address, whoever claims to ask, unless it fits.

A class behind one address signs in within a minute; who guesses gets nothing back for an own password that fits.
"""
ATTEMPT_METHODS = frozenset(method for method, _ in ATTEMPTS)
UNLIMITED = frozenset({"/healthz", "/readyz"})
KINDS = ("playing", "browsing", "background")
"""What load shedding tells apart, the most important first."""
PLAYING, BROWSING, BACKGROUND = range(3)
_PLAYING = ("/api/v1/playback/", "/api/v1/events", "/api/v1/cmcd", "/watch/")
_BACKGROUND = ("/static/", "/art/", "/sw.js")
_LONG = ("/api/v1/uploads", "/api/v1/analytics/", "/studio/data", "/api/v1/practice/", "/practice/", "/metrics")
"""What takes long by its nature: it would hold a slot all the while, and tell nothing of how busy the service is."""
WEIGHED = frozenset({"/api/v1/events", "/api/v1/cmcd"})
"""What lies on the disk as it was sent: here a long request counts as several."""
WEIGHT_BYTES = 32 << 10
LARGEST_BYTES = 2 << 20
PACKED_TIMES = 32
"""How many times longer a gzip body may become; the doors of events refuse more."""
DOMAIN = "reelwright"
WAIT_S = 1.0
BODY_BYTES_MOST = 1 << 20
MINUTES_MOST = 24 * 60
Identify = Callable[[Any], tuple[str, str] | None]
"""Of an ASGI scope, the door and who knocks; None where nothing is limited."""


class LimitsMiddleware:
    """Refuses with 429 what comes too fast, and tells everybody how much is left.

    For any ASGI application. `identify` says which limits a request meets: those of `domain` at (door) and at
    (door, caller). An address is that of the connection: behind a proxy, the server in front of this puts the
    client's there, and believes X-Forwarded-For only of trusted proxies. A refused request is answered with a
    problem, or raises TooManyRequests where `raises` is set, for applications that make their own answers of errors.
    At the doors `failures` only what fails counts: an answer below 400 gives back what its request took, and so does
    one that says nothing of the request (429, 5xx). `weigh` says as how many a request counts, which is never more
    than a limit admits at once.
    """

    def __init__(
        self,
        app: ASGIApp,
        *,
        limits: Limits,
        identify: Identify | None = None,
        domain: str = DOMAIN,
        raises: bool = False,
        failures: Collection[str] = (),
        weigh: Callable[[Any], int] | None = None,
    ) -> None:
        self._app = app
        self._weigh = weigh
        self._limits = limits
        self._failures = failures
        self._identify = identify or limit_of
        self._domain = domain
        self._raises = raises

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Decide, then go on or refuse."""
        met = self._identify(scope) if scope["type"] == ScopeType.HTTP else None
        if met is None:
            await self._app(scope, receive, send)
            return
        policy = self._policy(*met)
        asks = _weighed(policy.asks, self._weigh(scope)) if self._weigh else policy.asks
        decide_at_once = self._limits.decide_at_once
        answer = decide_at_once(asks) if decide_at_once else await self._limits.decide(asks)
        if not answer.allowed:
            await self._refuse(answer, send)
            return
        if met[0] in self._failures:
            send = self._giving_back(answer, send)
        if not policy.field:  # all of its limits are in shadow mode
            await self._app(scope, receive, send)
            return
        told = limit_field(answer)
        fields = ((b"ratelimit-policy", policy.field), (b"ratelimit", told))

        async def send_with_fields(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = (*message.get("headers", ()), *fields)
            await send(message)

        await self._app(scope, receive, send_with_fields)

    def _giving_back(self, answer: Answer, send: Send) -> Send:
        async def send_and_settle(message: Message) -> None:
            if message["type"] == "http.response.start":
                status = message["status"]
                if status < 400 or status == 429 or status >= 500:
                    await self._limits.give_back(answer)
            await send(message)

        return send_and_settle

    async def _refuse(self, answer: Answer, send: Send) -> None:
        refused = TooManyRequests(answer, headers(answer))
        if self._raises:
            raise refused
        await _send_problem(send, refused)

    def _policy(self, door: str, caller: str) -> Policy:
        of_door = ("door", door)
        return self._limits.policy(self._domain, ((of_door,), (of_door, ("caller", caller))))


def limit_guard(
    limits: Limits, rule: str, *, name: str, key: Callable[[ASGIConnection[Any, Any, Any, Any]], str] | None = None
) -> Callable[[ASGIConnection[Any, Any, Any, Any], BaseRouteHandler], Awaitable[None]]:
    """A guard for Litestar's routes, controllers or routers: `guards=[limit_guard(limits, "5/minute", name="x")]`.

    `key` says whose counter a connection takes from; without it, its address. A refused request is a 429 with the
    header fields, and a problem where the application has Litestar's problem details plugin. Raises Invalid for a
    rule that is none.
    """
    stands, whose = parse_limits(rule, name), key or _address_of

    async def guard(connection: ASGIConnection[Any, Any, Any, Any], _handler: BaseRouteHandler) -> None:
        counter = f"{name}|{bounded(whose(connection))}"
        answer = await limits.decide([Ask(limit, counter) for limit in stands])
        if not answer.allowed:
            refused = TooManyRequests(answer, headers(answer))
            members = dict(refused.problem)
            raise ProblemDetailsException(
                detail=str(refused),
                status_code=refused.status,
                headers=dict(refused.headers),
                type_=str(members.pop("type")),
                title=str(members.pop("title")),
                extra=members,
            )

    return guard


def _address_of(connection: ASGIConnection[Any, Any, Any, Any]) -> str:
    return f"address {connection.client.host if connection.client else 'unknown'}"


class SheddingMiddleware:
    """Lets in what the application can do in time; the rest waits by priority and tenant, or is answered 503.

    For any ASGI application, on one event loop. `rank` says priority (0 is the most important) and tenant of a
    request; None passes by: what stays open for long (events, uploads) would hold a slot all the while. `told` hears
    of each request's priority and whether it was let in. How long requests take is measured up to the priority
    `measured_most`, where one is given: pictures take another time than pages.
    """

    def __init__(
        self,
        app: ASGIApp,
        *,
        rank: Callable[[Any], tuple[int, str] | None],
        gate: Gate | None = None,
        clock: Clock | None = None,
        raises: bool = False,
        wait_s: float = WAIT_S,
        told: Callable[[int, bool], None] | None = None,
        measured_most: int | None = None,
    ) -> None:
        self._app = app
        self._rank = rank
        self._wait_s = wait_s
        self._told = told or _tell_nobody
        self._measured_most = measured_most
        self._gate = gate or Gate()
        self._now_ns = (clock or SystemClock()).monotonic_ns
        self._raises = raises

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Go in, wait or refuse."""
        ranked = self._rank(scope) if scope["type"] == ScopeType.HTTP else None
        if ranked is None:
            await self._app(scope, receive, send)
            return
        try:
            await self._enter(*ranked)
        except Overloaded as error:
            self._told(ranked[0], False)
            await self._refuse(error, send)
            return
        self._told(ranked[0], True)
        begun_ns, failed = self._now_ns(), True
        try:
            await self._app(scope, receive, send)
            failed = False
        finally:
            now_ns = self._now_ns()
            measured = self._measured_most is None or ranked[0] <= self._measured_most
            rtt_ns = max(1, now_ns - begun_ns) if measured else 0
            self._tell(*self._gate.leave(now_ns, rtt_ns=rtt_ns, dropped=failed))

    async def _enter(self, priority: int, tenant: str) -> None:
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        entry, out = self._gate.enter(self._now_ns(), priority=priority, tenant=tenant, item=turn)
        self._tell([], out)
        if entry == "shed":
            raise Overloaded
        if entry == "waits":
            await self._wait(turn)

    async def _wait(self, turn: asyncio.Future[None]) -> None:
        """Until it is its turn; where nothing ends meanwhile, nobody else would look who has waited too long."""
        try:
            async with asyncio.timeout(self._wait_s):
                await turn
        except TimeoutError:
            raise Overloaded from None

    def _tell(self, begins: list[asyncio.Future[None]], out: list[asyncio.Future[None]]) -> None:
        for turn in out:
            if not turn.done():
                turn.set_exception(Overloaded())
        for turn in begins:
            if turn.done():  # went away while it waited
                self._tell(*self._gate.withdraw(self._now_ns()))
            else:
                turn.set_result(None)

    async def _refuse(self, error: Overloaded, send: Send) -> None:
        if self._raises:
            raise error
        await _send_problem(send, error)


async def _send_problem(send: Send, error: TooManyRequests | Overloaded) -> None:
    """A refusal as `application/problem+json`."""
    body = msgspec.json.encode({**error.problem, "status": error.status, "detail": str(error)})
    told = [(b"content-type", b"application/problem+json"), (b"content-length", b"%d" % len(body))]
    told += [(name.lower().encode(), value.encode()) for name, value in error.headers.items()]
    await send({"type": "http.response.start", "status": error.status, "headers": told})
    await send({"type": "http.response.body", "body": body, "more_body": False})


def limit_of(scope: HTTPScope) -> tuple[str, str] | None:
    """The door of one of our own requests, and whose counter it takes from."""
    path = scope["path"]
    if path in UNLIMITED:
        return None
    client = scope.get("client")
    address = f"address {client[0] if client else 'unknown'}"
    if scope["method"] in ATTEMPT_METHODS and (scope["method"], path.rstrip("/") or "/") in ATTEMPTS:
        return "sign_in", address
    caller = scope.get("state", {}).get("principal", NOBODY)
    key = _key_of(caller, address) if isinstance(caller, Principal) else address
    if path in ("/api/v1/events", "/api/v1/cmcd"):
        return "events", key
    return ("api" if path.startswith("/api/") else "pages"), key


def weight_of(scope: HTTPScope) -> int:
    """As how many one of our own requests counts; a sender that does not say how much comes is taken at the most."""
    if scope["path"] not in WEIGHED:
        return 1
    fields = dict(scope["headers"])
    told = fields.get(b"content-length", b"")
    size = int(told) if told.isdigit() and len(told) <= 12 else LARGEST_BYTES
    if fields.get(b"content-encoding", b"identity").strip().lower() not in (b"identity", b""):
        size *= PACKED_TIMES
    return 1 + min(size, LARGEST_BYTES) // WEIGHT_BYTES


def _weighed(asks: tuple[Ask, ...], weight: int) -> tuple[Ask, ...]:
    if weight == 1:
        return asks
    return tuple(one for ask in asks for one in with_cost([ask], min(weight, max(1, ask.limit.most))))


def rank_of(scope: HTTPScope) -> tuple[int, str] | None:
    """How much one of our own requests matters when not all can be answered, and whose it is."""
    path = scope["path"]
    if path in UNLIMITED or path.endswith("/stream") or path.startswith(_LONG):
        return None
    if (scope["method"], path.rstrip("/") or "/") in ATTEMPTS:
        return None  # checking a password takes long on purpose, and is limited by address
    client = scope.get("client")
    address = f"address {client[0] if client else 'unknown'}"
    caller = scope.get("state", {}).get("principal", NOBODY)
    tenant = _key_of(caller, address) if isinstance(caller, Principal) else address
    if path.startswith(_PLAYING):
        return PLAYING, tenant
    extra = path.startswith(_BACKGROUND) or any(name == b"sec-purpose" for name, _ in scope["headers"])
    return (BACKGROUND if extra else BROWSING), tenant


def _tell_nobody(_priority: int, _admitted: bool) -> None:
    """Where nobody counts."""


def _key_of(caller: Principal, address: str) -> str:
    if caller.kind in ("session", "token"):
        return f"{caller.kind} {caller.user_id} {caller.profile_id}"
    return f"peer {address}" if caller.kind == "peer" else address


class _Entry(msgspec.Struct, frozen=True):
    key: Annotated[str, Meta(min_length=1, max_length=1000)]
    value: Annotated[str, Meta(max_length=65536)] = ""


class _Override(msgspec.Struct, frozen=True, rename="camel"):
    requests_per_unit: Annotated[int, Meta(ge=0, le=2**32)]
    unit: str


class _Descriptor(msgspec.Struct, frozen=True, rename="camel"):
    entries: Annotated[list[_Entry], Meta(min_length=1, max_length=16)]
    limit: _Override | None = None
    hits_addend: Annotated[int, Meta(ge=0)] | None = None


class _Asked(msgspec.Struct, frozen=True, rename="camel"):
    domain: Annotated[str, Meta(min_length=1, max_length=1000)]
    descriptors: Annotated[list[_Descriptor], Meta(min_length=1, max_length=100)]
    hits_addend: Annotated[int, Meta(ge=0)] = 1


@get("/api/v1/limits", summary="Tell what limits did", guards=[require("admin")], tags=("limits",))
async def told(limits: Limits) -> Told:
    """By limit, what was admitted, denied and would have been denied in shadow mode, since this process began."""
    return limits.report()


@get("/api/v1/limits/minutes", summary="List what limits did by minute", guards=[require("admin")], tags=("limits",))
async def minutes(
    limits_history: History | None, count: Annotated[int, Parameter(ge=1, le=MINUTES_MOST)] = 60
) -> list[Minute]:
    """The last `count` minutes, of all processes: by limit what was admitted, denied and shed, and the hot keys."""
    return await limits_history.minutes(count) if limits_history else []


@get("/api/v1/limits/replay", summary="Try limits on recorded traffic", guards=[require("admin")], tags=("limits",))
async def replay(
    limits_history: History | None,
    limit: Annotated[str, Parameter(max_length=200)],
    rule: Annotated[str, Parameter(max_length=1000)],
    hours: Annotated[int, Parameter(ge=1, le=24)] = 24,
    ago_hours: Annotated[int, Parameter(ge=0, le=24 * 31)] = 0,
) -> Replayed:
    """What `rule` would have done, in place of `limit`, to the traffic of `hours` that ended `ago_hours` ago."""
    if limits_history is None:
        raise Conflict("no traffic is recorded: set limits.history_hours")
    try:
        limits = parse_limits(rule, "rule")
    except Invalid as error:
        raise UnreadableLimit(str(error)) from error
    return await limits_history.replay(limits, limit, hours=hours, ago_hours=ago_hours)


@get(
    "/api/v1/limits/stream",
    summary="Follow what limits do",
    guards=[require("admin")],
    tags=("limits",),
    media_type="text/event-stream",
)
async def stream(limits_history: History | None) -> Stream:
    """Follow the last two minutes live as Server-Sent Events; one message for each change, at most every 5 s."""

    async def look() -> Any:
        return await limits_history.minutes(2) if limits_history else []

    return live(look, every_s=5)


ROUTES = (told, minutes, replay, stream)


class RateLimitApp:
    """Service mode as an ASGI application: `POST /json` as Envoy's rate limit service takes it, and `/healthcheck`.

    200 with `overallCode` OK or 429 with OVER_LIMIT, one status a descriptor; 400 for what cannot be read.
    """

    def __init__(self, limits: Limits) -> None:
        self._limits = limits

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != ScopeType.HTTP:
            return
        if scope["path"] == "/healthcheck":
            await _answer(send, 200, {"status": "OK"})
        elif scope["path"] != "/json" or scope["method"] != "POST":
            await _answer(send, 404, {"detail": "there are POST /json and GET /healthcheck"})
        else:
            await _answer(send, *await self._decide(await _body(receive)))

    async def _decide(self, body: bytes | None) -> tuple[int, object]:
        if body is None:
            return 413, {"detail": f"a request of at most {BODY_BYTES_MOST} bytes"}
        try:
            asked = msgspec.json.decode(body, type=_Asked)
            described = [_described(one) for one in asked.descriptors]
            statuses = await self._limits.decide_each(asked.domain, described, hits=asked.hits_addend or 1)
        except (msgspec.MsgspecError, UnicodeDecodeError, Invalid) as error:
            return 400, {"detail": str(error)}
        over = any(not status.allowed for status in statuses)
        told = [_told(status) for status in statuses]
        return (429 if over else 200), {"overallCode": "OVER_LIMIT" if over else "OK", "statuses": told}


def _described(one: _Descriptor) -> Described:
    limits: tuple[Limit, ...] = ()
    if one.limit is not None:
        seconds = ENVOY_UNITS_S.get(one.limit.unit.lower())
        if seconds is None:
            raise Invalid(f"a unit is one of {', '.join(ENVOY_UNITS_S)}, got {one.limit.unit[:40]!r}")
        count = one.limit.requests_per_unit
        limits = (Limit(name="override", count=count, period_ns=seconds * 10**9, algorithm="window"),)
    return Described(tuple((entry.key, entry.value) for entry in one.entries), limits, one.hits_addend)


def _told(status: Status) -> dict[str, object]:
    verdict = status.verdict
    if verdict is None:
        return {"code": "OK"}
    seconds = verdict.limit.period_ns // 10**9
    unit = next((name.upper() for name, length in ENVOY_UNITS_S.items() if length == seconds), "UNKNOWN")
    return {
        "code": "OK" if status.allowed else "OVER_LIMIT",
        "currentLimit": {"name": verdict.limit.name, "requestsPerUnit": verdict.limit.count, "unit": unit},
        "limitRemaining": verdict.remaining,
        "durationUntilReset": f"{-(-verdict.reset_ns // 10**9)}s",
    }


async def _body(receive: Receive) -> bytes | None:
    """The whole body; None where it is too large."""
    parts, size = [], 0
    while True:
        message = await receive()
        part = message.get("body", b"") if message["type"] == "http.request" else b""
        size += len(part)
        if size > BODY_BYTES_MOST:
            return None
        parts.append(part)
        if message["type"] != "http.request" or not message.get("more_body"):
            return b"".join(parts)


async def _answer(send: Send, status: int, document: object) -> None:
    body = msgspec.json.encode(document)
    told = [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(body))]
    await send({"type": "http.response.start", "status": status, "headers": told})
    await send({"type": "http.response.body", "body": body, "more_body": False})
