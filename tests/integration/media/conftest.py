"""Films and packages that the tests of media share; each is made once a run."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest
from tests.films import Films

from reelwright.media.adapters.packaging import Subtitle, package_file
from reelwright.media.contract import Package
from reelwright.media.core.plan import Codec, LadderPlanner


class Packaged(msgspec.Struct, frozen=True):
    """What came of a film."""

    folder: Path
    package: Package
    remarks: list[str]


Packaging = Callable[..., Packaged]


@pytest.fixture(scope="session")
def films(tmp_path_factory: pytest.TempPathFactory) -> Films:
    """Makes films, each once a run."""
    return Films(tmp_path_factory.mktemp("films"))


@pytest.fixture(scope="session")
def packaged(tmp_path_factory: pytest.TempPathFactory) -> Packaging:
    """Packages a film through the encoder that the service uses; the same film and codecs once a run."""
    known: dict[tuple[Path, tuple[Codec, ...]], Packaged] = {}

    def make(source: Path, *codecs: Codec, subtitles: tuple[Subtitle, ...] = ()) -> Packaged:
        key = (source, codecs)
        if key not in known:
            out = tmp_path_factory.mktemp("package")
            planner = LadderPlanner(codecs=codecs or ("h264",), preset="ultrafast")
            known[key] = Packaged(out, *package_file(source, out, planner=planner, subtitles=subtitles))
        return known[key]

    return make
