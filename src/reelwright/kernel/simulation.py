"""A seeded world without a wall clock: events in order of their time, a network that fails, clocks that are wrong.

Whatever runs in it is decided by the seed: the same seed gives the same run, event by event. Simulations call the
same pure decisions that serve requests; only time and the network are made up.
"""

from __future__ import annotations

import heapq
import random
from collections.abc import Callable
from itertools import count

Act = Callable[[], None]


class Simulation:
    """An event queue and its time."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)  # noqa: S311 (a simulation is to be repeatable)
        self.now_ns = 0
        self._queue: list[tuple[int, int, Act]] = []
        self._order = count()

    def at(self, delay_ns: int, act: Act) -> None:
        """Do `act` in `delay_ns`; what is due at the same time is done in the order in which it was asked for."""
        if delay_ns < 0:
            raise ValueError(f"time passes forwards, got {delay_ns} ns")
        heapq.heappush(self._queue, (self.now_ns + delay_ns, next(self._order), act))

    def every(self, period_ns: int, act: Act, *, until_ns: int) -> None:
        """Do `act` now and after every `period_ns`, up to `until_ns`."""

        def again() -> None:
            if self.now_ns < until_ns:
                act()
                self.at(period_ns, again)

        self.at(0, again)

    def run(self, until_ns: int) -> None:
        """Let everything happen that is due before `until_ns`, and stop there."""
        while self._queue and self._queue[0][0] < until_ns:
            self.now_ns, _, act = heapq.heappop(self._queue)
            act()
        self.now_ns = max(self.now_ns, until_ns)


class WrongClock:
    """Implements `kernel.clock.Clock` in a simulation: off by `skew_ns`, fast by `drift`, and it may step."""

    def __init__(self, simulation: Simulation, *, skew_ns: int = 0, drift: float = 0.0) -> None:
        self._simulation = simulation
        self._skew_ns = skew_ns
        self._rate = 1.0 + drift

    def wall_ns(self) -> int:
        """What this machine believes that the time is."""
        return round(self._simulation.now_ns * self._rate) + self._skew_ns

    def monotonic_ns(self) -> int:
        """Time since an arbitrary start, with drift but without steps."""
        return round(self._simulation.now_ns * self._rate)

    def step(self, by_ns: int) -> None:
        """The wall clock is set forwards or back."""
        self._skew_ns += by_ns


class Network:
    """Messages between named places: they take time, are lost, come twice, or do not pass a partition."""

    def __init__(
        self,
        simulation: Simulation,
        *,
        least_ns: int = 100_000,
        most_ns: int = 2_000_000,
        lost: float = 0.0,
        doubled: float = 0.0,
    ) -> None:
        self._simulation = simulation
        self._least_ns = least_ns
        self._most_ns = most_ns
        self._lost = lost
        self._doubled = doubled
        self._cut: set[str] = set()
        self.delay_ns: dict[str, int] = {}
        """Extra time that messages from or to a place take."""

    def cut(self, place: str) -> None:
        """Nothing reaches or leaves `place` any more."""
        self._cut.add(place)

    def heal(self, place: str) -> None:
        """Messages pass again."""
        self._cut.discard(place)

    def send(self, source: str, target: str, act: Act, *, once: bool = False) -> None:
        """Do `act` at the target after the message's way, if it arrives; `once`: nobody sends it again."""
        dice = self._simulation.random
        copies = 2 if dice.random() < self._doubled and not once else 1
        for _ in range(copies):
            if dice.random() < self._lost:
                continue
            way_ns = dice.randint(self._least_ns, self._most_ns)
            way_ns += self.delay_ns.get(source, 0) + self.delay_ns.get(target, 0)
            self._simulation.at(way_ns, lambda: self._arrive(source, target, act))

    def _arrive(self, source: str, target: str, act: Act) -> None:
        if source not in self._cut and target not in self._cut:
            act()
