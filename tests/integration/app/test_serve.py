"""`reelwright serve` starts, keeps what it was told, and stops in bounded time."""

from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing
from pathlib import Path

import httpx
import pytest
from tests.composed import Composed
from tests.service import RunningService, expect, free_port, set_up


@pytest.fixture
def service(tmp_path: Path) -> Iterator[RunningService]:
    """An empty service."""
    with RunningService(tmp_path / "data") as running:
        yield running


def test_stopping_does_not_wait_for_live_streams(service: RunningService) -> None:
    """A server that waits for open streams would wait for ever: they are ended first. `bench cdn` says how soon."""
    client = set_up(service)
    with ExitStack() as stack:
        for _ in range(20):
            response = stack.enter_context(client.stream("GET", "/api/v1/media/jobs/stream"))
            assert response.status_code == 200
        service.stop(within_s=90)


def test_state_survives_a_restart(service: RunningService) -> None:
    """Accounts are there again, and the old session is still good."""
    client = set_up(service)
    service.stop()
    service.start()
    assert expect(client.get("/api/v1/session"), 200)["role"] == "admin"


def test_a_killed_web_process_comes_back_and_the_incident_is_told(service: RunningService) -> None:
    """Whoever runs the service reads which process, when, why, and what was done."""
    client = set_up(service)
    killed = service.pid_of("web")
    os.kill(killed, signal.SIGKILL)
    until = time.monotonic() + 90
    while time.monotonic() < until:
        try:
            if client.get("/healthz").status_code == 200 and service.pid_of("web") != killed:
                break
        except httpx.HTTPError:
            pass
        time.sleep(0.1)
    assert expect(client.get("/api/v1/session"), 200)["role"] == "admin"
    assert "SIGKILL" in (service.data / "run" / "incidents.json").read_text()


def test_arrow_takes_its_memory_from_the_system(service: RunningService) -> None:
    """Its own allocator, which C++ asks whatever Python is told, keeps 120 MB of huge pages that nothing is in."""
    pytest.importorskip("pyarrow", reason="needs the extra: pip install 'reelwright[lake]'")
    told = Path(f"/proc/{service.pid_of('worker')}/environ").read_bytes().split(b"\0")
    environ = dict(os.fsdecode(one).split("=", 1) for one in told if one)
    script = "import pyarrow; print(pyarrow.default_memory_pool().backend_name)"
    said = subprocess.run([sys.executable, "-c", script], env=environ, capture_output=True, text=True, check=True)
    assert said.stdout.split() == ["system"]


def test_a_second_service_on_the_same_data_is_refused(service: RunningService) -> None:
    """Two supervisors would each think that the state is theirs."""
    second = RunningService(service.data)
    with pytest.raises(AssertionError, match="another reelwright serves"):
        second.start()


def test_a_busy_port_is_left_alone_and_the_next_one_is_named(service: RunningService, tmp_path: Path) -> None:
    """Somebody else's server is no reason not to start; the terminal says where we are."""
    other = RunningService(tmp_path / "other", environ={"REELWRIGHT_PORT": str(service.port)})
    with other:
        assert f"Port {service.port} is busy" in other.output()


def test_an_unknown_setting_is_refused_by_name(tmp_path: Path) -> None:
    """A misspelt key would otherwise be silently without effect."""
    service = RunningService(tmp_path / "data", environ={"REELWRIGHT_DATABSE": "x"})
    with pytest.raises(AssertionError, match="REELWRIGHT_DATABSE"):
        service.start()


@pytest.mark.parametrize(
    ("variable", "value", "says"),
    [
        ("REELWRIGHT_MEDIA_PRESET", "slow", "REELWRIGHT_MEDIA_PRESET: .*'slow'.* one of medium, ultrafast, veryfast"),
        ("REELWRIGHT_MEDIA_CODECS", "h264,vp9", "REELWRIGHT_MEDIA_CODECS: .*'vp9'.* one of av1, h264"),
        ("REELWRIGHT_PORT", "x", "REELWRIGHT_PORT: Expected `int`"),
    ],
)
def test_a_wrong_value_is_refused_with_the_place_and_what_it_may_be(
    tmp_path: Path, variable: str, value: str, says: str
) -> None:
    """Whoever set a variable does not look for the mistake in the file."""
    with pytest.raises(AssertionError, match=says):
        RunningService(tmp_path / "data", environ={variable: value}).start()


def test_a_database_of_a_newer_version_is_told_in_one_line(tmp_path: Path) -> None:
    """Whoever went back a version reads what to do, and no traceback each time that the supervisor tries again."""
    Composed(tmp_path / "data")
    with closing(sqlite3.connect(tmp_path / "data" / "reelwright.sqlite")) as database, database:
        database.execute("UPDATE alembic_version SET version_num = 'practice9999' WHERE version_num LIKE 'practice%'")
    found = subprocess.run(
        [sys.executable, "-m", "reelwright.app.roles", "web"],
        env={**os.environ, "REELWRIGHT_DATA": str(tmp_path / "data"), "REELWRIGHT_PORT": str(free_port())},
        stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False, timeout=90,
    )  # fmt: skip
    assert found.returncode == 1 and "Traceback" not in found.stderr, found.stderr
    assert "reelwright: the database is of a newer version of Reelwright (practice9999)" in found.stderr


@pytest.mark.parametrize(
    "url", ["postgresql://ada:secret@127.0.0.1:9/limits", "postgresql://ada:secret@127.0.0.1:port/limits"]
)
def test_an_engine_that_is_away_at_the_start_is_named(tmp_path: Path, url: str) -> None:
    """With what was wrong, and neither a traceback of the server's nor the password."""
    found = subprocess.run(
        [sys.executable, "-m", "reelwright.app.roles", "web"],
        env={**os.environ, "REELWRIGHT_DATA": str(tmp_path / "data"), "REELWRIGHT_PORT": str(free_port()),
             "REELWRIGHT_LIMITS_STORE": url},
        stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False, timeout=90,
    )  # fmt: skip
    said = found.stdout + found.stderr
    assert found.returncode == 1 and "Traceback" not in said and "secret" not in said, said
    assert "the store of limits cannot be made ready" in said and "reelwright: the process does not start" in said


def test_listening_beyond_loopback_without_tls_is_refused(tmp_path: Path) -> None:
    """Plain HTTP on a network is a decision that must be made in so many words."""
    service = RunningService(tmp_path / "data", environ={"REELWRIGHT_HOST": "0.0.0.0"})
    with pytest.raises(AssertionError, match="lan_without_tls"):
        service.start()


def test_a_foreign_host_is_refused(service: RunningService) -> None:
    """A page elsewhere can point its own name at this machine."""
    response = httpx.get(f"{service.url}/healthz", headers={"Host": "evil.example"})
    assert response.status_code == 421
    assert response.headers["content-type"] == "application/problem+json"


def test_metrics_of_all_processes_are_merged(service: RunningService) -> None:
    """One scrape tells of web, edge and worker."""
    httpx.get(f"{service.edge_url}/readyz")
    text = httpx.get(f"{service.url}/metrics").text
    assert "reelwright_edge_connections" in text and "reelwright_events_commits_total" in text


@pytest.mark.parametrize(
    ("path", "kind"),
    [("/setup", "text/html"), ("/nowhere", "text/html"), ("/metrics", "text/plain"), ("/practice.ics", "text/html")],
)
def test_a_content_type_names_its_charset_once(service: RunningService, path: str, kind: str) -> None:
    """Prometheus 3 scrapes nothing of a type that has a parameter twice."""
    response = httpx.get(f"{service.url}{path}", follow_redirects=True)
    first, *parameters = response.headers["content-type"].split("; ")
    assert first == kind and parameters.count("charset=utf-8") == 1
    assert len({one.split("=")[0] for one in parameters}) == len(parameters)


@pytest.mark.parametrize("path", ["/api/v1/nowhere", "/api/v1/titles/a/b/c", "/api/v2/titles", "/api/nowhere"])
def test_what_is_not_in_the_api_is_a_problem(service: RunningService, path: str) -> None:
    """A program gets no page to read."""
    response = httpx.get(f"{service.url}{path}")
    assert response.status_code == 404 and response.json()["title"] == "Not found"
    assert response.headers["content-type"] == "application/problem+json"


@pytest.mark.parametrize(
    ("path", "status"),
    [("/setup", 200), ("/healthz", 200), ("/metrics", 200), ("/nowhere", 404), ("/api/v1/titles", 401)],
)
def test_head_says_what_get_would(service: RunningService, path: str, status: int) -> None:
    """Whoever watches a site asks with HEAD."""
    asked, got = httpx.head(f"{service.url}{path}"), httpx.get(f"{service.url}{path}")
    assert asked.status_code == got.status_code == status and asked.content == b""
    assert asked.headers["content-type"] == got.headers["content-type"]
    assert "content-length" in asked.headers


def test_a_refused_method_is_told_the_others(service: RunningService) -> None:
    """HEAD too, wherever GET is."""
    response = httpx.delete(f"{service.url}/setup")
    assert response.status_code == 405
    assert set(response.headers["allow"].split(", ")) == {"GET", "HEAD", "OPTIONS", "POST"}
