"""Settings from `reelwright.toml` and `REELWRIGHT_*`: every key documented, unknown keys refused.

Each system has a frozen msgspec struct in its `settings.py`, one section of the file each; `ServiceSettings` holds
the keys that stand outside a section. The environment wins over the file: `REELWRIGHT_PORT=9000` sets `port`,
`REELWRIGHT_CDN_PORT=9001` sets `port` in `[cdn]`.
"""

from __future__ import annotations

import ipaddress
import os
import re
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, TypeVar, get_type_hints
from urllib.parse import urlsplit

import msgspec
from msgspec import Meta

from reelwright.kernel.errors import Invalid, NotFound
from reelwright.kernel.keys import KEYS_FILE

PREFIX = "REELWRIGHT_"
# Read by other parts than the settings: the program to encode with, and engines that tests may use.
OTHER_VARIABLES = ("REELWRIGHT_FFMPEG", "REELWRIGHT_CONFIG")

_KEY = re.compile(r"\$\.(\w+)")

S = TypeVar("S", bound=msgspec.Struct)


class ServiceSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Keys that stand outside a section: where data lives and how the service is reached."""

    data: Annotated[str, Meta(description="Folder of everything the service keeps on this machine.")] = (
        "reelwright-data"
    )
    library: Annotated[tuple[str, ...], Meta(description="Folders watched for films; none watches none.")] = ()
    database: Annotated[
        str, Meta(description="`sqlite:///path` or `postgresql://…`; empty is SQLite in the data folder.")
    ] = ""
    media: Annotated[
        str,
        Meta(
            description="Where media objects live: `file:///path` or `s3://bucket/prefix`; empty is the data folder."
        ),
    ] = ""
    keys: Annotated[
        str,
        Meta(description="File of the key ring; empty is the data folder's. Roles that run apart share one ring."),
    ] = ""
    host: Annotated[str, Meta(description="Address to listen on; anything but loopback needs TLS or a proxy.")] = (
        "127.0.0.1"
    )
    port: Annotated[int, Meta(ge=0, le=65535, description="Port of pages and API.")] = 8000
    public_url: Annotated[
        str,
        Meta(description="URL that people open; cookies, CORS and links follow from it. Empty: host and port."),
    ] = ""
    media_urls: Annotated[
        tuple[str, ...],
        Meta(description="URLs of the edges that players fetch from. Empty: host and the edge's port."),
    ] = ()
    tls_certificate: Annotated[
        str, Meta(description="PEM file with the certificate chain; empty serves plain HTTP.")
    ] = ""
    tls_key: Annotated[str, Meta(description="PEM file with the certificate's private key.")] = ""
    trusted_proxies: Annotated[
        tuple[str, ...], Meta(description="Networks (CIDR) whose X-Forwarded-* headers are believed.")
    ] = ()
    peers: Annotated[
        tuple[str, ...], Meta(description="Roles that run elsewhere, as `collector=https://host:port`.")
    ] = ()
    lan_without_tls: Annotated[
        bool, Meta(description="Allow plain HTTP beyond loopback, with weaker cookies and a banner.")
    ] = False
    log_format: Annotated[
        str, Meta(pattern="^(auto|json|text)$", description="`json`, `text`, or `auto` by terminal.")
    ] = "auto"
    log_level: Annotated[
        str, Meta(pattern="^(debug|info|warning|error)$", description="Least level that is logged.")
    ] = "info"


DATABASE_FILE = "reelwright.sqlite"


def is_loopback(host: str) -> bool:
    """Whether only this machine can reach `host`."""
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return host == "localhost"


def is_passed_on(settings: ServiceSettings) -> bool:
    """Whether others come through a proxy or a tunnel on this machine, so that every request seems to be its own."""
    named = urlsplit(settings.public_url).hostname or settings.host
    return bool(settings.trusted_proxies) or (is_loopback(settings.host) and not is_loopback(named))


def keys_file(settings: ServiceSettings) -> Path:
    """Where the key ring lies: services that run apart share one."""
    return Path(settings.keys or Path(settings.data) / KEYS_FILE).resolve()


def database_url(settings: ServiceSettings) -> str:
    """The configured database, or SQLite in the data folder."""
    return settings.database or f"sqlite:///{Path(settings.data).resolve()}/{DATABASE_FILE}"


def require_kept(settings: ServiceSettings, *, file: str = "") -> None:
    """Raises NotFound where no service has kept anything yet: a command in the wrong folder must not begin one."""
    name = settings.database.removeprefix("sqlite:///")
    if name != settings.database and not Path(name).exists():
        raise NotFound(f"there is no database at {name}; a service makes it at its first start")
    if not settings.database and not (Path(settings.data) / file).exists():
        raise NotFound(f"no service keeps its data in {settings.data}; name its folder with --data")


class Source:
    """What was configured, before any section was read."""

    def __init__(self, document: Mapping[str, Any], environ: Mapping[str, str], origin: str) -> None:
        self._document = document
        self._environ = environ
        self._origin = origin

    @classmethod
    def open(cls, path: Path | None = None, environ: Mapping[str, str] | None = None) -> Source:
        """Read `path`, else `$REELWRIGHT_CONFIG`, else `reelwright.toml` here when it exists."""
        env = os.environ if environ is None else environ
        chosen = path or Path(env.get("REELWRIGHT_CONFIG", "reelwright.toml"))
        if not chosen.exists():
            if path or "REELWRIGHT_CONFIG" in env:
                raise Invalid(f"no settings file at {chosen}; create it or leave the option out")
            return cls({}, env, str(chosen))
        try:
            return cls(tomllib.loads(chosen.read_text("utf-8")), env, str(chosen))
        except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
            raise Invalid(f"{chosen} is not valid TOML: {error}") from error

    def section(self, name: str, kind: type[S], **overrides: Any) -> S:
        """The settings of section `name` as `kind`; overrides (from the command line) win unless None."""
        table = dict(self._document.get(name, {})) if name else self._top_level()
        table.update(self._from_environment(f"{PREFIX}{name.upper()}_" if name else PREFIX, kind))
        table.update({key: value for key, value in overrides.items() if value is not None})
        try:
            return msgspec.convert(table, kind)
        except msgspec.ValidationError as error:
            raise Invalid(self._told(name, kind, str(error))) from error

    def _told(self, name: str, kind: type[msgspec.Struct], problem: str) -> str:
        """What is wrong with which setting, where it was set, and what it may be."""
        place = f"{self._origin}{f' [{name}]' if name else ''}"
        if found := _KEY.search(problem):
            variable = f"{PREFIX}{f'{name}_' if name else ''}{found[1]}".upper()
            place = variable if variable in self._environ else place
            known = ", ".join(_choices(kind, found[1]))
            problem += f"; one of {known}" if known else ""
        return f"{place}: {problem}"

    def check(self, sections: Mapping[str, type[msgspec.Struct]]) -> None:
        """Refuse sections, keys and environment variables that no system knows."""
        for name, table in self._document.items():
            if isinstance(table, dict) and name not in sections:
                raise Invalid(f"{self._origin}: unknown section [{name}]; known: {', '.join(sorted(sections))}")
        known = {PREFIX + key.upper() for key in get_type_hints(ServiceSettings)}
        for name, kind in sections.items():
            known.update(f"{PREFIX}{name}_{key}".upper() for key in get_type_hints(kind))
        for variable in self._environ:
            if not variable.startswith(PREFIX) or variable.startswith("REELWRIGHT_TEST_"):
                continue
            if variable not in known and variable not in OTHER_VARIABLES:
                raise Invalid(f"environment variable {variable} names no setting; see docs/reference/settings.md")

    def _top_level(self) -> dict[str, Any]:
        return {key: value for key, value in self._document.items() if not isinstance(value, dict)}

    def _from_environment(self, prefix: str, kind: type[msgspec.Struct]) -> dict[str, Any]:
        found = {}
        for field in msgspec.structs.fields(kind):
            text = self._environ.get(prefix + field.name.upper())
            if text is not None:
                found[field.name] = _from_text(text, field.default)
        return found


def _choices(kind: type[msgspec.Struct], key: str) -> list[str]:
    """What a setting may be, where that is one of a few words."""
    told = msgspec.inspect.type_info(kind)
    assert isinstance(told, msgspec.inspect.StructType)
    of = next((field.type for field in told.fields if field.name == key), None)
    of = getattr(of, "type", of)  # of what is described
    of = getattr(of, "item_type", of)
    return [str(value) for value in of.values] if isinstance(of, msgspec.inspect.LiteralType) else []


def _from_text(text: str, default: Any) -> Any:
    if isinstance(default, bool):
        return text.strip().lower() in ("1", "true", "yes", "on")
    if isinstance(default, tuple):
        return tuple(part.strip() for part in text.split(",") if part.strip())
    if isinstance(default, int | float):
        try:
            return type(default)(text)
        except ValueError:
            return text
    return text
