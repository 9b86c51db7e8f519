"""HTTP/1.1 messages on asyncio streams: strict about what a client sends, forgiving about what an origin does.

A request whose end two parsers could see in different places is refused (RFC 9112 section 11.2): both length and
chunks, lengths that differ, blanks before a colon, folded lines, bare line feeds.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator

import msgspec

from reelwright.cdn.core.fields import Fields, lines_of, value_of
from reelwright.kernel.errors import Invalid, Unavailable

HEAD_BYTES_MOST = 64 << 10
FIELDS_MOST = 128
BLOCK = 64 << 10
_TOKEN = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")
_TARGET = re.compile(r"/[\x21-\x7e]*|\*|https?://[\x21-\x7e]+")
_HOST = re.compile(r"(?:[A-Za-z0-9._~%!$&'()*+,;=-]*|\[[0-9A-Fa-f:.]+\])(?::[0-9]*)?")
_STATUS = re.compile(r"HTTP/1\.[01] ([1-9]\d\d)(?: (.*))?")


class BadRequest(Invalid):
    """The bytes are no request of HTTP/1.1, or could be read in two ways."""

    slug = "bad-request"


class TooLarge(Invalid):
    """More header bytes or fields than are accepted."""

    status = 431
    slug = "headers-too-large"


class RequestHead(msgspec.Struct, frozen=True):
    """A request without its body."""

    method: str
    target: str
    fields: Fields
    keep: bool
    """The client would send another request on this connection."""


class ResponseHead(msgspec.Struct, frozen=True):
    """A response without its body."""

    status: int
    reason: str
    fields: Fields


async def read_request(reader: asyncio.StreamReader) -> RequestHead | None:
    """The next request's head; None when the client has closed. Raises BadRequest or TooLarge."""
    text = await _head(reader)
    if text is None:
        return None
    first, *rest = text.split("\r\n")
    words = first.split(" ")
    if "\n" in text.replace("\r\n", "") or "\r" in text.replace("\r\n", "") or "\0" in text:
        raise BadRequest("a line of the request ends in something other than CR LF")
    known = len(words) == 3 and _TOKEN.fullmatch(words[0])
    if not known or not (words[0] == "CONNECT" or _TARGET.fullmatch(words[1])):
        raise BadRequest("the request line is not METHOD TARGET HTTP/1.1")
    if words[2] not in ("HTTP/1.1", "HTTP/1.0"):
        raise BadRequest("only HTTP/1.1 is spoken here")
    fields = _fields(rest, strict=True)
    if len(lines_of(fields, "host")) != 1 and words[2] == "HTTP/1.1":
        raise BadRequest("a request has exactly one Host")
    if not _HOST.fullmatch(value_of(fields, "host") or ""):  # answers are held by host and target put together
        raise BadRequest("Host is a name or an address, and at most a port")
    _check_length(fields, words[2])
    tokens = (value_of(fields, "connection") or "").lower()
    return RequestHead(words[0], words[1], fields, words[2] == "HTTP/1.1" and "close" not in tokens)


async def read_response(reader: asyncio.StreamReader) -> ResponseHead:
    """The next response's head, also an interim one. Raises Unavailable when there is none."""
    try:
        text = await _head(reader)
    except TooLarge as error:
        raise Unavailable(f"the origin's header is too large: {error}") from error
    if text is None:
        raise Unavailable("the origin closed without an answer")
    first, *rest = text.split("\r\n")
    match = _STATUS.fullmatch(first)
    if match is None:
        raise Unavailable(f"the origin answered something else than HTTP: {first[:60]!r}")
    return ResponseHead(int(match[1]), match[2] or "", _fields(rest, strict=False))


async def _head(reader: asyncio.StreamReader) -> str | None:
    try:
        block = await reader.readuntil(b"\r\n\r\n")
    except asyncio.IncompleteReadError as error:
        if error.partial.strip():
            raise BadRequest("the connection ended inside a header") from None
        return None
    except asyncio.LimitOverrunError:
        raise TooLarge(f"a header has at most {HEAD_BYTES_MOST} bytes") from None
    return block[:-4].decode("latin-1").lstrip("\r\n")


def _fields(lines: list[str], *, strict: bool) -> Fields:
    if len(lines) > FIELDS_MOST:
        raise TooLarge(f"a message has at most {FIELDS_MOST} fields, got {len(lines)}")
    found = []
    for line in lines:
        name, colon, value = line.partition(":")
        if not colon or not _TOKEN.fullmatch(name):
            if strict:
                raise BadRequest(f"this is no header field: {line[:40]!r}")
            continue
        found.append((name.lower(), value.strip(" \t")))
    return tuple(found)


def _check_length(fields: Fields, version: str) -> None:
    lengths, coded = lines_of(fields, "content-length"), lines_of(fields, "transfer-encoding")
    if coded and (lengths or version == "HTTP/1.0"):
        raise BadRequest("a request has a length or chunks, not both")
    if coded and [line.strip().lower() for line in coded] != ["chunked"]:
        raise BadRequest("the only transfer encoding understood is chunked")
    if len(lengths) > 1 or any(not re.fullmatch(r"\d{1,18}", line) for line in lengths):
        raise BadRequest("Content-Length is one whole number")


def length_of(fields: Fields) -> int | None:
    """The announced size of a body; None when it has none. Raises Unavailable where lengths differ."""
    found = {member.strip() for line in lines_of(fields, "content-length") for member in line.split(",")}
    if not found or value_of(fields, "transfer-encoding") is not None:
        return None
    if len(found) > 1 or not re.fullmatch(r"\d{1,18}", (only := found.pop())):
        raise Unavailable("the origin announced lengths that differ")
    return int(only)


async def body_of(reader: asyncio.StreamReader, fields: Fields, *, to_close: bool) -> AsyncIterator[bytes]:
    """The bytes of a body. `to_close`: without a length it goes on until the connection ends.

    Raises Unavailable when it breaks off before its announced end.
    """
    coding = (value_of(fields, "transfer-encoding") or "").lower()
    length = length_of(fields)
    if coding.split(",")[-1].strip() == "chunked":
        async for block in _chunks(reader):
            yield block
    elif length is not None:
        async for block in _exactly(reader, length):
            yield block
    elif to_close:
        while block := await reader.read(BLOCK):
            yield block


async def _exactly(reader: asyncio.StreamReader, length: int) -> AsyncIterator[bytes]:
    while length:
        block = await reader.read(min(BLOCK, length))
        if not block:
            raise Unavailable(f"the body broke off {length} bytes before its end")
        length -= len(block)
        yield block


async def _chunks(reader: asyncio.StreamReader) -> AsyncIterator[bytes]:
    try:
        while True:
            size = (await reader.readuntil(b"\r\n"))[:-2].split(b";", 1)[0]
            if not re.fullmatch(rb"[0-9A-Fa-f]{1,15}", size):
                raise BadRequest("a chunk's size is no hexadecimal number")
            if not (count := int(size, 16)):
                break
            async for block in _exactly(reader, count):
                yield block
            if await reader.readexactly(2) != b"\r\n":
                raise BadRequest("a chunk does not end in CR LF")
        while await reader.readuntil(b"\r\n") != b"\r\n":
            pass
    except (asyncio.IncompleteReadError, asyncio.LimitOverrunError):
        raise Unavailable("the body broke off between chunks") from None


def encode_head(first: str, fields: Fields) -> bytes:
    """A head as it goes over the wire."""
    lines = "".join(f"{name}: {value}\r\n" for name, value in fields)
    return f"{first}\r\n{lines}\r\n".encode("latin-1", "replace")
