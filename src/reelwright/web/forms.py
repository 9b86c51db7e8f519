"""Forms of pages: read with bounds, and only from our own pages."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit

from litestar import Request, Response
from litestar.datastructures import Cookie

from reelwright.accounts.api import session_cookie
from reelwright.accounts.service import AccountsService
from reelwright.kernel.errors import Forbidden, Invalid
from reelwright.kernel.principal import principal_of

VALUE_MOST = 10_000


async def read_form(
    request: Request[Any, Any, Any], accounts: AccountsService, *, most: int = VALUE_MOST
) -> dict[str, str]:
    """The fields of a form, each of at most `most` characters.

    Raises Forbidden where a session's form lacks its CSRF value."""
    fields = {}
    for name, value in (await request.form()).items():
        if not isinstance(value, str) or len(value) > most:
            raise Invalid(f"the field {name[:40]} is longer than {most} characters, or no text")
        fields[name] = value
    if principal_of(request).kind == "session" and not accounts.csrf_fits(
        session_cookie(request), fields.get("csrf", "")
    ):
        raise Forbidden("this page was open too long; go back, reload it, and send the form again")
    return fields


def go(path: str, *, cookies: list[Cookie] | None = None) -> Response[None]:
    """Go on to another page after a form."""
    return Response(None, status_code=303, headers={"Location": path}, cookies=cookies or [])


def safe_path(text: str, default: str = "/") -> str:
    """A path of this service to go on to; anything that would lead elsewhere becomes the default."""
    parts = urlsplit(text)
    if parts.scheme or parts.netloc or not text.startswith("/") or text.startswith(("//", "/\\")):
        return default
    return text[:500]
