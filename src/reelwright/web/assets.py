"""Built scripts and styles: which file an entry became, and the bytes to send for it."""

from __future__ import annotations

import mimetypes
from functools import lru_cache
from importlib import resources
from pathlib import Path
from typing import Any

import msgspec

from reelwright.kernel.errors import NotFound, Unavailable

ENTRY = "src/main.ts"
ENCODINGS = {"br": ".br", "gzip": ".gz"}
_FOREVER = "public, max-age=31536000, immutable"


class Asset(msgspec.Struct, frozen=True):
    """A file as it is sent."""

    body: bytes
    headers: dict[str, str]


class Assets:
    """The folder that the front end's build wrote."""

    def __init__(self, root: Path | None = None) -> None:
        own = Path(str(resources.files("reelwright").joinpath("web/static")))
        self._built = root or own / "dist"
        self._roots = (self._built.resolve(), own.resolve())
        self._read = lru_cache(maxsize=256)(self._read_file)

    def manifest(self) -> dict[str, Any]:
        """Vite's manifest. Raises Unavailable, with the missing step, where nothing was built."""
        path = self._built / "manifest.json"
        try:
            found: dict[str, Any] = msgspec.json.decode(path.read_bytes())
        except FileNotFoundError:
            raise Unavailable("the pages' scripts are not built: run `make install` in the checkout") from None
        return found

    @property
    def script(self) -> str:
        """URL of the entry's script."""
        return f"/static/{self.manifest()[ENTRY]['file']}"

    @property
    def styles(self) -> list[str]:
        """URLs of the entry's style sheets."""
        return [f"/static/{name}" for name in self.manifest()[ENTRY].get("css", [])]

    def modules(self, *sources: str) -> list[str]:
        """URLs of scripts that a page will need, with all that they import, so that none waits for another."""
        manifest = self.manifest()
        waiting, found = list(sources), dict[str, None]()
        while waiting:
            chunk = manifest[waiting.pop()]
            if chunk["file"] not in found:
                found[chunk["file"]] = None
                waiting += chunk.get("imports", [])
        return [f"/static/{name}" for name in found]

    def get(self, name: str, accepts: str) -> Asset:
        """A built file in the smallest form that the browser takes. Raises NotFound."""
        offered = {part.split(";")[0].strip() for part in accepts.split(",")}
        for encoding, suffix in ENCODINGS.items():
            if encoding in offered:
                body = self._read(name + suffix)
                if body is not None:
                    return Asset(body, {**_headers(name), "Content-Encoding": encoding})
        body = self._read(name)
        if body is None:
            raise NotFound("no such file")
        return Asset(body, _headers(name))

    def _read_file(self, name: str) -> bytes | None:
        for root in self._roots:
            path = (root / name).resolve()
            if path.is_relative_to(root) and path.is_file():
                return path.read_bytes()
        return None


def _headers(name: str) -> dict[str, str]:
    kind = mimetypes.guess_type(name)[0] or "application/octet-stream"
    hashed = "/" in name  # Vite puts what carries a content hash below assets/
    return {
        "Content-Type": f"{kind}; charset=utf-8" if kind.startswith("text/") or "javascript" in kind else kind,
        "Cache-Control": _FOREVER if hashed else "no-cache",
        "Vary": "Accept-Encoding",
    }
