"""Servers that are measured, each on the cores that it is given: an edge, one behind another, nginx."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from reelwright.kernel.keys import KEYS_FILE
from reelwright.kernel.processes import free_port, wait_for_port


class Server:
    """A server process under load."""

    def __init__(self, pid: int, port: int) -> None:
        self.pid = pid
        self.port = port


@contextmanager
def edge(folder: Path, *, on: Sequence[int] = (), **environ: str) -> Iterator[Server]:
    """An edge as its role starts, on the first core unless told; `environ` are more settings."""
    port = free_port()
    command = [sys.executable, "-m", "reelwright.app.roles", "edge"]
    settings = {
        "REELWRIGHT_DATA": str(folder),
        "REELWRIGHT_CDN_PORT": str(port),
        "REELWRIGHT_LOG_LEVEL": "error",
        **environ,
    }
    with _process(command, settings, on or cores()[:1]) as process:
        wait_for_port(port)
        yield Server(process.pid, port)


@contextmanager
def tier(folder: Path, name: str, upstream: str, *, on: Sequence[int] = (), processes: int = 1) -> Iterator[Server]:
    """An edge or shield with a cache of its own and the shared key ring."""
    home = folder / name
    home.mkdir()
    shutil.copy(folder / KEYS_FILE, home / KEYS_FILE)
    patient = {"REELWRIGHT_CDN_REQUEST_S": "300", "REELWRIGHT_CDN_STALL_S": "300"}  # all connect before any asks
    several = {"REELWRIGHT_CDN_PROCESSES": str(processes)}
    with edge(home, on=on or cores(), REELWRIGHT_CDN_UPSTREAMS=upstream, **patient, **several) as server:
        while _listeners(server.port) < processes:
            time.sleep(0.05)
        yield server


@contextmanager
def nginx(folder: Path, tls: str = "", *, workers: int = 1, on: Sequence[int] = ()) -> Iterator[Server]:
    """nginx that sends the same files with sendfile; `tls` names its certificate."""
    port = free_port()
    config = folder / "nginx.conf"
    config.write_text(
        f"""
        daemon off; worker_processes {workers}; pid {folder}/nginx.pid; error_log {folder}/error.log;
        {"user root;" if os.getuid() == 0 else ""}
        events {{ worker_connections 4096; }}
        http {{
          access_log off; sendfile on; tcp_nopush on; keepalive_requests 1000000;
          open_file_cache max=1000 inactive=60s; open_file_cache_valid 60s;
          client_body_temp_path {folder}/t1; proxy_temp_path {folder}/t2; fastcgi_temp_path {folder}/t3;
          uwsgi_temp_path {folder}/t4; scgi_temp_path {folder}/t5;
          types {{ video/iso.segment m4s; }}
          server {{
            listen 127.0.0.1:{port} {"ssl " if tls else ""}backlog=1024 reuseport; {tls} root {folder}/media;
          }}
        }}
        """
    )
    with _process(["nginx", "-p", str(folder), "-c", str(config)], {}, on or cores()[:1]) as process:
        wait_for_port(port)
        yield Server(process.pid, port)


@contextmanager
def _process(command: list[str], environ: dict[str, str], on: Sequence[int]) -> Iterator[subprocess.Popen[bytes]]:
    """A process on some cores; it holds our pipe, and ends with us."""
    own = cores()
    os.sched_setaffinity(0, on)
    try:
        process = subprocess.Popen(command, env={**os.environ, **environ}, stdin=subprocess.PIPE)
    finally:
        os.sched_setaffinity(0, own)
    try:
        yield process
    finally:
        process.terminate()
        process.wait()


def cores() -> list[int]:
    """Those that this process may use."""
    return sorted(os.sched_getaffinity(0))


def _listeners(port: int) -> int:
    """How many processes share a port."""
    rows = [line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:]]
    return sum(row[1].endswith(f":{port:04X}") and row[3] == "0A" for row in rows)
