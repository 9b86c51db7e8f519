"""Who may have an object: the pure check of a media URL (see `contract.py` for the scheme)."""

from __future__ import annotations

import msgspec

from reelwright.cdn.contract import PURPOSE
from reelwright.kernel.errors import Forbidden, NotFound, ReelwrightError
from reelwright.kernel.keys import KeyRing
from reelwright.kernel.objects import checked_name
from reelwright.kernel.units import LATEST_S, whole_number

LONGEST_PATH = 1024


class Expired(Forbidden):
    """The signature was good once; ask for a fresh one (a heartbeat brings it)."""

    slug = "media-url-expired"


class BadSignature(Forbidden):
    """Altered, or signed by a key that is not in the ring."""

    slug = "media-url-altered"


class WrongViewer(Forbidden):
    """Made for another profile."""

    slug = "media-url-of-another-viewer"


class MediaUrl(msgspec.Struct, frozen=True):
    """The parts of `/m/{key}.{expires}.{bound}.{signature}/{folder}/{file}`."""

    key: str
    expires_s: int
    bound: bool
    signature: str
    folder: str
    name: str
    """The object's name, folder included."""


def parse(path: str) -> MediaUrl:
    """The parts of a path. Raises NotFound for anything that is not one of ours."""
    parts = path.split("/", 5)
    if len(path) > LONGEST_PATH or len(parts) != 6 or parts[1] != "m" or parts[3] != "assets":
        raise NotFound("no such object")
    token = parts[2].split(".")
    name = f"assets/{parts[4]}/{parts[5]}"
    expires_s = whole_number(token[1], LATEST_S) if len(token) == 4 else None
    if expires_s is None or token[2] not in ("0", "1"):
        raise BadSignature("the media URL is altered; open the title again")
    try:
        checked_name(name)
    except ReelwrightError:
        raise NotFound("no such object") from None
    return MediaUrl(token[0], expires_s, token[2] == "1", token[3], f"assets/{parts[4]}", name)


def check(url: MediaUrl, keys: KeyRing, *, viewer: str, now_s: float) -> None:
    """Raise unless the URL is signed for this folder and viewer and has not expired."""
    claimed = viewer if url.bound else ""
    message = f"{url.folder}|{url.expires_s}|{claimed}"
    if not keys.verifies(PURPOSE, message, url.key, url.signature):
        if url.bound:
            raise WrongViewer("the media URL is altered or was made for another profile; open the title again")
        raise BadSignature("the media URL is altered; open the title again")
    if now_s >= url.expires_s:
        raise Expired("the media URL has expired; send a heartbeat for a fresh one")
