"""`reelwright bench experiments`: assignment beside GrowthBook's SDK and Eppo's Rust core, foreign cases, isolation.

Method of the times: CPU time of the calling thread, median of several calls after one to warm up; peers evaluate the
same experiments for the same viewers in the same run.
"""

from __future__ import annotations

import asyncio
import json
import os
import random
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
from msgspec.structs import replace
from scipy import special, stats

from reelwright.experiments.contract import (
    BUCKETS,
    Cell,
    Clause,
    Configuration,
    Domain,
    Every,
    Experiment,
    Holdout,
    Layer,
)
from reelwright.experiments.core.analysis import checks, effects
from reelwright.experiments.core.analysis.looks import always, bounds
from reelwright.experiments.core.analysis.moments import Moments, from_sums, merged, moments_of
from reelwright.experiments.core.analysis.quantiles import edges_for, histogram, quantile_interval
from reelwright.experiments.core.assign import assign, assign_layer
from reelwright.experiments.core.flags import SnapshotFlags
from reelwright.experiments.core.hashing import U64, unit_hash
from reelwright.experiments.core.snapshot import Snapshot, owners
from reelwright.experiments.replay import growthbook_cases, unleash_cases, worked_cases
from reelwright.experiments.service import ExperimentsService
from reelwright.experiments.settings import ExperimentsSettings
from reelwright.kernel.bench import Row, measured
from reelwright.kernel.clock import SystemClock
from reelwright.kernel.database import Database

SEED = 20261125
EXPERIMENTS = 2000
VIEWERS = 25
SHARED = Path(os.environ.get("REELWRIGHT_SHARED", "../shared"))
"""Where the foreign cases lie."""
USERS = 10_000_000
LAYERS = 50
CHUNK = 500_000
IDS, ID_SAMPLE = 200_000_000, 100_000
ARITHMETIC_LAYERS = (0, 1, 7, 23, 42)
"""Of the root domain, with cells of equal halves."""
NESTED = (48, 49)
"""Layers of a domain that lies in layer 0: nobody in them is in an experiment of that layer."""
PAIRED = 20
"""Layers whose pairs are tested for independence."""
RUNS = 10_000
SAMPLE = 1000
"""Units of an arm in a simulated run, and between two looks."""
LOOKS = 100
LOOK_RUNS = 1_000_000
TESTS = 200_000
DAYS = 14
COUNTRIES = ("DE", "US", "FR", "JP", "BR", "IN")
DEVICES = ("tv", "phone", "web", "tablet")
HALVES = (Cell(key="control", weight=0.5), Cell(key="test", weight=0.5))


def rows(only: str = "") -> Iterator[Row]:
    """All rows, or those whose id starts with `only`."""
    parts = (
        ("bulk", bulk),
        ("ofrep", ofrep),
        ("foreign", foreign),
        ("isolation", isolation),
        ("right", right),
        ("fast_stats", fast_stats),
    )
    yield from measured(parts, only)


def bulk() -> Iterator[Row]:
    """Everything for one viewer: variant, reason and layer of 2,000 targeted experiments, each in its own layer."""
    draw = random.Random(SEED)  # noqa: S311
    targets = [_target(draw) for _ in range(EXPERIMENTS)]
    viewers = [_viewer(draw) for _ in range(VIEWERS)]
    snapshot = Snapshot(_separate(targets), now_ms=0)
    ours_ms = _middle_ms(lambda: [assign(snapshot, viewer) for viewer in viewers], VIEWERS)
    found = [assign(snapshot, viewer) for viewer in viewers]
    share = sum(int((one.cells >= 0).sum()) for one in found) / (VIEWERS * EXPERIMENTS)
    yield Row(
        id="bulk.time",
        what=f"{EXPERIMENTS} targeted experiments for one viewer, full result",
        value=round(ours_ms, 3),
        unit="ms",
        op="<=",
        goal=0.25,
        note=f"{share:.0%} assigned, seed {SEED}",
    )
    for name, peer, goal in (("growthbook", _growthbook_ms, 100), ("eppo", _eppo_ms, 10)):
        try:
            theirs_ms = peer(targets, viewers)
        except ImportError as error:
            yield Row(id=f"bulk.vs_{name}", what="not measured", value=None, unit="", note=f"make peers: {error}")
            continue
        yield Row(
            id=f"bulk.vs_{name}",
            what="times faster",
            value=round(theirs_ms / ours_ms, 1),
            unit="times",
            op=">=",
            goal=goal,
            peer=name,
            peer_value=round(theirs_ms, 3),
            note="peer's ms for one viewer",
        )


def ofrep() -> Iterator[Row]:
    """Flags over OFREP through the whole application stack of a web process, without a server's socket."""
    draw = random.Random(SEED)  # noqa: S311
    flags = SnapshotFlags(Snapshot(_separate([_target(draw) for _ in range(EXPERIMENTS)]), now_ms=0))
    bodies = [
        msgspec.json.encode({"context": {"targetingKey": viewer["profile"], **viewer}})
        for viewer in (_viewer(draw) for _ in range(VIEWERS))
    ]
    bulk_rate, hit_rate, size = asyncio.run(_ofrep_rates(flags, bodies))
    yield Row(
        id="ofrep.bulk",
        what=f"bulk answers of {EXPERIMENTS} flags per second of CPU",
        value=round(bulk_rate),
        unit="requests/s",
        op=">=",
        goal=500,
        note=f"{size / 1000:.0f} KB each; Litestar's stack in this process, a server's parsing not counted",
    )
    yield Row(
        id="ofrep.etag",
        what="304 answers per second of CPU",
        value=round(hit_rate),
        unit="requests/s",
        op=">=",
        goal=3000,
        note="Litestar's stack in this process, a server's parsing not counted",
    )


async def _ofrep_rates(flags: SnapshotFlags, bodies: list[bytes]) -> tuple[float, float, int]:
    """(bulk answers, 304 answers) per second of CPU, and the bytes of one answer."""
    from litestar import Litestar
    from litestar.di import Provide

    from reelwright.experiments.api import OfrepRoutes
    from reelwright.kernel.principal import Principal

    with tempfile.TemporaryDirectory() as folder:
        service = ExperimentsService(
            database=Database(f"sqlite:///{folder}/bench.sqlite"),
            clock=SystemClock(),
            events=None,
            settings=ExperimentsSettings(),
        )
    service.flags = flags
    application = Litestar(
        [OfrepRoutes],
        dependencies={"experiments": Provide(lambda: service, sync_to_thread=False)},
        openapi_config=None,
    )
    caller = Principal(kind="token", role="viewer")

    async def call(body: bytes, etag: bytes = b"") -> tuple[int, bytes, int]:
        sent: list[Any] = []
        headers = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
        scope: Any = {
            "type": "http",
            "method": "POST",
            "path": "/ofrep/v1/evaluate/flags",
            "raw_path": b"/ofrep/v1/evaluate/flags",
            "query_string": b"",
            "root_path": "",
            "scheme": "http",
            "http_version": "1.1",
            "client": ("127.0.0.1", 1),
            "server": ("127.0.0.1", 80),
            "headers": headers + ([(b"if-none-match", etag)] if etag else []),
            "state": {"principal": caller},
        }

        async def receive() -> Any:
            return {"type": "http.request", "body": body, "more_body": False}

        async def send(message: Any) -> None:
            sent.append(message)

        await application(scope, receive, send)
        tag = dict(sent[0]["headers"]).get(b"etag", b"")
        return sent[0]["status"], tag, sum(len(one.get("body", b"")) for one in sent[1:])

    status, _, size = await call(bodies[0])
    if status != 200:
        raise AssertionError(f"OFREP answered {status}")
    tags = [(await call(body))[1] for body in bodies]
    began = time.thread_time_ns()
    for _ in range(20):
        for body in bodies:
            await call(body)
    bulk_s = (time.thread_time_ns() - began) / 1e9
    began = time.thread_time_ns()
    hits = 0
    for _ in range(100):
        for body, tag in zip(bodies, tags, strict=True):
            hits += (await call(body, tag))[0] == 304
    hit_s = (time.thread_time_ns() - began) / 1e9
    return 20 * len(bodies) / bulk_s, hits / hit_s, size


def foreign() -> Iterator[Row]:
    """Other vendors' own cases."""
    cases = SHARED / "cases" / "experiments"
    if not cases.is_dir():
        yield Row(id="foreign.failed", what="not measured", value=None, unit="", note=f"no cases at {cases}")
        return
    from reelwright.experiments.adapters.openfeature_cases import openfeature_cases

    found = [
        *growthbook_cases(cases / "growthbook" / "cases.json"),
        *unleash_cases(cases / "unleash" / "specifications"),
        *openfeature_cases(cases / "openfeature" / "gherkin"),
    ]
    failed = [name for name, passed, _ in found if not passed]
    yield Row(
        id="foreign.failed",
        what=f"GrowthBook, Unleash and OpenFeature cases that fail, of {len(found)}",
        value=len(failed),
        unit="cases",
        op="==",
        goal=0,
        note="; ".join(failed[:3]),
    )


def isolation() -> Iterator[Row]:
    """2,000 live experiments in 50 layers, two of them nested, a holdout; a change in every third layer."""
    before, after, changed = _tight(), _tight(changed=True), set(range(0, LAYERS, 3))
    violations = moved = 0
    joint = np.zeros((PAIRED, PAIRED, 4, 4), dtype=np.int64)
    for start in range(0, USERS, CHUNK):
        ids = range(start, min(start + CHUNK, USERS))
        hashes = {"profile": np.array([unit_hash(str(one)) for one in ids], dtype=np.uint64)}
        places, outer = [], np.full(len(ids), -1, dtype=np.int64)
        for layer in range(LAYERS):
            first, second = assign_layer(before, layer, hashes), assign_layer(after, layer, hashes)
            moved += _moved(before, after, first, second, changed=layer in changed)
            violations += _violations(before, layer, first[0], hashes)
            outer = first[0] if layer == 0 else outer
            if layer in NESTED:
                violations += int(((first[0] >= 0) & (outer >= 0)).sum())
            if layer < PAIRED:
                places.append((first[0] % 4, first[0] >= 0))
        for one in range(PAIRED):
            for other in range(one):
                both = places[one][1] & places[other][1]
                cells = places[one][0][both] * 4 + places[other][0][both]
                joint[one, other] += np.bincount(cells, minlength=16).reshape(4, 4)
    values = [
        stats.chi2_contingency(joint[one, other], correction=False).pvalue
        for one in range(PAIRED)
        for other in range(one)
    ]
    said = f"{USERS:,} users, {EXPERIMENTS} experiments, {LAYERS} layers"
    yield Row(
        id="isolation.violations",
        what=f"users in an experiment that does not hold their bucket, or held out; {said}",
        value=violations,
        unit="violations",
        op="==",
        goal=0,
    )
    yield Row(
        id="isolation.moved",
        what="users moved by starts, stops and resizes elsewhere",
        value=moved,
        unit="users",
        op="==",
        goal=0,
    )
    yield Row(
        id="isolation.independence",
        what=f"KS p that the p-values of {len(values)} layer pairs are uniform",
        value=round(float(stats.kstest(values, "uniform").pvalue), 4),
        unit="p",
        op=">=",
        goal=0.01,
    )

    wrong, uniform = _arithmetic(before)
    yield Row(
        id="isolation.arithmetic",
        what=f"buckets and cells of ids up to {IDS:,} that differ from whole-number arithmetic, sampled",
        value=wrong,
        unit="units",
        op="==",
        goal=0,
        note=f"{ID_SAMPLE:,} ids in {len(ARITHMETIC_LAYERS)} layers; chi-squared p of even buckets {uniform:.3f}",
    )


def _arithmetic(snapshot: Snapshot) -> tuple[int, float]:
    """(units whose bucket or cell is not that of Python's whole numbers, p that the buckets are evenly filled)."""
    ids = range(0, IDS, IDS // ID_SAMPLE)
    hashes = np.array([unit_hash(str(one)) for one in ids], dtype=np.uint64)
    wrong, counts = 0, np.zeros(BUCKETS, dtype=np.int64)
    for layer in ARITHMETIC_LAYERS:
        experiment, cell = assign_layer(snapshot, layer, {"profile": hashes})
        salt = int(snapshot.layer_salt[layer])
        held, owner = _held(snapshot, {"profile": hashes}, step=1), owners(snapshot, layer)
        for at, value in enumerate(hashes.tolist()):
            bucket = (_mixed(value ^ salt) >> 32) * BUCKETS >> 32
            counts[bucket] += 1
            expected = -1 if held[at] else int(owner[bucket])
            second = -1 if expected < 0 else int(_mixed(value ^ int(snapshot.cell_salt[expected])) >> 63)
            wrong += (int(experiment[at]), int(cell[at])) != (expected, second)
    return wrong, float(stats.chisquare(counts).pvalue)


def right() -> Iterator[Row]:
    """Worked numbers, the oracle, coverage, false positives at any look, and what sequential intervals cost."""
    folder = SHARED / "cases" / "experiments" / "worked_numbers"
    if folder.is_dir():
        found = list(worked_cases(folder))
        failed = [name for name, passed, _ in found if not passed]
        yield Row(
            id="right.worked_failed",
            what=f"worked numbers off, of the {len(found)} whose method is ours",
            value=len(failed),
            unit="numbers",
            op="==",
            goal=0,
            note="; ".join(failed[:3]),
        )
    else:
        yield Row(id="right.worked_failed", what="not measured", value=None, unit="", note=f"nothing at {folder}")
    yield Row(
        id="right.oracle",
        what="largest relative difference to SciPy over 200 random tests",
        value=_oracle(),
        unit="",
        op="<=",
        goal=1e-10,
        peer="scipy",
    )
    covered = _coverage()
    worst = max(covered, key=lambda name: abs(covered[name] - 0.95))
    yield Row(
        id="right.coverage_error",
        what=f"worst |coverage − 95 %| of {RUNS} runs: {worst}",
        value=round(abs(covered[worst] - 0.95), 4),
        unit="",
        op="<=",
        goal=0.007,
        note=", ".join(f"{name} {share:.4f}" for name, share in covered.items()),
    )
    times = np.arange(1, LOOKS + 1) / LOOKS
    critical, exact = always(times), bounds(list(times))
    continuous, spending, anytime_share, peeking = _any_look(critical, exact)
    yield Row(
        id="right.any_look",
        what=f"A/A runs called significant at any of {LOOKS} looks: group-sequential, looks unplanned",
        value=round(continuous, 5),
        unit="",
        op="<=",
        goal=0.05,
        note=f"{LOOK_RUNS} runs, deviation {(0.05 * 0.95 / LOOK_RUNS) ** 0.5:.5f}; "
        f"alpha spent exactly at planned looks {spending:.4f}, anytime-valid {anytime_share:.4f}, "
        f"fixed-n test peeking {peeking:.3f}",
    )
    yield Row(
        id="right.width_horizon",
        what="group-sequential interval / fixed-n at the declared horizon",
        value=round(float(critical[-1] / special.ndtri(0.975)), 3),
        unit="times",
        op="<=",
        goal=1.2,
        note=f"measured on {RUNS} runs at the horizon {_width_seen(float(critical[-1])):.3f}; "
        "by look (of 1, 10, 25, 50, 75, 100): "
        + ", ".join(f"{critical[at - 1] / special.ndtri(0.975):.2f}" for at in (1, 10, 25, 50, 75, 100)),
    )
    tuned = [_anytime_ratio(share) for share in (0.1, 0.25, 0.5, 1, 2, 4)]
    yield Row(
        id="right.width_anytime",
        what="anytime-valid interval / fixed-n at the tuned n",
        value=round(_anytime_ratio(1), 3),
        unit="times",
        op="<=",
        goal=1.6,
        note="at 0.1, 0.25, 0.5, 1, 2, 4 times that n: " + ", ".join(f"{one:.2f}" for one in tuned),
    )


def fast_stats() -> Iterator[Row]:
    """Vectorised tests, a thousand scorecards from daily statistics, quantiles from compressed histograms."""
    draw = np.random.default_rng(SEED)
    control, treatment = (_daily(draw, 1, TESTS) for _ in range(2))
    took_ms = _middle_ms(
        lambda: effects.interval(effects.effect(effects.mean_arm(control[0]), effects.mean_arm(treatment[0]))),
        1,
        rounds=3,
    )
    yield Row(
        id="fast_stats.test",
        what=f"Welch test with interval, {TESTS} at once",
        value=round(took_ms * 1000 / TESTS, 3),
        unit="µs",
        op="<=",
        goal=2,
        note="gbstats needs an older numpy than ours and is not in the peers",
    )
    cells = 1000 * 200
    days = [(_daily(draw, 1, cells)[0], _daily(draw, 1, cells)[0]) for _ in range(DAYS)]
    began = time.perf_counter()
    arms = effects.cuped_arms(merged([day[0] for day in days]), merged([day[1] for day in days]))
    found = effects.effect(*arms, relative=True)
    effects.interval(found)
    effects.anytime(found, rho=effects.best_rho(1e5))
    yield Row(
        id="fast_stats.scorecards",
        what=f"1,000 experiments × 200 metrics from {DAYS} days of statistics: CUPED, fixed and anytime-valid",
        value=round(time.perf_counter() - began, 2),
        unit="s",
        op="<=",
        goal=60,
    )
    values = draw.lognormal(0, 1, 1_670_000)
    wanted = np.array([0.5, 0.75, 0.9, 0.95, 0.99])
    edges = edges_for(values[:20_000], wanted, units=len(values))
    packed = histogram(values, edges)
    exact, ours = quantile_interval(values, wanted), quantile_interval(packed, wanted)
    error = np.abs((ours[2] - ours[1]) / (exact[2] - exact[1]) - 1).max()
    yield Row(
        id="fast_stats.quantiles",
        what="worst relative error of the interval's width, five quantiles of lognormal(0, 1)",
        value=round(float(error), 4),
        unit="",
        op="<=",
        goal=0.05,
        note=f"{len(values) / len(packed.counts):.0f} times compressed, edges from the first 20,000 values",
    )


def _oracle() -> float:
    draw = np.random.default_rng(SEED)
    worst = 0.0
    for _ in range(200):
        a, b = draw.lognormal(0, 1, draw.integers(5, 400)), draw.lognormal(0.1, 1.2, draw.integers(5, 400))
        theirs = stats.ttest_ind(b, a, equal_var=False)
        span = theirs.confidence_interval()
        ours = effects.interval(effects.effect(effects.mean_arm(moments_of(a)), effects.mean_arm(moments_of(b))))
        for one, other in ((ours.p, theirs.pvalue), (ours.low, span.low), (ours.high, span.high)):
            worst = max(worst, abs(float(one) / float(other) - 1))
        counts = draw.integers(1, 1000, 4)
        ratio = float(checks.sample_ratio(counts, np.ones(4)))
        worst = max(worst, abs(ratio - float(stats.chisquare(counts).pvalue)) / max(ratio, 1e-300))
    return worst


def _coverage() -> dict[str, float]:
    """Shares of runs whose interval holds the truth, by method and distribution."""
    draw = np.random.default_rng(SEED)
    hit: dict[str, int] = {}

    def count(name: str, found: effects.Interval, truth: float) -> None:
        hit[name] = hit.get(name, 0) + int(((found.low <= truth) & (truth <= found.high)).sum())

    each = 500
    for _ in range(RUNS // each):
        size = (2, each, SAMPLE)
        heavy = draw.lognormal(0, 1, size)
        plain = draw.normal(1, 2, size)
        past = draw.lognormal(0, 1, size)
        watched = past * draw.lognormal(0, 0.5, size)
        count("normal", effects.interval(_welch(plain)), 0)
        count("lognormal(0, 1)", effects.interval(_welch(heavy)), 0)
        count("CUPED lognormal", effects.interval(effects.effect(*effects.cuped_arms(*_pairs(watched, past)))), 0)
        ratio = [effects.ratio_arm(one) for one in _pairs(watched, past)]
        count("ratio", effects.interval(effects.effect(*ratio)), 0)
    return {name: number / RUNS for name, number in hit.items()}


def _welch(values: Any) -> effects.Effect:
    arms = [
        effects.plain_arm(one.mean(axis=-1), one.var(axis=-1, ddof=1), np.full(len(one), float(one.shape[-1])))
        for one in values
    ]
    return effects.effect(*arms)


def _pairs(first: Any, second: Any) -> tuple[Moments, Moments]:
    control, treatment = (
        from_sums(
            np.full(len(one), float(one.shape[-1])),
            [one.sum(axis=-1), other.sum(axis=-1)],
            {
                (0, 0): (one**2).sum(axis=-1),
                (1, 1): (other**2).sum(axis=-1),
                (0, 1): (one * other).sum(axis=-1),
            },
        )
        for one, other in zip(first, second, strict=True)
    )
    return control, treatment


def _any_look(critical: Any, exact: Any) -> tuple[float, ...]:
    """Shares of A/A runs that cross: both group-sequential bounds, anytime-valid, the fixed-n test at each look."""
    draw = np.random.default_rng(SEED)
    units = np.arange(1, LOOKS + 1, dtype=np.float64) * SAMPLE
    rho = effects.best_rho(float(units[-1]))
    crossed = np.zeros(4)
    for _ in range(LOOK_RUNS // 10_000):
        sums = np.cumsum(draw.normal(size=(10_000, LOOKS)) * SAMPLE**0.5, axis=1)
        score = np.abs(sums) / np.sqrt(units)
        found = effects.Effect(sums / units, np.broadcast_to(units**-0.5, sums.shape), units, units)
        low = effects.anytime(found, rho=rho)
        crossed += (
            (score > critical).any(axis=1).sum(),
            (score > exact).any(axis=1).sum(),
            ((low.low > 0) | (low.high < 0)).any(axis=1).sum(),
            (score > special.ndtri(0.975)).any(axis=1).sum(),
        )
    return tuple(float(share) for share in crossed / LOOK_RUNS)


def _width_seen(critical: float) -> float:
    """Width of the interval at the horizon over that of a fixed-n test, on simulated arms: the mean of all runs."""
    draw = np.random.default_rng(SEED)
    n = np.full(RUNS, float(LOOKS * SAMPLE))
    arms = [effects.plain_arm(draw.normal(1, (2 / n) ** 0.5), 2 * draw.chisquare(n - 1) / (n - 1), n) for _ in "ab"]
    found = effects.effect(*arms)
    fixed = effects.interval(found)
    return float(np.mean(2 * critical * found.error / (fixed.high - fixed.low)))


def _anytime_ratio(share: float) -> float:
    """Width against fixed-n at `share` times the number of units that the mixture is tuned for."""
    n = np.array(10_000.0 * share)
    found = effects.Effect(np.array(0.0), n**-0.5, n, n)
    return float(effects.anytime(found, rho=effects.best_rho(10_000)).high / (special.ndtri(0.975) * n**-0.5))


def _daily(draw: np.random.Generator, days: int, tests: int) -> list[Moments]:
    """Statistics of many tests: metric and its past, a hundred to a thousand units."""
    parts = []
    for _ in range(days):
        n = draw.integers(100, 1000, tests).astype(np.float64)
        now, past = n * draw.uniform(0.9, 1.1, tests), n * draw.uniform(0.9, 1.1, tests)
        parts.append(
            from_sums(
                n,
                [now, past],
                {(0, 0): 2 * now**2 / n + n, (1, 1): 2 * past**2 / n + n, (0, 1): now * past / n + n / 2},
            )
        )
    return parts


def _violations(snapshot: Snapshot, layer: int, owner: Any, hashes: dict[str, U64]) -> int:
    """Users whose experiment is another layer's, or whom the holdout keeps out (looked up for every 5,000th)."""
    found = owner >= 0
    wrong = int((snapshot.layer_of[owner[found]] != layer).sum())
    return wrong + int((found & _held(snapshot, hashes)).sum())


def _held(snapshot: Snapshot, hashes: dict[str, U64], *, step: int = 5000) -> Any:
    """Every `step`th user who is in the global holdout, computed apart from assignment, in whole numbers."""
    salt, bound = int(snapshot.holdout_salt[0]), int(snapshot.holdout_bound[0])
    held = np.zeros(len(hashes["profile"]), dtype=np.bool_)
    for at in range(0, len(held), step):
        held[at] = _mixed(int(hashes["profile"][at]) ^ salt) >> 32 < bound
    return held


def _mixed(value: int) -> int:
    """SplitMix64 in Python's whole numbers."""
    most = (1 << 64) - 1
    value = (value + 0x9E3779B97F4A7C15) & most
    value = ((value ^ (value >> 30)) * 0xBF58476D1CE4E5B9) & most
    value = ((value ^ (value >> 27)) * 0x94D049BB133111EB) & most
    return value ^ (value >> 31)


def _moved(before: Snapshot, after: Snapshot, first: Any, second: Any, *, changed: bool) -> int:
    """Users of experiments that nobody touched whose experiment or cell differs."""
    one, other = _names(before, first[0]), _names(after, second[0])
    differs = (one != other) | (first[1] != second[1])
    if changed:  # only slots 0, 1 and 2 of these layers were touched
        slots = EXPERIMENTS // LAYERS
        differs &= ((one % slots >= 3) & (one >= 0)) | ((other % slots >= 3) & (other >= 0))
    return int(differs.sum())


def _names(snapshot: Snapshot, owner: Any) -> Any:
    """Experiments by the number in their name, so that two snapshots can be compared."""
    numbers = np.array([*(int(one.key[1:]) for one in snapshot.experiments), -1])
    return numbers[owner]


def _tight(*, changed: bool = False) -> Snapshot:
    """Experiments side by side; changed, of every third layer one is stopped, one shrinks and one starts."""
    size, experiments = 200, []
    layers = [Layer(key=f"l{at}", domain="inner" if at in NESTED else "") for at in range(LAYERS)]
    for number in range(EXPERIMENTS):
        layer, slot = divmod(number, EXPERIMENTS // LAYERS)
        start = slot * size
        one = Experiment(
            key=f"e{number}", layer=f"l{layer}", cells=HALVES, buckets=((start, start + size),), state="running"
        )
        if slot == 2 and not changed:
            one = replace(one, state="stopped" if layer % 3 == 0 else "running")
        if changed and layer % 3 == 0:
            one = _changed(one, slot, start)
        experiments.append(one)
    return Snapshot(
        Configuration(
            layers=tuple(layers),
            experiments=tuple(experiments),
            domains=(Domain(key="inner", layer="l0", buckets=((9000, BUCKETS),)),),
            holdouts=(Holdout(key="global", share=0.05),),
        ),
        now_ms=0,
    )


def _changed(one: Experiment, slot: int, start: int) -> Experiment:
    if slot == 0:
        return replace(one, state="stopped")
    if slot == 1:
        return replace(one, buckets=((start, start + 50),))
    return one


def _separate(targets: list[tuple[tuple[str, ...], tuple[str, ...], str]]) -> Configuration:
    layers = tuple(Layer(key=f"l{at}", parameters={f"p{at}": False}) for at in range(len(targets)))
    experiments = tuple(
        Experiment(
            key=f"e{at}",
            layer=f"l{at}",
            cells=(Cell(key="control", weight=0.5), Cell(key="test", weight=0.5, parameters={f"p{at}": True})),
            buckets=((0, BUCKETS),),
            state="running",
            targeting=Every(
                (
                    Clause("country", "in", countries),
                    Clause("device", "in", devices),
                    Clause("version", "semver_gte", (version,)),
                )
            ),
        )
        for at, (countries, devices, version) in enumerate(targets)
    )
    return Configuration(layers=layers, experiments=experiments)


def _target(draw: random.Random) -> tuple[tuple[str, ...], tuple[str, ...], str]:
    version = f"{draw.randint(1, 9)}.{draw.randint(0, 9)}.0"
    return tuple(draw.sample(COUNTRIES, 3)), tuple(draw.sample(DEVICES, 2)), version


def _viewer(draw: random.Random) -> dict[str, Any]:
    return {
        "profile": f"{draw.getrandbits(64):016x}",
        "country": draw.choice(COUNTRIES),
        "device": draw.choice(DEVICES),
        "version": f"{draw.randint(1, 9)}.{draw.randint(0, 9)}.{draw.randint(0, 9)}",
    }


def _growthbook_ms(targets: list[Any], viewers: list[dict[str, Any]]) -> float:
    from growthbook import GrowthBook

    features = {
        f"f{at}": {
            "defaultValue": False,
            "rules": [
                {
                    "variations": [False, True],
                    "hashAttribute": "profile",
                    "hashVersion": 2,
                    "seed": f"e{at}",
                    "condition": {
                        "country": {"$in": list(countries)},
                        "device": {"$in": list(devices)},
                        "version": {"$vgte": version},
                    },
                }
            ],
        }
        for at, (countries, devices, version) in enumerate(targets)
    }
    books = [GrowthBook(attributes=viewer, features=features) for viewer in viewers]
    return _middle_ms(lambda: [book.eval_feature(key) for book in books for key in features], VIEWERS, rounds=3)


def _eppo_ms(targets: list[Any], viewers: list[dict[str, Any]]) -> float:
    import eppo_client

    flags = {f"f{at}": _eppo_flag(f"f{at}", target) for at, target in enumerate(targets)}
    document = {
        "createdAt": "2026-11-25T00:00:00.000Z",
        "format": "SERVER",
        "environment": {"name": "bench"},
        "flags": flags,
    }
    configuration = eppo_client.Configuration(flags_configuration=json.dumps(document).encode())
    client = eppo_client.init(
        eppo_client.ClientConfig(
            api_key="bench",
            base_url="http://127.0.0.1:9/",
            assignment_logger=eppo_client.AssignmentLogger(),
            poll_interval_seconds=None,
            initial_configuration=configuration,
        )
    )
    subjects = [
        (viewer["profile"], {name: viewer[name] for name in ("country", "device", "version")}) for viewer in viewers
    ]
    return _middle_ms(
        lambda: [client.get_boolean_assignment(key, unit, given, False) for unit, given in subjects for key in flags],
        VIEWERS,
        rounds=5,
    )


def _eppo_flag(key: str, target: tuple[tuple[str, ...], tuple[str, ...], str]) -> dict[str, Any]:
    countries, devices, version = target
    conditions = [
        {"attribute": "country", "operator": "ONE_OF", "value": list(countries)},
        {"attribute": "device", "operator": "ONE_OF", "value": list(devices)},
        {"attribute": "version", "operator": "GTE", "value": version},
    ]
    splits = [
        {"variationKey": name, "shards": [{"salt": key, "ranges": [{"start": start, "end": start + 5000}]}]}
        for name, start in (("off", 0), ("on", 5000))
    ]
    return {
        "key": key,
        "enabled": True,
        "variationType": "BOOLEAN",
        "variations": {"on": {"key": "on", "value": True}, "off": {"key": "off", "value": False}},
        "allocations": [{"key": "split", "rules": [{"conditions": conditions}], "splits": splits, "doLog": False}],
        "totalShards": BUCKETS,
    }


def _middle_ms(call: Callable[[], object], each: int, *, rounds: int = 15) -> float:
    """Milliseconds for one of the `each` viewers that a call serves: the median of several calls."""
    call()
    times = [time.thread_time_ns()]
    for _ in range(rounds):
        call()
        times.append(time.thread_time_ns())
    return statistics.median(end - start for start, end in pairwise(times)) / 1e6 / each
