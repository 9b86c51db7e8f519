"""Logs: whoever logs, each line has the same form."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Any

PACKAGES = """
import logging
from reelwright.kernel.telemetry import configure_logging, logger
configure_logging(level={level!r}, log_format="json", process="web")
logger("ours").info("ours", password="hunter2")
logging.getLogger("httpx").info("HTTP Request: GET http://127.0.0.1/")
logging.getLogger("httpx").warning("retried after %d ms", 3)
try:
    1 / 0
except ZeroDivisionError:
    logging.getLogger("somebody.else").exception("failed")
"""


def logged(level: str) -> list[dict[str, Any]]:
    """What a process of that level writes to stderr: one JSON document a line, and nothing else."""
    run = subprocess.run(
        [sys.executable, "-c", PACKAGES.format(level=level)], capture_output=True, text=True, check=True
    )
    assert run.stdout == ""
    return [json.loads(line) for line in run.stderr.splitlines()]


def test_what_packages_warn_of_has_the_form_of_our_own_lines() -> None:
    """Level, time, process, and who logged it; a traceback is a field. That they did their work is not told."""
    ours, theirs, failed = logged("info")
    assert ours["event"] == "ours" and ours["password"] == "***"
    assert (theirs["event"], theirs["level"], theirs["logger"]) == ("retried after 3 ms", "warning", "httpx")
    assert {*ours} - {"module", "password"} == {*theirs} - {"logger"} == {"event", "level", "timestamp", "process"}
    assert "ZeroDivisionError" in failed["exception"]


def test_a_quieter_level_holds_for_packages_too() -> None:
    """What is said below it is left out, whoever says it."""
    assert [line["level"] for line in logged("warning")] == ["warning", "error"]
    assert [line["level"] for line in logged("error")] == ["error"]
