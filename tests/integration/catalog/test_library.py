"""The watched folder: films come, grow, move, change and go, and each is one title."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from tests.composed import Composed, composed

from reelwright.catalog.adapters import sql
from reelwright.catalog.adapters.library import LibraryWatcher
from reelwright.catalog.core import naming
from reelwright.kernel.errors import Unavailable
from reelwright.media.adapters.sql import ASSETS

pytestmark = pytest.mark.anyio


class Folder:
    """A library that is looked at when a test says so."""

    def __init__(self, home: Composed, root: Path) -> None:
        self.home = home
        self.root = root
        root.mkdir(exist_ok=True)
        self.watcher = self.watch()
        self._written = 0

    def watch(self) -> LibraryWatcher:
        """A watcher that knows nothing yet, as after a restart."""
        return LibraryWatcher(self.root, self.home.wiring.dependencies["catalog"], every_s=1)

    def put(self, name: str, content: bytes) -> Path:
        """A file as a copy leaves it, later than any before."""
        path = self.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
        self._written += 1
        os.utime(path, (1_700_000_000 + self._written,) * 2)
        return path

    async def settle(self) -> int:
        """Two looks: what has stopped growing is taken up. Returns how many were added."""
        return await self.watcher.look() + await self.watcher.look()

    def titles(self) -> list[str]:
        """What the catalogue holds."""
        with self.home.resources.database.reading() as connection:
            return sorted(connection.scalars(sa.select(sql.TITLES.c.name)))

    @property
    def encodes(self) -> int:
        """Encodes that were queued."""
        return len({job_id for _, job_id, *_ in self.home.queue.jobs})


@pytest.fixture
async def folder(tmp_path: Path) -> AsyncIterator[Folder]:
    """An empty library."""
    async with composed(tmp_path / "data") as home:
        yield Folder(home, tmp_path / "library")


async def test_a_film_that_is_still_being_copied_waits(folder: Folder) -> None:
    """It is taken up once, after two looks have found it unchanged."""
    for part in range(1, 5):
        folder.put("Slow Copy (2020).mp4", b"x" * 1000 * part)
        assert await folder.watcher.look() == 0
    assert await folder.watcher.look() == 1
    assert await folder.settle() == 0
    assert folder.titles() == ["Slow Copy"] and folder.encodes == 1


async def test_a_restart_adds_nothing_again(folder: Folder) -> None:
    """What was taken up before is known by the database, not by the watcher."""
    folder.put("One (2020).mp4", b"one")
    assert await folder.settle() == 1
    folder.watcher = folder.watch()
    assert await folder.settle() == 0 and folder.encodes == 1


async def test_a_moved_film_stays_the_same_title(folder: Folder) -> None:
    """Renamed or put into another folder: not encoded again, not listed twice."""
    path = folder.put("Old Name (2020).mp4", b"content")
    await folder.settle()
    (folder.root / "sorted").mkdir()
    path.rename(folder.root / "sorted" / "New Name (2020).mp4")
    await folder.settle()
    assert folder.titles() == ["Old Name"] and folder.encodes == 1


async def test_an_encode_follows_its_film(folder: Folder) -> None:
    """A library that is put in order while it still waits: each encode knows where its film is now."""
    path = folder.put("Old Name (2020).mp4", b"content")
    await folder.settle()
    path.rename(folder.root / "New Name (2020).mp4")
    folder.put("New Name (2020).en.srt", b"1\n00:00:01,000 --> 00:00:02,000\nHello.\n")
    await folder.settle()
    with folder.home.resources.database.reading() as connection:
        (row,) = connection.execute(sa.select(ASSETS))
    moved = folder.root.resolve() / "New Name (2020).mp4"
    assert (row.source_path, row.source_name) == (str(moved), moved.name)
    assert [subtitle[0] for subtitle in row.subtitles] == [str(moved.with_suffix(".en.srt"))]


async def test_the_library_waits_behind_what_somebody_names(folder: Folder) -> None:
    """Thousands may be found at once; what is named or uploaded is not queued behind them."""
    folder.put("Found (2020).mp4", b"found")
    await folder.settle()
    await folder.home.wiring.dependencies["catalog"].add(folder.put("Named (2020).mp4", b"named"))
    with folder.home.resources.database.reading() as connection:
        rows = connection.execute(sa.select(ASSETS.c.source_name, ASSETS.c.backlog).order_by(ASSETS.c.source_name))
        assert [tuple(row) for row in rows] == [("Found (2020).mp4", True), ("Named (2020).mp4", False)]


async def test_a_touched_film_is_not_encoded_again(folder: Folder) -> None:
    """Another time and the same content is the same film."""
    path = folder.put("One (2020).mp4", b"one")
    await folder.settle()
    os.utime(path, (1_800_000_000,) * 2)
    await folder.settle()
    assert folder.encodes == 1


async def test_a_replaced_film_is_encoded_anew_under_its_title(folder: Folder) -> None:
    """Better content under the same name: one title, a second encode."""
    folder.put("One (2020).mp4", b"a camera copy")
    await folder.settle()
    folder.put("One (2020).mp4", b"the restored version")
    await folder.settle()
    assert folder.titles() == ["One"] and folder.encodes == 2


async def test_films_of_emoji_alone_are_films_of_their_own(folder: Folder) -> None:
    """Phones name clips so; one must not take the other's place."""
    folder.put("🎂.mp4", b"a birthday")
    folder.put("🏖️🐚.mp4", b"a holiday")
    await folder.settle()
    assert folder.titles() == ["🎂", "🏖️🐚"] and folder.encodes == 2


async def test_subtitles_are_found_whatever_system_wrote_their_names(folder: Folder) -> None:
    """Accents in two parts, as macOS writes them, and another case."""
    folder.put("Café (2020).mp4", b"content")
    folder.put("cafe\u0301 (2020).EN.srt", b"1\n00:00:01,000 --> 00:00:02,000\nHello.\n")
    await folder.settle()
    with folder.home.resources.database.reading() as connection:
        (row,) = connection.execute(sa.select(ASSETS))
    assert [subtitle[1] for subtitle in row.subtitles] == ["en"]


async def test_a_deleted_film_keeps_its_title(folder: Folder) -> None:
    """What was encoded can still be played; come back, it is not encoded again."""
    path = folder.put("One (2020).mp4", b"one")
    await folder.settle()
    path.unlink()
    await folder.settle()
    assert folder.titles() == ["One"]
    folder.put("One (2020).mp4", b"one")
    await folder.settle()
    assert folder.titles() == ["One"] and folder.encodes == 1


async def test_links_lead_nowhere(folder: Folder, tmp_path: Path) -> None:
    """A link to a file or a folder outside, or to itself, is passed over."""
    outside = tmp_path / "private"
    outside.mkdir()
    (outside / "Secret (2020).mp4").write_bytes(b"secret")
    (folder.root / "Link (2020).mp4").symlink_to(outside / "Secret (2020).mp4")
    (folder.root / "elsewhere").symlink_to(outside)
    (folder.root / "round").symlink_to(folder.root)
    folder.put("Real (2020).mp4", b"real")
    await folder.settle()
    assert folder.titles() == ["Real"]


async def test_a_file_that_becomes_a_link_between_two_looks_is_refused(folder: Folder, tmp_path: Path) -> None:
    """The service checks again what the look has seen."""
    secret = tmp_path / "secret.mp4"
    secret.write_bytes(b"secret")
    path = folder.put("Swap (2020).mp4", b"honest")
    await folder.watcher.look()
    path.unlink()
    path.symlink_to(secret)
    assert await folder.watcher._add(path) is not True
    assert folder.titles() == [] and folder.encodes == 0


async def test_what_is_no_film_is_passed_over(folder: Folder) -> None:
    """Hidden, partial, of another kind, or a sample."""
    for name in (
        ".hidden.mp4",
        "half.mp4.part",
        "notes.txt",
        "poster.jpg",
        "Film (2020)-sample.mp4",
        "Film.trailer.mp4",
    ):
        folder.put(name, b"x")
    folder.put("Film (2020).mp4", b"film")
    await folder.settle()
    assert folder.titles() == ["Film"]


async def test_one_bad_name_hides_no_other(folder: Folder) -> None:
    """A name that is no text, a very deep folder, a named pipe: the rest is taken up."""
    (folder.root / os.fsdecode(b"\xff\xfe (2020).mp4")).write_bytes(b"raw")
    deep = folder.root
    for number in range(30):
        deep = deep / str(number)
    deep.mkdir(parents=True)
    (deep / "Deep (2020).mp4").write_bytes(b"deep")
    os.mkfifo(folder.root / "Pipe (2020).mp4")
    folder.put("Good (2020).mp4", b"good")
    await folder.settle()
    assert "Good" in folder.titles() and "Deep" not in folder.titles()


async def test_a_film_is_not_compared_with_every_name_of_a_large_folder(
    folder: Folder, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Thousands of films in one folder: only names that begin as the film's may be of its subtitles."""
    for number in range(1000, 1100):
        folder.put(f"Film {number}.mp4", b"%d" % number)
        folder.put(f"Film {number}.en.srt", b"")
    asked = []
    monkeypatch.setattr(naming, "subtitle_of", lambda film, name: asked.append((film.stem, name.stem)))
    assert await folder.settle() == 100
    assert len(asked) == 200 and all(name.startswith(film) for film, name in asked)


async def test_a_film_that_could_not_be_entered_is_tried_again(
    folder: Folder, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The database was away for one look."""
    folder.put("One (2020).mp4", b"one")
    await folder.watcher.look()
    catalog = folder.home.wiring.dependencies["catalog"]

    async def away(*_: Any, **__: Any) -> None:
        raise Unavailable("the database does not answer")

    monkeypatch.setattr(catalog, "add", away)
    assert await folder.watcher.look() == 0
    monkeypatch.undo()
    assert await folder.watcher.look() == 1
    assert folder.titles() == ["One"]


async def test_a_crash_between_title_and_source_makes_no_second_title(
    folder: Folder, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The last write was lost: the next look finds the same title."""
    folder.put("One (2020).mp4", b"one")
    catalog = folder.home.wiring.dependencies["catalog"]

    async def dies(*_: Any, **__: Any) -> None:
        raise Unavailable("killed")

    monkeypatch.setattr(catalog, "_put_source", dies)
    await folder.settle()
    monkeypatch.undo()
    assert await folder.watcher.look() == 1
    assert folder.titles() == ["One"]


async def test_a_library_that_is_away_is_looked_for_again(folder: Folder) -> None:
    """A network drive comes back; nothing was thrown away meanwhile."""
    folder.put("One (2020).mp4", b"one")
    await folder.settle()
    folder.root.rename(folder.root.with_name("gone"))
    assert await folder.settle() == 0
    folder.root.with_name("gone").rename(folder.root)
    assert await folder.settle() == 0
    assert folder.titles() == ["One"] and folder.encodes == 1
