"""Open files: a bounded table of descriptors for objects on this disk."""

from __future__ import annotations

import os
from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path

_KEPT = 512
SMALL_BYTES_MOST = 64 << 10
_TRUSTED_NS = 10 * 10**9
"""How long an open file is served before the disk is asked again; a purged object is gone after that."""


class Resident:
    """A small file in memory, behind the head of a plain answer; void once its time is over."""

    __slots__ = ("_cut", "_wire", "size", "until_ns")

    def __init__(self, head: bytes, body: bytes, until_ns: int) -> None:
        self._wire = b"%b\r\n%b" % (head, body)
        self._cut = len(head)
        self.size = len(body)
        self.until_ns = until_ns
        """Of the monotonic clock."""

    def answer(self, lines: bytes) -> bytes:
        """Head and body, with more lines in the head."""
        return b"".join(self.parts(lines)) if lines else self._wire

    def parts(self, lines: bytes) -> tuple[bytes, bytes]:
        """The same, apart."""
        return b"%b%b\r\n" % (self._wire[: self._cut], lines), self._wire[self._cut + 2 :]

    def expire(self) -> None:
        """Void now, whoever still knows it."""
        self.until_ns, self._wire = 0, b""


class OpenFile:
    """A descriptor that closes when the table and all senders have let go.

    A small file that is asked for again is kept whole, with its head ready: the memory tier lives and dies with the
    table's entry, so a file that is purged or evicted is gone from both at once.
    """

    __slots__ = ("asked", "descriptor", "opened_ns", "resident", "size")

    def __init__(self, descriptor: int, size: int, opened_ns: int) -> None:
        self.descriptor = descriptor
        self.size = size
        self.opened_ns = opened_ns
        self.asked = False
        self.resident: Resident | None = None

    def admit(self, head: bytes) -> None:
        """Take a small file into memory when it is asked for the second time; `head` lacks its last line."""
        if self.size > SMALL_BYTES_MOST:
            return
        if self.asked and len(body := os.pread(self.descriptor, self.size, 0)) == self.size:
            self.resident = Resident(head, body, self.opened_ns + _TRUSTED_NS)
        self.asked = True

    def __del__(self) -> None:
        os.close(self.descriptor)


class FileTable:
    """Opens objects below `root`, and keeps the most used open."""

    def __init__(self, root: Path, monotonic_ns: Callable[[], int]) -> None:
        self._root = str(root)
        self._monotonic_ns = monotonic_ns
        self._open: OrderedDict[str, OpenFile] = OrderedDict()

    def open(self, name: str) -> OpenFile | None:
        """The object's file, or None when there is none. `name` has been checked."""
        now_ns = self._monotonic_ns()
        found = self._open.get(name)
        if found is not None and now_ns - found.opened_ns < _TRUSTED_NS:
            self._open.move_to_end(name)
            return found
        try:
            descriptor = os.open(f"{self._root}/{name}", os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
        except OSError:
            self.forget(name)
            return None
        self.forget(name)
        found = self._open[name] = OpenFile(descriptor, os.fstat(descriptor).st_size, now_ns)
        while len(self._open) > _KEPT:
            self.forget(next(iter(self._open)))
        return found

    def forget(self, name: str) -> None:
        """Let go of a file, as of one that is being deleted."""
        found = self._open.pop(name, None)
        if found is not None and found.resident is not None:
            found.resident.expire()
