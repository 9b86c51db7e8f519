"""One request to a page of practice: who practises, what was sent, and how the page is rendered."""

from __future__ import annotations

from typing import Any, TypeVar, get_args

import msgspec
from litestar import Request, Response
from litestar.di import Provide

from reelwright.accounts.service import AccountsService
from reelwright.kernel.errors import Invalid
from reelwright.kernel.system import Resources
from reelwright.practice.api.person import person_of
from reelwright.practice.contract import Role, Track
from reelwright.practice.core.committee import DIMENSION_NAMES
from reelwright.practice.core.levels import WORDS
from reelwright.practice.core.loop import STAGE_MINUTES, STAGE_NAMES
from reelwright.web.forms import VALUE_MOST, read_form
from reelwright.web.pages.profiles import profile_of
from reelwright.web.render import Renderer

T = TypeVar("T")
WORDING: dict[str, Any] = {
    "roles": get_args(Role),
    "tracks": get_args(Track),
    "stages": STAGE_NAMES,
    "minutes": STAGE_MINUTES,
    "words": WORDS,
    "dimensions": DIMENSION_NAMES,
}
"""What every page of practice may name."""


class Visit:
    """Whoever practises here, with their request."""

    def __init__(
        self, request: Request[Any, Any, Any], *, person: str, accounts: AccountsService, renderer: Renderer
    ) -> None:
        self.request = request
        self.person = person
        self._accounts = accounts
        self._renderer = renderer

    async def form(self, *, most: int = VALUE_MOST) -> dict[str, str]:
        """The fields sent. Raises Forbidden without the session's CSRF value."""
        return await read_form(self.request, self._accounts, most=most)

    async def page(self, template: str, /, *, status: int = 200, **context: Any) -> Response[str]:
        """A page of `templates/practice/`."""
        profile = await profile_of(self.request, self._accounts)
        return self._renderer.page(
            self.request, f"practice/{template}.html", status=status, profile=profile, **{**WORDING, **context}
        )


async def open_visit(
    request: Request[Any, Any, Any], resources: Resources, accounts: AccountsService, renderer: Renderer
) -> Visit:
    """Raises NotAuthorized where nobody is signed in and the request is not from this machine."""
    return Visit(request, person=person_of(request, resources), accounts=accounts, renderer=renderer)


VISIT = {"visit": Provide(open_visit)}


def chosen(form: dict[str, str], name: str, kind: Any, default: str) -> Any:
    """A choice of a form, as one of the values of a Literal. Raises Invalid."""
    try:
        return msgspec.convert(form.get(name, default), kind)
    except msgspec.ValidationError as error:
        raise Invalid(f"no such {name}: {error}") from error
