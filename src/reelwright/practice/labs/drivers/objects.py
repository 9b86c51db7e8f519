"""Runs inside the sandbox: objects of the person's classes, each in a namespace of its own, called by name."""

from __future__ import annotations

import json
import runpy
import sys
import traceback
from typing import Any

OBJECTS: dict[str, Any] = {}


class Told(dict[str, Any]):
    """A struct of the service: its fields are read as `visit.key`, as there, and as `visit["key"]`."""

    def __getattr__(self, name: str) -> Any:
        if name in self:
            return self[name]
        raise AttributeError(name)


def call(key: str, method: str, arguments: list[Any]) -> Any:
    """Make an object where the method is a class's name, else call one that was made."""
    if method[:1].isupper():
        OBJECTS[key] = runpy.run_path(sys.argv[1])[method](*arguments)
        return True
    return getattr(OBJECTS[key], method)(*arguments)


def main() -> None:
    """A line holds calls in order; the answer holds what each returned."""
    out = sys.stdout
    sys.stdout = sys.stderr
    for line in sys.stdin:
        try:
            told: dict[str, Any] = {"answer": [call(*one) for one in json.loads(line, object_hook=Told)]}
            text = json.dumps(told)
        except Exception:
            text = json.dumps({"failed": traceback.format_exc(limit=-20)})
        out.write(text + "\n")
        out.flush()


main()
