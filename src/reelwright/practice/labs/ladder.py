"""Lab: the rungs that a title is encoded in, from trial encodes of it, watched by a made-up audience."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Mapping, Sequence
from random import Random
from typing import Any

import msgspec

from reelwright.media.core.ladder import FittedLadder, Hull, Ladder, Step, TableLadder, Trial
from reelwright.practice.adapters.sandbox import Bounds
from reelwright.practice.contract import Broken
from reelwright.practice.labs.drawing import picture
from reelwright.practice.labs.lab import Decider, Judged, Lab, Prediction
from reelwright.practice.labs.objects import DRIVER, Remote, own, whole
from reelwright.simulate.core.playing import SEGMENT_S, BySegment, OurRule, play
from reelwright.simulate.core.scenarios import NETWORKS, Network

SIDES = (2160, 1440, 1080, 720, 540, 360, 234)
SOURCES = (2160, 1080, 1080, 720)
"""Short sides of sources, one after the other."""
DISPLAYS = (720, 1080, 1080, 2160)
"""Short sides of what people watch on: a phone, two televisions, a large one."""
FILMS, VIEWERS, SEGMENTS, MOST_STEPS = 16, 16, 40, 20
TRIED = (1.0, 0.45, 0.2, 0.09)
"""Each size is tried at these shares of what constant quality takes."""
EASIEST, HARDEST = 0.2, 3.0
"""Bits that a film needs, of those that a usual one needs."""
CARRIED = 0.35
"""Of what the networks of the simulation carry: an evening on which ladders matter."""
USUAL_BPS = 4.5e6
"""What constant quality takes for a usual film at 1080 lines."""
LEAST_QUALITY, MOST_STORED, MOST_CPU, MOST_STALLED = -0.75, 0.85, 1.1, 0.015
"""Points beside the table's ladder; shares of what the table takes; share of the time."""
BRIEF = """\
Write `class Ladder` with `steps(self, short, trials)`: the rungs that a title is encoded in, as a list of `[side,
cap_bps]`, in any order, at most 20.

`short` is the short side of the source in pixels; no rung is larger. `trials` are encodes of a few seconds: each has
`side` (the short side it was scaled to), `bps` (what it took) and `quality` (VMAF at the source's size, 0..100), four
for each size. The encoder keeps a constant quality, and takes `cap_bps` at most: the highest trial of a size is what
it takes uncapped. A few seconds are not the film, which takes some percent more or less.

Sixteen generated titles, from drawings that need a fifth of the usual bits to grain that needs three times as many,
are each watched by sixteen people over DSL, fibre and mobile networks of a bad evening, on phones, televisions and 4K
sets, with the bitrate rule of our own player. Beside the fixed table of rungs on the same titles it passes when what
people see is at most 0.75 points worse, storage at most 0.85 of the table's, the encoder's CPU time at most 1.1 of
the table's, and the picture stands still for at most 1.5 % of the time.
"""


class Film(msgspec.Struct, frozen=True, kw_only=True):
    """A made-up title: how many bits it needs, how much of it scaling down loses, and how its scenes differ."""

    short: int
    bits: float
    """Of those that a usual film needs."""
    detail: float
    sampled: float
    """What the few seconds that are tried take, of what the film takes."""
    scenes: tuple[float, ...]
    """What each segment takes, of the mean."""

    def uncapped_bps(self, side: int) -> float:
        """What constant quality takes; smaller pictures take more bits a pixel."""
        return self.bits * USUAL_BPS * math.pow(side / 1080, 1.5)

    def quality(self, side: int, bps: float, display: int) -> float:
        """What it looks like on a display: less for what scaling loses, and for what the bitrate loses."""
        octaves = max(0.0, math.log2(min(display, self.short) / side))
        paid = math.pow(11.5 * min(1.0, bps / self.uncapped_bps(side)), 1.3)
        return max(0.0, 100 - 9 * self.detail * math.pow(octaves, 1.3)) * paid / (1 + paid)

    def trials(self) -> list[Trial]:
        """Every size that is not scaled up, at every share."""
        return [
            Trial(side, self.uncapped_bps(side) * share * self.sampled,
                  self.quality(side, self.uncapped_bps(side) * share, self.short))
            for side in SIDES if side <= self.short for share in TRIED
        ]  # fmt: skip

    def made(self, steps: Sequence[Step]) -> list[tuple[float, int]]:
        """(bits a second, side) of each rung, the lowest first."""
        return sorted((min(step.cap_bps, self.uncapped_bps(step.side)), step.side) for step in steps)


class Line(msgspec.Struct, frozen=True):
    """Who watches: their network, what it carries segment by segment, and their display."""

    network: Network
    speeds_bps: tuple[float, ...]
    display: int


class Watched(msgspec.Struct, frozen=True):
    """A title in a ladder, and how it was watched."""

    film: Film
    rungs: list[tuple[float, int]]
    quality: float
    """Mean over viewers and segments."""
    stalled_share: float

    @property
    def stored_bps(self) -> float:
        """Of all rungs together."""
        return sum(bps for bps, _ in self.rungs)

    @property
    def cpu(self) -> float:
        """Of all rungs; 1 is a usual film at 1080 lines, of which pixels take seven tenths and bits the others."""
        return sum(0.7 * (side / 1080) ** 2 + 0.3 * bps / USUAL_BPS for bps, side in self.rungs)


class Asked:
    """The person's ladder, held to what can be encoded."""

    def __init__(self, remote: Remote) -> None:
        self._remote = remote

    def steps(self, short: int, trials: Sequence[Trial]) -> list[Step]:
        """Their rungs. Raises Broken."""
        answer = self._remote.call("steps", short, [msgspec.structs.asdict(one) for one in trials])
        if not isinstance(answer, list) or not 0 < len(answer) <= MOST_STEPS:
            raise Broken(f"steps returns 1 to {MOST_STEPS} of [side, cap_bps], got {str(answer)[:80]}")
        return [_step(one, short) for one in answer]


def _step(one: Any, short: int) -> Step:
    if not isinstance(one, list) or len(one) != 2:
        raise Broken(f"a rung is [side, cap_bps], got {str(one)[:80]}")
    return Step(whole(one[0], "side", least=16, most=short), whole(one[1], "cap_bps", least=10_000, most=10**9))


def judge(decider: Decider, seed: int) -> Judged:
    """Every title in the ladder asked for, beside the table's."""
    asked, tables = Asked(Remote(decider, "ladder", "Ladder")), _by_table(seed)
    found = [watch(film, lines, asked) for film, lines in world(seed)]
    measures = {
        "quality_lost": _mean(tables, "quality") - _mean(found, "quality"),
        "stored_share": _mean(found, "stored_bps") / _mean(tables, "stored_bps"),
        "cpu_share": _mean(found, "cpu") / _mean(tables, "cpu"),
        "stalled_share": _mean(found, "stalled_share"),
    }
    reason, worst = _tell(found, tables, measures)
    return Judged(passed=not reason, reason=reason, picture=_draw(worst) if reason else "", measures=measures)


@functools.lru_cache(maxsize=16)  # a grading puts several policies on the same titles
def world(seed: int) -> tuple[tuple[Film, tuple[Line, ...]], ...]:
    """Titles that cover the range from easy to hard, each with its own audience."""
    chance = Random(f"ladder|{seed}")  # noqa: S311 (repeatable, not secret)
    places = chance.sample(range(FILMS), FILMS)
    return tuple(
        (_film(chance, (place + chance.random()) / FILMS, SOURCES[number % len(SOURCES)]), _lines(chance))
        for number, place in enumerate(places)
    )


def _film(chance: Random, hardness: float, short: int) -> Film:
    return Film(
        short=short, bits=EASIEST * (HARDEST / EASIEST) ** hardness, detail=chance.uniform(0.5, 1.5),
        sampled=chance.lognormvariate(0, 0.06),
        scenes=tuple(chance.lognormvariate(0, 0.3) for _ in range(SEGMENTS)),
    )  # fmt: skip


def _lines(chance: Random) -> tuple[Line, ...]:
    lines = []
    for number in range(VIEWERS):
        network = NETWORKS[(0, 1, 1, 2)[number % 4]]
        bps = CARRIED * network.median_bps * chance.lognormvariate(0, network.spread)
        speeds = tuple(bps * chance.lognormvariate(0, network.jitter) for _ in range(SEGMENTS))
        lines.append(Line(network, speeds, DISPLAYS[number // 4]))
    return tuple(lines)


@functools.lru_cache(maxsize=16)
def _by_table(seed: int) -> list[Watched]:
    return [watch(film, lines, TableLadder()) for film, lines in world(seed)]


def watch(film: Film, lines: Sequence[Line], ladder: Ladder) -> Watched:
    """How a title in a ladder is watched over the lines of its audience."""
    rungs = film.made(ladder.steps(film.short, film.trials()))
    rates = [bps for bps, _ in rungs]
    sizes = [[bps * scene * SEGMENT_S for bps in rates] for scene in film.scenes]
    seen = stalled_s = 0.0
    for line in lines:
        link = BySegment(line.speeds_bps, line.network.rtt_ms / 1000)
        played = play(link, rates, OurRule(), sizes_bits=sizes)
        seen += sum(film.quality(rungs[at][1], rungs[at][0], line.display) for at in played.rungs)
        stalled_s += sum(played.stalls_s)
    segments = len(lines) * SEGMENTS
    return Watched(film, rungs, seen / segments, stalled_s / segments / SEGMENT_S)


def _mean(found: Sequence[Watched], what: str) -> float:
    return float(sum(getattr(one, what) for one in found) / len(found))


def _tell(found: Sequence[Watched], tables: Sequence[Watched], measures: Mapping[str, float]) -> tuple[str, Watched]:
    """What fails, and the title that shows it best."""
    pairs = list(zip(found, tables, strict=True))
    if measures["stalled_share"] > MOST_STALLED:
        worst = max(found, key=lambda one: one.stalled_share)
        said = (
            f"the picture stands still for {measures['stalled_share']:.1%} of the time, more than {MOST_STALLED:.1%}"
        )
        return f"{said}; worst is {_say(worst)}: {worst.stalled_share:.0%}", worst
    if -measures["quality_lost"] < LEAST_QUALITY:
        worst, table = min(pairs, key=lambda pair: pair[0].quality - pair[1].quality)
        said = (
            f"people see {measures['quality_lost']:.2f} points less than with the table, more than {-LEAST_QUALITY}"
        )
        return f"{said}; worst is {_say(worst)}: {worst.quality:.1f} beside {table.quality:.1f}", worst
    for what, most, words in (("stored", MOST_STORED, "storage is"), ("cpu", MOST_CPU, "the encoder's CPU time is")):
        share = measures[f"{what}_share"]
        if share > most:
            of = "stored_bps" if what == "stored" else what
            worst, table = max(pairs, key=lambda pair: getattr(pair[0], of) / getattr(pair[1], of))
            times = getattr(worst, of) / getattr(table, of)
            return f"{words} {share:.2f} of the table's, more than {most}; worst is {_say(worst)}: {times:.2f}", worst
    return "", found[0]


def _say(one: Watched) -> str:
    return (
        f"a title of {one.film.short} lines that needs {one.film.bits:.1f} of the usual bits, in {len(one.rungs)} "
        f"rungs up to {one.rungs[-1][0] / 1e6:.1f} Mb/s"
    )


def _draw(one: Watched) -> str:
    """What the trials came to, and the rungs: those that lie below the hull are wrong."""
    hull, least, most = Hull(one.film.trials()), 5.0, 7.6

    def place(bps: float, quality: float) -> tuple[float, float]:
        across = min(1.0, max(0.0, (math.log10(max(bps, 1.0)) - least) / (most - least)))
        return 20 + 560 * across, 170 - 1.6 * quality

    curves = []
    for side in hull.sides:
        points = [place(each.bps, each.quality) for each in one.film.trials() if each.side == side]
        curves.append(
            '<polyline class="axis" fill="none" points="' + " ".join(f"{x:.1f},{y:.1f}" for x, y in points) + '"/>'
        )
    dots = []
    for bps, side in one.rungs:
        quality = one.film.quality(side, bps, one.film.short)
        x, y = place(bps, quality)
        kind = "wrong" if quality < hull.best(bps)[0] - 2 else "allowed"
        dots.append(f'<circle class="{kind}" cx="{x:.1f}" cy="{y:.1f}" r="4"/>')
    return picture(
        f"{_say(one)}: lines for what each size came to on trial, dots for the rungs",
        f'{"".join(curves)}{"".join(dots)}',
        height=176,
        across="bits a second, 0.1 to 40 million, each tenfold as wide",
        up="VMAF, 0 to 100",
        key={"axis": "a size, on trial", "allowed": "a rung", "wrong": "a rung 2 points below the best size"},
    )  # fmt: skip


class _Told:
    """One of our own, told in the words of JSON."""

    def __init__(self, ladder: Ladder) -> None:
        self._ladder = ladder

    def steps(self, short: int, trials: Sequence[Mapping[str, Any]]) -> list[list[int]]:
        found = self._ladder.steps(short, msgspec.convert(trials, list[Trial]))
        return [[step.side, step.cap_bps] for step in found]


def _policy(make: Callable[[], Ladder]) -> Callable[[], Decider]:
    return lambda: own(Ladder=lambda: _Told(make()))


LAB = Lab(
    id="ladder",
    title="Which rungs a title is encoded in",
    brief=BRIEF,
    driver=DRIVER,
    judge=judge,
    policies={
        "reelwright": _policy(FittedLadder),
        "textbook, a fixed table": _policy(TableLadder),
    },
    predicts=Prediction(
        asks="Storage of a ladder that is fitted to each title, of what the fixed table takes (1 is as much)?",
        measure="stored_share",
        policy="reelwright",
    ),
    shows=(("domain", 5), ("design", 4), ("scale", 4)),
    bounds=Bounds(cpu_s=40, wall_s=110),
)
