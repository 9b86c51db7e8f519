"""The root of every error tree.

    ReelwrightError
    ├── Transient      trying again later may succeed
    │   └── Unavailable    a part that is needed does not answer
    └── Terminal       trying again changes nothing
        ├── Invalid        the input is wrong
        ├── NotFound       no such thing, or not for this caller
        ├── Forbidden      the caller may not
        ├── Conflict       the state has moved on
        └── MissingExtra   an optional dependency is not installed

A message says what was seen, what was expected and what to do. Systems derive their own errors from these in
`contract.py`; the HTTP layer maps the class to a status and `slug` to the problem's stable `type`.
"""

from __future__ import annotations

from collections.abc import Mapping


class ReelwrightError(Exception):
    """Root of all errors that Reelwright raises on purpose."""

    status = 500
    slug = "internal"
    headers: Mapping[str, str] = {}
    """Header fields that go with the answer."""
    problem: Mapping[str, object] = {}
    """Members of its problem (RFC 9457) in place of those that follow from the class, or beside them."""


class Transient(ReelwrightError):
    """Trying again later may succeed."""

    status = 503
    slug = "unavailable"
    retry_after_s: float = 1.0


class Unavailable(Transient):
    """A part that is needed does not answer."""


class Terminal(ReelwrightError):
    """Trying again with the same input changes nothing."""

    status = 400
    slug = "bad-request"


class Invalid(Terminal):
    """The input is wrong; the message names the field, what was seen and what was expected."""

    slug = "invalid"


class NotFound(Terminal):
    """No such thing, or none that this caller may know of."""

    status = 404
    slug = "not-found"


class Forbidden(Terminal):
    """The caller is known and may not do this."""

    status = 403
    slug = "forbidden"


class Conflict(Terminal):
    """The state has moved on since the caller looked."""

    status = 409
    slug = "conflict"


class MissingExtra(Terminal, ImportError):
    """An optional dependency is needed; the message is the install line."""

    status = 501
    slug = "missing-extra"

    def __init__(self, extra: str, purpose: str) -> None:
        super().__init__(f"{purpose} needs the extra [{extra}]: pip install 'reelwright[{extra}]'")


def final_line(error: ReelwrightError | OSError) -> str:
    """What a command says that cannot go on; what the machine refuses (a full disk, no permission) names the file."""
    if isinstance(error, OSError) and error.strerror:
        place = f"{error.filename}: " if error.filename else ""
        return f"reelwright: {place}{error.strerror}"
    return f"reelwright: {error}"
