"""Run it: downloads over the networks of the simulation, by night or when wanted, until watched or expired."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from random import Random

from reelwright.practice.labs.run_it import SEED, Field, Simulated
from reelwright.simulate.core.audience import HOURS
from reelwright.simulate.core.scenarios import NETWORKS

PEOPLE, DAYS, DAY_H = 1_000, 28, 24
LATE = 0.95
WAITS_DAYS, SPREAD = 4.0, 1.1
"""Until a download is watched: median, and the deviation of its logarithm."""


def _run_offline(numbers: Mapping[str, float]) -> dict[str, float]:
    """A sample of people over four weeks; rates are scaled up to all of them."""
    chance = Random(SEED)  # noqa: S311 (repeatable, not secret)
    bits = 1e6 * numbers["mbps"] * 3600 * numbers["title_hours"]
    by_hour: Counter[int] = Counter()
    waits_h, held, expired, count = list[float](), list[float](), 0, 0
    for _ in range(PEOPLE):
        network = chance.choices(NETWORKS, [one.share for one in NETWORKS])[0]
        bps = network.median_bps * chance.lognormvariate(0, network.spread)
        spans = []
        for _ in range(_times(chance, numbers["titles_a_week"] * DAYS / 7)):
            begun_h = _begins(chance, numbers)
            took_h = bits / bps / 3600
            _carry(by_hour, begun_h, bits, bps)
            waits_h.append(took_h)
            watched_h = begun_h + took_h + DAY_H * WAITS_DAYS * chance.lognormvariate(0, SPREAD)
            ends_h = begun_h + took_h + DAY_H * numbers["expires_days"]
            expired += watched_h > ends_h
            count += 1
            spans.append((begun_h, min(watched_h, ends_h)))
        held.append(_most_at_once(spans) * bits / 8e9)
    scale = 1e6 * numbers["people_m"] / PEOPLE
    return {
        "size_gb": bits / 8e9,
        "took_h": _late(waits_h),
        "peak_gbps": max(by_hour.values(), default=0) * scale / 3600 / DAYS / 1e9,
        "expired_share": expired / max(1, count),
        "held_gb": _late(held),
    }


def _times(chance: Random, mean: float) -> int:
    """How many downloads somebody makes: some none, some many times the mean (geometric)."""
    count = 0
    while chance.random() < mean / (1 + mean):
        count += 1
    return count


def _begins(chance: Random, numbers: Mapping[str, float]) -> float:
    """When a download begins: in the window of the night where it is automatic, else when people are there."""
    day = chance.randrange(DAYS)
    if chance.random() < numbers["automatic_share"]:
        return day * DAY_H + numbers["night_from"] + numbers["night_hours"] * chance.random()
    return day * DAY_H + chance.choices(range(DAY_H), HOURS)[0] + chance.random()


def _carry(by_hour: Counter[int], begun_h: float, bits: float, bps: float) -> None:
    """Add the bits of a download to the hours of the day it takes; more than a day of it is the same every hour."""
    whole_days, rest = divmod(bits, bps * 3600 * DAY_H)
    for hour in range(DAY_H):
        by_hour[hour] += round(whole_days * bps * 3600)
    at_h = begun_h
    while rest > 0:
        some = min(rest, bps * 3600 * (int(at_h) + 1 - at_h))
        by_hour[int(at_h) % DAY_H] += round(some)
        rest, at_h = rest - max(some, 1.0), float(int(at_h) + 1)


def _most_at_once(spans: list[tuple[float, float]]) -> int:
    """How many of the spans overlap at most."""
    steps = sorted([(begin, 1) for begin, _ in spans] + [(end, -1) for _, end in spans])
    most = now = 0
    for _, step in steps:
        now += step
        most = max(most, now)
    return most


def _late(values: list[float]) -> float:
    return sorted(values)[int(LATE * (len(values) - 1))] if values else 0.0


OFFLINE = Simulated(
    id="offline",
    says=(
        f"{PEOPLE:,} people over {DAYS} days on fibre, DSL and mobile networks: some download nothing, some many "
        f"times the mean; half of what is downloaded is watched within {WAITS_DAYS:g} days, the rest later, or "
        "never before it expires. Watched or expired, it is deleted."
    ),
    design=(
        Field("people_m", "People who download, millions", 0.001, 1_000),
        Field("titles_a_week", "Downloads a person and week, mean", 0.01, 20),
        Field("title_hours", "Hours of a title", 0.1, 5),
        Field("mbps", "Bitrate of a download, Mb/s", 0.1, 20),
        Field("expires_days", "Days until a download expires", 0.5, 365),
        Field("automatic_share", "Share of the downloads that are automatic, by night", 0, 1),
        Field("night_from", "Automatic ones begin at this hour, local time", 0, 23),
        Field("night_hours", "Hours over which they are spread", 0.5, 24),
    ),
    estimates=(
        Field("size_gb", "Size of a download, GB", 0, 1_000),
        Field("took_h", "Hours that a download takes, 95th percentile", 0, 1e5, 0.01),
        Field("peak_gbps", "All downloads in the busiest hour of the day, Gb/s", 0, 1e9),
        Field("expired_share", "Share that expires before it is watched", 0, 1, 0.01),
        Field("held_gb", "On a device at the same time, 95th percentile, GB", 0, 1e5),
    ),
    run=_run_offline,
    left_out={
        "size_gb": "A byte has eight bits, and an hour 3,600 seconds.",
        "took_h": "The slowest lines decide, and mobile ones differ by far more than a factor of two.",
        "peak_gbps": "The busiest hour is far above the mean of the day, unless the night takes most of it.",
        "expired_share": "Waiting has a long tail: the mean says little of who is late.",
        "held_gb": "Who downloads much holds many at once, and what is not watched stays until it expires.",
    },
)
