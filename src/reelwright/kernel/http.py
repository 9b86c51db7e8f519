"""HTTP as all systems speak it: problem+json (RFC 9457), cursors, ETags."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Mapping
from typing import Any

import msgspec
from litestar import Request, Response
from litestar.exceptions import HTTPException, ValidationException

from reelwright.kernel.errors import Invalid, NotFound, ReelwrightError, Transient
from reelwright.kernel.principal import principal_of
from reelwright.kernel.telemetry import logger

PROBLEM_TYPE = "https://reelwright.dev/problems/"
log = logger(__name__)


class Problem(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """An error over HTTP, as RFC 9457 has it."""

    type: str
    title: str
    status: int
    detail: str = ""
    errors: list[dict[str, Any]] = []


def problem_response(
    problem: Problem, headers: dict[str, str] | None = None, members: Mapping[str, object] | None = None
) -> Response[bytes]:
    """`problem` as `application/problem+json`, with `members` in place of its own or beside them."""
    return Response(
        msgspec.json.encode({**msgspec.to_builtins(problem), **members} if members else problem),
        status_code=problem.status,
        media_type="application/problem+json",
        headers=headers or {},
    )


def handle_error(request: Request[Any, Any, Any], error: Exception) -> Response[bytes]:
    """The problem that an exception becomes; what we did not expect says nothing of the inside."""
    if isinstance(error, RecursionError):
        error = Invalid("the document is nested too deeply")
    if isinstance(error, ReelwrightError):
        return _ours(request, error)
    if isinstance(error, ValidationException):
        extra = error.extra if isinstance(error.extra, list) else []
        return problem_response(msgspec.structs.replace(_named("invalid", 400, error.detail), errors=extra))
    if isinstance(error, HTTPException) and error.status_code < 500:
        slug = _SLUGS.get(error.status_code, "bad-request")
        return problem_response(_named(slug, error.status_code, error.detail), dict(error.headers or {}))
    log.error("unexpected error", path=request.url.path, exc_info=error)
    unsaid = _named("internal", 500, "Something failed on our side; it has been logged.")
    return problem_response(msgspec.structs.replace(unsaid, title="Internal error"))


_SLUGS = {
    401: "not-signed-in",
    403: "forbidden",
    404: "not-found",
    405: "method-not-allowed",
    413: "too-large",
    429: "too-many-requests",
}
"""What the framework's own refusals are called."""


def _named(slug: str, status: int, detail: str) -> Problem:
    return Problem(type=PROBLEM_TYPE + slug, title=slug.replace("-", " ").capitalize(), status=status, detail=detail)


def _ours(request: Request[Any, Any, Any], error: ReelwrightError) -> Response[bytes]:
    headers = {"Retry-After": str(max(1, round(error.retry_after_s)))} if isinstance(error, Transient) else {}
    headers.update(error.headers)
    return problem_response(_named(error.slug, error.status, _told(request, error)), headers, error.problem)


def _told(request: Request[Any, Any, Any], error: ReelwrightError) -> str:
    """What the caller may read of it: where our databases and stores are is for those who run the service."""
    if error.status < 500 or principal_of(request).may("editor"):
        return str(error)
    log.warning("a request failed", path=request.url.path, problem=str(error))
    return "a part of the service does not answer; try again in a moment"


def encode_cursor(*parts: str | int) -> str:
    """An opaque cursor that holds `parts`."""
    return base64.urlsafe_b64encode(msgspec.json.encode(parts)).rstrip(b"=").decode()


def decode_cursor(cursor: str, *kinds: type[int] | type[str]) -> list[Any]:
    """The parts of a cursor that `encode_cursor` made, of these kinds; NotFound for anything else."""
    try:
        parts = msgspec.json.decode(base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)))
    except (ValueError, msgspec.MsgspecError):
        parts = None
    if not isinstance(parts, list) or [type(part) for part in parts] != list(kinds):
        raise NotFound("there is no page at this cursor; start again without it")
    return parts


def etag_of(*parts: object) -> str:
    """A strong entity tag of `parts`."""
    return f'"{hashlib.sha256(repr(parts).encode()).hexdigest()[:20]}"'
