"""Revisions of the configuration, kept as what each of them changed: a whole one a change would be gigabytes."""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from reelwright.experiments.contract import Configuration

KINDS = Configuration.__struct_fields__
"""The lists of a configuration, each of things with a key."""


class Piece(msgspec.Struct, frozen=True, kw_only=True):
    """One layer, experiment, … as a revision left it."""

    kind: str
    key: str
    place: int
    """Its index in its list."""
    document: str | None
    """JSON; None where the revision took it away."""


def changed(old: Configuration, new: Configuration) -> list[Piece]:
    """What a revision changed. Cost: O(both)."""
    before, after = _pieces(old), _pieces(new)
    gone = [Piece(kind=kind, key=key, place=0, document=None) for kind, key in before.keys() - after.keys()]
    return [*gone, *(piece for name, piece in after.items() if before.get(name) != piece)]


def assembled(pieces: Iterable[Piece]) -> Configuration:
    """A configuration from the newest piece of each thing."""
    lists: dict[str, list[msgspec.Raw]] = {kind: [] for kind in KINDS}
    for piece in sorted(pieces, key=lambda one: one.place):
        if piece.document is not None:
            lists[piece.kind].append(msgspec.Raw(piece.document.encode()))
    return msgspec.json.decode(msgspec.json.encode(lists), type=Configuration)


def _pieces(configuration: Configuration) -> dict[tuple[str, str], Piece]:
    return {
        (kind, one.key): Piece(kind=kind, key=one.key, place=place, document=msgspec.json.encode(one).decode())
        for kind in KINDS
        for place, one in enumerate(getattr(configuration, kind))
    }
