"""The API keeps to its own description: schemathesis finds no failure."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import httpx
import pytest
from tests.service import RunningService, expect, set_up

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]
CONFIG = """
# A change without If-Match gets 428 (RFC 6585), which the tool does not count as a refusal unless told.
[checks.missing_required_header]
expected-statuses = [400, 401, 403, 406, 415, 422, 428]

# The tool sends one Idempotency-Key with many bodies: 422, the only use of it in what is called here.
[checks.positive_data_acceptance]
expected-statuses = ["2xx", "3xx", 401, 403, 404, 409, 410, 422, 429, "5xx"]

# Which names a film may have cannot be said of a base64 header.
[[operations]]
include-name = "POST /api/v1/uploads"
checks.positive_data_acceptance.enabled = false

# That a map's keys are levels of the table cannot be said in the description as it is made.
[[operations]]
include-name = "PUT /api/v1/practice/pay/levels"
checks.positive_data_acceptance.enabled = false

# A body that may be left out is described without what it forbids.
[[operations]]
include-name = "POST /api/v1/playback/sessions/{session_id}/heartbeat"
checks.positive_data_acceptance.enabled = false

# The tool cannot send application/cmcd, nor application/offset+octet-stream; tests of events and the catalogue do.
[[operations]]
include-name = "POST /api/v1/cmcd"
enabled = false

[[operations]]
include-name = "PATCH /api/v1/uploads/{upload_id}"
enabled = false

# Each of these starts a process of its own.
[[operations]]
include-path-regex = "^/api/v1/analytics/(sql|export|profiles/.*)$"
generation.max-examples = 3
phases.coverage.enabled = false
"""


def test_schemathesis_finds_no_failure(tmp_path: Path) -> None:
    """Every operation is called with what the description allows and what it forbids; live streams are left out."""
    config = tmp_path / "schemathesis.toml"
    config.write_text(CONFIG)
    endless = {f"REELWRIGHT_LIMITS_{name}": "1000000/minute" for name in ("API", "SIGN_IN", "EVENTS")}
    with RunningService(tmp_path / "data", environ=endless) as service:
        client = set_up(service)
        form = {"name": "schemathesis", "scopes": ["read", "watch", "edit", "admin"], "days": 1}
        token = expect(client.post("/api/v1/tokens", json=form), 201)["token"]
        command = [str(Path(sys.executable).with_name("schemathesis")), "--config-file", str(config), "run"]
        command += [f"{service.url}/api/v1/openapi.json", "--url", service.url, "--no-color", "--seed", "1"]
        command += ["-H", f"Authorization: Bearer {token}", "--max-examples", "12", "--request-timeout", "10"]
        command += ["--exclude-path-regex", "stream$|/setup$", "--phases", "examples,coverage,fuzzing"]
        done = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path)
        assert done.returncode == 0, done.stdout[max(0, done.stdout.find("= FAILURES")) :][:6000]


def test_the_description_is_served_and_complete(tmp_path: Path) -> None:
    """OpenAPI 3.1; every operation tells of problems; bodies refuse unknown fields."""
    with RunningService(tmp_path / "data") as service:
        document = httpx.get(f"{service.url}/api/v1/openapi.json").json()
    assert document["openapi"].startswith("3.1")
    for operations in document["paths"].values():
        for operation in operations.values():
            assert "application/problem+json" in operation["responses"]["default"]["content"]
    assert document["components"]["schemas"]["SignInForm"]["additionalProperties"] is False
