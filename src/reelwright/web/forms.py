"""Forms of pages: read with bounds, and only from our own pages."""

from __future__ import annotations

from typing import Any
from urllib.parse import parse_qsl, quote

from litestar import Request, Response
from litestar.datastructures import Cookie
from litestar.enums import RequestEncodingType
from litestar.exceptions import NotAuthorizedException

from reelwright.accounts.api import session_cookie
from reelwright.accounts.service import AccountsService
from reelwright.kernel.errors import Forbidden, Invalid
from reelwright.kernel.principal import principal_of
from reelwright.kernel.urls import parts_of

VALUE_MOST = 10_000
FIELDS_MOST = 2_000
"""The largest form is a scorecard: two fields for each criterion of twelve questions."""


async def read_form(
    request: Request[Any, Any, Any], accounts: AccountsService, *, most: int = VALUE_MOST
) -> dict[str, str]:
    """The fields of a form, each of at most `most` characters.

    Raises Forbidden where a session's form lacks its CSRF value, NotAuthorized where its session has ended: on a
    machine where practice needs no account, what is sent without one would be somebody else's."""
    fields = await _sent(request)
    for name, value in fields.items():
        if len(value) > most:
            raise Invalid(f"the field {name[:40]} is longer than {most} characters")
    if principal_of(request).kind == "session" and not accounts.csrf_fits(
        session_cookie(request), fields.get("csrf", "")
    ):
        raise Forbidden("this page was open too long; go back, reload it, and send the form again")
    if principal_of(request).kind == "nobody" and fields.get("csrf"):
        raise NotAuthorizedException("this page's session has ended; sign in, and send the form again")
    return fields


async def _sent(request: Request[Any, Any, Any]) -> dict[str, str]:
    """What our pages send. Counted before it is taken apart: a million fields would hold everybody up for seconds."""
    if request.content_type[0] == RequestEncodingType.MULTI_PART:
        raise Invalid("our forms are sent as application/x-www-form-urlencoded")
    if request.content_type[0] != RequestEncodingType.URL_ENCODED:
        return {}
    body = (await request.body()).decode("utf-8", "replace")
    try:
        return dict(parse_qsl(body, keep_blank_values=True, max_num_fields=FIELDS_MOST))
    except ValueError:
        raise Invalid(f"a form has at most {FIELDS_MOST} fields") from None


def go(path: str, *, cookies: list[Cookie] | None = None) -> Response[None]:
    """Go on to another page after a form."""
    return Response(None, status_code=303, headers={"Location": path}, cookies=cookies or [])


def safe_path(text: str) -> str:
    """A path of this service to go on to; anything that would lead elsewhere becomes `/`."""
    parts = parts_of(text)
    if parts.scheme or parts.netloc or not text.startswith("/") or text.startswith(("//", "/\\")):
        return "/"
    return quote(text[:500], safe="/?#%&=+:;,@!$'()*~[]-._")  # else no header may carry it
