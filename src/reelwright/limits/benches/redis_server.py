"""A Redis of the benchmark's own."""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager

from reelwright.kernel.processes import free_port, wait_for_port

REDIS_LINE = "sudo apt install redis-server"


def redis_program() -> str | None:
    """Where Redis or Valkey is installed; None where neither is."""
    return shutil.which("redis-server") or shutil.which("valkey-server")


@contextmanager
def redis_server(program: str, port: int = 0) -> Iterator[str]:
    """A Redis of our own, empty, on a free port or the given one."""
    port = port or free_port()
    with tempfile.TemporaryDirectory() as folder:
        options = ("--port", str(port), "--bind", "127.0.0.1", "--save", "", "--dir", folder)
        process = subprocess.Popen([program, *options], stdout=subprocess.DEVNULL)
        try:
            wait_for_port(port)
            yield f"redis://127.0.0.1:{port}"
        finally:
            process.terminate()
            process.wait()
