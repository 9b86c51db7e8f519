"""Runs inside the sandbox: the person's `Consumer`, on a disk that the judge keeps and may cut the power of."""

from __future__ import annotations

import base64
import json
import runpy
import sys
import traceback
from typing import Any

OUT = sys.stdout


class Disk:
    """Files by name, in one folder; what is appended survives a power cut only once it was synced."""

    def list(self) -> list[str]:
        """Names, sorted."""
        return [str(name) for name in self._ask("list")]

    def size(self, name: str) -> int:
        """Bytes of a file. Raises OSError when there is none."""
        return int(self._ask("size", name))

    def read(self, name: str) -> bytes:
        """The whole file. Raises OSError when there is none."""
        return base64.b64decode(self._ask("read", name))

    def append(self, name: str, data: bytes) -> None:
        """Append; the file is made when absent."""
        self._ask("append", name, base64.b64encode(data).decode())

    def truncate(self, name: str, size: int) -> None:
        """Cut back to `size` bytes."""
        self._ask("truncate", name, size)

    def sync(self, name: str) -> None:
        """Return once the file's content survives a power cut."""
        self._ask("sync", name)

    def sync_folder(self) -> None:
        """Return once the names survive a power cut."""
        self._ask("sync_folder")

    def _ask(self, *call: Any) -> Any:
        tell({"call": list(call)})
        answer = json.loads(sys.stdin.readline())
        if "error" in answer:
            raise OSError(answer["error"])
        return answer["value"]


def tell(message: Any) -> None:
    """One line to the judge."""
    OUT.write(json.dumps(message) + "\n")
    OUT.flush()


def main() -> None:
    """A consumer for as long as the process lives."""
    sys.stdout = sys.stderr
    solution = runpy.run_path(sys.argv[1])
    consumer: Any = None
    while line := sys.stdin.readline():
        message = json.loads(line)
        try:
            consumer = consumer or solution["Consumer"](Disk())
            if "take" in message:
                consumer.take([tuple(event) for event in message["take"]])
            tell({"answer": consumer.totals() if "totals" in message else True})
        except Exception:
            tell({"failed": traceback.format_exc(limit=-20)})


main()
