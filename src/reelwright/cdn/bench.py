"""`reelwright bench cdn`: what serving bytes costs, beside nginx in the same run.

Method: one server process pinned to the first core and the load generator to the second, servers taken in turn for
several rounds, CPU time of the whole process tree from /proc, body bytes compared with the file before anything is
timed. Rates are not compared, CPU per byte and per request is: it does not depend on who else uses the machine.
"""

from __future__ import annotations

from collections.abc import Iterator

from reelwright.cdn.benches.conformance import conformance
from reelwright.cdn.benches.connections import idle_connection
from reelwright.cdn.benches.data_plane import data_plane, tls_cpu
from reelwright.cdn.benches.edge_functions import edge_functions
from reelwright.cdn.benches.fill import fill
from reelwright.cdn.benches.flash_crowd import flash_crowd
from reelwright.cdn.benches.hit_ratio import hit_ratio
from reelwright.cdn.benches.players import players
from reelwright.cdn.benches.processes import processes, scaling
from reelwright.cdn.benches.purge import purge
from reelwright.cdn.benches.reload import reload
from reelwright.cdn.benches.service import idle_memory, restart
from reelwright.cdn.benches.steering import moved, steering
from reelwright.kernel.bench import Row, measured


def rows(only: str = "") -> Iterator[Row]:
    """All rows, or those whose id starts with `only`."""
    parts = (
        ("conformance", conformance),
        ("hit_ratio", hit_ratio),
        ("steering.moved", moved),
        ("steering.players", players),
        ("steering", steering),
        ("fill", fill),
        ("purge", purge),
        ("data_plane.idle_connection", idle_connection),
        ("data_plane", data_plane),
        ("edge_processes", processes),
        ("edge_scaling", scaling),
        ("data_plane.tls_cpu", tls_cpu),
        ("reload", reload),
        ("edge_functions", edge_functions),
        ("flash_crowd", flash_crowd),
        ("idle_memory", idle_memory),
        ("restart", restart),
    )
    yield from measured(parts, only)
