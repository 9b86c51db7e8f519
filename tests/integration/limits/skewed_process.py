"""A process of `test_faked_clocks.py`: presses on one limit for a while with a wall clock that is wrong.

    python -m tests.integration.limits.skewed_process URL SKEW_S STEP_S KEY

It says `ready`, waits for the time (CLOCK_MONOTONIC, which all processes of a machine share) to begin, and prints for
each request when it was sent, when it was answered, and whether it was admitted.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from collections.abc import Callable

from reelwright.limits import Ask, Limit

LIMIT = Limit(name="pressed", count=100, period_ns=2 * 10**9, algorithm="window")
SECONDS = 5.0
PAUSE_S = 0.008
PATIENT_S = 30.0


def fake(skew_s: float, step_s: float, step_at_ns: list[int]) -> None:
    """Make all that reads this process's wall clock read a wrong one, which steps once."""
    wall: Callable[[], float] = time.time

    def wrong() -> float:
        stepped = step_s if step_at_ns and time.monotonic_ns() >= step_at_ns[0] else 0.0
        return wall() + skew_s + stepped

    time.time = wrong
    time.time_ns = lambda: round(wrong() * 1e9)


async def press(url: str, key: str, step_at_ns: list[int]) -> list[tuple[int, int, bool]]:
    """Ask for the key again and again."""
    if url.startswith("postgresql"):
        from reelwright.limits.adapters.postgres import PostgresStore

        store = PostgresStore(url, timeout_s=PATIENT_S)
    else:
        from reelwright.limits.adapters.redis import RedisStore

        store = RedisStore(url, timeout_s=PATIENT_S)  # type: ignore[assignment]
    await store.decide([Ask(LIMIT, "warm")])
    print("ready", flush=True)
    begin_ns = int(sys.stdin.readline())
    step_at_ns.append(begin_ns + round(SECONDS / 2 * 1e9))
    await asyncio.sleep(max(0.0, (begin_ns - time.monotonic_ns()) / 1e9))
    told = []
    while time.monotonic_ns() < begin_ns + SECONDS * 1e9:
        sent_ns = time.monotonic_ns()
        admitted = (await store.decide([Ask(LIMIT, key)]))[0][0]
        told.append((sent_ns, time.monotonic_ns(), admitted))
        await asyncio.sleep(PAUSE_S)
    await store.close()
    return told


def main() -> None:
    """Run as a process."""
    url, skew_s, step_s, key = sys.argv[1:]
    step_at_ns: list[int] = []
    fake(float(skew_s), float(step_s), step_at_ns)
    print(json.dumps(asyncio.run(press(url, key, step_at_ns))), flush=True)


if __name__ == "__main__":
    main()
