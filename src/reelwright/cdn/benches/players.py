"""Players that are not ours, steered in a real browser."""

from __future__ import annotations

import importlib.util
import json
import shutil
import subprocess
import sys
from collections.abc import Iterator

from reelwright.cdn.benches import CHECKOUT
from reelwright.kernel.bench import Row


def players() -> Iterator[Row]:
    """Players that are not ours, in a real browser, whose edge is drained or killed; what the browser tests run."""
    command = [sys.executable, "-m", "tests.browser.players"]
    lacks = _lacks_browser()
    found: dict[str, dict[str, float]] = {}
    if not lacks:
        done = subprocess.run(command, cwd=CHECKOUT, capture_output=True, text=True)
        lacks = "" if done.returncode == 0 else _last_words(done.stderr)
        found = {} if lacks else json.loads(done.stdout)
    yield Row(
        id="steering.players_moved",
        what="time until a player got its segments from the other edge / (one TTL + one segment), worst",
        value=max((one["share"] for one in found.values()), default=None),
        unit="share",
        op="<=",
        goal=1.0,
        note=lacks
        or "10 s ahead, edges of two host names (shaka-player avoids a host that failed, whatever its port); "
        + ", ".join(f"{name} {one['share']:.2f}" for name, one in found.items()),
    )
    yield Row(
        id="steering.players_stalled",
        what="of these players, those whose picture stood still",
        value=sum(one["stalled"] for one in found.values()) if found else None,
        unit="players",
        op="==",
        goal=0,
        note=lacks or ", ".join(name for name, one in found.items() if one["stalled"]),
    )


def _last_words(stderr: str) -> str:
    """What a process ended with; the service's log lines beside it are JSON."""
    said = [line for line in stderr.splitlines() if line.strip() and not line.startswith("{")]
    return said[-1][:300] if said else "ended without a word"


def _lacks_browser() -> str:
    """Why it cannot be measured here; empty where it can."""
    if not (CHECKOUT / "tests" / "browser" / "players.py").exists():
        return "needs a checkout: its players are development packages"
    if importlib.util.find_spec("playwright") is None:
        return "needs the development packages: make install"
    if not any(map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))):
        return "no Chromium here: sudo apt install chromium"
    return ""
