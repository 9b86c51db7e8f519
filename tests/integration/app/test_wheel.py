"""What `pip install` brings: a wheel in an empty environment serves pages with their scripts and styles."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import time
import zipfile
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from tests.service import free_port

ROOT = Path(__file__).resolve().parents[3]
UV = Path(sys.executable).with_name("uv")
pytestmark = [pytest.mark.slow, pytest.mark.skipif(not UV.exists(), reason="uv is not here: make install")]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel, built from this checkout."""
    folder = tmp_path_factory.mktemp("wheel")
    _run(str(UV), "build", "--quiet", "--wheel", "--out-dir", str(folder), str(ROOT))
    return next(folder.glob("*.whl"))


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Python of an empty environment into which the wheel and its locked dependencies were installed."""
    folder = tmp_path_factory.mktemp("venv") / "venv"
    _run(str(UV), "venv", "--quiet", "--python", sys.executable, str(folder))
    python = folder / "bin" / "python"
    install = (str(UV), "pip", "install", "--quiet", "--python", str(python))
    _run(*install, "--require-hashes", "-r", str(ROOT / "requirements" / "base.lock"))
    _run(*install, "--no-deps", str(wheel))
    return python


@pytest.fixture(scope="module")
def url(installed: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The installed service, running."""
    port = free_port()
    environ = {
        **{name: value for name, value in os.environ.items() if name != "PYTHONPATH"},
        "REELWRIGHT_DATA": str(tmp_path_factory.mktemp("data")),
        "REELWRIGHT_PORT": str(port),
        "REELWRIGHT_CDN_PORT": str(free_port()),
    }
    process = subprocess.Popen(
        [str(installed.with_name("reelwright")), "serve"], env=environ, stdout=subprocess.DEVNULL, cwd="/"
    )
    address = f"http://127.0.0.1:{port}"
    try:
        for _ in range(300):
            try:
                httpx.get(f"{address}/healthz")
                break
            except httpx.HTTPError:
                time.sleep(0.1)
        yield address
    finally:
        process.terminate()
        process.wait(15)


def test_the_wheel_carries_the_built_pages_and_nothing_that_does_not_belong(wheel: Path) -> None:
    """Build output is ignored by git, and hatchling drops what git ignores unless told."""
    names = zipfile.ZipFile(wheel).namelist()
    assert any(re.search(r"static/dist/assets/main-.*\.js$", name) for name in names)
    assert any(name.endswith("templates/home.html") for name in names)
    assert [
        name for name in names if name.startswith("tests/") or "node_modules" in name or name.endswith(".whl")
    ] == []


def test_an_installed_service_serves_its_pages_scripts_styles_and_fonts(url: str) -> None:
    """Every file that the page names is there."""
    page = httpx.get(f"{url}/", follow_redirects=True)
    assert page.status_code == 200
    named = re.findall(r'(?:src|href)="(/static/[^"]+)"', page.text)
    assert any(name.endswith(".js") for name in named) and any(name.endswith(".css") for name in named)
    for name in named:
        response = httpx.get(url + name)
        assert response.status_code == 200 and response.content, name
        if name.endswith(".css"):
            fonts = re.findall(r"url\(\.?/?([^)]+\.woff2)\)", response.text)
            assert fonts
            folder = name.rsplit("/", 1)[0]
            assert httpx.get(f"{url}{folder}/{fonts[0].split('/')[-1]}").status_code == 200


def _run(*command: str) -> None:
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, f"{' '.join(command)}\n{done.stdout}{done.stderr}"
