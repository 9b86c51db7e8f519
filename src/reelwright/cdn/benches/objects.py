"""The objects that are served under load: files in the origin's folder, and what must arrive of them."""

from __future__ import annotations

import os
import time
from pathlib import Path
from urllib.request import urlopen

from reelwright.cdn.contract import sign_folder
from reelwright.kernel.keys import KEYS_FILE, KeyRing

FOLDER = "assets/bench"
OBJECTS = 64
SEGMENT_BYTES, MANIFEST_BYTES = 2_000_000, 2_000


def write_objects(folder: Path) -> str:
    """Files to serve, and the path that opens them at our edge."""
    target = folder / "media" / FOLDER
    target.mkdir(parents=True)
    for number in range(OBJECTS):
        (target / f"segment-{number}.m4s").write_bytes(os.urandom(SEGMENT_BYTES))
        (target / f"manifest-{number}.m4s").write_bytes(os.urandom(MANIFEST_BYTES))
    return sign_folder(KeyRing.open(folder / KEYS_FILE), FOLDER, expires_s=int(time.time()) + 3600, viewer=None)


def check_bodies(folder: Path, urls: dict[str, str]) -> None:
    """All objects have the files' bytes; a cache holds them from now on."""
    for size, url in urls.items():
        for number in range(OBJECTS):
            with urlopen(f"{url}-{number}.m4s") as response:  # noqa: S310 (our own address)
                if response.read() != (folder / "media" / FOLDER / f"{size}-{number}.m4s").read_bytes():
                    raise AssertionError(f"{url}-{number}.m4s gave other bytes than the file's")
