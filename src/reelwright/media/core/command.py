"""The encoder's command lines, as pure functions of the plan."""

from __future__ import annotations

from collections.abc import Sequence

from reelwright.media.core.plan import AudioInfo, Plan, Rung

_LEAD_S = {"mpegts": 12.0, "mpeg": 12.0}
"""These containers have no index: a seek in them lands between key frames, and only pictures after the next one can
be decoded; so a chunk is decoded from this long before its start."""
_SHORT_LEAD_S = 1.0
"""Elsewhere a seek finds the key frame before; this much makes up for rounding."""
_PLACES = ("FL", "FR", "FC", "LFE", "BL", "BR")
CRF = 23
"""Constant rate factor of x264."""
_FRAGMENTS = "+frag_keyframe+empty_moov+default_base_moof"
_TRANSFERS = {"pq": "smpte2084", "hlg": "arib-std-b67"}

_DESCRIPTIONS = (
    "MASTERING_DISPLAY_METADATA", "CONTENT_LIGHT_LEVEL", "AMBIENT_VIEWING_ENVIRONMENT", "DYNAMIC_HDR_PLUS",
    "DOVI_METADATA", "STEREO3D", "SPHERICAL", "ICC_PROFILE",
)  # fmt: skip
"""What a source's pictures say of themselves. It is not true of ours, and would go into the initialisation segment,
which has to be one for all runs of the encoder, also for those whose first picture says nothing."""
_UNDESCRIBED = ",".join(f"sidedata=mode=delete:type={kind}" for kind in _DESCRIPTIONS)


def input_options(plan: Plan, source: str, seek_s: float) -> list[str]:
    """The source, its demuxer forced, its times kept and counted from the container's start.

    That start is the probe's: `-start_at_zero` counts a transport or program stream from the first of the tracks that
    a run uses, which for the picture is another moment than for the sound.

    Pictures from the key frame before `seek_s` on are kept: a filter that wants the one at `seek_s` needs the last
    one before it, which may be old where the frame rate varies.
    """
    seek = ["-noaccurate_seek", "-ss", f"{seek_s:.6f}"] if seek_s > 0 else []
    start_s = plan.info.start_s
    zero = ["-start_at_zero"] if start_s is None else ["-itsoffset", f"{0.0 - start_s:.6f}"]
    return [
        *seek, "-copyts", *zero, "-protocol_whitelist", "file,pipe", "-f", plan.info.demuxer,
        "-i", f"file:{source}",
    ]  # fmt: skip


def video_command(
    plan: Plan,
    source: str,
    outputs: Sequence[tuple[Rung, str]],
    *,
    start: int,
    end: int,
    black: int = 0,
    quality: int | None = None,
) -> list[str]:
    """One run that makes frames [start, end) of every rung; an output is (rung, file).

    The last `black` frames do not come from the source but are black: what was there could not be decoded. `quality`
    is a constant rate factor for H.264 in place of the usual one, for trials.
    """
    graph, labels = _scalers(plan, [rung for rung, _ in outputs], start=start, end=end, black=black)
    tail = []
    for index, (rung, file) in enumerate(outputs):
        graph.append(f"{labels[index]}setpts=PTS-STARTPTS[o{index}]")
        tail += [
            "-map",
            f"[o{index}]",
            "-frames:v",
            str(end - start),
            *codec_options(plan, rung, quality=quality),
            *_muxer(plan),
            file,
        ]
    opened = input_options(plan, source, _seek_s(plan, start)) if black < end - start else []
    return [*opened, "-filter_complex", ";".join(graph), *tail]


def _seek_s(plan: Plan, frame: int) -> float:
    """Where to begin to decode so that `frame` can be shown."""
    lead_s = _LEAD_S.get(plan.info.demuxer, _SHORT_LEAD_S)
    return max(0.0, plan.seconds(frame) + plan.info.video_start_s - lead_s)


def _scalers(plan: Plan, rungs: list[Rung], *, start: int, end: int, black: int) -> tuple[list[str], list[str]]:
    """Filters that scale each size from the next larger one, and the label of each rung's picture."""
    sizes = sorted({(rung.width, rung.height) for rung in rungs}, reverse=True)
    users = {size: [index for index, rung in enumerate(rungs) if (rung.width, rung.height) == size] for size in sizes}
    graph, labels = _largest(plan, sizes[0], start=start, end=end, black=black), [""] * len(rungs)
    for place, size in enumerate(sizes):
        last = place == len(sizes) - 1
        outs = [f"[r{index}]" for index in users[size]] + ([] if last else [f"[s{place}]"])
        shrink = "" if place == 0 else f"[s{place - 1}]scale={size[0]}:{size[1]}:flags=bicubic,setsar=1,"
        feed = shrink or "[top]"
        split = f"split={len(outs)}" if len(outs) > 1 else "null"
        graph.append(f"{feed}{split}{''.join(outs)}")
        for index in users[size]:
            labels[index] = f"[r{index}]"
    return graph, labels


def _largest(plan: Plan, size: tuple[int, int], *, start: int, end: int, black: int) -> list[str]:
    """Frames [start, end) at the largest size, as `[top]`."""
    rate = f"{plan.frame_rate[0]}/{plan.frame_rate[1]}"
    # A last picture whose container does not say how long it lasts would be dropped, were it not repeated once.
    picture = (
        f"[0:{plan.info.video_stream}]setpts=PTS-{plan.info.video_start_s:.6f}/TB,{_deinterlaced(plan)}"
        f"tpad=stop=1:stop_mode=clone,fps=fps={rate}:start_time={plan.seconds(start):.6f}:round=near,"
        f"{standard_picture(plan, *size)}"
    )
    if not black:
        return [f"{picture}[top]"]
    dark = f"color=c=black:s={size[0]}x{size[1]}:r={rate},trim=end_frame={black},format=yuv420p,setsar=1"
    if black >= end - start:
        return [f"{dark}[top]"]
    kept = end - start - black
    return [
        f"{picture},trim=end_frame={kept},setpts=N/({rate})/TB[seen]",
        f"{dark}[dark]",
        "[seen][dark]concat=n=2[top]",
    ]


def _deinterlaced(plan: Plan) -> str:
    return "bwdif=mode=send_frame:deint=interlaced," if plan.info.interlaced else ""


def standard_picture(plan: Plan, width: int, height: int) -> str:
    """Filters that bring a picture to a size in square pixels, 8 bits, limited range, standard dynamic range."""
    scale = f"{_UNDESCRIBED},scale={width}:{height}:flags=bicubic:out_range=limited,setsar=1"
    if plan.info.transfer == "sdr":
        return f"{scale},format=yuv420p"
    transfer = _TRANSFERS[plan.info.transfer]
    return (
        f"{scale},setparams=color_primaries=bt2020:color_trc={transfer}:colorspace=bt2020nc,"
        "zscale=t=linear:npl=203,format=gbrpf32le,zscale=p=bt709,tonemap=tonemap=mobius:desat=0,"
        "zscale=t=bt709:m=bt709:r=limited,format=yuv420p"
    )


def codec_options(plan: Plan, rung: Rung, *, quality: int | None = None) -> list[str]:
    """Encoder settings: capped constant quality, one closed group of pictures a segment, threads pinned."""
    group = str(plan.segment_frames)
    common = ["-g", group, "-threads", str(plan.threads), *_PLAIN]
    if rung.codec == "h264":
        return [
            "-c:v", "libx264", "-preset", plan.preset, "-profile:v", "high", "-crf", str(quality or CRF),
            "-maxrate", str(rung.cap_bps), "-bufsize", str(2 * rung.cap_bps), "-keyint_min", group,
            "-sc_threshold", "0", "-x264-params", "stitchable=1:open-gop=0:force-cfr=1", *common,
        ]  # fmt: skip
    # One thread: with more, SVT-AV1's capped quality depends on timing, and a chunk done again would differ.
    speed = {"ultrafast": "12", "veryfast": "9", "medium": "7"}.get(plan.preset, "8")
    return [
        "-c:v", "libsvtav1", "-preset", speed, "-crf", "35", "-maxrate", str(rung.cap_bps),
        "-bufsize", str(2 * rung.cap_bps), "-svtav1-params", "irefresh-type=2:scd=0:lp=1", *common,
    ]  # fmt: skip


_PLAIN = ("-map_metadata", "-1", "-map_chapters", "-1")
"""Nothing but the essence: chapters would become a second track."""


def vmaf_command(plan: Plan, source: str, files: Sequence[str], *, start: int, end: int) -> list[str]:
    """How each file of frames [start, end) looks beside the source at the largest rung's size, as JSON beside it."""
    size = (plan.rungs[0].width, plan.rungs[0].height)
    labels = "".join(f"[s{index}]" for index in range(len(files)))
    graph = [
        *_largest(plan, size, start=start, end=end, black=0),
        f"[top]setpts=PTS-STARTPTS,split={len(files)}{labels}",
    ]
    for index, file in enumerate(files):
        graph.append(
            f"[{index + 1}:v]scale={size[0]}:{size[1]}:flags=bicubic,setsar=1,setpts=PTS-STARTPTS[d{index}];"
            f"[d{index}][s{index}]libvmaf=shortest=1:n_subsample=5:n_threads={plan.threads}:log_fmt=json:"
            f"log_path={file}.json[v{index}]"
        )
    opened = [word for file in files for word in ("-f", "mov", "-i", f"file:{file}")]
    shown = [word for index in range(len(files)) for word in ("-map", f"[v{index}]", "-f", "null", "-")]
    return [*input_options(plan, source, _seek_s(plan, start)), *opened, "-filter_complex", ";".join(graph), *shown]


def _muxer(plan: Plan) -> list[str]:
    return ["-video_track_timescale", str(plan.timescale), "-movflags", _FRAGMENTS, "-f", "mp4"]


def audio_command(plan: Plan, source: str, audio: AudioInfo, codec: str, file: str) -> list[str]:
    """One run that makes a whole sound track, aligned with the first picture, mixed down to stereo on purpose.

    It is written fragment by fragment, so that its beginning can be heard while the rest is made.
    """
    offset = plan.info.video_start_s
    align = f"asetpts=PTS-{offset:.6f}/TB,aresample=48000:async=1:first_pts=0,aformat=channel_layouts=stereo"
    encoder = ["-c:a", "aac", "-b:a", "128k"] if codec == "aac" else ["-c:a", "libopus", "-b:a", "96k"]
    return [
        *input_options(plan, source, 0), "-filter_complex", f"{_channels(audio)}{align}[sound]", "-map", "[sound]",
        "-t", f"{plan.info.duration_s:.6f}", *encoder, *_PLAIN, "-movflags", "+empty_moov+default_base_moof",
        "-frag_duration", "2000000", "-flush_packets", "1", "-f", "mp4", file,
    ]  # fmt: skip


def _channels(audio: AudioInfo) -> str:
    """Where the sound comes from: a track, or several that are joined."""
    tracks = (audio.stream, *audio.others)
    feeds = "".join(f"[0:{stream}]" for stream in tracks)
    if len(tracks) == 1:
        return feeds
    layout = "stereo" if len(tracks) == 2 else "5.1"
    places = "|".join(f"{index}.0-{place}" for index, place in enumerate(_PLACES[: len(tracks)]))
    return f"{feeds}join=inputs={len(tracks)}:channel_layout={layout}:map={places},"


def look_command(plan: Plan, source: str, frame: int, file: str) -> list[str]:
    """A tiny picture of the two seconds after `frame`: no file comes out when nothing there can be decoded."""
    at_s = plan.seconds(frame) + plan.info.video_start_s
    return [
        *input_options(plan, source, _seek_s(plan, frame)), "-map", f"0:{plan.info.video_stream}", "-vf",
        f"trim=start={at_s:.6f}:duration=2,scale=16:16", "-frames:v", "1", *_JPEG, "-update", "1", file,
    ]  # fmt: skip


def picture_command(plan: Plan, source: str, at_s: float, outputs: list[tuple[int, int, str]]) -> list[str]:
    """JPEGs of the moment `at_s`, each (width, height, file) filled by cropping; the most typical of fifty frames."""
    ends = "".join(f"[p{index}]" for index in range(len(outputs)))
    shown = (plan.info.width // 2 * 2 or 2, plan.info.height // 2 * 2 or 2)
    graph = [
        f"[0:{plan.info.video_stream}]{_deinterlaced(plan)}thumbnail=50,{standard_picture(plan, *shown)},"
        f"split={len(outputs)}{ends}"
    ]
    tail = []
    for index, (width, height, file) in enumerate(outputs):
        fill = f"scale={width}:{height}:force_original_aspect_ratio=increase,crop={width}:{height},setsar=1"
        graph.append(f"[p{index}]{fill}[f{index}]")
        tail += ["-map", f"[f{index}]", "-frames:v", "1", "-q:v", "4", *_JPEG, "-update", "1", file]
    return [*input_options(plan, source, at_s + plan.info.video_start_s), "-filter_complex", ";".join(graph), *tail]


_JPEG = ("-c:v", "mjpeg", "-pix_fmt", "yuvj420p", *_PLAIN, "-f", "image2")


def sprite_command(segments: str, tile: tuple[int, int], grid: tuple[int, int], pattern: str) -> list[str]:
    """Sheets of small pictures, one for the key frame of each segment in the file `segments`, which we made."""
    shrink = f"scale={tile[0]}:{tile[1]},setsar=1,tile={grid[0]}x{grid[1]}"
    return [
        "-skip_frame", "nokey", "-protocol_whitelist", "file,pipe", "-f", "mov", "-i", f"file:{segments}",
        "-fps_mode", "passthrough", "-vf", shrink, "-q:v", "6", *_JPEG, pattern,
    ]  # fmt: skip


def subtitle_command(plan: Plan, source: str, outputs: Sequence[tuple[int, str]]) -> list[str]:
    """Embedded text tracks as SubRip, each (stream, file), from one reading of the source."""
    made = [word for stream, file in outputs for word in ("-map", f"0:{stream}", "-c:s", "srt", "-f", "srt", file)]
    return [*input_options(plan, source, 0), *made]
