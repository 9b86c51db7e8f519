"""Hashes: our own, and those of other vendors bit by bit.

Ours: a unit's id becomes 64 bits once (BLAKE2b); every layer and experiment mixes them with its salt by SplitMix64
(Steele, Lea, Flood 2014), which is a few vector operations for all of them at once.
"""

from __future__ import annotations

import hashlib
from typing import Any

import numpy as np
import numpy.typing as npt

U64 = npt.NDArray[np.uint64]
_GAMMA = np.uint64(0x9E3779B97F4A7C15)
_M1, _M2 = np.uint64(0xBF58476D1CE4E5B9), np.uint64(0x94D049BB133111EB)
_S30, _S27, _S31, _S32 = np.uint64(30), np.uint64(27), np.uint64(31), np.uint64(32)
_MASK32 = 0xFFFFFFFF


def unit_hash(unit: str) -> int:
    """64 bits of a unit's id."""
    return int.from_bytes(hashlib.blake2b(unit.encode("utf-8", "surrogatepass"), digest_size=8).digest(), "little")


def salt_hash(kind: str, salt: str) -> int:
    """64 bits of a salt; kinds do not share theirs."""
    return unit_hash(f"{kind}\x1f{salt}")


def mix(values: U64) -> U64:
    """SplitMix64's finaliser, for every element; wraps on purpose."""
    mixed = values + _GAMMA
    mixed ^= mixed >> _S30
    mixed *= _M1
    mixed ^= mixed >> _S27
    mixed *= _M2
    mixed ^= mixed >> _S31
    return mixed


def scaled(mixed: U64, most: int) -> U64:
    """Every 64-bit hash as a number in [0, most), from its upper half; uneven by less than most / 2**32."""
    high = mixed >> _S32
    high *= np.uint64(most)
    high >>= _S32
    return high


def fnv1a_32(text: str) -> int:
    """FNV-1a, 32 bits, over UTF-16 code units: what the JavaScript of GrowthBook hashes."""
    value = 0x811C9DC5
    for character in text:
        code = ord(character)
        units = (code,) if code < 0x10000 else (0xD7C0 + (code >> 10), 0xDC00 + (code & 0x3FF))
        for unit in units:
            value = ((value ^ unit) * 0x01000193) & _MASK32
    return value


def murmur3_32(data: bytes, seed: int = 0) -> int:
    """MurmurHash3_x86_32."""
    value, whole = seed & _MASK32, len(data) // 4 * 4
    for at in range(0, whole, 4):
        value ^= _scrambled(int.from_bytes(data[at : at + 4], "little"))
        value = ((value << 13) | (value >> 19)) & _MASK32
        value = (value * 5 + 0xE6546B64) & _MASK32
    if whole < len(data):
        value ^= _scrambled(int.from_bytes(data[whole:], "little"))
    value ^= len(data)
    value = ((value ^ (value >> 16)) * 0x85EBCA6B) & _MASK32
    value = ((value ^ (value >> 13)) * 0xC2B2AE35) & _MASK32
    return value ^ (value >> 16)


def md5_number(text: str) -> int:
    """MD5 as a whole number."""
    return int.from_bytes(hashlib.md5(text.encode(), usedforsecurity=False).digest(), "big")


def text_of(value: Any) -> str:
    """A unit's id as text: whole numbers without a point, as JSON would write them."""
    if isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return str(value)


def _scrambled(block: int) -> int:
    block = (block * 0xCC9E2D51) & _MASK32
    block = ((block << 15) | (block >> 17)) & _MASK32
    return (block * 0x1B873593) & _MASK32
