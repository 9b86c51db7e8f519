"""What lies beside a film on disk: facts, pictures, subtitles."""

from __future__ import annotations

import os
import stat
from collections.abc import Sequence
from pathlib import Path

import msgspec

from reelwright.catalog.contract import Subtitle
from reelwright.catalog.core import naming, sidecar
from reelwright.kernel.errors import Invalid
from reelwright.kernel.objects import ObjectStore, content_name
from reelwright.kernel.telemetry import logger

LARGEST_PICTURE_BYTES = 10 << 20
NAMES_MOST = 20_000
_POSTERS = ("poster", "folder", "cover")
_BACKDROPS = ("fanart", "backdrop")
_FILMS = tuple(naming.VIDEO_SUFFIXES)
_PICTURES = (".jpg", ".jpeg", ".png", ".webp")
log = logger(__name__)


class Beside(msgspec.Struct, frozen=True, kw_only=True):
    """Everything that was found and could be read."""

    facts: sidecar.Facts
    poster: str
    backdrop: str
    subtitles: tuple[Subtitle, ...]


def look_beside(film: Path, objects: ObjectStore) -> Beside:
    """Read what belongs to `film`; what cannot be read is logged and left out. Raises Unavailable when full."""
    here = _names(film.parent)
    # A name of the whole folder (`poster.jpg`) speaks for a film that has its folder to itself, or for a series.
    films = [name for name in here if name.endswith(_FILMS)]
    alone = len(films) < 2 or naming.parse(film).episode is not None
    series = film.parent.parent if naming.is_season_folder(film.parent.name) else film.parent
    folders = [film.parent, *([series] if series != film.parent else [])] if alone else []

    def paths(own: Sequence[str], shared: Sequence[str]) -> list[Path]:
        lowered = [here.get(naming.plain(f"{film.stem}{end}")) for end in own]
        found = [film.parent / name for name in lowered if name]
        for folder in folders:
            names = here if folder == film.parent else _names(folder)
            found += [folder / names[name] for name in shared if name in names]
        return found

    return Beside(
        facts=_facts(paths((".json", ".nfo"), ("movie.nfo", "tvshow.nfo"))),
        poster=_picture(paths(_ends("-", ("poster",)), _ends("", _POSTERS)), objects),
        backdrop=_picture(paths(_ends("-", _BACKDROPS), _ends("", _BACKDROPS)), objects),
        subtitles=_subtitles(
            film, sorted(name for key, name in here.items() if key.startswith(naming.plain(film.stem)))
        ),
    )


def _names(folder: Path) -> dict[str, str]:
    """Plain files of a folder by plain name; links are passed over: they may lead anywhere."""
    try:
        with os.scandir(folder) as entries:
            found = [entry.name for entry, _ in zip(entries, range(NAMES_MOST), strict=False) if _is_plain(entry)]
    except OSError:
        return {}
    return {naming.plain(name): name for name in sorted(found, reverse=True)}


def _is_plain(entry: os.DirEntry[str]) -> bool:
    return entry.is_file(follow_symlinks=False)


def _ends(mark: str, words: Sequence[str]) -> list[str]:
    return [f"{mark}{word}{suffix}" for word in words for suffix in _PICTURES]


def read_bounded(path: Path, most: int) -> bytes:
    """At most `most` + 1 bytes of a plain file, so that its reader can see that it is too large. Raises OSError."""
    descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    with os.fdopen(descriptor, "rb") as file:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise OSError(f"{path.name} is no plain file")
        return file.read(most + 1)


def _facts(paths: list[Path]) -> sidecar.Facts:
    """What the files say together: the film's own before the folder's."""
    known = sidecar.Facts()
    for path in paths:
        read = sidecar.read_nfo if path.suffix.lower() == ".nfo" else sidecar.read_json
        try:
            known = sidecar.merged(known, read(read_bounded(path, sidecar.LARGEST_BYTES), path.name))
        except (Invalid, OSError) as error:
            log.warning("sidecar left out", file=path.name, problem=str(error))
    return known


def _picture(paths: list[Path], objects: ObjectStore) -> str:
    for path in paths:
        try:
            data = read_bounded(path, LARGEST_PICTURE_BYTES)
        except OSError as error:
            log.warning("picture left out", file=path.name, problem=str(error))
            continue
        suffix = sidecar.picture_suffix(data)
        if suffix is None or len(data) > LARGEST_PICTURE_BYTES:
            log.warning("picture left out", file=path.name, problem="not a JPEG, PNG or WebP of at most 10 MiB")
            continue
        name = content_name("artwork/pictures", data, suffix)
        objects.put(name, data)
        return name
    return ""


def _subtitles(film: Path, names: list[str]) -> tuple[Subtitle, ...]:
    found = []
    for name in names:
        told = naming.subtitle_of(film, Path(name))
        if told:
            path = str(film.parent / name)
            found.append(Subtitle(path=path, language=told[0], label=told[1], forced=told[2]))
    return tuple(found)
