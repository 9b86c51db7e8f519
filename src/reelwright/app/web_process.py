"""The web role: pages and API."""

from __future__ import annotations

import asyncio

from reelwright.accounts.service import AccountsService
from reelwright.app.asgi import build
from reelwright.app.compose import open_resources
from reelwright.app.places import jobs_url
from reelwright.app.serving import serve_asgi
from reelwright.app.wiring import migrate, wire
from reelwright.kernel.jobs import JobsClient
from reelwright.kernel.settings import Source


async def run(stopping: asyncio.Event) -> None:
    """Migrate, compose and serve until told to stop."""
    resources = open_resources(Source.open(), process="web")
    await asyncio.to_thread(migrate, resources.database)
    jobs = await asyncio.to_thread(JobsClient, jobs_url(resources.settings))
    wiring = wire(resources, queue=jobs)
    await _greet(wiring.dependencies["accounts"], resources.public_url)
    try:
        await serve_asgi(build(resources, wiring), resources.settings, stopping)
    finally:
        jobs.close()
        resources.database.close()


async def _greet(accounts: AccountsService, public_url: str) -> None:
    """Nobody is set up yet: print the one-time link that opens the set-up page."""
    code = await accounts.issue_setup_code()
    if code is not None:
        print(f"First run: open {public_url}/setup?code={code}", flush=True)
