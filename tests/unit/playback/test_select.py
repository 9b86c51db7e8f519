"""Which tracks and edges a session gets, also from experiments."""

from __future__ import annotations

from typing import Any

import pytest
from tests.unit.media.test_manifests import sound, video

from reelwright.kernel.ids import AssetId, PlayableId
from reelwright.media.contract import Package
from reelwright.playback.contract import Device
from reelwright.playback.core.select import Arms, arms_of, edge_order, tracks_for

EDGES = ("http://a.example", "http://b.example", "http://c.example")


def package(heights: list[int]) -> Package:
    """A film with these rungs in two codecs."""
    pictures = [video(height, codec, [1]) for height in heights for codec in ("avc1.64", "av01.0")]
    return Package(
        asset_id=AssetId("x"),
        playable_id=PlayableId("y"),
        duration_s=1.0,
        complete=True,
        tracks=(*pictures, sound(1, "mp4a.40.2", "en", "", [1])),
        texts=(),
    )


@pytest.mark.parametrize(
    ("heights", "kept"),
    [
        ([240, 360, 480, 720, 1080], [240, 480, 1080]),
        ([240, 360, 480, 720], [240, 480, 720]),
        ([240, 360], [240, 360]),
    ],
)
def test_a_sparse_ladder_keeps_its_ends_and_every_second_rung(heights: list[int], kept: list[int]) -> None:
    """Of each codec; sound stays; a full one is untouched."""
    film = package(heights)
    found = tracks_for(film, Device(), "sparse")
    assert [one.height for one in found if one.codec.startswith("avc1")] == kept
    assert [one.height for one in found if one.codec.startswith("av01")] == kept
    assert found[-1].kind == "audio" and tracks_for(film, Device(), "full") == film.tracks


def test_edges_by_title_meet_and_spread() -> None:
    """All viewers of a title at one edge, titles over all edges; an edge that goes moves only its own titles."""
    folders = [f"assets/{number}" for number in range(600)]
    first = {folder: edge_order(EDGES, folder, "by_title")[0] for folder in folders}
    counts = [list(first.values()).count(edge) for edge in EDGES]
    assert min(counts) > 150 and sum(counts) == 600
    fewer = {folder: edge_order(EDGES[:2], folder, "by_title")[0] for folder in folders}
    assert all(fewer[one] == first[one] for one in folders if first[one] != EDGES[2])
    assert edge_order(EDGES, "x", "listed") == EDGES and set(edge_order(EDGES, "x", "by_title")) == set(EDGES)


@pytest.mark.parametrize("wrong", [None, 7, "north", ["listed"], {"a": 1}, True])
def test_what_means_nothing_is_as_without_experiments(wrong: Any) -> None:
    """An experiment may set anything; a session begins all the same."""
    assert arms_of(wrong, wrong) == Arms() == arms_of("listed", "full")
