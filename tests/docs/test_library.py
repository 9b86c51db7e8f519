"""Whoever wants one part as a library finds in its README an example that runs as it is printed."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from tests.films import Films

import reelwright

HEADING = "## As a library"
SAYS = {
    "cdn": ("d gives up ['", "belady 0.", "near 1.0", "full capacity: 100% in use", "['edge-"),
    "events": ("b'payload 99'",),
    "media": ("[(320, 180,", "2 3.0 []"),
    "recommend": ("['b', 'c',",),
}
"""What each example prints, among other things."""


@pytest.mark.parametrize("part", SAYS)
def test_the_readmes_example_runs_as_printed(part: str, tmp_path: Path) -> None:
    """In an empty folder, beside a film, in a process of its own."""
    Films(tmp_path).make("film.mp4")
    readme = (Path(reelwright.__file__).parent / part / "README.md").read_text("utf-8")
    program = readme.split(HEADING)[1].split("```python\n")[1].split("```")[0]
    done = subprocess.run([sys.executable, "-c", program], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert [says for says in SAYS[part] if says not in done.stdout] == [], done.stdout
