"""A film goes through the durable workflow of real worker processes, whatever happens to them."""

from __future__ import annotations

import hashlib
import random
import time
from collections.abc import Iterator
from pathlib import Path

import anyio
import pytest
from tests.engines import PostgresServer, new_database, small_disk
from tests.films import H264, Films

from reelwright.kernel.errors import Conflict, NotFound
from reelwright.kernel.ids import AssetId
from reelwright.media.bench import Drill, content_of
from reelwright.media.contract import Package, Progress
from reelwright.media.core.verify import objects_of

pytestmark = pytest.mark.slow


def small(films: Films, seconds: float = 50) -> Path:
    """A film of chunks of 16 seconds that are quick to make."""
    return films.make(f"small{seconds}.mp4", *H264, size="160x90", rate="10", seconds=seconds)


def check_store(media: Drill, package: Package) -> None:
    """Everything that is named is there, and every object is what its name says."""
    stored = set(media.objects.list(package.folder))
    assert objects_of(package) <= stored
    for name in stored:
        assert hashlib.sha256(media.objects.get(name)).hexdigest()[:26] == name.rsplit("/", 1)[1].split(".")[0]


@pytest.fixture(scope="module")
def calm(films: Films, tmp_path_factory: pytest.TempPathFactory) -> Package:
    """The package of `small` that an undisturbed worker makes."""
    with Drill(tmp_path_factory.mktemp("calm"), codecs=("h264", "av1")) as media:
        media.start_worker()
        package = media.finish(media.add(small(films)))
        check_store(media, package)
        assert {track.codec.split(".")[0] for track in package.tracks} == {"avc1", "av01", "mp4a", "opus"}
        return package


@pytest.mark.parametrize("seed", [1, 2])
def test_kill_9_at_any_moment_loses_one_chunk_at_most(seed: int, films: Films, calm: Package, tmp_path: Path) -> None:
    """Killed again and again at random moments, the result is that of an undisturbed run, bit for bit."""
    chance, kills = random.Random(seed), 4
    with Drill(tmp_path, codecs=("h264", "av1")) as media:
        asset_id = media.add(small(films))
        for _ in range(kills):
            media.start_worker()
            time.sleep(chance.uniform(0.8, 2.6))
            media.kill_workers()
        media.start_worker()
        package = media.finish(asset_id)
        assert content_of(package) == content_of(calm)
        check_store(media, package)
        begun = media.chunks_begun()
        assert set(begun) == set(range(4)) and len(begun) <= 4 + kills


def test_encoders_die_with_their_worker(films: Films, tmp_path: Path) -> None:
    """kill −9 of the worker alone leaves no ffmpeg behind that goes on for minutes."""
    with Drill(tmp_path) as media:
        media.start_worker()
        media.wait_for(media.add(films.make("big.mp4", *H264, size="1280x720", seconds=20)), "encoding")
        while not _encoders(tmp_path):
            time.sleep(0.02)
        media.kill_workers(encoders=False)
        for _ in range(100):
            if not _encoders(tmp_path):
                return
            time.sleep(0.05)
        raise AssertionError(_encoders(tmp_path))


def _encoders(data: Path) -> list[str]:
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            if (process / "cwd").readlink().is_relative_to(data):
                found.append((process / "cmdline").read_bytes()[:60].decode("utf-8", "replace"))
        except OSError:
            continue
    return found


def test_it_can_be_watched_with_sound_long_before_it_is_done(films: Films, tmp_path: Path) -> None:
    """One segment of picture and one of sound are enough to begin; what was told never goes back."""
    with Drill(tmp_path) as media:
        media.start_worker()
        package = media.finish(media.add(small(films, 130)))
        media.wait_until_told("ready")
        told = media.told()
        order = ["encoding", "watchable", "ready"]
        states = [row["state"] for row in told]
        assert states == sorted(states, key=order.index) and states[-1] == "ready"
        first = next(row for row in told if row["state"] == "watchable")
        assert first["tracks"]["a0-aac"] < 20 and first["tracks"]["v90-h264"] < 20
        for track in package.tracks:
            counts = [row["tracks"][track.id] for row in told if track.id in (row["tracks"] or {})]
            assert counts == sorted(counts), "an EVENT playlist only grows"
        assert [bool(row[part]) for row in told for part in ("still", "poster", "backdrop") if row.get("still")] == [
            True
        ] * 3
        assert len([name for name in media.objects.list(package.folder) if name.endswith(".json")]) == 1


def test_progress_is_told_while_it_works(films: Films, tmp_path: Path) -> None:
    """Percent never goes back, and speed and remaining time are there."""
    with Drill(tmp_path) as media:
        media.start_worker()
        asset_id = media.add(films.make("busy.mp4", *H264, size="1280x720", seconds=34))
        rows: list[Progress] = []
        while not rows or rows[-1].stage not in ("done", "failed"):
            rows.append((anyio.run(media.service.list_progress))[0])
            time.sleep(0.05)
        percents = [row.percent for row in rows]
        assert percents == sorted(percents) and percents[-1] == 100 and len(set(percents)) > 3
        assert any(row.speed and row.eta_s and 0 < row.eta_s < 600 for row in rows)
        assert (rows[-1].asset_id, rows[-1].eta_s, rows[-1].problem) == (asset_id, None, "")


def test_the_same_file_twice_is_one_job(films: Films, tmp_path: Path) -> None:
    """A double click does not encode twice; the same film for another playable is another."""
    with Drill(tmp_path) as media:
        clip = small(films, 3)
        assert media.add(clip) == media.add(clip)
        assert media.add(clip) != media.add(clip, "another")
        assert len(anyio.run(media.service.list_progress)) == 2
        media.start_worker()
        for row in anyio.run(media.service.list_progress):
            media.finish(row.asset_id)
        assert sorted(media.chunks_begun()) == [0, 0]


def test_a_cancelled_encode_stops_and_begins_again_when_asked(films: Films, tmp_path: Path) -> None:
    """The catalogue is told; retrying while the old attempt still winds down makes one good package."""
    with Drill(tmp_path) as media:
        media.start_worker()
        asset_id = media.add(small(films, 130))
        media.wait_for(asset_id, "encoding")
        while len(media.chunks_begun()) < 3:
            time.sleep(0.02)
        assert (anyio.run(media.service.cancel, asset_id)).stage == "cancelled"
        with pytest.raises(Conflict, match="is cancelled"):
            anyio.run(media.service.cancel, asset_id)
        assert (anyio.run(media.service.retry, asset_id)).stage == "queued"
        package = media.finish(asset_id)
        check_store(media, package)
        with pytest.raises(Conflict, match="is done"):
            anyio.run(media.service.retry, asset_id)
        other = media.add(small(films, 130), "other")
        media.wait_for(other, "encoding")
        anyio.run(media.service.cancel, other)
        assert "cancelled" in media.wait_until_told("failed")["problem"]
        with pytest.raises(NotFound):
            anyio.run(media.service.cancel, AssetId("nobody"))


def test_a_retried_encode_goes_on_where_it_was(films: Films, calm: Package, tmp_path: Path) -> None:
    """Cancelled, or failed, after hours of work: no chunk is made twice, and the result is that of one run."""
    with Drill(tmp_path, codecs=("h264", "av1")) as media:
        asset_id = media.add(small(films))
        media.start_worker()
        while 2 not in media.chunks_begun():
            time.sleep(0.02)
        anyio.run(media.service.cancel, asset_id)
        anyio.run(media.service.retry, asset_id)
        assert content_of(media.finish(asset_id)) == content_of(calm)
        check_store(media, anyio.run(media.service.get_package, asset_id))
        assert sorted(media.chunks_begun()) in ([0, 1, 2, 3], [0, 1, 2, 2, 3])


def test_a_retried_encode_begins_anew_where_something_of_it_is_gone(
    films: Films, calm: Package, tmp_path: Path
) -> None:
    """It must not fail for ever for want of a segment that is not there any more."""
    with Drill(tmp_path, codecs=("h264", "av1")) as media:
        asset_id = media.add(small(films))
        media.start_worker()
        while 2 not in media.chunks_begun():
            time.sleep(0.02)
        anyio.run(media.service.cancel, asset_id)
        lost = next(name for name in media.objects.list(f"assets/{asset_id}") if name.endswith(".m4s"))
        media.objects.delete(lost)
        anyio.run(media.service.retry, asset_id)
        assert content_of(media.finish(asset_id)) == content_of(calm)
        check_store(media, anyio.run(media.service.get_package, asset_id))


def test_a_film_that_is_replaced_while_it_is_encoded_gives_way_to_the_other(films: Films, tmp_path: Path) -> None:
    """Nothing is made of two films; what was there before goes on once it is back under its name."""
    with Drill(tmp_path / "data", concurrency=2) as media:
        film, other = tmp_path / "film.mp4", tmp_path / "other.mp4"
        film.write_bytes(small(films, 130).read_bytes())
        other.write_bytes(small(films, 20).read_bytes())
        media.start_worker()
        asset_id = media.add(film)
        while len(media.chunks_begun()) < 2:
            time.sleep(0.02)
        film.rename(tmp_path / "kept.mp4")
        other.rename(film)
        while "replaced by another file" not in media.progress(asset_id).problem:
            time.sleep(0.02)
        replaced = media.add(film)
        assert media.progress(asset_id).stage == "away" and "another file" in media.progress(asset_id).problem
        assert media.finish(replaced).duration_s == 20.0
        (tmp_path / "kept.mp4").rename(film)
        assert media.add(film) == asset_id
        assert media.finish(asset_id).duration_s == 130.0
        assert media.wait_until_told("ready")["state"] == "ready"


def test_a_source_that_goes_away_lets_others_go_first_and_is_taken_up_again(films: Films, tmp_path: Path) -> None:
    """An unplugged disk: the job says what it cannot read, and goes through once the film is back."""
    with Drill(tmp_path / "data", away_s=0) as media:
        film = tmp_path / "film.mp4"
        film.write_bytes(small(films, 3).read_bytes())
        asset_id = media.add(film)
        film.rename(tmp_path / "away")
        media.start_worker()
        row = media.wait_for(asset_id)
        assert row.stage == "away" and "film.mp4 cannot be read" in row.problem
        assert media.wait_until_told("failed")["problem"] == row.problem
        film.write_bytes(b"another film")
        anyio.run(media.service.retry_returned)
        assert media.progress(asset_id).stage == "away"
        (tmp_path / "away").rename(film)
        anyio.run(media.service.retry_returned)
        media.finish(asset_id)
        assert (anyio.run(media.service.list_progress))[0].problem == ""


def test_a_film_that_is_renamed_while_it_is_encoded_goes_on(films: Films, calm: Package, tmp_path: Path) -> None:
    """It is waited for until the library has been looked at, and nothing is done again or left out."""
    with Drill(tmp_path / "data", codecs=("h264", "av1")) as media:
        film = tmp_path / "film.mp4"
        film.write_bytes(small(films).read_bytes())
        asset_id = media.add(film)
        media.start_worker()
        media.wait_for(asset_id, "encoding")
        film.rename(tmp_path / "renamed.mp4")
        while "it is not where it was" not in media.progress(asset_id).problem:
            time.sleep(0.05)
        assert media.add(tmp_path / "renamed.mp4") == asset_id
        assert content_of(media.finish(asset_id)) == content_of(calm)


def test_what_somebody_asked_for_goes_before_the_library(films: Films, tmp_path: Path) -> None:
    """A folder of thousands is found: an upload does not wait for it, nor does the film that is brought forward."""
    with Drill(tmp_path / "data") as media:
        film = small(films, 3)
        found = [media.add(film, name, backlog=True) for name in ("found1", "found2", "found3")]
        asked = media.add(film, "asked")
        anyio.run(media.service.retry, found[2])
        waiting = anyio.run(media.service.list_progress)
        assert {row.asset_id for row in waiting[:2]} == {asked, found[2]}
        media.start_worker()
        media.finish(found[1])
        order = list(dict.fromkeys(row["playable_id"] for row in media.told()))
        assert order == ["asked", "found3", "found1", "found2"]


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of 48 MB."""
    with small_disk(tmp_path / "disk", "48m") as disk:
        yield disk


@pytest.mark.parametrize("reserve", [16 << 20, 0], ids=["reserve kept", "full to the last byte"])
def test_a_full_disk_is_waited_for(reserve: int, films: Films, calm: Package, tmp_path: Path, disk: Path) -> None:
    """Nothing half-written is published, the job says why it waits, and goes on by itself when there is space."""
    everything = disk if reserve else tmp_path / "data"
    with Drill(
        everything,
        codecs=("h264", "av1"),
        reserve_bytes=reserve,
        objects=f"file://{disk}/media",
        work=disk / "work",
    ) as media:
        ballast = disk / "ballast"
        ballast.write_bytes(bytes((40 << 20) if reserve else (47 << 20) + 800_000))
        media.start_worker()
        asset_id = media.add(small(films))
        while not (row := (anyio.run(media.service.list_progress))[0]).problem:
            time.sleep(0.05)
        assert row.stage in ("probing", "encoding", "packaging") and "free" in row.problem, row
        time.sleep(1.0)
        for path in (disk / "media" / "assets").rglob("*"):
            assert not path.is_file() or path.name.startswith(
                hashlib.sha256(path.read_bytes()).hexdigest()[:26]
            ), path  # fmt: skip
        ballast.unlink()
        package = media.finish(asset_id)
        assert content_of(package) == content_of(calm)
        check_store(media, package)
        assert (anyio.run(media.service.list_progress))[0].problem == ""


def test_a_whole_encode_into_s3_is_the_same(films: Films, calm: Package, s3_url: str, tmp_path: Path) -> None:
    """Only the place differs; what is played from S3 is what a directory would hold."""
    with Drill(tmp_path, codecs=("h264", "av1"), objects=s3_url) as media:
        media.start_worker()
        package = media.finish(media.add(small(films)))
        assert content_of(package) == content_of(calm)
        check_store(media, package)


def test_two_workers_share_one_postgresql(
    films: Films, own_postgres: PostgresServer, calm: Package, tmp_path: Path
) -> None:
    """Both work, each film is made once; one is killed and comes back, the database crashes and comes back."""
    url = new_database(own_postgres.url)
    with Drill(tmp_path, codecs=("h264", "av1"), database=url) as media:
        assets = [media.add(small(films), f"film {number}") for number in range(3)]
        for name in ("one", "two"):
            media.start_worker(name)
        while len(media.chunks_begun()) < 4:
            time.sleep(0.05)
        busy = {row.asset_id for row in anyio.run(media.service.list_progress) if row.stage != "queued"}
        assert len(busy) >= 2
        own_postgres.restart()
        media.kill_worker("one")
        media.start_worker("one")
        packages = [media.finish(asset_id) for asset_id in assets]
        assert all(content_of(package) == content_of(calm) for package in packages)
        for package in packages:
            check_store(media, package)
