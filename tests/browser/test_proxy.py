"""The service behind a proxy that ends TLS, as `docs/how-to/listen-beyond-this-machine.md` says; here nginx."""

from __future__ import annotations

import shutil
import ssl
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from playwright.sync_api import Browser
from tests.browser.conftest import Stage, make_film, wait_until_ready
from tests.browser.test_playing import play_until
from tests.certificate import make_certificate
from tests.service import RunningService, expect, free_port, set_up

NGINX = shutil.which("nginx", path="/usr/sbin:/usr/bin:/usr/local/bin:/opt/homebrew/bin") or ""
pytestmark = [
    pytest.mark.browser,
    pytest.mark.slow,
    pytest.mark.skipif(not NGINX, reason="sudo apt install nginx-light"),
]
PLACE = """
server {{
  listen 127.0.0.1:{port} ssl http2;
  location / {{
    proxy_pass http://127.0.0.1:{behind};
    proxy_http_version 1.1;
    proxy_buffering off;
    proxy_request_buffering off;
    proxy_set_header Connection "";
    proxy_set_header Host $http_host;
    proxy_set_header X-Forwarded-For $remote_addr;
    proxy_set_header X-Forwarded-Proto https;
  }}
}}
"""


@pytest.fixture
def proxied(tmp_path: Path) -> Iterator[Stage]:
    """A service that speaks no TLS, and nginx before its pages and its edge."""
    certificate, ports = make_certificate(tmp_path / "tls"), (free_port(), free_port())
    public, media = (f"https://127.0.0.1:{port}" for port in ports)
    make_film(tmp_path / "library" / "Low Sun (2021).mp4", seconds=12, picture="testsrc2=s=320x180:r=24")
    environ = {
        "REELWRIGHT_TRUSTED_PROXIES": "127.0.0.1/32",
        "REELWRIGHT_PUBLIC_URL": public,
        "REELWRIGHT_CDN_ADVERTISE": media,
        "REELWRIGHT_LIBRARY": str(tmp_path / "library"),
        "REELWRIGHT_MEDIA_PRESET": "ultrafast",
    }
    with RunningService(tmp_path / "data", environ=environ) as service:
        places = zip(ports, (service.port, service.edge_port), strict=True)
        nginx = run_nginx(tmp_path, certificate, [PLACE.format(port=port, behind=behind) for port, behind in places])
        service.url, service.edge_url = public, media
        trusted = ssl.create_default_context(cafile=certificate["REELWRIGHT_TLS_CERTIFICATE"])
        try:
            wait_for(public, trusted)
            client = set_up(service, verify=trusted)
            wait_until_ready(client, titles=1, service=service)
            yield Stage(service, client)
        finally:
            nginx.terminate()
            nginx.wait()


def run_nginx(folder: Path, certificate: dict[str, str], places: list[str]) -> subprocess.Popen[bytes]:
    """nginx in the foreground, with all of its files in a folder."""
    temporary = "".join(f"{kind}_temp_path {folder}/{kind};" for kind in ("proxy", "fastcgi", "uwsgi", "scgi"))
    (folder / "nginx.conf").write_text(
        f"daemon off; pid {folder}/nginx.pid; error_log {folder}/nginx.log; events {{}} http {{ access_log off;"
        f" client_body_temp_path {folder}/body; {temporary}"
        f" ssl_certificate {certificate['REELWRIGHT_TLS_CERTIFICATE']};"
        f" ssl_certificate_key {certificate['REELWRIGHT_TLS_KEY']}; {''.join(places)} }}"
    )
    return subprocess.Popen([NGINX, "-c", str(folder / "nginx.conf"), "-p", str(folder)])


def wait_for(url: str, trusted: ssl.SSLContext) -> None:
    """Wait until it answers."""
    until = time.monotonic() + 60
    while True:
        try:
            assert httpx.get(f"{url}/readyz", verify=trusted).status_code == 200
            return
        except httpx.TransportError:
            assert time.monotonic() < until, "nginx does not answer"
            time.sleep(0.1)


def test_a_film_plays_through_the_proxy_and_is_remembered(proxied: Stage, browser: Browser) -> None:
    """Pages, films and what is told of them, all over TLS; the edge registers with the address that viewers reach."""
    page = proxied.open(browser, ignore_https_errors=True, service_workers="block")
    wrong: list[str] = []
    page.on("console", lambda message: wrong.append(message.text) if message.type == "error" else None)
    playable = proxied.playable("Low Sun")
    page.goto(f"{proxied.url}/watch/{playable}")
    play_until(page, 3)
    page.keyboard.press("k")
    page.wait_for_function("() => document.querySelector('rw-player').video.paused")
    page.goto(f"{proxied.url}/")
    assert [row["playable_id"] for row in expect(proxied.client.get("/api/v1/history"), 200)] == [playable]
    assert [edge["url"] for edge in expect(proxied.client.get("/api/v1/cdn/edges"), 200)] == [
        proxied.service.edge_url
    ]
    assert wrong == []
    page.context.close()


def test_a_film_goes_up_through_a_proxy_that_takes_small_parts_alone(
    proxied: Stage, browser: Browser, tmp_path: Path
) -> None:
    """nginx takes a megabyte at once unless it is told otherwise, and few know that it has to be."""
    film = tmp_path / "Gravel (2020).mp4"
    make_film(film, seconds=2, picture="nullsrc=s=640x360:r=24,noise=alls=100:allf=t")
    assert film.stat().st_size > 2 << 20
    page = proxied.open(browser, ignore_https_errors=True, service_workers="block")
    page.goto(f"{proxied.url}/studio/upload")
    page.set_input_files("rw-upload input[type=file]", film)
    page.wait_for_selector("rw-upload li:has-text('being encoded')")
    page.context.close()
