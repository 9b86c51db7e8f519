"""The key ring: named secrets that sign cookies, media URLs and calls between our own processes.

The newest key signs, every key still in the ring verifies, so that rotation breaks nothing that is in flight.
"""

from __future__ import annotations

import asyncio
import base64
import contextlib
import hmac
import secrets
import time
from pathlib import Path

import msgspec

from reelwright.kernel.errors import Invalid
from reelwright.kernel.files import make_once, replace_file
from reelwright.kernel.telemetry import logger

KEYS_FILE = "keys.json"
"""The ring's place in the data folder."""
SETTLED_S = 5
"""How long a new ring lies before processes sign with it: those that only verify read it within a second."""
_VERIFIED_MOST = 4096
"""So many good signatures are known again without computing them."""
log = logger(__name__)


class Key(msgspec.Struct, frozen=True):
    """One secret of 32 bytes under a short name."""

    name: str
    secret: bytes


class KeyRing:
    """Keys in order of age; the last one signs."""

    def __init__(self, keys: tuple[Key, ...], path: Path | None = None) -> None:
        self._path = path
        self._stamp = _stamp(path)
        self._use(keys)

    def _use(self, keys: tuple[Key, ...]) -> None:
        if not keys:
            raise Invalid("a key ring needs at least one key")
        self.keys = keys
        self._by_name = {key.name: key.secret for key in keys}
        self._verified = set[tuple[str, str, str, str]]()

    @classmethod
    def generate(cls) -> KeyRing:
        """A ring with one fresh key."""
        return cls((_fresh(),))

    @classmethod
    def open(cls, path: Path) -> KeyRing:
        """Read the ring at `path`, or make it there, readable by its owner only."""
        path.parent.mkdir(parents=True, exist_ok=True)
        make_once(path, msgspec.json.encode((_fresh(),)), mode=0o600)
        return cls(_read(path), path)

    def refresh(self, *, settled_s: float = 0) -> bool:
        """Read the file again where it was replaced, at least `settled_s` ago; whether it was.

        Who signs waits until those who verify have read it. Raises Invalid where the file is no ring; the keys stay.
        """
        stamp = _stamp(self._path)
        if self._path is None or stamp == self._stamp or 0 <= time.time() - stamp[0] / 1e9 < settled_s:
            return False
        self._use(_read(self._path))
        self._stamp = stamp
        return True

    def on_disk(self) -> KeyRing:
        """The ring as its file is now, which this process may not sign with yet; itself where it has no file."""
        return self if self._path is None else KeyRing(_read(self._path), self._path)

    def derived(self, key_name: str, purpose: str) -> bytes:
        """32 bytes for another use of a key, which tell nothing of the key. Raises Invalid for an unknown one."""
        secret = self._by_name.get(key_name)
        if secret is None:
            raise Invalid("no such key in the ring")
        return hmac.digest(secret, f"derived\0{purpose}".encode(), "sha256")

    def replaced(self, data: bytes) -> bool:
        """Take a ring that came from elsewhere, and write it to the file; whether it is another. Raises Invalid."""
        try:
            keys = msgspec.json.decode(data, type=tuple[Key, ...])
        except msgspec.MsgspecError as error:
            raise Invalid(f"what came is no key ring: {error}") from error
        if keys == self.keys:
            return False
        ring = KeyRing(keys)
        if self._path is not None:
            ring.save(self._path)
        self._use(keys)
        self._stamp = _stamp(self._path)
        return True

    def save(self, path: Path) -> None:
        """Write the ring whole or not at all, durably, with mode 0600."""
        replace_file(path, msgspec.json.encode(self.keys), mode=0o600)

    def rotated(self, keep: int = 2) -> KeyRing:
        """A ring that signs with a fresh key and still verifies with the newest `keep` old ones."""
        return KeyRing((*self.keys[-keep:], _fresh()))

    @property
    def newest(self) -> Key:
        """The key that signs."""
        return self.keys[-1]

    def sign(self, purpose: str, message: str) -> tuple[str, str]:
        """The key's name and the signature (HMAC-SHA256, 22 URL-safe characters) of `message` for `purpose`."""
        return self.newest.name, _signature(self.newest.secret, purpose, message)

    def verifies(self, purpose: str, message: str, key_name: str, signature: str) -> bool:
        """Whether `signature` was made for this purpose and message by a key still in the ring."""
        asked = (purpose, message, key_name, signature)
        if asked in self._verified:  # a caller comes again and again with one token
            return True
        secret = self._by_name.get(key_name)
        good = secret is not None and hmac.compare_digest(
            _signature(secret, purpose, message).encode(), signature.encode()
        )
        if good:
            self._remember(asked)
        return good

    def _remember(self, asked: tuple[str, str, str, str]) -> None:
        if len(self._verified) >= _VERIFIED_MOST:
            self._verified.clear()
        self._verified.add(asked)


def _read(path: Path) -> tuple[Key, ...]:
    try:
        return msgspec.json.decode(path.read_bytes(), type=tuple[Key, ...])
    except (OSError, msgspec.MsgspecError) as error:
        raise Invalid(f"{path} is no key ring: {error}") from error


def _stamp(path: Path | None) -> tuple[int, int]:
    """What changes when the file is replaced: nanoseconds, and which file it is."""
    with contextlib.suppress(OSError):
        if path is not None:
            found = path.stat()
            return found.st_mtime_ns, found.st_ino
    return 0, 0


async def follow(ring: KeyRing) -> None:
    """Keep `ring` as its file is, for a process that signs; never returns."""
    while True:
        await asyncio.sleep(1)
        try:
            if ring.refresh(settled_s=SETTLED_S):
                log.info("key ring read again", newest=ring.newest.name)
        except Invalid as error:
            log.error("the key ring cannot be read; the old one stays", problem=str(error))


def _fresh() -> Key:
    return Key(secrets.token_hex(3), secrets.token_bytes(32))


def _signature(secret: bytes, purpose: str, message: str) -> str:
    # 128 of the 256 bits: RFC 2104 section 5 allows truncation to no less than half.
    digest = hmac.digest(secret, f"{purpose}\0{message}".encode(), "sha256")[:16]
    return base64.urlsafe_b64encode(digest).rstrip(b"=").decode()
