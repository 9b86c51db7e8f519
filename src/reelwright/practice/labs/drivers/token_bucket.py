"""Runs inside the sandbox: takes requests of one bucket after another through the person's `token_bucket`."""

from __future__ import annotations

import json
import runpy
import sys
import traceback
from typing import Any


def main() -> None:
    """A line holds a bucket and its requests; the answer holds a decision for each."""
    out = sys.stdout
    sys.stdout = sys.stderr
    solution = runpy.run_path(sys.argv[1])
    for line in sys.stdin:
        try:
            told: dict[str, Any] = {"answer": decide(solution, json.loads(line))}
        except Exception:
            told = {"failed": traceback.format_exc(limit=-20)}
        out.write(json.dumps(told) + "\n")
        out.flush()


def decide(solution: dict[str, Any], message: dict[str, Any]) -> list[list[Any]]:
    """State goes from step to step, as in a store."""
    state = solution["EMPTY"]
    step = solution["token_bucket"](*message["bucket"])
    decisions = []
    for now, cost in message["requests"]:
        state, allowed, left, wait, _ = step(state, now, cost)
        decisions.append([allowed, left, wait])
    return decisions


main()
