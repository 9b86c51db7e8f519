"""Errors as people see them: what happened, and what to do next."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

import msgspec
from litestar import Request, Response

from reelwright.accounts.contract import Profile
from reelwright.kernel.http import Problem, handle_error
from reelwright.kernel.principal import principal_of
from reelwright.kernel.urls import parts_of
from reelwright.web.forms import go, safe_path
from reelwright.web.render import Renderer

ADVICE = {
    403: ("This is not open to you", "Switch the profile, or ask an administrator of this service."),
    404: ("There is nothing here", "It may have been removed, or it is not for this profile."),
    405: ("This page cannot be used that way", "Go back and use the page's own buttons."),
    413: ("That was too much at once", "Send less, or use the upload page for films."),
    429: ("Slow down for a moment", "Too many requests came from here; the page works again shortly."),
    500: ("Something failed on our side", "It has been logged. Try again; Studio shows how the service is."),
    503: ("A part of the service does not answer", "Nothing is lost. Try again in a moment."),
}
WAYS = {
    403: (("Switch profile", "/profiles"), ("Home", "/")),
    404: (("Home", "/"), ("Search", "/search")),
}
"""Where to go from an error; from all others, home."""
AGAIN = (429, 500, 503)
"""What may work a moment later."""


def page_of(
    renderer: Renderer, request: Request[Any, Any, Any], error: Exception, *, profile: Profile | None = None
) -> Response[Any]:
    """The page for an error; whoever is not signed in is asked to, and comes back."""
    problem_response = handle_error(request, error)
    problem = msgspec.json.decode(problem_response.content, type=Problem)
    if problem.status == 401:
        return go(f"/sign-in?next={quote(_where(request), safe='/')}")
    if problem.status == 403 and "choose a profile" in problem.detail:
        return go("/profiles")
    heading, advice = ADVICE.get(problem.status, ("This did not work", "Go back, look at what was sent, try again."))
    if problem.status == 404 and principal_of(request).kind == "nobody":
        advice = "It may have been removed, or it is for whoever signs in."
    context: dict[str, Any] = {"heading": heading, "advice": advice, "ways": _ways(request, problem)}
    page = renderer.page(
        request, "error.html", status=problem.status, profile=profile, detail=_detail(problem), **context
    )
    for name, value in problem_response.headers.items():
        if name.lower() not in ("content-type", "content-length"):
            page.headers[name] = value
    return page


def _ways(request: Request[Any, Any, Any], problem: Problem) -> tuple[tuple[str, str], ...]:
    again = problem.status in AGAIN and request.method == "GET"
    if problem.status == 404 and principal_of(request).kind == "nobody" and request.url.path.startswith("/practice/"):
        # on its own machine practice asks for no account, and what is an account's looks like nothing
        return (("Sign in", f"/sign-in?next={quote(_where(request), safe='/')}"), ("Practice", "/practice"))
    return ((("Try again", request.url.path),) if again else ()) + WAYS.get(problem.status, (("Home", "/"),))


def _where(request: Request[Any, Any, Any]) -> str:
    """The page to come back to: this one, or that with the form."""
    if request.method != "GET":
        return safe_path(parts_of(request.headers.get("referer", "")).path)
    return request.url.path + (f"?{request.url.query}" if request.url.query else "")


def _detail(problem: Problem) -> str:
    """What happened, where that says more than the heading."""
    return "" if problem.detail == problem.title else problem.detail.rstrip(".")
