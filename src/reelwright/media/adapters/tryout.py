"""Trial encodes of a source, from which a ladder is fitted to it."""

from __future__ import annotations

import json
from collections import defaultdict
from pathlib import Path

from msgspec.structs import replace

from reelwright.kernel.telemetry import logger
from reelwright.media.adapters import ffmpeg
from reelwright.media.contract import BadSource
from reelwright.media.core import command
from reelwright.media.core.ladder import Trial
from reelwright.media.core.plan import Plan, Planner, Rung, SourceInfo

PLACES = 3
"""Segments that are tried, equally far apart."""
QUALITIES = (23, 31, 39)
"""Constant rate factors of x264; the first is what rungs are encoded with."""
UNCAPPED_BPS = 500_000_000
log = logger(__name__)


def fitted_plan(planner: Planner, info: SourceInfo, source: Path, work: Path) -> Plan:
    """The plan after trials, without them where they cannot be made.

    Costs an encode and a measurement of six seconds for each size and quality. Raises BadSource.
    """
    first = planner.plan(info)
    try:
        trials = try_out(first, source, work)
    except BadSource as error:  # an ffmpeg without libvmaf, or a film that the encode will complain about
        log.warning("ladder_not_fitted", problem=str(error))
        return first
    return planner.plan(info, trials)


def try_out(plan: Plan, source: Path, work: Path) -> list[Trial]:
    """Every size of the plan's H.264 rungs at every quality; files are written to `work`. Raises BadSource."""
    rungs = {rung.height: rung for rung in plan.rungs if rung.codec == "h264"} or {
        rung.height: replace(rung, codec="h264") for rung in plan.rungs
    }
    tried = [replace(rung, cap_bps=UNCAPPED_BPS) for rung in rungs.values()]
    found: defaultdict[tuple[int, int], list[tuple[float, float]]] = defaultdict(list)
    for start in places(plan):
        for quality in QUALITIES:
            for rung, one in zip(tried, _try(plan, source, work, tried, start, quality), strict=True):
                found[min(rung.width, rung.height), quality].append(one)
    return [
        Trial(side, sum(bps for bps, _ in many) / len(many), sum(seen for _, seen in many) / len(many))
        for (side, _), many in found.items()
    ]


def places(plan: Plan) -> list[int]:
    """First frames of the segments that are tried."""
    segments = max(1, plan.frames // plan.segment_frames)
    wanted = {segments * (2 * place + 1) // (2 * PLACES) for place in range(PLACES)}
    return [plan.segment_frames * segment for segment in sorted(wanted)]


def _try(
    plan: Plan, source: Path, work: Path, rungs: list[Rung], start: int, quality: int
) -> list[tuple[float, float]]:
    """(bits a second, VMAF) of each rung over one segment."""
    end = min(plan.frames, start + plan.segment_frames)
    files = [f"try-{rung.id}.mp4" for rung in rungs]
    outputs = list(zip(rungs, files, strict=True))
    made = command.video_command(plan, str(source), outputs, start=start, end=end, quality=quality)
    ffmpeg.run(made, source=source, work=work, watch=_unwatched)
    ffmpeg.run(
        command.vmaf_command(plan, str(source), files, start=start, end=end),
        source=source,
        work=work,
        watch=_unwatched,
    )
    seconds = plan.seconds(end - start)
    return [((work / file).stat().st_size * 8 / seconds, _vmaf(work / f"{file}.json")) for file in files]


def _vmaf(told: Path) -> float:
    mean: float = json.loads(told.read_bytes())["pooled_metrics"]["vmaf"]["mean"]
    return mean


def _unwatched(_done_s: float) -> None:
    """Nobody watches."""
