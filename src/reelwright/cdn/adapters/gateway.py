"""A caching gateway in front of any HTTP origins: manifests, pictures, pages, an API.

The decisions are those of `core/reuse.py`. Here is what they need done: one fetch however many wait, bytes to all of
them as they arrive, a broken transfer resumed from another origin, a stale answer where all origins are away.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections import Counter
from collections.abc import AsyncIterator, Callable, Sequence
from http import HTTPStatus
from typing import cast

import msgspec

from reelwright.cdn.adapters.body import Body
from reelwright.cdn.adapters.http1 import (
    HEAD_BYTES_MOST,
    RequestHead,
    ResponseHead,
    body_of,
    encode_head,
    length_of,
    read_request,
)
from reelwright.cdn.adapters.memory import Held, ResponseStore
from reelwright.cdn.adapters.origin import Exchange, Interim, Origin
from reelwright.cdn.core.fields import Fields, members_of, value_of, without
from reelwright.cdn.core.freshness import SURROGATE, may_store
from reelwright.cdn.core.purge import Purge, purge_of
from reelwright.cdn.core.ranges import Part, content_range_of, slice_of
from reelwright.cdn.core.reuse import (
    Action,
    Decision,
    cache_status,
    decide,
    end_to_end,
    freshened,
    invalidated,
    matches,
    may_serve_on_error,
    not_modified,
    range_applies,
    storable_fields,
    validators,
)
from reelwright.kernel.clock import Clock
from reelwright.kernel.errors import Forbidden, ReelwrightError, Terminal, Unavailable
from reelwright.kernel.telemetry import counter

ANSWERS = counter("gateway_answers_total", "Requests answered by the caching gateway, by how.", ("how",))

CONDITIONS = ("if-none-match", "if-modified-since", "if-match", "if-unmodified-since", "range", "if-range")
RESUMES_MOST = 3
Rank = Callable[[str], Sequence[Origin]]


class GatewaySettings(msgspec.Struct, frozen=True, kw_only=True):
    """Bounds and defaults of a gateway."""

    name: str = "edge"
    budget_bytes: int = 256 << 20
    object_bytes: int = 16 << 20
    """Larger objects pass through in a window of this size and are not kept."""
    stale_if_error_s: float = 86_400
    """For how long a stale answer stands in for an origin that fails, where the answer itself says nothing."""
    request_s: float = 10.0
    idle_s: float = 75.0
    stall_s: float = 30.0


class Reply(msgspec.Struct):
    """What goes to the client."""

    status: int
    reason: str
    fields: Fields
    blocks: AsyncIterator[bytes] | None = None
    length: int | None = None
    """Bytes of the body, where they are known."""


class MethodRefused(Terminal):
    """CONNECT and TRACE are not for a cache."""

    status = 405
    slug = "method-not-allowed"


class Loop(Forbidden):
    """The request has been here before (RFC 8586)."""

    status = 508
    slug = "loop"


class MustRevalidate(Unavailable):
    """A stale answer is held, its origin is away and forbade serving it unasked (RFC 9111 section 5.2.2.2)."""

    status = 504
    slug = "origin-away"


class _Flight:
    """A fetch that others may wait for."""

    def __init__(self, epoch: int) -> None:
        self.epoch = epoch
        """Purges before it began; an answer from before a purge is not kept after it."""
        self.ready = asyncio.Event()
        self.held: Held | None = None


class Gateway:
    """Answers from memory or from the first origin that can."""

    def __init__(
        self, rank: Rank, settings: GatewaySettings, clock: Clock, *, may_purge: Callable[[str], bool] | None = None
    ) -> None:
        """`may_purge` judges the bearer token of a PURGE; without it there is no such method."""
        self._may_purge = may_purge
        self._epoch = 0
        self._rank = rank
        self._settings = settings
        self._clock = clock
        self.store = ResponseStore(settings.budget_bytes)
        self._flights: dict[str, _Flight] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self.totals: Counter[str] = Counter()
        """Since the start: requests, hits, failed, sent_bytes; and connections, which are open now."""

    async def respond(
        self, request: RequestHead, body: AsyncIterator[bytes] | None = None, interim: Interim | None = None
    ) -> Reply:
        """The answer to a request. Raises Unavailable where no origin answers and nothing may stand in for it."""
        interim = interim or _ignore
        if self._settings.name in (value_of(request.fields, "cdn-loop") or "").replace(",", " ").split():
            raise Loop("this request has passed here before; origins must not point back at an edge")
        if request.method in ("CONNECT", "TRACE"):
            raise MethodRefused(f"{request.method} is not for a cache")
        if request.method == "PURGE" and self._may_purge is not None:
            return self._purge(request, self._may_purge)
        if request.method not in ("GET", "HEAD") or body is not None:
            return await self._pass(request, body, interim)
        key = key_of(request)
        held = self.store.find(key)
        decision = decide(request.fields, held, self._now_s())
        if decision.action in (Action.HIT, Action.STALE):
            found = cast("Held", decision.stored)
            reply = self._reply_from(request, found, decision)
            if decision.action is Action.STALE:
                self._spawn(self._refresh(request, key, found))
            if reply is not None:
                ANSWERS.labels(decision.action.value).inc()
                self.totals["hits"] += 1
                return reply
        if decision.action is Action.GIVE_UP:
            return _problem(504, "not held, and only-if-cached asks no further")
        return await self._join_or_fetch(request, key, decision, interim)

    def _purge(self, request: RequestHead, may: Callable[[str], bool]) -> Reply:
        scheme, _, token = (value_of(request.fields, "authorization") or "").partition(" ")
        if scheme.lower() != "bearer" or not may(token.strip()):
            raise Forbidden("a purge needs the token of one of our own processes; it lives two minutes")
        host = value_of(request.fields, "host") or ""
        count = self.purge(purge_of(host, request.target, request.fields))
        document = msgspec.json.encode({"purged": count})

        async def blocks() -> AsyncIterator[bytes]:
            yield document

        fields = (("content-type", "application/json"), ("cache-control", "no-store"))
        return Reply(200, "OK", fields, blocks(), len(document))

    def purge(self, purge: Purge) -> int:
        """Forget or age what a purge means, also what is on its way; the number of responses held that it meant."""
        self._epoch += 1
        return self.store.purge(purge, self._now_s())

    async def close(self) -> None:
        """Give up what is under way."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    # Fetching

    async def _join_or_fetch(self, request: RequestHead, key: str, decision: Decision, interim: Interim) -> Reply:
        flight = self._flights.get(key)
        if flight is not None:
            await flight.ready.wait()
            joined = flight.held
            if joined is not None and matches(request.fields, joined) and joined.ttl_s(self._now_s()) > 0:
                reply = self._reply_from(request, joined, decision, collapsed=True)
                if reply is not None:
                    ANSWERS.labels("collapsed").inc()
                    return reply
            return await self._fetch(request, key, decision, interim, _Flight(self._epoch))
        flight = _Flight(self._epoch)
        if request.method == "GET":
            self._flights[key] = flight
        try:
            return await self._fetch(request, key, decision, interim, flight)
        finally:
            flight.ready.set()
            if self._flights.get(key) is flight:
                del self._flights[key]

    async def _fetch(
        self, request: RequestHead, key: str, decision: Decision, interim: Interim, flight: _Flight
    ) -> Reply:
        validated = cast("Held | None", decision.stored) if decision.action is Action.VALIDATE else None
        asked_s = self._now_s()
        try:
            exchange = await self._ask(request, key, self._upwards(request, validated), None, interim)
        except Unavailable:
            stale = self._stale_instead(request, validated, decision)
            if stale is None and validated is not None:
                raise MustRevalidate(
                    "the origin is away, and what is held may not be used without asking it"
                ) from None
            if stale is None:
                raise
            return stale
        if exchange.head.status >= 500 and (stale := self._stale_instead(request, validated, decision)):
            await _drain(exchange)
            return stale
        if request.method == "HEAD":
            return await self._after_head(key, validated, exchange, asked_s)
        if exchange.head.status == 304 and validated is not None:
            await _drain(exchange)
            fresh = self._freshen(key, validated, exchange.head, asked_s, keep=flight.epoch == self._epoch)
            flight.held = fresh
            reply = self._reply_from(request, fresh, decision)
            if reply is not None:
                ANSWERS.labels("validated").inc()
                return reply
            decision = Decision(Action.FORWARD, None, decision.forward)
            exchange = await self._ask(request, key, self._upwards(request, None), None, interim)
        return self._take(request, key, decision, exchange, asked_s, flight)

    def _take(
        self,
        request: RequestHead,
        key: str,
        decision: Decision,
        exchange: Exchange,
        asked_s: float,
        flight: _Flight,
    ) -> Reply:
        """Store a new response where that is allowed, and answer with it as it arrives."""
        head = exchange.head
        if decision.stored is not None and head.status < 500:
            self.store.drop(key, decision.stored)
        body = self._body_for(request.method, head, request.fields) if flight.epoch == self._epoch else None
        ANSWERS.labels("fetched").inc()
        if body is None:
            return _relay(exchange, cache_status(self._settings.name, decision, asked_s))
        kept = storable_fields(head.fields)
        status = head.status
        if status == 206:
            status, kept = 200, without(kept, ("content-range", "content-length"))
        held = Held(status, kept, request.fields, asked_s, self._now_s(), body, _tags(head.fields))
        self.store.put(key, held)
        flight.held = held
        self._spawn(self._pump(request, key, held, exchange))
        through = content_range_of(value_of(head.fields, "content-range")) if head.status == 206 else None
        reply = self._reply_from(request, held, decision, stored=True, through=through)
        assert reply is not None
        return reply

    def _body_for(self, method: str, head: ResponseHead, request: Fields) -> Body | None:
        """Where to keep a response; None where it may not be kept."""
        if not may_store(method, head.status, request, head.fields, self._now_s()):
            return None
        length = length_of(head.fields)
        if head.status != 206:
            return Body(length, most=self._settings.object_bytes)
        part = content_range_of(value_of(head.fields, "content-range"))
        if part is None or length != part.end - part.start or length > self._settings.object_bytes:
            return None
        return Body(part.size, most=self._settings.object_bytes, base=part.start)

    async def _pump(self, request: RequestHead, key: str, held: Held, exchange: Exchange) -> None:
        """Move a body in; where it breaks off, go on with the rest from another origin."""
        body = held.body
        until = body.base + (length_of(exchange.head.fields) or 0) if exchange.head.status == 206 else body.total
        try:
            for attempt in range(RESUMES_MOST + 1):
                try:
                    async for block in exchange.blocks:
                        await body.append(block)
                    if until is None or body.end >= until:
                        break
                    raise Unavailable(f"the origin sent {body.end} of {until} bytes")
                except Unavailable:
                    if attempt == RESUMES_MOST or until is None or not _is_strong(held):
                        raise
                    exchange = await self._resume(request, key, held, until, attempt)
            body.finish()
            self._settle(key, held)
        except (ReelwrightError, asyncio.CancelledError) as error:
            body.finish(error if isinstance(error, ReelwrightError) else Unavailable("the edge stops"))
            self.store.drop(key, held)

    async def _resume(self, request: RequestHead, key: str, held: Held, until: int, attempt: int) -> Exchange:
        """The rest of a body that broke off. Raises Unavailable where the origin no longer has these bytes."""
        tag = value_of(held.fields, "etag") or ""
        start = held.body.end
        asks = (("range", f"bytes={start}-{until - 1}"), ("if-range", tag))
        fields = (*without(self._upwards(request, None), CONDITIONS), *asks)
        exchange = await self._ask(request, key, fields, None, _ignore, skip=attempt + 1)
        part = content_range_of(value_of(exchange.head.fields, "content-range"))
        same = value_of(exchange.head.fields, "etag") == tag
        if exchange.head.status != 206 or part is None or part.start != start or not same:
            await exchange.blocks.aclose()  # type: ignore[attr-defined]
            raise Unavailable("the object changed while it was fetched")
        return exchange

    def _settle(self, key: str, held: Held) -> None:
        """A body is complete: keep it where it fits, and forget it where it did not."""
        if held.body.whole:
            self.store.weigh(key)
        else:
            self.store.drop(key, held)

    def _freshen(self, key: str, validated: Held, head: ResponseHead, asked_s: float, *, keep: bool = True) -> Held:
        fresh = freshened(validated, head.fields, asked_s, self._now_s())
        held = Held(
            fresh.status,
            fresh.fields,
            fresh.requested,
            fresh.request_s,
            fresh.response_s,
            validated.body,
            _tags(fresh.fields),
        )
        if keep:
            self.store.put(key, held, replaces=validated)
        return held

    async def _after_head(self, key: str, held: Held | None, exchange: Exchange, asked_s: float) -> Reply:
        """A HEAD's answer freshens what is held, or makes it void (RFC 9111 section 4.3.5)."""
        head = exchange.head
        if held is not None and head.status == 200:
            described = ("etag", "last-modified", "content-length")
            if all(value_of(head.fields, name) in (None, value_of(held.fields, name)) for name in described):
                self._freshen(key, held, head, asked_s)
            else:
                self.store.drop(key, held)
        return _relay(exchange, f"{self._settings.name}; fwd=method")

    async def _refresh(self, request: RequestHead, key: str, held: Held) -> None:
        """Validate behind the clients' back, once at a time."""
        if key in self._flights:
            return
        behind = RequestHead("GET", request.target, without(request.fields, CONDITIONS), keep=False)
        with contextlib.suppress(ReelwrightError):
            reply = await self._join_or_fetch(behind, key, Decision(Action.VALIDATE, held, "stale"), _ignore)
            if reply.blocks is not None:
                async for _ in reply.blocks:
                    pass

    async def _pass(self, request: RequestHead, body: AsyncIterator[bytes] | None, interim: Interim) -> Reply:
        """An unsafe method, or one with a body: forwarded, with what it makes void."""
        key = key_of(request)
        host = value_of(request.fields, "host") or ""
        flight = _Flight(self._epoch)
        asked_s = self._now_s()
        exchange = await self._ask(request, key, self._upwards(request, None), body, interim)
        head = exchange.head
        for target in invalidated(request.method, request.target, host, head.status, head.fields):
            self.store.drop(f"{host}{target}")
        names_itself = value_of(head.fields, "content-location") in (request.target, f"http://{host}{request.target}")
        if request.method == "POST" and names_itself:
            return self._take(request, key, Decision(Action.FORWARD, None, "method"), exchange, asked_s, flight)
        return _relay(exchange, f"{self._settings.name}; fwd=method")

    def _upwards(self, request: RequestHead, validated: Held | None) -> Fields:
        """The request's fields as an origin gets them."""
        fields = without(end_to_end(request.fields), ("expect", "surrogate-capability"))
        if validated is not None:
            fields = (*without(fields, CONDITIONS), *validators(validated))
        if value_of(request.fields, "transfer-encoding"):
            fields = (*fields, ("transfer-encoding", "chunked"))
        surrogate = value_of(request.fields, "surrogate-capability")
        ours = f'{SURROGATE}="Surrogate/1.0"'
        return (
            *fields,
            ("via", "1.1 reelwright"),
            ("cdn-loop", self._settings.name),
            ("surrogate-capability", f"{surrogate}, {ours}" if surrogate else ours),
        )

    async def _ask(
        self,
        request: RequestHead,
        key: str,
        fields: Fields,
        body: AsyncIterator[bytes] | None,
        interim: Interim,
        *,
        skip: int = 0,
    ) -> Exchange:
        """The first origin's answer; the next is asked where one is away, unless a body has been sent already."""
        ranked = self._rank(key)
        problem: Unavailable = Unavailable("no origin is configured")
        for at in range(len(ranked)):
            origin = ranked[(at + skip) % len(ranked)]
            try:
                return await origin.ask(request.method, request.target, fields, body, interim)
            except Unavailable as error:
                problem = error
                if body is not None or request.method not in ("GET", "HEAD"):
                    break
        raise problem

    # Answering

    def _stale_instead(self, request: RequestHead, held: Held | None, decision: Decision) -> Reply | None:
        if held is None or not may_serve_on_error(held, self._now_s(), self._settings.stale_if_error_s):
            return None
        ANSWERS.labels("stale on error").inc()
        return self._reply_from(request, held, decision)

    def _reply_from(
        self,
        request: RequestHead,
        held: Held,
        decision: Decision,
        *,
        stored: bool = False,
        collapsed: bool = False,
        through: Part | None = None,
    ) -> Reply | None:
        """An answer from what is held; None when the wanted bytes are not among it."""
        now_s = self._now_s()
        says = cache_status(self._settings.name, decision, now_s, stored=stored, collapsed=collapsed)
        fields = _with_status(held.fields, says)
        if not stored:
            fields = (*without(fields, ("age",)), ("age", str(int(held.age_s(now_s) or 0))))
        if not stored and not_modified(request.fields, held):
            return Reply(304, "Not Modified", without(fields, ("content-length",)))
        return _piece(request, held, fields, through=through)

    def _now_s(self) -> float:
        return self._clock.wall_ns() / 1e9

    def _spawn(self, work: object) -> None:
        task: asyncio.Task[None] = asyncio.get_running_loop().create_task(work)  # type: ignore[arg-type]
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    # Connections

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One client's connection, until either side ends it."""
        connection = _Connection(self, self._settings, reader, writer)
        self.totals["connections"] += 1
        try:
            await connection.run()
        except (OSError, TimeoutError, asyncio.IncompleteReadError, ReelwrightError):
            writer.transport.abort()
        except asyncio.CancelledError:  # the process ends; asyncio would print this task's cancellation as an error
            writer.transport.abort()
        finally:
            self.totals["connections"] -= 1
            writer.close()


class _Connection:
    """Requests of one client, one after the other."""

    def __init__(
        self,
        gateway: Gateway,
        settings: GatewaySettings,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
    ) -> None:
        self._gateway = gateway
        self._settings = settings
        self._reader = reader
        self._writer = writer

    async def run(self) -> None:
        """Answer until there is no more to answer."""
        limit_s = self._settings.request_s
        keep = True
        while keep:
            try:
                async with asyncio.timeout(limit_s):
                    request = await read_request(self._reader)
            except ReelwrightError as error:
                await self._send(_problem(error.status, str(error)), "GET", keep=False)
                return
            if request is None:
                return
            keep = await self._answer(request)
            limit_s = self._settings.idle_s

    async def _answer(self, request: RequestHead) -> bool:
        body, unread = None, _Unread()
        if value_of(request.fields, "content-length") not in (None, "0") or value_of(
            request.fields, "transfer-encoding"
        ):
            body = unread.watch(body_of(self._reader, request.fields, to_close=False))
            if (value_of(request.fields, "expect") or "").lower() == "100-continue":
                self._writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        try:
            reply = await self._gateway.respond(request, body, self._interim)
        except ReelwrightError as error:
            status = 502 if error.status == Unavailable.status else error.status
            reply = _problem(status, str(error))
        self._gateway.totals["requests"] += 1
        self._gateway.totals["failed"] += reply.status >= 500
        keep = request.keep and (body is None or unread.ended)
        await self._send(reply, request.method, keep=keep)
        return keep

    async def _interim(self, head: ResponseHead) -> None:
        self._writer.write(encode_head(f"HTTP/1.1 {head.status} {head.reason}", end_to_end(head.fields)))

    async def _send(self, reply: Reply, method: str, *, keep: bool) -> None:
        fields = reply.fields
        chunked = reply.blocks is not None and reply.length is None
        if reply.blocks is not None and reply.length is not None:
            fields = (*without(fields, ("content-length",)), ("content-length", str(reply.length)))
        elif reply.blocks is None and method != "HEAD" and reply.status not in (204, 304):
            fields = (*without(fields, ("content-length",)), ("content-length", "0"))
        if chunked:
            fields = (*without(fields, ("content-length",)), ("transfer-encoding", "chunked"))
        if not keep:
            fields = (*fields, ("connection", "close"))
        self._writer.write(encode_head(f"HTTP/1.1 {reply.status} {reply.reason}", fields))
        if reply.blocks is not None:
            async for block in reply.blocks:
                self._writer.write(b"%x\r\n%b\r\n" % (len(block), block) if chunked else block)
                self._gateway.totals["sent_bytes"] += len(block)
                async with asyncio.timeout(self._settings.stall_s):
                    await self._writer.drain()
        if chunked:
            self._writer.write(b"0\r\n\r\n")
        async with asyncio.timeout(self._settings.stall_s):
            await self._writer.drain()


class _Unread:
    """Whether a request's body has been read to its end, so that the next request starts where it should."""

    ended = False

    async def watch(self, blocks: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
        """The same blocks."""
        async for block in blocks:
            yield block
        self.ended = True


def key_of(request: RequestHead) -> str:
    """What a response is held under: host and target."""
    return f"{value_of(request.fields, 'host') or ''}{request.target}"


def _piece(request: RequestHead, held: Held, fields: Fields, *, through: Part | None) -> Reply | None:
    """The whole or the asked-for range of what is held."""
    body = held.body
    size = body.size
    reason = _reason(held.status)
    asked = value_of(request.fields, "range") if request.method == "GET" else None  # RFC 9110, section 14.2
    if through is not None:
        part = ("content-range", f"bytes {through.start}-{through.end - 1}/{through.size}")
        return _reply(request, 206, _reason(206), (*fields, part), held, through.start, through.end)
    if asked is None or held.status != 200 or size is None or not range_applies(request.fields, held.fields):
        if body.base or (body.done and size is not None and body.end < size) or not body.whole:
            return None
        return _reply(request, held.status, reason, fields, held, 0, size)
    piece = slice_of(asked, size)
    if piece is None:
        return Reply(416, _reason(416), (*without(fields, ("content-length",)), ("content-range", f"bytes */{size}")))
    if piece.start < body.base or not body.whole or (body.done and piece.end > body.end):
        return None
    if not piece.partial:
        return _reply(request, held.status, reason, fields, held, 0, size)
    part = ("content-range", f"bytes {piece.start}-{piece.end - 1}/{size}")
    return _reply(request, 206, _reason(206), (*fields, part), held, piece.start, piece.end)


def _reply(
    request: RequestHead, status: int, reason: str, fields: Fields, held: Held, start: int, end: int | None
) -> Reply:
    if request.method == "HEAD" or status in (204, 304):
        return Reply(status, reason, fields)
    return Reply(status, reason, fields, held.body.read(start, end), None if end is None else end - start)


def _relay(exchange: Exchange, says: str) -> Reply:
    """An answer that is not kept, passed on as it comes."""
    head = exchange.head
    fields = _with_status(end_to_end(head.fields), says)
    if head.status in (204, 304):
        return Reply(head.status, head.reason, fields)
    return Reply(head.status, head.reason, fields, exchange.blocks, length_of(head.fields))


def _with_status(fields: Fields, says: str) -> Fields:
    """Our member after those of the tiers above."""
    before = value_of(fields, "cache-status")
    return (*without(fields, ("cache-status",)), ("cache-status", f"{before}, {says}" if before else says))


async def _drain(exchange: Exchange) -> None:
    with contextlib.suppress(ReelwrightError):
        async for _ in exchange.blocks:
            pass


async def _ignore(_head: ResponseHead) -> None:
    """An interim answer that nobody waits for."""


def _is_strong(held: Held) -> bool:
    return (value_of(held.fields, "etag") or "").startswith('"')


def _tags(fields: Fields) -> frozenset[str]:
    """The tags by which an origin lets a response be purged."""
    return frozenset(
        tag
        for name in ("surrogate-key", "cache-tag")
        for member in members_of(fields, name)
        for tag in member.split()
    )


def _reason(status: int) -> str:
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return ""


def _problem(status: int, detail: str) -> Reply:
    document = msgspec.json.encode({"title": _reason(status), "status": status, "detail": detail})

    async def blocks() -> AsyncIterator[bytes]:
        yield document

    fields = (("content-type", "application/problem+json"), ("cache-control", "no-store"))
    return Reply(status, _reason(status), fields, blocks(), len(document))


async def start_gateway(gateway: Gateway, host: str, port: int, *, shared: bool = False) -> asyncio.Server:
    """Listen; `shared` with other processes, among which the kernel spreads the connections."""
    return await asyncio.start_server(
        gateway.serve, host, port, limit=HEAD_BYTES_MOST, backlog=1024, reuse_port=shared or None
    )
