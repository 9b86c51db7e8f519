"""What every system shows to the composition root."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, Protocol

import msgspec

from reelwright.kernel.clock import Clock
from reelwright.kernel.database import Database
from reelwright.kernel.keys import KeyRing
from reelwright.kernel.objects import ObjectStore
from reelwright.kernel.settings import ServiceSettings, Source


class Health(msgspec.Struct, frozen=True, kw_only=True):
    """One line of `/readyz` and of Studio: is this part well, and if not, what to do."""

    system: str
    state: Literal["ok", "degraded", "down"]
    says: str = ""
    do: str = ""


class Resources(msgspec.Struct, frozen=True, kw_only=True):
    """What the composition root hands to every system."""

    clock: Clock
    settings: ServiceSettings
    source: Source
    data: Path
    keys: KeyRing
    database: Database
    objects: ObjectStore
    media_urls: tuple[str, ...]
    public_url: str
    instance: str
    """This installation's own name: stays with the data folder, differs between any two."""
    peers: Mapping[str, tuple[str, ...]] = {}
    """URLs of the roles that run elsewhere."""


class System(Protocol):
    """One part of the service, as wired in its `system.py`."""

    name: str

    def routes(self) -> Sequence[Any]:
        """Litestar route handlers that this system answers."""
        ...

    async def start(self) -> None:
        """Begin; called once, in layer order."""
        ...

    async def stop(self) -> None:
        """End; called once, in reverse order."""
        ...

    async def health(self) -> Health:
        """How it is now; must answer within a second."""
        ...
