"""Who may reach the service, and under which names."""

from __future__ import annotations

from typing import Any

import pytest

from reelwright.app.listening import (
    allowed_hosts,
    check_exposure,
    check_media,
    cookies_are_secure,
    web_origins,
)
from reelwright.app.places import own_edge_url, public_url
from reelwright.kernel.errors import Invalid
from reelwright.kernel.settings import ServiceSettings, Source, is_loopback

TLS = {"tls_certificate": "chain.pem", "tls_key": "key.pem"}
PROXY = {"trusted_proxies": ("10.0.0.0/8",), "public_url": "https://films.example"}
LAN = {"lan_without_tls": True}


@pytest.mark.parametrize("host", ["127.0.0.1", "::1", "[::1]", "localhost", "127.8.8.8"])
def test_loopback_needs_nothing(host: str) -> None:
    """The default reaches nobody else."""
    assert is_loopback(host)
    check_exposure(ServiceSettings(host=host))


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.168.1.9", "films.example"])
@pytest.mark.parametrize(("more", "allowed"), [({}, False), (TLS, True), (PROXY, True), (LAN, True)])
def test_beyond_loopback_needs_tls_a_proxy_or_the_risk_accepted(host: str, more: Any, allowed: bool) -> None:
    """Nobody opens a service in the clear by accident; the message names the three ways."""
    settings = ServiceSettings(host=host, **more)
    if allowed:
        check_exposure(settings)
        return
    with pytest.raises(Invalid, match=r"tls_certificate.*trusted_proxies.*lan_without_tls"):
        check_exposure(settings)


@pytest.mark.parametrize("more", [{"tls_certificate": "chain.pem"}, {"tls_key": "key.pem"}])
def test_half_of_tls_is_refused(more: Any) -> None:
    """A certificate without its key would serve plain HTTP in silence."""
    with pytest.raises(Invalid, match="come together"):
        check_exposure(ServiceSettings(**more))


def test_behind_a_proxy_the_public_url_is_needed() -> None:
    """Links, cookies and the host list follow from it, and the proxy's address is not it."""
    with pytest.raises(Invalid, match="public_url"):
        check_exposure(ServiceSettings(host="0.0.0.0", trusted_proxies=("10.0.0.1",)))


@pytest.mark.parametrize(
    ("more", "secure"),
    [
        ({}, False),
        ({"public_url": "https://films.example"}, True),
        (TLS, True),
        (PROXY, True),
        ({**LAN, "host": "192.168.1.9"}, False),
        ({**LAN, **TLS}, True),
        ({**LAN, "public_url": "https://films.example"}, True),
    ],
)
def test_cookies_are_secure_wherever_all_browsers_keep_such(more: Any, secure: bool) -> None:
    """Over plain HTTP, Safari keeps no Secure cookie, from this machine either: nobody could sign in."""
    settings = ServiceSettings(**more)
    assert cookies_are_secure(public_url(settings)) is secure


@pytest.mark.parametrize(
    ("settings", "url"),
    [
        ({}, "http://127.0.0.1:8001"),
        ({"host": "::1"}, "http://[::1]:8001"),
        (TLS, "https://127.0.0.1:8001"),
        (PROXY, "http://films.example:8001"),
        ({**PROXY, "media_urls": ("https://media.films.example/",)}, "https://media.films.example"),
        ({**PROXY, "media_urls": ("https://a.example", "https://b.example")}, "http://films.example:8001"),
    ],
)
def test_an_edge_is_reached_where_that_is_set(settings: Any, url: str) -> None:
    """One address of media is its own; of several nobody could say which."""
    assert own_edge_url(Source({}, {}, ""), ServiceSettings(**settings)) == url
    told = Source({"cdn": {"advertise": "https://edge.example"}}, {}, "")
    assert own_edge_url(told, ServiceSettings(**settings)) == "https://edge.example"


def test_films_in_the_clear_on_pages_with_tls_are_refused() -> None:
    """Browsers play none of them; the message says what to set."""
    check_media("https://films.example", "https://films.example:8001")
    check_media("http://192.168.1.9:8000", "http://192.168.1.9:8001")
    check_media("https://localhost:8000", "http://localhost:8001")
    with pytest.raises(Invalid, match=r"cdn\.advertise"):
        check_media("https://films.example", "http://films.example:8001")


def test_hosts_and_origins_follow_from_the_public_url() -> None:
    """One name for people, loopback for this machine, nothing else."""
    settings = ServiceSettings(host="0.0.0.0", public_url="https://Films.example:8443")
    assert "films.example" in allowed_hosts(settings, public_url(settings))
    assert "evil.example" not in allowed_hosts(settings, public_url(settings))
    assert "https://Films.example:8443" in web_origins(settings)
