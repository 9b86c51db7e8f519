"""`reelwright demo` makes its catalogue and audience once, keeps them, and leaves no process behind."""

from __future__ import annotations

import asyncio
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from tests.service import free_port

from reelwright.accounts.contract import Profile
from reelwright.accounts.service import AccountsService
from reelwright.accounts.system import AccountsSystem
from reelwright.app.compose import open_resources
from reelwright.app.demo import prepare_account
from reelwright.app.demo_films import FILMS, make_film, place_of
from reelwright.app.wiring import migrate
from reelwright.kernel.principal import Principal
from reelwright.kernel.settings import Source

pytestmark = pytest.mark.slow


class Demo:
    """The command as a visitor types it, with two films instead of all."""

    def __init__(self, data: Path) -> None:
        self.data = data
        self.port = free_port()
        self.process: subprocess.Popen[bytes] | None = None
        self.url = ""

    def start(self) -> float:
        """Start; returns the seconds until the service answers."""
        began = time.monotonic()
        command = ["demo", "--data", str(self.data), "--port", str(self.port), "--films", "2"]
        environ = {**os.environ, "REELWRIGHT_CDN_PORT": str(free_port()), "COLUMNS": "200"}
        with (self.data.parent / "demo.log").open("ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-c", "from reelwright.app.cli import main; main()", *command],
                env=environ,
                stdout=log,
                stderr=log,
                preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_IGN),  # as a shell's background job begins
            )
        self.url = str(self.wait_for(r"Open (http://[\d.:]+)")[-1])
        return time.monotonic() - began

    def wait_for(self, pattern: str, *, within_s: float = 120) -> list[str]:
        """Wait until the terminal shows `pattern`."""
        until = time.monotonic() + within_s
        while time.monotonic() < until:
            text = (self.data.parent / "demo.log").read_text("utf-8", "replace")
            if found := re.findall(pattern, text):
                return list(found)
            time.sleep(0.1)
        raise AssertionError(text[-3000:])

    def visitor(self) -> httpx.Client:
        """Somebody who has entered by the front door."""
        client = httpx.Client(base_url=self.url, timeout=60)
        assert "Enter the demo" in client.get("/").text
        entered = client.post("/demo")
        assert entered.status_code == 303, entered.text
        jar = {cookie.name: cookie.value or "" for cookie in client.cookies.jar}
        client.headers["Cookie"] = "; ".join(f"{name}={value}" for name, value in jar.items())
        return client

    def end(self, number: int) -> None:
        """Send a signal and wait until the process is gone."""
        assert self.process is not None
        self.process.send_signal(number)
        self.process.wait(60)


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Demo]:
    """A demo whose films are ready and whose audience has left."""
    running = Demo(tmp_path_factory.mktemp("demo") / "data")
    running.start()
    running.wait_for(r"All films are ready")
    yield running
    if running.process and running.process.poll() is None:
        running.end(signal.SIGTERM)


def test_a_visitor_meets_rows_with_reasons_and_titles_labelled_as_generated(demo: Demo) -> None:
    """Without a password, on this machine only."""
    client = demo.visitor()
    home = client.get("/").text
    assert "Top 10 this week" in home or "Top 10 today" in home
    titles = client.get("/api/v1/titles").json()["titles"]
    assert len(titles) == 2 and all(row["title"]["synthetic"] for row in titles)
    assert "generated" in client.get(f"/title/{titles[0]['title']['id']}").text


def test_the_audience_is_counted_apart(demo: Demo) -> None:
    """No synthetic event is ever taken for a person's."""
    ledger = demo.visitor().get("/api/v1/events/ledger").json()
    assert sum(row["stored"] for row in ledger if row["synthetic"]) > 50
    assert {row["source"] for row in ledger if not row["synthetic"] and row["stored"]} <= {"edges"}


def test_stopped_and_started_again_everything_is_kept(demo: Demo) -> None:
    """No film is made twice, no event imported twice, the visitor is still signed in."""
    client = demo.visitor()
    before = client.get("/api/v1/history").json()
    films = {path: path.stat().st_mtime_ns for path in demo.data.rglob("*.mp4")}
    demo.end(signal.SIGINT)
    assert _left_over(demo) == []
    (demo.data.parent / "demo.log").write_text("")
    demo.start()
    demo.wait_for("All films are ready")
    client.base_url = httpx.URL(demo.url)
    assert client.get("/api/v1/history").json() == before and before
    assert {path: path.stat().st_mtime_ns for path in demo.data.rglob("*.mp4")} == films
    assert "synthetic audience of" not in (demo.data.parent / "demo.log").read_text().split("Open ")[1]


def test_killing_the_command_leaves_no_process(demo: Demo) -> None:
    """kill −9 closes the pipe that the service holds."""
    demo.end(signal.SIGKILL)
    until = time.monotonic() + 90
    while _left_over(demo) and time.monotonic() < until:
        time.sleep(0.2)
    assert _left_over(demo) == []


def _left_over(demo: Demo) -> list[str]:
    """Processes that still know the demo's data folder."""
    found = []
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit() or int(entry.name) == os.getpid():
            continue
        try:
            environ = (entry / "environ").read_bytes()
            command = (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode("utf-8", "replace")
        except OSError:
            continue
        if f"REELWRIGHT_DATA={demo.data}".encode() in environ and command:
            found.append(command)
    return found


def test_a_film_is_not_written_by_two(tmp_path: Path) -> None:
    """What a killed command had begun may go on being written while the next one makes it anew."""
    film = min(FILMS, key=lambda film: film.seconds)
    target = tmp_path / place_of(film)
    part = target.with_name(f".{target.name}.part")
    target.parent.mkdir(parents=True)
    with part.open("wb", buffering=0) as before:
        assert make_film(film, tmp_path) == target
        size = target.stat().st_size
        before.write(b"broken" * 1_000_000)
    assert target.stat().st_size == size > 10_000 and target.read_bytes()[4:8] == b"ftyp"
    assert not part.exists()


def test_a_start_that_was_cut_off_is_gone_on_with(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Wherever that was: one person, each profile once."""
    resources = open_resources(Source.open(environ={"REELWRIGHT_DATA": str(tmp_path)}), process="demo")
    migrate(resources.database)
    create, left = AccountsService.create_profile, [1]

    async def cut_off(*arguments: Any) -> Profile:
        if not left.pop():
            raise KeyboardInterrupt
        left.append(0)
        return await create(*arguments)

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(AccountsService, "create_profile", cut_off)
        asyncio.run(prepare_account(resources))
    account = asyncio.run(prepare_account(resources))
    accounts = AccountsSystem(resources).service
    caller = Principal(kind="session", user_id=account.user_id, role="admin")
    profiles = asyncio.run(accounts.list_profiles(caller))
    assert [profile.name for profile in profiles] == ["Alex", "Robin", "Sam", "Kids"]
    assert [profile.id for profile in profiles] == account.profiles
    assert asyncio.run(prepare_account(resources)) == account


def test_a_service_that_cannot_start_ends_the_command(tmp_path: Path) -> None:
    """What is wrong stands in the terminal, and is no reason to wait for ever."""
    command = ["demo", "--data", str(tmp_path), "--port", str(free_port()), "--films", "1"]
    ended = subprocess.run(
        [sys.executable, "-c", "from reelwright.app.cli import main; main()", *command],
        env={**os.environ, "REELWRIGHT_CDN_PROTECT": "everything", "COLUMNS": "200"},
        capture_output=True,
        check=False,
        timeout=60,
    )
    assert ended.returncode == 1 and b"REELWRIGHT_CDN_PROTECT names no setting" in ended.stderr
