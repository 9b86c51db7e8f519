"""Addresses as clients and origins write them."""

from __future__ import annotations

from urllib.parse import SplitResult, urljoin, urlsplit

_NONE = urlsplit("")


def parts_of(text: str, base: str = "") -> SplitResult:
    """The parts of an address, relative ones as seen from `base`; all empty where the text is none."""
    try:
        return urlsplit(urljoin(base, text))
    except ValueError:
        return _NONE
