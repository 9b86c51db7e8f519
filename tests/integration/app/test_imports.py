"""Each process imports only what it needs: that is what keeps an idle service small."""

from __future__ import annotations

import subprocess
import sys

import pytest

FORBIDDEN = {
    "edge": ("sqlalchemy", "litestar", "dbos", "av", "granian", "numpy"),
    "web": ("av", "imageio_ffmpeg", "duckdb", "pyarrow", "scipy"),
    "collector": ("av", "imageio_ffmpeg", "duckdb", "pyarrow", "scipy"),
    "worker": ("granian",),
}


@pytest.mark.parametrize("role", sorted(FORBIDDEN))
def test_a_process_does_not_import_what_it_does_not_need(role: str) -> None:
    """An import of a heavy engine in the wrong process costs every installation its memory."""
    program = (
        f"import sys, reelwright.app.{role}_process\n"
        f"print(sorted(set({FORBIDDEN[role]!r}) & {{name.split('.')[0] for name in sys.modules}}))"
    )
    found = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "[]"
