"""Load that wrk puts on a server, and the CPU that it costs."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from reelwright.cdn.benches import servers
from reelwright.cdn.benches.objects import OBJECTS
from reelwright.kernel.processes import cpu_s, tree

SECONDS, CONNECTIONS = 3, 32


class Cost(NamedTuple):
    """CPU seconds a request, and requests a second.

    A kernel sends part of a long answer when the reader's acknowledgement comes or a pacing timer rings, so that some
    of a server's work is booked on whoever runs then. `own_s` is what was booked on the server's processes,
    `machine_s` what all cores did, the reader's copying included: it misses nothing.
    """

    own_s: float
    machine_s: float
    rate: float


def cost(server: servers.Server, url: str, folder: Path, *, load: Sequence[int] = (), seconds: int = SECONDS) -> Cost:
    """What a request costs under load from the last core, or from some."""
    script = folder / "load.lua"
    path = "/" + url.split("/", 3)[3]
    script.write_text(
        f"local n = 0\nrequest = function() n = (n + 1) % {OBJECTS}; "
        f'return wrk.format("GET", "{path}-" .. n .. ".m4s") end\n'
        'done = function(s) io.write("requests " .. s.requests .. " errors " .. s.errors.status .. "\\n") end\n'
    )
    cores = load or servers.cores()[-1:]
    _load(url, script, cores, seconds=1)
    before, busy = cpu_s(tree(server.pid)), _machine_cpu_s()
    requests = _load(url, script, cores, seconds=seconds)
    own, machine = cpu_s(tree(server.pid)) - before, _machine_cpu_s() - busy
    return Cost(own / requests, machine / requests, requests / seconds)


def _load(url: str, script: Path, cores: Sequence[int], *, seconds: int) -> int:
    pin = ["taskset", "-c", ",".join(map(str, cores))] if shutil.which("taskset") else []
    many = [f"-t{len(cores)}", f"-c{CONNECTIONS * len(cores)}"]
    command = [*pin, "wrk", *many, f"-d{seconds}s", "-s", str(script), url]
    said = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    words = next(line for line in said.splitlines() if line.startswith("requests ")).split()
    if words[3] != "0":
        raise AssertionError(f"{words[3]} requests were answered with an error: {said}")
    return int(words[1])


def _machine_cpu_s() -> float:
    fields = Path("/proc/stat").read_text().split("\n", 1)[0].split()
    user, nice, system, _, _, irq, softirq = map(int, fields[1:8])
    return (user + nice + system + irq + softirq) / os.sysconf("SC_CLK_TCK")
