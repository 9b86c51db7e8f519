"""Opening what came in, without believing that it is a file."""

from __future__ import annotations

import os
import stat
from pathlib import Path
from typing import BinaryIO

from reelwright.media.contract import BadSource


def open_source(path: Path, shown: str) -> BinaryIO:
    """The file, opened; never waits for a pipe or a device dressed as a film. Raises BadSource."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError as error:
        raise BadSource(f"{shown} cannot be read: {error.strerror}") from error
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise BadSource(f"{shown} is not a file")
    return os.fdopen(descriptor, "rb")
