"""Who calls: whoever is signed in, or the one person at this machine."""

from __future__ import annotations

from typing import Any

from litestar import Request
from litestar.di import Provide
from litestar.exceptions import NotAuthorizedException

from reelwright.kernel.principal import is_near, principal_of
from reelwright.kernel.system import Resources

LOCAL = "local"


def person_of(request: Request[Any, Any, Any], resources: Resources) -> str:
    """Who practises: whoever is signed in; else, on this machine itself and behind no proxy, its one local person."""
    caller = principal_of(request)
    if caller.user_id is not None:
        return caller.user_id
    if caller.kind == "nobody" and is_near(request, resources.settings):
        return LOCAL
    raise NotAuthorizedException("sign in first; without an account one practises only on the machine itself")


PERSON = {"person": Provide(person_of, sync_to_thread=False)}
