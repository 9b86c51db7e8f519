"""Objects in an S3-compatible store, through obstore."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from urllib.parse import urlsplit

import obstore
from obstore.exceptions import BaseError
from obstore.store import S3Store

from reelwright.kernel.errors import NotFound, Unavailable
from reelwright.kernel.objects import checked_name


class S3Objects:
    """Objects below `s3://bucket/prefix`; endpoint and credentials come from the usual AWS_* variables."""

    root = None

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        self._url = url
        self._store = S3Store(
            parts.netloc,
            prefix=parts.path.strip("/") or None,
            client_options={"allow_http": True, "timeout": "30s", "connect_timeout": "5s"},
            retry_config={"max_retries": 2, "retry_timeout": timedelta(seconds=60)},
        )

    def put(self, name: str, data: bytes | Path) -> None:
        """One PUT (multipart where large); S3 shows an object whole or not at all."""
        try:
            obstore.put(self._store, checked_name(name), data)
        except BaseError as error:
            raise Unavailable(f"cannot store {name} in {self._url}: {error}") from error

    def get(self, name: str) -> bytes:
        """One GET."""
        try:
            return bytes(obstore.get(self._store, checked_name(name)).bytes())
        except FileNotFoundError:
            raise NotFound(f"no object {name}") from None
        except BaseError as error:
            raise Unavailable(f"cannot read {name} from {self._url}: {error}") from error

    def size(self, name: str) -> int | None:
        """One HEAD."""
        try:
            return obstore.head(self._store, checked_name(name))["size"]
        except FileNotFoundError:
            return None
        except BaseError as error:
            raise Unavailable(f"cannot look up {name} in {self._url}: {error}") from error

    def list(self, prefix: str) -> Iterator[str]:
        """Names below the folder, page by page."""
        try:
            for page in obstore.list(self._store, checked_name(prefix) + "/"):
                for entry in page:
                    yield entry["path"]
        except BaseError as error:
            raise Unavailable(f"cannot list {prefix} in {self._url}: {error}") from error

    def delete(self, name: str) -> None:
        """One DELETE."""
        try:
            obstore.delete(self._store, checked_name(name))
        except FileNotFoundError:
            return
        except BaseError as error:
            raise Unavailable(f"cannot delete {name} in {self._url}: {error}") from error
