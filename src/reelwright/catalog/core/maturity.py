"""Certificates of many countries as one number: the least age in years."""

from __future__ import annotations

import re

_KNOWN = {"g": 0, "tv-y": 0, "tv-g": 0, "u": 0, "uc": 0, "all": 0, "atp": 0, "l": 0, "ec": 0, "e": 6, "e10": 10,
          "tv-y7": 7, "tv-y7-fv": 7, "pg": 8, "tv-pg": 10, "12a": 12, "pg-13": 13, "pg13": 13, "t": 13,
          "tv-14": 14, "ma15": 15, "m": 15, "r": 17, "tv-ma": 17, "nc-17": 18, "x": 18, "r18": 18, "x18": 18,
          "ao": 18}  # fmt: skip
_ISSUER = re.compile(r"^(?:[a-z]{2,3}\s*:\s*)?(?:(?:fsk|bbfc|mpaa|rated|pegi|cnc|usk|kijkwijzer|rating)\b[\s:/-]*)?")


def maturity_of(certificate: str) -> int | None:
    """Years for `PG-13`, `FSK 12`, `BBFC:15`, `TV-MA`, `Rated R for language`, `16+`; the highest of several.

    None when it says nothing known: unrated.
    """
    ages = [age for part in re.split(r"[/|;,]", certificate[:500]) if (age := _age(part)) is not None]
    return max(ages, default=None)


def _age(text: str) -> int | None:
    words = _ISSUER.sub("", text.strip().lower()).split()
    if not words:
        return None
    word = words[0].rstrip("+")
    found = re.fullmatch(r"[0-9]{1,2}", word)
    return int(word) if found and int(word) <= 21 else _KNOWN.get(word)
