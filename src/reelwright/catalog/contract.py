"""The catalogue as other systems see it: titles, their playables, and who may see them.

Every read takes the caller: what is above the profile's maturity limit or outside its availability window does not
exist for that caller (NotFound, never Forbidden), on every route and in every list. Unrated counts as above any limit
below 100.

CatalogError (kernel's tree)
└── ChangedMeanwhile   Conflict, 412   somebody else has changed the title since it was read
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Annotated, Literal, Protocol

import msgspec
from msgspec import Meta

from reelwright.kernel.errors import Conflict
from reelwright.kernel.ids import AssetId, PlayableId, TitleId
from reelwright.kernel.principal import Principal

PlayableState = Literal["waiting", "encoding", "watchable", "ready", "failed"]
"""`watchable`: the first rung plays while the rest encodes; `ready`: everything is published."""


class ChangedMeanwhile(Conflict):
    """Somebody else has changed it since it was read."""

    status = 412
    slug = "changed-meanwhile"


class Person(msgspec.Struct, frozen=True, kw_only=True):
    """Somebody credited in a title."""

    name: Annotated[str, Meta(max_length=100)]
    role: Literal["actor", "director", "writer", "composer", "other"] = "actor"
    character: Annotated[str, Meta(max_length=100)] = ""


class Playable(msgspec.Struct, frozen=True, kw_only=True):
    """A film, or an episode: what can be played."""

    id: PlayableId
    title_id: TitleId
    name: str
    season: int | None = None
    episode: int | None = None
    summary: str = ""
    state: PlayableState = "waiting"
    problem: str = ""
    """Why it failed, for the person who added it."""
    asset_id: AssetId | None = None
    duration_s: float | None = None
    still: str = ""
    """Object name of a 16:9 picture; empty until there is one."""


class Title(msgspec.Struct, frozen=True, kw_only=True):
    """A film or a series."""

    id: TitleId
    kind: Literal["film", "series"]
    name: str
    year: int | None = None
    summary: str = ""
    maturity: int | None = None
    """Least age in years; None is unrated."""
    genres: tuple[str, ...] = ()
    people: tuple[Person, ...] = ()
    language: str = ""
    poster: str = ""
    """Object name of the 2:3 poster; empty until there is one."""
    backdrop: str = ""
    """Object name of the 16:9 backdrop; empty until there is one."""
    added_ms: int = 0
    available_from_ms: int | None = None
    available_until_ms: int | None = None
    synthetic: bool = False
    """Made by the demo, and labelled as such wherever it is shown."""
    revision: int = 1


class TitleDetail(msgspec.Struct, frozen=True, kw_only=True):
    """A title with everything of it that can be played, in order of season and episode."""

    title: Title
    playables: tuple[Playable, ...]


class Subtitle(msgspec.Struct, frozen=True, kw_only=True):
    """A subtitle file that lay beside a source."""

    path: str
    language: str
    """As its name tells it: `en`, `eng`, `pt-BR`; `und` where it does not."""
    label: str = ""
    forced: bool = False


class SourceArrived(Protocol):
    """Port, bound in `app` to media: a file became the source of a playable, or is somewhere else now."""

    async def __call__(
        self, *, playable_id: PlayableId, path: Path, subtitles: tuple[Subtitle, ...], backlog: bool
    ) -> None:
        """Queue the encode, the `backlog` behind all else; the same file twice for one playable is one job."""
        ...


class CatalogClient(Protocol):
    """What other systems may ask and tell."""

    async def get_title(self, title_id: TitleId, caller: Principal) -> TitleDetail:
        """One title. Raises NotFound, also for what the caller may not see."""
        ...

    async def get_playable(self, playable_id: PlayableId, caller: Principal) -> tuple[Title, Playable]:
        """One playable with its title. Raises NotFound, also for what the caller may not see."""
        ...

    async def list_titles(self, caller: Principal) -> Sequence[TitleDetail]:
        """Every title that the caller may see and that has something to play, newest first.

        The same object while nothing changes: what is made of it can be kept with it.
        """
        ...

    async def search(self, text: str, caller: Principal, *, limit: int = 30) -> list[Title]:
        """Titles that match by word, prefix or near-miss, best first."""
        ...

    async def visible_titles(self, title_ids: Collection[TitleId], caller: Principal) -> frozenset[TitleId]:
        """Those of the titles that exist for the caller."""
        ...

    async def set_playable_state(
        self,
        playable_id: PlayableId,
        *,
        state: PlayableState,
        asset_id: AssetId | None = None,
        duration_s: float | None = None,
        still: str = "",
        poster: str = "",
        backdrop: str = "",
        problem: str = "",
    ) -> None:
        """Told by media as an encode goes on; pictures fill only what is empty."""
        ...
