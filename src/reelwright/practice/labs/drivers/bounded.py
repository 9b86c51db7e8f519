"""Takes bounds upon itself, and becomes the program after them: CPU seconds, bytes of memory, bytes of a file."""

from __future__ import annotations

import contextlib
import os
import resource
import sys

FILES = 64
KINDS = ("RLIMIT_CPU", "RLIMIT_AS", "RLIMIT_FSIZE", "RLIMIT_NOFILE", "RLIMIT_CORE")

for kind, most in zip(KINDS, (*map(int, sys.argv[1:4]), FILES, 0), strict=True):
    with contextlib.suppress(OSError, ValueError):  # macOS bounds no memory
        resource.setrlimit(getattr(resource, kind), (most, most))
os.execvp(sys.argv[4], sys.argv[4:])  # noqa: S606
