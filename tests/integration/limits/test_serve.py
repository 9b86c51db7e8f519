"""`reelwright limits serve`: a process of its own that two gateways ask."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from pathlib import Path

import httpx
from tests.service import free_port

RULES = "domain: rl\ndescriptors:\n  - {key: user, limit: COUNT/hour}\n"
ASKED = {"domain": "rl", "descriptors": [{"entries": [{"key": "user", "value": "a"}]}]}


def test_limits_as_a_process_of_their_own(tmp_path: Path) -> None:
    """It answers, reads its rules again when they change, keeps them when they are wrong, and ends when told."""
    rules, port = tmp_path / "rules.yaml", free_port()
    rules.write_text(RULES.replace("COUNT", "3"))
    program = "from reelwright.app.cli import main; main()"
    command = [sys.executable, "-c", program, "limits", "serve", "--rules", str(rules), "--port", str(port)]
    process = subprocess.Popen(command)
    try:
        url, until = f"http://127.0.0.1:{port}", time.monotonic() + 90
        while True:
            try:
                assert httpx.get(f"{url}/healthcheck").json() == {"status": "OK"}
                break
            except httpx.TransportError:
                assert process.poll() is None and time.monotonic() < until
                time.sleep(0.1)
        assert [httpx.post(f"{url}/json", json=ASKED).status_code for _ in range(4)] == [200, 200, 200, 429]
        rules.write_text("domain: [\n")
        time.sleep(2.5)
        assert httpx.post(f"{url}/json", json=ASKED).status_code == 429
        rules.write_text(RULES.replace("COUNT", "50"))
        while httpx.post(f"{url}/json", json=ASKED).status_code != 200:
            assert time.monotonic() < until
            time.sleep(0.1)
        process.send_signal(signal.SIGTERM)
        assert process.wait(60) == 0
    finally:
        process.kill()
        process.wait()
