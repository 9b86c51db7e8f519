"""The CDN as other systems see it: signed media URLs and what the edge refuses.

A media URL is `{edge}/m/{token}/{object name}`. The token signs a folder, an expiry and (where it is bound) a viewer,
so that one token opens every segment of an asset and relative URLs inherit it:

    token  = {key}.{expires}.{bound}.{signature}
    signed = {folder}|{expires}|{viewer or ""}          HMAC-SHA256, purpose "media"

`expires` is seconds since the epoch; `bound` is 1 when the request must carry the cookie `rw_viewer` whose value was
signed in, so that a URL that was made for one profile opens nothing for another; 0 for players without cookies.
"""

from __future__ import annotations

from reelwright.kernel.keys import KeyRing

PURPOSE = "media"
VIEWER_COOKIE = "rw_viewer"


def sign_folder(keys: KeyRing, folder: str, *, expires_s: int, viewer: str | None) -> str:
    """The path `/m/{token}/` that opens every object in `folder` until `expires_s`, for `viewer` where given."""
    key, signature = keys.sign(PURPOSE, f"{folder}|{expires_s}|{viewer or ''}")
    return f"/m/{key}.{expires_s}.{int(viewer is not None)}.{signature}/"
