"""One machine is outgrown, as `docs/how-to/outgrow-one-machine.md` says: every part is on the engine of a team."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import httpx
import pytest
from tests.engines import KafkaServer, PostgresServer, RedisServer, S3Server, new_database
from tests.films import Films
from tests.integration.app.test_roles import heartbeat
from tests.service import RunningService, expect, free_port, set_up

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]
HANGS_S = 120


class Team:
    """PostgreSQL, S3 (moto stands in), Kafka (noida-db stands in) and Redis; two web processes, a collector, a worker
    and two edges, of two host names, with nothing in common but those and a key ring.
    """

    def __init__(self, folder: Path, stack: ExitStack) -> None:
        self.library = folder / "library"
        self.library.mkdir()
        common = {**_engines(stack), "REELWRIGHT_KEYS": f"{folder}/keys.json"}
        port = free_port()
        public = {"REELWRIGHT_PUBLIC_URL": f"http://127.0.0.1:{port}"}

        def run(name: str, role: str, edge_host: str = "", **environ: str) -> RunningService:
            service = RunningService(
                folder / name, role, environ={**common, **public, **environ}, edge_host=edge_host
            )
            return stack.enter_context(service)

        self.collector = run("collector", "collector")
        peers = {"REELWRIGHT_PEERS": f"collector={self.collector.url}"}
        self.webs = [run("web", "web", REELWRIGHT_PORT=str(port), **peers), run("web-2", "web", **peers)]
        self.webs[0].url = public["REELWRIGHT_PUBLIC_URL"]
        self.worker = run("worker", "worker", REELWRIGHT_LIBRARY=str(self.library))
        self.edges = [
            run(name, "edge", host, REELWRIGHT_CDN_CONTROL=public["REELWRIGHT_PUBLIC_URL"], REELWRIGHT_CDN_NAME=name)
            for name, host in (("edge-one", ""), ("edges-two", "localhost"))
        ]


def _engines(stack: ExitStack) -> dict[str, str]:
    postgres, redis, kafka, s3 = PostgresServer(), RedisServer(), KafkaServer(), S3Server()
    for engine in (postgres, redis, kafka, s3):
        stack.callback(engine.remove)
    postgres.start()
    s3.make_bucket("films")
    return {
        **s3.environ,
        "REELWRIGHT_DATABASE": new_database(postgres.url),
        "REELWRIGHT_MEDIA": "s3://films/media",
        "REELWRIGHT_LIMITS_STORE": redis.url,
        "REELWRIGHT_LIMITS_NODES": "2",
        "REELWRIGHT_LIMITS_SIGN_IN": "10/day",
        "REELWRIGHT_EVENTS_BUS": kafka.url("reelwright"),
        "REELWRIGHT_LAKE_ENABLED": "true",
        "REELWRIGHT_LAKE_CATALOG": new_database(postgres.url),
        "REELWRIGHT_LAKE_WAREHOUSE": "s3://films/lake",
        "REELWRIGHT_LAKE_COMMIT_S": "1",
    }


@pytest.fixture(scope="module")
def team(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Team]:
    """All of it, running."""
    with ExitStack() as stack:
        yield Team(tmp_path_factory.mktemp("team"), stack)


@pytest.fixture(scope="module")
def client(team: Team) -> httpx.Client:
    """An administrator's client of the first web process."""
    return set_up(team.webs[0])


@pytest.fixture(scope="module")
def session(team: Team, client: httpx.Client) -> dict[str, Any]:
    """A playback session of a film that the worker found, encoded, and put into S3."""
    clip = Films(team.library.parent).make("clip.mp4", seconds=4)
    shutil.move(clip, team.library / "A Small Film (2020).mp4")

    def ready() -> Any:
        titles = expect(client.get("/api/v1/titles"), 200)["titles"]
        return titles and titles[0]["playables"][0]["state"] == "ready" and titles[0]["playables"][0]["id"]

    playable = wait_for(ready, team.worker)
    wait_for(lambda: len(expect(client.get("/api/v1/cdn/edges"), 200)) == 2, team.edges[1])
    found: dict[str, Any] = expect(client.post("/api/v1/playback/sessions", json={"playable_id": playable}), 201)
    return found


def wait_for(found: Callable[[], Any], service: RunningService) -> Any:
    """What it finds, once that is something."""
    until = time.monotonic() + HANGS_S
    while not (answer := found()):
        assert time.monotonic() < until, service.output()[-3000:]
        time.sleep(0.2)
    return answer


def test_a_film_in_s3_is_played_from_edges_of_two_hosts(
    team: Team, client: httpx.Client, session: dict[str, Any]
) -> None:
    """Both registered by themselves; neither asks for a cookie, which the other's host would not get."""
    assert {base.split("/m/")[0] for base in session["media_bases"]} == {edge.edge_url for edge in team.edges}
    playlist = client.get(session["hls_url"]).text
    track = next(line for line in playlist.splitlines() if line.startswith("/api"))
    segments = [line for line in client.get(track).text.splitlines() if line.startswith("http")]
    name = segments[0].split("/m/")[1].split("/", 1)[1]
    bodies = {httpx.get(base + name).content for base in session["media_bases"]}
    assert len(bodies) == 1 and len(bodies.pop()) > 1000


def test_an_event_comes_through_kafka_into_tables_in_s3(
    team: Team, client: httpx.Client, session: dict[str, Any]
) -> None:
    """And is counted once, by either web process, from tables and the log behind them."""
    told = heartbeat(session, 2.5)
    for _ in range(2):
        verdicts = expect(client.post("/api/v1/events", json={"events": [told]}), 200)["verdicts"]
    assert [one["status"] for one in verdicts] == ["duplicate"]
    count = {"sql": f"SELECT count(*) FROM events WHERE id = '{told['id']}'"}
    assert expect(client.post("/api/v1/analytics/sql", json=count), 200)["rows"] == [[1]]
    tables_of_the_lake = "/api/v1/analytics/tables"

    def committed() -> bool:
        tables = expect(client.get(tables_of_the_lake), 200)
        return any(one["table"] == "events" and one["rows"] > 0 for one in tables)

    wait_for(committed, team.worker)
    assert expect(client.post("/api/v1/analytics/sql", json=count), 200)["rows"] == [[1]]
    with httpx.Client(base_url=team.webs[1].url, timeout=60, headers=dict(client.headers)) as other:
        assert expect(other.post("/api/v1/analytics/sql", json=count), 200)["rows"] == [[1]]


def test_limits_are_one_for_both_web_processes(team: Team, client: httpx.Client) -> None:
    """Ten attempts to sign in, wherever they are made, with that to set up."""
    statuses = [
        httpx.post(f"{web.url}/api/v1/session", json={"name": "Ada", "password": "wrong"}).status_code
        for _ in range(10)
        for web in team.webs
    ]
    assert statuses.count(429) >= 10
