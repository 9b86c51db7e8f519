"""An S3-compatible store, for whoever reads or keeps tables there; endpoint and credentials from AWS_* variables."""

from __future__ import annotations

import os
from pathlib import Path

from fsspec.implementations.arrow import ArrowFSWrapper
from pyarrow.fs import AwsStandardS3RetryStrategy, LocalFileSystem, S3FileSystem, copy_files

from reelwright.kernel.errors import Unavailable

SCHEME = "s3://"
CONNECT_S, REQUEST_S = 5, 30


class DuckS3(ArrowFSWrapper):  # type: ignore[misc]
    """What DuckDB reads `s3://` with: its own extension for that is not part of it, and would have to be fetched."""

    protocol = "s3"

    def __init__(self) -> None:
        super().__init__(open_s3())


def open_s3() -> S3FileSystem:
    """The store; a PUT that was answered is durable there, and every reader sees it."""
    return S3FileSystem(
        endpoint_override=_endpoint(),
        connect_timeout=CONNECT_S,
        request_timeout=REQUEST_S,
        retry_strategy=AwsStandardS3RetryStrategy(max_attempts=3),
    )


def copy_warehouse(folder: Path, url: str) -> None:
    """Every file of a warehouse to `s3://bucket/prefix`; who opens it lists its tables anew. Raises Unavailable."""
    try:
        copy_files(str(folder), url.removeprefix(SCHEME), LocalFileSystem(), open_s3())
    except OSError as error:
        raise Unavailable(f"the lake cannot be copied to {url}: {error}") from error


def iceberg_properties() -> dict[str, str]:
    """The same for pyiceberg."""
    found = {"s3.connect-timeout": str(CONNECT_S), "s3.request-timeout": str(REQUEST_S)}
    endpoint = _endpoint()
    return found | {"s3.endpoint": endpoint} if endpoint else found


def _endpoint() -> str | None:
    """Arrow reads credentials and region from the environment by itself, and this only in part."""
    return os.environ.get("AWS_ENDPOINT_URL_S3") or os.environ.get("AWS_ENDPOINT_URL")
