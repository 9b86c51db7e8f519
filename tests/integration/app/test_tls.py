"""With a certificate, pages, API and edge speak TLS, and nothing else."""

from __future__ import annotations

import ssl
from pathlib import Path

import httpx
import pytest
from tests.certificate import make_certificate
from tests.service import RunningService


def test_pages_and_edge_are_reached_over_tls_only(tmp_path: Path) -> None:
    """The set-up link is an https link; plain HTTP gets no answer."""
    environ = make_certificate(tmp_path / "tls")
    trusted = ssl.create_default_context(cafile=environ["REELWRIGHT_TLS_CERTIFICATE"])
    with RunningService(tmp_path / "data", environ=environ) as service:
        for url in (service.url, service.edge_url):
            assert url.startswith("https://")
            assert httpx.get(f"{url}/readyz", verify=trusted).status_code == 200
            with pytest.raises(httpx.HTTPError):
                httpx.get(f"{url.replace('https://', 'http://')}/readyz")
        assert f"{service.url}/setup?code=" in service.output()
