"""Versions in the order of SemVer 2.0, section 11."""

from __future__ import annotations

import re

_VERSION = re.compile(
    r"^(0|[1-9]\d{0,17})\.(0|[1-9]\d{0,17})\.(0|[1-9]\d{0,17})"
    r"(?:-([0-9A-Za-z-]+(?:\.[0-9A-Za-z-]+)*))?(?:\+[0-9A-Za-z-]+(?:\.[0-9A-Za-z-]+)*)?\Z"
)
VersionKey = tuple[int, int, int, int, tuple[tuple[int, int, str], ...]]


def version_key(text: str) -> VersionKey | None:
    """What versions are ordered by; None where `text` is none."""
    found = _VERSION.match(text)
    if found is None:
        return None
    major, minor, patch, before = found.groups()
    if before is None:
        return int(major), int(minor), int(patch), 1, ()
    parts = before.split(".")
    if any(part.isdigit() and len(part) > 1 and part[0] == "0" for part in parts):
        return None
    keys = tuple((0, int(part), "") if part.isdigit() else (1, 0, part) for part in parts)
    return int(major), int(minor), int(patch), 0, keys
