"""Password hashes: argon2id, few at a time, since one costs about 0.2 CPU-seconds."""

from __future__ import annotations

import secrets
from collections.abc import Callable
from functools import cached_property
from typing import TypeVar

import anyio
import anyio.to_thread
from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from reelwright.kernel.errors import Transient

T = TypeVar("T")

AT_ONCE = 2
WAIT_S = 15.0
"""Sixty who sign in at one instant take ten seconds on two cores."""


ALPHABET = "abcdefghjkmnpqrstuvwxyz23456789"
"""Without what is mistaken for something else when it is read from paper."""


def new_password() -> str:
    """A password of 59 bits that can be read out and typed, as `k7fm-2xqp-9dtw`."""
    return "-".join("".join(secrets.choice(ALPHABET) for _ in range(4)) for _ in range(3))


class Busy(Transient):
    """Too many people sign in at this moment."""

    status = 429
    slug = "too-many-sign-ins"
    retry_after_s = 5


class Passwords:
    """Hashes and verifies in threads, at most `AT_ONCE` at a time; who waits longer than `WAIT_S` is told so."""

    def __init__(self, hasher: PasswordHasher | None = None) -> None:
        self._hasher = hasher or PasswordHasher()
        self._slots: anyio.CapacityLimiter | None = None

    async def hash(self, password: str) -> str:
        """The argon2id hash."""
        return await self._run(lambda: self._hasher.hash(password))

    async def verify(self, known: str | None, password: str) -> bool:
        """Whether the password fits; the same work is done when there is no hash to compare with."""

        def compare() -> bool:
            decoy = self._decoy  # made at the first sign-in, whoever's that is
            try:
                return self._hasher.verify(known or decoy, password) and known is not None
            except (VerificationError, InvalidHashError):
                return False

        return await self._run(compare)

    @cached_property
    def _decoy(self) -> str:
        return self._hasher.hash("nobody has this password")

    async def _run(self, work: Callable[[], T]) -> T:
        slots = self._slots = self._slots or anyio.CapacityLimiter(AT_ONCE)
        try:
            with anyio.fail_after(WAIT_S):
                await slots.acquire_on_behalf_of(ticket := object())
        except TimeoutError:
            raise Busy("many people sign in at this moment; try again in a few seconds") from None
        try:
            return await anyio.to_thread.run_sync(work)
        finally:
            slots.release_on_behalf_of(ticket)
