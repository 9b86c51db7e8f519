"""With a certificate, pages, API and edge speak TLS, and nothing else."""

from __future__ import annotations

import ssl
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

import httpx
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from tests.service import RunningService


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A self-signed certificate for 127.0.0.1, its key beside it."""
    folder = tmp_path_factory.mktemp("tls")
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "127.0.0.1")])
    now = datetime.now(UTC)
    built = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))]), critical=False)
        .sign(key, hashes.SHA256())
    )
    (folder / "cert.pem").write_bytes(built.public_bytes(serialization.Encoding.PEM))
    (folder / "key.pem").write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    return folder / "cert.pem"


@pytest.fixture(scope="module")
def service(certificate: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningService]:
    """A service with TLS."""
    environ = {
        "REELWRIGHT_TLS_CERTIFICATE": str(certificate),
        "REELWRIGHT_TLS_KEY": str(certificate.with_name("key.pem")),
    }
    with RunningService(tmp_path_factory.mktemp("secure") / "data", environ=environ) as running:
        yield running


def test_pages_and_edge_are_reached_over_tls_only(service: RunningService, certificate: Path) -> None:
    """The set-up link is an https link; plain HTTP gets no answer."""
    trusted = ssl.create_default_context(cafile=str(certificate))
    secure = [url.replace("http://", "https://") for url in (service.url, service.edge_url)]
    for url in secure:
        assert httpx.get(f"{url}/readyz", verify=trusted).status_code == 200
    assert f"{secure[0]}/setup?code=" in service.output()
    for url in (service.url, service.edge_url):
        with pytest.raises(httpx.HTTPError):
            httpx.get(f"{url}/readyz")
