"""Keys rotate under a running service, and nobody notices."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path

import pytest
from tests.service import RunningService, expect, set_up

pytestmark = pytest.mark.slow


def test_every_process_follows_the_ring(tmp_path: Path) -> None:
    """Web, worker and edge read it again; who is signed in stays so, and a new session is signed by the new key."""
    with RunningService(tmp_path / "data") as service:
        client = set_up(service)
        command = [str(Path(sys.executable).with_name("reelwright")), "rotate-keys", "--data", str(tmp_path / "data")]
        said = subprocess.run(command, capture_output=True, text=True, check=True).stdout
        name = said.split()[2].rstrip(";")
        until = time.monotonic() + 90
        while (followed := followers(service, name)) != {"web", "worker", "edge"}:
            assert time.monotonic() < until, f"only {followed} of {said!r}:\n{service.output()[-2000:]}"
            time.sleep(0.2)
        expect(client.get("/api/v1/session"), 200)
        expect(client.post("/api/v1/profiles", json={"name": "Kim"}), 201)


def followers(service: RunningService, name: str) -> set[str]:
    """The processes that have said that they know the key."""
    lines = [json.loads(line) for line in service.output().splitlines() if line.startswith("{")]
    return {line["process"] for line in lines if line.get("newest") == name}
