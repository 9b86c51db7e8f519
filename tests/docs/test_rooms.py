"""The tree keeps its shape: every system has the same rooms, and says what it is."""

from __future__ import annotations

from pathlib import Path

import pytest

SOURCE = Path(__file__).resolve().parents[2] / "src" / "reelwright"
NOT_SYSTEMS = {"kernel", "app"}
NOT_WIRED = {"simulate"}
"""A library and nothing else: no process runs it."""
FILES = {
    "__init__.py", "README.md", "contract.py", "ports.py", "service.py", "jobs.py", "replay.py", "bench.py",
    "api.py", "client.py", "cli.py", "settings.py", "system.py",
}  # fmt: skip
FOLDERS = {"core", "adapters", "migrations", "benches", "__pycache__"}
EXTRA = {
    "web": {
        "pages",
        "practice",
        "cdn.py",
        "experiments.py",
        "intervals.py",
        "lake.py",
        "studio.py",
        "errors.py",
        "forms.py",
        "render.py",
        "assets.py",
        "charts.py",
        "templates",
        "static",
    },
    "cdn": {"control.py"},
    "practice": {"api", "gold", "guide", "labs", "questions", "service", "styles"},
}
"""Pages, packaged data, routes by noun; and a control plane, since the edge has no database."""
SYSTEMS = sorted(
    path.name for path in SOURCE.iterdir() if path.is_dir() and path.name not in {*NOT_SYSTEMS, "__pycache__"}
)


@pytest.mark.parametrize("system", SYSTEMS)
def test_a_system_has_only_known_rooms(system: str) -> None:
    """A module outside the known rooms has no reader who expects it there."""
    found = {path.name for path in (SOURCE / system).iterdir()}
    assert found - FILES - FOLDERS - EXTRA.get(system, set()) == set()


@pytest.mark.parametrize("system", SYSTEMS)
def test_a_system_has_readme_contract_and_system(system: str) -> None:
    """What it is, what others import, how it is wired."""
    needed = {"README.md", "contract.py"} | (set() if system in NOT_WIRED else {"system.py"})
    assert {name for name in needed if not (SOURCE / system / name).is_file()} == set()


@pytest.mark.parametrize("system", SYSTEMS)
def test_core_touches_no_clock_no_randomness_no_io(system: str) -> None:
    """Decisions are pure: time and randomness are passed in."""
    forbidden = (
        *("import time", "import random", "import asyncio", "import socket", "import sqlalchemy", "import httpx"),
        *("import subprocess", "time.time(", "datetime.now(", "from secrets", "import secrets"),
    )
    for path in (SOURCE / system / "core").rglob("*.py"):
        text = path.read_text()
        assert [word for word in forbidden if word in text] == [], path
