"""Small films for tests, made by ffmpeg once a run, and ways to look at what became of them."""

from __future__ import annotations

import subprocess
from pathlib import Path

import numpy as np
import numpy.typing as npt

from reelwright.media.adapters import ffmpeg

LOOK = (160, 90)
"""Pictures are compared at this size."""
H264 = ("-c:v", "libx264", "-preset", "ultrafast", "-crf", "10", "-g", "250")


def run_ffmpeg(*arguments: str | Path) -> bytes:
    """ffmpeg's output; whatever it complains about fails the test."""
    command = [ffmpeg.program(), "-nostdin", "-v", "error", "-y", *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, check=False, timeout=120)
    assert done.returncode == 0, done.stderr.decode("utf-8", "replace")[-2000:]
    return done.stdout


class Films:
    """Makes films in a folder, each once."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def make(
        self,
        name: str,
        *options: str,
        size: str = "320x180",
        rate: str = "25",
        seconds: float = 3,
        sound: str = "sine",
        inputs: tuple[str | Path, ...] = (),
    ) -> Path:
        """A film of moving patterns with a tone (none where `sound` is empty), encoded with `options`."""
        path = self._folder / name
        if not path.exists():
            tone = ("-f", "lavfi", "-i", f"{sound}{':' if '=' in sound else '='}duration={seconds}") if sound else ()
            picture = f"testsrc2=size={size}:rate={rate}:duration={seconds}"
            run_ffmpeg("-f", "lavfi", "-i", picture, *tone, *inputs, *(options or H264), path)
        return path

    def changed(self, name: str, source: Path, start: float, end: float, filler: bytes = b"") -> Path:
        """A copy whose bytes between two fractions are replaced (by noise, or by `filler`)."""
        path = self._folder / name
        data = bytearray(source.read_bytes())
        first, last = int(len(data) * start), int(len(data) * end)
        noise = np.random.default_rng(1).bytes(last - first)
        data[first:last] = (filler * (last - first))[: last - first] if filler else noise
        path.write_bytes(data)
        return path

    def cut(self, name: str, source: Path, fraction: float) -> Path:
        """A copy that ends early."""
        path = self._folder / name
        data = source.read_bytes()
        path.write_bytes(data[: int(len(data) * fraction)])
        return path


def pictures_of(
    source: str | Path, *, stream: str = "0:v:0", rate: str = "", filters: str = ""
) -> npt.NDArray[np.float32]:
    """Every picture in grey, (frames, pixels); at `rate` where given."""
    chain = ",".join(part for part in (f"fps={rate}" if rate else "", filters, f"scale={LOOK[0]}:{LOOK[1]}") if part)
    raw = run_ffmpeg(
        "-i", source, "-map", stream, "-vf", chain, "-pix_fmt", "gray", "-fps_mode", "passthrough",
        "-f", "rawvideo", "-",
    )  # fmt: skip
    return np.frombuffer(raw, np.uint8).reshape(-1, LOOK[0] * LOOK[1]).astype(np.float32)


def sound_of(source: str | Path, *, stream: str = "0:a:0") -> npt.NDArray[np.float32]:
    """The sound as one channel at 48 kHz."""
    raw = run_ffmpeg("-i", source, "-map", stream, "-ac", "1", "-ar", "48000", "-f", "f32le", "-")
    return np.frombuffer(raw, np.float32)


def frame_hashes(source: str | Path, stream: str, *options: str) -> list[str]:
    """The hash of each decoded frame of a track."""
    said = run_ffmpeg(
        *options, "-i", source, "-map", stream, "-fps_mode", "passthrough", "-f", "framemd5", "-"
    ).decode()
    return [line.rsplit(",", 1)[1].strip() for line in said.splitlines() if not line.startswith("#")]


def misplaced(
    made: npt.NDArray[np.float32], wanted: npt.NDArray[np.float32], *, reach: int = 3
) -> list[tuple[int, int]]:
    """(frame, offset) of pictures in `made` that look clearly more like a neighbour of their place in `wanted`."""
    found = []
    for index, picture in enumerate(made[: len(wanted)]):
        first = max(0, index - reach)
        errors = ((wanted[first : index + reach + 1] - picture) ** 2).mean(axis=1)
        offset = first + int(errors.argmin()) - index
        own = errors[index - first]
        if own > 4 and errors.min() < 0.7 * own:
            found.append((index, offset))
    return found
