"""What media costs and withstands, through the code that the service runs.

`python -m reelwright.media.bench CONFIG` is a worker for drills: the service's workflow, its acts written down.
"""

from __future__ import annotations

import contextlib
import json
import os
import random
import resource
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple
from unittest import mock

import anyio
import msgspec

from reelwright.kernel.bench import Row
from reelwright.kernel.clock import SystemClock
from reelwright.kernel.database import Database
from reelwright.kernel.ids import AssetId, PlayableId
from reelwright.kernel.jobs import JobsClient
from reelwright.kernel.objects import DirectoryObjects, open_objects
from reelwright.media.adapters import ffmpeg, sandbox
from reelwright.media.contract import ENDED, Package, Progress
from reelwright.media.core import command
from reelwright.media.core.plan import Codec, LadderPlanner, Plan
from reelwright.media.service import MediaService

SEED = 20
KILLS = 48
KILLS_A_JOB = 4
LONG_S = 3600
FOOTAGE = Path(__file__).resolve().parents[4] / "shared" / "data" / "footage" / "bbb480_30s.mp4"
"""A real film, where the shared data lies beside the repository."""


def rows(only: str = "") -> Iterator[Row]:
    """Every row whose id starts with `only`."""
    parts = (("ladder_cpu", _ladder_cpu), ("first_segment", _first_segment), ("kill_resume", _kill_resume))
    for name, measure in parts:
        if name.startswith(only) or only.startswith(name):
            with tempfile.TemporaryDirectory(prefix="reelwright-bench-") as folder:
                yield from (row for row in measure(Path(folder)) if row.id.startswith(only))


# --- the ladder against one run per rung -------------------------------------------------------------------------


def _ladder_cpu(folder: Path) -> Iterator[Row]:
    """CPU seconds of our ladder, packaging and all, over those of one ffmpeg run per rung with the same settings."""
    generated = _film(folder / "film.mkv", size="1920x1080", seconds=32, noise=True)
    yield _ladder_row("ladder_cpu", generated, "generated 1080p25 with noise, 32 s", folder, goal=0.70)
    if FOOTAGE.exists():
        yield _ladder_row("ladder_cpu.480p", FOOTAGE, f"{FOOTAGE.name}, 854x480, 24 pictures/s, 30 s", folder)


def _ladder_row(name: str, film: Path, what: str, folder: Path, *, goal: float | None = None) -> Row:
    from reelwright.media.adapters.probe import probe

    plan = LadderPlanner().plan(probe(film))
    ours = _cpu_s(lambda: _encode_ladder(plan, film, folder))
    peer = _cpu_s(lambda: _encode_rungs(plan, film, folder))
    sizes = ", ".join(f"{rung.height}p" for rung in plan.rungs)
    return Row(
        id=name,
        what="CPU of our ladder / CPU of one ffmpeg run per rung",
        value=round(ours / peer, 3),
        unit="",
        op="<=" if goal else "",
        goal=goal,
        peer="ffmpeg",
        peer_value=1.0,
        note=f"{ours:.1f} s against {peer:.1f} s; {what}; x264 {plan.preset}, {sizes}",
    )


def _encode_ladder(plan: Plan, film: Path, folder: Path) -> None:
    from reelwright.media.adapters.encoder import Encoder

    with tempfile.TemporaryDirectory(dir=folder) as work:
        encoder = Encoder(
            plan=plan,
            source=film,
            asset_id=AssetId("bench"),
            objects=DirectoryObjects(folder / "objects"),
            work=Path(work),
        )
        encoder.first_segment()
        encoder.ahead()
        for number in range(plan.chunks):
            encoder.chunk(number)


def _encode_rungs(plan: Plan, film: Path, folder: Path) -> None:
    for rung in plan.rungs:
        picture = command.standard_picture(plan, rung.width, rung.height)
        subprocess.run(
            [ffmpeg.program(), "-nostdin", "-v", "error", "-y", "-i", film, "-an", "-vf", picture,
             *command.codec_options(plan, rung), "-movflags", "+frag_keyframe+empty_moov", folder / f"{rung.id}.mp4"],
            check=True,
        )  # fmt: skip


def _cpu_s(act: Callable[[], None]) -> float:
    """CPU seconds of this process and what it starts; without bubblewrap, whose children are not accounted to us."""

    def now() -> float:
        usages = (resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
        return sum(usage.ru_utime + usage.ru_stime for usage in usages)

    began = now()
    with mock.patch.object(sandbox, "bubblewrap", return_value=None):
        act()
    return now() - began


# --- from `add` to the first segment -----------------------------------------------------------------------------


def _first_segment(folder: Path) -> Iterator[Row]:
    """Seconds from `add` until somebody could press play, with sound; an idle worker runs."""
    short = _film(folder / "short.mp4", size="1920x1080", seconds=20)
    long = folder / "long.mp4"
    _ffmpeg("-stream_loop", LONG_S // 20 - 1, "-i", short, "-c", "copy", long)
    size = long.stat().st_size
    times: dict[str, float] = {}
    with Drill(folder / "data") as drill:
        drill.start_worker()
        drill.finish(drill.add(_film(folder / "warm.mp4", size="160x90", seconds=2), "warm"))
        for film in (short, long):
            told, began = len(drill.told()), time.monotonic()
            asset_id = drill.add(film, film.stem)
            while not any(row["state"] in ("watchable", "ready") for row in drill.told()[told:]):
                assert time.monotonic() - began < 60, drill.said()
                time.sleep(0.01)
            times[film.stem] = time.monotonic() - began
            anyio.run(drill.service.cancel, asset_id)
            drill.wait_for(asset_id)
            time.sleep(1)
    yield Row(
        id="first_segment",
        what="add to the first playable segment, with sound",
        value=round(max(times.values()), 2),
        unit="s",
        op="<=",
        goal=3.0,
        note=f"1080p25: 20 s of film {times['short']:.2f} s, {LONG_S // 60} min of it ({size / 1e6:.0f} MB, index at "
        f"the end) {times['long']:.2f} s",
    )


# --- kill −9 -----------------------------------------------------------------------------------------------------


def _kill_resume(folder: Path) -> Iterator[Row]:
    """Workers killed at random moments: what was done again, and whether the result is what it would have been."""
    film = _film(folder / "film.mp4", size="160x90", rate="10", seconds=50)
    chance = random.Random(SEED)  # noqa: S311 (moments of kills)
    calm = _encode_under_fire(folder / "calm", film, [])
    jobs = [
        _encode_under_fire(folder / f"job{number}", film, [chance.uniform(0.6, 2.6) for _ in range(KILLS_A_JOB)])
        for number in range(KILLS // KILLS_A_JOB)
    ]
    note = f"{KILLS} kills in {len(jobs)} encodes of 4 chunks, H.264 + AAC and AV1 + Opus, seed {SEED}"
    yield Row(
        id="kill_resume.lost_chunks",
        what="chunks redone after kill -9, worst kill",
        value=max(job.lost for job in jobs),
        unit="",
        op="<=",
        goal=1,
        note=f"{note}; sound is one run by design and begins again",
    )
    yield Row(
        id="kill_resume.identical",
        what="1 when the bytes equal an undisturbed run",
        value=int(all(job.content == calm.content for job in jobs)),
        unit="",
        op="==",
        goal=1,
        note=note,
    )


class _Survived(NamedTuple):
    content: bytes
    lost: int


def _encode_under_fire(data: Path, film: Path, kills: Sequence[float]) -> _Survived:
    lost = 0
    with Drill(data, codecs=("h264", "av1")) as drill:
        asset_id = drill.add(film)
        begun: list[list[int]] = []
        for after_s in kills:
            drill.start_worker()
            time.sleep(after_s)
            drill.kill_workers()
            begun.append(drill.chunks_begun())
        drill.start_worker()
        package = drill.finish(asset_id)
        everything = drill.chunks_begun()
        for before in begun:
            lost = max(lost, len(set(before) & set(everything[len(before) :])))
        return _Survived(content_of(package), lost)


def content_of(package: Package) -> bytes:
    """A package without what differs between two encodes of one film: whose it is, and where it lies."""
    plain = msgspec.structs.replace(package, asset_id=AssetId(""), playable_id=PlayableId(""))
    return msgspec.json.encode(plain).replace(package.folder.encode(), b"")


# --- drills ------------------------------------------------------------------------------------------------------


class Drill:
    """Media as it runs: the service as the web process has it, and workers in processes that can be killed."""

    def __init__(
        self,
        data: Path,
        *,
        database: str = "",
        objects: str = "",
        codecs: tuple[Codec, ...] = ("h264",),
        reserve_bytes: int = 0,
        concurrency: int = 1,
        work: Path | None = None,
        away_s: float = 60.0,
    ) -> None:
        data.mkdir(parents=True, exist_ok=True)
        self.data = data
        self._config: dict[str, Any] = {
            "data": str(data),
            "database": database or f"sqlite:///{data}/main.sqlite",
            "jobs": database or f"sqlite:///{data}/jobs.sqlite",
            "objects": objects or f"file://{data}/media",
            "work": str(work or data / "work"),
            "codecs": codecs,
            "reserve_bytes": reserve_bytes,
            "concurrency": concurrency,
            "away_s": away_s,
        }
        self._workers: dict[str, subprocess.Popen[bytes]] = {}
        self._database = Database(self._config["database"])
        self._database.migrate(["reelwright.media"])
        self._queue = JobsClient(self._config["jobs"])
        self.objects = open_objects(self._config["objects"])
        self.service = MediaService(
            database=self._database, objects=self.objects, clock=SystemClock(), queue=self._queue
        )

    def __enter__(self) -> Drill:
        return self

    def __exit__(self, *_: object) -> None:
        self.kill_workers()
        self._queue.close()
        self._database.close()

    def start_worker(self, executor: str = "one") -> None:
        """A worker process of its own session, so that its encoders can be killed with it."""
        config = self.data / f"worker-{executor}.json"
        own = {"executor": executor, "work": f"{self._config['work']}-{executor}"}
        config.write_text(json.dumps({**self._config, **own}))
        with (self.data / f"worker-{executor}.log").open("ab") as log:
            self._workers[executor] = subprocess.Popen(
                [sys.executable, "-m", "reelwright.media.bench", config],
                start_new_session=True,
                stdout=log,
                stderr=log,
            )

    def kill_worker(self, executor: str, *, encoders: bool = True) -> None:
        """kill −9 of a worker, and of what it started unless only the worker is to die."""
        process = self._workers.pop(executor)
        with contextlib.suppress(ProcessLookupError):
            if encoders:
                os.killpg(process.pid, signal.SIGKILL)
            else:
                process.kill()
        process.wait()

    def kill_workers(self, *, encoders: bool = True) -> None:
        """kill −9 of all of them."""
        for executor in [*self._workers]:
            self.kill_worker(executor, encoders=encoders)

    def add(self, path: Path, playable: str = "film", *, backlog: bool = False) -> AssetId:
        """Queue a film."""
        return anyio.run(lambda: self.service.ingest(playable_id=PlayableId(playable), path=path, backlog=backlog))

    def progress(self, asset_id: AssetId) -> Progress:
        """How far an encode is."""
        return next(row for row in anyio.run(self.service.list_progress) if row.asset_id == asset_id)

    def wait_for(self, asset_id: AssetId, *stages: str, timeout_s: float = 170) -> Progress:
        """Wait until the encode is in one of the stages (any end, where none is named)."""
        until = time.monotonic() + timeout_s
        while (row := self.progress(asset_id)).stage not in (stages or ENDED):
            assert time.monotonic() < until, (row, self.said())
            time.sleep(0.05)
        return row

    def finish(self, asset_id: AssetId) -> Package:
        """Wait for its end, which must be a good one."""
        row = self.wait_for(asset_id)
        assert row.stage == "done", (row, self.said())
        return anyio.run(self.service.get_package, asset_id)

    def told(self) -> list[dict[str, Any]]:
        """What the catalogue was told so far."""
        return [json.loads(line) for line in _lines(self.data / "told.jsonl")]

    def wait_until_told(self, state: str, *, timeout_s: float = 170) -> dict[str, Any]:
        """Wait until the last that the catalogue was told is `state`; that comes after the encode's end."""
        until = time.monotonic() + timeout_s
        while not (told := self.told()) or told[-1]["state"] != state:
            assert time.monotonic() < until, (told, self.said())
            time.sleep(0.05)
        return told[-1]

    def chunks_begun(self) -> list[int]:
        """Every chunk that a worker began."""
        return [int(line) for line in _lines(self.data / "chunks.txt")]

    def said(self) -> str:
        """The end of what the workers logged."""
        return "\n".join(path.read_text()[-3000:] for path in self.data.glob("worker-*.log"))


def work(config: dict[str, Any]) -> None:
    """Be a drill's worker until killed."""
    from reelwright.kernel.jobs import Worker
    from reelwright.media import jobs
    from reelwright.media.adapters.encoder import Encoder

    data = Path(config["data"])

    def published(**told: Any) -> None:
        package = told.pop("package")
        tracks = {track.id: len(track.segments) for track in package.tracks} if package else None
        _append(data / "told.jsonl", json.dumps({**told, "tracks": tracks}))

    chunk = Encoder.chunk

    def written(self: Encoder, number: int, **options: Any) -> Any:
        _append(data / "chunks.txt", str(number))
        return chunk(self, number, **options)

    Encoder.chunk = written  # type: ignore[method-assign]  # only watched
    jobs.open_workshop(
        jobs.Workshop(
            database=Database(config["database"]),
            objects=open_objects(config["objects"]),
            clock=SystemClock(),
            planner=LadderPlanner(codecs=tuple(config["codecs"]), preset="ultrafast"),
            published=published,
            work=Path(config["work"]),
            reserve_bytes=config["reserve_bytes"],
            wait_s=0.3,
            away_s=config["away_s"],
        )
    )
    Worker(config["jobs"], executor_id=config["executor"], concurrency=config["concurrency"]).start()
    signal.pause()


def _film(path: Path, *, size: str, seconds: float, rate: str = "25", noise: bool = False) -> Path:
    """A generated film with sound."""
    grain = ("-vf", "noise=alls=12:allf=t") if noise else ()
    picture = f"testsrc2=size={size}:rate={rate}:duration={seconds}"
    inputs = ("-f", "lavfi", "-i", picture, "-f", "lavfi", "-i", f"sine=duration={seconds}")
    _ffmpeg(*inputs, *grain, "-c:v", "libx264", "-preset", "veryfast", "-c:a", "aac", path)
    return path


def _ffmpeg(*arguments: object) -> None:
    subprocess.run([ffmpeg.program(), "-nostdin", "-v", "error", "-y", *map(str, arguments)], check=True)


def _append(path: Path, line: str) -> None:
    with path.open("a") as file:
        file.write(line + "\n")


def _lines(path: Path) -> list[str]:
    return path.read_text().splitlines() if path.exists() else []


if __name__ == "__main__":
    work(json.loads(Path(sys.argv[1]).read_text()))
