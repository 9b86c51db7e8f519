"""Uploads go on where they stopped, are checked on arrival, and belong to who began them.

`REELWRIGHT_TEST_UPLOAD_BYTES` says how large the cut-off upload is; 64 MB by default.
"""

from __future__ import annotations

import base64
import hashlib
import os
import socket
import time
from collections.abc import Iterator

import httpx
import pytest
from tests.service import RunningService, expect, set_up, sign_requests

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]
LARGE_BYTES = int(os.environ.get("REELWRIGHT_TEST_UPLOAD_BYTES", "64_000_000"))
TUS = {"Tus-Resumable": "1.0.0"}
PART = {**TUS, "Content-Type": "application/offset+octet-stream"}


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningService]:
    """A service without a library."""
    with RunningService(tmp_path_factory.mktemp("uploads") / "data") as running:
        yield running


@pytest.fixture(scope="module")
def client(service: RunningService) -> httpx.Client:
    """The administrator."""
    return set_up(service)


def begin(client: httpx.Client, name: str, length: int) -> str:
    """Begin an upload; returns its address."""
    encoded = base64.b64encode(name.encode()).decode()
    headers = {**TUS, "Upload-Length": str(length), "Upload-Metadata": f"filename {encoded}"}
    response = client.post("/api/v1/uploads", headers=headers)
    assert response.status_code == 201, response.text
    return str(response.headers["location"])


def offset(client: httpx.Client, address: str) -> int:
    """How much has arrived."""
    response = client.head(address, headers=TUS)
    assert response.status_code == 200
    return int(response.headers["upload-offset"])


def test_a_large_upload_that_is_cut_off_goes_on_where_it_stopped(
    service: RunningService, client: httpx.Client
) -> None:
    """The connection dies in the middle of a part; nothing that arrived is sent again, nothing is lost."""
    address = begin(client, "Cut Off (2020).mp4", LARGE_BYTES)
    sent = LARGE_BYTES // 2
    cookie, csrf = client.headers["Cookie"], client.headers["X-CSRF-Token"]
    with socket.create_connection(("127.0.0.1", service.port)) as connection:
        head = (
            f"PATCH {address} HTTP/1.1\r\nHost: 127.0.0.1:{service.port}\r\n"
            f"Cookie: {cookie}\r\nX-CSRF-Token: {csrf}\r\n"
            f"Tus-Resumable: 1.0.0\r\nContent-Type: application/offset+octet-stream\r\nUpload-Offset: 0\r\n"
            f"Content-Length: {LARGE_BYTES}\r\n\r\n"
        )
        connection.sendall(head.encode())
        block = bytes(1 << 20)
        for _ in range(sent // len(block)):
            connection.sendall(block)
    arrived = -1
    for _ in range(100):
        now = offset(client, address)
        if now == arrived:
            break
        arrived = now
        time.sleep(0.2)
    assert 0 < arrived <= sent

    def rest() -> Iterator[bytes]:
        left = LARGE_BYTES - arrived
        while left:
            yield bytes(min(left, 1 << 20))
            left -= min(left, 1 << 20)

    headers = {**PART, "Upload-Offset": str(arrived), "Content-Length": str(LARGE_BYTES - arrived)}
    response = client.patch(address, headers=headers, content=rest(), timeout=300)
    assert response.status_code == 204, response.text
    assert offset(client, address) == LARGE_BYTES


def test_a_part_with_a_wrong_checksum_counts_as_not_sent(client: httpx.Client) -> None:
    """What arrived damaged is sent again; the offset stays."""
    address = begin(client, "Checked (2020).mp4", 1000)
    right = base64.b64encode(hashlib.sha256(b"a" * 500).digest()).decode()
    headers = {**PART, "Upload-Offset": "0", "Upload-Checksum": f"sha256 {right}"}
    assert client.patch(address, headers=headers, content=b"b" * 500).status_code == 460
    assert offset(client, address) == 0
    assert client.patch(address, headers=headers, content=b"a" * 500).status_code == 204
    assert offset(client, address) == 500


def test_a_part_for_another_place_is_refused(client: httpx.Client) -> None:
    """Two tabs that send the same file cannot mix it up."""
    address = begin(client, "Twice (2020).mp4", 1000)
    assert client.patch(address, headers={**PART, "Upload-Offset": "0"}, content=b"a" * 400).status_code == 204
    late = client.patch(address, headers={**PART, "Upload-Offset": "0"}, content=b"a" * 400)
    assert late.status_code == 409 and offset(client, address) == 400


def test_more_than_was_announced_is_refused(client: httpx.Client) -> None:
    """The announced length is the length."""
    address = begin(client, "Long (2020).mp4", 100)
    answer = client.patch(address, headers={**PART, "Upload-Offset": "0"}, content=b"a" * 200)
    assert answer.status_code in (400, 413) and offset(client, address) <= 100


@pytest.mark.parametrize(
    "name", ["../../evil.mp4", "/etc/cron.d/x.mp4", "..\\..\\x.mkv", "a\0b.mp4", "x" * 400 + ".mp4"]
)
def test_path_tricks_in_names_stay_in_the_uploads_own_folder(
    service: RunningService, client: httpx.Client, name: str
) -> None:
    """A name is a name: it is cleaned or refused, and never a path."""
    encoded = base64.b64encode(name.encode()).decode()
    headers = {**TUS, "Upload-Length": "4", "Upload-Metadata": f"filename {encoded}"}
    answer = client.post("/api/v1/uploads", headers=headers)
    assert answer.status_code in (201, 400)
    if answer.status_code == 201:
        client.patch(answer.headers["location"], headers={**PART, "Upload-Offset": "0"}, content=b"abcd")
    outside = [
        path
        for path in service.data.parent.rglob("*")
        if path.suffix in (".mp4", ".mkv") and not path.is_relative_to(service.data / "uploads")
    ]
    assert outside == []


@pytest.mark.parametrize("name", ["notes.txt", "film.mp4.exe"])
def test_what_is_no_film_by_its_name_is_refused_at_once(client: httpx.Client, name: str) -> None:
    """Before two gigabytes were sent."""
    encoded = base64.b64encode(name.encode()).decode()
    headers = {**TUS, "Upload-Length": "4", "Upload-Metadata": f"filename {encoded}"}
    assert client.post("/api/v1/uploads", headers=headers).status_code == 400


def test_an_upload_of_another_does_not_exist(service: RunningService, client: httpx.Client) -> None:
    """Nobody continues, inspects or ends what somebody else began."""
    address = begin(client, "Mine (2020).mp4", 1000)
    form = {"name": "Eve", "password": "correct horse battery", "role": "editor"}
    expect(client.post("/api/v1/users", json=form), 201)
    other = httpx.Client(base_url=service.url)
    expect(other.post("/api/v1/session", json={"name": "Eve", "password": form["password"]}), 200)
    sign_requests(other)
    assert other.head(address, headers=TUS).status_code == 404
    assert other.delete(address, headers=TUS).status_code == 404
    answer = other.patch(address, headers={**PART, "Upload-Offset": "0"}, content=b"a")
    assert answer.status_code == 404 and offset(client, address) == 0


def test_oversized_and_unknown_json_is_refused_clearly(client: httpx.Client) -> None:
    """A body beyond the bound, a field nobody knows, a document nested too deep."""
    big = client.post("/api/v1/tokens", content=b'{"name": "' + b"x" * (3 << 20) + b'"}')
    assert big.status_code == 413 and big.headers["content-type"] == "application/problem+json"
    unknown = client.post("/api/v1/tokens", json={"name": "t", "scopes": ["read"], "colour": "red"})
    assert unknown.status_code == 400 and "colour" in unknown.text
    deep = client.post("/api/v1/tokens", content=b"[" * 100_000)
    assert deep.status_code == 400
