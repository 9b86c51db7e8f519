"""The steps of an encode one by one: what was done but not told is told again, what fails for a while is awaited."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import anyio
import msgspec
import pytest
from tests.films import H264, Films, run_ffmpeg

from reelwright.kernel.clock import SystemClock
from reelwright.kernel.database import Database
from reelwright.kernel.errors import Unavailable
from reelwright.kernel.ids import AssetId, PlayableId
from reelwright.kernel.objects import DirectoryObjects
from reelwright.media import jobs
from reelwright.media.adapters import sql
from reelwright.media.contract import BadSource, Progress, SourceAway
from reelwright.media.core.plan import LadderPlanner, Plan
from reelwright.media.service import REPLACED, MediaService

pytestmark = pytest.mark.slow


class Killed(BaseException):
    """kill −9 at this very line."""


class Flaky(DirectoryObjects):
    """A store that does not answer for a while."""

    failures = 0

    def put(self, name: str, data: bytes | Path) -> None:
        """Fail as often as was asked for."""
        if self.failures:
            self.failures -= 1
            raise Unavailable("the store does not answer")
        super().put(name, data)


class NoQueue:
    """Nothing is started: the test calls the steps itself."""

    def enqueue(self, name: str, job_id: str, *args: Any, behind: bool = False) -> None:
        """Not now."""


class Bench:
    """A workshop in this process with one film."""

    def __init__(self, folder: Path, film: Path) -> None:
        self.database = Database(f"sqlite:///{folder}/main.sqlite")
        self.database.migrate(["reelwright.media"])
        self.objects = Flaky(folder / "media")
        self.told: list[str] = []
        self.kill_when = ""
        self.problems: set[str] = set()
        jobs.open_workshop(
            jobs.Workshop(
                database=self.database,
                objects=self.objects,
                clock=SystemClock(),
                planner=LadderPlanner(preset="ultrafast"),
                published=self.published,
                work=folder / "work",
                reserve_bytes=0,
                wait_s=0.05,
            )
        )
        self.service = MediaService(
            database=self.database, objects=self.objects, clock=SystemClock(), queue=NoQueue()
        )
        self.source = folder / f"film{film.suffix}"
        if film != self.source:
            shutil.copy(film, self.source)
        film = self.source
        self.asset_id: AssetId = anyio.run(lambda: self.service.ingest(playable_id=PlayableId("p"), path=film))

    def published(self, *, state: str, **_: Any) -> None:
        """What the catalogue hears, unless the worker dies first."""
        self.problems.add(self.row().problem)
        if state == self.kill_when:
            self.kill_when = ""
            raise Killed
        self.told.append(state)

    def row(self) -> Progress:
        """The encode."""
        return anyio.run(self.service.list_progress)[0]

    def work_until_finish(self) -> Plan:
        """Every step but the last."""
        plan = msgspec.convert(jobs.look(self.asset_id, 1), Plan)
        jobs.first_segment(self.asset_id, 1, plan)
        assert jobs.audio(self.asset_id, 1, plan, 0, "aac") == ""
        assert jobs.chunk(self.asset_id, 1, plan, 0) == (True, [])
        return plan


@pytest.fixture
def bench(films: Films, tmp_path: Path) -> Iterator[Bench]:
    """A workshop with a film of three seconds."""
    made = Bench(tmp_path, films.make("plain.mp4", *H264, "-c:a", "aac"))
    yield made
    made.database.close()


def test_the_catalogue_hears_of_the_end_though_the_worker_dies_before_it_tells(bench: Bench) -> None:
    """The encode is written down as done, and the step is done again: it must not stay silent."""
    plan = bench.work_until_finish()
    bench.kill_when = "ready"
    with pytest.raises(Killed):
        jobs.finish(bench.asset_id, 1, plan, [], None, [], [])
    assert bench.row().stage == "done" and "ready" not in bench.told
    jobs.finish(bench.asset_id, 1, plan, [], None, [], [])
    assert bench.told[-1] == "ready"
    assert anyio.run(bench.service.get_package, bench.asset_id).complete


def test_the_sound_of_the_first_chunk_is_there_before_its_pictures(bench: Bench) -> None:
    """All of it, not only what goes with the first segment: a film that was begun would stop for want of sound."""
    plan = msgspec.convert(jobs.look(bench.asset_id, 1), Plan)
    jobs.first_segment(bench.asset_id, 1, plan)
    assert jobs.audio(bench.asset_id, 1, plan, 0, "aac") == ""
    picture, sound = anyio.run(bench.service.get_package, bench.asset_id).tracks
    assert (picture.kind, len(picture.segments), sound.kind, len(sound.segments)) == ("video", 1, "audio", 2)


def test_a_failure_is_told_once_it_is_written_down(bench: Bench) -> None:
    """Also when the worker dies between the two, and not when somebody cancelled meanwhile."""
    bench.kill_when = "failed"
    with pytest.raises(Killed):
        jobs.fail(bench.asset_id, 1, "broken")
    jobs.fail(bench.asset_id, 1, "broken")
    assert (bench.told, bench.row().stage, bench.row().problem) == (["failed"], "failed", "broken")
    anyio.run(bench.service.retry, bench.asset_id)
    jobs.fail(bench.asset_id, 1, "an old attempt")
    assert (bench.told, bench.row().stage, bench.row().problem) == (["failed"], "queued", "")


def test_a_store_that_does_not_answer_is_waited_for_and_said(bench: Bench) -> None:
    """Each step tries again until it does; the words go away with the trouble."""
    seen = []
    plan = msgspec.convert(jobs.look(bench.asset_id, 1), Plan)
    bench.objects.failures = 3
    put = bench.objects.put

    def watched(name: str, data: bytes | Path) -> None:
        seen.append(bench.row().problem)
        put(name, data)

    bench.objects.put = watched  # type: ignore[method-assign]  # only watched
    jobs.first_segment(bench.asset_id, 1, plan)
    assert seen.count("waiting: the store does not answer") >= 3
    assert bench.row().problem == "" and bench.told == ["encoding"]


def test_nothing_that_an_old_attempt_does_counts(bench: Bench) -> None:
    """Its steps end where they stand, and what it wrote down is not looked at."""
    plan = bench.work_until_finish()
    with bench.database.writing() as connection:
        sql.set_running(connection, bench.asset_id, 1, stage="failed", updated_ms=1)
    anyio.run(bench.service.retry, bench.asset_id)
    for act in (lambda: jobs.chunk(bench.asset_id, 1, plan, 0), lambda: jobs.first_segment(bench.asset_id, 1, plan)):
        with pytest.raises(jobs.Cancelled):
            act()
    with bench.database.reading() as connection:
        assert sql.list_pieces(connection, bench.asset_id, 2) == []


def test_a_file_that_took_the_place_of_the_film_is_not_encoded_as_it(bench: Bench, films: Films) -> None:
    """Chunks of two films would be one; copied over it, it may even be read while it is encoded."""
    plan = msgspec.convert(jobs.look(bench.asset_id, 1), Plan)
    jobs.shop().away_s = 0
    bench.source.write_bytes(films.make("other.mp4", seconds=4).read_bytes())
    with pytest.raises(SourceAway, match=r"film\.mp4 has been replaced by another file"):
        jobs.chunk(bench.asset_id, 1, plan, 0)
    with bench.database.reading() as connection:
        assert sql.list_pieces(connection, bench.asset_id, 1) == []


def test_a_damaged_file_that_is_copied_again_is_a_failure_no_more(bench: Bench, films: Films) -> None:
    """What was wrong with a file that nobody has any more is no news."""
    jobs.fail(bench.asset_id, 1, "film.mp4 is damaged or cut off; copy the film again")
    bench.source.write_bytes(films.make("other.mp4", seconds=4).read_bytes())
    again = anyio.run(lambda: bench.service.ingest(playable_id=PlayableId("p"), path=bench.source))
    stages = {row.asset_id: (row.stage, row.problem) for row in anyio.run(bench.service.list_progress)}
    assert stages == {again: ("queued", ""), bench.asset_id: ("away", REPLACED)}


def test_subtitles_beside_a_film_are_there_from_the_first_picture_on(bench: Bench, tmp_path: Path) -> None:
    """Whoever needs them need not wait until all is encoded; later pieces do not take them away."""
    beside = tmp_path / "film.de.srt"
    beside.write_text("1\n00:00:01,000 --> 00:00:02,000\nGuten Tag\n")
    rows = ((str(beside), "de", "", True), (str(tmp_path / "gone.srt"), "en", "", False))
    anyio.run(lambda: bench.service.ingest(playable_id=PlayableId("p"), path=bench.source, subtitles=rows))
    plan = msgspec.convert(jobs.look(bench.asset_id, 1), Plan)
    for act in (
        lambda: jobs.first_segment(bench.asset_id, 1, plan),
        lambda: jobs.audio(bench.asset_id, 1, plan, 0, "aac"),
        lambda: jobs.chunk(bench.asset_id, 1, plan, 0),
    ):
        act()
        package = anyio.run(bench.service.get_package, bench.asset_id)
        assert not package.complete and [text.language for text in package.texts] == ["deu"]
    texts, problems = jobs.subtitles(bench.asset_id, 1, plan)
    jobs.finish(bench.asset_id, 1, plan, texts, None, [], problems)
    (text,) = anyio.run(bench.service.get_package, bench.asset_id).texts
    assert (text.language, text.label, text.forced) == ("deu", "Deutsch (forced)", True)
    assert "gone.srt" in bench.row().problem


def test_a_text_track_that_cannot_be_read_takes_no_other_with_it(films: Films, tmp_path: Path) -> None:
    """All are read in one go; where that fails, each for itself."""
    srt = tmp_path / "text.srt"
    srt.write_text("1\n00:00:01,000 --> 00:00:02,000\nHello\n")
    film = tmp_path / "film.mkv"
    run_ffmpeg(
        "-i", films.make("plain.mp4", *H264, "-c:a", "aac"), "-i", srt, "-map", "0", "-map", "1", "-c", "copy", film
    )
    bench = Bench(tmp_path, film)
    plan = msgspec.convert(jobs.look(bench.asset_id, 1), Plan)
    (good,) = plan.info.subtitles
    texts = (good, msgspec.structs.replace(good, stream=99), good)
    wrong = msgspec.structs.replace(plan, info=msgspec.structs.replace(plan.info, subtitles=texts))
    found, problems = jobs.subtitles(bench.asset_id, 1, wrong)
    bench.database.close()
    assert (
        len(found) == 2
        and len(problems) == 1
        and problems[0].startswith("subtitle track 2 of the film cannot be read")
    )


def test_what_is_left_is_told_while_only_sound_is_made(bench: Bench) -> None:
    """A film of hours with many sound tracks would else stand at 99 % with nothing to say."""
    plan = bench.work_until_finish()
    assert (bench.row().percent, bench.row().eta_s) == (99.0, None)
    meter = jobs._SoundMeter(bench.asset_id, 1, plan, 0, "aac")
    assert meter.news(0.0) == {}
    told = meter.news(1.0)
    assert told["eta_s"] == pytest.approx((plan.info.duration_s - 1) / told["speed"], rel=0.2)
    with bench.database.writing() as connection:
        sql.set_running(connection, bench.asset_id, 1, percent=98.9)
    assert meter.news(1.0) == {}


def test_a_sound_track_that_cannot_be_made_is_left_out_and_named(bench: Bench) -> None:
    """The film plays without it."""
    plan = bench.work_until_finish()
    info = plan.info.audio[0]
    broken = msgspec.structs.replace(info, stream=99)
    wrong = msgspec.structs.replace(plan, info=msgspec.structs.replace(plan.info, audio=(info, broken)))
    remark = jobs.audio(bench.asset_id, 1, wrong, 1, "aac")
    assert remark.startswith("sound track 2 was left out: film.mp4 could not be encoded")
    jobs.finish(bench.asset_id, 1, plan, [], None, [], [remark])
    assert bench.row().problem == remark


def test_without_a_single_picture_the_source_is_to_blame(bench: Bench) -> None:
    """However it came to that."""
    plan = msgspec.convert(jobs.look(bench.asset_id, 1), Plan)
    with pytest.raises(BadSource, match="not one picture"):
        jobs.finish(bench.asset_id, 1, plan, [], None, [], [])
