"""Which tracks and edges a session gets, also from experiments."""

from __future__ import annotations

from typing import Any

import pytest
from tests.unit.media.test_manifests import sound, video

from reelwright.kernel.ids import AssetId, PlayableId
from reelwright.media.contract import Package
from reelwright.playback.contract import Device
from reelwright.playback.core.select import Arms, arms_of, tracks_for


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


@pytest.mark.parametrize("wrong", [None, 7, "north", ["listed"], {"a": 1}, True])
def test_what_means_nothing_is_as_without_experiments(wrong: Any) -> None:
    """An experiment may set anything; a session begins all the same."""
    assert arms_of(wrong, wrong) == Arms() == arms_of("listed", "full")
