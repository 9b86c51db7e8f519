"""Where things lie and answer, from the settings; imports nothing heavy, so that every process may use it."""

from __future__ import annotations

import secrets
from pathlib import Path
from urllib.parse import urlsplit

from reelwright.cdn.settings import CdnSettings
from reelwright.kernel.files import make_once
from reelwright.kernel.settings import ServiceSettings, Source, database_url

EVERY_ADDRESS = ("0.0.0.0", "::")  # noqa: S104 (compared, not bound)


def instance_name(data: Path) -> str:
    """The name of this data folder's installation; made once, whoever asks first."""
    path = data / "instance"
    make_once(path, secrets.token_hex(4).encode())
    return path.read_text()


def edge_name(data: Path) -> str:
    """A name for the edge of this data folder, where none is set."""
    data.mkdir(parents=True, exist_ok=True)
    return f"edge-{instance_name(data)}"


def jobs_url(settings: ServiceSettings) -> str:
    """Where DBOS keeps its own tables: a file beside SQLite's, or a schema in PostgreSQL."""
    database = database_url(settings)
    return f"{database.removesuffix('.sqlite')}-jobs.sqlite" if database.startswith("sqlite:") else database


def media_url(settings: ServiceSettings) -> str:
    """The configured media store, or a directory in the data folder."""
    return settings.media or f"file://{Path(settings.data).resolve()}/media"


def public_url(settings: ServiceSettings) -> str:
    """The URL that people open."""
    scheme = "https" if settings.tls_certificate else "http"
    host = "localhost" if settings.host in EVERY_ADDRESS else settings.host
    return settings.public_url.rstrip("/") or f"{scheme}://{_in_url(host)}:{settings.port}"


def own_edge_url(source: Source, settings: ServiceSettings) -> str:
    """Where viewers reach the edge of this machine: as set, else under the name that people use for the service."""
    cdn = source.section("cdn", CdnSettings)
    told = cdn.advertise or (settings.media_urls[0] if len(settings.media_urls) == 1 else "")
    if told:
        return told.rstrip("/")
    scheme = "https" if settings.tls_certificate else "http"
    host = urlsplit(public_url(settings)).hostname or ""
    return f"{scheme}://{_in_url(host)}:{cdn.port}"


def _in_url(host: str) -> str:
    return f"[{host}]" if ":" in host and not host.startswith("[") else host
