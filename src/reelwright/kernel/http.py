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
        headers = {"Retry-After": str(max(1, round(error.retry_after_s)))} if isinstance(error, Transient) else {}
        headers.update(error.headers)
        title = error.slug.replace("-", " ").capitalize()
        return problem_response(
            Problem(type=PROBLEM_TYPE + error.slug, title=title, status=error.status, detail=_told(request, error)),
            headers,
            error.problem,
        )
    if isinstance(error, ValidationException):
        extra = error.extra if isinstance(error.extra, list) else []
        return problem_response(
            Problem(type=PROBLEM_TYPE + "invalid", title="Invalid", status=400, detail=error.detail, errors=extra)
        )
    if isinstance(error, HTTPException) and error.status_code < 500:
        slug = {
            401: "not-signed-in",
            403: "forbidden",
            404: "not-found",
            405: "method-not-allowed",
            413: "too-large",
            429: "too-many-requests",
        }.get(error.status_code, "bad-request")
        return problem_response(
            Problem(
                type=PROBLEM_TYPE + slug,
                title=slug.replace("-", " ").capitalize(),
                status=error.status_code,
                detail=error.detail,
            ),
            dict(error.headers or {}),
        )
    log.error("unexpected error", path=request.url.path, exc_info=error)
    return problem_response(
        Problem(
            type=PROBLEM_TYPE + "internal",
            title="Internal error",
            status=500,
            detail="Something failed on our side; it has been logged.",
        )
    )


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
