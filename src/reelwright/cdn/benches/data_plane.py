"""CPU per byte and per request of an edge beside nginx's, in the clear and over TLS."""

from __future__ import annotations

import shutil
import statistics
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

from reelwright.cdn.benches import load, servers
from reelwright.cdn.benches.objects import FOLDER, SEGMENT_BYTES, check_bodies, write_objects
from reelwright.kernel.bench import Row

ROUNDS = 3
GB = 1e9


def data_plane() -> Iterator[Row]:
    """CPU per byte and per request, with signature, cache bookkeeping and metrics, against nginx's bare sendfile."""
    missing = [name for name in ("nginx", "wrk") if shutil.which(name) is None]
    if missing:
        line = f"sudo apt install {' '.join('nginx-light' if name == 'nginx' else name for name in missing)}"
        yield Row(id="data_plane.segment_cpu", what="not measured", value=None, unit="", note=line)
        return
    with tempfile.TemporaryDirectory() as text, ExitStack() as stack:
        folder = Path(text)
        prefix = write_objects(folder)
        source = stack.enter_context(servers.edge(folder))
        edge = stack.enter_context(
            servers.tier(folder, "edge", f"http://127.0.0.1:{source.port}", on=servers.cores()[:1])
        )
        nginx = stack.enter_context(servers.nginx(folder))
        ours = {size: f"http://127.0.0.1:{edge.port}{prefix}{FOLDER}/{size}" for size in ("segment", "manifest")}
        theirs = {size: f"http://127.0.0.1:{nginx.port}/{FOLDER}/{size}" for size in ("segment", "manifest")}
        for urls in (ours, theirs):
            check_bodies(folder, urls)
        costs: dict[tuple[str, str], list[load.Cost]] = {}
        for _ in range(ROUNDS):
            for size in ("manifest", "segment"):
                for name, server, urls in (("ours", edge, ours), ("nginx", nginx, theirs)):
                    costs.setdefault((name, size), []).append(load.cost(server, urls[size], folder))
        measured = {key: [cost.own_s for cost in values] for key, values in costs.items()}
        middle = {key: statistics.median(values) for key, values in measured.items()}
        machine = {key: statistics.median(cost.machine_s for cost in values) for key, values in costs.items()}
    yield Row(
        id="data_plane.segment_cpu",
        what=f"our CPU per GB at {SEGMENT_BYTES // 10**6} MB / nginx sendfile's",
        value=round(middle["ours", "segment"] / middle["nginx", "segment"], 3),
        unit="ratio",
        op="<=",
        goal=1.15,
        peer="nginx",
        peer_value=1.0,
        note=f"ours {middle['ours', 'segment'] / SEGMENT_BYTES * GB:.3f}, "
        f"nginx {middle['nginx', 'segment'] / SEGMENT_BYTES * GB:.3f} CPU-s per GB; {_spread(measured)}; the whole "
        f"machine, reader and kernel timers included: ours {machine['ours', 'segment'] / SEGMENT_BYTES * GB:.3f}, "
        f"nginx {machine['nginx', 'segment'] / SEGMENT_BYTES * GB:.3f}",
    )
    yield Row(
        id="data_plane.manifest_cpu",
        what="CPU per 2 KB request with signature, cache bookkeeping and metrics",
        value=round(middle["ours", "manifest"] * 1e6, 1),
        unit="µs",
        op="<=",
        goal=20,
        peer="nginx",
        peer_value=round(middle["nginx", "manifest"] * 1e6, 1),
        note="an edge that fetched the objects from another; nginx checks no signature and caches nothing",
    )


def tls_cpu() -> Iterator[Row]:
    """CPU per byte over TLS 1.3 with the same certificate, both in user space where the kernel has no TLS."""
    missing = [name for name in ("nginx", "wrk", "openssl") if shutil.which(name) is None]
    if missing:
        yield Row(
            id="data_plane.tls_cpu", what="not measured", value=None, unit="", note=f"needs {', '.join(missing)}"
        )
        return
    with tempfile.TemporaryDirectory() as text, ExitStack() as stack:
        folder = Path(text)
        prefix = write_objects(folder)
        certificate, key = _certificate(folder)
        edge = stack.enter_context(
            servers.edge(folder, REELWRIGHT_TLS_CERTIFICATE=str(certificate), REELWRIGHT_TLS_KEY=str(key))
        )
        nginx = stack.enter_context(
            servers.nginx(folder, f"ssl_certificate {certificate}; ssl_certificate_key {key};")
        )
        pairs = (
            ("ours", edge, f"https://127.0.0.1:{edge.port}{prefix}{FOLDER}/segment"),
            ("nginx", nginx, f"https://127.0.0.1:{nginx.port}/{FOLDER}/segment"),
        )
        found: dict[tuple[str, str], list[float]] = {}
        for _ in range(ROUNDS):
            for name, server, url in pairs:
                found.setdefault((name, "segment"), []).append(load.cost(server, url, folder).own_s)
        ours, theirs = (statistics.median(found[name, "segment"]) for name in ("ours", "nginx"))
    yield Row(
        id="data_plane.tls_cpu",
        what=f"our CPU per GB over TLS at {SEGMENT_BYTES // 10**6} MB / nginx's",
        value=round(ours / theirs, 3),
        unit="ratio",
        op="<=",
        goal=1.2,
        peer="nginx",
        peer_value=1.0,
        note=f"ours {ours / SEGMENT_BYTES * GB:.3f}, nginx {theirs / SEGMENT_BYTES * GB:.3f} CPU-s per GB; "
        f"{_spread(found)}",
    )


def _certificate(folder: Path) -> tuple[Path, Path]:
    """A certificate for this machine that nobody trusts, and its key."""
    certificate, key = folder / "cert.pem", folder / "key.pem"
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes",
         "-days", "2", "-subj", "/CN=127.0.0.1", "-keyout", str(key), "-out", str(certificate)],
        check=True,
        capture_output=True,
    )  # fmt: skip
    return certificate, key


def _spread(measured: dict[tuple[str, str], list[float]]) -> str:
    wide = max(max(values) / min(values) for values in measured.values())
    return f"rounds agree within {100 * (wide - 1):.0f} %"
