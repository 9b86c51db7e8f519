"""Runs inside the sandbox: the person's `OnCall`, and the instance as far as it can be seen and changed."""

from __future__ import annotations

import json
import runpy
import sys
import traceback
from typing import Any

OUT = sys.stdout


class Instance:
    """What whoever is on call has."""

    def look(self, what: str) -> Any:
        """Figures; takes five seconds."""
        return ask("look", what)

    def do(self, what: str, *arguments: Any) -> Any:
        """A deed; takes ten seconds."""
        return ask("do", what, *arguments)


def ask(*call: Any) -> Any:
    """One call to the judge."""
    tell({"call": list(call)})
    return json.loads(sys.stdin.readline())


def tell(message: Any) -> None:
    """One line to the judge."""
    OUT.write(json.dumps(message) + "\n")
    OUT.flush()


def main() -> None:
    """One incident a line."""
    sys.stdout = sys.stderr
    solution = runpy.run_path(sys.argv[1])
    while sys.stdin.readline():
        try:
            tell({"answer": list(solution["OnCall"]().handle(Instance()))})
        except Exception:
            tell({"failed": traceback.format_exc(limit=-20)})


main()
