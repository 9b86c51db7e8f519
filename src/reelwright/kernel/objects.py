"""The object store: named, immutable bytes in a directory or in S3.

A name is a relative path of safe segments. `put` is atomic and durable: a reader sees all of an object or none of it,
and after `put` returned it survives a power cut. Content-hash names make `put` idempotent.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import re
import secrets
import stat
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Protocol, runtime_checkable
from urllib.parse import unquote, urlsplit

from reelwright.kernel.errors import Invalid, MissingExtra, NotFound, Unavailable

_STALE_S = 3600
_SAFE = re.compile(r"(?:[A-Za-z0-9_][A-Za-z0-9._~-]*/)*[A-Za-z0-9_][A-Za-z0-9._~-]*")


@runtime_checkable  # handlers are given it by name, and its type is checked
class ObjectStore(Protocol):
    """What media needs of a store."""

    @property
    def root(self) -> Path | None:
        """The directory that holds the objects as plain files, or None where they are elsewhere."""
        ...

    def put(self, name: str, data: bytes | Path) -> None:
        """Store bytes, or the content of a file, under `name`; atomic and durable. Raises Unavailable when full."""
        ...

    def get(self, name: str) -> bytes:
        """The whole object. Raises NotFound."""
        ...

    def size(self, name: str) -> int | None:
        """Its length in bytes, None when there is no such object."""
        ...

    def list(self, prefix: str) -> Iterator[str]:
        """Names that start with the folder `prefix`, in no order."""
        ...

    def delete(self, name: str) -> None:
        """Remove it; an absent name is not an error."""
        ...


def checked_name(name: str) -> str:
    """`name` when it is a safe relative path, else Invalid: no dots first, no empty segment, no way upwards."""
    if len(name) > 512 or not _SAFE.fullmatch(name) or ".." in name:
        raise Invalid(f"not an object name: {name[:80]!r}")
    return name


def content_name(folder: str, data: bytes, suffix: str) -> str:
    """A name made of the SHA-256 of `data`: `folder/<26 hex digits><suffix>`."""
    return f"{folder}/{hashlib.sha256(data).hexdigest()[:26]}{suffix}"


class DirectoryObjects:
    """Objects as files below one directory; what is not whole yet lies in `.parts`, which no name reaches."""

    def __init__(self, root: Path) -> None:
        self._root = root.resolve()
        self._parts = self._root / ".parts"
        self._parts.mkdir(parents=True, exist_ok=True)
        _sweep(self._parts)

    @property
    def root(self) -> Path:
        """The directory."""
        return self._root

    def put(self, name: str, data: bytes | Path) -> None:
        """Write to a part of its own, sync, rename, sync the folder."""
        target = self._root / checked_name(name)
        part = self._parts / secrets.token_hex(16)
        try:
            target.parent.mkdir(parents=True, exist_ok=True)
            with part.open("wb") as file:
                if isinstance(data, Path):
                    with data.open("rb") as source:
                        while block := source.read(1 << 20):
                            file.write(block)
                else:
                    file.write(data)
                file.flush()
                os.fsync(file.fileno())
            part.replace(target)
        except OSError as error:
            with contextlib.suppress(OSError):
                part.unlink(missing_ok=True)
            raise Unavailable(f"cannot store {name}: {error.strerror}; free space below {self._root}") from error
        _sync_folder(target.parent)

    def get(self, name: str) -> bytes:
        """The file's bytes."""
        try:
            return (self._root / checked_name(name)).read_bytes()
        except (FileNotFoundError, IsADirectoryError, NotADirectoryError):
            raise NotFound(f"no object {name}") from None

    def size(self, name: str) -> int | None:
        """The file's size."""
        try:
            status = (self._root / checked_name(name)).stat()
        except (FileNotFoundError, NotADirectoryError):
            return None
        return status.st_size if stat.S_ISREG(status.st_mode) else None

    def list(self, prefix: str) -> Iterator[str]:
        """Every whole file below the folder."""
        for path in (self._root / checked_name(prefix)).rglob("*"):
            if path.is_file() and not path.name.startswith("."):
                yield path.relative_to(self._root).as_posix()

    def delete(self, name: str) -> None:
        """Unlink it."""
        (self._root / checked_name(name)).unlink(missing_ok=True)


def open_objects(url: str) -> ObjectStore:
    """The store at `file:///path` or `s3://bucket/prefix` (credentials from the usual AWS_* variables)."""
    parts = urlsplit(url)
    if parts.scheme == "file":
        return DirectoryObjects(Path(unquote(parts.path)))
    if parts.scheme == "s3":
        try:
            from reelwright.kernel.s3 import S3Objects
        except ImportError as error:
            raise MissingExtra("s3", f"the media store {url}") from error
        return S3Objects(url)
    raise Invalid(f"a media store is file:///path or s3://bucket/prefix, got {url!r}")


def _sweep(parts: Path) -> None:
    """Remove what writers that were killed left behind; no write takes as long as this waits."""
    for part in parts.iterdir():
        with contextlib.suppress(OSError):
            if time.time() - part.stat().st_mtime > _STALE_S:
                part.unlink()


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
