"""HTTP/1.1 for media: our own asyncio protocol, because bodies go from disk to socket without passing through Python.

The response is written to a duplicate of the transport's socket: head with MSG_MORE, then `sendfile`, so that small
answers leave in one packet and large ones are copied by the kernel alone. Over TLS, where that is impossible, blocks
are read and written with the transport's flow control.
"""

from __future__ import annotations

import asyncio
import os
import socket
from collections import deque
from functools import partial
from typing import Any, cast

import httptools

from reelwright.cdn.adapters.cache import Fill
from reelwright.cdn.service import Answer, Edge, Request, Waiting
from reelwright.cdn.settings import CdnSettings

HEADERS_MOST = 64
HEAD_BYTES_MOST = 16 << 10
PIPELINED_MOST = 16
_CHUNK = 1 << 20
_TLS_BLOCK = 256 << 10
_MORE = getattr(socket, "MSG_MORE", 0)


class Connection(asyncio.Protocol):
    """One client. Requests are answered in order, one at a time."""

    def __init__(self, edge: Edge, settings: CdnSettings, connections: set[Connection]) -> None:
        self._edge = edge
        self._settings = settings
        self._all = connections
        self._loop = asyncio.get_running_loop()
        self._parser: Any = httptools.HttpRequestParser(self)
        self._url = b""
        self._headers: dict[str, str] = {}
        self._head_bytes = 0
        self._queue: deque[tuple[Request, bool]] = deque()
        self._answer: Answer | None = None
        self._keep = True
        self._closing = False
        self._socket: socket.socket | None = None
        self._descriptor = -1
        self._tls = False
        self._writable: asyncio.Event | None = None
        self.deadline = self._loop.time() + settings.request_s
        """When the connection is dropped unless something happens; looked at once a second."""

    # What the loop calls

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """A client has come."""
        self._transport = cast("asyncio.Transport", transport)  # uvloop's is one in all but name
        if len(self._all) >= self._settings.connections:
            self._transport.abort()
            return
        self._all.add(self)
        self._tls = transport.get_extra_info("sslcontext") is not None
        if not self._tls:
            own = transport.get_extra_info("socket")
            self._descriptor = os.dup(own.fileno())
            self._socket = socket.socket(own.family, own.type, own.proto, fileno=self._descriptor)

    def data_received(self, data: bytes) -> None:
        """Bytes of requests."""
        self._head_bytes += len(data)
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserUpgrade:
            self._refuse(400, "bad-request", "no other protocol is spoken here")
        except (httptools.HttpParserError, _TooMuch) as error:
            reason = error.__context__ if isinstance(error.__context__, _TooMuch) else error
            if isinstance(reason, _TooMuch):
                self._refuse(431, "headers-too-large", str(reason))
            else:
                self._refuse(400, "bad-request", "this is not HTTP/1.1")
        else:
            if self._head_bytes > HEAD_BYTES_MOST:
                self._refuse(431, "headers-too-large", f"a request may have {HEAD_BYTES_MOST} bytes of headers")

    def eof_received(self) -> bool:
        """The client sends no more; what it asked for is still answered."""
        self._keep = False
        return self._answer is not None

    def connection_lost(self, _error: Exception | None) -> None:
        """The client is gone."""
        self._closing = True
        self._all.discard(self)
        if self._socket is not None:
            self._loop.remove_writer(self._descriptor)
            self._socket.close()
            self._socket = None
        if self._writable is not None:
            self._writable.set()
        self._answer = None
        self._queue.clear()

    def pause_writing(self) -> None:
        """TLS only: the transport's buffer is full."""
        self._writable = asyncio.Event()

    def resume_writing(self) -> None:
        """TLS only: it has drained."""
        if self._writable is not None:
            self._writable.set()

    # What the parser calls

    def on_message_begin(self) -> None:
        """A request starts."""
        self._url, self._headers = b"", {}
        if self._answer is None:
            self.deadline = self._loop.time() + self._settings.request_s

    def on_url(self, url: bytes) -> None:
        """A piece of the request's target."""
        self._url += url
        if len(self._url) > HEAD_BYTES_MOST:
            raise _TooMuch("the URL is too long")

    def on_header(self, name: bytes, value: bytes) -> None:
        """One header."""
        if len(self._headers) >= HEADERS_MOST:
            raise _TooMuch(f"a request may have {HEADERS_MOST} headers")
        if len(name) + len(value) > HEAD_BYTES_MOST:
            raise _TooMuch(f"a request may have {HEAD_BYTES_MOST} bytes of headers")
        self._headers[name.decode("latin-1").lower()] = value.decode("latin-1")

    def on_message_complete(self) -> None:
        """A whole request is there."""
        self._head_bytes = 0
        request = Request(self._parser.get_method().decode("latin-1"), self._url.decode("latin-1"), self._headers)
        self._queue.append((request, bool(self._parser.should_keep_alive())))
        if len(self._queue) > PIPELINED_MOST:
            raise _TooMuch(f"at most {PIPELINED_MOST} requests may wait in line")
        if self._answer is None:
            self._next()

    def on_body(self, _body: bytes) -> None:
        """No request here has a body worth reading."""

    # Answering

    def finish(self) -> None:
        """End after the answer in progress, or now when there is none."""
        self._keep = False
        self._queue.clear()
        if self._answer is None and not self._closing:
            self._transport.close()

    def abort(self) -> None:
        """End now."""
        self._transport.abort()

    def _next(self) -> None:
        while self._queue and self._answer is None and not self._closing:
            request, keep = self._queue[0]
            found = self._edge.answer(request)
            if isinstance(found, Waiting):
                self.deadline = self._loop.time() + self._settings.stall_s
                self._answer = Answer(b"", 0)  # in line: nothing else is answered meanwhile
                found.fill.when_more(partial(self._retry, found.fill))
                return
            self._queue.popleft()
            self._keep = self._keep and keep
            self._send(found)
        if self._answer is None and not self._closing:
            if not self._keep:
                self._transport.close()
            else:
                self.deadline = self._loop.time() + self._settings.idle_s

    def _retry(self, fill: Fill) -> None:
        self._answer = None
        if self._closing:
            return
        if fill.problem is not None:
            request, keep = self._queue.popleft()
            self._keep = self._keep and keep
            self._send(self._edge.failed(request, fill.problem))
        else:
            self._next()

    def _send(self, answer: Answer) -> None:
        self._answer = answer
        self.deadline = self._loop.time() + self._settings.stall_s
        if self._tls or (answer.file is None and answer.fill is None):
            self._send_buffered(answer)
        else:
            self._push(answer.head)

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
            self._loop.add_writer(self._descriptor, self._resume_head, rest)
            return
        self._pump()

    def _resume_head(self, rest: bytes) -> None:
        self._loop.remove_writer(self._descriptor)
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
                self._loop.add_writer(self._descriptor, self._unblocked)
                return
            except OSError:
                self._transport.abort()
                return
            if sent == 0:  # the file is shorter than it was: never pretend otherwise
                self._transport.abort()
                return
            answer.start += sent
            self.deadline = self._loop.time() + self._settings.stall_s
        self._done()

    def _unblocked(self) -> None:
        self._loop.remove_writer(self._descriptor)
        self._pump()

    def _await_fill(self, fill: Fill | None) -> None:
        if fill is None or fill.problem is not None or fill.done:
            self._transport.abort()
            return
        self.deadline = self._loop.time() + self._settings.stall_s
        fill.when_more(self._pump)

    def _done(self) -> None:
        self._answer = None
        self._loop.call_soon(self._next)  # not at once: a long pipeline must not become a deep stack

    def _send_buffered(self, answer: Answer) -> None:
        self._transport.write(answer.head + answer.body)
        if answer.file is None and answer.fill is None:
            self._done()
            return
        task = self._loop.create_task(self._send_blocks(answer))
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
            self.deadline = self._loop.time() + self._settings.stall_s
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
        self._queue.clear()
        self._keep = False
        if self._answer is None:
            answer = self._edge.problem(None, status, slug, detail)
            self._transport.write(answer.head.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n", 1) + answer.body)
        self._transport.close()


class _TooMuch(Exception):
    """A bound on the request was exceeded."""


def _reraise(task: asyncio.Task[None]) -> None:
    if not task.cancelled():
        task.result()
