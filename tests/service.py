"""A running service for tests: real processes on free ports, in a data folder of their own."""

from __future__ import annotations

import os
import re
import signal
import ssl
import subprocess
import sys
import time
from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import httpx
import msgspec

from reelwright.kernel.operations import ProcessState
from reelwright.kernel.processes import free_port as free_port

PASSWORD = "correct horse battery"


class RunningService:
    """`reelwright serve` as its users run it; `roles` none means all."""

    def __init__(
        self,
        data: Path,
        *roles: str,
        environ: Mapping[str, str] | None = None,
        host: str = "127.0.0.1",
        edge_host: str = "",
    ) -> None:
        self.data = data
        self.port, self.edge_port = free_port(), free_port()
        scheme = "https" if environ and "REELWRIGHT_TLS_CERTIFICATE" in environ else "http"
        self.url, self.edge_url = f"{scheme}://{host}:{self.port}", f"{scheme}://{edge_host or host}:{self.edge_port}"
        self._roles = roles
        self._environ = {
            "REELWRIGHT_DATA": str(data),
            "REELWRIGHT_PORT": str(self.port),
            "REELWRIGHT_CDN_PORT": str(self.edge_port),
            "REELWRIGHT_HOST": host,
            "REELWRIGHT_CDN_ADVERTISE": self.edge_url if edge_host else "",
            "REELWRIGHT_LOG_FORMAT": "json",
            "REELWRIGHT_LAKE_ENABLED": "false",  # it would take the worker's time; the lake's own tests turn it on
            **(environ or {}),
        }
        self.log = data.with_name(f"{data.name}.log")
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> RunningService:
        self.start()
        return self

    def __exit__(self, *error: object) -> None:
        self.stop()

    def start(self, *, within_s: float = 90) -> None:
        """Start, and wait until it says that it is ready."""
        known = self.log.stat().st_size if self.log.exists() else 0
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "reelwright.app.serve", *self._roles],
                env={**os.environ, **self._environ},
                stdout=log,
                stderr=log,
                stdin=subprocess.DEVNULL,
            )
        until = time.monotonic() + within_s
        while b"Reelwright is ready" not in self.log.read_bytes()[known:]:
            if self._process.poll() is not None or time.monotonic() > until:
                self.stop()
                raise AssertionError(f"the service did not start:\n{self.output()[-4000:]}")
            time.sleep(0.05)

    def stop(self, *, within_s: float = 90) -> float:
        """Stop as Ctrl-C does; returns the seconds that took."""
        process, self._process = self._process, None
        if process is None:
            return 0.0
        began = time.monotonic()
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(within_s)
        except subprocess.TimeoutExpired:
            process.kill()
            raise AssertionError(f"the service did not stop within {within_s} s") from None
        return time.monotonic() - began

    def kill(self) -> None:
        """kill -9 of all its processes; the supervisor is held meanwhile, so that it can bring none back."""
        process, self._process = self._process, None
        assert process is not None
        process.send_signal(signal.SIGSTOP)
        for state in self._processes():
            os.killpg(state.pid, signal.SIGKILL)
        process.kill()
        process.wait()

    @property
    def is_running(self) -> bool:
        """Whether it was started and not stopped since."""
        return self._process is not None

    def output(self) -> str:
        """Everything that the service has printed and logged."""
        return self.log.read_text("utf-8", "replace") if self.log.exists() else ""

    def setup_code(self) -> str:
        """The newest one-time code that the terminal shows."""
        found = re.findall(r"/setup\?code=([\w-]+)", self.output())
        assert found, self.output()[-2000:]
        return str(found[-1])

    def pid_of(self, role: str) -> int:
        """The process of a role now."""
        return next(state.pid for state in self._processes() if state.name == role)

    def _processes(self) -> list[ProcessState]:
        return msgspec.json.decode((self.data / "run" / "processes.json").read_bytes(), type=list[ProcessState])


def near_and_far(stack: ExitStack, service: RunningService, *, near_host: str = "") -> dict[str, RunningService]:
    """Two edges of a service, apart from it and beside its folder: one is cheap to everybody, one is not."""
    edges = {}
    for name, cost, host in (("near", 1, near_host), ("far", 3, "")):
        own = {
            "REELWRIGHT_MEDIA": f"file://{service.data}/media",
            "REELWRIGHT_KEYS": f"{service.data}/keys.json",
            "REELWRIGHT_PUBLIC_URL": service.url,
            "REELWRIGHT_CDN_CONTROL": service.url,
            "REELWRIGHT_CDN_NAME": name,
            "REELWRIGHT_CDN_COSTS": f"*={cost}",
        }
        edge = RunningService(service.data.with_name(name), "edge", environ=own, edge_host=host)
        edges[name] = stack.enter_context(edge)
    return edges


def set_up(service: RunningService, name: str = "Ada", *, verify: ssl.SSLContext | bool = True) -> httpx.Client:
    """The first administrator, signed in and watching as their profile."""
    client = httpx.Client(base_url=service.url, timeout=60, verify=verify)
    body = {"code": service.setup_code(), "name": name, "password": PASSWORD}
    expect(client.post("/api/v1/setup", json=body), 201)
    return _watching(client)


def signed_in(service: RunningService, name: str = "Ada") -> httpx.Client:
    """Somebody who is known already, watching as their first profile."""
    client = httpx.Client(base_url=service.url, timeout=60)
    expect(client.post("/api/v1/session", json={"name": name, "password": PASSWORD}), 200)
    return _watching(client)


def _watching(client: httpx.Client) -> httpx.Client:
    sign_requests(client)
    profile = expect(client.get("/api/v1/profiles"), 200)[0]
    expect(client.put("/api/v1/session/profile", json={"profile_id": profile["id"]}), 200)
    sign_requests(client)  # the edge knows the viewer by a cookie that came with this answer
    return client


def sign_requests(client: httpx.Client) -> None:
    """Send the session's CSRF value and its cookies with every request, also over TLS that httpx does not know of."""
    jar = {cookie.name: cookie.value or "" for cookie in client.cookies.jar}
    client.headers["Cookie"] = "; ".join(f"{name}={value}" for name, value in jar.items())
    client.headers["X-CSRF-Token"] = client.get("/api/v1/session").json()["csrf"]


def expect(response: httpx.Response, status: int) -> Any:
    """The answer's JSON, if it has this status."""
    assert response.status_code == status, f"{response.status_code}: {response.text[:500]}"
    return response.json() if response.content else None
