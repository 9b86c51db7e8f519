"""Runs inside the sandbox: answers each line with what the person's `answer` returns."""

from __future__ import annotations

import json
import runpy
import sys
import traceback


def main() -> None:
    """Read a line, answer a line."""
    out = sys.stdout
    sys.stdout = sys.stderr
    solution = runpy.run_path(sys.argv[1])
    for line in sys.stdin:
        try:
            told = {"answer": solution["answer"](json.loads(line))}
        except Exception:
            told = {"failed": traceback.format_exc(limit=-20)}
        out.write(json.dumps(told) + "\n")
        out.flush()


main()
