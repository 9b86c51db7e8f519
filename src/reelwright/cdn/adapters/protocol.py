"""HTTP/1.1 for media: our own asyncio protocol, because bodies go from disk to socket without passing through Python.

The response is written to a duplicate of the transport's socket: head with MSG_MORE, then `sendfile`, so that small
answers leave in one packet and large ones are copied by the kernel alone. Over TLS, where that is impossible, blocks
are read and written with the transport's flow control.

Thousands of viewers are connected and idle, so a connection that waits holds as little as it can: its parser, its
queue and its second descriptor exist only while a request is answered. And most requests differ from one before in
their first line alone: header blocks that the parser has read once are looked up (`Heads`), not read again.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import re
import socket
from collections import deque
from collections.abc import Callable
from functools import partial
from typing import Any, cast

import httptools

from reelwright.cdn.adapters.cache import Fill
from reelwright.cdn.adapters.manifests import STEERING, address_of
from reelwright.cdn.service import Answer, Asker, Edge, Request, Waiting
from reelwright.cdn.settings import CdnSettings

HEADERS_MOST = 64
HEAD_BYTES_MOST = 16 << 10
PIPELINED_MOST = 16
DRAIN_S = 2.5
_CHUNK = 1 << 20
_TLS_BLOCK = 256 << 10
_MORE = getattr(socket, "MSG_MORE", 0)
_HEADS_KEPT = 1024
_HEAD_KEPT_BYTES_MOST = 2048
_PLAIN_LINE = re.compile(rb"GET (/[!-~]*) HTTP/1\.1")


class Heads:
    """Header blocks that the parser has read: those of one client's requests are mostly equal byte for byte.

    Only blocks of whole GET requests without a body are kept, so that a block never says where a request ends.
    """

    def __init__(self, asker_of: Callable[[dict[str, str]], Asker]) -> None:
        self._asker_of = asker_of
        self.known: dict[bytes, Asker] = {}
        """By all that follows a first line."""

    def learn(self, data: bytes, request: Request) -> None:
        """Keep the block of a request that `data` was all of."""
        block = data[data.find(b"\r\n") :]
        once = data.find(b"\r\n\r\n") == len(data) - 4
        framed = "content-length" in request.headers or "transfer-encoding" in request.headers
        if request.method != "GET" or not once or framed or len(block) > _HEAD_KEPT_BYTES_MOST:
            return
        if not data.startswith(b"GET ") or b" HTTP/1.1\r\n" not in data[: len(data) - len(block) + 2]:
            return
        if len(self.known) >= _HEADS_KEPT:
            del self.known[next(iter(self.known))]
        self.known[block] = self._asker_of(request.headers)


def _request_of(line: bytes, headers: dict[str, str]) -> Request | None:
    """The request that begins with a line, where that is a plain one."""
    plain = _PLAIN_LINE.fullmatch(line)
    return Request("GET", plain[1].decode("ascii"), headers, line=line) if plain else None


class Service:
    """What all connections of an edge share."""

    def __init__(self, edge: Edge, settings: CdnSettings) -> None:
        self.edge = edge
        self.settings = settings
        self.connections: set[Connection] = set()
        self.heads = Heads(edge.asker_of)
        self.loop = asyncio.get_running_loop()

    def tidy(self) -> None:
        """Once a second: drop the slow and the idle, let those who wait hold little."""
        now = self.loop.time()
        for connection in [one for one in self.connections if one.deadline < now]:
            connection.abort()
        for connection in self.connections:
            connection.shrink(now)

    async def drain(self, most_s: float, waits: Callable[[], bool] = lambda: False) -> None:
        """Let answers in progress end, and what else is waited for, then close all that is left."""
        for connection in tuple(self.connections):
            connection.finish()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(most_s):
                while self.connections or waits():
                    await asyncio.sleep(0.02)
        for connection in tuple(self.connections):
            connection.abort()


class _Reading:
    """A request on its way in: exists while its bytes come."""

    __slots__ = ("complete", "field_bytes", "head_bytes", "headers", "parser", "url")

    def __init__(self, connection: Connection) -> None:
        self.parser: Any = httptools.HttpRequestParser(connection)
        self.url = b""
        self.headers: dict[str, str] = {}
        self.field_bytes = 0
        self.head_bytes = 0
        """Of a request that has begun: the parser itself holds a field that does not end."""
        self.complete = True
        """Whether the bytes so far end where a request ends."""


class Connection(asyncio.Protocol):
    """One client. Requests are answered in order, one at a time."""

    __slots__ = (
        "_answer",
        "_closing",
        "_descriptor",
        "_keep",
        "_queue",
        "_reading",
        "_service",
        "_socket",
        "_tls",
        "_transport",
        "_writable",
        "deadline",
    )

    def __init__(self, service: Service) -> None:
        self._service = service
        self._reading: _Reading | None = None
        self._queue: deque[tuple[Request, bool]] | None = None
        self._answer: Answer | None = None
        self._keep = True
        self._closing = False
        self._socket: socket.socket | None = None
        self._descriptor = -1
        self._tls = False
        self._writable: asyncio.Event | None = None
        self.deadline = service.loop.time() + service.settings.request_s
        """When the connection is dropped unless something happens; looked at once a second."""

    # What the loop calls

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """A client has come."""
        self._transport = cast("asyncio.Transport", transport)  # uvloop's is one in all but name
        connections = self._service.connections
        if len(connections) >= self._service.settings.connections:
            self._transport.abort()
            return
        connections.add(self)
        self._tls = transport.get_extra_info("sslcontext") is not None

    def data_received(self, data: bytes) -> None:
        """Bytes of requests."""
        if self._reading is None and self._answer is None and not self._queue:
            end = data.find(b"\r\n")
            asker = self._service.heads.known.get(data[end:])
            if asker is not None and self._answered(data[:end], asker):
                return
        self._read(data)

    def _answered(self, line: bytes, asker: Asker) -> bool:
        """Answer what is known but for its first line, if at all; False where the parser has to read it."""
        again = self._service.edge.again(line, asker)
        if again is not None:
            self._transport.write(again)
            self._rest()
            return True
        request = _request_of(line, asker.headers)
        if request is not None:
            self._answer_one(request)
        return request is not None

    def _read(self, data: bytes) -> None:
        begun = self._reading is not None
        reading = self._reading = self._reading or _Reading(self)
        reading.head_bytes += len(data)
        try:
            reading.parser.feed_data(data)
        except httptools.HttpParserUpgrade:
            self._refuse(400, "bad-request", "no other protocol is spoken here")
        except (httptools.HttpParserError, _TooMuch) as error:
            reason = error.__context__ if isinstance(error.__context__, _TooMuch) else error
            if isinstance(reason, _TooMuch):
                self._refuse(431, "headers-too-large", str(reason))
            else:
                self._refuse(400, "bad-request", "this is not HTTP/1.1")
        else:
            if reading.head_bytes > HEAD_BYTES_MOST:
                self._refuse(431, "headers-too-large", f"a request may have {HEAD_BYTES_MOST} bytes of headers")
                return
            self._whole(None if begun else data)

    def _whole(self, data: bytes | None) -> None:
        """After bytes that ended where requests end: answer, and let go of the parser.

        `data` is all of what came since the last request, where it came at once; else a request that was sent in two
        pieces could have its first fields, which are not in the second, kept for whoever sends that one.
        """
        reading, queue = self._reading, self._queue
        if reading is None or not reading.complete:
            return
        if data is not None and queue and len(queue) == 1 and queue[0][1]:
            self._service.heads.learn(data, queue[0][0])
        self._reading = None
        if self._answer is None:
            self._next()

    def eof_received(self) -> bool:
        """The client sends no more; what it asked for is still answered."""
        self._keep = False
        return self._answer is not None

    def connection_lost(self, _error: Exception | None) -> None:
        """The client is gone."""
        self._closing = True
        self._service.connections.discard(self)
        self._let_go()
        if self._writable is not None:
            self._writable.set()
        self._answer = self._queue = self._reading = None

    def pause_writing(self) -> None:
        """The transport's buffer is full: a client that does not read is asked no more."""
        self._writable = asyncio.Event()
        self._transport.pause_reading()

    def resume_writing(self) -> None:
        """It has drained."""
        if self._writable is not None:
            self._writable.set()
        if not self._closing and not self._transport.is_closing():
            self._transport.resume_reading()

    # What the parser calls

    def on_message_begin(self) -> None:
        """A request starts."""
        reading = self._reading
        assert reading is not None
        reading.url, reading.headers, reading.field_bytes, reading.complete = b"", {}, 0, False
        if self._answer is None:
            self.deadline = self._service.loop.time() + self._service.settings.request_s

    def on_url(self, url: bytes) -> None:
        """A piece of the request's target."""
        assert self._reading is not None
        self._reading.url += url
        if len(self._reading.url) > HEAD_BYTES_MOST:
            raise _TooMuch("the URL is too long")

    def on_header(self, name: bytes, value: bytes) -> None:
        """One header."""
        assert self._reading is not None
        headers = self._reading.headers
        if len(headers) >= HEADERS_MOST:
            raise _TooMuch(f"a request may have {HEADERS_MOST} headers")
        self._reading.field_bytes += len(name) + len(value)
        if self._reading.field_bytes > HEAD_BYTES_MOST:
            raise _TooMuch(f"a request may have {HEAD_BYTES_MOST} bytes of headers")
        headers[name.decode("latin-1").lower()] = value.decode("latin-1")

    def on_message_complete(self) -> None:
        """A whole request is there."""
        reading = self._reading
        assert reading is not None
        reading.head_bytes, reading.complete = 0, True
        request = Request(
            reading.parser.get_method().decode("latin-1"), reading.url.decode("latin-1"), reading.headers
        )
        self._queue = self._queue or deque()
        self._queue.append((request, bool(reading.parser.should_keep_alive())))
        if len(self._queue) > PIPELINED_MOST:
            raise _TooMuch(f"at most {PIPELINED_MOST} requests may wait in line")

    def on_body(self, _body: bytes) -> None:
        """No request here has a body worth reading."""

    # Answering

    def finish(self) -> None:
        """End after the answer in progress, or now when there is none."""
        self._keep = False
        self._queue = None
        if self._answer is None and not self._closing:
            self._transport.close()

    def abort(self) -> None:
        """End now."""
        self._transport.abort()

    def _next(self) -> None:
        while self._queue and self._answer is None and not self._closing:
            request, keep = self._queue.popleft()
            self._keep = self._keep and keep
            self._answer_one(request)
        if self._answer is None and not self._closing:
            self._rest()

    def _rest(self) -> None:
        """Nothing is asked: close, or wait."""
        self._queue = None
        if not self._keep:
            self._transport.close()
        else:
            reading, settings = self._reading, self._service.settings
            self.deadline = self._service.loop.time() + (settings.idle_s if reading is None else settings.request_s)

    def shrink(self, now: float) -> None:
        """Wait with as little as can be, where nothing was asked for a second; a busy client keeps its descriptor."""
        if self._answer is None and now - self.deadline + self._service.settings.idle_s > 1:
            self._let_go()

    def _let_go(self) -> None:
        if self._socket is not None:
            self._service.loop.remove_writer(self._descriptor)
            self._socket.close()
            self._socket = None

    def _answer_one(self, request: Request) -> None:
        if STEERING in request.path:
            peer = self._transport.get_extra_info("peername")
            request.address = address_of(peer, request.headers.get("x-forwarded-for", ""))
        found = self._service.edge.answer(request)
        if isinstance(found, Waiting):
            self.deadline = self._service.loop.time() + self._service.settings.stall_s
            self._answer = Answer(b"", 0)  # in line: nothing else is answered meanwhile
            self._open()  # now, while there is time: a crowd that waits is answered all at once
            found.fill.when_more(partial(self._go_on, request, found))
        else:
            self._send(found)

    def _go_on(self, request: Request, waiting: Waiting) -> None:
        self._answer = None
        if self._closing:
            return
        answer = self._service.edge.go_on(request, waiting)
        if answer is None:
            self._answer_one(request)
        else:
            self._send(answer)

    def _send(self, answer: Answer) -> None:
        self._answer = answer
        service = self._service
        self.deadline = service.loop.time() + service.settings.stall_s
        kept = answer.file is None and answer.fill is None
        if kept or self._tls or self._transport.get_write_buffer_size():  # nothing overtakes what waits there
            self._send_buffered(answer)
            return
        self._open()
        self._push(answer.head)

    def _open(self) -> None:
        """Have a descriptor of our own to write to."""
        if self._socket is None and not self._tls:
            own = self._transport.get_extra_info("socket")
            self._descriptor = os.dup(own.fileno())
            self._socket = socket.socket(own.family, own.type, own.proto, fileno=self._descriptor)

    def _push(self, head: bytes) -> None:
        """Send the head, then go on with the body."""
        assert self._socket is not None
        try:
            sent = self._socket.send(head, _MORE)
        except (BlockingIOError, InterruptedError):
            sent = 0
        except OSError:
            self._transport.abort()
            return
        if sent < len(head):
            rest = head[sent:]
            self._service.loop.add_writer(self._descriptor, self._resume_head, rest)
            return
        self._pump()

    def _resume_head(self, rest: bytes) -> None:
        self._service.loop.remove_writer(self._descriptor)
        self._push(rest)

    def _pump(self) -> None:
        """Move file bytes into the socket until it is full, the answer ends, or the fill has no more."""
        answer = self._answer
        if answer is None or self._socket is None:
            return
        fill = answer.fill
        while answer.start < answer.end:
            until = answer.end if fill is None else min(answer.end, fill.written)
            if answer.start >= until:
                self._await_fill(fill)
                return
            source = answer.file if fill is None else fill.file
            assert source is not None
            try:
                sent = os.sendfile(
                    self._descriptor, source.descriptor, answer.start, min(until - answer.start, _CHUNK)
                )
            except (BlockingIOError, InterruptedError):
                self._service.loop.add_writer(self._descriptor, self._unblocked)
                return
            except OSError:
                self._transport.abort()
                return
            if sent == 0:  # the file is shorter than it was: never pretend otherwise
                self._transport.abort()
                return
            answer.start += sent
            self.deadline = self._service.loop.time() + self._service.settings.stall_s
        self._done()

    def _unblocked(self) -> None:
        self._service.loop.remove_writer(self._descriptor)
        self._pump()

    def _await_fill(self, fill: Fill | None) -> None:
        if fill is None or fill.problem is not None or fill.done:
            self._transport.abort()
            return
        self.deadline = self._service.loop.time() + self._service.settings.stall_s
        fill.when_more(self._pump)

    def _done(self) -> None:
        self._answer = None
        if self._queue:
            self._service.loop.call_soon(self._next)  # not at once: a long pipeline must not become a deep stack
        elif not self._closing:
            self._rest()

    def _send_buffered(self, answer: Answer) -> None:
        self._transport.write(answer.head + answer.body if answer.body else answer.head)
        if answer.file is None and answer.fill is None:
            self._done()
            return
        task = self._service.loop.create_task(self._send_blocks(answer))
        task.add_done_callback(_reraise)

    async def _send_blocks(self, answer: Answer) -> None:
        while answer.start < answer.end and not self._closing:
            until = answer.end if answer.fill is None else min(answer.end, answer.fill.written)
            if answer.start >= until:
                if not await self._more(answer.fill):
                    self._transport.abort()
                    return
                continue
            source = answer.file or (answer.fill.file if answer.fill else None)
            assert source is not None
            block = os.pread(source.descriptor, min(_TLS_BLOCK, until - answer.start), answer.start)
            if not block:
                self._transport.abort()
                return
            answer.start += len(block)
            self._transport.write(block)
            self.deadline = self._service.loop.time() + self._service.settings.stall_s
            if self._writable is not None and not self._writable.is_set():
                await self._writable.wait()
        if not self._closing:
            self._done()

    async def _more(self, fill: Fill | None) -> bool:
        if fill is None or fill.problem is not None or fill.done:
            return False
        grown = asyncio.Event()
        fill.when_more(grown.set)
        await grown.wait()
        return True

    def _refuse(self, status: int, slug: str, detail: str) -> None:
        if self._closing:
            return
        self._queue = None
        self._keep = False
        if self._answer is None:
            answer = self._service.edge.problem(None, status, slug, detail)
            self._transport.write(answer.head.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n", 1) + answer.body)
        self._transport.close()


class _TooMuch(Exception):
    """A bound on the request was exceeded."""


def _reraise(task: asyncio.Task[None]) -> None:
    if not task.cancelled():
        task.result()
