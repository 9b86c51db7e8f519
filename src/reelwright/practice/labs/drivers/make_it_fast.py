"""Runs inside the sandbox: the person's `aggregate`, with the CPU time that it took."""

from __future__ import annotations

import json
import runpy
import sys
import traceback
from time import process_time_ns
from typing import Any


def main() -> None:
    """A line holds the rows; the answer holds what was made of them and how long it took."""
    out, clock = sys.stdout, process_time_ns
    sys.stdout = sys.stderr
    solution = runpy.run_path(sys.argv[1])
    for line in sys.stdin:
        try:
            rows = json.loads(line)["rows"]
            begun_ns = clock()
            made = solution["aggregate"](rows)
            told: dict[str, Any] = {"answer": {"made": made, "cpu_ns": clock() - begun_ns}}
        except Exception:
            told = {"failed": traceback.format_exc(limit=-20)}
        out.write(json.dumps(told) + "\n")
        out.flush()


main()
