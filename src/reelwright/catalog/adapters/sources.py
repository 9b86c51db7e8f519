"""Film files as the catalogue knows them again: by size and time, and by what they begin and end with."""

from __future__ import annotations

import hashlib
import os
import stat
from pathlib import Path

from reelwright.kernel.errors import Invalid

_SAMPLE_BYTES = 64 << 10
Stamp = tuple[int, int]
"""(size, mtime_ns)."""


def stamp_of(path: Path, *, follow_links: bool) -> Stamp:
    """Size and time of a plain file. Raises Invalid for anything else, OSError where it cannot be read."""
    try:
        str(path).encode()
    except UnicodeEncodeError:
        raise Invalid(f"the name {os.fsencode(path)!r} is not UTF-8; rename the file") from None
    status = path.stat(follow_symlinks=follow_links)
    if not stat.S_ISREG(status.st_mode):
        raise Invalid(f"{path.name} is no file")
    return status.st_size, status.st_mtime_ns


def fingerprint_of(path: Path) -> str:
    """SHA-256 of the size and both ends: films that share these are one; reading all of it would take minutes."""
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    with os.fdopen(descriptor, "rb") as file:
        size = os.fstat(descriptor).st_size
        digest = hashlib.sha256(str(size).encode())
        digest.update(file.read(_SAMPLE_BYTES))
        file.seek(max(0, size - _SAMPLE_BYTES))
        digest.update(file.read(_SAMPLE_BYTES))
    return digest.hexdigest()
