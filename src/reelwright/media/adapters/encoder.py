"""Encodes parts of one source and publishes them under content-hash names."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import msgspec

from reelwright.kernel.ids import AssetId
from reelwright.kernel.objects import ObjectStore, content_name
from reelwright.media.adapters import ffmpeg
from reelwright.media.adapters.sources import open_source
from reelwright.media.contract import BadSource, Segment, Sprites, TextTrack, Track, asset_folder
from reelwright.media.core import assemble, cmaf, command
from reelwright.media.core.assemble import Piece
from reelwright.media.core.language import clean_label, language_code, language_name, variant_name
from reelwright.media.core.plan import Plan, Rung, places_to_look
from reelwright.media.core.remarks import Flaw
from reelwright.media.core.sound import Cut, Cutter
from reelwright.media.core.subtitles import LARGEST_BYTES, to_webvtt

Watch = Callable[[float], None]
"""Hears, a few times a second, how many seconds of film are done; may raise to stop the encoder."""

_GRID = (5, 5)
_TILE_WIDTH = 160
STILL, POSTER, BACKDROP = (640, 360), (480, 720), (1600, 900)


def unwatched(_done_s: float) -> None:
    """Nobody watches."""


class Encoder:
    """Works on one source in one folder of its own."""

    def __init__(self, *, plan: Plan, source: Path, asset_id: AssetId, objects: ObjectStore, work: Path) -> None:
        self._plan = plan
        self._source = source
        self._folder = asset_folder(asset_id)
        self._objects = objects
        self._work = work

    def first_segment(self) -> list[Piece]:
        """Segment 0 of the lowest rung."""
        plan = self._plan
        return self._filled([plan.first_rung], 0, min(plan.frames, plan.segment_frames), unwatched)[0]

    def ahead(self, *, watch: Watch = unwatched) -> list[Piece]:
        """The rest of the first chunk in the lowest rung, where others follow.

        Alone it is made several times as fast as all together: whoever begins at once does not run out of film.
        """
        plan = self._plan
        start, end = plan.segment_frames, plan.span(0)[1]
        return self._filled([plan.first_rung], start, end, watch)[0] if self._others and start < end else []

    def chunk(self, number: int, *, watch: Watch = unwatched) -> tuple[list[Piece], list[Flaw]]:
        """Every rung of chunk `number`, and its flaws; what was made before stays as it is.

        Where pictures are missing but come again later, black ones stand in. Where none comes any more the chunk
        ends early (`assemble.ends_early`).
        """
        plan, span = self._plan, self._plan.span(number)
        if number == 0 and self._others:
            return self._filled(self._others, *span, watch)
        return self._filled(plan.rungs, *span, watch, begun=plan.first_rung if number == 0 else None)

    @property
    def _others(self) -> list[Rung]:
        return [rung for rung in self._plan.rungs if rung != self._plan.first_rung]

    def _filled(
        self, rungs: Sequence[Rung], start: int, end: int, watch: Watch, *, begun: Rung | None = None
    ) -> tuple[list[Piece], list[Flaw]]:
        plan = self._plan
        made, refused = self._video(rungs, start, end, watch, begun=begun)
        flaws = [Flaw("damaged", plan.seconds(start), plan.seconds(end))] if refused else []
        reached = max((piece.end(plan) for piece in made), default=start)
        again = None if reached >= end else self._find_picture(reached, end)
        if again is None:
            return made, flaws
        again = min(again, end)
        made, _ = self._video(rungs, start, again, watch, begun=begun, black=again - reached)
        flaws.append(Flaw("black", plan.seconds(reached), plan.seconds(again)))
        if again == end:
            return made, flaws
        after, others = self._filled(rungs, again, end, watch)
        return made + after, flaws + others

    def _find_picture(self, reached: int, end: int) -> int | None:
        """The segment where pictures come again after those that end at `reached`; None where none comes."""
        file = self._work / "look.jpg"
        for place in places_to_look(self._plan, reached, end):
            self._run(command.look_command(self._plan, str(self._source), place, file.name))
            if file.exists():
                file.unlink()
                return place
        return None

    def _video(
        self, rungs: Sequence[Rung], start: int, end: int, watch: Watch, *, begun: Rung | None, black: int = 0
    ) -> tuple[list[Piece], int]:
        outputs = [(rung, f"{rung.id}.mp4") for rung in rungs]
        arguments = command.video_command(self._plan, str(self._source), outputs, start=start, end=end, black=black)
        refused = self._run(arguments, watch)
        made = [self._publish_video(rung, file, start, begun=rung == begun) for rung, file in outputs]
        return [piece for piece in made if piece.segments], refused

    def _publish_video(self, rung: Rung, file: str, start: int, *, begun: bool) -> Piece:
        plan = self._plan
        essence = cmaf.read_essence((self._work / file).read_bytes())
        start += plan.segment_frames if begun else 0
        samples = essence.samples[plan.segment_frames :] if begun else essence.samples
        timed = [msgspec.structs.replace(sample, duration=plan.frame_ticks) for sample in samples]
        number = start // plan.segment_frames
        return Piece(
            track=rung.id,
            start=number,
            kind="video",
            codec=cmaf.codec_string(essence.entry),
            timescale=plan.timescale,
            init=self._put(cmaf.write_init(essence, width=rung.width, height=rung.height), ".mp4"),
            segments=tuple(self._segments(timed, plan.segment_frames, number, start * plan.frame_ticks)),
            width=rung.width,
            height=rung.height,
        )

    def audio(self, index: int, codec: str, *, publish: Callable[[Piece], None], watch: Watch = unwatched) -> bool:
        """Sound track `index` in one codec, from one run; `publish` gets each piece as soon as it is there.

        Returns whether all of it could be decoded.
        """
        file = self._work / f"a{index}-{codec}.mp4"
        file.touch()
        cutter = Cutter()
        with file.open("rb") as growing:

            def take(*, last: bool = False) -> None:
                for cut in cutter.feed(growing.read(), last=last):
                    publish(self._sound_piece(index, codec, cutter.reader, cut))

            def look(done_s: float) -> None:
                watch(done_s)
                take()

            audio = self._plan.info.audio[index]
            refused = self._run(command.audio_command(self._plan, str(self._source), audio, codec, file.name), look)
            take(last=True)
        return not refused

    def _sound_piece(self, index: int, codec: str, reader: cmaf.Reader, cut: Cut) -> Piece:
        info = self._plan.info.audio[index]
        header = cmaf.Essence(reader.timescale, reader.entry, ())
        init = cmaf.write_init(header, language=info.language)
        return Piece(
            track=f"a{index}-{codec}",
            start=cut.number,
            kind="audio",
            codec=cmaf.codec_string(reader.entry),
            timescale=reader.timescale,
            init=self._put(init, ".mp4"),
            segments=tuple(self._segments(cut.samples, cut.step, cut.number, cut.ticks)),
            language=info.language,
            label=info.title,
            default=info.default,
        )

    def _segments(self, samples: Sequence[cmaf.Sample], step: int, number: int, ticks: int) -> Iterator[Segment]:
        for cut in range(0, len(samples), step):
            some = samples[cut : cut + step]
            data = cmaf.write_segment(some, number=number + cut // step + 1, start=ticks)
            duration = sum(sample.duration for sample in some)
            yield Segment(self._put(data, ".m4s"), duration, len(data))
            ticks += duration

    def _put(self, data: bytes, suffix: str) -> str:
        name = content_name(self._folder, data, suffix)
        if self._objects.size(name) != len(data):
            self._objects.put(name, data)
        return name

    def _run(self, arguments: list[str], watch: Watch = unwatched) -> int:
        return ffmpeg.run(arguments, source=self._source, work=self._work, watch=watch)

    def subtitles(
        self, beside: list[tuple[str, str, str, bool]], *, inside: bool = True
    ) -> tuple[list[TextTrack], list[str]]:
        """Every text track that can be read, those beside the source first, and what was wrong with the others.

        Those `inside` take a reading of the whole source.
        """
        found: list[TextTrack] = []
        problems: list[str] = []
        for path, language, label, forced in beside:
            named = variant_name(language) or language_name(language_code(language))
            told = clean_label(label)
            shown = f"{named} ({told})" if told and language_code(language) != "und" else told
            self._add_text(found, problems, Path(path), language, shown, forced)
        tracks = self._plan.info.subtitles if inside else ()
        files = [self._work / f"track {place + 1} of the film" for place in range(len(tracks))]
        outputs = [(info.stream, file.name) for info, file in zip(tracks, files, strict=True)]
        refused = self._texts(outputs) if outputs else {}
        for info, file in zip(tracks, files, strict=True):
            if file.name in refused:
                problems.append(f"subtitle {file.name} cannot be read: {refused[file.name]}")
            else:
                shift_ms = -round(1000 * self._plan.info.video_start_s)
                self._add_text(found, problems, file, info.language, info.title, info.forced, shift_ms)
        return found, problems

    def _texts(self, outputs: list[tuple[int, str]]) -> dict[str, BadSource]:
        """Write embedded text tracks in one run; where that fails one by one, and returns why some cannot be made."""
        try:
            self._run(command.subtitle_command(self._plan, str(self._source), outputs))
        except BadSource as error:
            if len(outputs) == 1:
                return {outputs[0][1]: error}
            return {file: why for output in outputs for file, why in self._texts([output]).items()}
        return {}

    def _add_text(
        self,
        found: list[TextTrack],
        problems: list[str],
        path: Path,
        language: str,
        label: str,
        forced: bool,
        shift_ms: int = 0,
    ) -> None:
        code = language_code(language)
        try:
            with open_source(path, f"subtitle {path.name}") as file:
                data = file.read(LARGEST_BYTES + 1)
            text = to_webvtt(data, path.name, language=code, shift_ms=shift_ms)
        except BadSource as error:
            problems.append(str(error))
            return
        name = self._put(text.encode(), ".vtt")
        shown = clean_label(label) or variant_name(language) or (f"{language_name(code)} (forced)" if forced else "")
        found.append(TextTrack(id=f"t{len(found)}", language=code, label=shown, name=name, forced=forced))

    def sprites(self, lowest: Track) -> Sprites | None:
        """Sheets of small pictures: key frames of the lowest rung, which is small and ours."""
        segment_s = lowest.segments[0].duration / lowest.timescale
        every = assemble.sprite_step(len(lowest.segments), segment_s)
        with (self._work / "lowest.mp4").open("wb") as file:
            for name in (lowest.init, *(segment.name for segment in lowest.segments[::every])):
                file.write(self._objects.get(name))
        tile = (_TILE_WIDTH, max(2, 2 * round(_TILE_WIDTH * lowest.height / lowest.width / 2)))
        self._run(command.sprite_command("lowest.mp4", tile, _GRID, "sprite-%03d.jpg"))
        names = tuple(self._put(path.read_bytes(), ".jpg") for path in sorted(self._work.glob("sprite-*.jpg")))
        if not names:
            return None
        return Sprites(
            names=names,
            columns=_GRID[0],
            rows=_GRID[1],
            tile_width=tile[0],
            tile_height=tile[1],
            interval_s=every * segment_s,
        )

    def posters(self, end_s: float) -> tuple[str, str, str]:
        """A still, a poster and a backdrop from a third into a film of `end_s`; empty names where none came."""
        sizes = {"still.jpg": STILL, "poster.jpg": POSTER, "backdrop.jpg": BACKDROP}
        outputs = [(*size, file) for file, size in sizes.items()]
        with contextlib.suppress(BadSource):  # damaged just there: a film without a poster is a film
            self._run(command.picture_command(self._plan, str(self._source), 0.35 * end_s, outputs))
        files = [self._work / file for file in sizes]
        whole = all(file.exists() and file.stat().st_size for file in files)
        names = [self._put(file.read_bytes(), ".jpg") if whole else "" for file in files]
        return names[0], names[1], names[2]
