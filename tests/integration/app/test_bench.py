"""`reelwright bench`: one JSON document for programs, lines no wider than the terminal for people."""

from __future__ import annotations

import json
import os
import subprocess
import sys

MAIN = "from reelwright.app import cli; cli.main()"


def run(program: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    """The command in a narrow terminal."""
    environment = {**os.environ, "COLUMNS": "60"}
    command = [sys.executable, "-c", program, *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False, env=environment)


def test_json_is_one_document_with_the_machine_calibrated() -> None:
    """Rows that no id begins with are none; the calibration is always there."""
    done = run(MAIN, "bench", "practice", "--only", "no such row", "--json")
    document = json.loads(done.stdout)
    assert {row["id"] for row in document["rows"]} == {"calibration.call", "calibration.copy", "calibration.sync"}


def test_what_is_logged_is_not_on_stdout() -> None:
    """A system that warns while it is measured does not break the document."""
    done = run(
        "import structlog\nfrom reelwright.app import cli\n"
        "cli.command_tree = lambda: lambda: structlog.get_logger().warning('told')\ncli.main()"
    )
    assert done.stdout == "" and "told" in done.stderr


def test_rows_fit_a_narrow_terminal() -> None:
    """Nothing is cut off: the text goes on in the next line."""
    done = run(MAIN, "bench", "practice", "--only", "no such row")
    assert "calibration.sync" in done.stdout and "fdatasync" in done.stdout and "…" not in done.stdout
    assert max(map(len, done.stdout.splitlines())) <= 60
