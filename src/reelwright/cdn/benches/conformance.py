"""The public suite http-cache-tests against our gateway and the peers."""

from __future__ import annotations

import asyncio
import os
import shutil
import tempfile
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from reelwright.cdn.adapters.conformance import PACKAGE, Score, Suite, listening, tally
from reelwright.cdn.benches.gateways import gateways
from reelwright.kernel.bench import Row
from reelwright.kernel.errors import Unavailable
from reelwright.kernel.processes import free_port


def conformance() -> Iterator[Row]:
    """The public suite http-cache-tests against our gateway, two tiers of it, and the peers, in the same run."""
    with tempfile.TemporaryDirectory() as text:
        try:
            suite = Suite(Path(text))
        except Unavailable as error:
            yield Row(
                id="conformance.required_failed", what="not measured", value=None, unit="cases", note=str(error)
            )
            return
        scores = asyncio.run(_scores(suite, Path(text)))
    ours = scores["edge"]
    for name, score in (("required_failed", ours), ("required_failed_tiers", scores["tiers"])):
        yield Row(
            id=f"conformance.{name}",
            what=f"required cases of {PACKAGE} failing, of {score.required}",
            value=len(score.required_failed),
            unit="cases",
            op="==",
            goal=0,
            peer="nginx" if "nginx" in scores else "",
            peer_value=len(scores["nginx"].required_failed) if "nginx" in scores else None,
            note=", ".join(score.required_failed) or "none",
        )
    yield Row(
        id="conformance.optimal",
        what=f"share of the {ours.optimal} optimal cases passed",
        value=round(ours.optimal_share, 3),
        unit="share",
        op=">=",
        goal=0.9,
        peer="varnish" if "varnish" in scores else "",
        peer_value=round(scores["varnish"].optimal_share, 3) if "varnish" in scores else None,
        note="failing: " + ", ".join(ours.optimal_failed),
    )


async def _scores(suite: Suite, folder: Path) -> dict[str, Score]:
    """Scores of all caches; each has an origin of its own, since they wait far more than they work."""
    cases = suite.cases()

    async def score(name: str, start: Callable[[int], Any]) -> tuple[str, Score]:
        origin_port = free_port()
        origin = await suite.origin(origin_port)
        try:
            async with start(origin_port) as base:
                return name, tally(cases, await suite.run(base))
        finally:
            origin.kill()
            await origin.wait()

    caches: dict[str, Callable[[int], Any]] = {"edge": lambda port: gateways(port, ("edge",))}
    caches["tiers"] = lambda port: gateways(port, ("shield", "edge"))
    if shutil.which("nginx"):
        caches["nginx"] = lambda port: _nginx_cache(folder, port)
    if shutil.which("varnishd"):
        caches["varnish"] = lambda port: _varnish_cache(folder, port)
    return dict(await asyncio.gather(*(score(name, start) for name, start in caches.items())))


@asynccontextmanager
async def _nginx_cache(folder: Path, origin_port: int) -> AsyncIterator[str]:
    port = free_port()
    home = folder / "nginx"
    home.mkdir()
    (home / "nginx.conf").write_text(
        f"""
        daemon off; worker_processes 1; pid {home}/nginx.pid; error_log {home}/error.log;
        {"user root;" if os.getuid() == 0 else ""}
        events {{ worker_connections 1024; }}
        http {{
          access_log off; proxy_cache_path {home}/cache keys_zone=z:10m; proxy_temp_path {home}/t2;
          client_body_temp_path {home}/t1; fastcgi_temp_path {home}/t3; uwsgi_temp_path {home}/t4;
          scgi_temp_path {home}/t5;
          server {{ listen 127.0.0.1:{port};
            location / {{ proxy_pass http://127.0.0.1:{origin_port}; proxy_cache z; proxy_cache_revalidate on;
              proxy_http_version 1.1; }} }}
        }}
        """
    )
    async with _peer_process(["nginx", "-p", str(home), "-c", str(home / "nginx.conf")], port) as base:
        yield base


@asynccontextmanager
async def _varnish_cache(folder: Path, origin_port: int) -> AsyncIterator[str]:
    port = free_port()
    command = ["varnishd", "-F", "-a", f"127.0.0.1:{port}", "-b", f"127.0.0.1:{origin_port}"]
    async with _peer_process([*command, "-n", str(folder / "varnish"), "-s", "malloc,64m"], port) as base:
        yield base


@asynccontextmanager
async def _peer_process(command: list[str], port: int) -> AsyncIterator[str]:
    quiet = asyncio.subprocess.DEVNULL
    process = await asyncio.create_subprocess_exec(*command, stdout=quiet, stderr=quiet)
    try:
        await listening(port)
        yield f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        await process.wait()
