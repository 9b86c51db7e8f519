"""Which tracks are channels of one sound."""

from __future__ import annotations

import msgspec
import pytest

from reelwright.media.core.channels import one_sound
from reelwright.media.core.plan import AudioInfo

MONO = AudioInfo(stream=1, language="und", title="", channels=1, default=True)


def tracks(count: int) -> list[AudioInfo]:
    """So many that nothing tells apart."""
    return [msgspec.structs.replace(MONO, stream=1 + number) for number in range(count)]


@pytest.mark.parametrize(
    ("count", "others", "left_out"), [(2, (2,), 0), (4, (2,), 2), (6, (2, 3, 4, 5, 6), 0), (8, (2,), 6)]
)
def test_mono_tracks_are_one_sound(count: int, others: tuple[int, ...], left_out: int) -> None:
    """Six are surround, of another number two are left and right; how many are in none is said."""
    (sound,) = one_sound(tracks(count))
    assert (sound.stream, sound.others, sound.left_out) == (1, others, left_out)
    assert sound.channels == 1 + len(others)


@pytest.mark.parametrize("change", [{"language": "deu"}, {"title": "Commentary"}, {"channels": 2}])
def test_what_is_told_apart_stays_apart(change: dict[str, object]) -> None:
    """By its language, its title, or for being more than one channel."""
    first, second = tracks(2)
    found = [first, msgspec.structs.replace(second, **change)]
    assert one_sound(found) == tuple(found)


def test_what_is_alone_stays_as_it_is() -> None:
    """One track, and none."""
    assert one_sound(tracks(1)) == (MONO,)
    assert one_sound([]) == ()
