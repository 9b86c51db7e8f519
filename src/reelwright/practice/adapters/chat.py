"""One chat call to any OpenAI-compatible endpoint, bounded in time and size whatever the endpoint does."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Awaitable
from typing import Any, TypeVar

import anyio
import httpx
import msgspec

from reelwright.kernel.errors import Transient

MOST_BYTES = 1 << 20
RETRIES = 2
LONGEST_WAIT_S = 5.0
MAX_TOKENS = 2000
T = TypeVar("T")


class EndpointFailed(Transient):
    """The endpoint gave no usable reply; the message says what it did instead."""

    slug = "llm-endpoint-failed"


class Reply(msgspec.Struct, frozen=True, kw_only=True):
    """What was said, and what it took."""

    text: str
    tokens_in: int = 0
    tokens_out: int = 0
    seconds: float = 0.0


class ChatEndpoint:
    """An endpoint by URL, model and key. The key is sent as a bearer token and is never part of a message or log."""

    def __init__(self, *, url: str, model: str, key: str = "", timeout_s: float = 20.0) -> None:
        self.model = model
        self._url = f"{url.rstrip('/')}/chat/completions"
        self._timeout_s = timeout_s
        self._headers = {"Authorization": f"Bearer {key}"} if key else {}

    def ask(self, prompt: str, *, timeout_s: float | None = None, as_json: bool = True) -> Reply:
        """One reply. Raises EndpointFailed after at most the timeout, counted over all tries.

        Busy endpoints (429, 5xx) are asked again; one that refuses a parameter is asked without it.
        """
        begun, deadline = time.monotonic(), time.monotonic() + (timeout_s or self._timeout_s)
        body: dict[str, Any] = {
            "model": self.model, "temperature": 0, "max_tokens": MAX_TOKENS,
            "messages": [{"role": "user", "content": prompt}],
        }  # fmt: skip
        if as_json:
            body["response_format"] = {"type": "json_object"}
        for tried in range(RETRIES + 1):
            status, data, wait_s = self._post(body, deadline)
            while status == 400 and _eased(body, data):
                status, data, wait_s = self._post(body, deadline)
            if status == 200:
                return _reply(data, time.monotonic() - begun)
            if tried == RETRIES or status not in (429, 500, 502, 503, 504) or time.monotonic() + wait_s >= deadline:
                break
            time.sleep(wait_s)
        raise EndpointFailed(f"the endpoint answered {status}: {data[:200].decode('utf-8', 'replace')}")

    async def stream(self, prompt: str, *, first_s: float, timeout_s: float) -> AsyncIterator[Reply]:
        """A reply piece by piece, each as soon as it is there; an endpoint that does not stream has one piece.

        Raises EndpointFailed where the first piece, or another after it, takes longer than `first_s`, all of them
        longer than `timeout_s`, or where what comes breaks off.
        """
        body: dict[str, Any] = {
            "model": self.model, "temperature": 0, "max_tokens": MAX_TOKENS, "stream": True,
            "stream_options": {"include_usage": True}, "messages": [{"role": "user", "content": prompt}],
        }  # fmt: skip
        clock = _Patience(first_s, timeout_s)
        try:
            async with httpx.AsyncClient(timeout=timeout_s, headers=self._headers) as client:
                response = await self._opened(client, body, clock)
                try:
                    async for piece in _pieces(response, clock):
                        if piece.text:
                            clock.begin()
                        yield piece
                finally:
                    await response.aclose()
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            raise EndpointFailed(f"the endpoint failed: {type(error).__name__} {error}".strip()) from None

    async def _opened(self, client: httpx.AsyncClient, body: dict[str, Any], clock: _Patience) -> httpx.Response:
        """The stream's head; an endpoint that refuses a parameter is asked without it."""
        response = await self._sent(client, body, clock)
        if response.status_code == 400:
            try:
                eased = _eased(body, await _whole(response, clock))
            finally:
                await response.aclose()
            if eased:
                return await self._opened(client, body, clock)
        if response.status_code != 200:
            await response.aclose()
            raise EndpointFailed(f"the endpoint answered {response.status_code}")
        return response

    def _post(self, body: dict[str, Any], deadline: float) -> tuple[int, bytes, float]:
        """Status, body and how long to wait; all of it ends at the deadline, also when headers keep dripping."""
        return anyio.run(self._posted, body, max(0.05, deadline - time.monotonic()))

    async def _posted(self, body: dict[str, Any], left_s: float) -> tuple[int, bytes, float]:
        clock = _Patience(left_s, left_s)
        try:
            async with httpx.AsyncClient(timeout=left_s, headers=self._headers) as client:
                response = await self._sent(client, body, clock)
                try:
                    return response.status_code, await _whole(response, clock), _wait_s(response)
                finally:
                    await response.aclose()
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            raise EndpointFailed(f"the endpoint failed: {type(error).__name__} {error}".strip()) from None

    async def _sent(self, client: httpx.AsyncClient, body: dict[str, Any], clock: _Patience) -> httpx.Response:
        return await clock.wait(client.send(client.build_request("POST", self._url, json=body), stream=True))


def _eased(body: dict[str, Any], told: bytes) -> bool:
    """Take out of a body what a 400 names, else what the fewest endpoints know; False when nothing is left to try.

    Reasoning models take no temperature, and have a name of their own for the bound of a reply.
    """
    may_go = [one for one in ("response_format", "stream_options", "temperature", "max_tokens") if one in body]
    name = next((one for one in may_go if one.encode() in told), may_go[0] if may_go else "")
    value = body.pop(name, None)
    if name == "max_tokens":
        body["max_completion_tokens"] = value
    return bool(name)


class _Patience:
    """How long a stream is waited for: so long for each piece, so long for all."""

    def __init__(self, each_s: float, all_s: float) -> None:
        self._each_s, self._end = each_s, time.monotonic() + all_s
        self.begin()

    def begin(self) -> None:
        """A piece came; the next one has its time again."""
        self._due = time.monotonic() + self._each_s

    async def wait(self, coming: Awaitable[T]) -> T:
        """What comes in time. Raises EndpointFailed."""
        with anyio.move_on_after(max(0.0, min(self._due, self._end) - time.monotonic())):
            return await coming
        raise EndpointFailed("the endpoint took too long")


async def _pieces(response: httpx.Response, clock: _Patience) -> AsyncIterator[Reply]:
    """Server-Sent Events of a chat completion until it says that it is done."""
    if "text/event-stream" not in response.headers.get("Content-Type", ""):
        yield _reply(await _whole(response, clock), 0.0)
        return
    rest = b""
    async for part in _parts(response, clock):
        *lines, rest = (rest + part).split(b"\n")
        for line in lines:
            data = line.removeprefix(b"data:").strip()
            if data == b"[DONE]":
                return
            if data and line.startswith(b"data:"):
                yield _piece(data)
    raise EndpointFailed("the endpoint broke off")


async def _whole(response: httpx.Response, clock: _Patience) -> bytes:
    return b"".join([part async for part in _parts(response, clock)])


async def _parts(response: httpx.Response, clock: _Patience) -> AsyncIterator[bytes]:
    size, parts = 0, response.aiter_bytes()
    while (part := await clock.wait(anext(parts, None))) is not None:
        size += len(part)
        if size > MOST_BYTES:
            raise EndpointFailed(f"the endpoint sent more than {MOST_BYTES >> 20} MB")
        yield part


def _piece(data: bytes) -> Reply:
    """One event: a piece of text, the count of tokens, or neither."""
    try:
        document = msgspec.json.decode(data)
        choices, usage = document.get("choices") or [], document.get("usage") or {}
        text = (choices[0].get("delta") or {}).get("content") or "" if choices else ""
        if not isinstance(text, str):
            raise TypeError
    except (msgspec.DecodeError, KeyError, IndexError, TypeError, AttributeError):
        raise EndpointFailed(f"the endpoint sent no chat chunk: {data[:120].decode('utf-8', 'replace')}") from None
    return Reply(text=text, tokens_in=_count(usage, "prompt_tokens"), tokens_out=_count(usage, "completion_tokens"))


def _wait_s(response: httpx.Response) -> float:
    told = response.headers.get("Retry-After", "")
    return min(LONGEST_WAIT_S, float(told)) if told.isdecimal() else 0.5


def _reply(data: bytes, seconds: float) -> Reply:
    try:
        document = msgspec.json.decode(data)
        text = document["choices"][0]["message"]["content"]
        usage = document.get("usage") or {}
        if not isinstance(text, str):
            raise TypeError
        return Reply(
            text=text, tokens_in=_count(usage, "prompt_tokens"), tokens_out=_count(usage, "completion_tokens"),
            seconds=seconds,
        )  # fmt: skip
    except (msgspec.DecodeError, KeyError, IndexError, TypeError, AttributeError):
        raise EndpointFailed(
            f"the endpoint sent no chat completion: {data[:120].decode('utf-8', 'replace')}"
        ) from None


def _count(usage: Any, name: str) -> int:
    found = usage.get(name) if isinstance(usage, dict) else None
    return found if isinstance(found, int) and found > 0 else 0
