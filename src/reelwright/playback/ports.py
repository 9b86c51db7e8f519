"""What playback needs from outside."""

from __future__ import annotations

from typing import Protocol, runtime_checkable

from litestar.datastructures import Cookie

from reelwright.kernel.principal import Principal


@runtime_checkable  # handlers are given it by name, and its type is checked
class ViewerBinding(Protocol):
    """Ties media URLs to who watches."""

    def bind(self, caller: Principal) -> tuple[str, list[Cookie]]:
        """The viewer to sign media URLs for (empty: nobody), and the cookies that prove it to the edge."""
        ...
