"""Lab: which rung of the ladder comes next, over links that sag, in the player's model of `simulate`."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from random import Random
from typing import Any

import msgspec

from reelwright.practice.adapters.sandbox import Bounds
from reelwright.practice.labs.drawing import picture
from reelwright.practice.labs.lab import Decider, Judged, Lab, Prediction
from reelwright.practice.labs.objects import DRIVER, Remote, own, whole
from reelwright.simulate.core.peers import Bola, ByBuffer, ByThroughput
from reelwright.simulate.core.playing import (
    BUFFER_MOST_S,
    SEGMENT_S,
    Bitrate,
    BySegment,
    Known,
    OurRule,
    Play,
    even_sizes,
    play,
)
from reelwright.simulate.core.scenarios import NETWORKS, QUIET, Network

RUNGS_BPS = QUIET.rungs_bps
PLAYS, SEGMENTS = 16, 90
SAGS, COMES_BACK, LEFT = 0.03, 0.25, 0.3
"""Chance a segment that a link sags and that it comes back; what is left meanwhile."""
MOST_STALLED, LEAST_QUALITY, MOST_SWITCHES = 0.03, 0.85, 4.0
BRIEF = """\
Write `class Bitrate` with `choose(self, known)`: the place in the ladder of the next segment. A new object is made
for each play.

`known` has `rungs_bps` (the ladder, lowest first), `buffer_s` (seconds that are there and not yet played; 30 at
most), `rung` (of the segment before; -1 for the first) and `speeds_bps` (measured with the segments before, round
trip included, at most 20, the latest last). A segment is 4 seconds of film. Its speed is that of the network while it
comes: what was measured is over. DSL and mobile networks are the simulation's, and for some segments a link sags to
30 %.

It passes when over 32 plays of six minutes the picture stands still for at most 3 % of the time, the quality is at
least 0.85 of what the mean speed of each play would carry (both as logarithms over the lowest rung), and there are
at most 4 rungs of change a minute. Who goes by throughput alone does not pass, nor does who goes by the buffer alone.
"""


class Asked:
    """The person's policy, held to the ladder."""

    def __init__(self, remote: Remote) -> None:
        self._remote = remote

    def choose(self, known: Known) -> int:
        """Their choice. Raises Broken."""
        answer = self._remote.call("choose", msgspec.structs.asdict(known))
        return whole(answer, "choose", most=len(known.rungs_bps) - 1)


class Watched(msgspec.Struct, frozen=True):
    """A play over one link."""

    network: Network
    speeds_bps: list[float]
    play: Play

    @property
    def stalled_s(self) -> float:
        """Seconds for which the picture stood still."""
        return sum(self.play.stalls_s)


def judge(decider: Decider, seed: int) -> Judged:
    """Every link through the model of the player."""
    found = []
    for number, (network, speeds) in enumerate(links(seed)):
        asked: Bitrate = Asked(Remote(decider, f"play {number}", "Bitrate"))
        link = BySegment(speeds, network.rtt_ms / 1000)
        film = play(link, RUNGS_BPS, asked, sizes_bits=even_sizes(RUNGS_BPS, SEGMENTS))
        found.append(Watched(network, speeds, film))
    watched_s = len(found) * SEGMENTS * SEGMENT_S
    stalled = sum(one.stalled_s for one in found) / watched_s
    quality = _quality(found)
    switches = sum(_changes(one.play) for one in found) / (watched_s / 60)
    reason, worst = _tell(found, stalled, quality, switches)
    return Judged(
        passed=not reason, reason=reason, picture=_draw(worst) if reason else "",
        measures={"stalled_share": stalled, "quality_lost": 1 - quality, "rungs_a_minute": switches},
    )  # fmt: skip


def links(seed: int) -> Iterator[tuple[Network, list[float]]]:
    """Links of two networks, each with the speed of every segment."""
    chance = Random(f"bitrate|{seed}")  # noqa: S311 (repeatable, not secret)
    for network in NETWORKS[1:]:
        for _ in range(PLAYS):
            bps, broken, speeds = network.median_bps * chance.lognormvariate(0, network.spread), False, []
            for _ in range(SEGMENTS):
                broken ^= chance.random() < (COMES_BACK if broken else SAGS)
                speeds.append(bps * (LEFT if broken else 1.0) * chance.lognormvariate(0, network.jitter))
            yield network, speeds


def _quality(found: Sequence[Watched]) -> float:
    shown = sum(math.log2(RUNGS_BPS[rung] / RUNGS_BPS[0]) for one in found for rung in one.play.rungs)
    return shown / sum(SEGMENTS * _carried(one.speeds_bps) for one in found)


def _carried(speeds_bps: Sequence[float]) -> float:
    """What the mean speed carries; bytes take their time, so that the mean is the harmonic one."""
    mean = len(speeds_bps) / sum(1 / bps for bps in speeds_bps)
    return math.log2(min(max(mean, RUNGS_BPS[0]), RUNGS_BPS[-1]) / RUNGS_BPS[0])


def _changes(one: Play) -> int:
    return sum(abs(after - before) for before, after in zip(one.rungs, one.rungs[1:], strict=False))


def _tell(found: Sequence[Watched], stalled: float, quality: float, switches: float) -> tuple[str, Watched]:
    """What fails, and the play that shows it best."""
    if stalled > MOST_STALLED:
        worst = max(found, key=lambda one: one.stalled_s)
        said = f"the picture stands still for {stalled:.1%} of the time, more than {MOST_STALLED:.0%}"
        at = max(range(SEGMENTS), key=worst.play.stalls_s.__getitem__)
        said += (
            f"; worst on {worst.network.key}: {worst.stalled_s:.0f} s, of which {worst.play.stalls_s[at]:.1f} s "
            f"before segment {at + 1}, asked for at {RUNGS_BPS[worst.play.rungs[at]] / 1e6:.2f} Mb/s over "
            f"{worst.speeds_bps[at] / 1e6:.2f}"
        )
        return said, worst
    if quality < LEAST_QUALITY:
        lost = min(found, key=lambda one: sum(one.play.rungs) - SEGMENTS * _carried(one.speeds_bps))
        return f"{quality:.2f} of the quality that the links carry, less than {LEAST_QUALITY}", lost
    most = max(found, key=lambda one: _changes(one.play))
    if switches > MOST_SWITCHES:
        return (
            f"{switches:.1f} rungs changed a minute, more than {MOST_SWITCHES:g}; {_changes(most.play)} in a play "
            f"on {most.network.key}"
        ), most
    return "", most


def _draw(one: Watched) -> str:
    """The rung asked for and what the link carried, segment by segment, with stalls; below it the buffer."""
    wide, top = 560 / SEGMENTS, math.log2(RUNGS_BPS[-1] / RUNGS_BPS[0])

    def height(bps: float) -> float:
        return 10 + 90 * min(1.0, max(0.0, math.log2(max(bps, 1.0) / RUNGS_BPS[0]) / top))

    carried = "".join(
        f'<rect class="batch" x="{20 + wide * at:.1f}" y="{120 - height(bps):.1f}" width="{wide - 1:.1f}" '
        f'height="{height(bps):.1f}"/>'
        for at, bps in enumerate(one.speeds_bps)
    )
    asked = "".join(
        f'<circle class="{"wrong" if stall > 0 else "allowed"}" cx="{20 + wide * (at + 0.5):.1f}" '
        f'cy="{120 - height(RUNGS_BPS[rung]):.1f}" r="{4 if stall > 0 else 2}"/>'
        for at, (rung, stall) in enumerate(zip(one.play.rungs, one.play.stalls_s, strict=True))
    )
    buffer = " ".join(
        f"{20 + wide * (at + 0.5):.1f},{174 - 44 * seconds / BUFFER_MOST_S:.1f}"
        for at, seconds in enumerate(one.play.buffers_s)
    )
    return picture(
        f"One play on {one.network.key}: columns for what the link carried, dots for the rung asked for, "
        "large where the picture stood still, and below them the buffer",
        f'{carried}{asked}<polyline class="axis" fill="none" points="{buffer}"/>',
        height=180,
        across=f"six minutes, a segment each {SEGMENT_S:g} s",
        up="bits a second, each doubling as high",
        key={
            "batch": "carried",
            "allowed": "asked for",
            "wrong": "stood still",
            "axis": f"buffer, up to {BUFFER_MOST_S:g} s",
        },
    )


class _Fed:
    """One of our own, told in the words of JSON."""

    def __init__(self, bitrate: Bitrate) -> None:
        self._bitrate = bitrate

    def choose(self, known: Mapping[str, Any]) -> int:
        return self._bitrate.choose(Known(**known))


def _policy(make: Callable[[], Bitrate]) -> Callable[[], Decider]:
    return lambda: own(Bitrate=lambda: _Fed(make()))


LAB = Lab(
    id="bitrate",
    title="Which rung comes next, when links sag",
    brief=BRIEF,
    driver=DRIVER,
    judge=judge,
    policies={
        "reelwright": _policy(OurRule),
        "textbook, by throughput": _policy(ByThroughput),
        "textbook, by buffer (BBA)": _policy(ByBuffer),
        "textbook, BOLA": _policy(Bola),
    },
    predicts=Prediction(
        asks="For what share of the time (0 to 1) does the picture stand still for who goes by throughput alone?",
        measure="stalled_share",
        policy="textbook, by throughput",
    ),
    shows=(("domain", 5), ("design", 4), ("reliability", 4)),
    bounds=Bounds(cpu_s=40, wall_s=110),
)
