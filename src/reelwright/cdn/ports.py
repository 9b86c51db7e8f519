"""What the edge needs from outside."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Literal, Protocol

import msgspec

from reelwright.cdn.contract import FillItem


class Fetcher(Protocol):
    """Where a caching edge gets what it does not hold."""

    async def open(self, name: str, offset: int) -> tuple[int, AsyncIterator[bytes]]:
        """The object's whole size, and its bytes from `offset`. Raises NotFound or Unavailable."""
        ...

    async def close(self) -> None:
        """End all connections."""
        ...


class Stream(msgspec.Struct, frozen=True):
    """Objects of a package that follow each other, or stand alone."""

    id: str
    kind: Literal["v", "a", "i", "c"]
    """Picture, sound, initialisation or captions, as CMSD has it."""
    names: tuple[str, ...]
    ms: tuple[int, ...] = ()
    """How long each lasts; empty for what does not last."""
    kbps: int = 0


class Manifests(Protocol):
    """What players read of one package; URIs are relative to where the manifests lie, beside the segments."""

    def hls(self, stem: str) -> str:
        """The multivariant playlist; a track's playlist is `{stem}.{track}.m3u8`."""
        ...

    def playlist(self, track: str) -> str | None:
        """One track's playlist; None where there is no such track."""
        ...

    def streams(self) -> list[Stream]:
        """All that it is made of."""
        ...

    def dash(self) -> str:
        """The MPD; its bases and steering are written by who serves it."""
        ...


class ManifestMaker(Protocol):
    """Port, bound in `app`: reads a package as `media` stores it."""

    def __call__(self, package: bytes) -> Manifests:
        """Raises Invalid for what is no package."""
        ...


class Shelf(msgspec.Struct, frozen=True):
    """The objects of one playable, or of the rest of it, each with the share of plays that ask for it."""

    title: str
    items: list[tuple[FillItem, float]]


class Forecast(msgspec.Struct, frozen=True, kw_only=True):
    """What is known of the coming day."""

    shelves: list[Shelf] = []
    history: list[dict[str, float]] = []
    """Plays by playable, one mapping a day, the last day last."""
    promoted: dict[str, int] = {}
    """The rank that a playable will have: releases, the Top 10."""
    added: dict[str, float] = {}
    """Plays known one by one: the rest of what is half watched, the next episodes, what home pages put first."""


class Demand(Protocol):
    """Port, bound in `app`: what will be asked for tomorrow."""

    async def forecast(self) -> Forecast:
        """History, release calendar, Top 10, watch progress and home pages, as they are now."""
        ...
