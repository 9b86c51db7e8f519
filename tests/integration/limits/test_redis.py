"""What a Redis does to its clients: it forgets the script, is restarted, is a cluster whose slots move."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

import pytest
from tests.engines import RedisCluster, RedisServer

from reelwright.kernel.clock import SystemClock
from reelwright.kernel.errors import Invalid
from reelwright.limits import Ask, Limit
from reelwright.limits.adapters.cluster import RedisClusterStore, slot_of
from reelwright.limits.adapters.leased import LeasedStore
from reelwright.limits.adapters.redis import Address, RedisStore
from reelwright.limits.contract import StoreUnavailable
from reelwright.limits.settings import LimitsSettings
from reelwright.limits.system import open_store

pytestmark = pytest.mark.anyio
HOUR = 3600 * 10**9
LIMIT = Limit(name="x", count=100, period_ns=HOUR)
PATIENT_S = 5.0


@pytest.fixture
def server() -> Iterator[RedisServer]:
    """A Redis that a test may break."""
    found = RedisServer()
    yield found
    found.remove()


async def left(store: RedisStore, key: str) -> int:
    """What the limit has left after one request more."""
    return (await store.decide([Ask(LIMIT, key)]))[0][1]


async def test_one_round_trip_decides_whatever_one_tick_asks(server: RedisServer) -> None:
    """Eight limits are one; two hundred requests of one tick are one too."""
    store = RedisStore(server.url, timeout_s=PATIENT_S)
    limits = [Limit(name=f"{number}", count=100, period_ns=HOUR) for number in range(8)]
    await store.decide([Ask(limit, "k") for limit in limits])
    assert store.round_trips == 1
    await asyncio.gather(*(store.decide([Ask(limits[0], f"{number}")]) for number in range(200)))
    assert store.round_trips == 2
    await store.close()


async def test_what_there_is_is_taken_and_no_more(server: RedisServer) -> None:
    """A take of seven from five is one of five, says when seven would have been there, and then there is nothing."""
    store = RedisStore(server.url, timeout_s=PATIENT_S)
    limit = Limit(name="x", count=10, period_ns=HOUR, burst=5)
    more = Limit(name="y", count=10, period_ns=HOUR)
    first, other = await asyncio.gather(store.take(Ask(limit, "k", 4)), store.decide([Ask(more, "k", 3)]))
    assert first[:2] == (4, 0) and other[0][:2] == (True, 7)
    second = await store.take(Ask(limit, "k", 3))
    assert second[0] == 1 and second[1] > 0
    assert (await store.take(Ask(limit, "k", 3)))[0] == 0
    await store.close()


async def test_leases_spend_what_two_nodes_took_and_no_more(server: RedisServer) -> None:
    """Most decisions ask nobody, both together get the burst, and what is not leased is asked at the store."""
    stores = [LeasedStore(RedisStore(server.url, timeout_s=PATIENT_S), hold_s=60) for _ in range(2)]
    limit, window = (
        Limit(name="x", count=60, period_ns=HOUR),
        Limit(name="w", count=9, period_ns=HOUR, algorithm="log"),
    )
    admitted = 0
    for _ in range(100):
        outcomes = await asyncio.gather(*(store.decide([Ask(limit, "k")]) for store in stores))
        admitted += sum(outcome[0][0] for outcome in outcomes)
    assert 0 < admitted <= 60 and sum(store.calls for store in stores) <= 4
    both = await stores[0].decide([Ask(limit, "other"), Ask(window, "k")])
    assert [outcome[0] for outcome in both] == [True, True] and both[1][1] == 8
    refused = await stores[0].decide([Ask(limit, "other", 61), Ask(window, "k")])
    assert [outcome[0] for outcome in refused] == [False, True] and refused[1][1] == 8
    for store in stores:
        await store.close()


async def test_what_is_given_back_is_there_again_but_not_in_another_life_of_the_store(server: RedisServer) -> None:
    """Forty of fifty unspent come back whole, as little flows in; twice or from before a restart they are refused."""
    store, limit = RedisStore(server.url, timeout_s=PATIENT_S), Limit(name="x", count=60, period_ns=HOUR)
    taken, _, since = await store.take(Ask(limit, "k", 50))
    assert taken == 50 and (await store.take(Ask(limit, "k", 0), back=(40, since + 10**12)))[0] == 0
    assert (await store.decide([Ask(limit, "k", 0)]))[0][1] == 10, "granted in the future: refused"
    await store.take(Ask(limit, "k", 0), back=(40, since))
    assert 49 <= (await store.decide([Ask(limit, "k", 0)]))[0][1] <= 50
    server.stop()
    server.start()
    with pytest.raises(StoreUnavailable):
        await store.take(Ask(limit, "k", 60))
    await store.take(Ask(limit, "k", 60))
    await store.take(Ask(limit, "k", 0), back=(40, since))
    assert (await store.decide([Ask(limit, "k", 0)]))[0][1] == 0
    await store.close()


@pytest.mark.parametrize("closes", [True, False])
async def test_a_node_that_ends_or_idles_gives_back_what_it_holds(server: RedisServer, closes: bool) -> None:
    """A node that wanted much and then nothing: its slice is there for others after H, or once closed."""
    limit = Limit(name="x", count=60, period_ns=HOUR)
    node, watch = (RedisStore(server.url, timeout_s=PATIENT_S) for _ in range(2))
    leased = LeasedStore(node, hold_s=1)
    leased.hit(limit, "k")
    await asyncio.sleep(0.05)
    asked = [leased.hit(limit, "k") for _ in range(40)]
    await asyncio.sleep(0.6)
    asked += [leased.hit(limit, "k") for _ in range(5)]
    await asyncio.sleep(0.1)
    before = (await watch.decide([Ask(limit, "k", 0)]))[0][1]
    assert before < 30
    if closes:
        await leased.close()
    async with asyncio.timeout(60):
        while (after := (await watch.decide([Ask(limit, "k", 0)]))[0][1]) <= before + 20:
            await asyncio.sleep(0.05)
    assert after <= 60 - sum(asked)
    await leased.close()
    await watch.close()


async def test_a_forgotten_script_is_told_again(server: RedisServer) -> None:
    """SCRIPT FLUSH costs one more trip, and no decision."""
    store = RedisStore(server.url, timeout_s=PATIENT_S)
    assert await left(store, "k") == 99
    assert server.say("SCRIPT", "FLUSH") == "+OK"
    assert await left(store, "k") == 98
    await store.close()


async def test_a_restart_is_an_error_and_then_a_new_epoch(server: RedisServer) -> None:
    """Whoever asks meanwhile is told that the store is not there; afterwards it works, and is known to be empty."""
    store = RedisStore(server.url, timeout_s=PATIENT_S)
    assert await left(store, "k") == 99
    before = store.time().epoch
    server.stop()
    with pytest.raises(StoreUnavailable):
        await left(store, "k")
    server.start()
    assert await left(store, "k") == 99
    assert before and store.time().epoch not in ("", before)
    await store.close()


async def test_every_key_dies(server: RedisServer) -> None:
    """No counter is immortal: throttled's are, if a crash comes between INCRBY and EXPIRE."""
    store = RedisStore(server.url, timeout_s=PATIENT_S)
    for algorithm in ("gcra", "fixed", "window", "log", "counter", "concurrency"):
        await store.decide([Ask(Limit(name=algorithm, count=9, period_ns=HOUR, algorithm=algorithm), "k")])
    assert server.say("EVAL", "return #redis.call('KEYS', '*')", "0") == ":7"
    immortal = "if redis.call('TTL', key) < 0 then n = n + 1 end"
    script = f"local n = 0 for _, key in ipairs(redis.call('KEYS', '*')) do {immortal} end return n"
    assert server.say("EVAL", script, "0") == ":1", "only the clock stays"
    await store.close()


async def test_a_store_that_wants_a_password_and_gets_none_is_unavailable() -> None:
    """The reason is told; with the password it works."""
    locked = RedisServer("--requirepass", "secret")
    try:
        locked.say("AUTH", "secret")
        with pytest.raises(StoreUnavailable, match="NOAUTH"):
            await left(RedisStore(locked.url, timeout_s=PATIENT_S), "k")
        store = RedisStore(f"redis://:secret@127.0.0.1:{locked.port}/2", timeout_s=PATIENT_S)
        assert await left(store, "k") == 99
        await store.close()
    finally:
        locked.remove()


@pytest.mark.parametrize(
    "url", ["http://x", "redis://host/notanumber", "", "redis:///x", "redis://:secret@host:port", "http://:secret@x"]
)
async def test_what_is_no_address_is_refused(url: str) -> None:
    """With an example, and without the password."""
    with pytest.raises(Invalid, match="redis://host") as refused:
        Address.parse(url)
    assert "secret" not in str(refused.value)


async def test_a_slot_that_moves_is_followed(redis_cluster: RedisCluster) -> None:
    """MOVED costs one more trip; the counters move with their slot."""
    store = RedisClusterStore(redis_cluster.urls, timeout_s=PATIENT_S)
    assert await left(store, "d|6:tenant5:moves|k") == 99
    slot = slot_of(b"{td|6:tenant5:moves}")
    store._owners[slot] = next(
        ("127.0.0.1", node.port) for node in redis_cluster.nodes if ("127.0.0.1", node.port) != store._owners[slot]
    )
    assert await left(store, "d|6:tenant5:moves|k") == 98
    await store.close()


async def test_limits_of_two_tenants_are_not_asked_together_in_a_cluster(redis_cluster: RedisCluster) -> None:
    """They lie in two slots, which no script spans: that is refused, not decided by halves."""
    store = RedisClusterStore(redis_cluster.urls, timeout_s=PATIENT_S)
    with pytest.raises(Invalid, match="one slot"):
        await store.decide([Ask(LIMIT, "d|6:tenant1:a"), Ask(LIMIT, "d|6:tenant1:b")])
    await store.close()


async def test_web_processes_spend_one_limit_by_leases(server: RedisServer) -> None:
    """As the settings say it, through an outage too: no more than the theorem allows, and no error."""
    settings = LimitsSettings(store=server.url, lease_ms=200, nodes=2)
    stores = [open_store(settings, SystemClock()) for _ in range(2)]
    limit = Limit(name="leased", count=10, period_ns=HOUR, burst=10)
    admitted = 0
    for _ in range(40):
        for store in stores:
            admitted += (await store.decide([Ask(limit, "k")]))[0][0]
    assert 0 < admitted <= limit.most
    server.stop()
    for store in stores:
        await store.decide([Ask(limit, "another")])
        await store.close()


def test_leases_need_a_store_that_grants_them() -> None:
    """The setting is refused with what it needs."""
    with pytest.raises(Invalid, match="lease_ms"):
        open_store(LimitsSettings(lease_ms=50), SystemClock())
