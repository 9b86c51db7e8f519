"""What holds the pages: scripts, the service worker, the page without a network, the address of nothing."""

from __future__ import annotations

from typing import Any

from litestar import Request, Response, get

from reelwright.accounts.service import AccountsService
from reelwright.kernel.errors import NotFound
from reelwright.web.assets import Assets
from reelwright.web.errors import page_of
from reelwright.web.pages.profiles import profile_of
from reelwright.web.render import Renderer


@get("/offline", include_in_schema=False)
async def offline(request: Request[Any, Any, Any], renderer: Renderer) -> Response[Any]:
    """What the service worker shows without a network."""
    return renderer.page(request, "offline.html")


@get("/static/{name:path}", include_in_schema=False)
async def static(request: Request[Any, Any, Any], name: str, assets: Assets) -> Response[bytes]:
    """A built script, style sheet or font."""
    asset = assets.get(name.lstrip("/"), request.headers.get("accept-encoding", ""))
    return Response(asset.body, headers=asset.headers, media_type=asset.headers["Content-Type"])


@get("/sw.js", include_in_schema=False)
async def service_worker(request: Request[Any, Any, Any], assets: Assets) -> Response[bytes]:
    """The service worker, at the root, so that it may serve every page."""
    asset = assets.get("sw.js", request.headers.get("accept-encoding", ""))
    return Response(asset.body, headers=asset.headers, media_type=asset.headers["Content-Type"])


@get(["/{rest:path}", "/studio/{rest:path}"], include_in_schema=False)
async def nothing(
    request: Request[Any, Any, Any], rest: str, renderer: Renderer, accounts: AccountsService
) -> Response[Any]:
    """Any other address, a route of its own, so that its page knows who is looking. Raises NotFound below /api/."""
    error = NotFound(f"no page has the address {rest[:100]}")
    if request.url.path.startswith("/api/"):
        raise error
    return page_of(renderer, request, error, profile=await profile_of(request, accounts))
