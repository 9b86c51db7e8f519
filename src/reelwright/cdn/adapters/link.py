"""Between the processes of one edge: messages, each whole, some with an open connection (SCM_RIGHTS).

A socket that keeps the bounds of messages has message and descriptor arrive together or not at all, so that no
request is ever answered on the connection of another.
"""

from __future__ import annotations

import array
import asyncio
import os
import socket
from collections import deque
from collections.abc import Callable

import msgspec

from reelwright.cdn.service import Request, Tally

_BESIDE = socket.CMSG_SPACE(array.array("i").itemsize)
_BUFFER = 1 << 20
"""Asked for; the system gives less, and that bounds a message."""


class Over(msgspec.Struct, tag=True):
    """A connection for the owner, with the requests that were read from it and are not answered."""

    line: list[tuple[Request, bool]]
    """And whether the client would send more after each."""


class Back(msgspec.Struct, tag=True):
    """A connection for a worker: what it asked is answered."""


class Stop(msgspec.Struct, tag=True):
    """Take no more, end what is under way, and go."""


class Report(msgspec.Struct, tag=True, kw_only=True):
    """What a worker did since its last."""

    connections: int
    tally: Tally
    used: list[tuple[str, int, str]] = []
    """Name, size and playback session of each use."""
    wanted: list[str] = []
    """What players say that they ask for next."""


Message = Over | Back | Stop | Report
_decoder = msgspec.msgpack.Decoder(Message)
_encoder = msgspec.msgpack.Encoder()


def pair() -> tuple[socket.socket, socket.socket]:
    """The two ends of a link."""
    return socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)


class Link:
    """One end. `lost` is called once, when the other is gone."""

    def __init__(
        self, own: socket.socket, received: Callable[[Message, socket.socket | None], None], lost: Callable[[], None]
    ) -> None:
        self._own = own
        self._received = received
        self._lost = lost
        self._waiting: deque[tuple[bytes, socket.socket | None]] = deque()
        self._loop = asyncio.get_running_loop()
        own.setblocking(False)
        own.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _BUFFER)
        self._most = own.getsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF) - 4096
        self._buffer = bytearray(_BUFFER)
        self.alive = True
        self._loop.add_reader(own, self._read)

    @property
    def free(self) -> bool:
        """Whether what is sent now would leave now, as far as is known."""
        return self.alive and not self._waiting

    def send(self, message: Message, connection: socket.socket | None = None) -> bool:
        """Send, in order, and close our side of `connection`; False, and nothing done, where it is too long."""
        data = _encoder.encode(message)
        if len(data) > self._most:
            return False
        self._waiting.append((data, connection))
        if len(self._waiting) == 1:
            self._write()
        return True

    def close(self) -> None:
        """Let go. What waits is lost, connections too."""
        if not self.alive:
            return
        self.alive = False
        self._loop.remove_reader(self._own)
        self._loop.remove_writer(self._own)
        self._own.close()
        for _, connection in self._waiting:
            if connection is not None:
                connection.close()
        self._waiting.clear()

    async def flushed(self) -> None:
        """Until all has been sent."""
        while self.alive and self._waiting:
            await asyncio.sleep(0.005)

    def _write(self) -> None:
        while self._waiting and self.alive:
            data, connection = self._waiting[0]
            try:
                if connection is None:
                    self._own.send(data)
                else:
                    socket.send_fds(self._own, [data], [connection.fileno()])
            except (BlockingIOError, InterruptedError):
                self._loop.add_writer(self._own, self._write)
                return
            except OSError:
                self._end()
                return
            self._waiting.popleft()
            if connection is not None:
                connection.close()
        if self.alive:
            self._loop.remove_writer(self._own)

    def _read(self) -> None:
        try:
            size, beside, _, _ = self._own.recvmsg_into([self._buffer], _BESIDE, socket.MSG_CMSG_CLOEXEC)
        except (BlockingIOError, InterruptedError):
            return
        except OSError:
            size, beside = 0, []
        if not size:
            self._end()
            return
        connection = None
        if beside:
            connection = socket.socket(fileno=array.array("i", beside[0][2])[0])
        self._received(_decoder.decode(memoryview(self._buffer)[:size]), connection)

    def _end(self) -> None:
        if self.alive:
            self.close()
            self._lost()


def copy_of(transport: asyncio.BaseTransport) -> socket.socket:
    """A transport's connection under a descriptor of its own, which stays open when the transport is closed."""
    own = transport.get_extra_info("socket")
    return socket.socket(own.family, own.type, own.proto, fileno=os.dup(own.fileno()))
