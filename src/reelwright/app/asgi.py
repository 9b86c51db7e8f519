"""The ASGI application of the web process: routes of all systems behind one door."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator, Callable, Collection, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from functools import lru_cache
from typing import Any

from litestar import Litestar, Request, Response, Router, get
from litestar.di import Provide
from litestar.enums import HttpMethod, ScopeType
from litestar.exceptions import NotFoundException
from litestar.middleware import DefineMiddleware
from litestar.openapi import OpenAPIConfig
from litestar.routes import BaseRoute
from litestar.types import ASGIApp, Message, Receive, Scope, Send

from reelwright import __version__
from reelwright.accounts.adapters.idempotency import IdempotencyMiddleware
from reelwright.accounts.api import PrincipalMiddleware
from reelwright.app.described import CompleteJson, StrictRequest, tell_all_methods
from reelwright.app.listening import allowed_hosts, web_origins
from reelwright.app.wiring import Wiring
from reelwright.kernel.errors import Forbidden, ReelwrightError, Terminal
from reelwright.kernel.http import handle_error
from reelwright.kernel.keys import KeyRing, follow
from reelwright.kernel.operations import Operations
from reelwright.kernel.principal import is_near, principal_of
from reelwright.kernel.system import Health, Resources, System
from reelwright.kernel.telemetry import exposition, logger
from reelwright.kernel.urls import parts_of

log = logger(__name__)
BODY_BYTES_MOST = 2 << 20
"""Largest request body that is read whole; uploads stream and have their own bound."""

PageError = Callable[[Request[Any, Any, Any], Exception], Response[Any]]


@get("/healthz", summary="Say that the process lives", tags=["service"])
async def healthz() -> dict[str, str]:
    """Say that the process lives; asks nothing of its parts."""
    return {"state": "ok"}


@get("/readyz", summary="Say whether requests can be served", tags=["service"])
async def readyz(operations: Operations) -> Response[list[Health]]:
    """Say how each part is; 503 while one that is needed is down."""
    found = list(await operations.health())
    return Response(found, status_code=503 if any(health.state == "down" for health in found) else 200)


@get("/metrics", summary="Get metrics", tags=["service"], media_type="text/plain")
async def metrics(request: Request[Any, Any, Any], resources: Resources) -> Response[bytes]:
    """Get all processes' metrics in Prometheus text format; from this machine, or as an administrator."""
    if not is_near(request, resources.settings) and not principal_of(request).may("admin"):
        raise Forbidden("metrics are read from this machine, or with an administrator's API token")
    return Response(exposition(), media_type="text/plain; version=0.0.4")  # the framework adds the charset


class HostGuard:
    """Answers only requests that name one of our hosts: a page of another site may resolve its own name to us."""

    def __init__(self, app: ASGIApp, *, hosts: Collection[str]) -> None:
        self._app = app
        self._hosts = frozenset(hosts)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Refuse with 421, or go on."""
        if scope["type"] == ScopeType.HTTP:
            named = dict(scope["headers"]).get(b"host", b"").decode("latin-1")
            if _host_of(named[:300]) not in self._hosts:
                request: Request[Any, Any, Any] = Request(scope)
                problem = handle_error(request, WrongHost(f"this service is not {named[:80]!r}; see public_url"))
                await problem.to_asgi_response(app=None, request=request)(scope, receive, send)
                return
        await self._app(scope, receive, send)


class WrongHost(Terminal):
    """The request names a host that is not ours."""

    status = 421
    slug = "wrong-host"


@lru_cache(maxsize=1024)
def _host_of(header: str) -> str:
    return parts_of(f"//{header}").hostname or ""


def build(resources: Resources, wiring: Wiring) -> Litestar:
    """The application; systems start and stop with it."""
    given = wiring.dependencies
    middleware: list[Callable[..., ASGIApp]] = [
        DefineMiddleware(HostGuard, hosts=allowed_hosts(resources.settings, resources.public_url)),
        _principals(resources, given),
        *_middleware(wiring.systems),
        *_replies(given),
    ]
    application = Litestar(
        route_handlers=[healthz, readyz, metrics, *(route for system in wiring.systems for route in system.routes())],
        dependencies={name: Provide(_giving(value), sync_to_thread=False) for name, value in given.items()},
        middleware=middleware,
        exception_handlers={Exception: _errors(wiring.systems)},
        openapi_config=OpenAPIConfig(
            title="Reelwright",
            version=__version__,
            description="A self-hosted streaming service. Errors are problem+json (RFC 9457).",
            openapi_router=Router(
                "/api/v1", route_handlers=[], include_in_schema=False, after_request=_problem_where_nothing_is
            ),
            render_plugins=[CompleteJson()],
            use_handler_docstrings=True,
        ),
        request_class=StrictRequest,
        request_max_body_size=BODY_BYTES_MOST,
        lifespan=[_running(wiring.systems), _following(resources.keys)],
        before_send=[tell_all_methods, _keep_private],
        logging_config=None,  # the framework's own would log packages' lines in another form
        debug=False,
    )
    routed = Heads(application.asgi_handler, application.routes)
    application.asgi_handler = Bypass(routed, _direct(wiring.systems), middleware)
    return application


async def _keep_private(message: Message, _: Scope) -> None:
    """A cache that several people share may guess how long an answer holds that does not say so."""
    if message["type"] == "http.response.start":
        headers = list(message.get("headers", ()))
        if not any(name.lower() == b"cache-control" for name, _ in headers):
            message["headers"] = [*headers, (b"cache-control", b"private, no-cache")]


def _problem_where_nothing_is(response: Response[Any]) -> Response[Any]:
    """Else the framework answers what lies beside the document with a page of its own."""
    if response.status_code == 404:
        raise NotFoundException
    return response


class Heads:
    """Answers HEAD as GET, but where one of `routes` takes HEAD itself; the HTTP server leaves out the body."""

    def __init__(self, app: ASGIApp, routes: Sequence[BaseRoute]) -> None:
        self._app = app
        own = [re.sub(r"{[^}]+}", "[^/]+", one.path) for one in routes if "HEAD" in getattr(one, "methods", ())]
        self._own = re.compile("|".join(own) or "(?!)")

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer."""
        if scope["type"] == ScopeType.HTTP and scope["method"] == "HEAD" and not self._own.fullmatch(scope["path"]):
            scope["method"] = HttpMethod.GET
        await self._app(scope, receive, send)


class Bypass:
    """Leads some requests past the framework's router: what stands before every route stands before them too.

    Each middleware, and the route itself, answers its own errors as the framework has them do. Whatever is not
    exactly one of `direct`'s methods and paths takes the framework's way.
    """

    def __init__(
        self,
        otherwise: ASGIApp,
        direct: Mapping[tuple[str, str], ASGIApp],
        middleware: Sequence[Callable[..., ASGIApp]],
    ) -> None:
        self._otherwise = otherwise
        self.direct = {key: _behind(middleware, app) for key, app in direct.items()}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Go the short way, or the framework's."""
        app = self.direct.get((scope["method"], scope["path"])) if scope["type"] == ScopeType.HTTP else None
        await (app or self._otherwise)(scope, receive, send)


def _behind(middleware: Sequence[Callable[..., ASGIApp]], app: ASGIApp) -> ASGIApp:
    app = _answering_errors(app)
    for one in reversed(middleware):
        app = _answering_errors(one(app=app))
    return app


def _answering_errors(app: ASGIApp) -> ASGIApp:
    async def answer(scope: Scope, receive: Receive, send: Send) -> None:
        begun = False

        async def note(message: Message) -> None:
            nonlocal begun
            begun = True
            await send(message)

        try:
            await app(scope, receive, note)
        except Exception as error:
            if begun:
                raise
            request: Request[Any, Any, Any] = Request(scope)
            problem = handle_error(request, error).to_asgi_response(app=None, request=request)
            await problem(scope, receive, send)

    return answer


def _direct(systems: Sequence[System]) -> dict[tuple[str, str], ASGIApp]:
    return {key: app for system in systems if hasattr(system, "direct") for key, app in system.direct().items()}


def _principals(resources: Resources, given: dict[str, Any]) -> DefineMiddleware:
    return DefineMiddleware(
        PrincipalMiddleware,
        accounts=given["accounts"],
        cookies=given["cookie_jar"],
        origins=web_origins(resources.settings),
    )


def _replies(given: dict[str, Any]) -> list[DefineMiddleware]:
    """Behind the limits: an answer that is given again costs like the first."""
    if "replies" not in given:
        return []
    return [DefineMiddleware(IdempotencyMiddleware, replies=given["replies"], body_bytes_most=BODY_BYTES_MOST)]


def _middleware(systems: Sequence[System]) -> list[Callable[[ASGIApp], ASGIApp]]:
    return [system.middleware for system in systems if hasattr(system, "middleware")]


def _errors(systems: Sequence[System]) -> Callable[[Request[Any, Any, Any], Exception], Response[Any]]:
    """Problems for programs, pages for people."""
    page: PageError = next(
        (system.handle_page_error for system in systems if hasattr(system, "handle_page_error")), handle_error
    )

    def handle(request: Request[Any, Any, Any], error: Exception) -> Response[Any]:
        for_programs = request.url.path.startswith(("/api/", "/ofrep/", "/healthz", "/readyz", "/metrics"))
        return handle_error(request, error) if for_programs else page(request, error)

    return handle


def _running(systems: Sequence[System]) -> Callable[[Litestar], Any]:
    @asynccontextmanager
    async def run(_application: Litestar) -> AsyncIterator[None]:
        async with AsyncExitStack() as stack:
            for system in systems:
                await _start(system)
                stack.push_async_callback(system.stop)
            yield

    return run


async def _start(system: System) -> None:
    """The server ends where one does not start, and says nothing of why."""
    try:
        await system.start()
    except Exception as error:
        known = isinstance(error, ReelwrightError)
        log.error("a system does not start", system=system.name, problem=str(error), exc_info=not known)
        raise


def _following(keys: KeyRing) -> Callable[[Litestar], Any]:
    @asynccontextmanager
    async def run(_application: Litestar) -> AsyncIterator[None]:
        task = asyncio.create_task(follow(keys))
        yield
        task.cancel()

    return run


def _giving(value: Any) -> Callable[[], Any]:
    def give() -> Any:
        return value

    return give
