"""A decision that is written down is decided the same again, whatever the algorithm and however large its numbers."""

from __future__ import annotations

import random

import pytest

from reelwright.kernel.clock import VirtualClock
from reelwright.limits.adapters.memory import MemoryStore
from reelwright.limits.adapters.sample import MOST, Sample
from reelwright.limits.contract import ALGORITHMS, Algorithm, Ask, Limit
from reelwright.limits.core.logged import Decided, decided, decided_again, decision_of
from reelwright.limits.service import Limits

pytestmark = pytest.mark.anyio
S = 10**9


def asks_of(algorithm: Algorithm, key: str, *, cost: int = 1) -> list[Ask]:
    """Two limits of an algorithm, the second in shadow mode."""
    tight = Limit(name="tight", count=3, period_ns=S, algorithm=algorithm, cells=4)
    loose = Limit(name="loose", count=7, period_ns=2 * S, algorithm=algorithm, cells=4)
    return [Ask(tight, key, cost), Ask(loose, key, cost, shadow=True)]


@pytest.mark.parametrize("algorithm", ALGORITHMS)
@pytest.mark.parametrize("several", [False, True], ids=["one limit", "two limits"])
def test_it_is_decided_the_same_again(algorithm: Algorithm, several: bool) -> None:
    """Beside a store that keeps nothing: what is kept changes no decision, and repeats each."""
    chance = random.Random(f"{algorithm} {several}")
    clock = VirtualClock(10**17)
    kept, plain = MemoryStore(clock=clock), MemoryStore(clock=clock)
    choices = set()
    for _ in range(300):
        clock.advance(chance.choice([0.0, 0.01, 0.3, 1.0]))
        asks = asks_of(algorithm, chance.choice("ab"))[: 2 if several else 1]
        now_ns, states, outcomes = kept.decide_openly(asks)
        assert outcomes == plain.decide_now(asks)
        told = decision_of(decided(now_ns, asks, states, outcomes))
        assert told is not None
        assert decided_again(told["input"]) == (told["choice"], told["reason"])
        choices.add(told["choice"])
    assert choices == {"admitted", "refused"}


def test_numbers_of_any_size_are_kept() -> None:
    """An exact bucket multiplies nanoseconds by its count."""
    asks = [Ask(Limit(name="many", count=10**9, period_ns=3600 * S), "a")]
    now_ns, _, outcomes = MemoryStore(clock=VirtualClock(10**17)).decide_openly(asks)
    told = decision_of(decided(now_ns, asks, [10**30], outcomes))
    assert told is not None
    assert decided_again(told["input"])[0] == "refused"


def test_who_asked_is_not_written_down() -> None:
    """A decision needs the counter's state, not whose it is."""
    asks = asks_of("gcra", "somebody")
    told = decision_of(decided(1, asks, [0, 0], [(True, 1, 0, 0)] * 2))
    assert "somebody" not in str(told)


async def test_one_in_so_many_is_told() -> None:
    """Every third; those for which there is no room are left out."""
    told: list[Decided] = []

    async def tell(some: object) -> None:
        told.extend(some)  # type: ignore[arg-type]

    limits, sample = Limits(store=MemoryStore(clock=VirtualClock(1))), Sample(tell, every=3)
    limits.keep_sample(sample)
    for _ in range(10):
        await limits.decide(asks_of("gcra", "a"))
    await sample.flush()
    assert len(told) == 3
    for _ in range(3 * MOST + 9):
        await limits.decide(asks_of("gcra", "a"))
    await sample.flush()
    assert len(told) == 3 + MOST
