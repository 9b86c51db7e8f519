"""The public suite http-cache-tests (npm) run against a cache: its server as the origin, its client as the viewer."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import socket
import subprocess
from pathlib import Path

import msgspec

from reelwright.kernel.errors import Unavailable

PACKAGE = "http-cache-tests@0.4.5"
RUN_S = 600
_LIST = """
import tests from './tests/index.mjs'
import surrogate from './tests/surrogate-control.mjs'
const all = [...tests, surrogate].flatMap(suite => suite.tests).filter(test => !test.browser_only)
const cases = all.map(test => ({id: test.id, kind: test.kind || 'required', needs: test.depends_on || []}))
console.log(JSON.stringify(cases))
"""


class Case(msgspec.Struct, frozen=True):
    """One test of the suite."""

    id: str
    kind: str
    needs: tuple[str, ...] = ()


class Score(msgspec.Struct, frozen=True):
    """What a cache passed; a test whose precondition failed is failed too, as the suite counts it."""

    required: int
    required_failed: tuple[str, ...]
    optimal: int
    optimal_failed: tuple[str, ...]

    @property
    def optimal_share(self) -> float:
        """Share of the optimal cases passed."""
        return 1 - len(self.optimal_failed) / self.optimal


def tally(cases: list[Case], results: dict[str, object]) -> Score:
    """The score of one run."""
    by_id = {case.id: case for case in cases}

    def passed(name: str) -> bool:
        case = by_id.get(name)
        return results.get(name) is True and (case is None or all(passed(need) for need in case.needs))

    failed = {
        kind: tuple(case.id for case in cases if case.kind == kind and not passed(case.id))
        for kind in ("required", "optimal")
    }
    count = {kind: sum(case.kind == kind for case in cases) for kind in failed}
    return Score(count["required"], failed["required"], count["optimal"], failed["optimal"])


class Suite:
    """The suite, installed below `folder`."""

    def __init__(self, folder: Path) -> None:
        self._home = folder / "node_modules" / "http-cache-tests"
        if shutil.which("npm") is None:
            raise Unavailable("the suite needs Node.js: install node and npm")
        if not self._home.is_dir():
            command = ["npm", "install", "--silent", "--prefix", str(folder), PACKAGE]
            said = subprocess.run(command, capture_output=True, text=True, check=False)
            if said.returncode:
                raise Unavailable(f"npm install {PACKAGE} failed: {said.stderr.strip()[-200:]}")

    def cases(self) -> list[Case]:
        """All tests that are not for browsers alone."""
        script = self._home / "list.mjs"
        script.write_text(_LIST)
        said = subprocess.run(["node", "--no-warnings", script], capture_output=True, text=True, check=True)
        return msgspec.json.decode(said.stdout, type=list[Case])

    async def origin(self, port: int) -> asyncio.subprocess.Process:
        """The suite's server, listening on loopback alone."""
        source = (self._home / "server" / "server.mjs").read_text()
        server = self._home / "server" / "loopback.mjs"
        server.write_text(source.replace("server.listen(port)", "server.listen(port, '127.0.0.1')"))
        process = await self._node(
            server, npm_config_protocol="http", npm_config_port=str(port), npm_config_pidfile=os.devnull
        )
        await listening(port)
        return process

    async def run(self, base: str) -> dict[str, object]:
        """Results by test: true, or [kind, why]."""
        process = await self._node(self._home / "cli.mjs", npm_config_base=base)
        async with asyncio.timeout(RUN_S):
            said, _ = await process.communicate()
        found: dict[str, object] = json.loads(said[said.index(b"{") :])
        return found

    async def _node(self, script: Path, **environ: str) -> asyncio.subprocess.Process:
        return await asyncio.create_subprocess_exec(
            *("node", "--no-warnings", str(script)),
            cwd=self._home,
            env={**os.environ, "npm_package_config_id": "", **environ},
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.DEVNULL,
        )


async def listening(port: int) -> None:
    """Wait until something listens on a port of this machine. Raises Unavailable after 20 s."""
    for _ in range(400):
        try:
            with socket.create_connection(("127.0.0.1", port), timeout=1):
                return
        except OSError:
            await asyncio.sleep(0.05)
    raise Unavailable(f"nothing listens on port {port}")
