"""Who sends too much, or without permission, reads why, and not of a broken connection."""

from __future__ import annotations

import socket
from collections.abc import Iterator

import httpx
import pytest
from tests.service import RunningService

TOO_LARGE = 3 << 20


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningService]:
    """A service that nobody has set up."""
    limits = {"REELWRIGHT_LIMITS_API": "100000/minute", "REELWRIGHT_LIMITS_SIGN_IN": "100000/minute"}
    with RunningService(tmp_path_factory.mktemp("draining") / "data", environ=limits) as running:
        yield running


def raw(service: RunningService, sent: bytes) -> bytes:
    """All that is answered to these bytes; the connection stays open on our side."""
    with socket.create_connection(("127.0.0.1", service.port), timeout=30) as connection:
        connection.sendall(sent)
        answer = b""
        while got := connection.recv(65536):
            answer += got
            if b"\r\n\r\n" in answer and not answer.startswith(b"HTTP/1.1 100"):
                break
        return answer


def test_a_body_that_is_too_large_is_answered_every_time(service: RunningService) -> None:
    """Before, about one answer in ten was lost with its connection."""
    content = b'{"name": "' + b"x" * TOO_LARGE + b'"}'
    with httpx.Client(base_url=service.url) as client:
        codes = [client.post("/api/v1/session", content=content).status_code for _ in range(100)]
    assert codes == [413] * 100


def test_a_body_that_does_not_come_is_not_waited_for(service: RunningService) -> None:
    """Refused for who sends it; the rest never arrives."""
    head = b"POST /api/v1/tokens HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 1000000\r\n\r\n{"
    assert raw(service, head).startswith(b"HTTP/1.1 401")


def test_who_asks_before_sending_is_refused_without_having_to(service: RunningService) -> None:
    """No `100 Continue` comes for a body that nobody wants."""
    head = b"POST /api/v1/tokens HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 1000000\r\n"
    assert raw(service, head + b"Expect: 100-continue\r\n\r\n").startswith(b"HTTP/1.1 401")
