"""The watched folder: a patient look every few seconds, so that any file system and any way of copying works."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import anyio
import anyio.to_thread

from reelwright.catalog.core.naming import VIDEO_SUFFIXES
from reelwright.catalog.service import CatalogService
from reelwright.kernel.errors import ReelwrightError, Terminal
from reelwright.kernel.telemetry import counter, logger

ADDED = counter("catalog_sources_total", "Films taken up from the watched folder.")
DEEPEST = 12
log = logger(__name__)


class LibraryWatcher:
    """Adds films once they have stopped growing."""

    def __init__(self, root: Path, catalog: CatalogService, *, every_s: float) -> None:
        self._root = root.resolve()
        self._catalog = catalog
        self._every_s = every_s
        self._seen: dict[Path, tuple[int, int]] = {}
        self._settled: dict[Path, tuple[int, int]] = {}

    async def watch(self) -> None:
        """Look for ever, whatever a look runs into."""
        while True:
            try:
                await self.look()
            except Exception as error:
                log.error("the library could not be looked at", problem=str(error), exc_info=error)
            await anyio.sleep(self._every_s)

    async def look(self) -> int:
        """One look; returns how many films were added. A file counts once two looks found it unchanged."""
        found = await anyio.to_thread.run_sync(lambda: dict(list_films(self._root)))
        added = 0
        for path, stamp in found.items():
            if self._seen.get(path) == stamp and self._settled.get(path) != stamp:
                taken = await self._add(path)
                if taken is not None:
                    self._settled[path] = stamp
                    added += taken
        self._seen = found
        self._settled = {path: stamp for path, stamp in self._settled.items() if path in found}
        return added

    async def _add(self, path: Path) -> bool | None:
        """Whether it was added; None when the next look should try again."""
        try:
            added = await self._catalog.add(path, root=self._root) is not None
        except Terminal as error:
            log.warning("film left out", file=_shown(path, self._root), problem=str(error))
            return False
        except (ReelwrightError, OSError) as error:
            log.warning("film waits", file=_shown(path, self._root), problem=str(error))
            return None
        ADDED.inc(added)
        return added


def _shown(path: Path, root: Path) -> str:
    return os.fsencode(path.relative_to(root)).decode("utf-8", "replace")


def list_films(folder: Path, depth: int = 0) -> Iterator[tuple[Path, tuple[int, int]]]:
    """Film files below `folder` with (size, mtime); hidden, partial and linked ones are passed over."""
    try:
        entries = sorted(os.scandir(folder), key=lambda entry: entry.name)
    except OSError:
        return
    for entry in entries:
        if entry.name.startswith("."):
            continue
        try:
            if entry.is_dir(follow_symlinks=False) and depth < DEEPEST:
                yield from list_films(Path(entry.path), depth + 1)
            elif entry.is_file(follow_symlinks=False) and Path(entry.name).suffix.lower() in VIDEO_SUFFIXES:
                status = entry.stat(follow_symlinks=False)
                yield Path(entry.path), (status.st_size, status.st_mtime_ns)
        except OSError:
            continue
