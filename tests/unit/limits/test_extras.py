"""An engine whose package is not installed says how to install it."""

from __future__ import annotations

import subprocess
import sys

import pytest


@pytest.mark.parametrize(
    ("adapter", "package", "extra"),
    [("envoy", "grpc", "grpc"), ("postgres", "psycopg", "postgres"), ("redis", "hiredis", "redis")],
)
def test_a_missing_extra_prints_its_install_line(adapter: str, package: str, extra: str) -> None:
    """Seen by a process in which the package cannot be imported."""
    program = f"import sys; sys.modules[{package!r}] = None; import reelwright.limits.adapters.{adapter}"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert done.returncode != 0 and f"pip install 'reelwright[{extra}]'" in done.stderr
