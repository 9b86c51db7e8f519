"""Pages from templates, with what every page needs: who is looking, where they are, and what the browser may load."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlsplit

from jinja2 import Environment, PackageLoader, StrictUndefined
from litestar import Request, Response
from litestar.datastructures import Cookie

from reelwright.accounts.contract import Profile
from reelwright.catalog.contract import Playable, Title
from reelwright.kernel.principal import Principal, principal_of
from reelwright.kernel.units import say_bytes, say_seconds
from reelwright.limits.core.descriptors import say_key
from reelwright.web.assets import Assets

PLAYING = frozenset({"watch.html", "offline.html"})
"""Pages that hold a player."""
SPEAKING = "practice/room.html"
"""The one page that may use the microphone, once somebody presses the button and the browser has asked them."""


class Renderer:
    """Renders templates; one a process."""

    def __init__(
        self,
        assets: Assets,
        *,
        media_urls: Iterable[str],
        banner: str = "",
        practice: bool = False,
        registered: Callable[[], Iterable[str]] = tuple,
    ) -> None:
        self._assets = assets
        self._banner = banner
        self._practice = practice
        edges = self._set = sorted({f"{urlsplit(url).scheme}://{urlsplit(url).netloc}" for url in media_urls})
        self._registered = registered
        self._environment = Environment(
            loader=PackageLoader("reelwright.web"),
            autoescape=True,
            trim_blocks=True,
            lstrip_blocks=True,
            undefined=StrictUndefined,
        )
        self._environment.globals.update(art=art_url, plural=plural, edges=edges)
        self._environment.globals["parts"] = self._environment.get_template("parts.html").module
        self._environment.filters.update(
            runtime=say_length, ago=ago, size=say_bytes, seconds=say_seconds, day=say_day, counter=say_key
        )

    def page(
        self,
        request: Request[Any, Any, Any],
        template: str,
        /,
        *,
        status: int = 200,
        profile: Profile | None = None,
        cookies: Iterable[Cookie] = (),
        **context: Any,
    ) -> Response[str]:
        """The page of a template."""
        caller, nonce = principal_of(request), secrets.token_urlsafe(12)
        text = self._environment.get_template(template).render(
            assets=self._assets,
            caller=caller,
            csrf=caller.csrf,
            path=request.url.path,
            profile=profile,
            banner=self._banner,
            practice=self._practice,
            nonce=nonce,
            **context,
        )
        return Response(
            text,
            status_code=status,
            media_type="text/html",
            headers=self._headers(caller, nonce, watching=template in PLAYING, listening=template == SPEAKING),
            cookies=list(cookies),
        )

    def _headers(self, caller: Principal, nonce: str, *, watching: bool, listening: bool) -> dict[str, str]:
        # The player's controls keep their styles in shadow roots as inline elements: only its page may have those.
        styles = "'self' 'unsafe-inline'" if watching else f"'self' 'nonce-{nonce}'"
        edges = " ".join(sorted({*self._set, *self._registered()}))
        policy = (
            f"default-src 'none'; script-src 'self'; style-src {styles}; img-src 'self' data: blob: {edges}; "
            f"media-src 'self' blob: data: {edges}; connect-src 'self' {edges}; font-src 'self'; "
            "manifest-src 'self'; worker-src 'self' blob:; frame-ancestors 'none'; base-uri 'none'; "
            "form-action 'self'"
        )
        return {
            "Content-Security-Policy": policy,
            "X-Content-Type-Options": "nosniff",
            "Referrer-Policy": "same-origin",
            "Permissions-Policy": (
                f"camera=(), microphone=({'self' if listening else ''}), geolocation=(), payment=(), usb=()"
            ),
            "Cache-Control": "no-store" if caller.kind == "session" else "private, no-cache",
            **({} if self._banner else {"Cross-Origin-Opener-Policy": "same-origin"}),  # heard over TLS only
        }


def art_url(item: Title | Playable, kind: str) -> str:
    """Where a picture of a title (poster, backdrop) or a playable (still) is; empty where there is none."""
    name: str = getattr(item, kind, "")
    return f"/art/{item.id}/{kind}?v={name.rsplit('/', 1)[-1][:12]}" if name else ""


def plural(count: int, one: str, many: str = "") -> str:
    """`3 episodes`, `1 episode`."""
    return f"{count:,} {one if count == 1 else many or one + 's'}"


def say_length(seconds: float | None) -> str:
    """A film's length as people say it: `1 h 52 min`, `34 s`."""
    if not seconds:
        return ""
    if seconds < 90:
        return f"{round(seconds)} s"
    minutes = round(seconds / 60)
    return f"{minutes // 60} h {minutes % 60:02} min" if minutes >= 60 else f"{minutes} min"


def say_day(at_ms: int) -> str:
    """A date and time in UTC."""
    return datetime.fromtimestamp(at_ms / 1000, UTC).strftime("%d %b %Y, %H:%M UTC")


def ago(at_ms: int, now_ms: int) -> str:
    """How long ago something was."""
    seconds = max(0, (now_ms - at_ms) / 1000)
    for size, name in ((86_400, "day"), (3_600, "hour"), (60, "minute")):
        if seconds >= size:
            return f"{plural(int(seconds // size), name)} ago"
    return "just now"
