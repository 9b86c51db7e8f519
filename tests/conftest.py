"""What all tests share: the async backend, the shared data, and a closing account of what was skipped and why."""

from __future__ import annotations

import os
import secrets
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from tests.engines import (
    KafkaServer,
    PostgresServer,
    RedisCluster,
    RedisServer,
    S3Server,
    drop_database,
    new_database,
)
from xdist.scheduler import LoadScopeScheduling

TESTS = Path(__file__).resolve().parent
SHARED = Path(__file__).resolve().parents[2] / "shared"

settings.register_profile("here", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("here")  # how fast the machine is is no property of the code


@pytest.fixture(scope="session")
def anyio_backend() -> str:
    """Async tests run on asyncio, as the service does."""
    return "asyncio"


@pytest.fixture(scope="session")
def footage() -> Path:
    """The folder of real clips, where it is present."""
    folder = SHARED / "data" / "footage"
    if not folder.exists():
        pytest.skip("real footage is not here: ../shared/data/footage")
    return folder


@pytest.fixture(scope="session")
def redis_server() -> Iterator[str]:
    """The URL of a Redis or Valkey that tests may fill; our own unless one is named."""
    named = os.environ.get("REELWRIGHT_TEST_REDIS")
    if named:
        yield named
        return
    server = RedisServer()
    yield server.url
    server.remove()


@pytest.fixture(scope="session")
def redis_cluster() -> Iterator[RedisCluster]:
    """A cluster of three nodes of our own."""
    cluster = RedisCluster()
    yield cluster
    cluster.remove()


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[str]:
    """The URL of a PostgreSQL server where tests may make databases; our own unless one is named."""
    named = os.environ.get("REELWRIGHT_TEST_POSTGRES")
    if named:
        yield named
        return
    server = PostgresServer()
    try:
        server.start()
        yield server.url
    finally:
        server.remove()


@pytest.fixture
def postgres_url(postgres_server: str) -> Iterator[str]:
    """A new, empty PostgreSQL database for this test alone."""
    url = new_database(postgres_server)
    yield url
    drop_database(postgres_server, url)


@pytest.fixture
def own_postgres() -> Iterator[PostgresServer]:
    """A running PostgreSQL that this test may stop, crash and start."""
    server = PostgresServer()
    try:
        server.start()
        yield server
    finally:
        server.remove()


@pytest.fixture(scope="session")
def s3_server() -> Iterator[S3Server]:
    """An S3-compatible server with a bucket `media`."""
    server = S3Server()
    try:
        server.make_bucket("media")
        yield server
    finally:
        server.remove()


@pytest.fixture
def s3_url(s3_server: S3Server, monkeypatch: pytest.MonkeyPatch) -> str:
    """An empty place in an S3-compatible store, whose endpoint and credentials are in the environment."""
    for name, value in s3_server.environ.items():
        monkeypatch.setenv(name, value)
    return f"s3://media/{secrets.token_hex(6)}"


@pytest.fixture(scope="session")
def kafka_server() -> Iterator[KafkaServer]:
    """A broker that speaks Kafka's protocol."""
    server = KafkaServer()
    yield server
    server.remove()


@pytest.fixture(params=["sqlite", "postgresql"])
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """An empty database on each engine in turn: what it holds must behave the same on both."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path}/test.sqlite"
    url: str = request.getfixturevalue("postgres_url")
    return url


class TogetherByFile(LoadScopeScheduling):  # type: ignore[misc] # xdist has no types
    """Where two processes share the tests, a file's stay together, and all of the browser's: they share a service."""

    def _split_scope(self, nodeid: str) -> str:
        file = nodeid.partition("::")[0]
        return "browser" if file.startswith("tests/browser/") else file


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> TogetherByFile:
    """Who shares the tests out in `make test`."""
    return TogetherByFile(config, log)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Tests of running processes and browsers get a second try, which the run's last lines tell."""
    for item in items:
        if item.path.relative_to(TESTS).parts[0] in ("browser", "conformance", "integration"):
            item.add_marker(pytest.mark.flaky(reruns=1))


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """The run's last lines count what was skipped, and why, and name what needed a second try."""
    reasons: Counter[str] = Counter()
    for report in terminalreporter.stats.get("skipped", []):
        reasons[str(report.longrepr[2]) if isinstance(report.longrepr, tuple) else str(report.longrepr)] += 1
    terminalreporter.section(f"skipped: {sum(reasons.values())}")
    for reason, count in reasons.most_common():
        terminalreporter.write_line(f"{count:4} {reason}")
    again = terminalreporter.stats.get("rerun", [])
    terminalreporter.section(f"run a second time: {len(again)}")
    for report in again:
        lines = report.longreprtext.splitlines()
        terminalreporter.write_line(f"     {report.nodeid}: {lines[-1][:200]}")
        for line in [line for line in lines if line.startswith("E ")][:12]:
            terminalreporter.write_line(f"       {line[:300]}")
