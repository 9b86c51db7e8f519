"""How our rule of bitrates does over recorded links, where a checkout has them beside it; rows `abr.*`.

Read, measured, never copied. The rule was tuned on links at even places of each set; those at odd places judge it.
"""

from __future__ import annotations

import itertools
import json
import tarfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from statistics import fmean

import msgspec

from reelwright.kernel.bench import Row
from reelwright.simulate.core.peers import PEERS
from reelwright.simulate.core.playing import Bitrate, OurRule, Recorded, play

FOLDER = Path("shared") / "data" / "abr"
RTT_S = 0.08
"""Where a recording has none."""
SETS: Mapping[str, tuple[str, str]] = {
    "3g": ("sabre_3g", "bbb"),
    "4g": ("sabre_4g", "bbb4k"),
    "fcc": ("sabre_fcc_sd", "bbb"),
    "oboe": ("oboe", "bbb"),
    "puffer": ("puffer_2021-10-17_test", "bbb"),
}
"""Links and the film that goes over them."""


class Film(msgspec.Struct, frozen=True):
    """A film by its segments."""

    rungs_bps: tuple[float, ...]
    sizes_bits: list[list[float]]
    segment_s: float


class Score(msgspec.Struct, frozen=True):
    """Means over plays."""

    qoe: float
    """QoE-lin a segment (Yin et al., SIGCOMM 2015): Mb/s, less the highest rung a second stalled, less changes."""
    stalled_share: float
    shown_mbps: float


def abr() -> Iterator[Row]:
    """A row for each set of links: ours beside the best of the others."""
    folder = find_folder()
    if folder is None:
        yield Row(id="abr", what="recorded links", value=None, unit="", note="shared/data/abr is absent")
        return
    for key, (links, film) in SETS.items():
        yield _row(key, read_links(folder / f"{links}.tar.xz")[1::2], read_film(folder / f"{film}.json"))


def _row(key: str, links: Sequence[Recorded], film: Film) -> Row:
    rules: dict[str, Callable[[], Bitrate]] = {"ours": OurRule, **PEERS}
    scores = {name: score(links, film, make) for name, make in rules.items()}
    peer = max(PEERS, key=lambda name: scores[name].qoe)
    told = "; ".join(
        f"{name} {one.qoe:.2f}, {one.stalled_share:.1%} stalled, {one.shown_mbps:.2f} Mb/s"
        for name, one in scores.items()
    )
    return Row(
        id=f"abr.{key}", what="QoE-lin a segment, mean", value=round(scores["ours"].qoe, 3), unit="Mb/s", peer=peer,
        peer_value=round(scores[peer].qoe, 3), note=f"{len(links)} links that nothing was tuned on: {told}",
    )  # fmt: skip


def score(links: Sequence[Recorded], film: Film, make: Callable[[], Bitrate]) -> Score:
    """A rule over all links."""
    plays = [
        play(one, film.rungs_bps, make(), sizes_bits=film.sizes_bits, segment_s=film.segment_s, starts_with_s=0)
        for one in links
    ]
    shown = [[film.rungs_bps[rung] / 1e6 for rung in one.rungs] for one in plays]
    stalled_s = [sum(one.stalls_s) for one in plays]
    segments = len(film.sizes_bits)
    return Score(
        qoe=fmean(
            (sum(mbps) - film.rungs_bps[-1] / 1e6 * stalled - _changes(mbps)) / segments
            for mbps, stalled in zip(shown, stalled_s, strict=True)
        ),
        stalled_share=fmean(stalled_s) / segments / film.segment_s,
        shown_mbps=fmean(map(fmean, shown)),
    )


def _changes(mbps: Sequence[float]) -> float:
    return sum(abs(after - before) for before, after in itertools.pairwise(mbps))


def find_folder() -> Path | None:
    """The folder of recordings beside the checkout or above it."""
    here = Path(__file__).resolve()
    return next((parent / FOLDER for parent in here.parents if (parent / FOLDER).is_dir()), None)


def read_film(path: Path) -> Film:
    """A film of Sabre's tables."""
    told = json.loads(path.read_text("utf-8"))
    rungs_bps = tuple(1000.0 * one for one in told["bitrates_kbps"])
    return Film(rungs_bps, told["segment_sizes_bits"], told["segment_duration_ms"] / 1000)


def read_links(path: Path) -> list[Recorded]:
    """Links in the order of their names: Sabre's JSON, or lines of seconds and Mb/s; dead ones are left out."""
    found = []
    with tarfile.open(path) as archive:
        for member in sorted((one for one in archive if one.isfile()), key=lambda one: one.name):
            file = archive.extractfile(member)
            assert file is not None
            spans, rtt_s = _spans(file.read())
            if any(bps > 0 for _, bps in spans):
                found.append(Recorded(spans, rtt_s))
    return found


def _spans(data: bytes) -> tuple[list[tuple[float, float]], float]:
    if data.lstrip().startswith(b"["):
        told = json.loads(data)
        return [(one["duration_ms"] / 1000, one["bandwidth_kbps"] * 1e3) for one in told], told[0][
            "latency_ms"
        ] / 1000
    lines = [tuple(map(float, line.split()[:2])) for line in data.decode().splitlines() if line.strip()]
    spans = [(after[0] - before[0], after[1] * 1e6) for before, after in itertools.pairwise(lines)]
    return spans, RTT_S
