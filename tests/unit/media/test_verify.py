"""What a package must be before it is called complete."""

from __future__ import annotations

import msgspec
import pytest

from reelwright.kernel.errors import Terminal
from reelwright.kernel.ids import AssetId, PlayableId
from reelwright.media.contract import BadSource, Package, Segment, TextTrack, Track
from reelwright.media.core.verify import objects_of, verify


def track(name: str, kind: str, durations: list[int], timescale: int = 1000) -> Track:
    """A track with segments of these durations."""
    return Track(
        id=name, kind="video" if kind == "video" else "audio", codec="avc1.64001f", timescale=timescale,
        init=f"{name}/i", peak_bps=1, average_bps=1,
        segments=tuple(Segment(f"{name}/{n}", ticks, 10) for n, ticks in enumerate(durations)),
    )  # fmt: skip


GOOD = Package(
    asset_id=AssetId("a"), playable_id=PlayableId("p"), complete=True, duration_s=5.0,
    tracks=(track("v1", "video", [2000, 2000, 1000]), track("v2", "video", [2000, 2000, 1000]),
            track("a", "audio", [2000, 2000, 900])),
    texts=(TextTrack(id="t0", language="eng", label="", name="t0.vtt"),),
)  # fmt: skip


def test_a_good_package_passes() -> None:
    """Even rungs, sound no longer than the picture, everything stored."""
    verify(GOOD, objects_of(GOOD))


@pytest.mark.parametrize(
    ("tracks", "says"),
    [
        ((track("a", "audio", [1]),), "not one picture"),
        ((track("v1", "video", []),), "no segment"),
        ((track("v1", "video", [2000, 0]),), "empty segment"),
        ((track("v1", "video", [2000, 2000]), track("v2", "video", [2000, 1000])), "same places"),
        ((track("v1", "video", [2000]), track("v2", "video", [2000], 500)), "same places"),
        ((track("v1", "video", [2000]), track("a", "audio", [2000] * 9)), "18.0 s"),
    ],
)
def test_what_a_player_would_stumble_on_is_named(tracks: tuple[Track, ...], says: str) -> None:
    """The message names the track and the figure."""
    package = msgspec.structs.replace(GOOD, tracks=tracks)
    with pytest.raises(Terminal, match=says):
        verify(package, objects_of(package))


def test_nothing_may_be_missing_in_the_store() -> None:
    """A package that names an object that is not there would be a film with a hole."""
    for name in objects_of(GOOD):
        with pytest.raises(Terminal, match=name):
            verify(GOOD, objects_of(GOOD) - {name})


def test_a_film_without_pictures_is_the_sources_fault() -> None:
    """Everything else that is found here is ours."""
    with pytest.raises(BadSource):
        verify(msgspec.structs.replace(GOOD, tracks=()), set())
