"""Running ffmpeg: confined, limited, its progress read, its failures told apart."""

from __future__ import annotations

import functools
import os
import shutil
import subprocess
import threading
from collections.abc import Callable
from pathlib import Path
from typing import IO

from reelwright.kernel.bounded import bounded
from reelwright.kernel.errors import Unavailable
from reelwright.media.adapters.sandbox import bare_environ, confined
from reelwright.media.contract import BadSource

MEMORY_BYTES = 8 << 30
FILE_BYTES = 16 << 30
CPU_S = 12 * 3600
FILES_MOST = 256
NICE = 5
_SAID_BYTES = 2000
_FULL = "No space left on device"
_REFUSED = ((b"[in#", b"[error]"), (b"[dec:", b"Invalid data"), (b"corrupt input packet",))
"""Words of the lines that tell of data which the demuxer or a decoder could not use."""


@functools.cache
def program() -> str:
    """The ffmpeg to run: `$REELWRIGHT_FFMPEG`, else the one that imageio-ffmpeg brings."""
    chosen = os.environ.get("REELWRIGHT_FFMPEG")
    if chosen:
        return chosen
    import imageio_ffmpeg

    return str(imageio_ffmpeg.get_ffmpeg_exe())


def run(arguments: list[str], *, source: Path, work: Path, watch: Callable[[float], None]) -> int:
    """Run ffmpeg in `work`; `watch` hears the seconds of film done four times a second, and may raise to end it.

    Returns how often the demuxer or a decoder met data it could not use. Raises Unavailable when the disk is full,
    BadSource when the source is to blame.
    """
    command = [
        program(), "-nostdin", "-hide_banner", "-v", "level+warning", "-y", "-max_error_rate", "1",
        "-stats_period", "0.25", "-progress", "pipe:1", *arguments,
    ]  # fmt: skip
    limited = [*_limits(), *confined(command, readable=[source], writable=[work])]
    with subprocess.Popen(
        limited,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        cwd=work,
        env=bare_environ(),
    ) as process:
        assert process.stdout is not None and process.stderr is not None
        tail = _Tail(process.stderr)
        try:
            _follow(process.stdout, watch)
        except BaseException:
            process.kill()
            raise
        said = tail.text()
    if process.returncode != 0:
        raise _failure(process.returncode, said, source.name)
    return tail.refused


def _follow(progress: IO[bytes], watch: Callable[[float], None]) -> None:
    for line in progress:
        key, _, value = line.decode("ascii", "replace").strip().partition("=")
        if key == "out_time_us":
            watch(max(0.0, int(value) / 1e6) if value.lstrip("-").isdigit() else 0.0)


class _Tail:
    """The end of what a program says; a hostile file can make it say gigabytes."""

    def __init__(self, stream: IO[bytes]) -> None:
        self._stream = stream
        self._kept = b""
        self.refused = 0
        self._thread = threading.Thread(target=self._read, daemon=True)
        self._thread.start()

    def _read(self) -> None:
        while line := self._stream.readline(_SAID_BYTES):
            if b"[warning]" not in line:
                self._kept = (self._kept + line)[-_SAID_BYTES:]
            self.refused += any(all(word in line for word in words) for words in _REFUSED)

    def text(self) -> str:
        """What was kept, once the program has ended."""
        self._thread.join()
        return self._kept.decode("utf-8", "replace")


def _limits() -> list[str]:
    """Programs that start the next one with less: it dies with us, waits for others, and has bounds."""
    starters = (
        ("setpriv", ("--pdeathsig", "KILL")),
        ("nice", ("-n", str(NICE))),
    )
    found = [(shutil.which(name), options) for name, options in starters]
    bounds = bounded(cpu_s=CPU_S, memory_bytes=MEMORY_BYTES, file_bytes=FILE_BYTES, files=FILES_MOST)
    return [*(word for path, options in found if path for word in (path, *options)), *bounds]


def _failure(code: int, said: str, name: str) -> Exception:
    if _FULL in said:
        return Unavailable("the disk is full; free some space and the job goes on by itself")
    last = said.strip().splitlines()[-1:] or [f"exit code {code}"]
    return BadSource(f"{name} could not be encoded: {last[0][:300]}")
