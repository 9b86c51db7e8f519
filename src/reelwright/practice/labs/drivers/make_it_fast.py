"""Runs inside the sandbox: the person's `aggregate`."""

from __future__ import annotations

import json
import runpy
import sys
import traceback


def main() -> None:
    """A line holds the rows, or nothing before the first; the answer holds what was made of them."""
    out = sys.stdout
    sys.stdout = sys.stderr
    solution = runpy.run_path(sys.argv[1])
    for line in sys.stdin:
        try:
            rows = json.loads(line)["rows"]
            told = {"answer": None if rows is None else solution["aggregate"](rows)}
        except Exception:
            told = {"failed": traceback.format_exc(limit=-20)}
        out.write(json.dumps(told) + "\n")
        out.flush()


main()
