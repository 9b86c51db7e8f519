"""Where the service listens: which addresses are allowed, and which ports are free."""

from __future__ import annotations

import socket
from urllib.parse import urlsplit

from reelwright.kernel.errors import Invalid
from reelwright.kernel.settings import ServiceSettings, is_loopback

PORTS_TRIED = 50


def check_exposure(settings: ServiceSettings) -> None:
    """Refuse to listen beyond loopback in the clear, unless that was asked for in so many words."""
    if bool(settings.tls_certificate) != bool(settings.tls_key):
        raise Invalid("tls_certificate and tls_key come together: one of them is not set")
    if settings.trusted_proxies and not settings.public_url:
        raise Invalid("behind a proxy, set public_url: the address that people open, as https://films.example")
    if is_loopback(settings.host) or settings.tls_certificate or settings.trusted_proxies or settings.lan_without_tls:
        return
    raise Invalid(
        f"host {settings.host!r} can be reached by others, and there is no TLS: set tls_certificate and tls_key, or "
        "trusted_proxies when a proxy in front ends TLS, or lan_without_tls = true to accept the risk"
    )


def check_media(public_url: str, edge_url: str) -> None:
    """Refuse media in the clear for pages that come over TLS: browsers do, and no film would play."""
    page, edge = urlsplit(public_url), urlsplit(edge_url)
    if page.scheme == "https" and edge.scheme == "http" and not is_loopback(edge.hostname or ""):
        raise Invalid(
            f"pages come from {public_url} and films from {edge_url}, which browsers refuse: set "
            "cdn.advertise to the https:// address under which the proxy passes on to the edge's port"
        )


def cookies_are_secure(public_url: str) -> bool:
    """Whether cookies are `__Host-` and Secure: over TLS. Safari drops such over plain HTTP, also from 127.0.0.1."""
    return urlsplit(public_url).scheme == "https"


def allowed_hosts(settings: ServiceSettings, public_url: str) -> list[str]:
    """Host header values that are answered; anything else may be DNS rebinding."""
    named = urlsplit(public_url).hostname or settings.host
    return sorted({named, settings.host.lower(), "127.0.0.1", "localhost", "::1"})


def next_free_port(host: str, wanted: int, taken: frozenset[int] = frozenset()) -> int:
    """`wanted`, or the first free port after it. Raises Invalid when fifty in a row are busy."""
    for port in range(wanted, wanted + PORTS_TRIED):
        if port not in taken and _is_free(host, port):
            return port
    raise Invalid(f"ports {wanted} to {wanted + PORTS_TRIED - 1} on {host} are all busy; choose another with --port")


def _is_free(host: str, port: int) -> bool:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError:
            return False
    return True


def web_origins(settings: ServiceSettings) -> frozenset[str]:
    """Origins of our own pages, which may read media and send forms."""
    scheme = "https" if settings.tls_certificate else "http"
    names = {"127.0.0.1", "localhost"} if is_loopback(settings.host) else {settings.host}
    found = {f"{scheme}://{name}:{settings.port}" for name in names}
    if settings.public_url:
        parts = urlsplit(settings.public_url)
        found.add(f"{parts.scheme}://{parts.netloc}")
    return frozenset(found)
