"""Routes of events: batches from players, and what viewers say about titles."""

from __future__ import annotations

import zlib
from collections.abc import Awaitable, Callable, Mapping
from typing import Annotated, Any, Literal, TypeVar

import msgspec
from litestar import Controller, Request, Response, delete, get, post, put
from litestar.enums import ScopeType
from litestar.params import Parameter
from litestar.types import HTTPScope, Receive, Scope, Send
from msgspec import Meta

from reelwright.events.client import PATH, PROJECTED, Answer, Report
from reelwright.events.contract import Event, EventsClient, EventType, Tally, Verdict, Watched
from reelwright.events.core.reports import cmcd_event
from reelwright.events.ports import VisibleTitles
from reelwright.kernel.errors import Invalid, NotFound, Terminal
from reelwright.kernel.http import decode_cursor, encode_cursor
from reelwright.kernel.ids import EventId, PlayableId, ProfileId, TitleId, new_id
from reelwright.kernel.principal import (
    caller_in,
    check_peer,
    check_profile,
    principal_of,
    require,
    require_peer,
    require_profile,
)
from reelwright.kernel.system import Resources

MAX_BODY_BYTES = 2 << 20
PACKED_TIMES = 32
"""How many times longer a gzip body may become: by its packed length it is limited."""
_LENGTH_DIGITS = 12
Cursor = Annotated[str | None, Parameter(max_length=200, description="As the Link to the next page has it.")]
B = TypeVar("B", "Batch", Report)


class Batch(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a client sends: an array of events."""

    events: msgspec.Raw
    sent_ms: Annotated[float, Meta(ge=0, le=1 << 48)] | None = None
    """The client's clock when it sent this: its times are corrected by the difference to ours."""
    tally: Tally | None = None
    """What the device says it has sent so far."""


class Verdicts(msgspec.Struct, frozen=True):
    """The answer: one verdict an event, in order."""

    verdicts: list[Verdict]


_BATCH = msgspec.json.Decoder(Batch)
_REPORT = msgspec.json.Decoder(Report)
_ENCODER = msgspec.json.Encoder()


class TooLarge(Terminal):
    """The batch exceeds what is taken at once."""

    status = 413
    slug = "too-large"


class UnsupportedEncoding(Terminal):
    """The body is packed in a way that is not undone here."""

    status = 415
    slug = "unsupported-encoding"


class Thumb(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A judgement: 1 up, -1 down, 0 none."""

    value: Literal[-1, 0, 1]


class EventRoutes(Controller):
    """Events, as they come in."""

    path = "/api/v1"
    tags = ("events",)

    @post("/events", summary="Report events", status_code=200, guards=[require_profile])
    async def report(self, request: Request[Any, Any, Any], events: EventsClient) -> Verdicts:
        """Report a batch of up to 500 events as `{"events": […]}`; answered, one verdict each, once they are safe."""
        return await take_batch(request.scope, request.receive, events)

    @post("/cmcd", summary="Report CMCD events", status_code=200, guards=[require_profile])
    async def report_cmcd(
        self, request: Request[Any, Any, Any], events: EventsClient, resources: Resources
    ) -> Verdicts:
        """Report Common Media Client Data in event mode, one report a line; one verdict each, once they are safe."""
        headers = dict(request.scope["headers"])
        with events.take(_size(headers)):
            try:
                lines = (await _body(headers, request.receive)).decode().splitlines()
            except UnicodeDecodeError as error:
                raise Invalid("a CMCD report is text in UTF-8") from error
            if not any(line.strip() for line in lines):
                raise Invalid("a CMCD report has a line for each event, and this one has none")
            profile_id, now_ms = _profile(request), resources.clock.wall_ns() // 1_000_000
            told = [cmcd_event(line, profile_id, now_ms) for line in lines if line.strip()]
            array = msgspec.Raw(msgspec.json.encode(told))
            return Verdicts(await events.record_array(array, profile_id=profile_id, now_ms=now_ms))

    @get("/events/ledger", summary="Account for events", guards=[require("admin")])
    async def get_ledger(self, events: EventsClient) -> list[dict[str, Any]]:
        """Account for the events of the last two days: stored and duplicate per hour and source."""
        return await events.list_ledger()


class ViewerRoutes(Controller):
    """What a profile has watched, saved and judged, as far as it may still know of it."""

    path = "/api/v1"
    tags = ("events",)
    guards = (require_profile,)

    @get("/history", summary="List what was watched")
    async def list_history(
        self,
        request: Request[Any, Any, Any],
        events: EventsClient,
        visible: VisibleTitles,
        cursor: Annotated[
            str | None, Parameter(max_length=200, description="As the Link to the next page has it.")
        ] = None,
        limit: Annotated[int, Parameter(ge=1, le=200, description="Entries a page.")] = 200,
    ) -> Response[list[Watched]]:
        """List what the profile has watched, latest first, with position and length; `Link` names the next page."""
        before = decode_cursor(cursor, int, str) if cursor else None
        found = await events.list_watched(
            _profile(request), limit=limit + 1, before=(before[0], PlayableId(before[1])) if before else None
        )
        page = found[:limit]
        there = await visible.visible_titles({row.title_id for row in page}, principal_of(request))
        headers = {}
        if len(found) > limit:
            next_cursor = encode_cursor(page[-1].last_ms, page[-1].playable_id)
            headers["Link"] = f'<{request.url.path}?limit={limit}&cursor={next_cursor}>; rel="next"'
        return Response([row for row in page if row.title_id in there], headers=headers)

    @get("/my-list", summary="List saved titles")
    async def list_saved(
        self, request: Request[Any, Any, Any], events: EventsClient, visible: VisibleTitles
    ) -> list[TitleId]:
        """List the titles that the profile has saved, latest first."""
        saved = await events.list_saved(_profile(request))
        there = await visible.visible_titles(saved, principal_of(request))
        return [title_id for title_id in saved if title_id in there]

    @put("/my-list/{title_id:str}", summary="Save a title", status_code=204)
    async def save(
        self,
        request: Request[Any, Any, Any],
        title_id: str,
        events: EventsClient,
        visible: VisibleTitles,
        resources: Resources,
    ) -> None:
        """Put a title on the profile's list."""
        await _tell(events, visible, resources, request, "list_change", title_id, {"saved": True})

    @delete("/my-list/{title_id:str}", summary="Unsave a title", status_code=204)
    async def unsave(
        self,
        request: Request[Any, Any, Any],
        title_id: str,
        events: EventsClient,
        visible: VisibleTitles,
        resources: Resources,
    ) -> None:
        """Take a title off the profile's list."""
        await _tell(events, visible, resources, request, "list_change", title_id, {"saved": False})

    @put("/thumbs/{title_id:str}", summary="Judge a title", status_code=204)
    async def judge(
        self,
        request: Request[Any, Any, Any],
        title_id: str,
        data: Thumb,
        events: EventsClient,
        visible: VisibleTitles,
        resources: Resources,
    ) -> None:
        """Say thumbs up (1), down (-1) or nothing (0) of a title."""
        await _tell(events, visible, resources, request, "thumb", title_id, {"value": data.value})


def _profile(request: Request[Any, Any, Any]) -> ProfileId:
    profile_id = principal_of(request).profile_id
    assert profile_id is not None, "require_profile guards every route that asks"
    return profile_id


async def _tell(
    events: EventsClient,
    visible: VisibleTitles,
    resources: Resources,
    request: Request[Any, Any, Any],
    kind: EventType,
    title: str,
    data: dict[str, Any],
) -> None:
    title_id = TitleId(title)
    if title_id not in await visible.visible_titles([title_id], principal_of(request)):
        raise NotFound("no such title")
    at_ms = resources.clock.wall_ns() // 1_000_000
    event = Event(id=EventId(new_id(resources.clock)), type=kind, at_ms=at_ms, title_id=title_id, data=data)
    await events.record([event], profile_id=_profile(request))


async def take_batch(scope: HTTPScope, receive: Receive, events: EventsClient) -> Verdicts:
    """A profile's batch, read and stored."""
    profile_id = check_profile(caller_in(scope))
    headers = dict(scope["headers"])
    with events.take(_size(headers)):
        batch = await _read(headers, receive, _BATCH)
        sent_ms = None if batch.sent_ms is None else round(batch.sent_ms)
        return Verdicts(
            await events.record_array(batch.events, profile_id=profile_id, sent_ms=sent_ms, tally=batch.tally)
        )


async def take_report(scope: HTTPScope, receive: Receive, events: EventsClient) -> Answer:
    """A batch that one of our own processes passes on, read and stored."""
    check_peer(caller_in(scope))
    headers = dict(scope["headers"])
    with events.take(_size(headers)):
        report = await _read(headers, receive, _REPORT)
        return Answer(
            await events.record_array(
                report.events,
                profile_id=report.profile_id,
                synthetic=report.synthetic,
                now_ms=report.now_ms,
                sent_ms=report.sent_ms,
                keep_failed=report.keep_failed,
                source=report.source,
                tally=report.tally,
            )
        )


Taking = Callable[[HTTPScope, Receive, EventsClient], Awaitable[Verdicts | Answer]]


class Direct:
    """A route of events as an ASGI application, without the framework's routing, injection and encoding: for one
    event these cost several times what storing it does.
    """

    def __init__(self, take: Taking, events: EventsClient) -> None:
        self._take = take
        self._events = events

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        assert scope["type"] == ScopeType.HTTP, "only these are led here"
        body = _ENCODER.encode(await self._take(scope, receive, self._events))
        told = ((b"content-type", b"application/json"), (b"content-length", b"%d" % len(body)))
        await send({"type": "http.response.start", "status": 200, "headers": told})
        await send({"type": "http.response.body", "body": body, "more_body": False})


def direct_routes(events: EventsClient) -> dict[tuple[str, str], Direct]:
    """By method and path, routes that are served before the framework's."""
    return {("POST", "/api/v1/events"): Direct(take_batch, events), ("POST", PATH): Direct(take_report, events)}


def _size(headers: Mapping[bytes, bytes]) -> int:
    """What the body will take in memory; a sender that does not say is taken at the most."""
    size = _told_size(headers)
    if size > MAX_BODY_BYTES:
        raise _too_large()
    return min(MAX_BODY_BYTES, size * PACKED_TIMES) if _is_packed(headers) else size


def _told_size(headers: Mapping[bytes, bytes]) -> int:
    told = headers.get(b"content-length", b"")
    return int(told) if told.isdigit() and len(told) <= _LENGTH_DIGITS else MAX_BODY_BYTES


def _is_packed(headers: Mapping[bytes, bytes]) -> bool:
    encoding = headers.get(b"content-encoding", b"identity").strip().lower()
    if encoding not in (b"identity", b"gzip", b""):
        raise UnsupportedEncoding(f"a batch comes plain or as gzip, not as {encoding[:40].decode('latin-1')!r}")
    return encoding == b"gzip"


def _too_large() -> TooLarge:
    return TooLarge(
        f"a batch has at most {MAX_BODY_BYTES} bytes, and {PACKED_TIMES} times what its gzip has; "
        "send fewer events at once"
    )


async def _body(headers: Mapping[bytes, bytes], receive: Receive) -> bytes:
    """The whole body, unpacked; what would become too large is refused before it is in memory."""
    unpack = zlib.decompressobj(wbits=31) if _is_packed(headers) else None
    most = min(MAX_BODY_BYTES, _told_size(headers) * PACKED_TIMES) if unpack else MAX_BODY_BYTES
    body, more = bytearray(), True
    while more:
        message = await receive()
        if message["type"] != "http.request":
            raise Invalid("the sender went away before its batch was whole")
        block, more = message["body"], message.get("more_body", False)
        try:
            body += unpack.decompress(block, most + 1 - len(body)) if unpack else block
        except zlib.error as error:
            raise Invalid(f"the batch is not what gzip makes: {error}") from error
        if len(body) > most:
            raise _too_large()
    if unpack and (not unpack.eof or unpack.unused_data):
        raise Invalid("the batch is not one whole gzip stream")
    return bytes(body)


async def _read(headers: Mapping[bytes, bytes], receive: Receive, decoder: msgspec.json.Decoder[B]) -> B:
    body = await _body(headers, receive)
    try:
        return decoder.decode(body)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise Invalid(f'a batch looks like {{"events": […]}}: {error}') from error


@post(PATH, summary="Report events for others", guards=[require_peer], status_code=200, include_in_schema=False)
async def report_for_others(request: Request[Any, Any, Any], events: EventsClient) -> Answer:
    """Report a client's events on its behalf, as one of our own processes; answered once they are safe."""
    return await take_report(request.scope, request.receive, events)


@get(PROJECTED, summary="Wait for projections", guards=[require_peer], status_code=204, include_in_schema=False)
async def wait_for_projections(events: EventsClient) -> None:
    """Answer once what is stored now can be asked for, after half a second at the latest."""
    await events.catch_up()


ROUTES = (EventRoutes, report_for_others, wait_for_projections)
VIEWER_ROUTES = (ViewerRoutes,)
"""Where the catalogue is as well."""
