"""nginx as a process of ours: configured, tested before anything changes, reloaded without dropping a transfer."""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import subprocess
from pathlib import Path
from typing import NoReturn

from reelwright.cdn.core.nginx import NginxSite, nginx_config
from reelwright.kernel.errors import Invalid, Unavailable
from reelwright.kernel.files import replace_file

CONFIG = "nginx.conf"
_FOREGROUND = ("-g", "daemon off;")


class Nginx:
    """One nginx, whose files lie in `home`."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self._program = shutil.which("nginx") or shutil.which("nginx", path="/usr/sbin:/usr/local/sbin") or ""
        if not self._program:
            raise Unavailable("driver B needs nginx: sudo apt install nginx-light")

    def configure(self, site: NginxSite) -> None:
        """Write the configuration where nginx accepts it; what it refuses changes nothing. Raises Invalid."""
        self.home.mkdir(parents=True, exist_ok=True)
        trial = self.home / f"trial-{os.getpid()}.conf"
        trial.write_text(nginx_config(site))
        try:
            said = subprocess.run(self._command(trial, "-t", "-q"), capture_output=True, text=True, check=False)
            if said.returncode != 0:
                raise Invalid(f"nginx refuses the configuration: {said.stderr.strip()[-400:]}")
            replace_file(self.home / CONFIG, trial.read_bytes())
        finally:
            trial.unlink()

    def run(self) -> subprocess.Popen[bytes]:
        """Start it in the foreground, as a child."""
        return subprocess.Popen(self._command(self.home / CONFIG, *_FOREGROUND), stdin=subprocess.DEVNULL)

    def become(self) -> NoReturn:
        """Be it from now on: what stops this process stops nginx, and its exit code is ours."""
        os.execv(self._program, self._command(self.home / CONFIG, *_FOREGROUND))  # noqa: S606

    def reload(self) -> None:
        """New workers with the new configuration; the old ones end with their last transfer. Raises Unavailable."""
        if (pid := self.pid()) is None:
            raise Unavailable(f"no nginx runs from {self.home}; start it with --run")
        os.kill(pid, signal.SIGHUP)

    def pid(self) -> int | None:
        """The master's process id, where it runs."""
        try:
            pid = int((self.home / "nginx.pid").read_text())
            os.kill(pid, 0)
        except (OSError, ValueError):
            return None
        return pid

    def _command(self, config: Path, *rest: str) -> list[str]:
        return [self._program, "-p", str(self.home), "-c", str(config), "-e", str(self.home / "error.log"), *rest]


def owner_of(folder: Path) -> str:
    """Whom workers must run as to read a folder; empty where the master is not root and cannot choose."""
    return pwd.getpwuid(folder.stat().st_uid).pw_name if os.getuid() == 0 else ""
