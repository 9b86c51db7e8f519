"""The durable workflow that turns a source into a package.

Every step that finished is recorded; after kill −9 the job goes on with the next one. Steps publish under
content-hash names and write down which pieces they made, so doing one again changes nothing: at most the chunk in
progress is lost. Sound is a workflow of its own beside the chunks, since it is made whole and would hold them up; it
begins again after kill −9, and what of it was published stays.
"""

from __future__ import annotations

import contextlib
import errno
import functools
import hashlib
import os
import shutil
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Concatenate, ParamSpec, TypeVar

import msgspec

from reelwright.kernel import jobs
from reelwright.kernel.clock import Clock
from reelwright.kernel.database import Database
from reelwright.kernel.errors import ReelwrightError, Terminal, Transient, Unavailable
from reelwright.kernel.ids import AssetId, PlayableId
from reelwright.kernel.objects import ObjectStore
from reelwright.kernel.telemetry import counter, logger
from reelwright.kernel.units import say_bytes
from reelwright.media.adapters import sql
from reelwright.media.adapters.encoder import Encoder
from reelwright.media.adapters.probe import probe
from reelwright.media.adapters.tryout import fitted_plan
from reelwright.media.contract import (
    BadSource,
    Package,
    RenditionPublished,
    SourceAway,
    Sprites,
    TextTrack,
    asset_folder,
)
from reelwright.media.core import assemble
from reelwright.media.core.assemble import Piece
from reelwright.media.core.plan import CHUNK_SEGMENTS, Plan, Planner
from reelwright.media.core.remarks import Flaw, remarks_on
from reelwright.media.core.verify import Unsound, verify
from reelwright.media.service import WORKFLOW, asset_id_of

P = ParamSpec("P")
R = TypeVar("R")

log = logger(__name__)
ENCODED = counter("media_encodes_total", "Encodes that ended, by how.", ("outcome",))
FILM_SECONDS = counter("media_encoded_seconds_total", "Seconds of film encoded.")

DISK_FULL = "the disk is full; free some space and the job goes on by itself"
CANCELLED = "the encode was cancelled; Studio → Jobs → Try again goes on with it"
PICTURES_PERCENT = 99.0
"""Of a job, when all pictures are made."""
_LOOK_EVERY_S = 0.5
_SPEED_SHARE = 0.2
"""Of a chunk in the speed that is told: each begins with a seek and a start of the encoder, and some are easy."""


class Workshop(msgspec.Struct, kw_only=True):
    """What the steps work with; one a process."""

    database: Database
    objects: ObjectStore
    clock: Clock
    planner: Planner
    published: RenditionPublished
    work: Path
    fitted: bool = False
    """Whether a ladder is fitted to each title by trial encodes."""
    reserve_bytes: int = 256 << 20
    """Left free on the disk: the database needs some to go on at all."""
    wait_s: float = 5.0
    """How often a job that waits for space, database or store looks again."""
    away_s: float = 60.0
    """How long it waits for a source that is not where it was; then it is the next film's turn."""
    publishing: threading.Lock = msgspec.field(default_factory=threading.Lock)
    """Chunks and sound publish the same package; an older view must never follow a newer one."""


class Cancelled(Terminal):
    """This attempt is no longer wanted: somebody cancelled it, it failed elsewhere, or another one began."""


_workshop: Workshop | None = None


def open_workshop(workshop: Workshop) -> None:
    """Give the steps of this process what they need; call before the worker starts."""
    global _workshop
    _workshop = workshop
    shutil.rmtree(workshop.work, ignore_errors=True)
    workshop.work.mkdir(parents=True)


def shop() -> Workshop:
    """The process's workshop."""
    assert _workshop is not None, "open_workshop comes before the worker"
    return _workshop


def step(
    function: Callable[Concatenate[AssetId, int, P], R],
) -> Callable[Concatenate[AssetId, int, P], R]:
    """A durable step of an attempt; while the disk is full or something does not answer it waits, and says so."""

    @functools.wraps(function)
    def patient(asset_id: AssetId, attempt: int, /, *args: P.args, **kwargs: P.kwargs) -> R:
        waited = False
        away_since: float | None = None
        while True:
            try:
                result = function(asset_id, attempt, *args, **kwargs)
            except SourceAway as error:
                away_since = away_since or time.monotonic()
                if time.monotonic() - away_since >= shop().away_s:
                    raise
                problem = str(error)
            except Transient as error:
                problem = str(error)
            except OSError as error:
                if error.errno not in (errno.ENOSPC, errno.EDQUOT):
                    raise
                problem = DISK_FULL
            else:
                if waited:
                    _say(asset_id, attempt, "")
                return result
            waited = True
            log.warning("encode waits", asset=asset_id, problem=problem)
            _say(asset_id, attempt, f"waiting: {problem}")
            time.sleep(shop().wait_s)

    return jobs.step()(patient)


@jobs.workflow(name=WORKFLOW)
def encode(asset_id: AssetId, attempt: int) -> str:
    """Make everything of one asset; returns how it ended."""
    try:
        make(asset_id, attempt)
    except Cancelled:
        outcome = "cancelled"
        tell_cancelled(asset_id, attempt)
    except SourceAway as error:
        outcome = "away"
        fail(asset_id, attempt, str(error), outcome)
    except ReelwrightError as error:
        outcome = "failed"
        fail(asset_id, attempt, str(error), anew=isinstance(error, Unsound))
    except Exception as error:
        outcome = "failed"
        log.exception("encode broke", asset=asset_id)
        fail(asset_id, attempt, f"the worker met {type(error).__name__}: {error}; its log says more")
    else:
        outcome = "done"
    ENCODED.labels(outcome).inc()
    return outcome


def make(asset_id: AssetId, attempt: int) -> None:
    """The steps in order; deterministic, as the engine asks of a workflow."""
    document = look(asset_id, attempt)
    plan = msgspec.convert(document, Plan)
    first_segment(asset_id, attempt, plan)
    sounds = jobs.start(sound, asset_id, attempt, document)
    flaws: list[Flaw] = []
    for number in range(plan.chunks):
        goes_on, found = chunk(asset_id, attempt, plan, number)
        flaws += found
        if not goes_on:
            break
    remarks = sounds.get_result()
    texts, problems = subtitles(asset_id, attempt, plan)
    sprites = pictures(asset_id, attempt, plan)
    finish(asset_id, attempt, plan, texts, sprites, flaws, remarks + problems)


@jobs.workflow(name=f"{WORKFLOW}.sound")
def sound(asset_id: AssetId, attempt: int, document: Any) -> list[str]:
    """Every sound track, one after the other; returns what is wrong with those left out."""
    plan = msgspec.convert(document, Plan)
    remarks = []
    try:
        for index in range(len(plan.info.audio)):
            remarks += [audio(asset_id, attempt, plan, index, codec) for codec in plan.audio_codecs]
    except Cancelled:
        return []
    return [remark for remark in remarks if remark]


@step
def look(asset_id: AssetId, attempt: int) -> Any:
    """Probe the source and plan its ladder."""
    row = _begin(asset_id, attempt, "probing")
    with _source(row) as source:
        info = probe(source, name=row["source_name"])
        if shop().fitted:
            with _folder() as work:
                plan = fitted_plan(shop().planner, info, source, work)
        else:
            plan = shop().planner.plan(info)
    digest = hashlib.sha256(msgspec.json.encode(plan)).hexdigest()
    stored = set(shop().objects.list(asset_folder(asset_id)))
    with shop().database.writing() as connection:
        sql.take_over_pieces(connection, asset_id, attempt, plan=digest, stored=stored)
    return msgspec.to_builtins(plan)


@step
def first_segment(asset_id: AssetId, attempt: int, plan: Plan) -> None:
    """The first two seconds of the lowest rung, and at once something that can be played."""
    with _encoder(asset_id, attempt, plan) as encoder:
        if not _pieces(asset_id, attempt):
            _keep(asset_id, attempt, encoder.first_segment())
        texts, _ = encoder.subtitles(_beside(_row(asset_id)), inside=False)
    _publish(asset_id, attempt, plan, texts=texts)


@step
def chunk(asset_id: AssetId, attempt: int, plan: Plan, number: int) -> tuple[bool, list[Flaw]]:
    """All rungs of one chunk, of the first one the lowest before the others; whether the film goes on, and flaws."""
    start, end = plan.span(number)
    if assemble.is_whole(plan, number, pieces := _pieces(asset_id, attempt)):  # an attempt before this one made it
        _set(asset_id, attempt, percent=_percent(plan, plan.seconds(end)))
        return True, assemble.flaws_of(plan, number, pieces)
    meter = _Meter(asset_id, attempt, plan, number, before=_row(asset_id)["speed"])
    with _encoder(asset_id, attempt, plan) as encoder:
        if number == 0 and (ahead := encoder.ahead(watch=_Guard(asset_id, attempt))):
            _keep(asset_id, attempt, ahead)
            _publish(asset_id, attempt, plan)
        made, flaws = encoder.chunk(number, watch=meter)
    _keep(asset_id, attempt, [msgspec.structs.replace(piece, flaws=tuple(flaws)) for piece in made])
    if made:
        _publish(asset_id, attempt, plan)
    _set(asset_id, attempt, **meter.ended())
    FILM_SECONDS.inc(plan.seconds(end - start))
    return not assemble.ends_early(plan, number, made), flaws


@step
def audio(asset_id: AssetId, attempt: int, plan: Plan, index: int, codec: str) -> str:
    """One sound track in one codec, whole: chunks of sound would click where they meet."""

    def publish(piece: Piece) -> None:
        _keep(asset_id, attempt, [piece])
        if piece.start < CHUNK_SEGMENTS:  # later ones come with the pictures, which take longer
            _publish(asset_id, attempt, plan)

    meter = _SoundMeter(asset_id, attempt, plan, index, codec)
    try:
        with _encoder(asset_id, attempt, plan) as encoder:
            whole = encoder.audio(index, codec, publish=publish, watch=meter)
    except (Cancelled, Transient):
        raise
    except ReelwrightError as error:
        return f"sound track {index + 1} was left out: {error}"
    return "" if whole else f"some of sound track {index + 1} cannot be decoded"


@step
def subtitles(asset_id: AssetId, attempt: int, plan: Plan) -> tuple[list[TextTrack], list[str]]:
    """Text from beside and inside the source; one that cannot be read is left out and named."""
    row = _begin(asset_id, attempt, "packaging")
    if plan.info.subtitles:
        _require(row)
    with _encoder(asset_id, attempt, plan, stage="packaging") as encoder:
        return encoder.subtitles(_beside(row))


def _beside(row: dict[str, Any]) -> list[tuple[str, str, str, bool]]:
    return [tuple(entry) for entry in row["subtitles"]]


@step
def pictures(asset_id: AssetId, attempt: int, plan: Plan) -> Sprites | None:
    """Trick-play sheets, poster and backdrop."""
    with _encoder(asset_id, attempt, plan, stage="packaging") as encoder:
        tracks = assemble.tracks(plan, _pieces(asset_id, attempt))
        lowest = assemble.lowest(plan, tracks)
        sprites = encoder.sprites(lowest) if lowest else None
        still, poster, backdrop = encoder.posters(assemble.duration_s(tracks)) if lowest else ("", "", "")
    shop().published(
        package=None,
        playable_id=_row(asset_id)["playable_id"],
        state="watchable",
        still=still,
        poster=poster,
        backdrop=backdrop,
    )
    return sprites


@step
def finish(
    asset_id: AssetId,
    attempt: int,
    plan: Plan,
    texts: list[TextTrack],
    sprites: Sprites | None,
    flaws: list[Flaw],
    remarks: list[str],
) -> None:
    """The whole package, verified, with everything that there is to say about the source."""
    row = _row(asset_id)
    if row["stage"] == "done":  # killed after it was written down, perhaps before anybody was told
        package = _package_of(row)
        shop().published(package=package, playable_id=package.playable_id, state="ready")
        return
    _publish(asset_id, attempt, plan, texts=texts, sprites=sprites, complete=True, flaws=flaws, remarks=remarks)


@step
def fail(asset_id: AssetId, attempt: int, problem: str, stage: str = "failed", *, anew: bool = False) -> None:
    """Tell everybody why nothing more will come; with `anew` another attempt can use nothing of this one."""
    with contextlib.suppress(Cancelled):
        _set(asset_id, attempt, stage=stage, problem=problem, eta_s=None, speed=None)
    if anew:
        with shop().database.writing() as connection:
            sql.delete_pieces(connection, asset_id)
    row = _row(asset_id)
    if row["attempt"] == attempt and row["stage"] == stage:
        log.warning("encode failed", asset=asset_id, source=row["source_name"], problem=problem)
        shop().published(package=None, playable_id=row["playable_id"], state="failed", problem=problem)


@step
def tell_cancelled(asset_id: AssetId, attempt: int) -> None:
    """Tell the catalogue, unless another attempt runs already."""
    row = _row(asset_id)
    if row["attempt"] == attempt and row["stage"] == "cancelled":
        shop().published(package=None, playable_id=row["playable_id"], state="failed", problem=CANCELLED)


def _publish(
    asset_id: AssetId,
    attempt: int,
    plan: Plan,
    *,
    texts: Sequence[TextTrack] | None = None,
    sprites: Sprites | None = None,
    complete: bool = False,
    flaws: Sequence[Flaw] = (),
    remarks: Sequence[str] = (),
) -> None:
    """Let players see what there is; what was current before goes, but for its texts where there are no others."""
    with shop().publishing:
        row = _row(asset_id)
        if texts is None:
            texts = _package_of(row).texts if row["package"] else ()
        tracks = assemble.tracks(plan, _pieces(asset_id, attempt))
        if complete:
            tracks = assemble.trimmed(tracks)
        package = Package(
            asset_id=asset_id,
            playable_id=PlayableId(row["playable_id"]),
            complete=complete,
            duration_s=assemble.duration_s(tracks) if complete else plan.seconds(plan.frames),
            tracks=tracks,
            texts=tuple(texts),
            sprites=sprites,
        )
        if complete:
            verify(package, set(shop().objects.list(package.folder)))
        data = msgspec.json.encode(package)
        name = assemble.package_name(package, data)
        shop().objects.put(name, data)
        if complete:
            _end(asset_id, attempt, name, [*remarks_on(plan, flaws, package.duration_s), *remarks])
        else:
            _set(asset_id, attempt, package=name)
        if row["package"] not in ("", name):
            shop().objects.delete(row["package"])
        state = assemble.state_of(tracks, sound=bool(plan.info.audio), complete=complete)
        shop().published(package=package, playable_id=package.playable_id, state=state)


def _end(asset_id: AssetId, attempt: int, package: str, remarks: Sequence[str]) -> None:
    """Nothing more will come; all that was written down while it was made can go."""
    ended = {"stage": "done", "percent": 100.0, "eta_s": None, "problem": "; ".join(remarks)}
    with shop().database.writing() as connection:
        if not sql.set_running(connection, asset_id, attempt, package=package, updated_ms=_now_ms(), **ended):
            raise Cancelled("this attempt has ended")
        sql.delete_pieces(connection, asset_id)


class _Guard:
    """Looks twice a second whether the attempt is still wanted."""

    def __init__(self, asset_id: AssetId, attempt: int) -> None:
        self._key = (asset_id, attempt)
        self._looked = time.monotonic()

    def __call__(self, done_s: float) -> None:
        """Hear how many seconds are done; raises Cancelled."""
        now = time.monotonic()
        if now - self._looked < _LOOK_EVERY_S:
            return
        self._looked = now
        with contextlib.suppress(Transient):  # a database that restarts is no reason to stop encoding
            _set(*self._key, **self.news(done_s))

    def news(self, _done_s: float) -> dict[str, Any]:
        """What to write down."""
        return {}


class _Meter(_Guard):
    """Writes progress down while a chunk is encoded."""

    def __init__(
        self, asset_id: AssetId, attempt: int, plan: Plan, number: int, *, before: float | None = None
    ) -> None:
        super().__init__(asset_id, attempt)
        self._speed_before = before
        start, end = plan.span(number)
        self._before_s = plan.seconds(start)
        self._length_s = plan.seconds(end - start)
        self._done_s = 0.0
        self._plan, self._total_s = plan, plan.seconds(plan.frames)
        self._began = time.monotonic()

    def news(self, done_s: float) -> dict[str, Any]:
        """Percent, speed and remaining time; ffmpeg may name a moment behind the chunk's end, and go back from it."""
        self._done_s = max(self._done_s, min(done_s, self._length_s))
        return self._told(self._speed_before or self._speed())

    def ended(self) -> dict[str, Any]:
        """The same once the chunk is published; also of one that was too short to be looked at on its way."""
        self._done_s = self._length_s
        before = self._speed_before or self._speed()
        return self._told(before + _SPEED_SHARE * (self._speed() - before))

    def _speed(self) -> float:
        return self._done_s / max(0.001, time.monotonic() - self._began)

    def _told(self, speed: float) -> dict[str, Any]:
        at_s = self._before_s + self._done_s
        left_s = (self._total_s - at_s) / speed if speed > 0 else None
        return {"percent": _percent(self._plan, at_s), "speed": round(speed, 2), "eta_s": left_s or None}


class _SoundMeter(_Guard):
    """Tells how long sound will still take, once all else waits for it."""

    def __init__(self, asset_id: AssetId, attempt: int, plan: Plan, index: int, codec: str) -> None:
        super().__init__(asset_id, attempt)
        place = index * len(plan.audio_codecs) + plan.audio_codecs.index(codec)
        self._to_do_s = (len(plan.info.audio) * len(plan.audio_codecs) - place) * plan.info.duration_s
        self._began = time.monotonic()

    def news(self, done_s: float) -> dict[str, Any]:
        """Speed and remaining time of the sound, after the last picture."""
        if _row(self._key[0])["percent"] < PICTURES_PERCENT or done_s <= 0:
            return {}
        speed = done_s / max(0.001, time.monotonic() - self._began)
        return {"speed": round(speed, 2), "eta_s": max(0.0, self._to_do_s - done_s) / speed}


def _percent(plan: Plan, at_s: float) -> float:
    return round(PICTURES_PERCENT * at_s / plan.seconds(plan.frames), 1)


@contextmanager
def _encoder(asset_id: AssetId, attempt: int, plan: Plan, *, stage: str = "encoding") -> Iterator[Encoder]:
    row = _begin(asset_id, attempt, stage)
    with _folder() as folder, _source(row, needed=stage == "encoding") as source:
        yield Encoder(
            plan=plan,
            source=source,
            asset_id=asset_id,
            objects=shop().objects,
            work=folder,
        )


@contextmanager
def _source(row: dict[str, Any], *, needed: bool = True) -> Iterator[Path]:
    """The source; where it is not there before or after what is made of it, that is what was wrong.

    What is not `needed` may fail.
    """
    if needed:
        _require(row)
    try:
        yield Path(row["source_path"])
    except BadSource:
        _require(row)
        raise
    if needed:
        _require(row)


def _require(row: dict[str, Any]) -> None:
    """Raises SourceAway."""
    away = (
        f"{row['source_name']} cannot be read: it is not where it was; put it back, or mount its disk again, and "
        "it is encoded by itself"
    )
    if not os.path.exists(row["source_path"]):  # noqa: PTH110  # `Path.exists` raises where a network drive is away
        raise SourceAway(away)
    try:
        found = asset_id_of(row["playable_id"], Path(row["source_path"]))
    except OSError as error:
        raise SourceAway(away) from error
    if found != row["id"]:
        raise SourceAway(f"{row['source_name']} has been replaced by another file; put it back, or add the other one")


@contextmanager
def _folder() -> Iterator[Path]:
    _check_room()
    folder = Path(tempfile.mkdtemp(dir=shop().work))
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _check_room() -> None:
    for folder in {shop().work, shop().objects.root or shop().work}:
        free = shutil.disk_usage(folder).free
        if free < shop().reserve_bytes:
            raise Unavailable(
                f"the disk of {folder} has {say_bytes(free)} left; free {say_bytes(shop().reserve_bytes)} and the "
                "job goes on by itself"
            )


def _begin(asset_id: AssetId, attempt: int, stage: str) -> dict[str, Any]:
    _set(asset_id, attempt, stage=stage)
    return _row(asset_id)


def _row(asset_id: AssetId) -> dict[str, Any]:
    with shop().database.reading() as connection:
        row = sql.get_asset(connection, asset_id)
    if row is None:
        raise Terminal(f"asset {asset_id} is gone")
    return row


def _package_of(row: dict[str, Any]) -> Package:
    return msgspec.json.decode(shop().objects.get(row["package"]), type=Package)


def _pieces(asset_id: AssetId, attempt: int) -> list[Piece]:
    with shop().database.reading() as connection:
        return sql.list_pieces(connection, asset_id, attempt)


def _keep(asset_id: AssetId, attempt: int, pieces: Sequence[Piece]) -> None:
    with shop().database.writing() as connection:
        sql.put_pieces(connection, asset_id, attempt, pieces)


def _set(asset_id: AssetId, attempt: int, **values: Any) -> None:
    """Change columns while the attempt runs. Raises Cancelled when it does not any more."""
    with shop().database.writing() as connection:
        if not sql.set_running(connection, asset_id, attempt, updated_ms=_now_ms(), **values):
            raise Cancelled("this attempt has ended")


def _say(asset_id: AssetId, attempt: int, problem: str) -> None:
    with contextlib.suppress(Transient, Cancelled):  # the step itself will notice
        _set(asset_id, attempt, problem=problem)


def _now_ms() -> int:
    return shop().clock.wall_ns() // 1_000_000
