"""Passwords are expensive to guess, and cannot starve the service."""

from __future__ import annotations

import asyncio
import threading
import time

import pytest
from argon2 import PasswordHasher, extract_parameters
from argon2.low_level import Type

from reelwright.accounts.adapters import passwords as module
from reelwright.accounts.adapters.passwords import AT_ONCE, Busy, Passwords

pytestmark = pytest.mark.anyio


class Slow(PasswordHasher):
    """A hasher that waits to be released, and counts who is inside."""

    def __init__(self) -> None:
        super().__init__(time_cost=1, memory_cost=8, parallelism=1)
        self.released = threading.Event()
        self.inside = self.most = 0
        self._lock = threading.Lock()

    def hash(self, password: str | bytes, *, salt: bytes | None = None) -> str:
        """Wait inside."""
        with self._lock:
            self.inside += 1
            self.most = max(self.most, self.inside)
        self.released.wait(5)
        with self._lock:
            self.inside -= 1
        return super().hash(password, salt=salt)


async def test_hashes_are_argon2id_with_at_least_the_recommended_cost() -> None:
    """RFC 9106's second recommendation: 64 MiB, three passes."""
    parameters = extract_parameters(await Passwords().hash("correct horse"))
    assert parameters.type is Type.ID
    assert parameters.memory_cost >= 64 * 1024 and parameters.time_cost >= 3


async def test_a_password_fits_its_own_hash_alone() -> None:
    """And nothing fits a hash that is damaged or absent."""
    passwords = Passwords(PasswordHasher(time_cost=1, memory_cost=8, parallelism=1))
    known = await passwords.hash("correct horse")
    assert await passwords.verify(known, "correct horse")
    assert not await passwords.verify(known, "Correct horse")
    assert not await passwords.verify("no hash", "correct horse")
    assert not await passwords.verify(None, "nobody has this password")


async def test_at_most_two_hash_at_once_and_who_waits_too_long_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    """A verify costs a fifth of a CPU-second: a crowd at the door must not stop the rest of the service."""
    monkeypatch.setattr(module, "WAIT_S", 0.2)
    hasher = Slow()
    passwords = Passwords(hasher)
    crowd = [asyncio.create_task(passwords.hash("x")) for _ in range(6)]
    await asyncio.sleep(0.4)
    hasher.released.set()
    done = await asyncio.gather(*crowd, return_exceptions=True)
    assert hasher.most == AT_ONCE
    assert sum(isinstance(result, str) for result in done) == AT_ONCE
    assert sum(isinstance(result, Busy) for result in done) == 4


async def test_an_unknown_name_costs_as_much_as_a_wrong_password() -> None:
    """Otherwise the time of the answer tells who has an account."""
    passwords = Passwords()
    known = await passwords.hash("correct horse")
    await passwords.verify(known, "warm up")

    async def cost(hash_: str | None) -> float:
        began = time.process_time()
        for _ in range(3):
            await passwords.verify(hash_, "wrong")
        return time.process_time() - began

    assert await cost(None) > 0.5 * await cost(known)
